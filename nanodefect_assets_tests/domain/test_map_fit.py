import pytest

from nanodefect_assets.domain.manifest import MapPlace
from nanodefect_assets.domain.map_fit import MapTile, misfits


def tile(source, *, table=None, knows_stage=False, shape=(90, 140), pixel_size_nm=2.0):
    place = MapPlace(name="te", x_nm=0, y_nm=0, source=source)
    return MapTile(place=place, table=table, knows_stage=knows_stage, shape=shape, pixel_size_nm=pixel_size_nm)


FROM_FILE = tile("file", knows_stage=True)
FROM_TABLE = tile("table", table="t.csv")
AGREEING = tile("table", table="t.csv", knows_stage=True)
AGAINST = tile("override", table="t.csv", knows_stage=True)
OTHER_TABLE = tile("table", table="u.csv")


@pytest.mark.parametrize(
    "tiles",
    [
        [FROM_FILE, FROM_FILE],
        [FROM_TABLE, FROM_TABLE, AGAINST],
        [FROM_FILE, FROM_TABLE, AGREEING],
        [tile("grid"), tile("grid")],
        [tile("grid"), tile("grid", pixel_size_nm=2.0 + 1e-9)],
        [],
    ],
)
def test_positions_of_one_system_stand_together(tiles):
    assert misfits(dict(enumerate(tiles))) == {}


@pytest.mark.parametrize(
    "tiles",
    [
        [FROM_FILE, FROM_TABLE],
        [FROM_FILE, FROM_TABLE, AGREEING, AGAINST],
        [FROM_TABLE, OTHER_TABLE],
        [tile("grid"), FROM_TABLE],
        [tile("grid"), FROM_FILE],
    ],
)
def test_positions_of_two_systems_are_all_refused(tiles):
    refused = misfits(dict(enumerate(tiles)))

    assert {refusal.reason for refusal in refused.values()} == {"two_position_systems"}
    assert len(refused) == len(tiles)


def test_a_refusal_names_both_systems():
    refusal = misfits({"a.tif": FROM_FILE, "b.tif": FROM_TABLE})["b.tif"]

    assert refusal.got == "this tile's from the table t.csv, others' from the files' own metadata"


@pytest.mark.parametrize("odd", [{"shape": (90, 100)}, {"pixel_size_nm": 2.5}])
def test_a_tile_unlike_the_others_of_its_grid_is_refused(odd):
    usual = tile("grid")
    refused = misfits({"a.tif": usual, "b.tif": usual, "c.tif": tile("grid", **odd)})

    assert {path: refusal.reason for path, refusal in refused.items()} == {"c.tif": "grid_of_unequal_tiles"}
    assert "90 x 140 pixels of 2 nm, as 2 of 3" in refused["c.tif"].expected
