"""Tilt series as they came from the microscope."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import place_of, sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.progress import OnStep, Progress

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from nanodefect_assets.domain.manifest import ManifestFile
    from nanodefect_assets.stores.generations import GenerationWriter

_LARGEST_STEP_DEG = 10.0


@dg.asset(
    key=["samples", "tilt_series"],
    deps=[["samples", "manifest"]],
    partitions_def=sample,
    group_name="samples",
    code_version="2",
    kinds={"zarr", "parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check("samples", "tilt_series"),
        declare_check(
            ("samples", "tilt_series"),
            "angles_plausible",
            "No tilt angle occurs twice and no gap between neighbouring angles is wider than 10 degrees.",
        ),
    ],
)
def tilt_series(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """Tilt series of a sample: calibrated images with the stage tilt of each, as they came from the microscope."""
    from nanodefect_assets.domain.schemas import TILT_SERIES, TILTS
    from nanodefect_assets.stores.manifests import read_sample_manifest
    from nanodefect_assets.stores.revisions import raw_path

    source = upstream(context, home, "samples", "manifest")
    manifest = read_sample_manifest(source)
    files = [file for file in manifest.files if file.modality == "tilt_series"]
    sample_name, on_step = place_of(context).sample, log_steps(context.log)
    with making(context, home, inputs=[source]) as out:
        out.add_rows(TILT_SERIES, [])
        out.add_rows(TILTS, [])
        out.arrays("tilt_series")
        for file in files:
            series_id = f"{sample_name}/{file.path}"
            with out.item(series_id):
                _add_series(out, series_id, file, raw_path(home.home, manifest, file), on_step)
    odd = {file.path: trouble for file in files if (trouble := _odd_angles(file.tilt_angles_deg or ()))}
    return report(
        out,
        metadata={"n_tilt_series": out.n_rows(TILT_SERIES), "n_tilts": out.n_rows(TILTS)},
        checks=[
            items_result(out),
            dg.AssetCheckResult(
                check_name="angles_plausible",
                passed=not odd,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"odd": dg.MetadataValue.json(odd)},
            ),
        ],
        preview=_preview(home, context),
    )


def _add_series(out: "GenerationWriter", series_id: str, file: "ManifestFile", path: "Path", on_step: OnStep) -> None:
    """Copy the images of one series into the generation, one in memory at a time."""
    from nanodefect_assets.domain.refusal import Refusal
    from nanodefect_assets.domain.schemas import TILT_SERIES, TILTS
    from nanodefect_assets.stores.raw.read import read_frames

    angles_deg = file.tilt_angles_deg
    if angles_deg is None:
        raise Refusal("no_tilt_angles", expected="a stage tilt for each image", got="none", file=file.path)
    rows: list[dict[str, Any]] = []
    frames = read_frames(path, file.modality, row_order=file.acquisition.row_order)
    shape: tuple[int, ...] = ()
    stack = None
    for index, (frame, tilt_deg) in enumerate(zip(frames, angles_deg, strict=True)):
        if stack is None:
            shape = (len(angles_deg), *frame.shape)
            attributes = {"pixel_size_nm": file.acquisition.pixel_size_nm, "is_simulated": file.is_simulated}
            stack = out.arrays("tilt_series").create(series_id, shape, frame.dtype, **attributes)
        stack[index] = frame
        mean, spread = _finite_mean_and_spread(frame)
        rows.append(
            {
                "tilt_series_id": series_id,
                "tilt_index": index,
                "tilt_deg": tilt_deg,
                "mean_counts": mean,
                "sd_counts": spread,
            }
        )
        on_step(Progress(task="tilt series", done=index + 1, total=len(angles_deg), detail=file.path))
    out.add_rows(TILTS, rows)
    out.add_rows(TILT_SERIES, [_series_row(series_id, file, shape)])


def _finite_mean_and_spread(frame: "np.ndarray") -> tuple[float | None, float | None]:
    """Return mean and standard deviation of the finite pixels; None of a frame that has none."""
    import numpy as np

    values = frame[np.isfinite(frame)]
    return (float(values.mean(dtype=float)), float(values.std(dtype=float))) if values.size else (None, None)


def _series_row(series_id: str, file: "ManifestFile", shape: tuple[int, ...]) -> dict[str, Any]:
    angles_deg = file.tilt_angles_deg or ()
    return {
        "tilt_series_id": series_id,
        "file_id": series_id,
        "sha256": file.sha256,
        "is_simulated": file.is_simulated,
        "n_tilts": shape[0],
        "n_rows": shape[1],
        "n_cols": shape[2],
        "calibration_source": file.calibration_source,
        "min_tilt_deg": min(angles_deg),
        "max_tilt_deg": max(angles_deg),
        **file.acquisition.model_dump(
            include={"pixel_size_nm", "tilt_axis_deg", "voltage_kv", "dose_e_per_nm2", "exposure_s"}
        ),
    }


def _odd_angles(angles_deg: tuple[float, ...]) -> str:
    """Say what is odd about the angles of a series; nothing if nothing is."""
    ordered = sorted(angles_deg)
    steps = [after - before for before, after in pairwise(ordered)]
    if any(step < 1e-3 for step in steps):
        return "an angle occurs twice"
    if steps and max(steps) > _LARGEST_STEP_DEG:
        return f"a gap of {max(steps):.1f} degrees"
    return ""


def _preview(home: HomeResource, context: dg.AssetExecutionContext) -> bytes | None:
    """Draw six images of the first series, from its smallest index to its largest."""
    from nanodefect_assets.plots.images import plot_mosaic
    from nanodefect_assets.plots.png import figure_png

    made = upstream(context, home, "samples", "tilt_series")
    arrays = made.arrays("tilt_series")
    first = next(iter(arrays), None)
    if first is None:
        return None
    from nanodefect_assets.domain.schemas import TILTS

    angles_deg = made.rows(TILTS).query("tilt_series_id == @first")["tilt_deg"].tolist()
    if not angles_deg:
        return None
    shown = sorted({round(n * (len(angles_deg) - 1) / 5) for n in range(6)})
    panels = [(f"{angles_deg[n]:.1f} deg", arrays.read_part(first, n), None) for n in shown]
    return figure_png(plot_mosaic(panels, pixel_sizes_nm=[arrays.pixel_size_nm(first)] * len(panels)))
