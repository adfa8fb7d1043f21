"""What segmenters are trained and judged on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.checks import ITEMS_CHECK, declare_check, items_result
from nanodefect_assets.defs.hrtem.labelled import (
    Labelled,
    LabelledSample,
    SeenImages,
    labelled_micrographs,
    labelled_samples,
    simulated_micrographs,
)
from nanodefect_assets.defs.hrtem.training_patches import PatchCutter, TrainingSetConfig, part_items
from nanodefect_assets.defs.making import in_order, making, report, upstream
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.generation import RunSize
from nanodefect_assets.domain.progress import Progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.synthetic.training_params import TrainingFieldParams

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.stores.generations import GenerationWriter
    from nanodefect_assets.stores.patch_sets import PatchSetReader

_ASSET = ("hrtem", "training_set")
_N_SIMULATED: dict[RunSize, int] = {"fast": 12, "study": 150, "full": 600}
_N_SHOWN = 12
_LEAST_PARTICLE, _MOST_PARTICLE = 0.01, 0.9


@dg.asset(
    key=list(_ASSET),
    deps=[["samples", "micrographs"], ["samples", "annotations"]],
    group_name="hrtem",
    code_version="2",
    kinds={"zarr", "parquet"},
    check_specs=[
        declare_check(
            _ASSET,
            ITEMS_CHECK,
            "Every label could be used. Some set aside: a warning, with reasons in the table refused; all: an error.",
            partitions=None,
        ),
        declare_check(
            _ASSET, "every_class_present", "Training, validation and test have pixels of every class.", partitions=None
        ),
        declare_check(
            _ASSET,
            "sides_apart",
            "No micrograph and no patch, by its pixels, is on two sides of the split.",
            partitions=None,
            blocking=True,
        ),
        declare_check(
            _ASSET,
            "particle_share",
            "Particles fill between one and ninety hundredths of what is labelled on the training side.",
            partitions=None,
        ),
    ],
)
def training_set(
    context: dg.AssetExecutionContext, config: TrainingSetConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Patches of labelled and of simulated micrographs, parted by micrograph into training, validation and test.

    Labels of all batches and simulated fields are mixed by configuration. It is made when somebody asks for it, so that
    models are compared on the same data until then.
    """
    from nanodefect_assets.domain.schemas import TRAINING_MICROGRAPHS
    from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader
    from nanodefect_assets.stores.simulated_fields import SimulatedFields

    n_simulated, on_step = _n_simulated(config, home.run_size), log_steps(context.log)
    samples = labelled_samples(home.home, config.batches)
    with making(context, home, inputs=[made for found in samples for made in found.inputs], params=config) as out:
        out.add_rows(TRAINING_MICROGRAPHS, [])
        drawn, thumbnails = _usable(out, home, samples, config)
        simulated = _simulated(home, config, n_simulated)
        items = [*drawn, *simulated]
        sides = part_items(items, thumbnails, config)
        patches = PatchCutter(out, config, items, sides)
        with compute.executor() as executor:
            cuts = in_order(executor, patches.cut, items, ahead=2 * compute.n_threads)
            for done, (item, cut) in enumerate(cuts, start=1):
                patches.add(item, cut)
                on_step(Progress(task="training patches", done=done, total=len(items), detail=item.micrograph_id))
        if not patches.close():
            raise _nothing_to_train_on(out)
    SimulatedFields(home.home).remove_unused()
    made = upstream(context, home, *_ASSET)
    reader = PatchSetReader(made.folder / FOLDER)
    rows = made.rows(TRAINING_MICROGRAPHS)
    return report(
        out,
        metadata=_metadata(reader, rows),
        checks=[items_result(out), *_checks(reader, rows)],
        preview=_preview(reader),
    )


def _n_simulated(config: TrainingSetConfig, run_size: RunSize) -> int:
    """Return how many fields to simulate.

    Raises
    ------
    Refusal
        If their particles have no class.
    """
    n_simulated = _N_SIMULATED[run_size] if config.n_simulated is None else config.n_simulated
    if n_simulated and config.simulated_class not in config.class_names[1:]:
        raise Refusal(
            "unknown_class",
            expected=f"simulated_class to be one of {', '.join(config.class_names[1:])}",
            got=config.simulated_class,
            advice="Name the class of simulated particles, or set n_simulated to 0 to train on labels alone.",
        )
    return n_simulated


