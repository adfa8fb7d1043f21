"""Segmentation of 4096 x 4096 pixels: what tiling adds to the bare passes of a network, and the steps around it.

The baseline of tiling is the same small network on the same tiles, one after another, with nothing blended; and on
tiles that do not overlap, for the price of the overlap. The way from file to rows is held against the passes of the
U-Net that ships, as it was trained, over tiles that do not overlap.
"""

import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from nanodefect_assets.defs.hrtem.finding import ParticleFinder, SegmentationConfig
from nanodefect_assets.defs.hrtem.networks import SEGMENTER, network_of
from nanodefect_assets.defs.making import in_order
from nanodefect_assets.defs.resources import Compute, keep_freed_memory
from nanodefect_assets.domain.micrograph import LabelledMicrograph
from nanodefect_assets.science.hrtem.gate import STATISTICS, describe_micrograph, fit_gate, judge_micrograph
from nanodefect_assets.science.hrtem.inference import class_probabilities
from nanodefect_assets.science.hrtem.lattice_energy import lattice_energy
from nanodefect_assets.science.hrtem.params import ParticleParams, TilingParams
from nanodefect_assets.science.hrtem.particles import measure_particles
from nanodefect_assets.science.imaging.despike import remove_spikes
from nanodefect_assets.science.imaging.instances import separate_particles
from nanodefect_assets.science.imaging.params import DespikeParams, InstanceParams
from nanodefect_assets.science.learning.apply import probabilities
from nanodefect_assets.science.synthetic.training_fields import draw_field, simulate_field
from nanodefect_assets.science.synthetic.training_params import TrainingFieldParams
from nanodefect_assets.stores.arrays import ArraysReader, ArraysWriter
from nanodefect_assets.stores.micrographs import read_micrograph
from nanodefect_assets.stores.raw.read import read_frames
from nanodefect_assets.stores.registry import shipped_model
from nanodefect_assets.stores.simulated import write_tiff

pytestmark = pytest.mark.benchmark
SIZE = 4096
ROUNDS = 2


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


N_IN_FLIGHT = 3
PIXEL_SIZE_NM = 0.03


def write_large_micrograph(path):
    """Write a simulated field of particles, mirrored until it fills the frame, in 16 bits."""
    field = TrainingFieldParams(field_px=1024, materials=["Au"], pixel_size_nm=[PIXEL_SIZE_NM, PIXEL_SIZE_NM])
    counts = simulate_field(draw_field(field, 0), seed=1, number=0, micrograph_id="_/_/a").micrograph.counts
    block = np.block([[counts, counts[:, ::-1]], [counts[::-1], counts[::-1, ::-1]]])
    times = SIZE // block.shape[0]
    write_tiff(path, np.rint(np.tile(block, (times, times))).astype(np.uint16), pixel_size_nm=PIXEL_SIZE_NM)


class WholeWay:
    """From the file of a micrograph to the rows of its particles, with what the assets keep on the way."""

    def __init__(self, path, folder, n_threads):
        self.path, self.folder, self.n_made = path, folder, 0
        compute = Compute(threads=n_threads, device="cpu")
        self.finder = ParticleFinder(SegmentationConfig(), shipped_model(SEGMENTER), material="Au", compute=compute)

    def stored(self):
        """Read the file, take its spikes out and keep it; return the reader of what was kept."""
        self.n_made += 1
        folder = self.folder / str(self.n_made)
        counts, _ = remove_spikes(next(iter(read_frames(self.path, "hrtem"))), DespikeParams())
        about = {"pixel_size_nm": PIXEL_SIZE_NM, "modality": "hrtem", "is_simulated": True}
        ArraysWriter(folder, "micrographs").add("a", counts, **about)
        return ArraysReader(folder, "micrographs")

    def rows(self, _=None):
        micrograph = read_micrograph(self.stored(), "a")
        found = self.finder.find(micrograph)
        return measure_particles(LabelledMicrograph(micrograph=micrograph, labels=found.labels), ParticleParams())


def both_clocks(function):
    wall, used = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - used


def test_from_file_to_rows_against_the_bare_passes(tmp_path, capsys):
    keep_freed_memory()
    n_threads = Compute().n_threads
    torch.set_num_threads(n_threads)
    write_large_micrograph(tmp_path / "a.tif")
    way = WholeWay(tmp_path / "a.tif", tmp_path, n_threads)
    network = network_of(shipped_model(SEGMENTER))
    tiles = np.random.default_rng(0).random((16, SIZE // 4, SIZE // 4), dtype=np.float32)

    def several():
        with Compute(threads=n_threads).executor() as executor:
            for _, future in in_order(executor, way.rows, range(N_IN_FLIGHT), ahead=2 * n_threads):
                future.result()

    assert len(way.rows()) > 50
    probabilities(network, tiles[:1], n_per_batch=1)
    rounds = []
    for _ in range(ROUNDS):
        passes = both_clocks(lambda: probabilities(network, tiles, n_per_batch=1))
        rounds.append((*passes, *both_clocks(way.rows), *both_clocks(several)))
    bare, bare_used, one, one_used, many, many_used = np.min(rounds, axis=0)
    ratios = one / bare, many / N_IN_FLIGHT / bare, one_used / bare_used, many_used / N_IN_FLIGHT / bare_used

    with capsys.disabled():
        print(f"\nbare passes {bare:.2f} s by the clock, {bare_used:.2f} s of processors, {n_threads} threads")
        print(f"file to rows: {one:.2f} s alone, {many / N_IN_FLIGHT:.2f} s each of {N_IN_FLIGHT} in flight")
        print("over the bare passes: {:.2f} alone, {:.2f} in flight; of processors {:.2f}, {:.2f}".format(*ratios))
        print(f"most memory of a process that does one: {_peak_mb(tmp_path):.0f} MB, the code's own included")


def _peak_mb(folder):
    done = subprocess.run([sys.executable, __file__, str(folder)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def one(folder):
    """Do one micrograph and print the most memory that this process held, in MB."""
    keep_freed_memory()
    WholeWay(folder / "a.tif", folder / "other", 1).rows()
    most_kb = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    sys.stdout.write(str(int(most_kb) / 1024))


if __name__ == "__main__":
    one(Path(sys.argv[1]))
