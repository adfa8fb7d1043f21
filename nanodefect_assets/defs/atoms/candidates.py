"""Peaks of volumes that may be atoms."""

from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.checks import items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.science.tomography.tracing_params import TracingParams

if TYPE_CHECKING:
    import pandas as pd

    from nanodefect_assets.domain.traced_atoms import PeakList


class TracingConfig(TracingParams, dg.Config):
    """Launchpad form of `TracingParams`."""


@dg.asset(
    key=["atoms", "candidates"],
    deps=[["tomography", "reconstruction"], ["tomography", "refined_reconstruction"]],
    partitions_def=sample,
    group_name="atoms",
    code_version="3",
    kinds={"numba", "parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[items_check("atoms", "candidates")],
)
def candidates(
    context: dg.AssetExecutionContext, config: TracingConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Peaks of every volume of a sample that may be atoms, rather too many than too few.

    The volume with refined angles is taken where these are better. A volume whose two halves do not agree down to less
    than a bond is set aside.
    """
    from nanodefect_assets.domain.schemas import ATOM_CANDIDATES, RECONSTRUCTIONS, REFINEMENTS
    from nanodefect_assets.science.tomography.tracing import require_atomic_resolution, trace_peaks
    from nanodefect_assets.stores.volumes import VOLUMES, read_volume

    nominal, refined = (upstream(context, home, "tomography", f"{kind}reconstruction") for kind in ("", "refined_"))
    on_step = log_steps(context.log)
    better = {row["tilt_series_id"]: row for row in refined.rows(REFINEMENTS).query("is_better").to_dict("records")}
    with making(context, home, inputs=[nominal, refined], params=config) as out, compute.numba_threads():
        out.add_rows(ATOM_CANDIDATES, [])
        for first in nominal.rows(RECONSTRUCTIONS).to_dict("records"):
            with out.item(str(first["tilt_series_id"])):
                row = better.get(first["tilt_series_id"], first)
                source = nominal if row is first else refined
                volume = read_volume(source.arrays(VOLUMES), str(row["tilt_series_id"]))
                if volume.voxel_size_angstrom is not None:
                    require_atomic_resolution(volume.voxel_size_angstrom, _known(row["half_resolution_px"]), config)
                peaks = trace_peaks(volume, config, on_step=on_step)
                out.add_rows(ATOM_CANDIDATES, _rows(str(row["tilt_series_id"]), bool(row["is_simulated"]), peaks))
    return report(out, metadata={"n_candidates": out.n_rows(ATOM_CANDIDATES)}, checks=[items_result(out)])


def _known(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)


def _rows(tilt_series_id: str, is_simulated: bool, peaks: "PeakList") -> "pd.DataFrame":
    import numpy as np
    import pandas as pd

    from nanodefect_assets.domain.schemas import ATOM_CANDIDATES

    x, y, z = peaks.positions_angstrom.T
    return pd.DataFrame(
        {
            "tilt_series_id": tilt_series_id,
            "candidate_index": range(len(peaks)),
            "is_simulated": is_simulated,
            "x_angstrom": x,
            "y_angstrom": y,
            "z_angstrom": z,
            "height": peaks.height,
            "contrast": np.where(np.isfinite(peaks.contrast), peaks.contrast, np.nan),
            "is_claimed": peaks.is_claimed,
        }
    )[list(ATOM_CANDIDATES.names)]
