"""Volumes of tilt series."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.tomography.series import checkpoint_of
from nanodefect_assets.science.tomography.params import ReconstructionParams

if TYPE_CHECKING:
    from nanodefect_assets.science.tomography.backends import SelfTest
    from nanodefect_assets.science.tomography.quality import ShellCorrelation
    from nanodefect_assets.science.tomography.reconstruct import Reconstruction
    from nanodefect_assets.stores.alignments import StoredAlignedSeries
    from nanodefect_assets.stores.checkpoints import FileCheckpoint
    from nanodefect_assets.stores.generations import GenerationWriter

_NAME = ("tomography", "reconstruction")
_LEAST_HALF_CORRELATION = 0.5
_MOST_OVER_NOISE = 2.0
_LARGEST_MASS_ERROR = 0.1


class ReconstructionConfig(ReconstructionParams, dg.Config):
    """Launchpad form of `ReconstructionParams`."""


@dg.asset(
    key=list(_NAME),
    deps=[["tomography", "aligned"]],
    partitions_def=sample,
    group_name="tomography",
    code_version="2",
    kinds={"numba", "zarr", "parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check(*_NAME),
        declare_check(
            _NAME,
            "projector_passes",
            "The projector projects a known phantom rightly: adjoint to 1e-5, scale to 1 %, views to 10 %.",
            blocking=True,
        ),
        declare_check(
            _NAME, "halves_agree", "Volumes from even and odd images correlate by 0.5 or more, without the wedge."
        ),
        declare_check(_NAME, "misfit_near_noise", "The R-factor is less than twice what noise alone would leave."),
        declare_check(_NAME, "mass_conserved", "The volume's sum is that of an image within a tenth."),
    ],
)
def reconstruction(
    context: dg.AssetExecutionContext, config: ReconstructionConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Volume of every aligned tilt series of a sample, with nominal angles: FASTA, with its quality beside it."""
    from nanodefect_assets.domain.schemas import RECONSTRUCTED_TILTS, RECONSTRUCTIONS
    from nanodefect_assets.stores.alignments import read_aligned_series
    from nanodefect_assets.stores.volumes import VOLUMES

    source = upstream(context, home, "tomography", "aligned")
    on_step, rows, preview = log_steps(context.log), [], None
    self_test = _self_test(config)
    with making(context, home, inputs=[source], params=config) as out, compute.numba_threads():
        out.add_rows(RECONSTRUCTIONS, [])
        out.add_rows(RECONSTRUCTED_TILTS, [])
        out.arrays(VOLUMES)
        for stored in read_aligned_series(source):
            with out.item(stored.tilt_series_id):
                self_test.require()
                made_from = source.record.content_digest, stored.tilt_series_id
                checkpoint = checkpoint_of(home, out.origin, "reconstruction", config, *made_from)
                found, halves = _reconstruct(stored, config, checkpoint, on_step)
                rows.append(_add(out, stored, config, found, halves))
                checkpoint.remove()
                preview = _preview(stored, found) if preview is None else preview
    return report(
        out,
        metadata={"n_volumes": len(rows), **({} if not rows else {"r_factor": rows[0]["r_factor"]})},
        checks=[items_result(out), _passes(self_test), *_quality_results(rows)],
        preview=preview,
    )


def _self_test(config: ReconstructionConfig) -> "SelfTest":
    """Try the projector on tilts about one axis before anything is reconstructed with it."""
    from nanodefect_assets.domain.tilt_geometry import TiltGeometry
    from nanodefect_assets.science.tomography.backends import check_projector

    return check_projector(TiltGeometry.single_axis([-67.0, -30.0, 0.0, 10.0, 45.0, 71.0]), config.backend)


def _reconstruct(
    stored: "StoredAlignedSeries", config: ReconstructionConfig, checkpoint: "FileCheckpoint", on_step: Any
) -> "tuple[Reconstruction, ShellCorrelation | None]":
    from nanodefect_assets.science.tomography.reconstruct import compare_halves, reconstruct

    series = stored.series()
    found = reconstruct(series, config, checkpoint=checkpoint, on_step=on_step)
    return found, compare_halves(series, config, on_step=on_step) if config.compares_halves else None


