import os

import numpy as np
import pytest
import tifffile

from nanodefect_assets.cli.check import check_folder
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.stores.batch_yaml import parse_batch_yaml
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.intake_plan import plan_batch
from nanodefect_assets.stores.landing import survey
from nanodefect_assets.stores.new_batch import draft_batch_yaml
from nanodefect_assets.stores.raw.read import probe_file, read_frames

HEAD = "file,x_um,y_um\n"
ROWS = "a.tif,1000,500\nb.tif,1000.036,500\nc.tif,1000,500.024\n"
MAP = "path: 'm/*.tif', modality: sem, pixel_size_nm: 2, positions: m/tiles.csv"


def fei(x_m, y_m, more=""):
    """Return the tag in which Thermo Fisher's microscopes write what they know."""
    sections = {"User": "", "Scan": "PixelWidth=2e-009\r\nPixelHeight=2e-009\r\n"}
    sections["Stage"] = f"StageX={x_m}\r\nStageY={y_m}\r\n"
    text = "".join(f"[{name}]\r\n{body}\r\n" for name, body in sections.items()) + more
    return [(34682, "s", 0, text, True)]


@pytest.fixture
def folder(home, rng):
    made = home.landing / "te-1"
    (made / "m").mkdir(parents=True)
    for name in "abc":
        tifffile.imwrite(made / "m" / f"{name}.tif", rng.integers(0, 255, (16, 24)).astype("uint8"))
    (made / "m" / "tiles.csv").write_text(HEAD + ROWS)
    return made


def batch(*entries):
    return "batch: te-1\nfiles:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)


def plan(folder, *entries):
    spec = parse_batch_yaml(batch(*entries or (MAP,)))
    return plan_batch(folder, spec, survey(folder))


def reasons(planned):
    return {file.path: file.reason for file in planned.refused}


def places(planned):
    return {file.path: (file.map_place.x_nm, file.map_place.y_nm) for file in planned.files if file.map_place}


def test_a_table_places_its_tiles_and_is_kept_with_them(folder):
    planned = plan(folder)

    assert places(planned)["m/b.tif"] == pytest.approx((1000036, -500000))
    assert len(places(planned)) == 3
    assert (planned.sidecars, reasons(planned)) == (("m/tiles.csv",), {})


def test_tiles_go_through_the_landing_folder_with_their_places(home, folder):
    (folder / "batch.yaml").write_text(batch(MAP + ", map: te, stage: {y: down}"))
    manifest = accept_batch(home, folder).manifest
    file = manifest.files[2]

    assert (file.map_place.name, file.map_place.y_nm, file.map_place.source) == ("te", pytest.approx(500024), "table")
    assert file.acquisition.stage_y_nm == pytest.approx(500024)
    assert (home.raw / "te-1" / manifest.revision / "files" / "m" / "tiles.csv").is_file()


def test_a_table_that_was_mended_makes_its_samples_new(home, folder):
    (folder / "batch.yaml").write_text(batch(MAP))
    accept_batch(home, folder)
    (folder / "m" / "tiles.csv").write_text(HEAD + ROWS.replace("1000.036", "1000.037"))
    again = accept_batch(home, folder)

    assert again.changed == (Place(batch="te-1", aliquot="end"),)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a.tif,1,2\nb.tif,1,2\n", {"m/c.tif": "no_position"}),
        (ROWS + "a.tif,1,2\n", {"m/a.tif": "position_twice"}),
        (ROWS.replace("1000.036", "nan"), {"m/b.tif": "bad_position"}),
        (ROWS + "d.tif,1,2\n", {"m/tiles.csv line 5: d.tif": "position_without_file"}),
        (ROWS + "../../../etc/passwd,1,2\n", {"m/tiles.csv line 5: ../../../etc/passwd": "position_without_file"}),
        (ROWS + "/a.tif,1,2\n", {"m/tiles.csv line 5: /a.tif": "position_without_file"}),
        (ROWS + "\x1b[2J,1,2\n", {"m/tiles.csv line 5: ?[2J": "position_without_file"}),
    ],
)
def test_a_row_that_is_wrong_is_refused_and_the_rest_goes_on(rows, expected, home, folder):
    (folder / "m" / "tiles.csv").write_text(HEAD + rows)
    (folder / "batch.yaml").write_text(batch(MAP))

    assert {file.path: file.reason for file in accept_batch(home, folder).manifest.refused} == expected


