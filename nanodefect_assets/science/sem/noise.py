"""How many mirror labels are wrong, told from the images alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.mirror import HandedSet
from nanodefect_assets.science.sem.trained import HandednessRecipe, predict_log_odds
from nanodefect_assets.science.sem.training import train_standard

_Judged = Float[np.ndarray, "judge n"]

_VALIDATION_SHARE = 0.15
"""Of the particles of a fold's training; they choose its best epoch."""
_LEAST_PARTICLES = 40
_MOST_SHARED = 3.0
"""Mistakes of a network over those that no other network shares: 2 on simulated mirror images of tellurium, where wrong
labels are planted at random; more than 5 where the minority is smaller and has smaller facets."""


@dataclass(frozen=True, kw_only=True)
class LabelErrorEstimate:
    """The share of wrong labels, as far as the images tell.

    Attributes
    ----------
    error_fraction : float
        Estimate, 0 to 0.5.
    low, high : float
        What the images allow: from the share among the surest answers to that among all, each less or more two standard
        errors of counting; to twice the latter if the minority is harder, since networks then take up to half of it for
        the majority.
    disagreeing_fraction : float
        Share of all particles that the networks name otherwise than their label does, less the mistakes that two
        independent networks do not share.
    confident_fraction : float
        The same share among the particles about which the networks are surest.
    own_error : float
        Share of their answers in which networks err that learnt from different particles, as far as they err alone.
    is_minority_harder : bool
        Whether the surest answers leave more disagreement unexplained than mistakes of the networks can make: the
        particles with wrong labels then look different, and `error_fraction` is `disagreeing_fraction`.
    n_particles, n_confident : int
        Particles asked about, and the surest of them.
    """

    error_fraction: float
    low: float
    high: float
    disagreeing_fraction: float
    confident_fraction: float
    own_error: float
    is_minority_harder: bool
    n_particles: int
    n_confident: int


