"""Which training bears hands that look different: table 5.1."""

import hashlib
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.sem.label_noise_study import studied
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
from nanodefect_assets.science.sem.params import MirrorLabelParams, StudyParams
from nanodefect_assets.science.synthetic.chiral_params import AsSynthesisedParams

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.domain.progress import OnStep
    from nanodefect_assets.science.sem.study import KeptState, StudyCell
    from nanodefect_assets.science.sem.trained import HandednessRecipe

_NAME = AssetName(group="sem", noun="as_synthesised_study")
_ASSET = (_NAME.group, _NAME.noun)
_PUBLISHED_PARTICLES = 3542
_CLEARLY = 0.05


class AsSynthesisedConfig(StudyParams, AsSynthesisedParams, dg.Config):
    """Launchpad form of the study's parameters, and of what sets the minority apart."""


@dg.asset(
    key=list(_ASSET),
    group_name="sem",
    code_version="4",
    kinds={"pytorch", "mlflow"},
    check_specs=[
        declare_check(
            _ASSET,
            "co_teaching_is_best",
            "Of plain networks co-teaching is the most accurate by 0.05 or more, as published.",
            partitions=None,
        )
    ],
)
def as_synthesised_study(
    context: dg.AssetExecutionContext,
    config: AsSynthesisedConfig,
    home: HomeResource,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult:
    """Accuracy of each way of training on simulated particles of which the minority looks different, beside table 5.1.

    The minority, 22 %, is smaller and has a smaller chiral facet: wrong labels go with looks. All is simulated.
    """
    from nanodefect_assets.domain.randomness import generator_for
    from nanodefect_assets.domain.schemas import STUDIES
    from nanodefect_assets.science.sem.crops import fill_crops
    from nanodefect_assets.science.sem.mirror import prepare_images
    from nanodefect_assets.science.synthetic.chiral import as_synthesised_crops

    population, params = own_params(config, AsSynthesisedParams), own_params(config, StudyParams)
    kind = particles_of(params, home.run_size)
    n = config.n_particles or (FAST_PARTICLES if home.run_size == "fast" else _PUBLISHED_PARTICLES)
    crops = as_synthesised_crops(n, kind, population, rng=generator_for(config.seed, str(_NAME)))
    images = prepare_images(fill_crops(crops.images) if config.sizes == "filled" else crops.images)
    runner = StudyRunner(
        context=context,
        home=home,
        compute=compute,
        tracking=tracking,
        params=params,
        study="as_synthesised",
        images="te_simulated",
        error_percent=100 * population.left_fraction,
        fingerprint=hashlib.sha256(crops.images.tobytes()).hexdigest(),
        population=_words(population),
        train=partial(_train, images, crops.is_right, config.seed, population.left_fraction),
    )
    with making(context, home, params=config) as out:
        rows = runner.rows()
        out.n_items = len(rows)
        out.add_rows(STUDIES, rows)
    runner.forget()
    rows = studied(home, _NAME, [Place()])
    # As published: of plain networks; of several variants, the first.
    plain = rows[~rows["is_antisymmetric"] & (rows["variant"] == rows["variant"].iloc[0])]
    means = plain.groupby("method")["accuracy"].mean().to_dict()
    others = [mean for method, mean in means.items() if method != "co_teaching"]
    is_best = "co_teaching" in means and means["co_teaching"] >= max(others, default=0) + _CLEARLY
    return report(
        out,
        metadata={f"accuracy_{method}": float(mean) for method, mean in means.items()},
        checks=[
            dg.AssetCheckResult(
                check_name="co_teaching_is_best",
                passed=bool(is_best) or not means,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={**{str(method): float(mean) for method, mean in means.items()}, **tested(len(means))},
            )
        ],
        preview=_preview(rows),
    )


def _words(population: AsSynthesisedParams) -> str:
    """Return in what a population differs from the usual one; its share of the minority has a column of its own."""
    usual = AsSynthesisedParams()
    named = {"length": "left_length", "facet": "left_facet"}
    return ", ".join(
        f"{word} {getattr(population, name):g}"
        for word, name in named.items()
        if getattr(population, name) != getattr(usual, name)
    )


def _train(
    images: "np.ndarray",
    is_right: "np.ndarray",
    seed: int,
    error_fraction: float,
    training: Training,
    recipe: "HandednessRecipe",
    device: str,
    on_step: "OnStep",
    kept: "KeptState",
) -> "StudyCell":
    from nanodefect_assets.domain.randomness import generator_for
    from nanodefect_assets.science.sem.split import split_as_found
    from nanodefect_assets.science.sem.study import run_on_split

    names = ("as_found", str(training.repeat))
    split = split_as_found(images, is_right, MirrorLabelParams(), rng=generator_for(seed, "split", *names))
    return run_on_split(
        split,
        training.study,
        recipe,
        error_fraction=error_fraction,
        repeat=training.repeat,
        rng=generator_for(seed, training.study.model_dump_json(), *names),
        estimate_rng=generator_for(seed, training.study.plain.model_dump_json(), *names),
        device=device,
        on_step=on_step,
        kept=kept,
    )


def _preview(rows: "pd.DataFrame") -> bytes:
    from nanodefect_assets.plots.handedness import plot_as_synthesised
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.science.sem.published import AS_SYNTHESISED
    from nanodefect_assets.science.sem.table import summarise_repeats

    return figure_png(
        plot_as_synthesised(summarise_repeats(rows[rows["variant"] == rows["variant"].iloc[0]]), AS_SYNTHESISED)
    )
