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

_DTYPES = {"text": "str", "int": "int64", "float": "float64", "bool": "bool"}


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
        where the micrograph is not calibrated.

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
    table = pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(PARTICLES.names))
    _add_shape_ratios(table)
    _add_frame_columns(table, labels.shape)
    _add_micrograph_columns(table, labelled.micrograph)
    return table[list(PARTICLES.names)].astype({column.name: _DTYPES[column.type] for column in PARTICLES.columns})


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
) -> dict[str, float]:
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


def _add_shape_ratios(table: pd.DataFrame) -> None:
    """Add ratios. A line of pixels has no minor axis, hence no aspect ratio."""
    minor_axis_px = table["minor_axis_px"].where(table["minor_axis_px"] > 0)
    table["aspect_ratio"] = table["major_axis_px"] / minor_axis_px
    table["circularity"] = (4 * np.pi * table["area_px"] / table["perimeter_px"] ** 2).clip(upper=1.0)


def _add_frame_columns(table: pd.DataFrame, shape: tuple[int, int]) -> None:
    starts = table[["bbox_row_min_px", "bbox_col_min_px"]]
    stops = table[["bbox_row_max_px", "bbox_col_max_px"]]
    touches_edge = (starts == 0).any(axis=1) | (stops == list(shape)).any(axis=1)
    inner = ~touches_edge.to_numpy(dtype=bool)
    sizes = (stops.to_numpy(dtype=float) - starts.to_numpy(dtype=float))[inner]
    weights = np.zeros(len(table))
    weights[inner] = inclusion_weights(sizes[:, 0], sizes[:, 1], shape)
    table["touches_edge"] = touches_edge
    table["inclusion_weight"] = weights


def _add_micrograph_columns(table: pd.DataFrame, micrograph: Micrograph) -> None:
    """Add who the particles are and their sizes in nm."""
    table["micrograph_id"] = micrograph.micrograph_id
    table["particle_id"] = [f"{micrograph.micrograph_id}#{number}" for number in table["label"]]
    table["is_simulated"] = micrograph.is_simulated
    pixel_size_nm = np.nan if micrograph.pixel_size_nm is None else micrograph.pixel_size_nm
    table["area_nm2"] = table["area_px"] * pixel_size_nm**2
    for name in _LENGTHS:
        table[f"{name}_nm"] = table[f"{name}_px"] * pixel_size_nm
