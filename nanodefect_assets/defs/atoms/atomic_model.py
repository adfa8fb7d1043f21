"""Every atom of a particle."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.science.tomography.tracing_params import AtomFitParams

if TYPE_CHECKING:
    import pandas as pd

    from nanodefect_assets.domain.tilt_geometry import TiltGeometry
    from nanodefect_assets.domain.traced_atoms import TracedAtoms
    from nanodefect_assets.stores.alignments import StoredAlignedSeries
    from nanodefect_assets.stores.generations import GenerationWriter, StoredGeneration

_NAME = ("atoms", "atomic_model")
_LARGEST_SIGMA_PM = 50.0


class AtomicModelConfig(AtomFitParams, dg.Config):
    """Launchpad form of `AtomFitParams`, with the elements, which no intensity tells."""

    element: str = Field(default="X", description="Chemical symbol of the atoms; of the fainter, where two kinds.")
    brighter_element: str = Field(default="X", description="Chemical symbol of the brighter kind of two.")


@dg.asset(
    key=list(_NAME),
    deps=[
        ["samples", "coordinates"],
        ["tomography", "aligned"],
        ["tomography", "refined_reconstruction"],
        ["atoms", "candidates"],
    ],
    partitions_def=sample,
    group_name="atoms",
    code_version="5",
    kinds={"numba", "parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check(*_NAME),
        declare_check(_NAME, "atoms_precise", "Traced atoms have standard deviations below 50 pm, root mean square."),
    ],
)
def atomic_model(
    context: dg.AssetExecutionContext, config: AtomicModelConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Every atom of the particles of a sample: traced in its tilt series, or as imported coordinates give them.

    Where a sample reaches beyond the frame, as a film does, the atoms are those of the volume, without uncertainties.
    Angles are fitted to the atoms too where images tell of other ones, and kept in `alignments`.
    """
    from nanodefect_assets.domain.schemas import ALIGNMENTS, ATOMIC_MODELS, ATOMS
    from nanodefect_assets.stores.alignments import read_aligned_series

    imported, series, refined, candidates = (
        upstream(context, home, *name)
        for name in (
            ("samples", "coordinates"),
            ("tomography", "aligned"),
            ("tomography", "refined_reconstruction"),
            ("atoms", "candidates"),
        )
    )
    on_step, sigma_pm, from_volume, preview = log_steps(context.log), {}, [], None
    n_refined_angles = 0
    inputs = [imported, series, refined, candidates]
    with making(context, home, inputs=inputs, params=config) as out, compute.numba_threads():
        _add_imported(out, imported)
        out.add_rows(ALIGNMENTS, [])
        for stored in read_aligned_series(series):
            if not len(starts := _starts(candidates, stored.tilt_series_id)):
                continue
            with out.item(stored.tilt_series_id):
                found, geometry = _refine(stored, starts, refined, config, on_step)
                if geometry is not None:
                    n_refined_angles += 1
                    _add_angles(out, stored, geometry)
                _add_traced(out, stored, found, config)
                if not found.is_refined:
                    from_volume.append(stored.tilt_series_id)
                    continue
                sigma_pm[stored.tilt_series_id] = float((found.sigma_pm**2).mean() ** 0.5)
                preview = _preview(found) if preview is None else preview
    return report(
        out,
        metadata={
            "n_structures": out.n_rows(ATOMIC_MODELS),
            "n_atoms": out.n_rows(ATOMS),
            "n_refined_angles": n_refined_angles,
            **({} if not from_volume else {"atoms_of_the_volume": dg.MetadataValue.json(from_volume)}),
            **({} if not sigma_pm else {"sigma_pm": max(sigma_pm.values())}),
        },
        checks=[items_result(out), _precise(sigma_pm)],
        preview=preview,
    )


def _add_imported(out: "GenerationWriter", imported: "StoredGeneration") -> None:
    from nanodefect_assets.domain.schemas import ATOMIC_MODELS, ATOMS, COORDINATES, STRUCTURES
    from nanodefect_assets.stores.atomic_models import imported_atoms

    structures = imported.rows(STRUCTURES)
    out.n_items = len(structures)
    out.add_rows(ATOMIC_MODELS, structures.assign(source="imported")[list(ATOMIC_MODELS.names)])
    out.add_rows(ATOMS, imported_atoms(structures, imported.rows(COORDINATES)))


