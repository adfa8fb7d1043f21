"""The 64 doubtful crops of the thesis's authors, asked of networks that learnt simulated particles: README's table."""

import numpy as np
import pytest

from nanodefect_assets.defs.sem.studying import particles_of, recipe_of
from nanodefect_assets.science.sem.mirror import mirrored, prepare_images
from nanodefect_assets.science.sem.params import HandednessStudyParams, MirrorLabelParams, StudyParams
from nanodefect_assets.science.sem.study import run_cell
from nanodefect_assets.science.sem.trained import predict_log_odds
from nanodefect_assets.science.synthetic.chiral import ideal_crops

pytestmark = pytest.mark.benchmark
N_SIMULATED, ERROR, PROTOCOL = 600, 0.1, "reduced"
TRAININGS = {
    "standard": HandednessStudyParams(),
    "standard, antisymmetric": HandednessStudyParams(is_antisymmetric=True),
    "two-step": HandednessStudyParams(method="two_step"),
    "co-teaching, true rate": HandednessStudyParams(method="co_teaching", forget_rate=ERROR),
}


@pytest.fixture(scope="module")
def real_crops(real_data):
    """The crops at the magnification of the simulated ones: half of theirs."""
    with np.load(real_data / "te_chirality" / "te_particles.npz") as crops:
        images = crops["images"].astype(np.float32)
    n, rows, cols = images.shape
    return prepare_images(images.reshape(n, rows // 2, 2, cols // 2, 2).mean(axis=(2, 4)))


@pytest.fixture(scope="module")
def simulated():
    return prepare_images(
        ideal_crops(
            N_SIMULATED, particles_of(StudyParams(protocol=PROTOCOL), "study"), rng=np.random.default_rng(3)
        ).images
    )


@pytest.mark.parametrize("name", list(TRAININGS))
def test_answers_about_doubtful_crops_under_a_mirror_and_a_half_turn(simulated, real_crops, name, capsys):
    study = TRAININGS[name]
    recipe = recipe_of(PROTOCOL, study.method, is_digits=False)

    cell = run_cell(simulated, MirrorLabelParams(error_fraction=ERROR), study, recipe, repeat=0, seed=1)

    views = (real_crops, mirrored(real_crops), np.ascontiguousarray(real_crops[:, ::-1, ::-1]))
    is_right, of_mirrors, of_turned = (predict_log_odds(cell.trained, view) > 0 for view in views)
    flipping, staying = np.mean(is_right != of_mirrors), np.mean(is_right == of_turned)
    with capsys.disabled():
        print(f"\n| {name} | {cell.balanced.accuracy:.2f} | {flipping:.2f} | {staying:.2f} |")
    assert simulated.shape[1:] == real_crops.shape[1:]
    assert not study.is_antisymmetric or flipping == 1
    assert min(cell.balanced.accuracy, staying) > 0.5
