"""Micrographs as every later step reads them, and the labels that experts drew on them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import in_order, making, report, upstream
from nanodefect_assets.defs.partitions import place_of, sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.manifest import ManifestFile
from nanodefect_assets.domain.micrograph import MODALITIES
from nanodefect_assets.domain.progress import Progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.imaging.params import DespikeParams

if TYPE_CHECKING:
    import numpy as np

    from nanodefect_assets.domain.manifest import Manifest
    from nanodefect_assets.stores.arrays import PackedArray
    from nanodefect_assets.stores.home import Home


_MOST_FILLED = 1e-4
"""Dead pixels are single and fewer; a hole of this share may be as large as a particle."""
_MOST_NAMED = 20


class MicrographConfig(DespikeParams, dg.Config):
    """Launchpad form of `DespikeParams`."""


@dataclass
class _Frame:
    """One image of a file, until it is cleaned, or why it could not be read."""

    file: ManifestFile
    micrograph_id: str
    counts: "np.ndarray | None"
    refusal: Refusal | None = None


@dg.asset(
    key=["samples", "micrographs"],
    deps=[["samples", "manifest"]],
    partitions_def=sample,
    group_name="samples",
    code_version="3",
    kinds={"zarr", "parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check("samples", "micrographs"),
        declare_check(
            ("samples", "micrographs"),
            "few_pixels_filled",
            f"At most {_MOST_FILLED:g} of the pixels of each image held no number, and were filled from around them.",
        ),
    ],
)
def micrographs(
    context: dg.AssetExecutionContext, config: MicrographConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Calibrated micrographs of a sample: counts without spikes, the pixel size of each and where it comes from."""
    from nanodefect_assets.domain.schemas import MICROGRAPHS
    from nanodefect_assets.science.imaging.despike import invalid_share, remove_spikes
    from nanodefect_assets.science.imaging.moments import mean_and_sd
    from nanodefect_assets.stores.arrays import pack_array
    from nanodefect_assets.stores.manifests import read_sample_manifest

    source = upstream(context, home, "samples", "manifest")
    manifest = read_sample_manifest(source)
    on_step = log_steps(context.log)
    n_images = sum(file.modality in MODALITIES for file in manifest.files)
    n_spikes, filled = 0, dict[str, float]()
    with making(context, home, inputs=[source], params=config) as out, compute.executor() as executor:
        out.add_rows(MICROGRAPHS, [])
        arrays = out.arrays("micrographs")
        frames = islice(_frames(home.home, manifest, place_of(context).sample), home.max_micrographs)
        rows: list[dict[str, Any]] = []

        def clean(frame: _Frame) -> "tuple[np.ndarray | PackedArray, dict[str, float]]":
            if frame.refusal is not None or frame.counts is None:
                raise frame.refusal or ValueError("Expected an image.")
            share = invalid_share(frame.counts)
            counts, n_despiked = remove_spikes(frame.counts, config)
            if share > _MOST_FILLED:
                filled[frame.micrograph_id] = share
            mean, sd = mean_and_sd(counts)
            if sd == float("inf"):
                raise Refusal("counts_too_large", expected="a spread that float32 can hold", got="counts above 1e38")
            frame.counts = None  # what waits to be written is small
            return pack_array(counts), {"n_despiked": n_despiked, "mean_counts": mean, "sd_counts": sd}

        for n, (frame, cleaned) in enumerate(in_order(executor, clean, frames, ahead=2 * compute.n_threads)):
            with out.item(frame.micrograph_id):
                counts, measures = cleaned.result()
                arrays.add(
                    frame.micrograph_id,
                    counts,
                    pixel_size_nm=frame.file.acquisition.pixel_size_nm,
                    modality=frame.file.modality,
                    is_simulated=frame.file.is_simulated,
                )
                rows.append(_row(frame, place_of(context).sample, counts.shape, measures))
                n_spikes += int(measures["n_despiked"])
            on_step(Progress(task="micrographs", done=n + 1, total=max(n + 1, n_images), detail=frame.file.path))
        out.add_rows(MICROGRAPHS, rows)
    return report(
        out,
        metadata={"n_micrographs": out.n_rows(MICROGRAPHS), "n_spikes": n_spikes},
        checks=[items_result(out), _filled_result(filled, out.n_rows(MICROGRAPHS))],
        preview=_preview(home, context),
    )


