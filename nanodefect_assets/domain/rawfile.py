"""What the header of a microscope's file says, before any pixel is read; and the atoms of a coordinate file."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.manifest import Acquisition

RawKind = Literal["image", "image_stack", "tilt_series", "coordinates", "particle_table"]
"""A single image; frames without angles; one frame per stage tilt; positions of atoms; classes given to particles."""


@dataclass(frozen=True, kw_only=True)
class RawFacts:
    """What a file says about itself.

    Attributes
    ----------
    format : str
        Format and, where known, the program that wrote it, such as ``TIFF (ImageJ)``.
    kind : str
        ``image``, ``image_stack``, ``tilt_series`` or ``coordinates``.
    shape : tuple of int
        ``(row, col)`` of an image, ``(frame, row, col)`` of a stack, ``(n, 3)`` of coordinates.
    dtype : str
        Type of the pixels as the file has them, such as ``uint16``.
    acquisition : Acquisition
        How the image was taken. ``row_order`` is where the file's first row lies in the image as seen.
    tilt_angles_deg : tuple of float or None
        Stage tilt of each frame of a tilt series.
    length_unit : str or None
        Unit of the coordinates.
    data_bar_rows : int
        Rows at the bottom of the file's image that a scanning microscope wrote its data bar into; readers leave them
        out, and `shape` does not count them.
    n_samples : int
        Samples a pixel, three of a palette; more than one are taken as grey if the colours are equal.
    notes : tuple of str
        What a person might want to know, such as where the angles came from.
    """

    format: str
    kind: RawKind
    shape: tuple[int, ...]
    dtype: str
    acquisition: Acquisition = field(default_factory=Acquisition)
    tilt_angles_deg: tuple[float, ...] | None = None
    length_unit: str | None = None
    data_bar_rows: int = 0
    n_samples: int = 1
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(RawKind):
            raise ValueError(f"Expected kind to be one of {get_args(RawKind)}. Got {self.kind!r}.")
        n_axes = 3 if self.kind in ("image_stack", "tilt_series") else 2
        if len(self.shape) != n_axes:
            raise ValueError(f"Expected {n_axes} axes for {self.kind}. Got shape {self.shape}.")
        if (self.kind == "tilt_series") != (self.tilt_angles_deg is not None):
            raise ValueError(f"Expected tilt_angles_deg for a tilt_series and nothing else. Got {self.kind}.")
        if self.tilt_angles_deg is not None and len(self.tilt_angles_deg) != self.n_frames:
            raise ValueError(f"Expected {self.n_frames} tilt angles. Got {len(self.tilt_angles_deg)}.")

    @property
    def n_frames(self) -> int:
        """Images in the file; 1 where there is no axis of frames."""
        return self.shape[0] if len(self.shape) == 3 else 1


@dataclass(frozen=True, kw_only=True)
class Coordinates:
    """Atoms of a coordinate file.

    Attributes
    ----------
    species : tuple of str
        Chemical symbol of each atom; ``X`` where the file gives none.
    positions_angstrom : ndarray of shape (n, 3)
        Positions (x, y, z), in ångström.
    length_unit : str
        What the file's own numbers were taken to be: ``angstrom``, or ``<factor> angstrom`` where a scale was given.
    nearest_neighbour_angstrom : float
        Median distance to the nearest neighbour, in ångström.
    """

    species: tuple[str, ...]
    positions_angstrom: Float[np.ndarray, "n 3"]
    length_unit: str
    nearest_neighbour_angstrom: float

    def __post_init__(self) -> None:
        if self.positions_angstrom.shape != (len(self.species), 3):
            raise ValueError(
                f"Expected positions of shape ({len(self.species)}, 3). Got {self.positions_angstrom.shape}."
            )
