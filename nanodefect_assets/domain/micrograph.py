"""One image of a microscope, and the particles labelled in it."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

Modality = Literal["hrtem", "hrstem", "sem"]
"""How a micrograph was taken; decides how particles stand out from what holds them."""

MODALITIES: tuple[str, ...] = get_args(Modality)

_FRAME = re.compile(r"@\d{4,}$")


def file_of(micrograph_id: str) -> str:
    """Return the part of an identifier that frames of one file, ``<file>@<number>``, have in common."""
    return _FRAME.sub("", micrograph_id)


@dataclass(frozen=True, kw_only=True)
class Micrograph:
    """One calibrated image.

    Attributes
    ----------
    micrograph_id : str
        ``<batch>/<aliquot>/<path below the batch, with its ending>``.
    counts : ndarray of shape (row, col)
        Detected intensity, not normalised: normalisation belongs to the model.
    pixel_size_nm : float or None
        Edge of a square pixel, in nanometres; None if the image was declared uncalibrated.
    modality : str
        ``hrtem``, ``hrstem`` or ``sem``.
    is_simulated : bool
        Whether a computer made the image.
    """

    micrograph_id: str
    counts: Float[np.ndarray, "row col"]
    pixel_size_nm: float | None
    modality: Modality
    is_simulated: bool = False

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or 0 in self.counts.shape:
            raise ValueError(f"Expected counts of shape (row, col), not empty. Got {self.counts.shape}.")
        if self.pixel_size_nm is not None and not 0 < self.pixel_size_nm < np.inf:
            raise ValueError(f"Expected pixel_size_nm > 0 or None. Got {self.pixel_size_nm}.")
        if self.modality not in MODALITIES:
            raise ValueError(f"Expected modality to be one of {MODALITIES}. Got {self.modality!r}.")


@dataclass(frozen=True, kw_only=True)
class LabelledMicrograph:
    """A micrograph with the particles found in it.

    Attributes
    ----------
    micrograph : Micrograph
        The image.
    labels : ndarray of shape (row, col)
        0 for background, else the number of the particle.
    """

    micrograph: Micrograph
    labels: Int[np.ndarray, "row col"]

    def __post_init__(self) -> None:
        if self.labels.shape != self.micrograph.counts.shape:
            raise ValueError(
                f"Expected labels of the micrograph's shape {self.micrograph.counts.shape}. Got {self.labels.shape}."
            )
