"""Forward and adjoint of a volume of 200^3 voxels in 49 views, beside what the field has.

The baseline about one axis is ASTRA's own matrix applied as one sparse product to all slices (many times faster than
ASTRA called slice by slice); at any angles finufft on the same Fourier slices, where it is installed.
"""

import time

import numpy as np
import pytest
from scipy.fft import irfftn, rfftn

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.backends import make_projector

N, N_VIEWS, ROUNDS = 200, 49, 3
TILTS_DEG = np.linspace(64, -61, N_VIEWS)


def seconds_of(*functions):
    """Return the best time of each, all measured in turn."""
    times = [[] for _ in functions]
    for _ in range(ROUNDS):
        for function, taken in zip(functions, times, strict=True):
            begun = time.perf_counter()
            function()
            taken.append(time.perf_counter() - begun)
    return [min(taken) for taken in times]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.random((N, N, N), dtype=np.float32), rng.random((N_VIEWS, N, N), dtype=np.float32)


def oblique():
    rng = np.random.default_rng(1)
    aside = rng.normal(0, 1, (2, N_VIEWS))
    return TiltGeometry(euler_deg=np.stack([aside[0], TILTS_DEG, aside[1]], axis=1), shifts_px=np.zeros((N_VIEWS, 2)))


@pytest.mark.benchmark
def test_about_one_axis_against_one_sparse_product(data, capsys):
    volume, views = data
    projector = make_projector(TiltGeometry.single_axis(TILTS_DEG), (N, N, N), (N, N), "matrix")
    matrix, transposed = projector._matrix, projector._transposed
    lanes, measured = volume.reshape(-1, N), views.reshape(-1, N)
    projector.forward(volume), projector.adjoint(views)

    ours, back, theirs, theirs_back = seconds_of(
        lambda: projector.forward(volume),
        lambda: projector.adjoint(views),
        lambda: matrix @ lanes,
        lambda: transposed @ measured,
    )

    with capsys.disabled():
        print(f"\nforward {ours:.3f} s against {theirs:.3f} s, adjoint {back:.3f} s against {theirs_back:.3f} s")
    assert ours + back < theirs + theirs_back


@pytest.mark.benchmark
def test_at_any_angles_against_finufft(data, capsys):
    finufft = pytest.importorskip("finufft")
    volume, views = data
    geometry = oblique()
    projector = make_projector(geometry, (N, N, N), (N, N), "fourier")
    projector.forward(volume), projector.adjoint(views)
    row, col = np.fft.fftfreq(N)[:, None, None], np.fft.rfftfreq(N)[:, None]
    cycles = np.concatenate([(row * turn[1] + col * turn[0]).reshape(-1, 3) for turn in geometry.rotations])
    x, y, z = np.ascontiguousarray(2 * np.pi * cycles.T, dtype=np.float32)
    modes, values = volume.astype(np.complex64), np.ones(len(x), np.complex64)

    ours, back, theirs, theirs_back = seconds_of(
        lambda: projector.forward(volume),
        lambda: projector.adjoint(views),
        lambda: finufft.nufft3d2(z, y, x, modes, eps=1e-3, upsampfac=1.25),
        lambda: finufft.nufft3d1(z, y, x, values, (N, N, N), eps=1e-3, upsampfac=1.25),
    )

    with capsys.disabled():
        print(f"\nforward {ours:.3f} s against {theirs:.3f} s, adjoint {back:.3f} s against {theirs_back:.3f} s")
    assert ours + back < 1.1 * (theirs + theirs_back)


@pytest.mark.benchmark
def test_gradient_as_a_convolution_does_not_pay(data, capsys):
    """For fixed angles A*A is a convolution: two transforms of twice the volume's size, for any number of views."""
    volume, _ = data
    projector = make_projector(TiltGeometry.single_axis(TILTS_DEG), (N, N, N), (N, N), "matrix")
    doubled = (2 * N,) * 3
    transfer = np.ones((2 * N, 2 * N, N + 1), np.float32)

    def convolve():
        return irfftn(rfftn(volume, s=doubled, workers=-1) * transfer, s=doubled, workers=-1)

    product, convolution = seconds_of(lambda: projector.adjoint(projector.forward(volume)), convolve)

    with capsys.disabled():
        print(f"\ngradient by forward and adjoint {product:.3f} s, by convolution {convolution:.3f} s")
    assert product < convolution


@pytest.mark.benchmark
def test_time_grows_with_views_and_size(capsys):
    lines = []
    for n in (100, 200):
        for n_views in (25, 49, 98):
            geometry = TiltGeometry.single_axis(np.linspace(64, -61, n_views))
            volume = np.ones((n, n, n), np.float32)
            taken = []
            for backend in ("matrix", "fourier"):
                projector = make_projector(geometry, (n, n, n), (n, n), backend)
                taken += seconds_of(lambda p=projector, v=volume: p.adjoint(p.forward(v)))
            lines.append(f"  {n}^3, {n_views} views: matrix {taken[0]:.3f} s, Fourier {taken[1]:.3f} s")

    with capsys.disabled():
        print("\nforward and adjoint\n" + "\n".join(lines))
    assert len(lines) == 6
