from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.params import SegmentationParams
from nanodefect_assets.science.hrtem.score import score_mask
from nanodefect_assets.science.hrtem.segment import segment_particles
from nanodefect_assets.science.hrtem.tune import tune_in_ranges, tune_on_grid
from nanodefect_assets.science.synthetic.discs import disc_micrograph
from nanodefect_assets.science.synthetic.fields import particle_field
from nanodefect_assets.science.synthetic.params import ParticleFieldParams

OTSU = SegmentationParams(method="otsu_intensity", smoothing_px=0.0)


@pytest.fixture(scope="module")
def noisy_discs():
    return [
        disc_micrograph(diameters_nm=(4.0, 6.0), pixel_size_nm=0.1, noise_counts=120.0, rng=np.random.default_rng(seed))
        for seed in range(2)
    ]


def test_a_grid_finds_the_blur_that_noise_needs(noisy_discs):
    choices = {"smoothing_px": [0.0, 2.5, 20.0], "opening_radius_px": [0, 1]}

    tuning = tune_on_grid(noisy_discs, OTSU, choices)

    assert tuning.best.smoothing_px == 2.5
    assert len(tuning.scores) == 6
    assert tuning.scores["mean_dice"].max() > 0.9 > tuning.scores["mean_dice"][0]
    best = tuning.scores.loc[tuning.scores["mean_dice"].idxmax()]
    dices = [score_mask(segment_particles(one.micrograph, tuning.best).labels, one.labels).dice for one in noisy_discs]
    assert best["mean_dice"] == pytest.approx(np.mean(dices))


def test_the_simplex_finds_it_too_and_keeps_to_its_ranges(noisy_discs):
    ranges = {"smoothing_px": (0.2, 10.0), "opening_radius_px": (0, 3)}

    tuning = tune_in_ranges(noisy_discs, OTSU, ranges, max_trials=25)

    tried = tuning.scores
    assert len(tried) <= 26
    assert tried["mean_dice"].max() > 0.93
    assert tried["smoothing_px"].between(0.2, 10.0).all()
    assert set(tried["opening_radius_px"]) <= {0, 1, 2, 3}
    assert tuning.best.method == "otsu_intensity"


def test_the_lattice_of_a_material_is_tuned_by_the_same_function():
    params = ParticleFieldParams(n_rows=256, n_cols=256, n_particles=4)
    labelled = [particle_field(params, rng=np.random.default_rng(seed)) for seed in range(2)]
    start = SegmentationParams(method="fourier")

    with ThreadPoolExecutor(2) as executor:
        tuning = tune_on_grid(labelled, start, {"coherence": [0.85, 6.0]}, material="Au", executor=executor)

    assert tuning.best.coherence == 0.85


def test_a_refused_micrograph_counts_as_nothing_found(noisy_discs):
    blank = replace(noisy_discs[0].micrograph, counts=np.zeros_like(noisy_discs[0].micrograph.counts))
    labelled = [noisy_discs[1], replace(noisy_discs[0], micrograph=blank)]

    scores = tune_on_grid(labelled, OTSU, {"smoothing_px": [2.5]}).scores
    alone = tune_on_grid(labelled[:1], OTSU, {"smoothing_px": [2.5]}).scores

    assert scores["n_refused"].tolist() == [1]
    assert scores["mean_dice"][0] == pytest.approx(alone["mean_dice"][0] / 2)


def test_progress_tells_the_trials(noisy_discs):
    steps = []
    tune_on_grid(noisy_discs[:1], OTSU, {"smoothing_px": [1.0, 2.0]}, on_step=steps.append)

    assert [(step.done, step.total) for step in steps] == [(1, 2), (2, 2)]


def test_impossible_requests_are_refused(noisy_discs):
    with pytest.raises(Refusal, match="labelled micrographs"):
        tune_on_grid([], OTSU, {"smoothing_px": [1.0]})
    with pytest.raises(ValueError, match="Expected parameters to vary"):
        tune_on_grid(noisy_discs, OTSU, {})
    with pytest.raises(ValueError, match="low, high"):
        tune_in_ranges(noisy_discs, OTSU, {"smoothing_px": (2.0, 2.0)}, max_trials=3)
    with pytest.raises(ValueError, match="less than or equal to 50"):
        tune_on_grid(noisy_discs, OTSU, {"smoothing_px": [80.0]})
