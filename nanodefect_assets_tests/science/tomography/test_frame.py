"""Particles lie within their frames, films do not."""

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.ndimage import gaussian_filter

from nanodefect_assets.science.tomography.frame import fills_frame


def test_a_particle_lies_within_its_frame_at_any_dose_and_on_any_background(rng):
    rows, cols = np.indices((64, 64)) - 32
    disc = np.where(rows**2 + cols**2 < 16**2, 1.0, 0.0)
    for electrons, beside in ((100, 0), (100, 50), (1, 0.3)):
        assert not fills_frame(rng.poisson(electrons * disc + beside, (9, 64, 64)).astype(np.float32))


@pytest.mark.parametrize("radius", [6, 12, 24])
def test_a_particle_lies_within_a_frame_however_large(rng, radius):
    rows, cols = np.indices((128, 128)) - 64
    disc = np.where(rows**2 + cols**2 < radius**2, 1.0, 0.0)
    for electrons, beside in ((100, 50), (5, 3), (1, 0.3)):
        assert not fills_frame(rng.poisson(electrons * disc + beside, (9, 128, 128)).astype(np.float32))


def test_a_rough_film_fills_its_frame(rng):
    assert fills_frame(gaussian_filter(rng.random((9, 64, 64)), (0, 4, 4)).astype(np.float32))


def test_blank_images_fill_nothing():
    assert not fills_frame(np.zeros((3, 16, 16), np.float32))


@pytest.mark.parametrize("area", [1, 20])
def test_the_measured_film_fills_its_frame(real_data, area):
    images = loadmat(real_data / "aet_ta_film" / f"Projections_area{area}.mat")["Proj_sub"]

    assert fills_frame(images.transpose(2, 1, 0))


def test_the_published_particle_lies_within_its_frame(real_data):
    path = real_data / "aet_benchmark" / "aSi_2nmFosCetr_Dose1p6e4_cov35pm_ForBM3D.mat"

    assert not fills_frame(loadmat(path)["Trunc_projections_forBM3D"].transpose(2, 1, 0))
