"""Tables of the warehouse about itself: generations, what they were made from, and runs."""

from nanodefect_assets.domain.tables import Table, integer, moment, text

GENERATIONS = Table(
    name="generations",
    meaning="One generation in force: what an asset last made for one place, from what and by which code.",
    columns=(
        text("generation", "Name of the generation and of its folder."),
        text("asset", "Asset, as group/noun."),
        text("sample", "<batch>/<aliquot>; _ stands for all."),
        text("path", "Folder, below the home's artifacts."),
        text("run_size", "fast, study or full."),
        text("params_hash", "First 12 hexadecimal digits of the SHA-256 of the parameters."),
        text("params", "Parameters, as JSON."),
        text("code_version", "Version of the asset's science."),
        text("package_version", "Version of this package."),
        text("content_digest", "SHA-256 over the files of the generation."),
        text("dagster_run_id", "Dagster run that made it; missing if made outside Dagster.", null=True),
        text("mlflow_run_id", "MLflow run that belongs to it.", null=True),
        integer("n_items", "Items that went in."),
        integer("n_refused", "Items set aside."),
        moment("created_at", "When it was finished (UTC)."),
    ),
    key=("generation",),
)

GENERATION_INPUTS = Table(
    name="generation_inputs",
    meaning="One input of a generation: the edge of the lineage between two generations.",
    columns=(
        text("generation", "Generation that was made."),
        text("input_asset", "Asset that it was made from."),
        text("input_sample", "Place of that asset."),
        text("input_generation", "Generation that was read."),
    ),
    key=("generation", "input_asset", "input_sample"),
)

RUNS = Table(
    name="runs",
    meaning="One Dagster run that made generations in force.",
    columns=(
        text("dagster_run_id", "Dagster run."),
        text("job_name", "Job of the run.", null=True),
        integer("n_generations", "Generations in force that it made."),
        moment("first_created_at", "When its first generation was finished (UTC)."),
        moment("last_created_at", "When its last generation was finished (UTC)."),
    ),
    key=("dagster_run_id",),
)
