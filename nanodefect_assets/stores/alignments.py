"""Tables of alignments, and aligned tilt series inside a generation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.schemas import ALIGNED_SERIES, ALIGNMENTS
from nanodefect_assets.domain.tilt_alignment import TiltAlignment
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.stores.arrays import ArraysReader
from nanodefect_assets.stores.generations import StoredGeneration

ALIGNED, ALIGNED_DENOISED = "aligned", "aligned_denoised"
"""Kinds of the arrays that hold aligned images, as detected and denoised."""

Stage = Literal["aligned", "refined", "atoms"]
_SHIFTS = ["shift_row_px", "shift_col_px"]
_ANGLES = ["phi_deg", "theta_deg", "psi_deg"]
_NEEDED = ("tilt_index", *_SHIFTS)
_LARGEST_TABLE_BYTES = 10_000_000


def alignment_rows(
    tilt_series_id: str, stage: Stage, tilts_deg: Sequence[float], alignment: TiltAlignment
) -> pd.DataFrame:
    """Return the rows of `ALIGNMENTS` of one series."""
    values = {
        "tilt_series_id": tilt_series_id,
        "stage": stage,
        "tilt_index": np.arange(len(alignment)),
        "tilt_deg": np.asarray(tilts_deg, dtype=float),
        "is_used": alignment.is_used,
        "reason": list(alignment.reasons),
        **dict(zip(_SHIFTS, alignment.shifts_px.T, strict=True)),
        "factor": alignment.factors,
        "background_counts": alignment.background_counts,
        **dict(zip(_ANGLES, alignment.euler_deg.T, strict=True)),
        "r_factor": alignment.r_factors,
    }
    return pd.DataFrame(values)[list(ALIGNMENTS.names)]


def refinement_round_rows(
    tilt_series_id: str,
    indices: Sequence[int],
    euler_deg: Float[np.ndarray, "round tilt 3"],
    r_factors: Float[np.ndarray, "round tilt"],
) -> pd.DataFrame:
    """Return the rows of `REFINEMENT_ROUNDS` of one series, whose used images have the numbers `indices`."""
    n_rounds, n_tilts = r_factors.shape
    values = {
        "tilt_series_id": tilt_series_id,
        "round": np.repeat(np.arange(1, n_rounds + 1), n_tilts),
        "tilt_index": np.tile(indices, n_rounds),
        **dict(zip(_ANGLES, euler_deg.reshape(-1, 3).T, strict=True)),
        "r_factor": r_factors.ravel(),
    }
    return pd.DataFrame(values)


def read_alignment(rows: pd.DataFrame, tilt_series_id: str, stage: Stage) -> TiltAlignment:
    """Return the alignment of one series from rows of `ALIGNMENTS`."""
    own = _own_rows(rows, tilt_series_id, stage)
    return TiltAlignment(
        reasons=tuple(None if pd.isna(reason) else str(reason) for reason in own["reason"]),
        shifts_px=own[_SHIFTS].to_numpy(dtype=float),
        factors=own["factor"].to_numpy(dtype=float),
        background_counts=own["background_counts"].to_numpy(dtype=float),
        euler_deg=own[_ANGLES].to_numpy(dtype=float),
        r_factors=own["r_factor"].to_numpy(dtype=float),
    )


def _own_rows(rows: pd.DataFrame, tilt_series_id: str, stage: Stage) -> pd.DataFrame:
    is_own = (rows["tilt_series_id"] == tilt_series_id) & (rows["stage"] == stage)
    return rows[is_own].sort_values("tilt_index")


def read_given_alignment(path: Path, nominal: TiltGeometry | Sequence[float]) -> TiltAlignment:
    """Read a table of an alignment that a person gives: CSV, as `nanodefect sql --format csv` writes it.

    Parameters
    ----------
    path : Path
        The table: tilt_index, shift_row_px, shift_col_px, and if they are to count factor, background_counts, is_used,
        reason, phi_deg, theta_deg and psi_deg. Other columns are passed over.
    nominal : TiltGeometry or sequence of float
        Views for a table without angles; or the stage's tilts alone, to see whether the table fits a series.

    Raises
    ------
    Refusal
        If the table is not one row for each tilt, or holds what is no number.
    """
    geometry = nominal if isinstance(nominal, TiltGeometry) else TiltGeometry.single_axis(np.asarray(nominal, float))
    rows = _checked_rows(path, len(geometry))
    came = TiltAlignment.as_it_came(geometry)
    angles = [name for name in _ANGLES if name in rows]
    if angles and angles != _ANGLES:
        raise _bad_table(path, f"all of {', '.join(_ANGLES)}, or none", f"only {', '.join(angles)}")
    is_used = rows["is_used"].astype(str).str.lower().isin(["true", "1", "t", "yes"]).tolist()
    reasons = tuple(
        None if used else (reason if isinstance(reason, str) and reason else "left out by hand")
        for used, reason in zip(is_used, rows["reason"], strict=True)
    )
    try:
        return TiltAlignment(
            reasons=reasons,
            shifts_px=rows[_SHIFTS].to_numpy(dtype=float),
            factors=rows["factor"].to_numpy(dtype=float),
            background_counts=rows["background_counts"].to_numpy(dtype=float),
            euler_deg=rows[angles].to_numpy(dtype=float) if angles else came.euler_deg,
            r_factors=came.r_factors,
        )
    except ValueError as error:
        raise _bad_table(path, "finite numbers, and factors above 0", str(error)) from error


def _checked_rows(path: Path, n_tilts: int) -> pd.DataFrame:
    """Return the rows by tilt_index, with what a table may leave out."""
    if path.stat().st_size > _LARGEST_TABLE_BYTES:
        raise _bad_table(path, "a table of an alignment", f"{path.stat().st_size} bytes")
    try:
        rows = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise _bad_table(path, "a table in CSV", str(error)[:200]) from error
    if missing := [name for name in _NEEDED if name not in rows]:
        raise _bad_table(path, f"columns {', '.join(_NEEDED)}", f"a table without {', '.join(missing)}")
    found = sorted(rows["tilt_index"].tolist())
    if found != list(range(n_tilts)):
        got = f"{len(found)} rows, tilt_index {found[0]} to {found[-1]}" if found else "no rows"
        raise _bad_table(path, f"one row for each of {n_tilts} tilts, of one series and one stage", got)
    optional = {"factor": 1.0, "background_counts": 0.0, "is_used": True, "reason": None}
    rows = rows.assign(**{name: value for name, value in optional.items() if name not in rows})
    return rows.sort_values("tilt_index")


def _bad_table(path: Path, expected: str, got: str) -> Refusal:
    advice = "Begin with: SELECT * FROM alignments WHERE tilt_series_id = '...' AND stage = 'aligned'."
    return Refusal("bad_alignment", expected=expected, got=got, file=path.name, advice=advice)


@dataclass(frozen=True, kw_only=True)
class StoredAlignedSeries:
    """One tilt series as `tomography/aligned` keeps it: the used images, moved to the middle.

    Attributes
    ----------
    tilt_series_id : str
        The series.
    tilts_deg : list of float
        Stage tilt of every image of the file.
    alignment : TiltAlignment
        What was done to the images, those left out among them.
    pixel_size_nm : float or None
        Edge of a pixel.
    is_simulated, is_denoised : bool
        Whether a computer made it, and whether reconstructions take the denoised images.
    """

    tilt_series_id: str
    tilts_deg: list[float]
    alignment: TiltAlignment
    pixel_size_nm: float | None
    is_simulated: bool
    is_denoised: bool
    generation: StoredGeneration

    def series(self) -> TiltSeries:
        """Return the images that reconstructions take."""
        return self._series(ALIGNED_DENOISED if self.is_denoised else ALIGNED)

    def detected_series(self) -> TiltSeries:
        """Return the images as they were detected, not denoised: their pixels are independent."""
        return self._series(ALIGNED)

    @property
    def used_indices(self) -> list[int]:
        """Numbers of the used images in their file."""
        return np.flatnonzero(self.alignment.is_used).tolist()

    def _series(self, kind: str) -> TiltSeries:
        images = self.generation.arrays(kind).read(self.tilt_series_id)
        return TiltSeries.of(images, self.alignment.geometry, self.pixel_size_nm)


def read_aligned_series(generation: StoredGeneration) -> Iterator[StoredAlignedSeries]:
    """Yield every tilt series of a generation of `tomography/aligned`."""
    rows, alignments = generation.rows(ALIGNED_SERIES), generation.rows(ALIGNMENTS)
    arrays: ArraysReader = generation.arrays(ALIGNED)
    for row in cast("list[dict[str, Any]]", rows.to_dict("records")):
        item = str(row["tilt_series_id"])
        yield StoredAlignedSeries(
            tilt_series_id=item,
            tilts_deg=_own_rows(alignments, item, "aligned")["tilt_deg"].tolist(),
            alignment=read_alignment(alignments, item, "aligned"),
            pixel_size_nm=arrays.pixel_size_nm(item),
            is_simulated=bool(row["is_simulated"]),
            is_denoised=bool(row["is_denoised"]),
            generation=generation,
        )


def refined_geometry(refined: StoredGeneration, tilt_series_id: str, aligned: TiltAlignment) -> TiltGeometry:
    """Return the views of the aligned images of a series, as `tomography/refined_reconstruction` found them."""
    found = read_alignment(refined.rows(ALIGNMENTS), tilt_series_id, "refined")
    shifts_px = (found.shifts_px - aligned.shifts_px)[aligned.is_used]
    return TiltGeometry(euler_deg=found.euler_deg[aligned.is_used], shifts_px=shifts_px)
