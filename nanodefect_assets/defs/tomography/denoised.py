"""Denoised images of tilt series."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.defs.tomography.series import checkpoint_of, require_memory_of
from nanodefect_assets.science.tomography.alignment_params import DenoisingParams

if TYPE_CHECKING:
    from nanodefect_assets.science.tomography.denoise import DenoisedSeries
    from nanodefect_assets.science.tomography.noise import NoiseModel
    from nanodefect_assets.stores.generations import StoredGeneration
    from nanodefect_assets.stores.tilt_series import StoredTiltSeries

_NAME = ("tomography", "denoised")
_LARGEST_EXCESS = 1.3
_COPIES = 8
"""Of the images that are held at the peak, as of 32 bits."""


class DenoisingConfig(DenoisingParams, dg.Config):
    """Launchpad form of `DenoisingParams`."""


@dg.asset(
    key=list(_NAME),
    deps=[["samples", "tilt_series"]],
    partitions_def=sample,
    group_name="tomography",
    code_version="1",
    kinds={"zarr", "parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check(*_NAME),
        declare_check(
            _NAME,
            "only_noise_removed",
            "What was taken from no image has, in any band of frequencies, 1.3 times the power of noise: no structure.",
        ),
    ],
)
def denoised(context: dg.AssetExecutionContext, config: DenoisingConfig, home: HomeResource) -> dg.MaterializeResult:
    """Tilt series without their noise: Anscombe, block matching, exact inverse; whether they are used, the data decide.

    Each scan is denoised as it was detected. Series of few tilts have nothing to decide by, and are passed over. What
    the same code made of the same series is taken again: block matching is not the same to the bit from run to run.
    """
    from nanodefect_assets.domain.schemas import DENOISED_TILTS
    from nanodefect_assets.stores.denoised import DENOISED
    from nanodefect_assets.stores.generations import made_alike
    from nanodefect_assets.stores.tilt_series import read_tilt_series

    source = upstream(context, home, "samples", "tilt_series")
    on_step, excess, preview = log_steps(context.log), {}, None
    with making(context, home, inputs=[source], params=config) as out:
        before = made_alike(home.home, out.origin, [source.record.as_input()])
        out.add_rows(DENOISED_TILTS, [])
        arrays = out.arrays(DENOISED)
        for stored in read_tilt_series(source):
            if len(stored.tilts_deg) < config.fewest_tilts:
                continue
            with out.item(stored.tilt_series_id):
                require_memory_of(stored, _COPIES)
                made_from = source.record.content_digest, stored.tilt_series_id
                checkpoint = checkpoint_of(home, "denoising", config, *made_from)
                kept = None if before is None else _kept(before, stored)
                noise, found = kept or _denoise(stored, config, checkpoint, on_step)
                arrays.add(stored.tilt_series_id, found.images, is_simulated=stored.is_simulated)
                out.add_rows(DENOISED_TILTS, _rows(stored.tilt_series_id, noise, found))
                checkpoint.remove()
                excess[stored.tilt_series_id] = float(max(found.excess[found.excess == found.excess], default=0.0))
                preview = _preview(stored, found) if preview is None else preview
    return report(
        out,
        metadata={"n_denoised": len(excess), **({} if not excess else {"largest_excess": max(excess.values())})},
        checks=[items_result(out), _only_noise(excess)],
        preview=preview,
    )


def _kept(before: "StoredGeneration", stored: "StoredTiltSeries") -> "tuple[NoiseModel, DenoisedSeries] | None":
    """Return what an earlier run made of a series; None if it could not."""
    import numpy as np

    from nanodefect_assets.science.tomography.denoise import DenoisedSeries
    from nanodefect_assets.science.tomography.noise import NoiseModel
    from nanodefect_assets.stores.denoised import denoised_rows, read_denoised

    images, rows = read_denoised(before, stored.tilt_series_id), denoised_rows(before, stored.tilt_series_id)
    if images is None or rows.empty:
        return None
    noise_sd, excess = np.full((2, len(images)), np.nan)
    noise_sd[rows["tilt_index"]], excess[rows["tilt_index"]] = rows["noise_sd"], rows["removed_excess"]
    noise = NoiseModel(gain=rows["noise_gain"].iloc[0], at_zero=rows["noise_variance_at_zero"].iloc[0])
    return noise, DenoisedSeries(images=images, noise_sd=noise_sd, excess=excess)


def _denoise(
    stored: "StoredTiltSeries", config: DenoisingConfig, checkpoint: Any, on_step: Any
) -> "tuple[NoiseModel, DenoisedSeries]":
    import numpy as np

    from nanodefect_assets.domain.refusal import Refusal
    from nanodefect_assets.science.tomography.denoise import denoise_series
    from nanodefect_assets.science.tomography.noise import estimate_noise
    from nanodefect_assets.science.tomography.screen import screen_tilts

    images = stored.images()
    why = screen_tilts(images, stored.tilts_deg)
    is_sound = np.array([n not in why for n in range(len(images))])
    if not is_sound.any():
        raise Refusal("too_few_tilts", expected="at least 3 sound tilts", got="0", advice=next(iter(why.values())))
    noise = estimate_noise(images[is_sound])
    found = denoise_series(images, is_sound, noise, config, checkpoint=checkpoint, on_step=on_step)
    return noise, found


def _rows(tilt_series_id: str, noise: "NoiseModel", found: "DenoisedSeries") -> list[dict[str, Any]]:
    return [
        {
            "tilt_series_id": tilt_series_id,
            "tilt_index": n,
            "noise_gain": noise.gain,
            "noise_variance_at_zero": noise.at_zero,
            "noise_sd": float(found.noise_sd[n]),
            "removed_excess": float(found.excess[n]),
        }
        for n in range(len(found.images))
        if found.noise_sd[n] == found.noise_sd[n]
    ]


def _only_noise(excess: dict[str, float]) -> dg.AssetCheckResult:
    failed = {name: value for name, value in excess.items() if not value <= _LARGEST_EXCESS}
    return dg.AssetCheckResult(
        check_name="only_noise_removed",
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"largest_excess": dg.MetadataValue.json(excess), **tested(len(excess))},
    )


def _preview(stored: "StoredTiltSeries", found: "DenoisedSeries") -> bytes:
    """Draw an image before and after, and what was removed."""
    import numpy as np

    from nanodefect_assets.plots.images import plot_mosaic
    from nanodefect_assets.plots.png import figure_png

    n = int(np.argmin(np.where(np.isfinite(found.excess), np.abs(stored.tilts_deg), np.inf)))
    before, after = stored.images()[n], found.images[n]
    panels = [("detected", before, None), ("denoised", after, None), ("removed", before - after, None)]
    return figure_png(plot_mosaic(panels, pixel_sizes_nm=[stored.pixel_size_nm] * 3, n_cols=3))
