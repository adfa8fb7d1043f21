"""A model for one batch: trained by the method that suits it, its hands named by anchors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int

from nanodefect_assets.domain.anchors import Hand
from nanodefect_assets.domain.checkpoint import Checkpoint
from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.science.sem.advice import Choice
from nanodefect_assets.science.sem.mirror import HandedSet, mirror_label
from nanodefect_assets.science.sem.noise import LabelErrorEstimate, cross_fit, estimate_from_odds
from nanodefect_assets.science.sem.params import ProductionParams
from nanodefect_assets.science.sem.trained import HandednessRecipe, TrainedHandedness
from nanodefect_assets.science.sem.training import train_co_teaching, train_standard, train_two_step

_Images = Float[np.ndarray, "n row col"]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of a batch.

    Attributes
    ----------
    choice : Choice
        The method, or why there is none.
    estimate : LabelErrorEstimate or None
        Minority told from the images; None where it was not asked for.
    forget_rate : float or None
        Co-teaching's.
    model : TrainedHandedness or None
        None if the batch is abstained from.
    unseen : ndarray of shape (n,) or None
        Log odds of each particle to be of the majority, by networks that did not learn from it.
    named : NamedHands or None
        What the anchors say, by these.
    """

    choice: Choice
    estimate: LabelErrorEstimate | None = None
    forget_rate: float | None = None
    model: TrainedHandedness | None = None
    unseen: Float[np.ndarray, " n"] | None = None
    named: "NamedHands | None" = None


@dataclass(frozen=True, kw_only=True)
class NamedHands:
    """What the anchors say.

    Attributes
    ----------
    majority : str or None
        Hand of the batch's majority; None if that is not known.
    reason : str
        Why, in words.
    n_contradicting : int
        Anchors that contradict the others.
    """

    majority: Hand | None
    reason: str
    n_contradicting: int


