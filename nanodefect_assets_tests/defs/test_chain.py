"""From a dropped batch to particles in SQL, and what a second drop changes."""

import base64
import hashlib
import os
import re
import shutil

import dagster as dg
import numpy as np
import pytest
import tifffile

from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.defs.partitions import sample_key
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.stores.revisions import current_manifest
from nanodefect_assets.stores.warehouse import run_query

ALIQUOTS = {"1h": "t0003600", "8h": "t0028800", "24h": "t0086400"}


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
        "SELECT aliquot_time, count(*) AS n, list(equivalent_diameter_px ORDER BY centroid_col_px) AS px, "
        "count_if(touches_edge) AS n_edge FROM particles JOIN micrographs USING (micrograph_id) "
        "JOIN files USING (file_id) GROUP BY micrograph_id, aliquot_time",
    )

    assert sorted(image["aliquot_time"] for image in found) == sorted(
        [ALIQUOTS["1h"], *[ALIQUOTS["8h"]] * planted["n_frames"], ALIQUOTS["24h"]]
    )
    for image in found:
        aliquot = next(name for name, key in ALIQUOTS.items() if key == image["aliquot_time"])
        expected_px = np.array(planted["diameters_nm"][aliquot]) / planted["pixel_size_nm"]
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
        {"name": "pH", "value": 7.5, "unit": None, "aliquot_time": ALIQUOTS["8h"]},
        {"name": "reagent/PVP", "value": 105.0, "unit": "mg", "aliquot_time": None},
        {"name": "temperature", "value": 90.0, "unit": "degC", "aliquot_time": None},
    ]
    by_aliquot = rows(undisturbed, "SELECT aliquot_label, temperature_degc, ph FROM aliquot_conditions ORDER BY growth_time_s")
    assert [tuple(aliquot.values()) for aliquot in by_aliquot] == [("1 h", 90, None), ("8 h", 90, 7.5), ("24 h", 90, None)]


def test_nothing_in_nm_is_invented_for_what_is_uncalibrated(undisturbed, planted):
    lengths = rows(
        undisturbed,
        f"SELECT equivalent_diameter_nm, area_nm2, feret_max_nm FROM particles WHERE sample LIKE '%/{ALIQUOTS['24h']}'",
    )
    sizes = row(undisturbed, f"SELECT * FROM size_distributions WHERE aliquot_time = '{ALIQUOTS['24h']}'")

    assert len(lengths) == 3
    assert {value for length in lengths for value in length.values()} == {None}
    assert sizes["length_unit"] == "px"
    assert sizes["mean_diameter"] == pytest.approx(6.0 / planted["pixel_size_nm"], rel=0.03)


def test_calibrated_aliquots_are_in_nm(undisturbed, planted):
    sizes = rows(undisturbed, "SELECT * FROM size_distributions WHERE length_unit = 'nm' ORDER BY aliquot_time")

    expected = [np.mean(planted["diameters_nm"][name]) for name in ("1h", "8h")]
    # Larger discs are likelier cut by the edge, so that the weighted mean lies above the plain one.
    assert [aliquot["mean_diameter"] for aliquot in sizes] == pytest.approx(expected, rel=0.05)


def test_every_frame_of_a_stack_is_a_micrograph(undisturbed, planted):
    found = rows(undisturbed, "SELECT micrograph_id FROM micrographs WHERE file_id LIKE '%stack.tif' ORDER BY ALL")

    base = f"discs-01/{ALIQUOTS['8h']}/8h/stack.tif"
    assert [image["micrograph_id"] for image in found] == [f"{base}@{n:04d}" for n in range(planted["n_frames"])]


