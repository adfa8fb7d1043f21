"""One cell of a study of label noise: a method, a share of wrong labels, a repeat."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.checkpoint import Checkpoint
from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.domain.randomness import generator_for
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.judge import HandednessScore, score
from nanodefect_assets.science.sem.leak import LeakCounts, count_leak
from nanodefect_assets.science.sem.mirror import HandedSet, mirror_label, mirrored
from nanodefect_assets.science.sem.noise import LabelErrorEstimate, estimate_label_error
from nanodefect_assets.science.sem.params import (
    HandednessNetworkParams,
    HandednessStudyParams,
    MirrorLabelParams,
)
from nanodefect_assets.science.sem.split import HandedSplit, split_labelled
from nanodefect_assets.science.sem.trained import HandednessRecipe, TrainedHandedness, predict_log_odds
from nanodefect_assets.science.sem.training import train_co_teaching, train_standard, train_two_step

_RATES = {"adam": 1e-3, "adadelta": 1.0}
"""Learning rates of optimisers that a recipe does not have; at the published 1e-3 Adadelta needs ten million images."""


@dataclass(frozen=True, kw_only=True)
class StudyCell:
    """What came out.

    Attributes
    ----------
    balanced : HandednessScore
        On clean test images, as many of either hand.
    balanced_both_ways : HandednessScore
        On the same, when half the difference between the answers to an image and to its mirror decides: that has no
        bias, whatever the network.
    skewed : HandednessScore
        On clean test images with as large a minority as there are wrong labels.
    leak : LeakCounts
        Of the balanced test: images whose particle was trained on. None are but in the leaking split.
    estimate : LabelErrorEstimate or None
        Label error told from the images; None where it was not asked for.
    n_train : int
        Mirror-labelled images trained on.
    """

    repeat: int
    error_fraction: float
    split: str
    study: HandednessStudyParams
    balanced: HandednessScore
    balanced_both_ways: HandednessScore
    skewed: HandednessScore
    leak: LeakCounts
    estimate: LabelErrorEstimate | None
    n_train: int
    trained: TrainedHandedness


def _keep_nowhere(estimate: LabelErrorEstimate) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class KeptState:
    """What an interrupted run of a cell has left, and where this one keeps the same.

    Attributes
    ----------
    training, judges : Checkpoint or None
        Where the state of the training is kept, and that of the networks that tell the label error before it.
    estimate : LabelErrorEstimate or None
        As an earlier cell of the same split made it. None: co-teaching that needs one makes it.
    on_estimate : callable
        Told of an estimate that is made, before the training that needs it begins: going on with another one, it would
        be another training.
    """

    training: Checkpoint | None = None
    judges: Checkpoint | None = None
    estimate: LabelErrorEstimate | None = None
    on_estimate: Callable[[LabelErrorEstimate], None] = _keep_nowhere


NOTHING_KEPT = KeptState()


def run_cell(
    images: Float[np.ndarray, "n row col"],
    labelling: MirrorLabelParams,
    study: HandednessStudyParams,
    recipe: HandednessRecipe,
    *,
    repeat: int,
    seed: int,
    device: str = "cpu",
    on_step: OnStep = ignore_progress,
    kept: KeptState = NOTHING_KEPT,
) -> StudyCell:
    """Plant an error, label by mirroring, train and judge.

    Parameters
    ----------
    images : ndarray of shape (n, row, col)
        Particles of one hand.
    repeat, seed : int
        Decide the split, the planted error and the training; all methods of a repeat share split and error.
    kept : KeptState
        What was done before a stop, and where it is kept.
    """
    names = (f"{labelling.error_fraction:g}", labelling.split, str(repeat))
    split = split_labelled(images, labelling, rng=generator_for(seed, "split", *names))
    return run_on_split(
        split,
        study,
        recipe,
        error_fraction=labelling.error_fraction,
        repeat=repeat,
        rng=generator_for(seed, study.model_dump_json(), *names),
        estimate_rng=generator_for(seed, study.plain.model_dump_json(), *names),
        device=device,
        on_step=on_step,
        kept=kept,
    )


def run_on_split(
    split: HandedSplit,
    study: HandednessStudyParams,
    recipe: HandednessRecipe,
    *,
    error_fraction: float,
    repeat: int,
    rng: np.random.Generator,
    estimate_rng: np.random.Generator,
    device: str = "cpu",
    on_step: OnStep = ignore_progress,
    kept: KeptState = NOTHING_KEPT,
) -> StudyCell:
    """Train on the labelled part of a split and judge by its clean test images.

    Parameters
    ----------
    estimate_rng : Generator
        Random numbers of the label error's estimate, the same for all cells that share it: a plain and an
        antisymmetric network have one, and it must not matter which of them is trained first.
    """
    estimate = None
    if study.method == "co_teaching" and study.forget_rate is None:
        of_plain = _for_study(recipe, study.plain, n_train=len(split.train))
        estimate = kept.estimate or _estimate(
            split, of_plain, rng=estimate_rng, device=device, on_step=on_step, kept=kept
        )
    recipe = _for_study(recipe, study, n_train=len(split.train))
    rate = estimate.error_fraction if estimate else study.forget_rate
    trained = _train(split, study, recipe, rate, rng=rng, device=device, on_step=on_step, checkpoint=kept.training)
    odds = predict_log_odds(trained, split.test.images, device=device)
    both_ways = (odds - predict_log_odds(trained, mirrored(split.test.images), device=device)) / 2
    of_skewed = predict_log_odds(trained, split.skewed.images, device=device)
    return StudyCell(
        repeat=repeat,
        error_fraction=error_fraction,
        split=split.kind,
        study=study,
        balanced=score(odds, split.test.is_right),
        balanced_both_ways=score(both_ways, split.test.is_right),
        skewed=score(of_skewed, split.skewed.is_right),
        leak=count_leak(split, odds),
        estimate=estimate,
        n_train=len(split.train),
        trained=trained,
    )


def clean_images(labelled: HandedSet, n: int, *, rng: np.random.Generator) -> HandedSet:
    """Return `n` truly right-handed images and their mirrors, as an expert would pick them."""
    right = np.flatnonzero(labelled.is_right)
    if len(right) < n:
        raise Refusal("too_few_particles", expected=f"{n} right-handed particles to start from", got=str(len(right)))
    return mirror_label(labelled.images[rng.choice(right, size=n, replace=False)])


def _estimate(
    split: HandedSplit,
    recipe: HandednessRecipe,
    *,
    rng: np.random.Generator,
    device: str,
    on_step: OnStep,
    kept: KeptState,
) -> LabelErrorEstimate:
    (own,) = rng.spawn(1)
    made = estimate_label_error(split.train, recipe, rng=own, device=device, on_step=on_step, checkpoint=kept.judges)
    kept.on_estimate(made)
    return made


def _train(
    split: HandedSplit,
    study: HandednessStudyParams,
    recipe: HandednessRecipe,
    forget_rate: float | None,
    *,
    rng: np.random.Generator,
    device: str,
    on_step: OnStep,
    checkpoint: Checkpoint | None,
) -> TrainedHandedness:
    train, validation = split.train, split.validation
    if study.method == "two_step":
        clean = clean_images(train, study.n_clean, rng=rng)
        return train_two_step(
            train, validation, clean, recipe, rng=rng, device=device, on_step=on_step, checkpoint=checkpoint
        )
    if study.method == "co_teaching":
        assert forget_rate is not None
        return train_co_teaching(
            train, validation, forget_rate, recipe, rng=rng, device=device, on_step=on_step, checkpoint=checkpoint
        )
    return train_standard(train, validation, recipe, rng=rng, device=device, on_step=on_step, checkpoint=checkpoint)


def _for_study(recipe: HandednessRecipe, study: HandednessStudyParams, *, n_train: int) -> HandednessRecipe:
    """Return the recipe with what the study varies, at the same cost of an epoch."""
    network, training, augmentation = recipe.network, recipe.training, recipe.augmentation
    if study.is_averaging:
        widths = {name: getattr(network, name) for name in ("n_filters", "n_hidden")}
        network = HandednessNetworkParams.authors_co_teaching().model_copy(update=widths)
    if study.optimiser not in (None, training.optimiser):
        changed = {"optimiser": study.optimiser, "learning_rate": _RATES[study.optimiser]}
        training = training.model_copy(update=changed)
    if study.max_contrast:
        augmentation = augmentation.model_copy(update={"max_contrast": study.max_contrast})
    if study.max_zoom is not None:
        augmentation = augmentation.model_copy(update={"max_zoom": study.max_zoom})
    varied = HandednessRecipe(network=network, training=training, augmentation=augmentation)
    return varied.antisymmetric(n_train) if study.is_antisymmetric else varied
