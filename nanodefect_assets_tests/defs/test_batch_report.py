"""The page of a batch says what is in the tables."""

import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from nanodefect_assets.cli import main
from nanodefect_assets.defs.population.batch_report import _OF_A_SAMPLE, not_shown, shown_at
from nanodefect_assets.defs.population.batch_sections import Made, _card, _refused
from nanodefect_assets.domain.generation import AssetName, Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.generations import current_generation, new_generation
from nanodefect_assets.stores.revisions import current_manifest
from nanodefect_assets.stores.warehouse import run_query

NOUNS = (("samples", "micrographs"), ("hrtem", "segmentation"), ("hrtem", "mask_scores"), ("hrtem", "particles"))
REPORT = AssetName(group="population", noun="batch_report")
BATCH = Place(batch="discs-01")


@pytest.fixture(scope="module")
def page(undisturbed):
    return (current_generation(undisturbed, REPORT, BATCH).folder / "report.html").read_text()


def cells(page, heading):
    """Return the rows of the tables under a heading, without those that name the columns."""
    part = page.split(f"<h2>{heading}</h2>")[1].split("<h2>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)
    return [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in rows if "<td>" in row]


@pytest.fixture(scope="module")
def made(undisturbed):
    """What there is of the batch, to take something away from."""
    manifest = current_manifest(undisturbed, "discs-01")
    assets = {noun: AssetName(group=group, noun=noun) for group, noun in NOUNS}
    generations = {
        cell: {noun: current_generation(undisturbed, asset, cell) for noun, asset in assets.items()}
        for cell in manifest.cells()
    }
    return Made(home=undisturbed, manifest=manifest, generations=generations)


def test_all_is_shown_where_all_was_made(made):
    assert not_shown(made) == []


@pytest.mark.parametrize("noun", ["segmentation", "particles"])
def test_an_asset_that_was_not_made_is_missed_though_others_were(made, noun):
    cell = made.manifest.cells()[0]
    without = {name: found for name, found in made.generations[cell].items() if name != noun}

    assert not_shown(replace(made, generations={**made.generations, cell: without})) == [f"1 h: {noun}"]


def test_an_image_that_came_after_its_aliquot_was_made_is_missed(made):
    file = next(file for file in made.manifest.files if file.modality == "hrstem")
    later = file.model_copy(update={"path": "later.tif"})
    manifest = made.manifest.model_copy(update={"files": (*made.manifest.files, later)})

    (missing,) = not_shown(replace(made, manifest=manifest))
    assert missing.endswith(": later.tif")


def test_conditions_are_those_of_the_batch(page):
    assert ["whole batch", "temperature", "90 degC"] in cells(page, "Synthesis")
    assert ["8 h", "pH", "7.5"] in cells(page, "Synthesis")


def test_sizes_are_those_of_the_warehouse(page, undisturbed):
    query = "SELECT n_particles, round(mean_diameter, 6) AS mean FROM size_distributions ORDER BY aliquot_time"
    known = [(str(row["n_particles"]), f"{row['mean']:.3g}") for row in run_query(undisturbed, query).to_pylist()]

    assert [(row[2], row[4]) for row in cells(page, "Sizes")] == known


def test_every_refusal_is_named_with_its_reason(page, undisturbed):
    known = run_query(undisturbed, "SELECT item, reason FROM refused").to_pylist()
    shown = {(row[0], row[2]) for row in cells(page, "Set aside")}

    assert known
    assert len(shown) == len({(row["item"], row["reason"]) for row in known})
    assert {reason for _, reason in shown} == {row["reason"].replace("_", " ") for row in known}


@pytest.mark.parametrize(
    ("group", "noun"),
    [("hrtem", "particle_classes"), ("samples", "annotations"), ("sem", "te_crops"), ("atoms", "candidates")],
)
def test_what_any_asset_of_a_sample_set_aside_is_on_the_page(group, noun, home, made):
    cell = made.manifest.cells()[0]
    origin = Origin(asset=AssetName(group=group, noun=noun), place=cell, code_version="1")
    with new_generation(home, origin) as out:
        out.refuse("discs-01/a.tif", Refusal("no_pixel_size", expected="a pixel size", got="none"))
    shown = replace(
        made,
        manifest=made.manifest.model_copy(update={"refused": ()}),
        generations={cell: shown_at(home, cell, _OF_A_SAMPLE)},
    )

    ((row,),) = (table.rows for table in _refused(shown).tables)
    assert row[:3] == ("discs-01/a.tif", f"{group}/{noun}", "no pixel size")


def test_what_found_the_particles_is_named(page, undisturbed):
    known = run_query(undisturbed, "SELECT segmenter_name, count(*) AS n FROM masks GROUP BY ALL").to_pylist()

    shown = {(row[0], int(row[3])) for row in cells(page, "What found the particles")}
    assert shown == {(row["segmenter_name"], row["n"]) for row in known}


def test_checks_that_did_not_pass_come_first(page):
    outcomes = [row[3] for row in cells(page, "Checks")]

    order = ["failed", "warning", "not applicable: nothing to test", "passed"]
    assert {"passed", "warning", "not applicable: nothing to test"} <= set(outcomes)
    assert [outcome == "warning" for outcome in outcomes] == sorted([o == "warning" for o in outcomes], reverse=True)
    assert [order.index(outcome) > 1 for outcome in outcomes] == sorted(order.index(o) > 1 for o in outcomes)


def test_a_check_without_anything_to_test_does_not_say_passed(page):
    scored = {row[0]: row[3] for row in cells(page, "Checks") if row[2] == "agrees with labels"}

    assert scored.pop("1 h") == "passed"
    assert set(scored.values()) == {"not applicable: nothing to test"}


def test_the_checks_of_the_intake_are_among_those_of_the_page(page):
    found = {(row[0], row[2]): row[3] for row in cells(page, "Checks") if row[1] == "samples/intake"}

    assert found[("whole batch", "all files accepted")] == "warning"
    assert found[("whole batch", "earlier files kept")] == "passed"


def test_every_check_of_a_sample_is_on_the_page_whatever_asset_it_is_of(page):
    assets = {row[1] for row in cells(page, "Checks") if row[0] == "1 h"}

    assert {"samples/annotations", "atoms/order", "hrtem/particle_classes", "tomography/reconstruction"} <= assets


def test_nothing_is_said_to_pass_that_has_nothing_to_be_tested_on(page):
    of_atoms = {row[3] for row in cells(page, "Checks") if row[1].startswith("atoms/")}
    models = {row[3] for row in cells(page, "Checks") if row[2] == "like the training"}

    assert of_atoms == models == {"not applicable: nothing to test"}


def test_a_check_that_did_not_pass_says_why(page):
    said = {row[2]: row[4] for row in cells(page, "Checks") if row[3] == "warning"}

    assert "fewer than thirty particles" in said["every aliquot counted"]
    assert all(said.values())


def test_each_aliquot_has_its_images(page):
    for label in ("1 h", "8 h", "24 h"):
        part = page.split(f"<h2>Aliquot {label}</h2>")[1].split("<h2>")[0]
        assert part.count("<img ") == 1


def test_the_command_copies_the_page_or_says_what_is_missing(page, undisturbed, tmp_path):
    out, verb = tmp_path / "page.html", ["--home", str(undisturbed.root), "report"]

    assert CliRunner().invoke(main, [*verb, "discs-01", "--out", str(out)]).exit_code == 0
    assert out.read_text() == page
    unknown = CliRunner().invoke(main, [*verb, "other"])
    assert unknown.exit_code == 1
    assert "nanodefect status" in unknown.output


def test_a_model_that_found_particles_shows_its_card(undisturbed):
    facts = _card(undisturbed, "shipped")

    assert facts["architecture"] == "unet, 65490 numbers"
    assert facts["trained on"] == "simulated images only"
