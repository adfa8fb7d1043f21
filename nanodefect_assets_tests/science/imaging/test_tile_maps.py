"""Particles that several tiles show, and maps whose tiles do not fit where their positions put them."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from nanodefect_assets.domain.schemas import MAP_TILES
from nanodefect_assets.science.imaging.tile_maps import count_once, find_seen_twice, locate_maps, placed_tiles

CORNERS = ((0, 0), (0, 120), (80, 0), (80, 120))
SHAPE = (110, 160)


class Arrays(dict):
    read = dict.__getitem__


def tiles_at(corners, shape, *, pixel_size_nm=2.0, sense_of_x=1, modality="sem"):
    """Rows of micrographs whose upper left corners lie there, in pixels; x of the stage may go the wrong way."""
    middles = np.asarray(corners, dtype=float) + np.array(shape) / 2
    return pd.DataFrame(
        {
            "micrograph_id": [f"m{n}" for n in range(len(middles))],
            "is_simulated": False,
            "modality": modality,
            "map_id": "te",
            "map_x_nm": sense_of_x * pixel_size_nm * middles[:, 1],
            "map_y_nm": pixel_size_nm * middles[:, 0],
            "pixel_size_nm": pixel_size_nm,
            "n_rows": shape[0],
            "n_cols": shape[1],
        }
    )


def arrays_of(values):
    return Arrays({f"m{n}": value for n, value in enumerate(values)})


def particles_of(labels):
    """Rows with what counting needs of the particles of label images."""
    rows = [
        (f"m{n}", number, box[0].start, box[1].start, box[0].stop, box[1].stop)
        for n, image in enumerate(labels)
        for number, box in enumerate(ndimage.find_objects(image), start=1)
        if box is not None
    ]
    sides = ("bbox_row_min_px", "bbox_col_min_px", "bbox_row_max_px", "bbox_col_max_px")
    table = pd.DataFrame(rows, columns=["micrograph_id", "label", *sides])
    shape = np.array(labels[0].shape)
    is_inner = (table[[*sides[:2]]].min(axis=1) > 0) & (table[[*sides[2:]]].to_numpy() < shape).all(axis=1)
    return table.assign(inclusion_weight=is_inner.astype(float), duplicate_of=None)


@pytest.fixture
def four_tiles(rng):
    """Return four tiles with a particle in the overlap of two, and their labels."""
    field = ndimage.gaussian_filter(rng.normal(0, 1, (200, 300)), 1.5) + rng.normal(0, 0.05, (200, 300))
    cuts = [field[row : row + SHAPE[0], col : col + SHAPE[1]] for row, col in CORNERS]
    labels = [np.zeros(SHAPE, dtype=int) for _ in CORNERS]
    labels[0][50:56, 130:136] = labels[1][50:56, 10:16] = 1
    return cuts, labels


def test_a_particle_that_two_tiles_show_is_counted_in_one(four_tiles):
    cuts, labels = four_tiles
    places, fit = locate_maps(tiles_at(CORNERS, SHAPE), arrays_of(cuts))
    twice = find_seen_twice(places, arrays_of(labels))
    counted = count_once(particles_of(labels), places, twice)

    assert tuple(places.columns) == MAP_TILES.names
    assert twice == {("m1", 1): ("m0", 1)}
    assert counted["duplicate_of"].fillna("").tolist() == ["", "m0#1"]
    assert counted["inclusion_weight"][1] == 0 < counted["inclusion_weight"][0]
    assert fit.unlike_maps() == []
    assert fit.n_alike.total() == fit.n_judged.total() <= fit.n_pairs.total() == 6


def test_a_stage_whose_x_goes_the_wrong_way_is_doubted_though_tiles_above_one_another_fit(four_tiles):
    cuts, labels = four_tiles
    places, fit = locate_maps(tiles_at(CORNERS, SHAPE, sense_of_x=-1), arrays_of(cuts))

    assert fit.n_alike.total() > 0
    assert fit.unlike_maps() == ["te"]
    assert find_seen_twice(places, arrays_of(labels)) == {}, "nothing is left out where tiles show something else"
    assert places["part"].nunique() == 2


def test_images_said_to_lie_at_one_place_that_show_different_things_are_not_compared(four_tiles):
    cuts, labels = four_tiles
    labels[3][50:56, 130:136] = 1
    places, _ = locate_maps(tiles_at([(0, 0), (0, 0)], SHAPE), arrays_of([cuts[0], cuts[3]]))

    assert find_seen_twice(places, arrays_of([labels[0], labels[3]])) == {}
    assert places["own_area_px"].tolist() == [SHAPE[0] * SHAPE[1]] * 2


def test_tiles_seen_in_two_ways_are_maps_of_their_own(four_tiles):
    cuts, _ = four_tiles
    tiles = tiles_at(CORNERS[:2], SHAPE).assign(modality=["sem", "hrstem"])
    places, fit = locate_maps(tiles, arrays_of(cuts[:2]))

    assert fit.n_pairs.total() == 0
    assert places["own_area_px"].tolist() == [SHAPE[0] * SHAPE[1]] * 2


def test_bare_overlaps_are_not_judged(rng):
    bare = [rng.normal(0, 1, SHAPE) for _ in CORNERS]
    _, fit = locate_maps(tiles_at(CORNERS, SHAPE), arrays_of(bare))

    assert fit.n_judged.total() == 0 < fit.n_pairs.total()
    assert fit.unlike_maps() == []


def test_micrographs_without_a_place_or_a_scale_are_no_tiles():
    tiles = tiles_at([(0, 0)] * 3, SHAPE)
    tiles.loc[0, "map_id"] = None
    tiles.loc[1, "pixel_size_nm"] = np.nan

    assert placed_tiles(tiles)["micrograph_id"].tolist() == ["m2"]
    empty, fit = locate_maps(tiles.iloc[:0], Arrays())
    assert len(empty) == fit.n_pairs.total() == 0


@pytest.mark.parametrize("error_px", [0, 6])
def test_particles_of_a_map_are_as_many_as_planted(error_px, planted_map, rng):
    """Each object that some tile shows whole counts once, weighted to the number per area that was planted."""
    n_counted, n_expected, n_truth = [], [], []
    for _ in range(3):
        planted = planted_map(rng, n_objects=900, jitter_px=2)
        shape = planted.tiles[0].shape
        stage = planted.corners + rng.uniform(-error_px, error_px, planted.corners.shape)
        places, _ = locate_maps(tiles_at(stage, shape), arrays_of(planted.tiles))
        twice = find_seen_twice(places, arrays_of(planted.labels))
        counted = count_once(particles_of(planted.labels), places, twice)
        is_shown = np.zeros(planted.objects.shape, dtype=bool)
        whole = set()
        for row, col in planted.corners:
            at = (slice(row, row + shape[0]), slice(col, col + shape[1]))
            is_shown[at] = True
            inner = np.unique(planted.objects[at])
            rim = np.ones(shape, dtype=bool)
            rim[1:-1, 1:-1] = False
            whole |= set(inner.tolist()) - set(planted.objects[at][rim].tolist()) - {0}
        n_counted.append(int((counted["inclusion_weight"] > 0).sum()) / len(whole))
        density = counted["inclusion_weight"].sum() / places["own_area_px"].sum()
        n_expected.append(density * is_shown.sum())
        middles = ndimage.center_of_mass(planted.objects > 0, planted.objects, range(1, planted.objects.max() + 1))
        n_truth.append(sum(is_shown[round(r), round(c)] for r, c in middles if not np.isnan(r)))
        assert places["own_area_px"].sum() == pytest.approx(is_shown.sum(), rel=0.01)

    assert np.mean(n_counted) == pytest.approx(1, abs=0.01)
    assert sum(n_expected) == pytest.approx(sum(n_truth), rel=0.02)
