"""Volumes of tilt series with refined angles."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.tomography.series import checkpoint_of
from nanodefect_assets.science.tomography.alignment_params import RefinementParams

if TYPE_CHECKING:
    from nanodefect_assets.domain.progress import OnStep
    from nanodefect_assets.domain.tilt_series import TiltSeries
    from nanodefect_assets.science.tomography.angles import Refinement
    from nanodefect_assets.science.tomography.choice import Comparison
    from nanodefect_assets.science.tomography.params import ReconstructionParams
    from nanodefect_assets.science.tomography.quality import ShellCorrelation
    from nanodefect_assets.science.tomography.reconstruct import Reconstruction
    from nanodefect_assets.stores.alignments import StoredAlignedSeries
    from nanodefect_assets.stores.checkpoints import FileCheckpoint
    from nanodefect_assets.stores.generations import GenerationWriter

_NAME = ("tomography", "refined_reconstruction")


class RefinementConfig(RefinementParams, dg.Config):
    """Launchpad form of `RefinementParams`."""


@dataclass(frozen=True, kw_only=True)
class _Refined:
    """Angles of one series as refined, whether they are better, and the volume if they are."""

    refinement: "Refinement"
    comparison: "Comparison"
    volume: "Reconstruction | None" = None
    halves: "ShellCorrelation | None" = None
    reason: str | None = None


@dg.asset(
    key=list(_NAME),
    deps=[["tomography", "aligned"], ["tomography", "reconstruction"]],
    partitions_def=sample,
    group_name="tomography",
    code_version="1",
    kinds={"numba", "zarr", "parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check(*_NAME),
        declare_check(_NAME, "misfit_falls", "The R-factor falls from the first round of refinement to the last."),
        declare_check(
            _NAME,
            "angles_at_rest",
            "In the last round angles change by less than a tenth of what is not known of them.",
        ),
    ],
)
def refined_reconstruction(
    context: dg.AssetExecutionContext, config: RefinementConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Volume of every tilt series whose images are foretold better with refined angles; else the nominal ones stand.

    It is reconstructed as `tomography/reconstruction` was, with the parameters of that.
    """
    from nanodefect_assets.domain.schemas import ALIGNMENTS, REFINEMENT_ROUNDS, REFINEMENTS
    from nanodefect_assets.science.tomography.params import ReconstructionParams
    from nanodefect_assets.stores.alignments import read_aligned_series
    from nanodefect_assets.stores.volumes import VOLUMES

    source, nominal = (upstream(context, home, "tomography", noun) for noun in ("aligned", "reconstruction"))
    made_with = ReconstructionParams.model_validate(nominal.record.origin.params)
    on_step, rows, preview = log_steps(context.log), [], None
    with making(context, home, inputs=[source, nominal], params=config) as out, compute.numba_threads():
        for table in (ALIGNMENTS, REFINEMENTS, REFINEMENT_ROUNDS):
            out.add_rows(table, [])
        out.arrays(VOLUMES)
        for stored in read_aligned_series(source):
            with out.item(stored.tilt_series_id):
                series = stored.series()
                if len(series) < config.fewest_tilts:
                    rows.append(_add_row(out, stored, config, None))
                    continue
                checkpoint = checkpoint_of(
                    home, out.origin, "refinement", config, source.record.content_digest, stored.tilt_series_id
                )
                one = _refine(stored, series, config, made_with, checkpoint, on_step)
                rows.append(_add(out, stored, config, one))
                checkpoint.remove()
                preview = _preview(series, one) if preview is None else preview
    refined = [row for row in rows if row["last_r_factor"] is not None]
    return report(
        out,
        metadata={
            "n_refined": len(refined),
            "n_better": sum(row["is_better"] for row in rows),
            **(
                {} if not refined else {"r_factor": refined[0]["last_r_factor"], "change_deg": refined[0]["change_deg"]}
            ),
        },
        checks=[items_result(out), *_checks(refined, config)],
        preview=preview,
    )


def _refine(
    stored: "StoredAlignedSeries",
    series: "TiltSeries",
    config: RefinementConfig,
    made_with: "ReconstructionParams",
    checkpoint: "FileCheckpoint",
    on_step: "OnStep",
) -> _Refined:
    """Refine angles; only if they are better is there a volume at full size."""
    from dataclasses import replace

    from nanodefect_assets.domain.randomness import generator_for
    from nanodefect_assets.science.tomography.angles import refine_angles
    from nanodefect_assets.science.tomography.choice import choose_alignment, why_nominal_angles_stand
    from nanodefect_assets.science.tomography.reconstruct import compare_halves, reconstruct

    rng = generator_for(0, "tomography/refined_reconstruction", stored.tilt_series_id)
    found = refine_angles(series, config, rng=rng, checkpoint=checkpoint, on_step=on_step)
    better = replace(series, geometry=found.geometry)
    comparison = choose_alignment(series, better, config.max_edge_px)
    reason = why_nominal_angles_stand(series.geometry, found.geometry, comparison, config)
    if reason is not None:
        return _Refined(refinement=found, comparison=comparison, reason=reason)
    return _Refined(
        refinement=found,
        comparison=comparison,
        volume=reconstruct(better, made_with, on_step=on_step),
        halves=compare_halves(better, made_with, on_step=on_step) if made_with.compares_halves else None,
    )


