"""Patches of micrographs with a class for each pixel: what a segmenter is trained and judged on."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int, UInt8

from nanodefect_assets.domain.champion import Recipe
from nanodefect_assets.domain.micrograph import MODALITIES, Modality

Side = Literal["train", "validation", "test"]
"""What a micrograph is for: to learn from, to tell when to stop, to judge by."""

SIDES: tuple[Side, ...] = get_args(Side)

UNLABELLED = 255
"""Class of pixels of which nothing is known: losses and scores leave them out."""


@dataclass(frozen=True, kw_only=True)
class PatchSource:
    """What is known of a micrograph that patches were cut from.

    Attributes
    ----------
    material : str or None
        What the particles are made of.
    modality : str
        ``hrtem``, ``hrstem`` or ``sem``.
    is_simulated : bool
        Whether a computer made the image.
    dose_e_per_nm2 : float or None
        Electrons per area.
    """

    material: str | None = None
    modality: Modality = "hrtem"
    is_simulated: bool = False
    dose_e_per_nm2: float | None = None

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise ValueError(f"Expected modality to be one of {MODALITIES}. Got {self.modality!r}.")


class PatchDigest:
    """The fingerprint of a set whose patches come bit by bit, in order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, images: Float[np.ndarray, "patch row col"], classes: UInt8[np.ndarray, "patch row col"]) -> None:
        """Take further patches in."""
        for image, labelled in zip(images, classes, strict=True):
            self._digest.update(image.astype("<f4", copy=False).tobytes())
            self._digest.update(labelled.tobytes())

    def close(self, described: "PatchSet | PatchHead") -> str:
        """Return the fingerprint, with what is known of the patches."""
        head = {
            "shape": described.shape,
            "micrograph_ids": described.micrograph_ids,
            "class_names": described.class_names,
            "sources": [asdict(source) for source in described.sources],
            "normalisation": described.normalisation and described.normalisation.model_dump(mode="json"),
        }
        self._digest.update(described.group.astype("<i8").tobytes())
        self._digest.update(described.pixel_size_nm.astype("<f8").tobytes())
        self._digest.update(json.dumps(head, sort_keys=True).encode())
        return self._digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class PatchHead:
    """All that a `PatchSet` holds but its pixels; attributes are those of `PatchSet`, `shape` is that of its images."""

    shape: tuple[int, int, int]
    group: Int[np.ndarray, " patch"]
    micrograph_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    pixel_size_nm: Float[np.ndarray, " patch"]
    sources: tuple[PatchSource, ...] = ()
    normalisation: Recipe | None = None


@dataclass(frozen=True, kw_only=True)
class PatchSet:
    """Patches of one size, each from one of some micrographs.

    Attributes
    ----------
    images : ndarray of shape (patch, row, col)
        Normalised counts, 32 bits.
    classes : ndarray of shape (patch, row, col)
        0 for support, 1 and up for the other classes, `UNLABELLED` where nothing is known.
    group : ndarray of shape (patch,)
        Which micrograph each patch was cut from, as an index of `micrograph_ids`.
    micrograph_ids : tuple of str
        Micrographs; some may have no patch.
    class_names : tuple of str
        What the classes mean, the support first.
    pixel_size_nm : ndarray of shape (patch,)
        Edge of a pixel of each patch; NaN where it is not known.
    sources : tuple of PatchSource
        What is known of each micrograph, in the order of `micrograph_ids`; empty where nothing is.
    normalisation : Recipe or None
        How counts became `images`; None where that is not known.
    """

    images: Float[np.ndarray, "patch row col"]
    classes: UInt8[np.ndarray, "patch row col"]
    group: Int[np.ndarray, " patch"]
    micrograph_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    pixel_size_nm: Float[np.ndarray, " patch"]
    sources: tuple[PatchSource, ...] = ()
    normalisation: Recipe | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 3 or self.images.dtype != np.float32:
            got = f"{self.images.shape} of {self.images.dtype}"
            raise ValueError(f"Expected images of shape (patch, row, col) and float32. Got {got}.")
        if self.classes.shape != self.images.shape or self.classes.dtype != np.uint8:
            got = f"{self.classes.shape} of {self.classes.dtype}"
            raise ValueError(f"Expected classes of shape {self.images.shape} and uint8. Got {got}.")
        for name in ("group", "pixel_size_nm"):
            if getattr(self, name).shape != (len(self.images),):
                raise ValueError(f"Expected {name} for each of {len(self.images)} patches. Got {getattr(self, name)}.")
        if len(set(self.class_names)) != len(self.class_names) or not 2 <= len(self.class_names) < UNLABELLED:
            raise ValueError(f"Expected two class names or more, each once. Got {self.class_names}.")
        if len(set(self.micrograph_ids)) != len(self.micrograph_ids):
            raise ValueError(f"Expected each micrograph once. Got {self.micrograph_ids}.")
        if self.sources and len(self.sources) != len(self.micrograph_ids):
            raise ValueError(f"Expected {len(self.micrograph_ids)} sources or none. Got {len(self.sources)}.")
        self._check_values()

    def _check_values(self) -> None:
        if not len(self.images):
            return
        if self.group.min() < 0 or self.group.max() >= len(self.micrograph_ids):
            got = f"{self.group.min()} to {self.group.max()}"
            raise ValueError(f"Expected groups below {len(self.micrograph_ids)}. Got {got}.")
        if np.any(self.pixel_size_nm <= 0) or np.any(np.isinf(self.pixel_size_nm)):
            raise ValueError("Expected pixel_size_nm > 0 or NaN.")
        n_pixels = self.n_pixels_of_value
        if beyond := np.flatnonzero(n_pixels[len(self.class_names) : UNLABELLED]).tolist():
            got = f"class {len(self.class_names) + beyond[0]}"
            raise ValueError(f"Expected classes below {len(self.class_names)}, or {UNLABELLED}. Got {got}.")
        if not np.isfinite(self.images).all():
            raise ValueError("Expected finite images. Got NaN or infinity.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Patches, rows and columns."""
        n, n_rows, n_cols = self.images.shape
        return n, n_rows, n_cols

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def n_pixels_of_value(self) -> Int[np.ndarray, " 256"]:
        """How many pixels have each of the 256 values that a class can have."""
        counts = np.zeros(256, dtype=np.int64)
        for patch in self.classes:
            counts += np.bincount(patch.ravel(), minlength=256)
        return counts

    @property
    def n_pixels(self) -> dict[str, int]:
        """Labelled pixels of each class, by its name."""
        return {name: int(self.n_pixels_of_value[value]) for value, name in enumerate(self.class_names)}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything that training sees, in hexadecimal digits."""
        digest = PatchDigest()
        digest.add(self.images, self.classes)
        return digest.close(self)

    def subset(self, groups: Collection[int]) -> "PatchSet":
        """Return the patches of some micrographs, given as indices of `micrograph_ids`; those are numbered anew."""
        kept = sorted(set(groups))
        if any(not 0 <= group < len(self.micrograph_ids) for group in kept):
            raise ValueError(f"Expected groups below {len(self.micrograph_ids)}. Got {kept}.")
        chosen = np.isin(self.group, kept)
        return replace(
            self,
            images=self.images[chosen],
            classes=self.classes[chosen],
            group=np.searchsorted(kept, self.group[chosen]),
            micrograph_ids=tuple(self.micrograph_ids[group] for group in kept),
            pixel_size_nm=self.pixel_size_nm[chosen],
            sources=tuple(self.sources[group] for group in kept) if self.sources else (),
        )