def _add(
    out: "GenerationWriter",
    stored: "StoredAlignedSeries",
    config: ReconstructionConfig,
    found: "Reconstruction",
    halves: "ShellCorrelation | None",
) -> dict[str, Any]:
    """Write volume and rows of one series; return its row."""
    from nanodefect_assets.domain.schemas import RECONSTRUCTED_TILTS, RECONSTRUCTIONS
    from nanodefect_assets.stores.volumes import VOLUMES, add_volume

    add_volume(out.arrays(VOLUMES), stored.tilt_series_id, found.volume, is_simulated=stored.is_simulated)
    n_z, n_y, n_x = found.volume.values.shape
    row = {
        "tilt_series_id": stored.tilt_series_id,
        "is_simulated": stored.is_simulated,
        "method": config.method,
        "projector": found.self_test.projector,
        "n_z": n_z,
        "n_y": n_y,
        "n_x": n_x,
        "voxel_size_angstrom": found.volume.voxel_size_angstrom,
        "n_tilts": len(found.r_factors),
        "n_iterations": len(found.misfits),
        "is_converged": found.is_converged,
        "r_factor": found.r_factor,
        "noise_r_factor": float(found.noise_r_factors.mean()),
        "half_correlation": None if halves is None else halves.mean,
        "half_resolution_px": None if halves is None else halves.resolution_voxels(),
        "mass_error": found.mass_error,
        "adjoint_error": found.self_test.adjoint_error,
        "view_error": found.self_test.view_error,
    }
    out.add_rows(RECONSTRUCTIONS, [row])
    tilts = zip(
        stored.used_indices,
        stored.alignment.geometry.tilts_deg.tolist(),
        found.r_factors.tolist(),
        found.noise_r_factors.tolist(),
        strict=True,
    )
    names = ("tilt_index", "tilt_deg", "r_factor", "noise_r_factor")
    out.add_rows(
        RECONSTRUCTED_TILTS,
        [{"tilt_series_id": stored.tilt_series_id, **dict(zip(names, values, strict=True))} for values in tilts],
    )
    return row


def _passes(self_test: "SelfTest") -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="projector_passes",
        passed=self_test.is_passed,
        metadata={
            "projector": self_test.projector,
            "adjoint_error": self_test.adjoint_error,
            "scale_error": self_test.scale_error,
            "view_error": self_test.view_error,
        },
    )


def _quality_results(rows: list[dict[str, Any]]) -> list[dg.AssetCheckResult]:
    """Check what was reconstructed; each failure is a warning, for a number is no proof against a volume."""
    compared = [row for row in rows if row["half_correlation"] is not None]
    failures = {
        "halves_agree": {
            row["tilt_series_id"]: row["half_correlation"]
            for row in compared
            if not row["half_correlation"] >= _LEAST_HALF_CORRELATION
        },
        "misfit_near_noise": {
            row["tilt_series_id"]: [row["r_factor"], row["noise_r_factor"]]
            for row in rows
            if not row["r_factor"] <= _MOST_OVER_NOISE * row["noise_r_factor"]
        },
        "mass_conserved": {
            row["tilt_series_id"]: row["mass_error"]
            for row in rows
            if not abs(row["mass_error"]) <= _LARGEST_MASS_ERROR
        },
    }
    return [
        dg.AssetCheckResult(
            check_name=name,
            passed=not failed,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"failed": dg.MetadataValue.json(failed)},
        )
        for name, failed in failures.items()
    ]


def _preview(stored: "StoredAlignedSeries", found: "Reconstruction") -> bytes:
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.plots.tomography import plot_reconstruction

    return figure_png(
        plot_reconstruction(
            found.volume.values,
            found.misfits,
            stored.alignment.geometry.tilts_deg,
            found.r_factors,
            found.noise_r_factors,
        )
    )