def _filled_result(filled: dict[str, float], n_images: int) -> dg.AssetCheckResult:
    """Check that no image was filled in by much."""
    said = [f"{name}: {filled[name]:.2%} of its pixels held no number" for name in sorted(filled)]
    return dg.AssetCheckResult(
        check_name="few_pixels_filled",
        passed=not filled,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"n_filled": len(filled), "filled": dg.MetadataValue.json(said[:_MOST_NAMED]), **tested(n_images)},
    )


def _frames(home: "Home", manifest: "Manifest", sample_name: str) -> Iterator[_Frame]:
    """Read the images of a sample one by one; a file that cannot be read yields why."""
    from nanodefect_assets.stores.raw.read import read_frames
    from nanodefect_assets.stores.revisions import raw_path

    first_of: dict[str, str] = {}
    for file in manifest.files:
        if file.modality not in MODALITIES:
            continue
        file_id = f"{sample_name}/{file.path}"
        if first_of.setdefault(file.sha256, file.path) != file.path:
            yield _Frame(file, file_id, None, _same_image(file, first_of[file.sha256]))
            continue
        is_stack = file.shape is not None and len(file.shape) == 3
        path = raw_path(home, manifest, file)
        frames = enumerate(read_frames(path, file.modality, row_order=file.acquisition.row_order))
        while True:
            micrograph_id = file_id
            try:
                number, counts = next(frames)
            except StopIteration:
                break
            except Refusal as refusal:
                yield _Frame(file, micrograph_id, None, refusal.about(file.path))
                break
            if is_stack:
                micrograph_id = f"{file_id}@{number:04d}"
            yield _Frame(file, micrograph_id, counts)


def _same_image(file: ManifestFile, first: str) -> Refusal:
    """Say that an image came twice: counted twice, its particles would look like independent ones."""
    expected, advice = "an image of its own", "Leave one of them out."
    return Refusal("same_image", expected=expected, got=f"the bytes of {first}", file=file.path, advice=advice)


def _row(frame: _Frame, sample_name: str, shape: tuple[int, ...], measures: dict[str, float]) -> dict[str, Any]:
    file, acquisition = frame.file, frame.file.acquisition
    return {
        "micrograph_id": frame.micrograph_id,
        "file_id": f"{sample_name}/{file.path}",
        "sha256": file.sha256,
        "modality": file.modality,
        "is_simulated": file.is_simulated,
        "n_rows": shape[0],
        "n_cols": shape[1],
        "calibration_source": file.calibration_source,
        "calibration_reason": file.calibration_reason,
        **_place(file, sample_name),
        **measures,
        **acquisition.model_dump(exclude={"tilt_axis_deg"}),
    }


def _place(file: ManifestFile, sample_name: str) -> dict[str, Any]:
    place = file.map_place
    return {
        "map_id": None if place is None else f"{sample_name}/{place.name}",
        "map_x_nm": None if place is None else place.x_nm,
        "map_y_nm": None if place is None else place.y_nm,
        "map_source": None if place is None else place.source,
    }


def _preview(home: HomeResource, context: dg.AssetExecutionContext) -> bytes | None:
    """Draw the first micrographs of the generation in force."""
    from nanodefect_assets.plots.images import plot_mosaic
    from nanodefect_assets.plots.png import figure_png

    arrays = upstream(context, home, "samples", "micrographs").arrays("micrographs")
    shown = list(islice(arrays, 6))
    panels = [(item.rsplit("/", 1)[-1], arrays.read(item), None) for item in shown]
    sizes_nm = [arrays.pixel_size_nm(item) for item in shown]
    return figure_png(plot_mosaic(panels, pixel_sizes_nm=sizes_nm)) if panels else None