def estimate_label_error(
    labelled: HandedSet,
    recipe: HandednessRecipe,
    *,
    rng: np.random.Generator,
    n_folds: int = 3,
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
        Networks trained, each on the particles of one fold; every particle is judged by the others, at least two.
    confident_share : float
        Share of the particles, those about which the networks are surest, whose answers count.

    Notes
    -----
    See `estimate_from_odds`.
    """
    odds = cross_fit_log_odds(labelled, recipe, rng=rng, n_folds=n_folds, device=device, on_step=on_step)
    return estimate_from_odds(odds, confident_share=confident_share)


def estimate_from_odds(odds: _Judged, *, confident_share: float = 0.35) -> LabelErrorEstimate:
    """Estimate the share of wrong labels from what networks say of particles that all are labelled right-handed.

    Parameters
    ----------
    odds : ndarray of shape (judge, n)
        Log odds of right by two or more antisymmetric networks that learnt neither from the particle nor from what the
        others learnt from.

    Notes
    -----
    An antisymmetric network that errs with chance e disagrees with the label of the share D = x + e - 2 x e. x cannot
    be told from e without an assumption, and two are weighed:

    1. The surest answers are right, as for the anchor points of [1]_ and the confident examples of [2]_. That holds
       where the wrongly labelled are mirror images of the others. Where the minority looks different it is harder, few
       of it are among the sure, and x comes out far too small.
    2. Networks that learnt from different particles err independently: they contradict each other in the share
       2 e (1 - e), hence e, and x = (D - e) / (1 - 2 e). What is hard for both is overlooked, and x comes out somewhat
       too large on mirror images.

    The first holds unless it would need networks to err more than `_MOST_SHARED` times as often as they do alone.

    References
    ----------
    .. [1] G. Patrini et al., CVPR (2017), arXiv:1609.03683, section 4.1.
    .. [2] C. Northcutt, L. Jiang, I. Chuang, J. Artif. Intell. Res. 70, 1373 (2021), doi:10.1613/jair.1.12125.
    """
    n = odds.shape[1]
    if n < _LEAST_PARTICLES:
        raise Refusal(
            "too_few_particles",
            expected=f"at least {_LEAST_PARTICLES} particles to estimate a label error",
            got=str(n),
            advice="Give the forget rate.",
        )
    mean = odds.mean(axis=0)
    n_confident = max(2, round(confident_share * n))
    sure = min(float(np.mean(mean[np.argsort(-np.abs(mean), kind="stable")[:n_confident]] < 0)), 0.5)
    own_error = _own_error(odds)
    disagreeing = float(np.clip((np.mean(odds < 0) - own_error) / max(1 - 2 * own_error, 0.02), 0, 0.5))
    counting = 2 * (_standard_error(sure, n_confident) + _standard_error(disagreeing, n))
    shared_error = (disagreeing - sure - counting) / max(1 - 2 * sure, 0.02)
    is_harder = shared_error > _MOST_SHARED * own_error
    low, high = sorted([sure, disagreeing])
    return LabelErrorEstimate(
        error_fraction=disagreeing if is_harder else sure,
        low=max(0.0, low - 2 * _standard_error(low, n_confident)),
        high=min(0.5, (2 if is_harder else 1) * high + 2 * _standard_error(high, n)),
        disagreeing_fraction=disagreeing,
        confident_fraction=sure,
        own_error=own_error,
        is_minority_harder=bool(is_harder),
        n_particles=n,
        n_confident=n_confident,
    )


def _own_error(odds: _Judged) -> float:
    """Return how often one of the judges errs if they err independently, from how often two contradict each other."""
    n_negative = (odds < 0).sum(axis=0)
    n_judges = len(odds)
    contradicting = float(np.mean(2 * n_negative * (n_judges - n_negative) / (n_judges * (n_judges - 1))))
    return float(1 - np.sqrt(max(0.0, 1 - 2 * contradicting))) / 2


def _standard_error(share: float, n: int) -> float:
    return float(np.sqrt(max(share * (1 - share), 1 / n) / n))


def cross_fit_log_odds(
    labelled: HandedSet,
    recipe: HandednessRecipe,
    *,
    rng: np.random.Generator,
    n_folds: int = 3,
    device: str = "cpu",
    on_step: OnStep = ignore_progress,
) -> _Judged:
    """Return log odds of right for the image of each particle that is labelled right-handed, by several networks.

    Each network learns from one fold alone; every particle is judged by those that saw neither it nor its mirror. The
    order of the particles is that of their numbers.

    Returns
    -------
    ndarray of shape (n_folds - 1, n)
    """
    antisymmetric = recipe.network.model_copy(update={"is_antisymmetric": True})
    recipe = HandednessRecipe(network=antisymmetric, training=recipe.training, augmentation=recipe.augmentation)
    numbers = np.unique(labelled.pair[labelled.says_right])
    folds = np.array_split(rng.permutation(numbers), n_folds)
    odds = np.full((n_folds, len(numbers)), np.nan)
    for judge, fold in enumerate(folds):
        n_validation = max(1, round(_VALIDATION_SHARE * len(fold)))
        trained = train_standard(
            _of_particles(labelled, fold[n_validation:]),
            _of_particles(labelled, fold[:n_validation]),
            recipe,
            rng=rng,
            device=device,
            on_step=on_step,
        )
        asked = labelled.take(np.flatnonzero(~np.isin(labelled.pair, fold) & labelled.says_right))
        views = [asked.images]
        if recipe.augmentation.half_turn:
            views.append(np.ascontiguousarray(asked.images[:, ::-1, ::-1]))
        answers = [predict_log_odds(trained, view, device=device) for view in views]
        odds[judge, np.searchsorted(numbers, asked.pair)] = np.mean(answers, axis=0)
    # Of each particle the judges that did not see it, one below the other.
    return np.sort(odds, axis=0)[: n_folds - 1]


def _of_particles(labelled: HandedSet, numbers: Int[np.ndarray, " m"]) -> HandedSet:
    return labelled.take(np.flatnonzero(np.isin(labelled.pair, numbers)))
