"""Aligned tilt series."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.tomography.alignment_checks import alignment_checks
from nanodefect_assets.defs.tomography.companions import Companions, distortion_row, read_companions
from nanodefect_assets.defs.tomography.series import RawSeries, checkpoint_of, raw_series, require_memory_of
from nanodefect_assets.science.tomography.alignment_params import AlignmentParams

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import numpy as np

    from nanodefect_assets.domain.progress import OnStep
    from nanodefect_assets.domain.tilt_series import TiltSeries
    from nanodefect_assets.science.tomography.choice import Comparison
    from nanodefect_assets.science.tomography.prepare import FoundAlignment
    from nanodefect_assets.science.tomography.scan_pairs import MendedSeries
    from nanodefect_assets.stores.checkpoints import FileCheckpoint
    from nanodefect_assets.stores.generations import GenerationWriter, StoredGeneration

_NAME = ("tomography", "aligned")
_COPIES_OF_ONE, _COPIES_OF_TWO = 12, 18
"""Of the images that are held at the peak, as of 32 bits, of single scans and of pairs."""


class AlignmentConfig(AlignmentParams, dg.Config):
    """Launchpad form of `AlignmentParams`."""


@dataclass(frozen=True, kw_only=True)
class _Aligned:
    """One series as it was aligned, beside the images that it was made of."""

    images: "np.ndarray"
    found: "FoundAlignment"
    series: "TiltSeries"
    denoised: "TiltSeries | None"
    choice: "Comparison | None"
    mended: "MendedSeries | None"
    companions: Companions
    scan_half_correlation: float | None
    repeat_correlation: float | None


@dg.asset(
    key=list(_NAME),
    deps=[["samples", "manifest"], ["samples", "tilt_series"], ["tomography", "denoised"]],
    partitions_def=sample,
    group_name="tomography",
    code_version="3",
    kinds={"numba", "zarr", "parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check(*_NAME),
        declare_check(_NAME, "tilts_used", "Every image of every series could be used; else which not, and why."),
        declare_check(_NAME, "shifts_bounded", "Images moved less than an eighth of their width, and came to rest."),
        declare_check(
            _NAME,
            "axis_is_sure",
            "Images fit their reprojections about one of their axes better by a fifth than about the other, this is "
            "the one that the file states, if it does, and it is turned by no more than was looked for.",
        ),
        declare_check(_NAME, "factors_near_one", "Every intensity factor lies between 0.75 and 1.25."),
        declare_check(
            _NAME, "scans_agree", "Volumes from the scans at 0 and at 90 degrees correlate by 0.5 or more, coarse grid."
        ),
        declare_check(
            _NAME,
            "sample_unchanged",
            "Images of one tilt, earlier and later, correlate by 0.9 or more: no beam damage.",
        ),
    ],
)
def aligned(
    context: dg.AssetExecutionContext, config: AlignmentConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Tilt series as volumes are made from: scan pairs in one, drift and background gone, every image in the middle.

    A series that came aligned is taken as it is: one that batch.yaml says so of, or whose images do not foretell one
    another better when aligned. A table given by a person goes before what is computed. Steps of the scan coils are
    mended first, where batch.yaml names the image of a standard sample.
    """
    from nanodefect_assets.domain.schemas import ALIGNED_SERIES, ALIGNMENTS, SCAN_DISTORTIONS
    from nanodefect_assets.stores.alignments import ALIGNED, ALIGNED_DENOISED
    from nanodefect_assets.stores.manifests import read_sample_manifest

    files, source, denoised = (
        upstream(context, home, *name)
        for name in (("samples", "manifest"), ("samples", "tilt_series"), ("tomography", "denoised"))
    )
    manifest, on_step, preview = read_sample_manifest(files), log_steps(context.log), None
    rows: list[dict[str, Any]] = []
    why: dict[str, dict[int, str]] = {}
    with (
        making(context, home, inputs=[files, source, denoised], params=config) as out,
        compute.numba_threads(),
        compute.executor() as executor,
    ):
        for table in (ALIGNED_SERIES, ALIGNMENTS, SCAN_DISTORTIONS):
            out.add_rows(table, [])
        for kind in (ALIGNED, ALIGNED_DENOISED):
            out.arrays(kind)
        for raw in raw_series(source, manifest):
            if not isinstance(raw, RawSeries):
                out.n_items += 1
                out.refuse(*raw)
                continue
            with out.item(raw.first.tilt_series_id):
                digests = [made.record.content_digest for made in (files, source, denoised)]
                checkpoint = checkpoint_of(home, "alignment", config, *digests, raw.first.tilt_series_id)
                require_memory_of(raw.first, _COPIES_OF_ONE if raw.second is None else _COPIES_OF_TWO)
                companions = read_companions(home, manifest, raw)
                one = _align(home, raw, companions, denoised, config, executor, checkpoint, on_step)
                rows.append(_add(out, raw, one))
                checkpoint.remove()
                reasons = one.found.alignment.reasons
                why[raw.first.tilt_series_id] = {n: reason for n, reason in enumerate(reasons) if reason}
                preview = _preview(raw, one) if preview is None else preview
    return report(
        out,
        metadata={
            "n_series": len(rows),
            "n_used": sum(row["n_used"] for row in rows),
            **({} if not rows else {"stray_px": rows[0]["stray_px"], "factor_sd": rows[0]["factor_sd"]}),
        },
        checks=[items_result(out), *alignment_checks(rows, why)],
        preview=preview,
    )


