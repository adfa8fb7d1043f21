import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.mirror import mirror_label
from nanodefect_assets.science.sem.params import HandednessStudyParams, MirrorLabelParams
from nanodefect_assets.science.sem.study import clean_images, run_cell


@pytest.mark.parametrize(
    "study",
    [
        HandednessStudyParams(method="standard", is_antisymmetric=True),
        HandednessStudyParams(method="two_step", n_clean=5),
        HandednessStudyParams(method="co_teaching"),
    ],
)
def test_a_cell_trains_judges_and_repeats_itself(letters, recipe, study):
    cells = [
        run_cell(
            letters(100),
            MirrorLabelParams(error_fraction=0.2),
            study,
            recipe(max_epochs=2, clean_epochs=2, clean_images_per_epoch=64),
            repeat=0,
            seed=seed,
        )
        for seed in (1, 1)
    ]

    assert cells[0].balanced == cells[1].balanced
    assert (cells[0].balanced.n_right, cells[0].balanced.n_left) == (10, 10)
    assert (cells[0].skewed.n_right, cells[0].skewed.n_left) == (8, 2)
    assert cells[0].balanced_both_ways.n_left_wrong == cells[0].balanced_both_ways.n_right_wrong
    assert (cells[0].estimate is not None) == (study.method == "co_teaching")


def test_clean_images_are_what_an_expert_would_pick(letters, rng):
    images, is_right = letters(30), np.arange(30) % 3 > 0

    clean = clean_images(mirror_label(images, is_right=is_right), 10, rng=rng)

    assert len(clean) == 20
    assert (clean.says_right == clean.is_right).all()


def test_too_few_particles_to_start_from_are_refused(letters, rng):
    with pytest.raises(Refusal, match="50 right-handed"):
        clean_images(mirror_label(letters(30)), 50, rng=rng)
