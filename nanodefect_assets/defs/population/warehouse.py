"""All tables in one DuckDB file."""

import dagster as dg

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.conditions import when_inputs_settle
from nanodefect_assets.defs.resources import HomeResource


@dg.asset(
    key=["population", "warehouse"],
    deps=[
        ["samples", "intake"],
        ["samples", "corrections"],
        ["samples", "manifest"],
        ["samples", "micrographs"],
        ["samples", "annotations"],
        ["samples", "tilt_series"],
        ["samples", "coordinates"],
        ["tomography", "denoised"],
        ["tomography", "aligned"],
        ["tomography", "reconstruction"],
        ["tomography", "refined_reconstruction"],
        ["hrtem", "segmentation"],
        ["hrtem", "mask_scores"],
        ["hrtem", "particles"],
        ["hrtem", "particle_classes"],
        ["hrtem", "region_training_set"],
        ["hrtem", "fault_classifier"],
        ["hrtem", "label_audit"],
        ["hrtem", "training_set"],
        ["hrtem", "segmenter"],
        ["hrtem", "champion_segmenter"],
        ["atoms", "candidates"],
        ["hrtem", "classical_segmenters"],
        ["hrtem", "material_study"],
        ["hrtem", "architecture_study"],
        ["hrtem", "segmentation_benchmark"],
        ["atoms", "atomic_model"],
        ["atoms", "order"],
        ["atoms", "grains"],
        ["sem", "te_crops"],
        ["sem", "handedness_model"],
        ["sem", "handedness"],
        ["sem", "label_noise_study"],
        ["sem", "as_synthesised_study"],
        ["population", "size_distribution"],
        ["population", "handedness_fraction"],
        ["population", "defect_rates"],
    ],
    group_name="population",
    code_version="1",
    kinds={"duckdb"},
    automation_condition=when_inputs_settle,
    check_specs=[
        declare_check(
            ("population", "warehouse"),
            "every_generation_loaded",
            "Every generation in force could be read and is in the warehouse.",
            partitions=None,
        ),
        declare_check(
            ("population", "warehouse"), "keys_are_unique", "No two rows of a table have the same key.", partitions=None
        ),
    ],
)
def warehouse(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """Every table of the home in one DuckDB file, published for readers without ever blocking them."""
    from nanodefect_assets.defs.progress import log_steps
    from nanodefect_assets.stores.corrections import existing_cells
    from nanodefect_assets.stores.warehouse import load_warehouse, repeated_keys

    loaded = load_warehouse(home.home, existing=existing_cells(home.home), on_step=log_steps(context.log))
    repeated = repeated_keys(home.home)
    lines = [f"| {table} | {n} |" for table, n in loaded.n_rows.items()]
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(loaded.path),
            "n_generations": loaded.n_generations,
            "is_unchanged": loaded.is_unchanged,
            **{f"n_{table}": n for table, n in loaded.n_rows.items()},
            "tables": dg.MetadataValue.md("\n".join(["| table | rows |", "|---|---|", *lines])),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="every_generation_loaded",
                passed=not loaded.left_out,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"left_out": dg.MetadataValue.json(dict(loaded.left_out))},
            ),
            dg.AssetCheckResult(
                check_name="keys_are_unique",
                passed=not repeated,
                metadata={"repeated": dg.MetadataValue.json(repeated)},
            ),
        ],
    )
