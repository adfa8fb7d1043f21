"""From a dropped batch to particles in SQL, and what a second drop changes."""

import base64
import hashlib
import os
import re
import sqlite3
from collections import Counter
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import tifffile

from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.defs.partitions import sample_key
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.schemas import MICROGRAPHS
from nanodefect_assets.science.imaging.despike import remove_spikes
from nanodefect_assets.science.imaging.moments import mean_and_sd
from nanodefect_assets.science.imaging.params import DespikeParams
from nanodefect_assets.stores.generations import current_generation
from nanodefect_assets.stores.raw.read import read_frames
from nanodefect_assets.stores.revisions import current_manifest, raw_path
from nanodefect_assets.stores.warehouse import run_query

FIRST, STACKED, UNCALIBRATED = "t0003600", "t0028800", "t0086400"


def rows(home, sql):
    return run_query(home, sql).to_pylist()


def row(home, sql):
    (only,) = rows(home, sql)
    return only


def drop(home, folder, ingest):
    done = ingest(home, folder)
    assert done.trouble == ()
    return done


def made(done):
    return [place.aliquot for place in done.made]


# What a batch becomes


def test_planted_particles_are_in_sql(undisturbed, planted):
    found = rows(
        undisturbed,
        "SELECT files.aliquot_time, count(*) AS n, list(equivalent_diameter_px ORDER BY centroid_col_px) AS px, "
        "count_if(touches_edge) AS n_edge FROM particles JOIN micrographs USING (micrograph_id) "
        "JOIN files USING (file_id) GROUP BY micrograph_id, files.aliquot_time",
    )

    assert Counter(image["aliquot_time"] for image in found) == planted["n_micrographs"]
    for image in found:
        expected_px = np.array(planted["diameters_nm"][image["aliquot_time"]]) / planted["pixel_size_nm"]
        assert image["px"] == pytest.approx(expected_px, rel=0.03)
        assert image["n_edge"] == 0


def test_masks_agree_with_planted_labels(undisturbed):
    assert row(undisturbed, "SELECT dice FROM sample_mask_quality")["dice"] > 0.97


def test_a_particle_leads_back_to_the_bytes_of_its_file(undisturbed, landing_of):
    lineage = rows(undisturbed, "SELECT * FROM particle_lineage")

    assert len(lineage) == row(undisturbed, "SELECT count(*) AS n FROM particles")["n"]
    for particle in lineage:
        raw = landing_of(undisturbed) / particle["path"]
        assert particle["sha256"] == hashlib.sha256(raw.read_bytes()).hexdigest()
        assert particle["dagster_run_id"] == particle["mask_dagster_run_id"]
        assert particle["segmenter_name"] == "otsu_intensity"


def test_conditions_are_queryable_with_units(undisturbed):
    found = rows(undisturbed, "SELECT name, value, unit, aliquot_time FROM conditions ORDER BY name")

    assert found == [
        {"name": "pH", "value": 7.5, "unit": None, "aliquot_time": STACKED},
        {"name": "reagent/PVP", "value": 105.0, "unit": "mg", "aliquot_time": None},
        {"name": "temperature", "value": 90.0, "unit": "degC", "aliquot_time": None},
    ]
    by_aliquot = rows(
        undisturbed, "SELECT aliquot_label, temperature_degc, ph FROM aliquot_conditions ORDER BY growth_time_s"
    )
    assert [tuple(aliquot.values()) for aliquot in by_aliquot][:3] == [
        ("1 h", 90, None),
        ("8 h", 90, 7.5),
        ("24 h", 90, None),
    ]


def test_nothing_in_nm_is_invented_for_what_is_uncalibrated(undisturbed, planted):
    lengths = rows(
        undisturbed,
        f"SELECT equivalent_diameter_nm, area_nm2, feret_max_nm FROM particles WHERE sample LIKE '%/{UNCALIBRATED}'",
    )
    sizes = row(undisturbed, f"SELECT * FROM size_distributions WHERE aliquot_time = '{UNCALIBRATED}'")

    assert len(lengths) == 3
    assert {value for length in lengths for value in length.values()} == {None}
    assert sizes["length_unit"] == "px"
    assert sizes["mean_diameter"] == pytest.approx(6.0 / planted["pixel_size_nm"], rel=0.03)


