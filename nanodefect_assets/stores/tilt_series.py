"""Tilt series, as `samples/tilt_series` keeps them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from nanodefect_assets.domain.schemas import TILT_SERIES, TILTS
from nanodefect_assets.stores.arrays import ArraysReader
from nanodefect_assets.stores.generations import StoredGeneration

_KIND = "tilt_series"


@dataclass(frozen=True, kw_only=True)
class StoredTiltSeries:
    """One tilt series of a sample: what is known of it, and its images when asked for.

    Attributes
    ----------
    tilt_series_id : str
        The series.
    tilts_deg : ndarray of shape (tilt,)
        Stage tilt of each image, in the order of the file.
    pixel_size_nm, dose_e_per_nm2 : float or None
        Edge of a pixel, and the dose of one image.
    tilt_axis_deg : float or None
        Tilt axis in the images, from vertical, counterclockwise, as the file or batch.yaml states it.
    is_simulated : bool
        Whether a computer made it.
    """

    tilt_series_id: str
    tilts_deg: np.ndarray
    pixel_size_nm: float | None
    dose_e_per_nm2: float | None
    tilt_axis_deg: float | None
    is_simulated: bool
    arrays: ArraysReader

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, of rows and of columns."""
        return self.arrays.shape(self.tilt_series_id)

    def images(self) -> np.ndarray:
        """Return the images as float32, of shape (tilt, row, col)."""
        return self.arrays.read(self.tilt_series_id).astype(np.float32)


def read_tilt_series(generation: StoredGeneration) -> Iterator[StoredTiltSeries]:
    """Yield every tilt series of a generation of `samples/tilt_series`."""
    series, tilts, arrays = generation.rows(TILT_SERIES), generation.rows(TILTS), generation.arrays(_KIND)
    for row in series.to_dict("records"):
        own = tilts[tilts["tilt_series_id"] == row["tilt_series_id"]].sort_values("tilt_index")
        yield StoredTiltSeries(
            tilt_series_id=str(row["tilt_series_id"]),
            tilts_deg=own["tilt_deg"].to_numpy(dtype=float),
            pixel_size_nm=_number(row["pixel_size_nm"]),
            dose_e_per_nm2=_number(row["dose_e_per_nm2"]),
            tilt_axis_deg=_number(row["tilt_axis_deg"]),
            is_simulated=bool(row["is_simulated"]),
            arrays=arrays,
        )


def _number(value: object) -> float | None:
    return None if pd.isna(cast("float", value)) else float(cast("float", value))