def _add(
    out: "GenerationWriter", stored: "StoredAlignedSeries", config: RefinementConfig, one: _Refined
) -> dict[str, Any]:
    """Write volume and rows of one series; return its row of `REFINEMENTS`."""
    from nanodefect_assets.domain.schemas import ALIGNMENTS, REFINEMENT_ROUNDS
    from nanodefect_assets.stores.alignments import alignment_rows, refinement_round_rows
    from nanodefect_assets.stores.volumes import VOLUMES, add_volume

    found, item = one.refinement, stored.tilt_series_id
    refined = stored.alignment.refined(found.geometry, found.r_factors)
    out.add_rows(ALIGNMENTS, alignment_rows(item, "refined", stored.tilts_deg, refined))
    out.add_rows(
        REFINEMENT_ROUNDS,
        refinement_round_rows(item, stored.used_indices, found.euler_history_deg, found.r_factors_history),
    )
    if one.volume is not None:
        add_volume(out.arrays(VOLUMES), item, one.volume.volume, is_simulated=stored.is_simulated)
    return _add_row(out, stored, config, one)


def _add_row(
    out: "GenerationWriter", stored: "StoredAlignedSeries", config: RefinementConfig, one: _Refined | None
) -> dict[str, Any]:
    from nanodefect_assets.domain.schemas import REFINEMENTS

    reason = None
    if one is None:
        reason = f"fewer than {config.fewest_tilts} tilts, which do not pin one another's angles"
    else:
        reason = one.reason
    row = {
        **dict.fromkeys(REFINEMENTS.names),
        "tilt_series_id": stored.tilt_series_id,
        "is_simulated": stored.is_simulated,
        "is_better": reason is None,
        "reason": reason,
        "method": config.method,
        "n_rounds": 0,
        **({} if one is None else _figures(stored, one)),
    }
    out.add_rows(REFINEMENTS, [row])
    return row


def _figures(stored: "StoredAlignedSeries", one: _Refined) -> dict[str, Any]:
    found, volume, halves = one.refinement, one.volume, one.halves
    nominal_deg = stored.alignment.geometry.euler_deg
    figures = {
        "n_rounds": len(found.r_factor_history),
        "change_deg": float(((found.geometry.euler_deg - nominal_deg) ** 2).mean() ** 0.5),
        "first_r_factor": float(found.r_factor_history[0]),
        "last_r_factor": float(found.r_factor_history[-1]),
        "nominal_error": float(one.comparison.before.mean()),
        "refined_error": float(one.comparison.after.mean()),
        "last_change_deg": float(found.change_history_deg[-1]),
    }
    if volume is not None:
        figures |= {
            "voxel_size_angstrom": volume.volume.voxel_size_angstrom,
            "r_factor": volume.r_factor,
            "noise_r_factor": float(volume.noise_r_factors.mean()),
        }
    if halves is not None:
        figures |= {"half_correlation": halves.mean, "half_resolution_px": halves.resolution_voxels()}
    return figures


def _checks(refined: list[dict[str, Any]], config: RefinementConfig) -> list[dg.AssetCheckResult]:
    rising = {
        row["tilt_series_id"]: [row["first_r_factor"], row["last_r_factor"]]
        for row in refined
        if not row["last_r_factor"] <= row["first_r_factor"]
    }
    restless = {
        row["tilt_series_id"]: row["last_change_deg"]
        for row in refined
        if not row["last_change_deg"] < 0.1 * config.amplitude_deg
    }
    return [
        dg.AssetCheckResult(
            check_name=name,
            passed=not failed,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"failed": dg.MetadataValue.json(failed), **tested(len(refined))},
        )
        for name, failed in (("misfit_falls", rising), ("angles_at_rest", restless))
    ]


def _preview(series: "TiltSeries", one: _Refined) -> bytes:
    from nanodefect_assets.plots.alignment import plot_refinement
    from nanodefect_assets.plots.png import figure_png

    found = one.refinement
    return figure_png(
        plot_refinement(
            found.r_factor_history,
            found.euler_history_deg,
            series.geometry.euler_deg,
            (found.r_factors_history[0], found.r_factors_history[-1]),
            (one.comparison.before, one.comparison.after),
        )
    )
