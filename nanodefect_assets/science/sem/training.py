"""Three ways to learn handedness from mirror labels: standard, two-step, co-teaching."""

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from nanodefect_assets.domain.checkpoint import Checkpoint, CheckpointState
from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.epoch import Step, train_epoch
from nanodefect_assets.science.sem.judge import log_odds, mean_loss, rescaled_loss
from nanodefect_assets.science.sem.mirror import HandedSet
from nanodefect_assets.science.sem.network import build_handedness_network
from nanodefect_assets.science.sem.params import HandednessTrainingParams
from nanodefect_assets.science.sem.state import (
    Arrays,
    digest_of,
    load_moments,
    load_weights,
    moments_of,
    nested,
    part,
    require_same_training,
    weights_of,
)
from nanodefect_assets.science.sem.trained import HandednessRecipe, TrainedHandedness

_LEARNT_NAT = 2.0
"""Gain in log likelihood over not knowing, on the validation particles, from which something counts as learnt."""


def train_standard(
    train: HandedSet,
    validation: HandedSet,
    recipe: HandednessRecipe,
    *,
    rng: np.random.Generator,
    device: str = "cpu",
    on_step: OnStep = ignore_progress,
    checkpoint: Checkpoint | None = None,
) -> TrainedHandedness:
    """Train one network on mirror labels as they are.

    Parameters
    ----------
    train, validation : HandedSet
        Mirror-labelled images; the second choose the best epoch by their noisy labels.
    recipe : HandednessRecipe
        How.
    rng : Generator
        Gives the seed from which weights, order, augmentation and dropout follow.
    device : str
        Where torch computes.
    on_step : callable
        Told of every epoch.
    checkpoint : Checkpoint or None
        Where the state is kept after every epoch; a training found there goes on, to the same result bit for bit on a
        CPU with the same number of threads.

    Notes
    -----
    The weights kept are those of the epoch that is best on the validation images, by their noisy labels: no clean one
    is needed (`rescaled_loss`). In the thesis it is the epoch of the smallest loss.
    """
    return _Training(train, validation, recipe, rng=rng, device=device).run(on_step, checkpoint)


def train_two_step(
    train: HandedSet,
    validation: HandedSet,
    clean: HandedSet,
    recipe: HandednessRecipe,
    *,
    rng: np.random.Generator,
    device: str = "cpu",
    on_step: OnStep = ignore_progress,
    checkpoint: Checkpoint | None = None,
) -> TrainedHandedness:
    """Train one network on a few clean images, then go on as in `train_standard`.

    Parameters
    ----------
    clean : HandedSet
        Correctly labelled images of both hands; the thesis has ten of each.
    """
    training = _Training(train, validation, recipe, rng=rng, device=device, clean=clean)
    return training.run(on_step, checkpoint)


def train_co_teaching(
    train: HandedSet,
    validation: HandedSet,
    forget_rate: float,
    recipe: HandednessRecipe,
    *,
    rng: np.random.Generator,
    device: str = "cpu",
    on_step: OnStep = ignore_progress,
    checkpoint: Checkpoint | None = None,
) -> TrainedHandedness:
    """Train two networks, each on the images of a batch that the other finds easy.

    Parameters
    ----------
    forget_rate : float
        Share of each batch, those with the largest loss, that is left out once the ramp is over: the label error, given
        or estimated (`estimate_label_error`).

    Notes
    -----
    The weights kept are those of the last epoch, whatever `recipe` says of its choice. Where wrong labels go with looks
    they do so in the validation images too: by these, networks that learnt the true hand are worse than those that
    learnt the label, and the epoch chosen is one before wrong labels are left out.

    References
    ----------
    .. [1] B. Han et al., Adv. Neural Inf. Process. Syst. 31 (2018), arXiv:1804.06872, algorithm 1.
    """
    if not 0 <= forget_rate <= 0.5:
        raise Refusal("forget_rate", expected="a share from 0 to 0.5", got=f"{forget_rate:g}")
    recipe = replace(recipe, training=recipe.training.to_the_end())
    training = _Training(train, validation, recipe, rng=rng, device=device, forget_rate=forget_rate, n_networks=2)
    return training.run(on_step, checkpoint)


@dataclass
class _History:
    """How far a training has come."""

    epoch: int = 0
    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    rescaled_loss: list[float] = field(default_factory=list)

    def best_epoch(self, chosen_by: str) -> int:
        if chosen_by == "last":
            return len(self.train_loss) - 1
        return int(np.argmin(self.validation_loss if chosen_by == "loss" else self.rescaled_loss))


