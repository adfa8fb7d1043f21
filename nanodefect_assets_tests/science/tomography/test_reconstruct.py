from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography import reconstruct as module
from nanodefect_assets.science.tomography.backends import make_projector
from nanodefect_assets.science.tomography.grids import doubled, halved
from nanodefect_assets.science.tomography.params import ReconstructionParams
from nanodefect_assets.science.tomography.reconstruct import compare_halves, memory_bytes, reconstruct
from nanodefect_assets.science.tomography.sirt import sirt

PARAMS = ReconstructionParams(n_iterations=40)


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


@pytest.mark.parametrize(
    ("changed", "least", "most_r"),
    [
        ({}, 0.98, 0.03),
        ({"n_levels": 1, "padding": 0.25}, 0.97, 0.05),
        ({"backend": "fourier"}, 0.98, 0.03),
        ({"method": "sirt", "n_iterations": 60}, 0.95, 0.1),
        ({"method": "fbp"}, 0.8, 0.5),
    ],
    ids=["default", "padded", "fourier", "sirt", "fbp"],
)
def test_a_planted_volume_comes_back(series, truth, changed, least, most_r):
    found = reconstruct(series, PARAMS.model_copy(update=changed))

    assert found.volume.values.shape == truth.shape
    assert found.volume.voxel_size_angstrom == pytest.approx(0.3)
    assert correlation(found.volume.values, truth) > least
    assert found.r_factor < most_r
    assert len(found.r_factors) == len(series)
    if changed.get("method") != "fbp":
        assert abs(found.mass_error) < 0.03


def test_intensity_factors_and_a_background_are_taken_out(series, truth):
    factors = np.linspace(0.9, 1.1, len(series))
    images = (series.images * factors[:, None, None] + 3 * factors[:, None, None]).astype(np.float32)
    spoiled = replace(series, images=images, factors=factors)

    found = reconstruct(spoiled, PARAMS.model_copy(update={"background": "border"}))

    assert correlation(found.volume.values, truth) > 0.98


def test_the_two_halves_of_good_data_agree_and_those_of_noise_do_not(series, rng):
    noise = replace(series, images=np.abs(rng.standard_normal(series.images.shape)).astype(np.float32))

    assert compare_halves(series, PARAMS).mean > 0.9
    assert compare_halves(noise, PARAMS).mean < 0.6


def with_image(series, value):
    images = series.images.copy()
    images[4, 3, 3] = value
    return replace(series, images=images)


REFUSED = {
    "too_few_tilts": lambda series: series.taken(np.array([0, 5])),
    "not_finite": lambda series: with_image(series, np.nan),
    "blank_images": lambda series: replace(series, images=np.zeros_like(series.images)),
    "duplicate_angle": lambda series: series.taken(np.array([0, 1, 2, 1])),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_reconstructed_is_refused_with_its_reason(series, reason):
    with pytest.raises(Refusal) as caught:
        reconstruct(REFUSED[reason](series), PARAMS)

    assert caught.value.reason == reason


def test_a_duplicate_is_named_by_its_images(series):
    with pytest.raises(Refusal, match=r"in images \[1, 3\]"):
        reconstruct(REFUSED["duplicate_angle"](series), PARAMS)


def test_an_empty_support_is_refused_and_one_of_another_shape_too(series):
    with pytest.raises(Refusal, match="voxels in it"):
        reconstruct(series, PARAMS, support=np.zeros((32, 32, 32), dtype=bool))
    with pytest.raises(ValueError, match="support of shape"):
        reconstruct(series, PARAMS, support=np.ones((3, 3, 3), dtype=bool))


def test_what_does_not_fit_in_memory_is_refused_before_it_is_begun(series, monkeypatch):
    monkeypatch.setattr(module, "make_projector", lambda *args: pytest.fail("begun"))

    with pytest.raises(Refusal, match=r"32 x 32 x 32 voxels and 18 tilts"):
        reconstruct(series, PARAMS.model_copy(update={"max_memory_gb": 1e-3}))


def test_a_full_size_run_is_estimated_to_fit_in_24_gb():
    assert memory_bytes((400, 400, 400), (49, 400, 400), ReconstructionParams()) < 12e9


def test_a_killed_reconstruction_does_not_begin_again(series, kept):
    reconstruct(series, PARAMS.model_copy(update={"n_iterations": 10, "tolerance": 0}), checkpoint=kept)
    told = []
    reconstruct(
        series, PARAMS.model_copy(update={"n_iterations": 12, "tolerance": 0}), checkpoint=kept, on_step=told.append
    )

    assert [step.done for step in told] == [11, 12]


@pytest.mark.parametrize("edge", [32, 34, 45, 47])
def test_the_centre_stays_when_grids_change(series, edge):
    images = np.zeros((len(series), edge, edge), np.float32)
    images[:, edge // 2, edge // 2] = 1.0
    coarse = halved(replace(series, images=images))
    half = coarse.images.shape[1]
    at = np.unravel_index(coarse.images[0].argmax(), (half, half))

    volume = np.zeros((half,) * 3, np.float32)
    volume[(half // 2,) * 3] = 1.0
    finer = doubled(volume, (edge,) * 3)

    assert at == (half // 2, half // 2)
    assert np.unravel_index(finer.argmax(), finer.shape) == (edge // 2,) * 3


def test_the_residual_of_sirt_never_grows(series):
    projector = make_projector(series.geometry, (32, 32, 32), (32, 32))

    misfits = sirt(projector, series.images, 25).misfits

    assert (np.diff(misfits) <= 1e-6).all()
    assert misfits[-1] < 0.2 * misfits[0]


def test_a_horizontal_axis_gives_the_same_volume_turned(series, truth):
    """Images turned by a quarter, tilted about the other axis: x and y change places, one of them with its sign."""
    turned = replace(
        series,
        images=np.ascontiguousarray(np.roll(np.rot90(series.images, axes=(1, 2)), 1, axis=1)),
        geometry=TiltGeometry.about(series.geometry.tilts_deg, axis="columns"),
    )

    found = reconstruct(turned, PARAMS).volume.values

    quarter = np.roll(np.rot90(truth, axes=(1, 2)), 1, axis=1)
    assert correlation(found, quarter) > 0.98
