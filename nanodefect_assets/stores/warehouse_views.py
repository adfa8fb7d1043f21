"""Views of the warehouse: the questions that are asked most, answered from the tables."""

from collections.abc import Iterable
from dataclasses import dataclass

from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.tables import Column, Table, integer, moment, number, text
from nanodefect_assets.stores.warehouse_sql import comments_sql, sql_name


@dataclass(frozen=True, kw_only=True)
class View:
    """A view of the warehouse.

    Attributes
    ----------
    name, meaning : str
        Plural noun, and what a row is.
    columns : tuple of Column
        The columns that `sql` selects, in order.
    sql : str
        The query.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    sql: str


def declared(table: Table, *names: str) -> tuple[Column, ...]:
    """Return some columns that `table` has in the warehouse."""
    columns = {column.name: column for column in (*schemas.provenance_of(table), *table.columns)}
    return tuple(columns[name] for name in names)


def _ever(table: str) -> str:
    """Return the query for the rows of `table` in force and those that something in force was made from."""
    return f"SELECT * FROM {table} UNION ALL SELECT * FROM superseded.{table}"


def _input_rows(table: str) -> str:
    return f"FROM inputs JOIN ({_ever(table)}) AS rows ON rows.generation = inputs.input_generation"


_COUNTS = ("n_true_positive", "n_false_positive", "n_false_negative", "n_true_negative")
_QUALITY = (
    number("dice", "2 TP / (2 TP + FP + FN); 1 where mask and labels are both empty."),
    number("iou", "TP / (TP + FP + FN); 1 where mask and labels are both empty."),
    number("precision", "TP / (TP + FP); undefined where the mask is empty.", null=True),
    number("recall", "TP / (TP + FN); undefined where the labels are empty.", null=True),
)
_QUALITY_SQL = """
    CASE WHEN tp + fp + fn = 0 THEN 1.0::DOUBLE ELSE 2 * tp / (2 * tp + fp + fn) END AS dice,
    CASE WHEN tp + fp + fn = 0 THEN 1.0::DOUBLE ELSE tp / (tp + fp + fn) END AS iou,
    CASE WHEN tp + fp > 0 THEN tp / (tp + fp) END AS precision,
    CASE WHEN tp + fn > 0 THEN tp / (tp + fn) END AS recall
"""
"""The ratios as `MaskScore` has them in the science of masks; what is not a number there is missing here."""

MASK_QUALITY = View(
    name="mask_quality",
    meaning="Agreement of one mask with the expert labels that came with the batch.",
    columns=(
        *declared(
            schemas.MASK_SCORES, "sample", "generation", "micrograph_id", "is_simulated", "label_file_id", *_COUNTS
        ),
        *_QUALITY,
    ),
    sql=f"""
SELECT sample, generation, micrograph_id, is_simulated, label_file_id, {", ".join(_COUNTS)}, {_QUALITY_SQL}
FROM (
    SELECT *, n_true_positive::DOUBLE AS tp, n_false_positive::DOUBLE AS fp, n_false_negative::DOUBLE AS fn
    FROM mask_scores
)
""",
)

SAMPLE_MASK_QUALITY = View(
    name="sample_mask_quality",
    meaning="Agreement of the masks of one sample with expert labels, over all labelled pixels together.",
    columns=(
        *declared(schemas.MASK_SCORES, "sample", "generation", "is_simulated"),
        integer("n_micrographs", "Micrographs with labels."),
        *declared(schemas.MASK_SCORES, *_COUNTS),
        *_QUALITY,
        number("mean_dice", "Mean of the Dice coefficients of the single micrographs."),
    ),
    sql=f"""
