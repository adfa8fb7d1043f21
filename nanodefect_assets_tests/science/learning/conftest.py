import numpy as np
import pytest

from nanodefect_assets.domain.patches import PatchSet

SIZE = 32


def _disc_patch(rng):
    row, col = np.mgrid[:SIZE, :SIZE]
    centre, radius = rng.uniform(8, SIZE - 8, size=2), rng.uniform(4, 8)
    inside = np.hypot(row - centre[0], col - centre[1]) < radius
    return inside + 0.3 * rng.standard_normal((SIZE, SIZE)), inside


@pytest.fixture
def discs():
    """A maker of patches with one bright disc each, two of each micrograph; the truth is known."""

    def make(n_micrographs=6, *, name="m", seed=1):
        rng = np.random.default_rng([seed, *name.encode()])
        images, inside = zip(*(_disc_patch(rng) for _ in range(2 * n_micrographs)), strict=True)
        return PatchSet(
            images=np.array(images, dtype=np.float32),
            classes=np.array(inside, dtype=np.uint8),
            group=np.repeat(np.arange(n_micrographs), 2),
            micrograph_ids=tuple(f"{name}{index}" for index in range(n_micrographs)),
            class_names=("support", "particle"),
            pixel_size_nm=np.full(2 * n_micrographs, np.nan),
        )

    return make