def test_calibrated_aliquots_are_in_nm(undisturbed, planted):
    sizes = rows(undisturbed, "SELECT * FROM size_distributions WHERE length_unit = 'nm' ORDER BY aliquot_time")

    expected = {aliquot: np.mean(nm) for aliquot, nm in planted["diameters_nm"].items() if aliquot != UNCALIBRATED}
    # Larger discs are likelier cut by the edge, so that the weighted mean lies a little above the plain one.
    assert {aliquot["aliquot_time"]: aliquot["mean_diameter"] for aliquot in sizes} == pytest.approx(expected, rel=0.05)


def test_stored_micrographs_are_the_despiked_frames_bit_for_bit(undisturbed):
    """Reading, cleaning and packing run side by side; nothing of that may be seen."""
    n_seen = 0
    for place in current_manifest(undisturbed, "discs-01").cells():
        made = current_generation(undisturbed, AssetName(group="samples", noun="micrographs"), place)
        manifest = current_manifest(undisturbed, place.batch)
        arrays, rows = made.arrays("micrographs"), made.rows(MICROGRAPHS)
        assert list(arrays) == rows["micrograph_id"].tolist()
        for row in rows.itertuples():
            file = next(file for file in manifest.files if row.file_id.endswith(f"/{file.path}"))
            number = int(row.micrograph_id.rpartition("@")[2]) if "@" in row.micrograph_id else 0
            frame = list(read_frames(raw_path(undisturbed, manifest, file), file.modality))[number]
            counts, n_despiked = remove_spikes(frame, DespikeParams())
            assert arrays.read(row.micrograph_id).tobytes() == counts.tobytes()
            assert (row.n_despiked, row.mean_counts, row.sd_counts) == (n_despiked, *mean_and_sd(counts))
            n_seen += 1
    assert n_seen == 4


def test_every_frame_of_a_stack_is_a_micrograph(undisturbed, planted):
    found = rows(undisturbed, "SELECT micrograph_id FROM micrographs WHERE file_id LIKE '%stack.tif' ORDER BY ALL")

    base = f"discs-01/{STACKED}/8h/stack.tif"
    assert [image["micrograph_id"] for image in found] == [
        f"{base}@{n:04d}" for n in range(planted["n_micrographs"][STACKED])
    ]


@pytest.mark.parametrize(
    ("item", "asset", "reason"),
    [
        ("1h/cut.tif", "samples/intake", "truncated_file"),
        (f"discs-01/{FIRST}/1h/dark.tif", "samples/micrographs", "blank_image"),
        (f"discs-01/{FIRST}/1h/blank.tif", "samples/micrographs", "blank_image"),
    ],
)
def test_what_cannot_be_used_is_set_aside_with_its_reason(undisturbed, item, asset, reason):
    found = row(undisturbed, f"SELECT asset, reason, expected, got, advice FROM refused WHERE item = '{item}'")

    assert (found["asset"], found["reason"]) == (asset, reason)
    assert all(found.values())


def test_a_refused_file_is_kept_in_quarantine(undisturbed, landing_of):
    (kept,) = undisturbed.quarantine.glob("discs-01/*/1h/cut.tif")

    assert kept.read_bytes() == (landing_of(undisturbed) / "1h" / "cut.tif").read_bytes()
    assert (kept.parents[1] / "reason.json").exists()


def events_of(home):
    """Return checks and metadata of every asset and partition."""
    checks, metadata = {}, {}
    with open_instance(home) as instance:
        for run in instance.get_runs():
            for event in (entry.dagster_event for entry in instance.all_logs(run.run_id)):
                if event is not None and event.is_step_materialization:
                    made = event.step_materialization_data.materialization
                    metadata[made.asset_key.to_user_string(), str(made.partition)] = made.metadata
                if event is not None and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                    check = event.asset_check_evaluation_data
                    checks[check.asset_key.to_user_string(), check.check_name, str(check.partition)] = check
    return checks, metadata


