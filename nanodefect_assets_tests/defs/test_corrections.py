"""A correction makes again exactly what depends on it, and nothing else."""

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from nanodefect_assets.definitions import defs
from nanodefect_assets.defs.correcting import corrected
from nanodefect_assets.defs.ingest import make_batch
from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.stores.corrections import add_correction
from nanodefect_assets.stores.warehouse import run_query

BATCH = "discs-01"
WHO = {"reason": "seen to be wrong", "author": "A. Person"}
OF_SAMPLE = ("samples/m", "samples/t", "samples/coo", "samples/a", "hrtem/")


@pytest.fixture
def correct(home_copy):
    """Add a correction and make again what depends on it."""

    def run(**entry):
        add_correction(home_copy, BATCH, **entry, **WHO)
        with open_instance(home_copy) as instance:
            done = make_batch(defs, instance, home_copy, BATCH, say=lambda line: None)
        assert done.trouble == ()
        return done

    return run


def rows(home, query):
    return run_query(home, query).to_pylist()


def changed(before, after):
    """Return the samples of which a generation is another one."""
    return {name.split(" ")[1] for name in after if name.startswith(OF_SAMPLE) and after[name] != before.get(name)}


def test_a_mended_calibration_changes_the_sizes_of_its_file_and_nothing_else(home_copy, correct, pointers_of):
    columns = "sample, label, area_px, equivalent_diameter_px, circularity, equivalent_diameter_nm AS nm"
    query = f"SELECT {columns} FROM particles"
    before, pointers = rows(home_copy, f"{query} ORDER BY ALL"), pointers_of(home_copy)

    done = correct(kind="calibration", target="8h/stack.tif", value="0.4")

    after = rows(home_copy, f"{query} ORDER BY ALL")
    assert [place.sample for place in done.made] == [f"{BATCH}/t0028800"]
    assert changed(pointers, pointers_of(home_copy)) == {f"{BATCH}/t0028800"}
    assert len(after) == len(before)
    for was, now in zip(before, after, strict=True):
        sizes = was.pop("nm"), now.pop("nm")
        assert now == was
        if now["sample"].endswith("t0028800"):
            assert sizes[1] == pytest.approx(2 * sizes[0])
        else:
            assert sizes[1] == sizes[0]
    (image, *_) = rows(
        home_copy, "SELECT DISTINCT calibration_source, calibration_reason FROM micrographs WHERE sample LIKE '%28800'"
    )
    assert image == {"calibration_source": "correction", "calibration_reason": "seen to be wrong (A. Person)"}


def test_a_vetoed_micrograph_leaves_the_tables_and_comes_back(home_copy, correct, tables_of):
    before = tables_of(home_copy)

    correct(kind="veto", target="1h/a.tif")
    without = rows(home_copy, "SELECT DISTINCT micrograph_id FROM particles ORDER BY ALL")
    correct(kind="restore", target="1h/a.tif")

    assert f"{BATCH}/t0003600/1h/a.tif" not in [row["micrograph_id"] for row in without]
    assert tables_of(home_copy)["particles"] == before["particles"]


def test_a_drawn_mask_stands_in_for_the_segmenters(home_copy, correct, tmp_path):
    labels = np.zeros((56, 168), dtype=np.uint8)
    labels[10:20, 10:30], labels[30:40, 100:110] = 1, 2
    Image.fromarray(labels).save(tmp_path / "mine.png")
    scored = "SELECT micrograph_id FROM mask_scores WHERE micrograph_id LIKE '%1h/a.tif'"
    assert len(rows(home_copy, scored)) == 1

    correct(kind="mask", target="1h/a.tif", mask=tmp_path / "mine.png")

    assert rows(home_copy, scored) == [], "a mask by hand says nothing of the segmenter"
    found = rows(home_copy, "SELECT area_px FROM particles WHERE micrograph_id LIKE '%1h/a.tif' ORDER BY label")
    assert [row["area_px"] for row in found] == [200, 100]
    (mask,) = rows(
        home_copy, "SELECT segmenter_name, segmenter_version FROM masks WHERE micrograph_id LIKE '%1h/a.tif'"
    )
    assert mask == {"segmenter_name": "drawn", "segmenter_version": "0001"}


