"""What each step from raw images to refined angles takes of the processor, and the memory of all."""

import os
import resource
import time

import numpy as np
import pytest

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.align import apply_alignment
from nanodefect_assets.science.tomography.alignment_params import AlignmentParams, DenoisingParams, RefinementParams
from nanodefect_assets.science.tomography.angles import refine_angles
from nanodefect_assets.science.tomography.choice import choose_images
from nanodefect_assets.science.tomography.denoise import denoise_image
from nanodefect_assets.science.tomography.noise import estimate_noise
from nanodefect_assets.science.tomography.prepare import find_alignment, nominal_geometry
from nanodefect_assets.science.tomography.scan import combine_scans

EDGE = int(os.environ.get("NANODEFECT_BENCH_EDGE", "96"))
TILTS_DEG = np.linspace(64, -61, 49)


@pytest.fixture
def counts(rng):
    """Return 49 views of 60 Gaussians that stray by up to three pixels, 75 electrons in the brightest."""
    places = rng.uniform(-0.2, 0.2, (60, 3)) * EDGE
    seen = places @ np.transpose(TiltGeometry.single_axis(TILTS_DEG).rotations, (0, 2, 1))
    strays = rng.uniform(-3, 3, (49, 2))
    offsets = np.arange(EDGE) - EDGE // 2
    rows, cols = (
        np.exp(-0.5 * ((offsets - seen[..., axis, None] - strays[:, [1 - axis], None]) / (0.02 * EDGE)) ** 2)
        for axis in (1, 0)
    )
    return rng.poisson(40 * np.einsum("vpr,vpc->vrc", rows, cols) + 3).astype(np.float32)


@pytest.mark.benchmark
def test_time_of_the_processor_and_memory_of_every_step(counts, rng, capsys):
    """One image is denoised and one pair of scans mended, and counted 49 times."""
    took_s, begun = {}, time.process_time()

    def lap(step, times=1):
        nonlocal begun
        took_s[step], begun = times * (time.process_time() - begun), time.process_time()

    combine_scans(counts[24], counts[24])
    lap("scans mended", 49)
    denoise_image(counts[24], estimate_noise(counts), DenoisingParams())
    lap("denoised", 49)
    nominal, axis = nominal_geometry(counts, TILTS_DEG, {}, AlignmentParams())
    lap("axis chosen")
    found = find_alignment(counts, nominal, axis, {}, AlignmentParams())
    lap("aligned")
    series = apply_alignment(counts, found.alignment, None)
    lap("images moved")
    choose_images(series, series)
    lap("images chosen")
    refine_angles(series, RefinementParams(), rng=rng)
    lap("angles refined")

    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    with capsys.disabled():
        print(f"\n49 x {EDGE}^2, peak {peak_gb:.2f} GB:", *(f"{step} {s:.1f} s" for step, s in took_s.items()))
    assert found.source == "computed"
    assert peak_gb < 8
