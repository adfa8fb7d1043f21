"""How many mirror labels are wrong, told from the images alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.mirror import HandedSet
from nanodefect_assets.science.sem.trained import HandednessRecipe, predict_log_odds
from nanodefect_assets.science.sem.training import train_standard

_Odds = Float[np.ndarray, " n"]

_VALIDATION_SHARE = 0.15
"""Of the particles of a fold's training; they choose its best epoch."""
_LEAST_PARTICLES = 40


@dataclass(frozen=True, kw_only=True)
class LabelErrorEstimate:
    """The share of wrong labels, as far as the images tell.

    Attributes
    ----------
    error_fraction : float
        Estimate, 0 to 0.5.
    standard_error : float
        From counting alone; blind to particles that are hard because they are of the minority.
    disagreeing_fraction : float
        Share of all particles that the networks name otherwise than their label does; it counts mistakes of the
        networks too, and so is the larger of the two below one half.
    n_particles, n_confident : int
        Particles asked about, and those whose answers count.
    """

    error_fraction: float
    standard_error: float
    disagreeing_fraction: float
    n_particles: int
    n_confident: int


def estimate_label_error(
    labelled: HandedSet,
    recipe: HandednessRecipe,
    *,
    rng: np.random.Generator,
    n_folds: int = 2,
    confident_share: float = 0.35,
    device: str = "cpu",
    on_step: OnStep = ignore_progress,
) -> LabelErrorEstimate:
    """Estimate the share of wrong mirror labels without a clean one.

    Parameters
    ----------
    labelled : HandedSet
        Mirror-labelled images, both of every particle; only the labels are used, not the truth.
    recipe : HandednessRecipe
        How the networks are trained; they are made antisymmetric whatever it says.
    n_folds : int
        Networks trained, each on the particles of all folds but one, about which it is then asked.
    confident_share : float
        Share of the particles, those about which the networks are surest, whose answers count.

    Notes
    -----
    See `estimate_from_odds`.
    """
    odds = cross_fit_log_odds(labelled, recipe, rng=rng, n_folds=n_folds, device=device, on_step=on_step)
    return estimate_from_odds(odds, confident_share=confident_share)


def estimate_from_odds(odds: _Odds, *, confident_share: float = 0.35) -> LabelErrorEstimate:
    """Estimate the share of wrong labels from what networks say of particles that all are labelled right-handed.

    Parameters
    ----------
    odds : ndarray of shape (n,)
        Log odds of right, one for each particle, from an antisymmetric network that did not learn from it.

    Notes
    -----
    Let f be the density of the answers for right-handed particles; an antisymmetric network answers true mirror images
    with f(-s). Of the particles with an answer of strength |s|, the share f(-s) / (f(s) + f(-s)) is mistaken, and the
    share of negative answers is x + e - 2 x e with the label error x and that share e. x cannot be told from e without
    an assumption: here, that the surest answers are right (e = 0 for them), as for the anchor points of [1]_ and the
    confident examples of [2]_. Where the minority looks different and is harder, fewer of it are among the sure and x
    comes out too small.

    References
    ----------
    .. [1] G. Patrini et al., CVPR (2017), arXiv:1609.03683, section 4.1.
    .. [2] C. Northcutt, L. Jiang, I. Chuang, J. Artif. Intell. Res. 70, 1373 (2021), doi:10.1613/jair.1.12125.
    """
    if len(odds) < _LEAST_PARTICLES:
        raise Refusal(
            "too_few_particles",
            expected=f"at least {_LEAST_PARTICLES} particles to estimate a label error",
            got=str(len(odds)),
            advice="Give the forget rate.",
        )
    n_confident = max(2, round(confident_share * len(odds)))
    sure = np.argsort(-np.abs(odds), kind="stable")[:n_confident]
    share = min(float(np.mean(odds[sure] < 0)), 0.5)
    return LabelErrorEstimate(
        error_fraction=share,
        standard_error=float(np.sqrt(max(share * (1 - share), 1 / n_confident) / n_confident)),
        disagreeing_fraction=float(np.mean(odds < 0)),
        n_particles=len(odds),
        n_confident=n_confident,
    )


def cross_fit_log_odds(
    labelled: HandedSet,
    recipe: HandednessRecipe,
    *,
    rng: np.random.Generator,
    n_folds: int = 2,
    device: str = "cpu",
    on_step: OnStep = ignore_progress,
) -> _Odds:
    """Return log odds of right for the image of each particle that is labelled right-handed.

    Every particle is judged by a network that saw neither it nor its mirror. The order is that of the particles'
    numbers.
    """
    antisymmetric = recipe.network.model_copy(update={"is_antisymmetric": True})
    recipe = HandednessRecipe(network=antisymmetric, training=recipe.training, augmentation=recipe.augmentation)
    numbers = np.unique(labelled.pair[labelled.says_right])
    folds = np.array_split(rng.permutation(numbers), n_folds)
    odds = np.zeros(len(numbers))
    for fold in folds:
        rest = rng.permutation(np.setdiff1d(numbers, fold))
        n_validation = max(1, round(_VALIDATION_SHARE * len(rest)))
        trained = train_standard(
            _of_particles(labelled, rest[n_validation:]),
            _of_particles(labelled, rest[:n_validation]),
            recipe,
            rng=rng,
            device=device,
            on_step=on_step,
        )
        asked = labelled.take(np.flatnonzero(np.isin(labelled.pair, fold) & labelled.says_right))
        odds[np.searchsorted(numbers, asked.pair)] = predict_log_odds(trained, asked.images, device=device)
    return odds


def _of_particles(labelled: HandedSet, numbers: Int[np.ndarray, " m"]) -> HandedSet:
    return labelled.take(np.flatnonzero(np.isin(labelled.pair, numbers)))
