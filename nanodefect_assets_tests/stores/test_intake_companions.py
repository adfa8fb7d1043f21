"""Images that a tilt series names: accepted with it, or the series is refused with the name of what is missing."""

import numpy as np
import pytest
import tifffile

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.batch_yaml import parse_batch_yaml
from nanodefect_assets.stores.intake_plan import plan_batch
from nanodefect_assets.stores.landing import survey
from nanodefect_assets.stores.simulated import write_tilt_series

SERIES = "path: a.mrc, modality: tilt_series"
GOLD = "path: gold.tif, modality: standard, lattice: square"
BEFORE, AFTER = (f"path: {name}.tif, modality: hrstem, pixel_size_nm: 0.2" for name in ("before", "after"))


def spec_of(*entries):
    return parse_batch_yaml(
        "batch: pd-1\naliquots: [{time: 1 h}, {time: 2 h}]\nfiles:\n"
        + "".join(f"  - {{{entry}{'' if 'aliquot' in entry else ', aliquot: 1 h'}}}\n" for entry in entries)
    )


def plan(folder, *entries):
    return plan_batch(folder, spec_of(*entries), survey(folder))


def refused(planned):
    return {file.path: (file.reason, file.expected, file.got) for file in planned.refused}


@pytest.fixture
def folder(tmp_path, rng):
    frames = rng.poisson(20, (3, 24, 24)).astype(np.float32)
    settings = {"pixel_size_nm": 0.2, "voltage_kv": 200.0, "dose_e_per_nm2": 1000.0}
    write_tilt_series(tmp_path / "a.mrc", frames, np.array([-10.0, 0.0, 10.0]), **settings)
    for name in ("gold", "before", "after"):
        tifffile.imwrite(tmp_path / f"{name}.tif", rng.integers(0, 1000, (24, 24)).astype("uint16"))
    return tmp_path


def test_a_series_and_its_images_are_accepted_together(folder):
    planned = plan(
        folder, f"{SERIES}, standard: gold.tif, image_before: before.tif, image_after: after.tif", GOLD, BEFORE, AFTER
    )
    files = {file.path: file.manifest_file("0" * 64, "r0001") for file in planned.files}

    assert planned.refused == ()
    assert files["a.mrc"].standard == "gold.tif"
    assert (files["a.mrc"].image_before, files["a.mrc"].image_after) == ("before.tif", "after.tif")
    assert files["gold.tif"].lattice == "square"
    assert files["gold.tif"].acquisition.pixel_size_nm is None, "a standard needs no calibration"


@pytest.mark.parametrize(
    ("entries", "got"),
    [
        ([f"{SERIES}, standard: silver.tif", GOLD], "none"),
        ([f"{SERIES}, standard: before.tif", BEFORE], "modality hrstem, image"),
        ([f"{SERIES}, standard: gold.tif", f"{GOLD}, aliquot: 2 h"], "modality standard, image"),
        ([f"{SERIES}, image_before: before.tif, image_after: nowhere.tif", BEFORE], "none"),
        ([f"{SERIES}, image_before: before.tif, image_after: gold.tif", BEFORE, GOLD], "modality standard, image"),
    ],
)
def test_a_series_whose_image_is_not_there_is_refused_and_the_others_are_not(folder, entries, got):
    planned = plan(folder, *entries)
    reason, expected, found = refused(planned)["a.mrc"]

    assert (reason, found) == ("no_such_image", got)
    assert "names" in expected
    assert "a.mrc" not in {file.path for file in planned.files}
    assert len(planned.files) == len(entries) - 1


def test_images_before_and_after_of_two_shapes_are_refused(folder, rng):
    tifffile.imwrite(folder / "after.tif", rng.integers(0, 1000, (24, 20)).astype("uint16"))
    planned = plan(folder, f"{SERIES}, image_before: before.tif, image_after: after.tif", BEFORE, AFTER)

    assert refused(planned)["a.mrc"][0] == "shapes_differ"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("path: gold.tif, modality: standard", "lattice: square or hexagonal"),
        ("path: gold.tif, modality: standard, lattice: cubic", "'square' or 'hexagonal'"),
        ("path: a.tif, modality: hrtem, lattice: square", "lattice only for standard"),
        ("path: a.tif, modality: hrtem, standard: gold.tif", "standard only for tilt_series"),
        (f"{SERIES}, standard: gold.tif, aligned: true", "a series that came aligned"),
        (f"{SERIES}, standard: gold.tif, second_scan_of: b.mrc", "second scans"),
        (f"{SERIES}, image_before: a.tif", "image_before and image_after, or neither"),
    ],
)
def test_entries_that_make_no_sense_are_refused_in_words(entry, expected):
    with pytest.raises(Refusal, match=expected):
        spec_of(entry)
