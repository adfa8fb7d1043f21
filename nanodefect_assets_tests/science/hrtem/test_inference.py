import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from nanodefect_assets.science.hrtem.inference import (
    DIHEDRAL,
    class_probabilities,
    relative_entropy,
    uncertain_probabilities,
)
from nanodefect_assets.science.hrtem.params import TilingParams

SMALL = {"tile_px": 32, "overlap_px": 8, "multiple_px": 4}
REACH_PX = 3


def pointwise(tiles):
    return np.stack([tiles, 1 - tiles], axis=1)


def local_mean(tiles):
    """A network that looks three pixels far and knows nothing beyond its tile."""
    seen = uniform_filter(tiles, (1, 2 * REACH_PX + 1, 2 * REACH_PX + 1), mode="constant")
    return np.stack([seen, 1 - seen], axis=1)


def leaning(tiles):
    """A network that looks only to the right: not symmetric under any turn."""
    seen = np.roll(tiles, -1, axis=2)
    return np.stack([seen, 1 - seen], axis=1)


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 130), st.integers(1, 130)),
    tile_px=st.integers(16, 70),
    overlap_px=st.integers(1, 20),
    multiple_px=st.sampled_from([1, 4, 32]),
    batch=st.integers(1, 5),
)
def test_blending_weights_sum_to_one_at_any_size(shape, tile_px, overlap_px, multiple_px, batch):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    params = TilingParams(tile_px=tile_px, overlap_px=overlap_px, multiple_px=multiple_px, batch=batch)

    result = class_probabilities(image, pointwise, params)

    assert result.dtype == np.float32
    assert np.abs(result - pointwise(image[None])[0]).max() < 1e-6


@settings(max_examples=40)
@given(shape=st.tuples(st.integers(8, 150), st.integers(8, 150)), tile_px=st.integers(16, 60))
def test_with_a_margin_as_wide_as_the_network_looks_tiling_does_not_matter(shape, tile_px):
    image = np.random.default_rng(1).random(shape, dtype=np.float32)
    margin = {"overlap_px": 12, "margin_px": REACH_PX, "multiple_px": 4}

    tiled = class_probabilities(image, local_mean, TilingParams(tile_px=tile_px, **margin))
    whole = class_probabilities(image, local_mean, TilingParams(tile_px=512, **margin))

    assert np.abs(tiled - whole).max() < 1e-6


def test_without_a_margin_the_error_stays_in_its_stated_bound(rng):
    image = rng.random((200, 200), dtype=np.float32)
    params = TilingParams(**SMALL)

    tiled, whole = (class_probabilities(image, local_mean, p) for p in (params, TilingParams(tile_px=512)))

    inside = np.s_[:, REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
    bound = np.sin(np.pi / 2 * REACH_PX / params.overlap_px) ** 2
    assert 1e-3 < np.abs(tiled - whole)[inside].max() < bound


def test_tiles_have_one_shape_fit_the_image_and_lie_on_the_grid_of_pooling():
    shapes = []

    def predict(tiles):
        shapes.append(tiles.shape)
        return pointwise(tiles)

    class_probabilities(np.zeros((4096, 1000), dtype=np.float32), predict, TilingParams(batch=2))

    assert set(shapes) == {(2, 1408, 1024), (1, 1408, 1024)}
    assert len(shapes) == 2


def test_progress_tells_the_tiles(rng):
    steps = []

    class_probabilities(rng.random((60, 40)), pointwise, TilingParams(**SMALL, batch=2), on_step=steps.append)

    assert [(step.done, step.total) for step in steps] == [(2, 6), (4, 6), (6, 6)]


def test_a_network_of_another_shape_is_refused(rng):
    with pytest.raises(ValueError, match="Expected classes of the tiles' shape"):
        class_probabilities(rng.random((40, 40)), lambda tiles: tiles, TilingParams(**SMALL))


def test_overlaps_without_room_are_refused():
    with pytest.raises(ValueError, match="Expected overlap_px above twice margin_px"):
        TilingParams(overlap_px=8, margin_px=4)


@pytest.mark.parametrize("shape", [(70, 50), (20, 90)])
def test_what_is_symmetric_has_no_spread(rng, shape):
    image = rng.random(shape, dtype=np.float32)

    found = uncertain_probabilities(image, [pointwise], TilingParams(**SMALL))

    assert found.standard_deviation.max() < 1e-6
    assert found.mean == pytest.approx(class_probabilities(image, pointwise, TilingParams(**SMALL)), abs=1e-6)


def test_turns_are_undone_and_their_mean_is_symmetric(rng):
    image = rng.random((24, 24), dtype=np.float32)
    params = TilingParams(tile_px=24, overlap_px=8, multiple_px=4)

    found = uncertain_probabilities(image, [leaning], params)
    of_turned = uncertain_probabilities(np.rot90(image)[:, ::-1], [leaning], params)

    neighbours = (np.roll(image, 1, 0) + np.roll(image, -1, 0) + np.roll(image, 1, 1) + np.roll(image, -1, 1)) / 4
    assert len(set(DIHEDRAL)) == 8
    assert found.mean[0] == pytest.approx(neighbours, abs=1e-6)
    assert of_turned.mean[0] == pytest.approx(np.rot90(found.mean[0])[:, ::-1], abs=1e-6)


def test_spread_over_repeats_is_that_of_numpy(rng):
    image = rng.random((40, 40), dtype=np.float32)
    gains = [0.2, 0.5, 0.9]
    networks = [lambda tiles, gain=gain: gain * pointwise(tiles) for gain in gains]

    found = uncertain_probabilities(image, networks, TilingParams(**SMALL), transforms=[(0, False)])

    assert found.mean[0] == pytest.approx(np.mean(gains) * image, abs=1e-6)
    assert found.standard_deviation[0] == pytest.approx(np.std(gains) * image, abs=1e-6)


def test_entropy_of_known_probabilities():
    probabilities = np.array([[[1.0, 0.5, 0.25]], [[0.0, 0.5, 0.75]]])

    assert relative_entropy(probabilities)[0] == pytest.approx([0, 1, 0.811278], abs=1e-6)
    assert relative_entropy(np.ones((1, 2, 2))).max() == 0


@pytest.mark.parametrize(("networks", "transforms"), [([], DIHEDRAL), ([pointwise], [])])
def test_nothing_to_average_is_refused(networks, transforms):
    with pytest.raises(ValueError, match="Expected a network and a transform"):
        uncertain_probabilities(np.zeros((8, 8)), networks, TilingParams(**SMALL), transforms=transforms)
