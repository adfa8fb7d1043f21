"""Denoised tilt series, as `tomography/denoised` keeps them."""

import numpy as np
import pandas as pd

from nanodefect_assets.domain.schemas import DENOISED_TILTS
from nanodefect_assets.stores.generations import StoredGeneration

DENOISED = "denoised"
"""Kind of the arrays that hold denoised images, in the places of the detected ones."""


def read_denoised(generation: StoredGeneration, tilt_series_id: str) -> np.ndarray | None:
    """Return the denoised images of a series, all of the file; None if it was not denoised."""
    arrays = generation.arrays(DENOISED)
    return arrays.read(tilt_series_id).astype(np.float32) if tilt_series_id in arrays else None


def denoised_rows(generation: StoredGeneration, tilt_series_id: str) -> pd.DataFrame:
    """Return what is known of each denoised image of a series."""
    rows = generation.rows(DENOISED_TILTS)
    return rows[rows["tilt_series_id"] == tilt_series_id]