SELECT sample, generation, is_simulated, n_micrographs, {", ".join(_COUNTS)}, {_QUALITY_SQL}, mean_dice
FROM (
    SELECT *, n_true_positive::DOUBLE AS tp, n_false_positive::DOUBLE AS fp, n_false_negative::DOUBLE AS fn
    FROM (
        SELECT sample, generation, is_simulated, count(DISTINCT micrograph_id) AS n_micrographs,
               {", ".join(f"sum({name})::BIGINT AS {name}" for name in _COUNTS)}, avg(dice) AS mean_dice
        FROM mask_quality
        GROUP BY sample, generation, is_simulated
    )
)
""",
)

PARTICLE_LINEAGE = View(
    name="particle_lineage",
    meaning="Where one particle comes from: code and runs that measured it, mask, segmenter, micrograph and raw file.",
    columns=(
        *declared(schemas.PARTICLES, "particle_id", "sample", "micrograph_id", "label", "is_simulated"),
        text("particle_generation", "Generation that holds the particle."),
        *declared(schemas.PARTICLES, "run_size", "code_version", "params_hash"),
        text("package_version", "Version of this package that measured the particle."),
        text("dagster_run_id", "Dagster run that measured the particle; missing if made outside Dagster.", null=True),
        text("mask_generation", "Generation of the mask in which the particle was measured.", null=True),
        text("mask_code_version", "Version of the science that made the mask.", null=True),
        text("mask_dagster_run_id", "Dagster run that made the mask.", null=True),
        text("segmenter_name", "Method or registered model that made the mask.", null=True),
        text("segmenter_version", "Version of the registered model; missing for a method without one.", null=True),
        text(
            "segmenter_mlflow_run_id",
            "MLflow run that trained the segmenter, if there is one.",
            null=True,
        ),
        text("micrograph_generation", "Generation of the micrograph that was segmented.", null=True),
        text("file_id", "Raw file that the micrograph was read from.", null=True),
        text("sha256", "SHA-256 of the raw file's bytes.", null=True),
        text("path", "Path of the raw file below the batch's folder.", null=True),
        text("revision", "Revision of the batch in which the raw file arrived in these bytes.", null=True),
    ),
    sql=f"""
WITH all_generations AS ({_ever("generations")}),
inputs AS ({_ever("generation_inputs")}),
mask_inputs AS (SELECT inputs.generation AS made, rows.* {_input_rows("masks")}),
micrograph_inputs AS (SELECT inputs.generation AS made, rows.* {_input_rows("micrographs")}),
file_inputs AS (SELECT inputs.generation AS made, rows.* {_input_rows("files")}),
origins AS (
    SELECT masks.made AS generation, masks.micrograph_id, masks.generation AS mask_generation,
           masks.code_version AS mask_code_version, makers.dagster_run_id AS mask_dagster_run_id,
           masks.segmenter_name, masks.segmenter_version, masks.mlflow_run_id AS segmenter_mlflow_run_id,
           images.generation AS micrograph_generation, images.file_id, images.sha256, files.path, files.revision
    FROM mask_inputs AS masks
    LEFT JOIN all_generations AS makers ON makers.generation = masks.generation
    LEFT JOIN micrograph_inputs AS images
        ON images.made = masks.generation AND images.micrograph_id = masks.micrograph_id
    LEFT JOIN file_inputs AS files ON files.made = images.generation AND files.file_id = images.file_id
)
SELECT particles.particle_id, particles.sample, particles.micrograph_id, particles.label, particles.is_simulated,
       particles.generation AS particle_generation, particles.run_size, particles.code_version, particles.params_hash,
       generations.package_version, generations.dagster_run_id,
       origins.* EXCLUDE (generation, micrograph_id)
FROM particles
JOIN generations ON generations.generation = particles.generation
LEFT JOIN origins ON origins.generation = particles.generation AND origins.micrograph_id = particles.micrograph_id
""",
)

ALIQUOT_SIZES = View(
    name="aliquot_sizes",
    meaning="Size distribution of one aliquot with its growth time and material.",
    columns=(
        *declared(schemas.SIZE_DISTRIBUTIONS, "synthesis_batch", "aliquot_time"),
        text("aliquot_label", "Growth time as written by people, such as 8 h.", null=True),
        integer("growth_time_s", "Growth time; unknown for the end of a synthesis.", "s", null=True),
        integer("replicate", "Number of the replicate at this time, from 1.", null=True),
        text("material", "Material, as written in batch.yaml.", null=True),
        *schemas.SIZE_DISTRIBUTIONS.columns[2:],
        *declared(schemas.SIZE_DISTRIBUTIONS, "generation", "run_size"),
    ),
    sql=f"""