def _align(
    home: HomeResource,
    raw: RawSeries,
    companions: Companions,
    denoised: "StoredGeneration",
    config: AlignmentConfig,
    executor: "Executor",
    checkpoint: "FileCheckpoint",
    on_step: "OnStep",
) -> _Aligned:
    from nanodefect_assets.science.tomography.align import apply_alignment
    from nanodefect_assets.science.tomography.choice import choose_images
    from nanodefect_assets.science.tomography.prepare import repeat_correlation
    from nanodefect_assets.science.tomography.scan_pairs import mend_scans, straighten_series, upright
    from nanodefect_assets.science.tomography.screen import screen_tilts

    first, tilts_deg, matrix = raw.first.images(), raw.first.tilts_deg, companions.scan_matrix
    mended, second = None, None
    if raw.second is None:
        why = screen_tilts(first, tilts_deg)
        images = straighten_series(first, matrix, why)
    else:
        second = upright(raw.second.images())
        mended = mend_scans(first, second, tilts_deg, scan_matrix=matrix, executor=executor, on_step=on_step)
        images, why = mended.images, mended.why
    found = _found(home, raw, images, why, config, checkpoint, on_step)
    series = apply_alignment(images, found.alignment, raw.first.pixel_size_nm)
    smooth = _denoised_images(raw, denoised, mended)
    if smooth is not None and mended is None:
        smooth = straighten_series(smooth, matrix, why)
    clean = None if smooth is None else apply_alignment(smooth, found.alignment, raw.first.pixel_size_nm)
    return _Aligned(
        images=images,
        found=found,
        series=series,
        denoised=clean,
        choice=None if clean is None else choose_images(series, clean),
        mended=mended,
        companions=companions,
        scan_half_correlation=None if mended is None or second is None else _scan_halves(first, second, mended, found),
        repeat_correlation=repeat_correlation(images, tilts_deg),
    )


def _found(
    home: HomeResource,
    raw: RawSeries,
    images: "np.ndarray",
    why: dict[int, str],
    config: AlignmentConfig,
    checkpoint: "FileCheckpoint",
    on_step: "OnStep",
) -> "FoundAlignment":
    """Return the alignment that a person gave, none for a series that came aligned, else the one that is found."""
    from nanodefect_assets.science.tomography.prepare import find_alignment, nominal_geometry, take_alignment
    from nanodefect_assets.stores.alignments import read_given_alignment
    from nanodefect_assets.stores.corrections import alignment_path

    nominal, axis = nominal_geometry(images, raw.first.tilts_deg, why, config, raw.first.tilt_axis_deg)
    batch = raw.first.tilt_series_id.split("/", 1)[0]
    if (table := alignment_path(home.home, batch, raw.file)) is not None:
        return take_alignment(images, nominal, axis, why, read_given_alignment(table, nominal))
    if raw.file.is_aligned:
        return take_alignment(images, nominal, axis, why)
    return find_alignment(images, nominal, axis, why, config, checkpoint=checkpoint, on_step=on_step)


def _denoised_images(
    raw: RawSeries, denoised: "StoredGeneration", mended: "MendedSeries | None"
) -> "np.ndarray | None":
    """Return the denoised images of a series, scans in one; None if any of them was not denoised."""
    from nanodefect_assets.science.tomography.scan_pairs import upright
    from nanodefect_assets.stores.denoised import read_denoised

    first = read_denoised(denoised, raw.first.tilt_series_id)
    if first is None or raw.second is None or mended is None:
        return first
    second = read_denoised(denoised, raw.second.tilt_series_id)
    return None if second is None else mended.combined(first, upright(second))


def _scan_halves(
    first: "np.ndarray", second: "np.ndarray", mended: "MendedSeries", found: "FoundAlignment"
) -> float | None:
    """Return how well the volumes of first and of second scans agree; None where not every used tilt has both."""
    from nanodefect_assets.science.tomography.align import apply_alignment
    from nanodefect_assets.science.tomography.prepare import compare_scan_halves

    alignment = found.alignment.without({n: "one scan alone" for n, path in enumerate(mended.paths) if path is None})
    if alignment.is_used.sum() < 3:
        return None
    halves = [apply_alignment(images, alignment, None) for images in mended.halves(first, second)]
    return compare_scan_halves(halves[0], halves[1], 64).mean


