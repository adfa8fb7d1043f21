"""Particles that several tiles show, and maps whose tiles do not fit where their positions put them."""

import numpy as np
import pandas as pd
import pytest

from nanodefect_assets.defs.sem.overlapping import find_seen_twice
from nanodefect_assets.defs.sem.te_crops import _overlaps_result

CORNERS = ((0, 0), (0, 120), (80, 0), (80, 120))
SHAPE = (110, 160)


class Arrays(dict):
    read = dict.__getitem__


@pytest.fixture
def seen(rng):
    """Return the function that compares four tiles with a particle in the overlap of two; x may go the wrong way."""
    field = rng.normal(0, 1, (200, 300))
    cuts = [field[row : row + SHAPE[0], col : col + SHAPE[1]] for row, col in CORNERS]
    labels = [np.zeros(SHAPE, dtype=int) for _ in CORNERS]
    labels[0][50:56, 130:136] = labels[1][50:56, 10:16] = 1

    def compare(sense_of_x):
        places = [(f"m{n}", sense_of_x * 2.0 * (col + 80), 2.0 * (row + 55)) for n, (row, col) in enumerate(CORNERS)]
        rows = pd.DataFrame(places, columns=["micrograph_id", "map_x_nm", "map_y_nm"])
        rows = rows.assign(map_id="te", pixel_size_nm=2.0, n_rows=SHAPE[0], n_cols=SHAPE[1])
        ids = list(rows["micrograph_id"])
        arrays = (Arrays(zip(ids, values, strict=True)) for values in (cuts, labels))
        return find_seen_twice(rows, *arrays)

    return compare


def test_a_particle_that_two_tiles_show_is_counted_in_one(seen):
    found = seen(1)

    assert found.duplicates == {("m1", 1): ("m0", 1)}
    assert found.n_alike == found.n_pairs
    assert _overlaps_result(found).passed


def test_a_stage_whose_x_goes_the_wrong_way_is_doubted_though_tiles_above_one_another_fit(seen):
    found = seen(-1)

    assert sum(found.n_alike.values()) > 0
    assert found.unlike_maps() == ["te"]
    assert not _overlaps_result(found).passed