def test_a_table_of_another_map_does_not_fill_the_report(folder):
    (folder / "m" / "tiles.csv").write_text(HEAD + ROWS + "".join(f"z{n}.tif,1,2\n" for n in range(500)))
    refused = plan(folder).refused

    assert len(refused) == 21
    assert "m/tiles.csv: 480 more lines" in {file.path for file in refused}


def test_a_table_that_cannot_be_used_stops_all_its_tiles_and_no_other(folder):
    (folder / "m" / "tiles.csv").write_text("file,x,y\n" + ROWS)
    tifffile.imwrite(folder / "other.tif", np.arange(64, dtype="uint8").reshape(8, 8))
    planned = plan(folder, MAP, "path: other.tif, modality: sem, pixel_size_nm: 1")

    assert [file.path for file in planned.files] == ["other.tif"]
    assert {reasons(planned)[f"m/{name}.tif"] for name in "abc"} == {"bad_positions"}
    assert reasons(planned)["m/tiles.csv"] == "sidecar_of_refused"


def test_a_missing_or_linked_table_is_never_followed(folder, tmp_path):
    table = folder / "m" / "tiles.csv"
    outside = tmp_path / "outside.csv"
    outside.write_bytes(table.read_bytes())
    table.unlink()
    missing = reasons(plan(folder))
    table.symlink_to(outside)
    linked = reasons(plan(folder))

    assert missing["m/tiles.csv"] == "no_such_file"
    assert {missing[f"m/{name}.tif"] for name in "abc"} == {"bad_positions"}
    assert linked["m/tiles.csv"] == "not_a_file"
    assert {linked[f"m/{name}.tif"] for name in "abc"} == {"sidecar_refused"}


@pytest.mark.parametrize("path", ["../tiles.csv", "/etc/passwd", "m\\\\tiles.csv"])
def test_a_table_lies_below_the_folder(path):
    with pytest.raises(ValueError, match="'\\.\\.'"):
        parse_batch_yaml(batch(f'path: a.tif, modality: sem, positions: "{path}"'))


def test_a_damaged_tile_does_not_take_the_table_away_from_the_others(folder):
    (folder / "m" / "c.tif").write_bytes((folder / "m" / "c.tif").read_bytes()[:60])
    planned = plan(folder)

    assert len(planned.files) == 2
    assert planned.sidecars == ("m/tiles.csv",)


def test_a_name_in_two_folders_must_be_told_apart(folder):
    (folder / "n").mkdir()
    os.link(folder / "m" / "a.tif", folder / "n" / "a.tif")
    entry = "path: '*/*.tif', modality: sem, pixel_size_nm: 2, positions: tiles.csv"
    rows = ROWS.replace("a.tif", "m/a.tif") + "n/a.tif,7,8\n"
    (folder / "m" / "tiles.csv").rename(folder / "tiles.csv")
    ambiguous = reasons(plan(folder, entry))
    (folder / "tiles.csv").write_text(HEAD + rows)

    assert ambiguous["tiles.csv line 2: a.tif"] == "position_ambiguous"
    assert ambiguous["m/a.tif"] == ambiguous["n/a.tif"] == "no_position"
    assert places(plan(folder, entry))["n/a.tif"] == (7000, -8000)


def test_positions_of_metadata_and_table_must_agree(folder, rng):
    image = rng.integers(0, 255, (16, 24)).astype("uint8")
    tifffile.imwrite(folder / "m" / "a.tif", image, extratags=fei(1e-3, 5e-4))
    tifffile.imwrite(folder / "m" / "b.tif", image, extratags=fei(1.1e-3, 5e-4))
    planned = plan(folder)
    overridden = plan(folder, MAP + ", position_override_reason: stitched")

    assert reasons(planned) == {"m/b.tif": "position_conflict"}
    assert {file.path: file.map_place.source for file in overridden.files} == {
        "m/a.tif": "table",
        "m/b.tif": "override",
        "m/c.tif": "table",
    }


