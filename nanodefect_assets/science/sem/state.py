"""Networks and optimisers as plain arrays and back, so that a training can stop and go on bit for bit."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from nanodefect_assets.domain.checkpoint import CheckpointState
from nanodefect_assets.domain.refusal import Refusal

Arrays = dict[str, np.ndarray]


def weights_of(networks: Sequence[nn.Module]) -> Arrays:
    """Return copies of all weights, named by the number of the network and the name of the weight."""
    return {
        f"{number}.{name}": tensor.detach().cpu().contiguous().numpy().copy()
        for number, network in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }


def load_weights(networks: Sequence[nn.Module], weights: Mapping[str, np.ndarray]) -> None:
    """Put weights into networks of the same make."""
    for number, network in enumerate(networks):
        own = _below(f"{number}.", weights)
        network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in own.items()})


def moments_of(optimisers: Sequence[torch.optim.Optimizer]) -> Arrays:
    """Return what the optimisers remember of earlier steps."""
    return {
        f"{number}.{index}.{name}": torch.as_tensor(value).detach().cpu().contiguous().numpy().copy()
        for number, optimiser in enumerate(optimisers)
        for index, memory in optimiser.state_dict()["state"].items()
        for name, value in memory.items()
    }


def load_moments(optimisers: Sequence[torch.optim.Optimizer], moments: Mapping[str, np.ndarray]) -> None:
    """Put back what the optimisers remembered."""
    for number, optimiser in enumerate(optimisers):
        memory: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in _below(f"{number}.", moments).items():
            index, name = key.split(".")
            memory.setdefault(int(index), {})[name] = torch.from_numpy(np.array(value))
        optimiser.load_state_dict({**optimiser.state_dict(), "state": memory})


def digest_of(*texts: str) -> str:
    """Return the SHA-256 of some texts, which says what training a state belongs to."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def require_same_training(state: CheckpointState, digest: str) -> None:
    """Refuse a state that another training left behind."""
    if state.record.get("training") != digest:
        raise Refusal(
            "checkpoint_of_another_training",
            expected="a checkpoint of the same images, labels, parameters and seed",
            got="one of another training",
            advice="Remove the checkpoint, or give the training a place of its own.",
        )


def nested(**parts: Mapping[str, np.ndarray]) -> Arrays:
    """Return all arrays under one roof, the name of its part before each name."""
    return {f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()}


def part(state: Mapping[str, np.ndarray], name: str) -> Arrays:
    """Return the arrays of one part of a nested state."""
    return _below(f"{name}/", state)


def _below(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