def test_a_retracted_batch_leaves_every_table_but_that_of_corrections(home_copy, correct):
    correct(kind="retract")

    assert rows(home_copy, "SELECT count(*) AS n FROM particles") == [{"n": 0}]
    assert rows(home_copy, "SELECT count(*) AS n FROM batches") == [{"n": 0}]
    assert rows(home_copy, "SELECT kind, reason, author FROM corrections") == [{"kind": "retract", **WHO}]

    correct(kind="reinstate")

    assert rows(home_copy, "SELECT count(*) > 0 AS any FROM particles") == [{"any": True}]
    assert rows(home_copy, "SELECT is_in_force FROM corrections ORDER BY number") == [
        {"is_in_force": False},
        {"is_in_force": True},
    ]


def ticks(home, instance, n):
    """Evaluate the sensor and return the partition keys or jobs that it asks for at each tick."""
    cursor, asked = None, []
    for _ in range(n):
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        result = corrected(context)
        asked.append([request.partition_key or request.job_name for request in result.run_requests])
        cursor = result.cursor
    return asked


def test_a_dropped_file_is_taken_in_once_it_has_settled(home_copy):
    (home_copy.landing / "any.corrections.yaml").write_text(
        f"batch: {BATCH}\nauthor: A. Person\ncorrections:\n  - {{kind: veto, target: 8h/*, reason: drifted}}\n"
        "  - {kind: calibration, target: 1h/a.tif, value: 0.3, reason: replica measured}\n"
    )
    with open_instance(home_copy) as instance:
        asked = ticks(home_copy, instance, 4)

    assert asked[0] == []
    assert [str(key) for key in asked[1]] == [f"t0003600|{BATCH}", "publish_warehouse"]
    assert asked[2:] == [[], []]


def test_a_dropped_file_that_is_wrong_goes_to_quarantine_once(home_copy):
    (home_copy.landing / "any.corrections.yaml").write_text("batch: nobody\nauthor: A\ncorrections: 3\n")
    with open_instance(home_copy) as instance:
        asked = ticks(home_copy, instance, 4)

    assert asked == [[], [], [], []]
    assert (
        len(list(home_copy.quarantine.glob("*/*/reason.json")))
        == len(list(home_copy.quarantine.glob(f"{BATCH}/*/reason.json"))) + 1
    )


@pytest.mark.parametrize("values", [(1, 1), (255, 255), (3, 9)])
def test_drawn_particles_are_numbered_from_one(home_copy, correct, tmp_path, values):
    labels = np.zeros((56, 168), dtype=np.uint8)
    labels[10:20, 10:30], labels[30:40, 100:110] = values
    Image.fromarray(labels).save(tmp_path / "mine.png")

    correct(kind="mask", target="1h/a.tif", mask=tmp_path / "mine.png")

    found = rows(home_copy, "SELECT label, area_px FROM particles WHERE micrograph_id LIKE '%1h/a.tif' ORDER BY label")
    assert found == [{"label": 1, "area_px": 200}, {"label": 2, "area_px": 100}]
    (mask,) = rows(home_copy, "SELECT n_particles FROM masks WHERE micrograph_id LIKE '%1h/a.tif'")
    assert mask == {"n_particles": 2}


@pytest.mark.slow
def test_a_renamed_batch_is_whole_under_its_new_id(home_copy, correct, tables_of):
    correct(kind="veto", target="8h/stack.tif")
    query = "SELECT aliquot_time, label, area_px, area_nm2 FROM particles ORDER BY ALL"
    before = rows(home_copy, query)

    from nanodefect_assets.cli.correct import correct as by_command_line

    by_command_line(home_copy, "rename", BATCH, value="discs-new", **WHO)

    assert rows(home_copy, query) == before
    assert rows(home_copy, "SELECT synthesis_batch FROM batches") == [{"synthesis_batch": "discs-new"}]
    assert rows(home_copy, "SELECT DISTINCT synthesis_batch FROM particles") == [{"synthesis_batch": "discs-new"}]
    kinds = rows(home_copy, "SELECT synthesis_batch, kind FROM corrections ORDER BY ALL")
    assert [tuple(row.values()) for row in kinds] == [
        ("discs-01", "rename"),
        ("discs-01", "veto"),
        ("discs-new", "veto"),
    ]
