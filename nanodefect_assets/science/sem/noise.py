"""How many mirror labels are wrong, told from the images alone."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import chi2

from nanodefect_assets.domain.checkpoint import Checkpoint, CheckpointState
from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.mirror import HandedSet
from nanodefect_assets.science.sem.state import digest_of, require_same_training
from nanodefect_assets.science.sem.trained import HandednessRecipe, predict_log_odds
from nanodefect_assets.science.sem.training import train_standard

_Odds = Float[np.ndarray, " n"]
_Profile = Float[np.ndarray, " share"]

_VALIDATION_SHARE = 0.15
"""Of the particles that a judge learns from; they choose its best epoch."""
_LEAST_PARTICLES = 40
_SHARES = np.linspace(0, 0.5, 201)
_SCALES = np.exp(np.linspace(-4, 5, 91))
"""Shares of wrong labels and scales of log odds (in units of their mean size) that are tried."""
_HALF_DROP = 1.92
"""Fall of the log likelihood to the ends of a 95 % interval: half of chi squared with one degree of freedom."""
_LEAST_CHANCE = 1e-9
_N_LEVELS = 200
"""Groups of like sureness in which answers are counted for the fit, and for the question whether it fits."""
_N_GROUPS = 8
_MISFIT = 1e-3
"""Chance of a worse fit below which looks are taken to go with the label."""


@dataclass(frozen=True, kw_only=True)
class LabelErrorEstimate:
    """The share of wrong labels, as far as the images tell.

    Attributes
    ----------
    error_fraction : float
        Estimate, 0 to 0.5; 0.5 also if the networks learnt nothing that holds for other particles.
    low, high : float
        95 % interval of the fit; up to twice `disagreeing_fraction` if the minority looks different, since networks
        then take up to half of it for the majority.
    disagreeing_fraction : float
        Share of the particles that the networks name otherwise than their label does.
    fitted_fraction : float
        What fits best if the wrongly labelled look like mirror images of the others.
    misfit_p : float
        Chance that such labels fit no better.
    is_minority_harder : bool
        Whether that is too small to believe: looks go with the label, and `error_fraction` is `disagreeing_fraction`.
    n_particles : int
        Particles asked about.
    """

    error_fraction: float
    low: float
    high: float
    disagreeing_fraction: float
    fitted_fraction: float
    misfit_p: float
    is_minority_harder: bool
    n_particles: int


@dataclass(frozen=True, kw_only=True)
class UnseenAnswers:
    """What networks say of particles that they did not learn from.

    Attributes
    ----------
    log_odds : ndarray of shape (n,)
        Of being what the label says, in the order of the particles' numbers.
    judge : ndarray of shape (n,)
        Number of the network that was asked.
    """

    log_odds: _Odds
    judge: Int[np.ndarray, " n"]


def estimate_label_error(
    labelled: HandedSet,
    recipe: HandednessRecipe,
    *,
    rng: np.random.Generator,
    n_folds: int = 3,
    device: str = "cpu",
    on_step: OnStep = ignore_progress,
    checkpoint: Checkpoint | None = None,
) -> LabelErrorEstimate:
    """Estimate the share of wrong mirror labels without a clean one.

    Parameters
    ----------
    labelled : HandedSet
        Mirror-labelled images, both of every particle; only the labels are used, not the truth.
    recipe : HandednessRecipe
        How the networks are trained; they are made antisymmetric whatever it says.
    n_folds : int
        Networks trained, each without the particles of one fold, which it then judges.
    checkpoint : Checkpoint or None
        Where the networks' answers are kept; those found there are not asked for again.

    Notes
    -----
    See `estimate_from_odds`.
    """
    unseen = cross_fit(
        labelled, recipe, rng=rng, n_folds=n_folds, device=device, on_step=on_step, checkpoint=checkpoint
    )
    return estimate_from_odds(unseen.log_odds, unseen.judge)


def estimate_from_odds(odds: _Odds, judge: Int[np.ndarray, " n"] | None = None) -> LabelErrorEstimate:
    """Estimate the share of wrong labels from what networks say of particles that all are labelled right-handed.

    Parameters
    ----------
    odds : ndarray of shape (n,)
        Log odds of right by antisymmetric networks that did not learn from the particle that they are asked about.
    judge : ndarray of shape (n,) or None
        Which network was asked; None: the same one for all.

    Notes
    -----
    Say that the log odds z of a network, times an unknown scale a of its own, are those of the true hand. Labels of
    which the share x is wrong, whatever the particle looks like, then agree with the sign of z with the chance [1]_

        1/2 + (1/2 - x) tanh(a |z| / 2).

    x and every a are those of the greatest likelihood: mistakes show in how agreement grows with sureness, wrong labels
    in where it ends. Nothing is assumed of how sure networks are of how many particles. Not seen are mistakes that
    sure networks share.

    Where the minority looks different, little of it is among the sure: agreement goes on towards one, and the curve
    does not fit (chi squared over eight groups of equal sureness). Then all disagreement is counted.

    References
    ----------
    .. [1] G. Patrini et al., CVPR (2017), arXiv:1609.03683, theorem 2: labels of known noise; here it is fitted.
    """
    if len(odds) < _LEAST_PARTICLES:
        raise Refusal(
            "too_few_particles",
            expected=f"at least {_LEAST_PARTICLES} particles to estimate a label error",
            got=str(len(odds)),
            advice="Give the forget rate.",
        )
    asked = np.zeros(len(odds), dtype=int) if judge is None else np.unique(judge, return_inverse=True)[1]
    profiles = [_profile(odds[asked == number]) for number in range(int(asked.max()) + 1)]
    likelihood = np.sum([one for one, _ in profiles], axis=0)
    best = int(np.argmax(likelihood))
    is_blind = likelihood[best] + len(odds) * np.log(2) < _HALF_DROP
    fitted = 0.5 if is_blind else float(_SHARES[best])
    allowed = _SHARES[likelihood >= likelihood[best] - _HALF_DROP]
    scaled = odds * np.array([scales[best] for _, scales in profiles])[asked]
    misfit_p = 1.0 if is_blind else _misfit_p(scaled, fitted, n_fitted=1 + len(profiles))
    disagreeing = min(float(np.mean(odds < 0)), 0.5)
    is_harder = misfit_p < _MISFIT
    return LabelErrorEstimate(
        error_fraction=disagreeing if is_harder else fitted,
        low=float(min(allowed[0], disagreeing)) if is_harder else float(allowed[0]),
        high=min(0.5, 2 * disagreeing) if is_harder else float(allowed[-1]),
        disagreeing_fraction=disagreeing,
        fitted_fraction=fitted,
        misfit_p=misfit_p,
        is_minority_harder=bool(is_harder),
        n_particles=len(odds),
    )


def _profile(odds: _Odds) -> tuple[_Profile, _Profile]:
    """Return the greatest log likelihood of each share of wrong labels, and the scale of log odds that it has."""
    unit = float(np.abs(odds).mean()) or 1.0
    groups = np.array_split(np.argsort(np.abs(odds), kind="stable"), min(len(odds), _N_LEVELS))
    sureness = np.array([np.abs(odds[group]).mean() for group in groups]) / unit
    n_agreeing = np.array([(odds[group] > 0).sum() for group in groups])
    n_disagreeing = np.array([len(group) for group in groups]) - n_agreeing
    gain = np.tanh(_SCALES[:, None] * sureness / 2) / 2
    likelihood = np.empty((len(_SHARES), len(_SCALES)))
    for at, share in enumerate(_SHARES):
        excess = np.minimum((1 - 2 * share) * gain, 0.5 - _LEAST_CHANCE)
        likelihood[at] = np.log(0.5 + excess) @ n_agreeing + np.log(0.5 - excess) @ n_disagreeing
    return likelihood.max(axis=1), _SCALES[likelihood.argmax(axis=1)] / unit


def _misfit_p(odds: _Odds, share: float, *, n_fitted: int) -> float:
    """Return the chance of a worse fit of the disagreement in groups of like sureness, of odds of the true hand."""
    sureness = np.abs(odds)
    expected = 0.5 - (0.5 - share) * np.tanh(sureness / 2)
    total = 0.0
    for group in np.array_split(np.argsort(sureness, kind="stable"), _N_GROUPS):
        variance = float((expected[group] * (1 - expected[group])).sum())
        # A single wrong label where none is expected is no misfit.
        total += float((odds[group] < 0).sum() - expected[group].sum()) ** 2 / max(variance, 0.5)
    return float(chi2.sf(total, _N_GROUPS - n_fitted))


def cross_fit(
    labelled: HandedSet,
    recipe: HandednessRecipe,
    *,
    rng: np.random.Generator,
    n_folds: int = 3,
    device: str = "cpu",
    on_step: OnStep = ignore_progress,
    checkpoint: Checkpoint | None = None,
) -> UnseenAnswers:
    """Ask about the image of each particle that is labelled right-handed, by several networks.

    Every particle is judged by the one network that saw neither it nor its mirror. The order of the particles is that
    of their numbers. What was judged before a stop is kept in `checkpoint`, and not judged again.
    """
    numbers = np.unique(labelled.pair[labelled.says_right])
    folds, streams = np.array_split(rng.permutation(numbers), n_folds), rng.spawn(n_folds)
    odds, judge, n_done = np.zeros(len(numbers)), np.zeros(len(numbers), dtype=int), 0
    for number, fold in enumerate(folds):
        judge[np.searchsorted(numbers, fold)] = number
    models = (recipe.network, recipe.training, recipe.augmentation)
    words = [*(model.model_dump_json() for model in models), labelled.fingerprint, *map(_text_of, folds)]
    digest = digest_of(*words)
    state = None if checkpoint is None else checkpoint.load()
    if state is not None:
        require_same_training(state, digest)
        odds, n_done = np.array(state.arrays["odds"]), cast(int, state.record["n_done"])
    for number in range(n_done, n_folds):
        fold, own = folds[number], streams[number]
        others = own.permutation(np.setdiff1d(numbers, fold))
        n_validation = max(1, round(_VALIDATION_SHARE * len(others)))
        train = _of_particles(labelled, others[n_validation:])
        trained = train_standard(
            train,
            _of_particles(labelled, others[:n_validation]),
            recipe.antisymmetric(len(train)),
            rng=own,
            device=device,
            on_step=on_step,
        )
        asked = labelled.take(np.flatnonzero(np.isin(labelled.pair, fold) & labelled.says_right))
        views = [asked.images]
        if recipe.augmentation.half_turn:
            views.append(np.ascontiguousarray(asked.images[:, ::-1, ::-1]))
        answers = [predict_log_odds(trained, view, device=device) for view in views]
        odds[np.searchsorted(numbers, asked.pair)] = np.mean(answers, axis=0)
        if checkpoint is not None:
            record = {"training": digest, "n_done": number + 1}
            checkpoint.save(CheckpointState(arrays={"odds": odds.copy()}, record=record))
    return UnseenAnswers(log_odds=odds, judge=judge)


def _text_of(fold: Int[np.ndarray, " m"]) -> str:
    """Return a fold's numbers whole: the text that NumPy makes of a long one leaves out its middle."""
    return fold.astype("<i8").tobytes().hex()


def _of_particles(labelled: HandedSet, numbers: Int[np.ndarray, " m"]) -> HandedSet:
    return labelled.take(np.flatnonzero(np.isin(labelled.pair, numbers)))
