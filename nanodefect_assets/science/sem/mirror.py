"""Mirror labelling: call all particles right-handed, their mirror images left-handed."""

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nanodefect_assets.domain.refusal import Refusal

_Images = Float[np.ndarray, "n row col"]
_Flags = Bool[np.ndarray, " n"]

_LEAST_PARTICLES = 10


@dataclass(frozen=True, kw_only=True)
class HandedSet:
    """Images of single particles with the hand that each is said to have.

    Attributes
    ----------
    images : ndarray of shape (n, row, col)
        Intensities, each image divided by its maximum.
    says_right : ndarray of shape (n,)
        The label, right or wrong.
    is_right : ndarray of shape (n,)
        The truth. Known only where an error was planted or a particle simulated; else equal to the label.
    pair : ndarray of shape (n,)
        Number of the particle: an image and its mirror share it.
    """

    images: _Images
    says_right: _Flags
    is_right: _Flags
    pair: Int[np.ndarray, " n"]

    def __post_init__(self) -> None:
        n = len(self.images)
        if not n == len(self.says_right) == len(self.is_right) == len(self.pair):
            raise ValueError("Expected a label, a truth and a number for every image. Got different numbers.")

    def __len__(self) -> int:
        return len(self.images)

    def take(self, which: Int[np.ndarray, " m"]) -> "HandedSet":
        """Return the images at the indices `which`."""
        return HandedSet(
            images=self.images[which],
            says_right=self.says_right[which],
            is_right=self.is_right[which],
            pair=self.pair[which],
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over images and labels, in hexadecimal."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        for array in (self.images, self.says_right):
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
        return digest.hexdigest()


def mirrored(images: _Images) -> _Images:
    """Return the mirror images: left and right exchanged."""
    return np.ascontiguousarray(images[:, :, ::-1])


def prepare_images(images: np.ndarray, *, file: str = "", n_px: int | None = None) -> Float[np.ndarray, "n row col"]:
    """Return crops of single particles as float32, each divided by its maximum.

    Parameters
    ----------
    images : ndarray of shape (n, row, col)
        Intensities of any unit, zero outside the particle.
    file : str
        Where they come from, for the words of a refusal.
    n_px : int or None
        Edge that the crops must have; None for any.

    Raises
    ------
    Refusal
        If there are too few, if they are not square crops of that size, or one is blank or not finite.
    """
    shape = images.shape
    if len(shape) != 3 or shape[1] != shape[2] or (n_px is not None and shape[1] != n_px):
        wanted = f"{n_px} x {n_px}" if n_px else "square"
        raise Refusal(
            "crop_size",
            expected=f"{wanted} crops as an array (n, row, col)",
            got=f"an array of shape {shape}",
            file=file,
            advice="Scale and pad the crops to that size first.",
        )
    if len(images) < _LEAST_PARTICLES:
        raise Refusal(
            "too_few_particles", expected=f"at least {_LEAST_PARTICLES} particles", got=str(len(images)), file=file
        )
    return scale_crops(images, file=file)


def scale_crops(images: np.ndarray, *, file: str = "") -> Float[np.ndarray, "n row col"]:
    """Return crops, however few, as float32, each divided by its maximum; blank ones are refused."""
    values = images.astype(np.float32)
    _refuse_blank(values, file)
    return values / values.max(axis=(1, 2), keepdims=True)


def _refuse_blank(values: _Images, file: str) -> None:
    flat = values.reshape(len(values), -1)
    low, high = flat.min(axis=1), flat.max(axis=1)
    bad = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high) & (high > low) & (high > 0)))
    if bad.size:
        raise Refusal(
            "blank_crop",
            expected="crops with a particle: finite intensities that vary and are not all below zero",
            got=f"{bad.size} crops without, the first at index {bad[0]}",
            file=file,
            advice="Leave these crops out.",
        )


def plant_error(
    images: _Images, error_fraction: float, *, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n row col"], Bool[np.ndarray, " n"]]:
    """Return images of which a random share, rounded to whole images, is mirrored, and which still are right-handed.

    Parameters
    ----------
    images : ndarray of shape (n, row, col)
        All of one hand.
    error_fraction : float
        Share that is mirrored, 0 to 0.5.
    """
    if not 0 <= error_fraction <= 0.5:
        raise Refusal(
            "error_fraction",
            expected="a share of wrong labels from 0 to 0.5",
            got=f"{error_fraction:g}",
            advice="Above one half the minority is the other hand: name the hands the other way round.",
        )
    wrong = rng.choice(len(images), size=round(error_fraction * len(images)), replace=False)
    noisy, is_right = images.copy(), np.ones(len(images), dtype=bool)
    noisy[wrong] = mirrored(images[wrong])
    is_right[wrong] = False
    return noisy, is_right


def mirror_label(images: _Images, *, is_right: _Flags | None = None, first_pair: int = 0) -> HandedSet:
    """Return the images, called right-handed, followed by their mirror images, called left-handed.

    Parameters
    ----------
    images : ndarray of shape (n, row, col)
        One image of each particle.
    is_right : ndarray of shape (n,) or None
        True hand of each particle; None if all are what they are called.
    first_pair : int
        Number of the first particle.
    """
    truth = np.ones(len(images), dtype=bool) if is_right is None else is_right
    numbers = np.arange(first_pair, first_pair + len(images))
    return HandedSet(
        images=np.concatenate([images, mirrored(images)]),
        says_right=np.repeat([True, False], len(images)),
        is_right=np.concatenate([truth, ~truth]),
        pair=np.concatenate([numbers, numbers]),
    )