def train_for_batch(
    images: _Images,
    choice: Choice,
    recipe: HandednessRecipe,
    params: ProductionParams,
    *,
    anchors: Int[np.ndarray, " anchor"],
    anchor_is_right: Bool[np.ndarray, " anchor"],
    rng: np.random.Generator,
    device: str = "cpu",
    on_step: OnStep = ignore_progress,
    checkpoint: Checkpoint | None = None,
    judges_checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train on all particles of a batch, the first label being that of its majority.

    Parameters
    ----------
    images : ndarray of shape (n, row, col)
        As `prepare_images` gives them.
    anchors, anchor_is_right : ndarray of shape (anchor,)
        Indices of particles of known hand, and whether they are right-handed.
    checkpoint, judges_checkpoint : Checkpoint or None
        Where the state of the training is kept, and that of the networks that tell the minority before it.

    Notes
    -----
    The minority is told from the images before the training, by networks that do not see the particles that they are
    asked about. From `racemic_from` on the batch is abstained from: a model would be as often wrong as right. The same
    networks are asked about the anchors: a model that learnt from them would repeat what it was told.
    """
    if choice.method is None:
        return Trained(choice=choice)
    labelled = mirror_label(images)
    unseen = cross_fit(labelled, recipe, rng=rng, device=device, on_step=on_step, checkpoint=judges_checkpoint)
    estimate = estimate_from_odds(unseen.log_odds, unseen.judge)
    if estimate.error_fraction >= params.racemic_from:
        reason = f"{estimate.error_fraction:.0%} of the labels seem wrong: a racemic batch, or no hand is seen."
        return Trained(choice=Choice(method=None, reason=reason), estimate=estimate)
    train, validation = _sides(labelled, params, rng)
    named = name_hands(unseen.log_odds[anchors], anchor_is_right)
    told = partial(Trained, estimate=estimate, unseen=unseen.log_odds, named=named)
    how = {"rng": rng, "device": device, "on_step": on_step, "checkpoint": checkpoint}
    if choice.method == "standard":
        model = train_standard(train, validation, recipe, **how)
        return told(choice=choice, model=model)
    if choice.method == "two_step":
        if named.majority is not None:
            clean = _clean(images, anchors, anchor_is_right == (named.majority == "right"))
            model = train_two_step(train, validation, clean, recipe, **how)
            return told(choice=choice, model=model)
        choice = Choice(
            method="co_teaching", reason=f"{choice.reason} They contradict each other: co-teaching instead."
        )
    rate = estimate.error_fraction
    model = train_co_teaching(train, validation, rate, recipe, **how)
    return told(choice=choice, forget_rate=rate, model=model)


def name_hands(log_odds: Float[np.ndarray, " anchor"], is_right: Bool[np.ndarray, " anchor"]) -> NamedHands:
    """Return which hand a model calls the majority.

    Parameters
    ----------
    log_odds : ndarray of shape (anchor,)
        Of the majority, by the model.
    is_right : ndarray of shape (anchor,)
        What the expert says.

    Notes
    -----
    Every anchor says by itself which hand the majority is; a contradiction means that one was named wrongly, its image
    is flipped, or the model is mistaken about it. A single anchor can contradict nothing.
    """
    if len(log_odds) == 0:
        return NamedHands(
            majority=None,
            reason="No anchor: the two hands are apart, but which is which is not known.",
            n_contradicting=0,
        )
    says_right = (log_odds > 0) == is_right
    n_right, n = int(says_right.sum()), len(says_right)
    n_against = min(n_right, n - n_right)
    if 2 * n_right == n:
        return NamedHands(
            majority=None,
            reason=f"Of {n} anchors half contradict the others: the hands stay unnamed.",
            n_contradicting=n_against,
        )
    majority: Hand = "right" if 2 * n_right > n else "left"
    says = "contradicts" if n_against == 1 else "contradict"
    doubt = "" if n_against == 0 else f"; {n_against} {says}: named wrongly, on a flipped image, or taken for the other"
    if n > 1 and n - 2 * n_against == 1:
        doubt += ". That is one vote more, as tossed coins would give: name more anchors"
    alone = " One anchor cannot be checked against another." if n == 1 else ""
    return NamedHands(
        majority=majority,
        reason=f"{n - n_against} of {n} anchors make the majority {majority}-handed{doubt}.{alone}",
        n_contradicting=n_against,
    )


def flipped_suspects(
    is_minority: Bool[np.ndarray, " n"], groups: Sequence[str], *, false_alarm: float = 0.01
) -> tuple[str, ...]:
    """Return the images in which the minority is the majority, beyond chance: they may have come in flipped.

    Parameters
    ----------
    is_minority : ndarray of shape (n,)
        What the model calls each particle.
    groups : sequence of str
        Image of each particle.
    false_alarm : float
        Chance that any of the images is named though the hands are even in it (binomial, shared out over the images).
    """
    from scipy.stats import binomtest

    names = sorted(set(groups))
    array = np.asarray(groups)
    found = []
    for name in names:
        here = is_minority[array == name]
        if 2 * here.sum() <= len(here):
            continue
        if binomtest(int(here.sum()), len(here), 0.5, alternative="greater").pvalue < false_alarm / len(names):
            found.append(name)
    return tuple(found)


def _sides(labelled: HandedSet, params: ProductionParams, rng: np.random.Generator) -> tuple[HandedSet, HandedSet]:
    n = len(labelled) // 2
    order = rng.permutation(n)
    n_validation = max(1, round(params.validation_fraction * n))
    train, validation = (np.concatenate([part, part + n]) for part in (order[n_validation:], order[:n_validation]))
    return labelled.take(train), labelled.take(validation)


def _clean(
    images: _Images, anchors: Int[np.ndarray, " anchor"], is_of_majority: Bool[np.ndarray, " anchor"]
) -> HandedSet:
    """Return the anchors and their mirrors, labelled as the mirror labels of the batch are: the majority first."""
    seen = np.where(is_of_majority[:, None, None], images[anchors], images[anchors][:, :, ::-1])
    return mirror_label(np.ascontiguousarray(seen))
