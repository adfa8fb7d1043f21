"""Size, shape and orientation of the particles of a labelled micrograph."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Num
from scipy.ndimage import find_objects

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.domain.schemas import PARTICLES
from nanodefect_assets.science.hrtem.hulls import convex_hull, feret_diameters, n_pixels_inside
from nanodefect_assets.science.hrtem.params import ParticleParams
from nanodefect_assets.science.hrtem.shape import crofton_perimeter, equal_ellipse

_LENGTHS = ("equivalent_diameter", "perimeter", "feret_max", "feret_min", "major_axis", "minor_axis")

_MEASURED = (
    "label",
    "centroid_row_px",
    "centroid_col_px",
    "bbox_row_min_px",
    "bbox_col_min_px",
    "bbox_row_max_px",
    "bbox_col_max_px",
    "area_px",
    *(f"{name}_px" for name in _LENGTHS),
    "orientation_deg",
    "solidity",
    "mean_counts",
    "sd_counts",
)
"""Columns that come from the pixels of one particle."""

_DTYPES = {"text": "str", "int": np.dtype("int64"), "float": np.dtype("float64"), "bool": np.dtype("bool")}

_Columns = dict[str, np.ndarray]


def measure_particles(labelled: LabelledMicrograph, params: ParticleParams) -> pd.DataFrame:
    """Measure every particle of a micrograph.

    Parameters
    ----------
    labelled : LabelledMicrograph
        Micrograph and particle numbers. A number is one particle, in one piece or not.
    params : ParticleParams
        What is measured.

    Returns
    -------
    DataFrame
        The columns of `PARTICLES`, one row per particle in the order of their numbers. Lengths in nm are not a number
        where the micrograph is not calibrated. Each particle counts: a micrograph knows of no other.

    Notes
    -----
    The area of the convex hull is counted in pixels too: those whose centres lie in the hull of the particle's pixel
    centres, so that the solidity of a disc is 1 at any size. `feret_diameters`, `crofton_perimeter` and
    `equal_ellipse` say how the lengths are defined on pixels.
    """
    labels = labelled.labels
    _check_numbers(labels)
    rows = []
    for number, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        mask = labels[box] == number
        if np.count_nonzero(mask) >= params.min_area_px:
            rows.append(_measure_one(number, mask, labelled.micrograph.counts[box], box))
    columns = {name: np.array([row[name] for row in rows]) for name in _MEASURED}
    columns |= _shape_ratios(columns) | _frame_columns(columns, labels.shape)
    columns |= _micrograph_columns(columns, labelled.micrograph)
    columns["duplicate_of"] = np.full(len(rows), None, dtype=object)
    return pd.DataFrame(
        {column.name: pd.array(columns[column.name], dtype=_DTYPES[column.type]) for column in PARTICLES.columns}
    )


def inclusion_weights(
    heights_px: Num[np.ndarray, " n"], widths_px: Num[np.ndarray, " n"], shape: tuple[int, int]
) -> Float[np.ndarray, " n"]:
    """Return 1 / the probability that a particle of a given bounding box is not cut by the frame.

    Parameters
    ----------
    heights_px, widths_px : ndarray of shape (n,)
        Bounding boxes, in pixels, of particles that touch no edge.
    shape : tuple of int
        Rows and columns of the frame.

    Notes
    -----
    H W / ((H - h - 1) (W - w - 1)): the estimator of Miles and Lantuejoul [1]_ on pixels. If the first row of a box may
    be any of the H rows, it and the last row keep off the frame's outermost rows in H - h - 1 of the cases.

    References
    ----------
    .. [1] J. Serra, Image Analysis and Mathematical Morphology, Academic Press (1982), ch. VIII.
    """
    n_rows, n_cols = shape
    return n_rows * n_cols / ((n_rows - heights_px - 1.0) * (n_cols - widths_px - 1.0))


def _check_numbers(labels: Int[np.ndarray, "row col"]) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > labels.size:
        raise ValueError(
            f"Expected labels of 0 for background and particles numbered from 1. Got numbers from {low} to {high}."
        )


def _measure_one(
    number: int, mask: Bool[np.ndarray, "row col"], counts: Float[np.ndarray, "row col"], box: tuple[slice, slice]
) -> dict[str, float | int]:
    """Measure the particle `mask`, cut out of the micrograph along its bounding box."""
    row_min, col_min = box[0].start, box[1].start
    rows, cols = np.nonzero(mask)
    area = rows.size
    inside = counts[mask].astype(np.float64)
    feret_max, feret_min, n_hull = _measure_hull(mask)
    major_axis, minor_axis, orientation_deg = equal_ellipse(rows, cols)
    return {
        "label": number,
        "centroid_row_px": row_min + rows.mean(),
        "centroid_col_px": col_min + cols.mean(),
        "bbox_row_min_px": row_min,
        "bbox_col_min_px": col_min,
        "bbox_row_max_px": box[0].stop,
        "bbox_col_max_px": box[1].stop,
        "area_px": area,
        "equivalent_diameter_px": np.sqrt(4 / np.pi * area),
        "perimeter_px": crofton_perimeter(mask),
        "feret_max_px": feret_max,
        "feret_min_px": feret_min,
        "major_axis_px": major_axis,
        "minor_axis_px": minor_axis,
        "orientation_deg": orientation_deg,
        "solidity": area / n_hull,
        "mean_counts": inside.mean(),
        "sd_counts": inside.std(),
    }


def _measure_hull(mask: Bool[np.ndarray, "row col"]) -> tuple[float, float, int]:
    """Return the longest and shortest Feret diameter in pixels and the pixels of the convex hull."""
    rows = np.flatnonzero(mask.any(axis=1))
    first_cols = mask.argmax(axis=1)[rows]
    last_cols = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)[rows]
    corners = convex_hull(rows, first_cols, last_cols)
    return *feret_diameters(corners), n_pixels_inside(corners)


def _shape_ratios(columns: _Columns) -> _Columns:
    """Return ratios of lengths. A line of pixels has no minor axis, hence no aspect ratio."""
    major_axis_px, minor_axis_px = columns["major_axis_px"], columns["minor_axis_px"]
    aspect_ratio = np.full(len(major_axis_px), np.nan)
    np.divide(major_axis_px, minor_axis_px, out=aspect_ratio, where=minor_axis_px > 0)
    circularity = 4 * np.pi * columns["area_px"] / columns["perimeter_px"] ** 2
    return {"aspect_ratio": aspect_ratio, "circularity": np.minimum(circularity, 1.0)}


def _frame_columns(columns: _Columns, shape: tuple[int, int]) -> _Columns:
    first_row, first_col = columns["bbox_row_min_px"], columns["bbox_col_min_px"]
    stop_row, stop_col = columns["bbox_row_max_px"], columns["bbox_col_max_px"]
    touches_edge = (first_row == 0) | (first_col == 0) | (stop_row == shape[0]) | (stop_col == shape[1])
    inner = ~touches_edge
    weights = np.zeros(len(first_row))
    weights[inner] = inclusion_weights((stop_row - first_row)[inner], (stop_col - first_col)[inner], shape)
    return {"touches_edge": touches_edge, "inclusion_weight": weights}


def _micrograph_columns(columns: _Columns, micrograph: Micrograph) -> _Columns:
    """Return who the particles are, and their sizes in nm."""
    n_particles = len(columns["label"])
    pixel_size_nm = np.nan if micrograph.pixel_size_nm is None else micrograph.pixel_size_nm
    return {
        "micrograph_id": np.full(n_particles, micrograph.micrograph_id, dtype=object),
        "particle_id": np.array([f"{micrograph.micrograph_id}#{number}" for number in columns["label"]], dtype=object),
        "modality": np.full(n_particles, micrograph.modality, dtype=object),
        "is_simulated": np.full(n_particles, micrograph.is_simulated),
        "area_nm2": columns["area_px"] * pixel_size_nm**2,
    } | {f"{name}_nm": columns[f"{name}_px"] * pixel_size_nm for name in _LENGTHS}
