import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.batch_spec import FileEntry
from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tile_map import StageSense
from nanodefect_assets.domain.tile_position import StatedPosition, place_tile

HERE = {"stage_x_nm": 5000.0, "stage_y_nm": -2000.0}


def place(path="a.tif", *, stated=None, found=None, shape=(90, 140), **given):
    entry = FileEntry.model_validate({"path": "*.tif", "modality": "sem", **given})
    acquisition = Acquisition.model_validate({"pixel_size_nm": 2.0, **(found or {})})
    kind = "image" if len(shape) == 2 else "image_stack"
    facts = RawFacts(format="TIFF", kind=kind, shape=shape, dtype="uint8")
    return place_tile(path, entry, facts, acquisition, stated)


@pytest.mark.parametrize(
    ("sense", "expected"),
    [
        ({}, (3, -7)),
        ({"y": "down"}, (3, 7)),
        ({"x": "left"}, (-3, -7)),
        ({"rotation_deg": 90}, (-7, -3)),
        ({"x": "left", "rotation_deg": 180}, (3, 7)),
    ],
)
def test_the_stage_is_turned_into_the_axes_of_the_image(sense, expected):
    assert StageSense(**sense).in_map(3.0, 7.0) == pytest.approx(expected)


@given(st.floats(-360, 360), st.sampled_from(["right", "left"]), st.sampled_from(["up", "down"]))
def test_distances_are_kept_whatever_the_sense(rotation_deg, x, y):
    sense = StageSense(x=x, y=y, rotation_deg=rotation_deg)

    assert np.hypot(*sense.in_map(3.0, 4.0)) == pytest.approx(5.0)


def test_metadata_place_a_tile_in_the_map_of_its_entry():
    placed = place(found=HERE)

    assert (placed.place.x_nm, placed.place.y_nm) == (5000, 2000)
    assert (placed.place.name, placed.place.source) == ("*.tif", "file")


def test_without_a_position_there_is_no_place():
    assert place().place is None
    assert place(map="te").place is None


def test_a_table_goes_before_metadata_that_agree_within_its_rounding():
    stated = StatedPosition(x_nm=5300.0, y_nm=-2000.0, rounding_nm=500.0)
    placed = place(stated=stated, found=HERE, positions="t.csv", map="te")

    assert (placed.place.x_nm, placed.place.source, placed.place.name) == (5300, "table", "te")
    assert placed.acquisition.stage_x_nm == 5300


def test_a_table_against_the_metadata_needs_a_reason():
    stated = StatedPosition(x_nm=5300.0, y_nm=-2000.0)
    with pytest.raises(Refusal) as refused:
        place(stated=stated, found=HERE, positions="t.csv")

    assert refused.value.reason == "position_conflict"
    assert "5300" in refused.value.got
    assert "5000" in refused.value.got
    overridden = place(stated=stated, found=HERE, positions="t.csv", position_override_reason="stitched")
    assert overridden.place.source == "override"


def test_names_of_maps_give_row_and_column():
    placed = place("m/Tile_002-003-000000_0-000.s0001_e00.tif", grid={"overlap": 0.1}, shape=(80, 140))

    assert (placed.place.x_nm, placed.place.y_nm) == pytest.approx((3 * 140 * 2 * 0.9, 2 * 80 * 2 * 0.9))
    assert placed.place.source == "grid"
    assert placed.acquisition.stage_x_nm is None


@pytest.mark.parametrize(
    ("path", "given", "reason"),
    [
        ("a.tif", {}, "no_grid_name"),
        ("Tile_1.tif", {}, "no_grid_name"),
        ("Tile_002-003-000000_0-000.tif", {"found": {"pixel_size_nm": None}}, "grid_uncalibrated"),
        ("Tile_002-003-000000_0-000.tif", {"found": HERE}, "position_conflict"),
    ],
)
def test_a_grid_that_cannot_be_laid_out_is_refused(path, given, reason):
    with pytest.raises(Refusal) as refused:
        place(path, grid={"overlap": 0.1}, **given)
    assert refused.value.reason == reason


def test_frames_of_a_stack_and_other_files_have_no_place():
    assert place(shape=(3, 90, 140), found=HERE).place is None
    assert place(modality="tilt_series", found=HERE).place is None