@pytest.fixture(scope="module")
def shown(undisturbed):
    return events_of(undisturbed)


def test_checks_warn_of_what_was_set_aside_and_block_nothing(shown):
    checks, _ = shown
    failed = {(asset, name, partition) for (asset, name, partition), check in checks.items() if not check.passed}

    first = str(sample_key(Place(batch="discs-01", aliquot=FIRST)))
    assert failed == {
        ("samples/intake", "all_files_accepted", "discs-01"),
        ("samples/micrographs", "items_accepted", first),
        ("population/size_distribution", "every_aliquot_counted", "discs-01"),
    }
    assert {checks[name].severity for name in failed} == {dg.AssetCheckSeverity.WARN}


def test_previews_are_small_pictures(shown):
    _, metadata = shown
    previews = {key: values["preview"].value for key, values in metadata.items() if "preview" in values}

    assert {asset for asset, _ in previews} == {
        "samples/micrographs",
        "hrtem/segmentation",
        "hrtem/particles",
        "population/size_distribution",
    }
    for text in previews.values():
        png = base64.b64decode(re.fullmatch(r"!\[preview\]\(data:image/png;base64,(.*)\)", text)[1])
        assert png.startswith(b"\x89PNG")
        assert len(png) < 100_000


@pytest.mark.slow
def test_an_aliquot_without_any_usable_micrograph_is_an_error_and_makes_empty_tables(home, ingest):
    folder = home.landing / "nothing-1"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", np.full((32, 32), np.nan, dtype="float32"))
    (folder / "batch.yaml").write_text(
        "batch: nothing-1\nfiles:\n  - {path: a.tif, modality: hrstem, uncalibrated: true}\n"
    )

    done = drop(home, folder, ingest)

    assert [place.sample for place in done.made] == ["nothing-1/end"]
    assert row(home, "SELECT reason FROM refused")["reason"] == "blank_image"
    assert rows(home, "SELECT particle_id FROM particles") == []
    checks, _ = events_of(home)
    check = checks["samples/micrographs", "items_accepted", str(sample_key(Place(batch="nothing-1", aliquot="end")))]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)


# What a second drop changes


def test_dropped_again_with_other_times_it_is_the_same_batch(home_copy, landing_of, ingest, tables_of, pointers_of):
    tables, pointers = tables_of(home_copy), pointers_of(home_copy)
    for path in landing_of(home_copy).rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert (done.manifest.revision, done.made) == ("r0001", ())
    assert pointers_of(home_copy) == pointers
    assert tables_of(home_copy) == tables


def test_a_corrected_pixel_size_changes_every_size_and_nothing_else(home_copy, landing_of, ingest, pointers_of):
    lengths = "equivalent_diameter_nm AS nm, area_nm2 AS nm2, perimeter_nm AS around"
    others = "particle_id, area_px, perimeter_px, circularity, orientation_deg, mean_counts, inclusion_weight"
    sql = f"SELECT {{}} FROM particles WHERE sample = 'discs-01/{STACKED}' ORDER BY particle_id"
    before, same, pointers = (
        rows(home_copy, sql.format(lengths)),
        rows(home_copy, sql.format(others)),
        pointers_of(home_copy),
    )
    spec = landing_of(home_copy) / "batch.yaml"
    spec.write_text(spec.read_text().replace("pixel_size_nm: 0.2", "pixel_size_nm: 0.3").replace("first try", "second"))

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert (done.manifest.revision, made(done)) == ("r0002", [STACKED]), "a note is no ground to make a sample again"
    for old, new in zip(before, rows(home_copy, sql.format(lengths)), strict=True):
        assert list(new.values()) == pytest.approx([old["nm"] * 1.5, old["nm2"] * 1.5**2, old["around"] * 1.5])
    assert rows(home_copy, sql.format(others)) == same
    assert row(home_copy, "SELECT note, revision FROM batches") == {"note": "second", "revision": "r0002"}
    assert changed(pointers, pointers_of(home_copy)) == {"discs-01/_", f"discs-01/{STACKED}"}


