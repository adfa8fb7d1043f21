"""The support that the images themselves give."""

from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.tomography.params import ReconstructionParams
from nanodefect_assets.science.tomography.reconstruct import reconstruct
from nanodefect_assets.science.tomography.shadow import shadow_support

SHAPE = (64, 64, 64)


@pytest.fixture(scope="module")
def alone(series):
    """The three Gaussians with room and a faint noise beside them."""
    images = np.pad(series.images, ((0, 0), (16, 16), (16, 16)))
    noise = np.random.default_rng(0).normal(0, 0.01 * images.max(), images.shape)
    return replace(series, images=(images + noise).astype(np.float32))


def test_the_shadow_holds_the_sample_and_leaves_out_most_else(alone, truth):
    support = shadow_support(alone.images, alone.geometry, SHAPE)

    planted = np.pad(truth, 16) > 0.02 * truth.max()
    assert support[planted].all()
    assert support.mean() < 0.3


def test_nothing_is_reconstructed_outside_the_shadow(alone):
    support = shadow_support(alone.images, alone.geometry, SHAPE)

    found = reconstruct(alone, ReconstructionParams(n_iterations=15, support="shadow"))

    assert not found.volume.values[~support].any()
    assert found.r_factor < reconstruct(alone, ReconstructionParams(n_iterations=15, method="fbp")).r_factor


def test_images_that_shade_nothing_in_common_are_refused(alone):
    empty = np.zeros_like(alone.images)
    empty[:, 2:6, 2:6] = alone.images.max()
    empty[1::2] = empty[1::2, ::-1]

    with pytest.raises(Refusal, match="Align the series"):
        reconstruct(replace(alone, images=empty), ReconstructionParams(n_iterations=2, support="shadow"))
