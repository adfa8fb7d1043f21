"""Every projector against projections that are known without it."""

import astra
import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography import backends
from nanodefect_assets.science.tomography.astra_cuda import view_vectors
from nanodefect_assets.science.tomography.backends import SelfTest, check_projector, make_projector

SHAPE, IMAGE = (21, 18, 24), (18, 23)
VIEW_ERRORS = {"matrix": 0.03, "splat": 0.04, "fourier": 0.003}
"""How far each may be from the known views of Gaussians of 1.7 px."""


def oblique(rng, n_views=7, shift_px=1.5):
    euler_deg = np.stack([rng.normal(0, 9, n_views), np.linspace(-70, 65, n_views), rng.normal(0, 9, n_views)], axis=1)
    return TiltGeometry(euler_deg=euler_deg, shifts_px=rng.normal(0, shift_px, (n_views, 2)))


def geometry_for(backend, rng):
    if backend != "matrix":
        return oblique(rng)
    tilts = TiltGeometry.single_axis(np.linspace(-70, 65, 7))
    return TiltGeometry(euler_deg=tilts.euler_deg, shifts_px=np.stack([np.zeros(7), rng.normal(0, 1.5, 7)], axis=1))


@pytest.fixture(params=VIEW_ERRORS)
def backend(request):
    return request.param


def test_known_views_are_met_in_sense_centre_scale_and_shift(backend, rng):
    found = check_projector(geometry_for(backend, rng), backend)

    assert found.is_passed
    assert found.view_error < VIEW_ERRORS[backend]
    assert found.scale_error < 2e-3


def test_a_mirrored_projector_would_be_found_out(backend, rng, monkeypatch):
    def mirrored(geometry, *args):
        return make_projector(TiltGeometry(euler_deg=-geometry.euler_deg, shifts_px=geometry.shifts_px), *args)

    monkeypatch.setattr(backends, "make_projector", mirrored)
    found = check_projector(geometry_for(backend, rng), backend)

    assert not found.is_passed
    with pytest.raises(Refusal, match="Choose another backend"):
        found.require()


def test_adjoint(backend, rng):
    projector = make_projector(geometry_for(backend, rng), SHAPE, IMAGE, backend)
    for _ in range(3):
        x = rng.standard_normal(SHAPE, dtype=np.float32)
        y = rng.standard_normal(projector.views_shape, dtype=np.float32)
        there = np.vdot(projector.forward(x).astype(float), y)
        back = np.vdot(x.astype(float), projector.adjoint(y))
        size = np.linalg.norm(x) * np.linalg.norm(y)
        assert abs(there - back) < 1e-5 * size


def test_backends_agree_on_tilts_about_one_axis(rng):
    """What is smooth over voxels is seen alike by all: Gaussians of 2 px."""
    geometry = TiltGeometry.single_axis([-71.0, -45.0, -12.0, 0.0, 33.0, 60.0])
    z, y, x = np.ogrid[:24, :20, :24]
    places = rng.uniform(7, 17, (6, 3))
    volume = sum(np.exp(-((z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2) / 8) for a, b, c in places).astype(np.float32)

    views = {name: make_projector(geometry, volume.shape, (20, 24), name).forward(volume) for name in VIEW_ERRORS}

    for name in ("matrix", "splat"):
        error = np.linalg.norm(views[name] - views["fourier"]) / np.linalg.norm(views["fourier"])
        assert error < VIEW_ERRORS[name]


def test_what_lies_beside_the_frame_does_not_come_round_into_it(backend):
    """A wide slab, seen by a narrow detector; the Fourier grid errs most for what lies at the volume's edge."""
    geometry = TiltGeometry.single_axis([0.0, 40.0])
    z, y, x = np.ogrid[:17, :16, :64]
    volume = np.exp(-((z - 8) ** 2 + (y - 8) ** 2 + (x - 58) ** 2) / 4).astype(np.float32)

    views = make_projector(geometry, volume.shape, (16, 16), backend).forward(volume)

    whole = make_projector(geometry, volume.shape, (16, 64), backend).forward(volume)
    assert np.abs(views).max() < 0.005 * whole.max()


def test_auto_takes_the_matrix_only_where_it_can(rng):
    assert "matrix" in make_projector(geometry_for("matrix", rng), SHAPE, IMAGE).name
    assert "Fourier" in make_projector(oblique(rng), SHAPE, IMAGE).name
    with pytest.raises(ValueError, match="about y alone"):
        make_projector(oblique(rng), SHAPE, IMAGE, "matrix")


def test_the_gpu_is_refused_where_there_is_none_and_the_process_lives(rng):
    if astra.use_cuda():
        pytest.skip("ASTRA finds a GPU")
    with pytest.raises(Refusal, match="CUDA device"):
        make_projector(oblique(rng), SHAPE, IMAGE, "cuda")


@pytest.mark.gpu
def test_the_gpu_meets_known_views(rng):
    if not astra.use_cuda():
        pytest.skip("ASTRA finds no GPU")
    assert check_projector(oblique(rng), "cuda").is_passed


def test_the_gpu_is_told_where_the_origin_appears(rng):
    """From ASTRA's centres, (N - 1) / 2, the origin lies on the ray through its pixel."""
    geometry = oblique(rng)
    ray, middle, along_col, along_row = np.split(view_vectors(geometry, SHAPE, IMAGE), 4, axis=1)
    size = np.array(SHAPE[::-1])
    origin = size // 2 - (size - 1) / 2
    pixel = np.array(IMAGE) // 2 + geometry.shifts_px - (np.array(IMAGE) - 1) / 2

    apart = middle + pixel[:, :1] * along_row + pixel[:, 1:] * along_col - origin

    np.testing.assert_allclose(np.cross(apart, ray), 0, atol=1e-9)


def test_a_self_test_fails_by_any_of_its_errors():
    good = {"projector": "p", "adjoint_error": 1e-7, "scale_error": 1e-3, "view_error": 0.02}

    assert SelfTest(**good).is_passed
    for name, value in (("adjoint_error", 1e-4), ("scale_error", 0.1), ("view_error", 0.5)):
        assert not SelfTest(**good | {name: value}).is_passed