@pytest.mark.parametrize(
    ("item", "asset", "reason"),
    [
        ("1h/cut.tif", "samples/intake", "truncated_file"),
        (f"discs-01/{ALIQUOTS['1h']}/1h/dark.tif", "samples/micrographs", "blank_image"),
        (f"discs-01/{ALIQUOTS['1h']}/1h/blank.tif", "samples/micrographs", "blank_image"),
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


@pytest.fixture(scope="module")
def shown(undisturbed):
    """Checks and metadata of the newest materialisation of every asset and partition."""
    checks, metadata = {}, {}
    with open_instance(undisturbed) as instance:
        for run in instance.get_runs():
            for event in (entry.dagster_event for entry in instance.all_logs(run.run_id)):
                if event is not None and event.is_step_materialization:
                    metadata[event.asset_key.to_user_string(), str(event.partition)] = event.step_materialization_data.materialization.metadata
                if event is not None and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                    check = event.asset_check_evaluation_data
                    checks[check.asset_key.to_user_string(), check.check_name, str(check.partition)] = check
    return checks, metadata


def test_checks_warn_of_what_was_set_aside_and_block_nothing(shown):
    checks, _ = shown
    failed = {(asset, name, partition) for (asset, name, partition), check in checks.items() if not check.passed}

    first = str(sample_key(Place(batch="discs-01", aliquot=ALIQUOTS["1h"])))
    assert failed == {
        ("samples/intake", "all_files_accepted", "discs-01"),
        ("samples/micrographs", "items_accepted", first),
        ("hrtem/segmentation", "items_accepted", first),
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


def test_an_aliquot_without_any_usable_micrograph_is_an_error_that_blocks_what_follows(home, ingest, landing_of):
    folder = home.landing / "nothing-1"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", np.full((32, 32), np.nan, dtype="float32"))
    (folder / "batch.yaml").write_text(
        "batch: nothing-1\nfiles:\n  - {path: a.tif, modality: hrstem, uncalibrated: true}\n"
    )

    done = ingest(home, folder)

    assert [place.sample for place in done.failed] == ["nothing-1/end"]
    assert "items_accepted" in " ".join(done.trouble)
    assert row(home, "SELECT reason FROM refused")["reason"] == "invalid_pixels"


# What a second drop changes


def test_the_same_batch_again_changes_nothing(home_copy, landing_of, ingest, tables_of, pointers_of):
    tables, pointers = tables_of(home_copy), pointers_of(home_copy)

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert done.manifest.revision == "r0001"
    assert done.made == ()
    assert pointers_of(home_copy) == pointers
    assert tables_of(home_copy) == tables


def test_recopied_with_other_times_it_is_the_same_batch(home_copy, landing_of, ingest, tables_of, pointers_of):
    tables, pointers = tables_of(home_copy), pointers_of(home_copy)
    for path in landing_of(home_copy).rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert (done.manifest.revision, done.made) == ("r0001", ())
    assert pointers_of(home_copy) == pointers
    assert tables_of(home_copy) == tables


def test_a_corrected_pixel_size_changes_every_size_and_nothing_else(home_copy, landing_of, ingest):
    lengths = "equivalent_diameter_nm AS nm, area_nm2 AS nm2, perimeter_nm AS around"
    others = "particle_id, area_px, perimeter_px, circularity, orientation_deg, mean_counts, inclusion_weight"
    sql = "SELECT {} FROM particles WHERE particle_id LIKE '%stack%' ORDER BY particle_id"
    elsewhere = "SELECT * FROM particles WHERE particle_id NOT LIKE '%stack%' ORDER BY ALL"
    before, same, untouched = (rows(home_copy, query) for query in (sql.format(lengths), sql.format(others), elsewhere))
    spec = landing_of(home_copy) / "batch.yaml"
    spec.write_text(spec.read_text().replace("pixel_size_nm: 0.2", "pixel_size_nm: 0.3"))

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert (done.manifest.revision, made(done)) == ("r0002", [ALIQUOTS["8h"]])
    for old, new in zip(before, rows(home_copy, sql.format(lengths)), strict=True):
        assert list(new.values()) == pytest.approx([old["nm"] * 1.5, old["nm2"] * 1.5**2, old["around"] * 1.5])
    assert rows(home_copy, sql.format(others)) == same
    assert rows(home_copy, elsewhere) == untouched


def test_a_corrected_note_makes_no_sample_again(home_copy, landing_of, ingest, pointers_of):
    pointers = pointers_of(home_copy)
    spec = landing_of(home_copy) / "batch.yaml"
    spec.write_text(spec.read_text().replace("first try", "second thoughts").replace("A. Robot", "B. Robot"))

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert (done.manifest.revision, done.made) == ("r0002", ())
    changed = {key for key, name in pointers_of(home_copy).items() if pointers[key] != name}
    assert changed == {"samples/intake discs-01/_"}
    assert row(home_copy, "SELECT note, revision FROM batches") == {"note": "second thoughts", "revision": "r0002"}


def test_a_later_aliquot_is_made_and_the_others_are_not(home_copy, landing_of, ingest, pointers_of):
    pointers = pointers_of(home_copy)
    add_aliquots(landing_of(home_copy), ["48"])

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert made(done) == ["t0172800"]
    after = pointers_of(home_copy)
    assert {key for key in pointers if pointers[key] != after[key]} == {
        "samples/intake discs-01/_",
        "population/size_distribution discs-01/_",
    }
    assert row(home_copy, "SELECT count(*) AS n FROM particles WHERE sample = 'discs-01/t0172800'")["n"] == 3


def add_aliquots(folder, hours):
    """Add copies of the 1 h aliquot's good image."""
    spec = (folder / "batch.yaml").read_text()
    for hour in hours:
        (folder / f"{hour}h").mkdir()
        shutil.copy(folder / "1h" / "a.tif", folder / f"{hour}h" / "a.tif")
        spec = spec.replace("files:\n", f"  - {{time: {hour} h}}\nfiles:\n", 1)
        spec += f'  - {{path: "{hour}h/*.tif", modality: hrstem, aliquot: {hour} h}}\n'
    (folder / "batch.yaml").write_text(spec)


def test_six_aliquots_at_once(home_copy, landing_of, ingest):
    add_aliquots(landing_of(home_copy), ["30", "31", "32", "33", "34", "35"])

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert len(done.made) == 6
    counts = rows(home_copy, "SELECT aliquot_time, n_particles FROM size_distributions WHERE length_unit = 'nm'")
    assert {aliquot["n_particles"] for aliquot in counts if aliquot["aliquot_time"] > ALIQUOTS["24h"]} == {3}
    assert len(counts) == 2 + 6


def test_a_changed_file_makes_its_sample_again_and_keeps_the_old_bytes(home_copy, landing_of, ingest):
    path = landing_of(home_copy) / "24h" / "a.tif"
    old = path.read_bytes()
    counts = tifffile.imread(path)
    tifffile.imwrite(path, np.ascontiguousarray(counts[:, ::-1]))

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert (done.manifest.revision, made(done)) == ("r0002", [ALIQUOTS["24h"]])
    assert (home_copy.raw / "discs-01" / "r0001" / "files" / "24h" / "a.tif").read_bytes() == old
    lineage = rows(home_copy, "SELECT DISTINCT sha256, revision FROM particle_lineage WHERE path = '24h/a.tif'")
    assert lineage == [{"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "revision": "r0002"}]


def test_an_aliquot_taken_out_of_batch_yaml_leaves_the_warehouse_and_its_files_stay(home_copy, landing_of, ingest):
    spec = landing_of(home_copy) / "batch.yaml"
    before = spec.read_text()
    spec.write_text("\n".join(line for line in before.splitlines() if "24 h" not in line) + "\n")

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert made(done) == []
    samples = {place["sample"] for place in rows(home_copy, "SELECT DISTINCT sample FROM particles")}
    assert samples == {f"discs-01/{ALIQUOTS[name]}" for name in ("1h", "8h")}
    assert {aliquot["aliquot_time"] for aliquot in rows(home_copy, "SELECT aliquot_time FROM size_distributions")} == {
        ALIQUOTS["1h"],
        ALIQUOTS["8h"],
    }
    assert (home_copy.raw / "discs-01" / "r0001" / "files" / "24h" / "a.tif").exists()
    assert (landing_of(home_copy) / "24h" / "a.tif").exists()

    spec.write_text(before)
    again = drop(home_copy, landing_of(home_copy), ingest)

    assert made(again) == [], "what was made of it is still there"
    assert len(rows(home_copy, "SELECT DISTINCT sample FROM particles")) == 3


def test_accepted_originals_are_read_only(undisturbed):
    manifest = current_manifest(undisturbed, "discs-01")
    files = [path for path in (undisturbed.raw / "discs-01" / "r0001" / "files").rglob("*") if path.is_file()]

    assert len(files) >= len(manifest.files)
    assert {path.stat().st_mode & 0o222 for path in files} == {0}


def test_what_dagster_does_not_know_to_be_made_is_made_again_for_it(home_copy, landing_of, ingest, pointers_of):
    """As after a kill between putting a generation in force and telling Dagster of it."""
    pointers = pointers_of(home_copy)
    with open_instance(home_copy) as instance:
        instance.wipe_assets([dg.AssetKey(["hrtem", "particles"])])

    done = drop(home_copy, landing_of(home_copy), ingest)

    assert len(done.made) == 3
    assert pointers_of(home_copy) == pointers
    with open_instance(home_copy) as instance:
        assert len(instance.get_materialized_partitions(dg.AssetKey(["hrtem", "particles"]))) == 3
