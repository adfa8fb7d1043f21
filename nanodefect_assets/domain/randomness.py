"""Random numbers that do not depend on the order in which partitions run."""

from zlib import crc32

import numpy as np


def generator_for(seed: int, *keys: str) -> np.random.Generator:
    """Return the generator of one partition or item, a pure function of `seed` and `keys`."""
    return np.random.default_rng([seed, *(crc32(key.encode()) for key in keys)])


def sklearn_seed(rng: np.random.Generator) -> int:
    """Draw the integer that scikit-learn and UMAP take instead of a generator."""
    return int(rng.integers(2**32))