def _starts(candidates: "StoredGeneration", tilt_series_id: str) -> "pd.DataFrame":
    from nanodefect_assets.domain.schemas import ATOM_CANDIDATES

    rows = candidates.rows(ATOM_CANDIDATES)
    return rows[rows["tilt_series_id"] == tilt_series_id]


def _refine(
    stored: "StoredAlignedSeries",
    starts: "pd.DataFrame",
    refined: "StoredGeneration",
    config: AtomicModelConfig,
    on_step: Any,
) -> "tuple[TracedAtoms, TiltGeometry | None]":
    """Refine against the aligned images as detected, whose noise the model knows, from where the volume saw them.

    Not in a film, which goes on beside the frame. Views are returned where they were refined too, and are better.
    """
    import numpy as np

    from nanodefect_assets.domain.randomness import generator_for
    from nanodefect_assets.domain.refusal import Refusal
    from nanodefect_assets.domain.schemas import REFINEMENTS
    from nanodefect_assets.domain.traced_atoms import TracedAtoms
    from nanodefect_assets.science.tomography.atom_angles import fit_angles
    from nanodefect_assets.science.tomography.frame import fills_frame
    from nanodefect_assets.science.tomography.refinement import refine_atoms
    from nanodefect_assets.stores.alignments import refined_geometry

    series = stored.detected_series()
    better = refined.rows(REFINEMENTS).query("is_better")["tilt_series_id"].tolist()
    if stored.tilt_series_id in better:
        geometry = refined_geometry(refined, stored.tilt_series_id, stored.alignment)
        series = replace(series, geometry=geometry)
    positions = starts[["x_angstrom", "y_angstrom", "z_angstrom"]].to_numpy(dtype=float)
    if np.isfinite(series.images).all() and fills_frame(series.images):
        return TracedAtoms.unrefined(positions[starts["is_claimed"].to_numpy(dtype=bool)]), None
    rng = generator_for(0, "atoms/atomic_model", stored.tilt_series_id)
    found = refine_atoms(series, positions, config, rng=rng, on_step=on_step)
    if not len(found.atoms):
        raise Refusal("no_atoms", expected="atoms that the images show", got=f"none of {len(starts)} candidates")
    if not config.fits_angles or len(series) < config.fewest_tilts:
        return found.atoms, None
    better = fit_angles(series, found, config, rng=rng, on_step=on_step)
    return (found.atoms, None) if better is None else (better.atoms, better.state.geometry)


def _add_angles(out: "GenerationWriter", stored: "StoredAlignedSeries", geometry: "TiltGeometry") -> None:
    import numpy as np

    from nanodefect_assets.domain.schemas import ALIGNMENTS
    from nanodefect_assets.stores.alignments import alignment_rows

    refined = stored.alignment.refined(geometry, np.full(len(geometry), np.nan))
    out.add_rows(ALIGNMENTS, alignment_rows(stored.tilt_series_id, "atoms", stored.tilts_deg, refined))


def _add_traced(
    out: "GenerationWriter", stored: "StoredAlignedSeries", found: "TracedAtoms", config: AtomicModelConfig
) -> None:
    from nanodefect_assets.domain.schemas import ATOMIC_MODELS, ATOMS
    from nanodefect_assets.science.tomography.atom_evidence import intensity_classes
    from nanodefect_assets.stores.atomic_models import traced_atoms, traced_model
    from nanodefect_assets.stores.atoms import write_traced_atoms

    classes = intensity_classes(found.intensity)
    species = [(config.element, config.brighter_element)[n] for n in classes.tolist()]
    number = out.n_rows(ATOMIC_MODELS)
    out.add_rows(ATOMIC_MODELS, [traced_model(stored.tilt_series_id, species, is_simulated=stored.is_simulated)])
    out.add_rows(
        ATOMS,
        traced_atoms(stored.tilt_series_id, species, found, classes, is_simulated=stored.is_simulated),
    )
    write_traced_atoms(out.folder / f"particle-{number:03d}.extxyz", species, found, classes)


def _precise(sigma_pm: dict[str, float]) -> dg.AssetCheckResult:
    failed = {name: value for name, value in sigma_pm.items() if not value < _LARGEST_SIGMA_PM}
    return dg.AssetCheckResult(
        check_name="atoms_precise",
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"sigma_pm": dg.MetadataValue.json(sigma_pm)},
    )


def _preview(found: "TracedAtoms") -> bytes:
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.plots.traced_atoms import plot_traced_atoms

    return figure_png(plot_traced_atoms(found))