def test_metadata_alone_are_enough(folder, rng):
    image = rng.integers(0, 255, (16, 24)).astype("uint8")
    tifffile.imwrite(folder / "fei.tif", image, extratags=fei(2e-5, -1e-4))

    assert places(plan(folder, "path: fei.tif, modality: sem"))["fei.tif"] == pytest.approx((20000, 100000))


def test_one_map_of_stage_metadata_and_of_a_table_is_refused_whole(home, folder, rng):
    image = rng.integers(0, 255, (16, 24)).astype("uint8")
    tifffile.imwrite(folder / "fei.tif", image, extratags=fei(1e-3, 5e-4))
    tifffile.imwrite(folder / "alone.tif", image)
    own = "path: fei.tif, modality: sem, map: te"
    (folder / "batch.yaml").write_text(
        batch(MAP + ", map: te", own, "path: alone.tif, modality: sem, pixel_size_nm: 2")
    )
    manifest = accept_batch(home, folder).manifest
    refused = {file.path: file.reason for file in manifest.refused}

    assert [file.path for file in manifest.files] == ["alone.tif"]
    assert {reason for path, reason in refused.items() if path.endswith(".tif")} == {"two_position_systems"}
    assert len(refused) == 5
    assert len(places(plan(folder, MAP + ", map: te", own.replace("map: te", "map: other")))) == 4
    tifffile.imwrite(folder / "m" / "a.tif", image, extratags=fei(1e-3, 5e-4))
    assert len(places(plan(folder, MAP + ", map: te", own))) == 4


def test_an_unequal_tile_of_a_grid_is_refused_and_the_rest_goes_on(folder, rng):
    for at, shape in enumerate([(16, 24), (16, 24), (16, 20)]):
        name = f"Tile_001-{at:03d}-000000_0-000.tif"
        tifffile.imwrite(folder / name, rng.integers(0, 255, shape).astype("uint8"))
    planned = plan(folder, "path: 'Tile_*.tif', modality: sem, pixel_size_nm: 2, grid: {overlap: 0.5}")

    assert reasons(planned)["Tile_001-002-000000_0-000.tif"] == "grid_of_unequal_tiles"
    assert len(places(planned)) == 2


def test_entries_of_one_map_have_one_sense():
    first, second = (f"path: {name}.tif, modality: sem, map: te" for name in "ab")
    with pytest.raises(ValueError, match="one grid and stage"):
        parse_batch_yaml(batch(first, second + ", stage: {y: down}"))
    with pytest.raises(ValueError, match="only for hrtem"):
        parse_batch_yaml(batch("path: a.xyz, modality: coordinates, positions: t.csv"))
    with pytest.raises(ValueError, match="positions or grid"):
        parse_batch_yaml(batch(MAP + ", grid: {overlap: 0.1}"))


def test_a_check_says_how_many_tiles_have_a_place_and_overlap(home, folder, capsys):
    (folder / "m" / "tiles.csv").write_text(HEAD + ROWS.replace(".036", ".010").replace(".024", ".010"))
    tifffile.imwrite(folder / "d.tif", np.arange(64, dtype="uint8").reshape(8, 8))
    (folder / "batch.yaml").write_text(
        batch(MAP + ", map: te", "path: d.tif, modality: sem, pixel_size_nm: 2, map: te")
    )
    check_folder(home, folder)

    said = capsys.readouterr().out
    assert "map te of end: 3 of 4 images have a position\n" in said
    assert "1 pair overlaps" in said


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("{}", "6 pairs overlap; both tiles show the same in 6 of 6 that could be judged\n"),
        ("{y: down}", "With stage: {x: right, y: up} in batch.yaml, both tiles show the same in 6 of 6."),
        ("{rotation_deg: 90}", "With stage: {x: right, y: up} in batch.yaml, both tiles show the same in 6 of 6."),
    ],
)
def test_a_check_looks_whether_overlaps_show_the_same(stage, expected, home, folder, rng, capsys):
    field, rows = rng.integers(0, 255, (200, 300)).astype("uint8"), ["file,x_nm,y_nm"]
    for name, row, col in (("a", 0, 0), ("b", 0, 120), ("c", 80, 0), ("d", 80, 125)):
        tifffile.imwrite(folder / "m" / f"{name}.tif", field[row : row + 110, col : col + 160])
        rows.append(f"{name}.tif,{2 * col},{-2 * row}")
    (folder / "m" / "tiles.csv").write_text("\n".join(rows))
    (folder / "batch.yaml").write_text(batch(f"{MAP}, stage: {stage}"))
    check_folder(home, folder)

    assert expected in capsys.readouterr().out