def changed(before, after):
    """Return the places of which something in force differs."""
    return {key.split()[1] for key in after if before.get(key) != after[key]}


@pytest.mark.slow
def test_a_later_aliquot_and_a_changed_file_are_made_and_nothing_else(
    home_copy, landing_of, add_aliquots, ingest, pointers_of
):
    pointers, path = pointers_of(home_copy), landing_of(home_copy) / "24h" / "a.tif"
    old = path.read_bytes()
    tifffile.imwrite(path, np.ascontiguousarray(tifffile.imread(path)[:, ::-1]))
    add_aliquots(landing_of(home_copy), [48])

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert (done.manifest.revision, made(done)) == ("r0002", [UNCALIBRATED, "t0172800"])
    samples = {"discs-01/_", f"discs-01/{UNCALIBRATED}", "discs-01/t0172800"}
    assert changed(pointers, pointers_of(home_copy)) == samples
    assert row(home_copy, "SELECT count(*) AS n FROM particles WHERE sample = 'discs-01/t0172800'")["n"] == 3
    lineage = rows(home_copy, "SELECT DISTINCT sha256, revision FROM particle_lineage WHERE path = '24h/a.tif'")
    assert lineage == [{"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "revision": "r0002"}]
    assert (home_copy.raw / "discs-01" / "r0001" / "files" / "24h" / "a.tif").read_bytes() == old


@pytest.mark.slow
def test_six_aliquots_at_once(home_copy, landing_of, add_aliquots, ingest):
    add_aliquots(landing_of(home_copy), range(30, 36))

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert made(done) == [f"t{hours * 3600:07d}" for hours in range(30, 36)]
    counts = rows(home_copy, f"SELECT n_particles FROM size_distributions WHERE aliquot_time > '{UNCALIBRATED}'")
    assert [aliquot["n_particles"] for aliquot in counts] == [3] * 6


def test_an_aliquot_taken_out_of_batch_yaml_leaves_the_warehouse_and_its_files_stay(home_copy, landing_of, ingest):
    spec = landing_of(home_copy) / "batch.yaml"
    spec.write_text("\n".join(line for line in spec.read_text().splitlines() if "24 h" not in line) + "\n")

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert made(done) == []
    for table in ("particles", "micrographs", "masks", "files", "aliquots", "size_distributions"):
        samples = rows(home_copy, f"SELECT DISTINCT * FROM (SELECT COLUMNS('^(sample|aliquot_time)$') FROM {table})")
        assert samples
        assert UNCALIBRATED not in str(samples)
    assert (home_copy.raw / "discs-01" / "r0001" / "files" / "24h" / "a.tif").exists()


def test_accepted_originals_are_read_only(undisturbed):
    manifest = current_manifest(undisturbed, "discs-01")
    files = [path for path in (undisturbed.raw / "discs-01" / "r0001" / "files").rglob("*") if path.is_file()]

    assert len(files) >= len(manifest.files)
    assert {path.stat().st_mode & 0o222 for path in files} == {0}


def test_what_dagster_does_not_know_to_be_made_is_made_again_for_it(home_copy, landing_of, ingest, pointers_of):
    """As after a kill between putting a generation in force and telling Dagster of it."""
    pointers = pointers_of(home_copy)
    key, lost = dg.AssetKey(["hrtem", "particles"]), str(sample_key(Place(batch="discs-01", aliquot=FIRST)))
    with open_instance(home_copy) as instance:
        forget(instance, key, lost)
        assert lost not in instance.get_materialized_partitions(key)

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert made(done) == [FIRST]
    assert pointers_of(home_copy) == pointers
    with open_instance(home_copy) as instance:
        assert lost in instance.get_materialized_partitions(key)


def forget(instance, key, partition):
    """Delete what Dagster recorded of one partition of an asset."""
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition]), limit=10
    )
    with sqlite3.connect(Path(instance.root_directory) / "history" / "runs" / "index.db") as database:
        database.executemany("DELETE FROM event_logs WHERE id = ?", [(record.storage_id,) for record in found.records])
