"""MNIST as Keras distributes it."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import UInt8

from nanodefect_assets.domain.refusal import Refusal


def read_digits(path: Path, *, digit: int) -> UInt8[np.ndarray, "n row col"]:
    """Return the training images of one digit.

    Raises
    ------
    Refusal
        If the file is not there, or is no such archive.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            images, classes = found["x_train"], found["y_train"]
    except (OSError, ValueError, KeyError, BadZipFile, AttributeError, TypeError) as error:
        raise _no_digits(path, f"{type(error).__name__}: {error}") from error
    if images.ndim != 3 or images.dtype != np.uint8 or classes.shape != images.shape[:1]:
        raise _no_digits(path, f"x_train {images.dtype} {images.shape}, y_train {classes.shape}")
    return images[classes == digit]


def _no_digits(path: Path, got: str) -> Refusal:
    return Refusal(
        "unreadable_digits",
        expected="mnist.npz with x_train (n, 28, 28) uint8 and y_train (n,)",
        got=got,
        file=str(path),
        advice="Give the file that Keras distributes.",
    )