SELECT sizes.synthesis_batch, sizes.aliquot_time, aliquots.aliquot_label, aliquots.growth_time_s, aliquots.replicate,
       batches.material, {", ".join(f"sizes.{name}" for name in schemas.SIZE_DISTRIBUTIONS.names[2:])},
       sizes.generation, sizes.run_size
FROM size_distributions AS sizes
LEFT JOIN aliquots USING (synthesis_batch, aliquot_time)
LEFT JOIN batches USING (synthesis_batch)
""",
)

SAMPLE_OVERVIEW = View(
    name="sample_overview",
    meaning="One sample: what came and what was found in it.",
    columns=(
        text("sample", "<batch>/<aliquot>."),
        *declared(schemas.ALIQUOTS, "synthesis_batch", "aliquot_time", "aliquot_label", "growth_time_s"),
        text("material", "Material, as written in batch.yaml.", null=True),
        integer("n_files", "Accepted files."),
        integer("n_micrographs", "Micrographs read."),
        integer("n_segmented", "Micrographs with a mask."),
        integer("n_particles", "Particles found in the masks."),
        integer("n_refused", "Items set aside by any step."),
        moment("last_made_at", "When the newest result of the sample was finished (UTC).", null=True),
    ),
    sql="""
SELECT cells.sample, cells.synthesis_batch, cells.aliquot_time, cells.aliquot_label, cells.growth_time_s,
       batches.material, cells.n_files, coalesce(images.n, 0) AS n_micrographs,
       coalesce(found.n_masks, 0) AS n_segmented,
       coalesce(found.n_particles, 0) AS n_particles, coalesce(made.n_refused, 0) AS n_refused, made.last_made_at
FROM (SELECT * REPLACE (synthesis_batch || '/' || aliquot_time AS sample) FROM aliquots) AS cells
LEFT JOIN batches USING (synthesis_batch)
LEFT JOIN (SELECT sample, count(*) AS n FROM micrographs GROUP BY sample) AS images ON images.sample = cells.sample
LEFT JOIN (
    SELECT sample, count(*) AS n_masks, sum(n_particles)::BIGINT AS n_particles FROM masks GROUP BY sample
) AS found ON found.sample = cells.sample
LEFT JOIN (
    SELECT sample, sum(n_refused)::BIGINT AS n_refused, max(created_at) AS last_made_at FROM generations GROUP BY sample
) AS made ON made.sample = cells.sample
""",
)

ORDERED_ATOMS = View(
    name="ordered_atoms",
    meaning="One atom with its position, the crystal around it, its grain and its defect.",
    columns=(
        *declared(schemas.ATOMS, "synthesis_batch", "sample", *schemas.ATOMS.names),
        *schemas.ATOM_ORDERS.columns[2:],
        *schemas.ATOM_GRAINS.columns[2:],
    ),
    sql=f"""
SELECT atoms.synthesis_batch, atoms.sample, {", ".join(f"atoms.{name}" for name in schemas.ATOMS.names)},
       {", ".join(f"orders.{name}" for name in schemas.ATOM_ORDERS.names[2:])},
       {", ".join(f"grained.{name}" for name in schemas.ATOM_GRAINS.names[2:])}
FROM atoms
JOIN atom_orders AS orders USING (structure_id, atom_index)
LEFT JOIN atom_grains AS grained USING (structure_id, atom_index)
""",
)

VIEWS: tuple[View, ...] = (
    MASK_QUALITY,
    SAMPLE_MASK_QUALITY,
    PARTICLE_LINEAGE,
    ALIQUOT_SIZES,
    SAMPLE_OVERVIEW,
    ORDERED_ATOMS,
)
"""Views whose text is always the same; a view may use those before it."""


def create_views_sql(views: Iterable[View]) -> str:
    """Return the statements that make views, with their comments."""
    statements = []
    for view in views:
        name = sql_name("main", view.name)
        statements.append(f"CREATE VIEW {name} AS {view.sql}")
        statements.extend(comments_sql("VIEW", name, view.meaning, view.columns))
    return "; ".join(statements)