def _add(out: "GenerationWriter", raw: RawSeries, one: _Aligned) -> dict[str, Any]:
    """Write images and rows of one series; return its row."""
    from nanodefect_assets.domain.schemas import ALIGNED_SERIES, ALIGNMENTS, SCAN_DISTORTIONS
    from nanodefect_assets.stores.alignments import ALIGNED, ALIGNED_DENOISED, alignment_rows

    item, attributes = raw.first.tilt_series_id, {"pixel_size_nm": raw.first.pixel_size_nm}
    out.add_array(ALIGNED, item, one.series.images, is_simulated=raw.first.is_simulated, **attributes)
    if one.denoised is not None:
        out.add_array(ALIGNED_DENOISED, item, one.denoised.images, is_simulated=raw.first.is_simulated, **attributes)
    row = _row(raw, one)
    if (distortion := distortion_row(raw, one.companions)) is not None:
        out.add_rows(SCAN_DISTORTIONS, [distortion])
    out.add_rows(ALIGNED_SERIES, [row])  # what the checks alone need stays behind
    out.add_rows(ALIGNMENTS, alignment_rows(item, "aligned", raw.first.tilts_deg.tolist(), one.found.alignment))
    return row


def _row(raw: RawSeries, one: _Aligned) -> dict[str, Any]:
    import numpy as np

    found, mended, choice = one.found, one.mended, one.choice
    has_pairs = mended is not None and any(path is not None for path in mended.paths)
    return {
        "tilt_series_id": raw.first.tilt_series_id,
        "second_series_id": None if raw.second is None else raw.second.tilt_series_id,
        "is_simulated": raw.first.is_simulated,
        "source": found.source,
        "tilt_axis": found.tilt_axis,
        "axis_deg": found.axis_deg,
        "axis_offset_px": found.axis_offset_px,
        "n_tilts": len(found.alignment),
        "n_used": len(one.series),
        "n_rounds": len(found.moves_px),
        "is_converged": found.is_converged,
        "last_move_px": float(found.moves_px[-1]) if len(found.moves_px) else None,
        "stray_px": found.stray_px,
        "factor_sd": found.factor_sd,
        "scan_correlation_before": float(np.nanmean(mended.correlation_before)) if mended and has_pairs else None,
        "scan_correlation_after": float(np.nanmean(mended.correlation_after)) if mended and has_pairs else None,
        "scan_half_correlation": one.scan_half_correlation,
        "repeat_correlation": one.repeat_correlation,
        "before_after_correlation": one.companions.before_after_correlation,
        "is_denoised": choice is not None and choice.is_better,
        "raw_error": None if choice is None else float(choice.before.mean()),
        "denoised_error": None if choice is None else float(choice.after.mean()),
        "axis_doubts": [] if found.source == "given" else _axis_doubts(raw, found),
        "largest_shift_share": found.largest_shift_px / min(one.images.shape[1:]),
        "largest_factor_error": float(np.abs(found.alignment.factors[found.alignment.is_used] - 1).max()),
    }


def _axis_doubts(raw: RawSeries, found: "FoundAlignment") -> list[str]:
    """Say why a person should look at the tilt axis."""
    doubts, axis = [], found.axis
    if axis.is_doubtful and axis.misfits is not None:
        rows, columns = axis.misfits
        doubts.append(f"images fit about rows to {rows:.3f} and about columns to {columns:.3f}: give tilt_axis")
    if axis.is_against_file:
        doubts.append(
            f"the file states {raw.first.tilt_axis_deg:g} deg from vertical, taken are {found.tilt_axis} turned by "
            f"{found.axis_deg:.1f} deg: mend tilt_axis_deg in batch.yaml, or give tilt_axis and axis_deg"
        )
    if found.is_axis_at_bound:
        doubts.append("the axis seems turned by more than max_axis_deg: raise that, or give axis_deg")
    return doubts


def _preview(raw: RawSeries, one: _Aligned) -> bytes:
    from nanodefect_assets.plots.alignment import plot_aligned_series
    from nanodefect_assets.plots.png import figure_png

    used = one.found.alignment.is_used
    return figure_png(
        plot_aligned_series(
            one.images[used],
            one.series.images,
            raw.first.tilts_deg[used],
            one.found.alignment.shifts_px[used],
            one.found.alignment.factors[used],
            one.found.moves_px,
            pixel_size_nm=raw.first.pixel_size_nm,
        )
    )