def _simulated(home: HomeResource, config: TrainingSetConfig, n_fields: int) -> list[Labelled]:
    params = TrainingFieldParams.model_validate(
        {name: getattr(config, name) for name in TrainingFieldParams.model_fields}
    )
    class_number = config.class_names.index(config.simulated_class) if n_fields else 0
    return simulated_micrographs(home.home, params, n_fields, class_number=class_number)


def _usable(
    out: "GenerationWriter", home: HomeResource, samples: Sequence[LabelledSample], config: TrainingSetConfig
) -> "tuple[list[Labelled], dict[str, np.ndarray]]":
    """Return the labelled micrographs that can be used and have particles, and a small image of each."""
    from nanodefect_assets.science.hrtem.patches import has_particles
    from nanodefect_assets.science.hrtem.split import thumbnail

    usable: list[Labelled] = []
    thumbnails: dict[str, np.ndarray] = {}
    seen = SeenImages()
    for found in samples:
        for label_id, labelled in labelled_micrographs(home.home, found, config, at_most=home.max_micrographs):
            if isinstance(labelled, Labelled) and labelled.source.modality not in config.modalities:
                continue
            with out.item(label_id):
                if isinstance(labelled, Refusal):
                    raise labelled
                micrograph, classes = labelled.load()
                seen.refuse_again(micrograph)
                if has_particles(classes, config):
                    usable.append(labelled)
                    thumbnails[labelled.micrograph_id] = thumbnail(micrograph.counts)
    return usable, thumbnails


def _nothing_to_train_on(out: "GenerationWriter") -> Refusal:
    trouble = f" The first label that could not be used: {out.refusals[0][1]}" if out.refusals else ""
    return Refusal(
        "no_training_patches",
        expected="labelled micrographs with particles, or simulated fields",
        got=f"{out.n_items} labels, of which {len(out.refusals)} could not be used, and nothing to train on",
        advice="Drop a batch with label images (modality: labels) in the landing folder, or raise n_simulated."
        + trouble,
    )


def _metadata(reader: "PatchSetReader", rows: "pd.DataFrame") -> dict[str, Any]:
    from nanodefect_assets.domain.patches import SIDES

    fingerprints = {f"fingerprint_{side}": reader.fingerprint(side) for side in SIDES}
    counts = {f"n_{side}_patches": reader.n_patches(side) for side in SIDES}
    counts |= {f"n_{side}_micrographs": int((rows["side"] == side).sum()) for side in SIDES}
    labelled = int(rows["n_labelled"].sum())
    return {
        "fingerprint": reader.combined_fingerprint,
        **fingerprints,
        **counts,
        "n_left_out_micrographs": int(rows["side"].isna().sum()),
        "n_simulated_micrographs": int(rows["is_simulated"].sum()),
        "particle_fraction": float(rows["n_particle"].sum() / labelled) if labelled else 0.0,
        "materials": ", ".join(sorted(rows["material"].dropna().unique())),
    }


def _checks(reader: "PatchSetReader", rows: "pd.DataFrame") -> list[dg.AssetCheckResult]:
    from nanodefect_assets.domain.patches import SIDES

    missing = {side: reader.missing_classes(side) for side in SIDES if reader.missing_classes(side)}
    shared = reader.shared_patches()
    training = rows[rows["side"] == "train"]
    share = float(training["n_particle"].sum() / max(training["n_labelled"].sum(), 1))
    return [
        dg.AssetCheckResult(
            check_name="every_class_present",
            passed=not missing,
            severity=dg.AssetCheckSeverity.ERROR if "train" in missing else dg.AssetCheckSeverity.WARN,
            metadata={"missing": dg.MetadataValue.json(missing)},
        ),
        dg.AssetCheckResult(
            check_name="sides_apart",
            passed=not shared,
            metadata={"on_two_sides": dg.MetadataValue.json(shared[:20])},
        ),
        dg.AssetCheckResult(
            check_name="particle_share",
            passed=_LEAST_PARTICLE <= share <= _MOST_PARTICLE,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"particle_fraction": share},
        ),
    ]


def _preview(reader: "PatchSetReader") -> bytes:
    """Draw training patches from all over the set with the outlines of their classes."""
    from nanodefect_assets.domain.patches import UNLABELLED
    from nanodefect_assets.plots.images import plot_mosaic
    from nanodefect_assets.plots.png import figure_png

    tiles = []
    for name, image, classes in reader.examples("train", _N_SHOWN):
        shown = classes.astype(int)
        shown[classes == UNLABELLED] = 0
        tiles.append((name.rsplit("/", 1)[-1], image, shown))
    return figure_png(plot_mosaic(tiles))