class _Training:
    """One training: every epoch is a function of the seed, its number and the state before it."""

    def __init__(
        self,
        train: HandedSet,
        validation: HandedSet,
        recipe: HandednessRecipe,
        *,
        rng: np.random.Generator,
        device: str,
        clean: HandedSet | None = None,
        forget_rate: float = 0.0,
        n_networks: int = 1,
    ) -> None:
        sets = [train, validation] + ([] if clean is None else [clean])
        _refuse_unlike(sets)
        self.train, self.validation, self.clean = train, validation, clean
        self.recipe, self.device, self.forget_rate = recipe, device, forget_rate
        self.best: Arrays = {}
        self.seed = int(rng.integers(2**31))
        self.n_px = train.images.shape[1]
        weights_rng = np.random.default_rng([self.seed, 0])
        self.networks = [
            build_handedness_network(recipe.network, n_px=self.n_px, rng=weights_rng).to(device)
            for _ in range(n_networks)
        ]
        self.n_clean_epochs = 0 if clean is None else recipe.training.clean_epochs
        models = (recipe.network, recipe.training, recipe.augmentation)
        words = [*(model.model_dump_json() for model in models), *(each.fingerprint for each in sets)]
        self.digest = digest_of(*words, f"{self.seed} {forget_rate!r} {n_networks}")
        self._renew_optimisers()

    def run(self, on_step: OnStep, checkpoint: Checkpoint | None) -> TrainedHandedness:
        start = time.perf_counter()
        history = self._resume(checkpoint)
        n_epochs = self.n_clean_epochs + self.recipe.training.max_epochs
        while history.epoch < n_epochs and not self._is_stalled(history):
            self._run_epoch(history)
            on_step(Progress(task="training", done=history.epoch, total=n_epochs))
            if checkpoint is not None:
                checkpoint.save(self._state(history))
        patience = self.recipe.training.patience
        return TrainedHandedness(
            weights=self.best,
            n_networks=len(self.networks),
            network=self.recipe.network,
            n_px=self.n_px,
            train_loss=np.array(history.train_loss),
            validation_loss=np.array(history.validation_loss),
            rescaled_loss=np.array(history.rescaled_loss),
            best_epoch=self._best_epoch(history),
            stopped=f"no better in {patience} epochs" if self._is_stalled(history) else "finished",
            duration_s=time.perf_counter() - start,
        )

    def _run_epoch(self, history: _History) -> None:
        params = self.recipe.training
        noisy_epoch = history.epoch - self.n_clean_epochs
        if noisy_epoch == 0:
            self._renew_optimisers()
        is_clean = self.clean is not None and noisy_epoch < 0
        images = self.clean if is_clean and self.clean is not None else self.train
        loss = train_epoch(
            self.networks,
            self.optimisers,
            images,
            Step(
                training=params,
                augmentation=self.recipe.augmentation,
                n_images=params.clean_images_per_epoch if is_clean else params.images_per_epoch,
                share_kept=1 - self.forget_rate * self._ramp(history),
                noisy_epoch=noisy_epoch,
            ),
            seed=(self.seed, 1 + history.epoch),
            device=self.device,
        )
        history.epoch += 1
        if is_clean:
            return
        history.train_loss.append(loss)
        odds = log_odds(self.networks, self.validation.images, device=self.device, precision=params.precision)
        history.validation_loss.append(mean_loss(odds, self.validation.says_right))
        history.rescaled_loss.append(rescaled_loss(odds, self.validation.says_right))
        if self._best_epoch(history) == noisy_epoch:
            self.best = weights_of(self.networks)

    def _ramp(self, history: _History) -> float:
        """Return the part of the forget rate that is left out in the next epoch."""
        params, losses = self.recipe.training, history.rescaled_loss
        n_epochs = len(losses)
        if params.forgets_once_learnt:
            # Networks that know nothing find easy what they are biased to, and leave out the rest: one hand.
            learnt = (at for at in range(1, n_epochs + 1) if self._has_learnt(losses[:at]))
            n_epochs -= next(learnt, n_epochs + 1) - 1
        return min(1.0, n_epochs / params.forget_ramp_epochs)

    def _has_learnt(self, losses: list[float]) -> bool:
        """Return whether noisy validation images say, beyond chance, that something was learnt."""
        return bool((np.log(2) - min(losses)) * len(self.validation) / 2 > _LEARNT_NAT)

    def _renew_optimisers(self) -> None:
        self.optimisers = [_optimiser(network, self.recipe.training) for network in self.networks]

    def _best_epoch(self, history: _History) -> int:
        return history.best_epoch(self.recipe.training.chosen_by)

    def _is_stalled(self, history: _History) -> bool:
        patience, n_epochs = self.recipe.training.patience, len(history.train_loss)
        if patience is None or n_epochs == 0 or n_epochs - 1 - self._best_epoch(history) < patience:
            return False
        # Under many wrong labels the first epochs teach nothing: waiting for the first gain is no stalling.
        return self._has_learnt(history.rescaled_loss)

    def _state(self, history: _History) -> CheckpointState:
        arrays = nested(weights=weights_of(self.networks), moments=moments_of(self.optimisers), best=self.best)
        return CheckpointState(arrays=arrays, record={"training": self.digest, "history": asdict(history)})

    def _resume(self, checkpoint: Checkpoint | None) -> _History:
        state = None if checkpoint is None else checkpoint.load()
        if state is None:
            return _History()
        require_same_training(state, self.digest)
        load_weights(self.networks, part(state.arrays, "weights"))
        load_moments(self.optimisers, part(state.arrays, "moments"))
        self.best = part(state.arrays, "best")
        return _History(**cast(dict[str, Any], state.record["history"]))


def _optimiser(network: nn.Module, params: HandednessTrainingParams) -> torch.optim.Optimizer:
    if params.optimiser == "adadelta":
        # rho and eps of Keras: with torch's own, a rate of 1e-3 hardly moves.
        return torch.optim.Adadelta(network.parameters(), lr=params.learning_rate, rho=0.95, eps=1e-7)
    return torch.optim.Adam(network.parameters(), lr=params.learning_rate)


def _refuse_unlike(sets: list[HandedSet]) -> None:
    shapes = {each.images.shape[1:] for each in sets}
    if len(shapes) > 1:
        raise Refusal(
            "crop_size", expected="crops of one size", got=" and ".join(sorted(f"{r} x {c}" for r, c in shapes))
        )
    for name, each in zip(("training", "validation", "clean"), sets, strict=False):
        n_right = int(each.says_right.sum())
        if n_right in (0, len(each)):
            raise Refusal(
                "empty_class",
                expected=f"{name} images of both hands",
                got=f"{n_right} right-handed of {len(each)}",
                advice="Mirror labels have both: label with mirror_label.",
            )
