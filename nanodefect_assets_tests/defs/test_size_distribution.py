"""What the sizes of an aliquot know of the steps before them."""

import numpy as np
import pytest
from PIL import Image

from nanodefect_assets.definitions import defs
from nanodefect_assets.defs.ingest import make_batch
from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.stores.corrections import add_correction
from nanodefect_assets.stores.simulated import write_tiff
from nanodefect_assets.stores.warehouse import run_query

BATCH, FIRST, STACKED, UNCALIBRATED = "discs-01", "t0003600", "t0028800", "t0086400"


def sizes_of(home):
    found = run_query(home, "SELECT * FROM size_distributions").to_pylist()
    return {row["aliquot_time"]: row for row in found}


def test_a_micrograph_that_could_not_be_segmented_was_not_looked_at(home_copy, landing_of, ingest, planted):
    folder = landing_of(home_copy)
    hot = np.full((56, 168), 7.0)
    hot[20, 20] = 1000.0  # blank once its only spike is removed
    write_tiff(folder / "1h" / "hot.tif", hot, pixel_size_nm=planted["pixel_size_nm"])

    ingest(home_copy, folder)

    images = run_query(home_copy, "SELECT aliquot_time, count(*) AS n FROM micrographs GROUP BY ALL").to_pylist()
    assert {row["aliquot_time"]: row["n"] for row in images}[FIRST] == 2
    assert {aliquot: row["n_micrographs"] for aliquot, row in sizes_of(home_copy).items()} == planted["n_micrographs"]


def test_the_smallest_diameter_kept_is_that_of_segmentation(undisturbed, planted):
    sizes = sizes_of(undisturbed)

    in_nm = 8 * planted["pixel_size_nm"]  # 1.6 nm, more than the 1 nm of the other limit
    assert {aliquot: row["min_diameter"] for aliquot, row in sizes.items()} == pytest.approx(
        {FIRST: in_nm, STACKED: in_nm, UNCALIBRATED: 8.0}
    )


def test_frames_of_one_file_are_not_taken_for_independent(undisturbed):
    row = sizes_of(undisturbed)[STACKED]

    assert (row["n_micrographs_with_particles"], row["n_files_with_particles"]) == (2, 1)
    assert [value for name, value in row.items() if name.endswith("_se")] == [None] * 6


def test_number_density_is_that_of_the_frame(undisturbed, planted):
    sizes = sizes_of(undisturbed)

    area_um2 = 56 * 168 * planted["pixel_size_nm"] ** 2 * 1e-6
    assert sizes[UNCALIBRATED]["number_density_per_um2"] is None
    assert sizes[STACKED]["number_density_per_um2"] > 3 / area_um2, "weighted for particles that a frame cuts"
    assert sizes[STACKED]["number_density_per_um2"] < 30 / area_um2


def test_a_drawn_mask_has_no_smallest_diameter_but_a_pixel(home_copy, tmp_path):
    labels = np.zeros((56, 168), dtype=np.uint8)
    labels[10:20, 10:30], labels[30, 100] = 1, 2
    Image.fromarray(labels).save(tmp_path / "mine.png")
    entry = {"kind": "mask", "target": "1h/a.tif", "reason": "better by hand", "author": "A. Person"}
    add_correction(home_copy, BATCH, mask=tmp_path / "mine.png", **entry)

    with open_instance(home_copy) as instance:
        make_batch(defs, instance, home_copy, BATCH, say=lambda line: None)

    row = sizes_of(home_copy)[FIRST]
    assert row["n_particles"] == 2
    assert row["min_diameter"] == pytest.approx(0.2 * np.sqrt(4 / np.pi))
