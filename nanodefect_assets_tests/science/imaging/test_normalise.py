import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.champion import Recipe
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.imaging.normalise import (
    fit_normalisation,
    normalise,
    resample,
    resample_classes,
    scale_factor,
)
from nanodefect_assets.science.imaging.params import NormaliseParams


def recipe_of(images=(), **params):
    return fit_normalisation(images, NormaliseParams(**params))


def noise(shape=(40, 50)):
    return np.random.default_rng(1).normal(100, 10, shape).astype(np.float32)


@pytest.mark.parametrize("method", ["percentile", "min_max"])
@given(gain=st.floats(0.01, 100), offset=st.floats(-1000, 1000))
def test_gain_and_offset_of_the_detector_do_not_matter(method, gain, offset):
    image, recipe = noise(), recipe_of(method=method)

    assert normalise(gain * image + offset, recipe) == pytest.approx(normalise(image, recipe), abs=0.02)


def test_a_hot_pixel_does_not_decide_the_scale():
    image = noise()
    hot = image.copy()
    hot[3, 4] = 1e6

    seen = normalise(hot, recipe_of())

    assert seen.max() == 2
    assert np.delete(seen, 3 * 50 + 4) == pytest.approx(np.delete(normalise(image, recipe_of()), 3 * 50 + 4), abs=0.02)


def test_percentiles_of_a_large_image_are_those_of_all_its_pixels():
    image = noise((1500, 1500))
    low, high = np.percentile(image, (1, 99))

    assert np.abs(normalise(image, recipe_of(clip=5)) - (image - low) / (high - low)).max() < 0.01


def test_min_max_reaches_from_0_to_1():
    seen = normalise(np.array([[1.0, 2.0], [3.0, 5.0]]), recipe_of(method="min_max"))

    assert seen == pytest.approx(np.array([[0, 0.25], [0.5, 1]]))


def test_the_group_maximum_is_that_of_all_images_and_travels_with_the_recipe():
    recipe = recipe_of([np.full((2, 2), 4.0), np.full((2, 2), 8.0)], method="group_maximum")

    again = Recipe.model_validate_json(recipe.model_dump_json())

    assert normalise(np.full((2, 2), 2.0), again) == pytest.approx(0.25)


def test_published_ways_take_a_median_first():
    image = np.zeros((5, 5))
    image[2, 2], image[0] = 9, 1

    seen = normalise(image, fit_normalisation([], NormaliseParams.thesis(3)))

    assert seen[2, 2] == 0
    assert NormaliseParams.thesis(4).method == "group_maximum"


def test_an_image_without_contrast_is_refused():
    with pytest.raises(Refusal, match="7 all over"):
        normalise(np.full((4, 4), 7.0), recipe_of())


def test_a_maximum_of_nothing_is_refused():
    with pytest.raises(Refusal, match="above 0"):
        recipe_of([np.zeros((2, 2))], method="group_maximum")


def test_a_foreign_recipe_is_not_guessed_at():
    with pytest.raises(ValueError, match="group_maximum"):
        normalise(noise(), Recipe(name="z-score"))


def test_a_common_scale_keeps_the_share_of_particles():
    classes = np.zeros((60, 90), dtype=np.uint8)
    classes[20:40, 30:60] = 1
    factor = scale_factor(0.05, recipe_of(common_pixel_size_nm=0.1))

    shrunk = resample_classes(classes, factor)

    assert factor == pytest.approx(0.5)
    assert shrunk.shape == resample(classes.astype(float), factor).shape == (30, 45)
    assert shrunk.mean() == classes.mean()


def test_without_a_scale_nothing_is_resampled():
    assert scale_factor(None, recipe_of(common_pixel_size_nm=0.1)) == 1
    assert scale_factor(0.05, recipe_of()) == 1


def test_an_absurd_scale_is_refused_before_it_fills_the_memory():
    with pytest.raises(Refusal, match="enlarged"):
        resample(noise(), 1e4)