def write_tiles(folder, field, places, rng, off_px=None):
    """Cut tiles out of a field, each with its own noise, and say where they lie; of the second wrongly."""
    rows = ["file,x_nm,y_nm"]
    for n, (row, col) in enumerate(places):
        tile = field[row : row + 110, col : col + 160] + rng.integers(0, 4, (110, 160))
        tifffile.imwrite(folder / "m" / f"{n}.tif", tile.astype("uint8"))
        at = (row, col) if off_px is None or n != 1 else (row + off_px[0], col + off_px[1])
        rows.append(f"{n}.tif,{2 * at[1]},{-2 * at[0]}")
    (folder / "m" / "tiles.csv").write_text("\n".join(rows))
    (folder / "batch.yaml").write_text(batch(MAP))


def test_a_check_says_how_far_positions_are_off(home, folder, rng, capsys):
    write_tiles(folder, rng.integers(0, 250, (200, 300)), [(0, 0), (0, 100)], rng, off_px=(12, -16))
    check_folder(home, folder)

    said = capsys.readouterr().out
    assert "1 pair overlaps; both tiles show the same in 1 of 1 that could be judged\n" in said
    assert "neighbours lie up to 40 nm off their positions; corrected\n" in said


def test_a_check_tells_overlaps_that_are_bare_or_too_small_and_parts_that_do_not_touch(home, folder, rng, capsys):
    field = rng.integers(0, 250, (110, 1000))
    field[:, 170:] = 100
    for name in "abc":
        (folder / "m" / f"{name}.tif").unlink()
    write_tiles(folder, field, [(0, 0), (0, 100), (0, 400), (0, 500)], rng)
    check_folder(home, folder)

    said = capsys.readouterr().out
    assert "2 pairs overlap; both tiles show the same in 1 of 1 that could be judged; 1 overlap is too small or" in said
    assert "the map falls into 2 parts that do not touch\n" in said
    assert "WARNING the tiles" not in said


def test_a_data_bar_is_no_overlap(home, folder, rng, capsys):
    for name, y_m in (("a", 0.0), ("b", -4.4e-8)):
        image = rng.integers(0, 255, (40, 24)).astype("uint8")
        tifffile.imwrite(folder / f"{name}.tif", image, extratags=fei(1e-3, y_m, "[Image]\r\nResolutionY=30\r\n"))
    (folder / "batch.yaml").write_text(batch("path: '?.tif', modality: sem, map: te"))
    check_folder(home, folder)

    assert "2 of 2 images have a position\n    0 pairs overlap\n    WARNING" in capsys.readouterr().out


def test_a_data_bar_is_left_out_of_the_image(folder, rng):
    image = rng.integers(0, 255, (40, 24)).astype("uint8")
    tifffile.imwrite(folder / "a.tif", image, extratags=fei(1e-3, 0.0, "[Image]\r\nResolutionY=30\r\n"))
    (seen,) = read_frames(folder / "a.tif")

    np.testing.assert_array_equal(seen, image[:30])
    facts = probe_file(folder / "a.tif")
    assert facts.shape == (30, 24)
    assert any("10 rows of a data bar" in note for note in facts.notes)
    (upside_down,) = read_frames(folder / "a.tif", row_order="bottom")
    np.testing.assert_array_equal(upside_down, image[:30][::-1])


def test_a_draft_finds_the_table(folder):
    (folder / "classes.csv").write_text("micrograph,class,particle\na.tif,1,1\n")
    spec = parse_batch_yaml(draft_batch_yaml(folder))

    [entry] = [entry for entry in spec.files if entry.modality != "labels"]
    assert (entry.path, entry.positions) == ("m/*.tif", "m/tiles.csv")
    assert len(places(plan_batch(folder, spec, survey(folder)))) == 3
