"""Segmentation of 4096 x 4096 pixels: what tiling adds to the bare passes of a network, and the steps around it.

The baseline is the same small network on the same tiles, one after another, with nothing blended; and on tiles that
do not overlap, for the price of the overlap.
"""

import time
from itertools import product

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from nanodefect_assets.science.hrtem.gate import STATISTICS, describe_micrograph, fit_gate, judge_micrograph
from nanodefect_assets.science.hrtem.inference import class_probabilities
from nanodefect_assets.science.hrtem.lattice_energy import lattice_energy
from nanodefect_assets.science.hrtem.params import TilingParams
from nanodefect_assets.science.imaging.instances import separate_particles
from nanodefect_assets.science.imaging.params import InstanceParams

pytestmark = pytest.mark.benchmark
SIZE = 4096
ROUNDS = 3


def seconds(function, *arguments):
    begun = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - begun, result


def small_network():
    """A few convolutions at full resolution, fewer than in the smallest U-Net."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 2, 3, padding=1),
        torch.nn.Softmax(dim=1),
    ).eval()

    def predict(tiles):
        with torch.inference_mode():
            return layers(torch.from_numpy(tiles)[:, None]).numpy()

    return predict


def plain_passes(image, predict, edge, stride):
    for row, col in product(range(0, SIZE - edge + 1, stride), repeat=2):
        predict(np.ascontiguousarray(image[None, row : row + edge, col : col + edge]))


def test_tiling_adds_little_to_the_passes(capsys):
    image = np.random.default_rng(0).random((SIZE, SIZE), dtype=np.float32)
    network = small_network()
    tiled_shapes = []

    def watched(tiles):
        tiled_shapes.append(tiles.shape)
        return network(tiles)

    class_probabilities(image, watched, TilingParams())
    n_seen = sum(np.prod(shape) for shape in tiled_shapes)
    edge = tiled_shapes[0][1]
    padded = np.pad(image, ((0, 64), (0, 64)), mode="reflect")
    rounds = []
    for _ in range(ROUNDS):
        bare = seconds(lambda: [network(np.ascontiguousarray(padded[None, :edge, :edge])) for _ in tiled_shapes])[0]
        apart = seconds(plain_passes, image, network, 1024, 1024)[0]
        tiled = seconds(class_probabilities, image, network, TilingParams())[0]
        nothing = seconds(class_probabilities, image, lambda t: np.stack([t, t], axis=1), TilingParams())[0]
        rounds.append((bare, apart, tiled, nothing))
    bare, apart, tiled, nothing = np.min(rounds, axis=0)

    with capsys.disabled():
        print(f"\n{len(tiled_shapes)} tiles of {edge} px, {n_seen / SIZE**2:.3f} x the pixels of the image")
        print(f"bare passes over them {bare:.2f} s; over tiles apart {apart:.2f} s; tiled and blended {tiled:.2f} s")
        print(f"tiled over bare {tiled / bare:.3f} x, over tiles apart {tiled / apart:.3f} x; blending {nothing:.2f} s")
    assert n_seen < 1.15 * SIZE**2


def test_steps_around_the_network(capsys):
    rng = np.random.default_rng(0)
    image = rng.normal(100, 10, (SIZE, SIZE)).astype(np.float32)
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    rows, cols = np.indices((121, 121)) - 60
    for radius, row, col in zip(rng.uniform(25, 60, 900), *rng.integers(0, SIZE - 121, (2, 900)), strict=True):
        mask[row : row + 121, col : col + 121] |= np.hypot(rows, cols) <= radius
    probability = gaussian_filter(mask.astype(np.float32), 1.5)
    network = small_network()
    passes = seconds(plain_passes, image, network, 1024, 1024)[0]
    parted, labels = seconds(separate_particles, probability, InstanceParams())
    described, vector = seconds(describe_micrograph, image)
    reference = fit_gate(vector + rng.normal(size=(1000, len(STATISTICS))))
    judged, _ = seconds(lambda: judge_micrograph(vector, reference, false_alarm=0.05))
    fringes, _ = seconds(lambda: lattice_energy(image, [0.1, 0.17, 0.2], coherence=0.85, smoothing=1.0))

    with capsys.disabled():
        print(f"\npasses of a small network {passes:.2f} s; {labels.max()} particles parted in {parted:.2f} s")
        print(f"gate: statistics {described:.2f} s, verdict {judged:.3f} s; lattice energy in 3 bands {fringes:.2f} s")
    assert labels.max() > 300
