"""Training of a network: stopped early or by a budget, interrupted and gone on with to the same bits."""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from nanodefect_assets.domain.checkpoint import Checkpoint, CheckpointState
from nanodefect_assets.domain.patches import PatchSet
from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.science.learning.apply import judge
from nanodefect_assets.science.learning.batches import Batches, check_sets
from nanodefect_assets.science.learning.curves import (
    EpochRecord,
    StopReason,
    best_epoch,
    budget_share,
    read_epochs,
    why_stopped,
)
from nanodefect_assets.science.learning.devices import seeded, threads, used_s
from nanodefect_assets.science.learning.learner import Learner, select
from nanodefect_assets.science.learning.networks import Network, load_weights, weights_of
from nanodefect_assets.science.learning.params import TrainingParams
from nanodefect_assets.science.learning.rarity import class_weights

_KIND = "nanodefect/training"
_CHECKED_EVERY = 16
"""Steps between two looks at the losses: each look makes the processor wait for a GPU."""


class TrainingDiverged(RuntimeError):
    """A loss that is no number any more: nothing of this training can be used."""

    def __init__(self, *, what: str, epoch: int, params: TrainingParams) -> None:
        super().__init__(
            f"The loss was not a finite number at {what} of epoch {epoch}, with learning rate "
            f"{params.learning_rate:g}. Take a learning rate ten times smaller, or set max_gradient_norm; look for "
            "patches with extreme counts."
        )


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """A trained network and how it came about.

    Attributes
    ----------
    weights : dict of str to ndarray
        Those after the best epoch, float32.
    epochs : tuple of EpochRecord
        The curves.
    best_epoch : int
        The one with the smallest validation loss, from 1.
    stopped : str
        ``epochs``: all done; ``no_gain``: patience at an end; ``budget``: time used up.
    n_resumed : int
        Epochs that came from the checkpoint.
    """

    weights: dict[str, np.ndarray]
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    stopped: StopReason
    n_resumed: int

    @property
    def wall_s(self) -> float:
        """Length of all epochs by the clock, in seconds."""
        return sum(record.wall_s for record in self.epochs)


def train(
    network: Network,
    train_set: PatchSet,
    validation_set: PatchSet,
    params: TrainingParams,
    *,
    rng: np.random.Generator,
    device: str = "cpu",
    n_threads: int | None = None,
    on_step: OnStep = ignore_progress,
    checkpoint: Checkpoint | None = None,
) -> TrainingResult:
    """Train a network.

    Parameters
    ----------
    network : Network
        Changed in place; holds the best weights afterwards.
    train_set, validation_set : PatchSet
        Of different micrographs.
    params : TrainingParams
        How.
    rng : Generator
        Draws one number, of which everything else is a function: two trainings of the same network with the same
        numbers on the same CPU with the same number of threads are equal to the bit, interrupted or not, unless they
        have a time budget.
    device : str
        cpu or cuda.
    n_threads : int or None
        Threads of torch; None: as many as it is set to.
    on_step : callable
        Is told of every step.
    checkpoint : Checkpoint or None
        Keeps the state after every epoch. What it holds of a training with other data, parameters, first weights or
        random numbers is not used, and written over.

    Raises
    ------
    Refusal
        If the sets have no patch, lack a class, or share a micrograph.
    TrainingDiverged
        If a loss is not finite.
    """
    check_sets(train_set, validation_set, n_classes=network.n_classes)
    seed = int(rng.integers(2**63))
    fingerprint = _fingerprint(network, train_set, validation_set, params, seed)
    with threads(n_threads), seeded(seed):
        training = _Training(
            Learner(network, params, device=device, class_weights=class_weights(train_set, params.rare_share)),
            Batches(train_set, params, seed=seed, device=device),
            validation_set,
            params,
            device=device,
            on_step=on_step,
        )
        state = checkpoint.load() if checkpoint else None
        if state is not None and (state.record.get("kind"), state.record.get("training")) == (_KIND, fingerprint):
            training.restore(state)
        n_resumed = len(training.epochs)
        while (stopped := why_stopped(training.epochs, params)) is None:
            training.run_epoch()
            if checkpoint:
                checkpoint.save(training.state(fingerprint))
    load_weights(network, training.best)
    return TrainingResult(
        weights=training.best,
        epochs=tuple(training.epochs),
        best_epoch=best_epoch(training.epochs, n_classes=network.n_classes),
        stopped=stopped,
        n_resumed=n_resumed,
    )


