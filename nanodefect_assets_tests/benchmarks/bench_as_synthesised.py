"""Accuracy epoch by epoch on simulated particles of which the minority looks different: README's table.

Half an hour of one core for the first population, as much for the second.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

from nanodefect_assets.defs.sem.studying import recipe_of
from nanodefect_assets.domain.checkpoint import CheckpointState
from nanodefect_assets.domain.randomness import generator_for
from nanodefect_assets.science.sem.judge import log_odds, score
from nanodefect_assets.science.sem.mirror import prepare_images
from nanodefect_assets.science.sem.network import build_handedness_network
from nanodefect_assets.science.sem.params import HandednessAugmentationParams, HandednessStudyParams, MirrorLabelParams
from nanodefect_assets.science.sem.split import split_as_found
from nanodefect_assets.science.sem.state import load_weights, part
from nanodefect_assets.science.sem.study import KeptState, run_on_split
from nanodefect_assets.science.sem.trained import HandednessRecipe
from nanodefect_assets.science.synthetic.chiral import as_synthesised_crops
from nanodefect_assets.science.synthetic.chiral_params import AsSynthesisedParams, ChiralParticleParams

pytestmark = pytest.mark.benchmark
N_PX, N_PARTICLES, N_TEST, N_EPOCHS, N_REPEATS = 32, 3542, 1500, 24, 3
SHOWN = (5, 11, 23)
METHODS = ("standard", "two_step", "co_teaching")
POPULATIONS = {
    "smaller, facets alike, no zoom": (AsSynthesisedParams(left_facet=1), 0.0),
    "smaller, with smaller facets, zoom of 30 %": (AsSynthesisedParams(), 0.3),
}


@dataclass
class Watching:
    """Keeps nothing of a training but how many of some images its networks name rightly after each epoch."""

    recipe: HandednessRecipe
    images: np.ndarray
    is_right: np.ndarray
    accuracies: list[float] = field(default_factory=list)

    def load(self) -> None:
        return None

    def remove(self) -> None:
        pass

    def save(self, state: CheckpointState) -> None:
        weights = part(state.arrays, "weights")
        n_networks = len({name.partition(".")[0] for name in weights})
        rng = np.random.default_rng(0)
        networks = [build_handedness_network(self.recipe.network, n_px=N_PX, rng=rng) for _ in range(n_networks)]
        load_weights(networks, weights)
        self.accuracies.append(score(log_odds(networks, self.images, device="cpu"), self.is_right).accuracy)


@pytest.mark.parametrize("looks", list(POPULATIONS))
def test_co_teaching_bears_looks_that_go_with_the_label_better_than_standard_training(looks, capsys):
    population, max_zoom = POPULATIONS[looks]
    particles = ChiralParticleParams().in_crops_of(N_PX)
    crops = as_synthesised_crops(N_PARTICLES, particles, population, rng=generator_for(2021, "particles"))
    balanced = population.model_copy(update={"left_fraction": 0.5})
    test = as_synthesised_crops(N_TEST, particles, balanced, rng=generator_for(2021, "test"))
    images, asked = prepare_images(crops.images), prepare_images(test.images)
    last = {}
    for method in METHODS:
        made = recipe_of("reduced", method, is_digits=False)
        training = made.training.for_epochs(N_EPOCHS).to_the_end()
        recipe = HandednessRecipe(
            network=made.network, training=training, augmentation=HandednessAugmentationParams(max_zoom=max_zoom)
        )
        rate = population.left_fraction if method == "co_teaching" else None
        study, curves = HandednessStudyParams(method=method, forget_rate=rate), []
        for repeat in range(N_REPEATS):
            names = (looks, str(repeat))
            split = split_as_found(
                images, crops.is_right, MirrorLabelParams(), rng=generator_for(2021, "split", *names)
            )
            watching = Watching(recipe=recipe, images=asked, is_right=test.is_right)
            run_on_split(
                split,
                study,
                recipe,
                error_fraction=population.left_fraction,
                repeat=repeat,
                rng=generator_for(2021, method, *names),
                estimate_rng=generator_for(2021, "unused"),
                kept=KeptState(training=watching),
            )
            curves.append(watching.accuracies[-N_EPOCHS:])
            with capsys.disabled():
                print(
                    f"\n| {looks} | {method} | {repeat} | " + " | ".join(f"{curves[-1][at]:.2f}" for at in SHOWN) + " |"
                )
        last[method] = np.mean(curves, axis=0)[-1]

    assert last["co_teaching"] > last["standard"]
