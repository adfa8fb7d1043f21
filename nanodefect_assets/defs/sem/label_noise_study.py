"""How many wrong labels a training bears: figs. 5.3 and 5.4."""

import hashlib
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.sem.sevens import SEVENS_ARRAY
from nanodefect_assets.defs.sem.studying import (
    FAST_PARTICLES,
    StudyRunner,
    Training,
    own_params,
    particles_of,
)
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.sem.params import USUAL, LabelNoiseParams, MirrorLabelParams

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.domain.progress import OnStep
    from nanodefect_assets.science.sem.study import KeptState, StudyCell
    from nanodefect_assets.science.sem.trained import HandednessRecipe
    from nanodefect_assets.stores.generations import StoredGeneration

_NAME = AssetName(group="sem", noun="label_noise_study")
_ASSET = (_NAME.group, _NAME.noun)
_SEVENS = AssetName(group="sem", noun="sevens")
_TE_PARTICLES = 1914
_LEARNABLE_PERCENT = 40
_LEAST_ACCURACY = 0.75

label_error = dg.StaticPartitionsDefinition(["0", "1", "5", "10", "20", "30", "40", "42", "46", "48", "50"])
"""Wrong labels, in percent."""


class LabelNoiseConfig(LabelNoiseParams, dg.Config):
    """Launchpad form of `LabelNoiseParams`."""


@dg.asset(
    key=list(_ASSET),
    deps=[["sem", "sevens"]],
    partitions_def=label_error,
    group_name="sem",
    code_version="4",
    kinds={"pytorch", "mlflow"},
    check_specs=[
        declare_check(
            _ASSET,
            "learnt_in_spite_of_errors",
            "Up to 40 % wrong labels every method names three quarters of the clean images rightly.",
            partitions=label_error,
        )
    ],
)
def label_noise_study(
    context: dg.AssetExecutionContext,
    config: LabelNoiseConfig,
    home: HomeResource,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult:
    """Accuracy of each way of training at one share of wrong labels, three repeats, beside the published curve.

    Particles are parted into sides, never images, so that no image is judged whose mirror was trained on. A study that
    was interrupted goes on after the last training that was finished.
    """
    from nanodefect_assets.domain.schemas import STUDIES
    from nanodefect_assets.science.sem.table import with_ratios
    from nanodefect_assets.stores.generations import require_generation

    percent = float(context.partition_key)
    params = own_params(config, LabelNoiseParams)
    inputs = [require_generation(home.home, _SEVENS, Place())] if "sevens" in config.images else []
    runners = [
        _runner(context, config, params, home, compute, tracking, name, percent, inputs) for name in config.images
    ]
    with making(context, home, inputs=inputs, params=params) as out:
        for runner in runners:
            rows = runner.rows()
            out.n_items += len(rows)
            out.add_rows(STUDIES, rows)
    for runner in runners:
        runner.forget()
    rows = with_ratios(require_generation(home.home, _NAME, Place(study=context.partition_key)).rows(STUDIES))
    worst = float(rows["accuracy"].min())
    return report(
        out,
        metadata={
            **{f"accuracy_{method}": float(some["accuracy"].mean()) for method, some in rows.groupby("method")},
            "worst_accuracy": worst,
        },
        checks=[
            dg.AssetCheckResult(
                check_name="learnt_in_spite_of_errors",
                passed=percent > _LEARNABLE_PERCENT or worst >= _LEAST_ACCURACY,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"worst_accuracy": worst, "error_percent": percent},
            )
        ],
        preview=_preview(home, config.images[0]),
    )


def _runner(
    context: dg.AssetExecutionContext,
    config: LabelNoiseConfig,
    params: LabelNoiseParams,
    home: HomeResource,
    compute: Compute,
    tracking: Tracking,
    name: str,
    percent: float,
    inputs: "list[StoredGeneration]",
) -> StudyRunner:
    images = _images(name, inputs, config, home)
    return StudyRunner(
        context=context,
        home=home,
        compute=compute,
        tracking=tracking,
        params=params,
        study="label_noise",
        images=name,
        error_percent=percent,
        fingerprint=hashlib.sha256(images.tobytes()).hexdigest(),
        train=partial(_train, images, config, percent),
    )


def _train(
    images: "np.ndarray",
    config: LabelNoiseConfig,
    percent: float,
    training: Training,
    recipe: "HandednessRecipe",
    device: str,
    on_step: "OnStep",
    kept: "KeptState",
) -> "StudyCell":
    from nanodefect_assets.science.sem.study import run_cell

    labelling = MirrorLabelParams(error_fraction=percent / 100, split=config.split)
    return run_cell(
        images,
        labelling,
        training.study,
        recipe,
        repeat=training.repeat,
        seed=config.seed,
        device=device,
        on_step=on_step,
        kept=kept,
    )


def _images(name: str, inputs: "list[StoredGeneration]", config: LabelNoiseConfig, home: HomeResource) -> "np.ndarray":
    """Return the particles of one hand that a study is made on."""
    from nanodefect_assets.domain.randomness import generator_for
    from nanodefect_assets.science.sem.crops import fill_crops
    from nanodefect_assets.science.sem.mirror import prepare_images
    from nanodefect_assets.science.synthetic.chiral import ideal_crops

    n = config.n_particles or (FAST_PARTICLES if home.run_size == "fast" else None)
    if name == "sevens":
        return prepare_images(inputs[0].arrays(SEVENS_ARRAY).read(SEVENS_ARRAY)[:n])
    kind = particles_of(config, home.run_size)
    simulated = ideal_crops(n or _TE_PARTICLES, kind, rng=generator_for(config.seed, str(_NAME)))
    return prepare_images(fill_crops(simulated.images) if config.sizes == "filled" else simulated.images)


def studied(home: HomeResource, name: AssetName, places: list[Place]) -> "pd.DataFrame":
    """Return the rows of `STUDIES` in force at several places, with their ratios."""
    import pandas as pd

    from nanodefect_assets.domain.schemas import STUDIES
    from nanodefect_assets.science.sem.table import with_ratios
    from nanodefect_assets.stores.generations import current_generation

    made = (current_generation(home.home, name, place) for place in places)
    rows = pd.concat([found.rows(STUDIES) for found in made if found is not None], ignore_index=True)
    # What was made before there were variants has no column for them.
    return with_ratios(rows.assign(variant=rows["variant"].fillna(USUAL) if "variant" in rows else USUAL))


def _preview(home: HomeResource, images: str) -> bytes:
    """Draw all shares of wrong labels that were studied so far beside the published ones."""
    from nanodefect_assets.plots.handedness import plot_label_noise
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.science.sem.table import published_table, summarise_repeats

    rows = studied(home, _NAME, home.home.places_of(_NAME))
    measured = summarise_repeats(rows[(rows["images"] == images) & (rows["variant"] == USUAL)])
    return figure_png(plot_label_noise(measured, published_table("sevens" if images == "sevens" else "te")))