class _Training:
    """What changes while a network is trained."""

    def __init__(
        self,
        learner: Learner,
        batches: Batches,
        validation_set: PatchSet,
        params: TrainingParams,
        *,
        device: str,
        on_step: OnStep,
    ) -> None:
        self.epochs: list[EpochRecord] = []
        self.best: dict[str, np.ndarray] = {}
        self._learner = learner
        self._n_classes = learner.averaged.n_classes
        self._batches = batches
        self._validation_set = validation_set
        self._params = params
        self._device = device
        self._on_step = on_step

    def run_epoch(self) -> None:
        """Take the steps of the next epoch, or those that the budget allows, and judge what came of them."""
        params, epoch = self._params, len(self.epochs) + 1
        wall_start, used_start = time.perf_counter(), used_s(self._device)
        losses = self._take_steps(epoch, used_start)
        validation_loss, counts = judge(
            self._learner.averaged,
            self._validation_set,
            loss=params.loss,
            device=self._device,
            n_per_batch=params.n_per_batch,
            precision=params.precision,
        )
        if not math.isfinite(validation_loss):
            raise TrainingDiverged(what="the validation", epoch=epoch, params=params)
        self.epochs.append(
            EpochRecord(
                epoch=epoch,
                train_loss=float(torch.stack(losses).mean()),
                validation_loss=validation_loss,
                validation_dice=counts.mean_dice,
                wall_s=time.perf_counter() - wall_start,
                used_s=used_s(self._device) - used_start,
            )
        )
        if best_epoch(self.epochs, n_classes=self._n_classes) == epoch:
            self.best = weights_of(self._learner.averaged)

    def _take_steps(self, epoch: int, used_start: float) -> list[Tensor]:
        params, losses = self._params, []
        total = params.max_epochs * params.steps_per_epoch
        before = sum(record.used_s for record in self.epochs)
        for index in range((epoch - 1) * params.steps_per_epoch, epoch * params.steps_per_epoch):
            spent = budget_share(before + used_s(self._device) - used_start, params.budget_s)
            if losses and spent >= 1:
                break
            progress = max(index / total, spent)
            images, classes, seed = self._batches.at(index, progress=progress)
            torch.manual_seed(seed)
            losses.append(self._learner.step(images, classes, progress=progress, index=index))
            if len(losses) % _CHECKED_EVERY == 0:
                self._check_finite(losses, epoch)
            self._on_step(Progress(task="training", done=index + 1, total=total, detail=f"epoch {epoch}"))
        self._check_finite(losses, epoch)
        return losses

    def _check_finite(self, losses: Sequence[Tensor], epoch: int) -> None:
        wrong = (~torch.isfinite(torch.stack(list(losses)))).nonzero()
        if len(wrong):
            raise TrainingDiverged(what=f"step {int(wrong[0]) + 1}", epoch=epoch, params=self._params)

    def state(self, fingerprint: str) -> CheckpointState:
        """Return what is needed to go on after the last epoch."""
        best = {f"best/{name}": array for name, array in self.best.items()}
        return CheckpointState(
            arrays=self._learner.arrays() | best,
            record={
                "kind": _KIND,
                "version": 1,
                "training": fingerprint,
                "epochs": [asdict(record) for record in self.epochs],
            },
        )

    def restore(self, state: CheckpointState) -> None:
        """Go back to where `state` was taken."""
        self._learner.restore(state.arrays)
        self.best = select(state.arrays, "best")
        self.epochs = read_epochs(state.record["epochs"])


def _fingerprint(
    network: Network, train_set: PatchSet, validation_set: PatchSet, params: TrainingParams, seed: int
) -> str:
    digest = hashlib.sha256()
    inputs = [train_set.fingerprint, validation_set.fingerprint, params.model_dump(mode="json"), seed]
    digest.update(json.dumps(inputs, sort_keys=True).encode())
    for name, array in weights_of(network).items():
        digest.update(name.encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
