"""Planted and told share of wrong labels of simulated particles that are mirror images: README's table."""

import numpy as np
import pytest

from nanodefect_assets.defs.sem.studying import particles_of, recipe_of
from nanodefect_assets.science.sem.mirror import mirror_label, plant_error, prepare_images
from nanodefect_assets.science.sem.noise import estimate_label_error
from nanodefect_assets.science.sem.params import StudyParams
from nanodefect_assets.science.synthetic.chiral import ideal_crops

pytestmark = pytest.mark.benchmark
N_PARTICLES, PROTOCOL = 1200, "reduced"


@pytest.fixture(scope="module")
def simulated():
    return prepare_images(
        ideal_crops(
            N_PARTICLES, particles_of(StudyParams(protocol=PROTOCOL), "study"), rng=np.random.default_rng(3)
        ).images
    )


@pytest.mark.parametrize("error_fraction", [0.05, 0.2, 0.4, 0.1, 0.3])
def test_the_share_of_wrong_labels_is_told_without_a_clean_one(simulated, error_fraction, capsys):
    noisy, is_right = plant_error(simulated, error_fraction, rng=np.random.default_rng(1))
    recipe = recipe_of(PROTOCOL, "standard", is_digits=False)

    told = estimate_label_error(mirror_label(noisy, is_right=is_right), recipe, rng=np.random.default_rng(2))

    with capsys.disabled():
        print(f"\n| {error_fraction:.0%} | {told.error_fraction:.1%} | {told.low:.0%} to {told.high:.0%} |")
    assert told.low <= error_fraction <= told.high
