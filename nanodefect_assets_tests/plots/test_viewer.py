import base64
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.atom_order import ORDER_CLASSES, AtomOrder, BondLength
from nanodefect_assets.domain.grain_map import GrainMap
from nanodefect_assets.plots.viewer import build_viewer

ON_THE_EDGE = """() => {
  const view = document.getElementById("view"), pen = view.getContext("2d"), w = view.width, h = view.height;
  const sides = [[0, 0, w, 1], [0, h - 1, w, 1], [0, 0, 1, h], [w - 1, 0, 1, h]];
  return sides.some(side => pen.getImageData(...side).data.some(value => value));
}"""
"""Whether anything is drawn on the outermost pixels of the view: the particle would be cut off there."""


def made_order(n_atoms, rng):
    return AtomOrder(
        positions_angstrom=rng.uniform(-50, 50, size=(n_atoms, 3)) + 1000,
        order=rng.choice(ORDER_CLASSES, size=n_atoms),
        scores=rng.uniform(0, 12, size=(n_atoms, 4)),
        rotations=np.tile(np.eye(3), (n_atoms, 1, 1)),
        coordination=np.full(n_atoms, 12),
        is_exposed=np.zeros(n_atoms, dtype=bool),
        bond=BondLength(peak_angstrom=2.8, mean_angstrom=2.8, spread_angstrom=0.1, cutoff_angstrom=3.5),
    )


def made_grains(n_atoms, n_grains):
    return GrainMap(
        grain=np.arange(n_atoms) % (n_grains + 1) - 1,
        plane=np.full(n_atoms, -1),
        defect=np.where(np.arange(n_atoms) % 3, "none", "twin"),
        grains=(),
        planes=(),
        axes=(),
    )


def data_of(page):
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_carries_every_atom_to_a_thousandth_of_an_angstrom(rng):
    order = made_order(500, rng)
    data = data_of(build_viewer(order))
    packed = np.frombuffer(base64.b64decode(data["positions"]), dtype="<i2").reshape(-1, 3) * data["scale"]

    assert packed == pytest.approx(order.positions_angstrom - order.positions_angstrom.mean(axis=0), abs=1e-3)


@pytest.mark.parametrize("n_grains", [5, 400])
def test_colours_are_those_of_classes_grains_and_defects(n_grains, rng):
    order, grain_map = made_order(900, rng), made_grains(900, n_grains)
    colourings = {c["name"]: c for c in data_of(build_viewer(order, grain_map))["colourings"]}
    values = {name: np.frombuffer(base64.b64decode(c["values"]), dtype="u1") for name, c in colourings.items()}

    assert list(colourings) == ["order", "score", "grain", "defect"]
    assert [colourings["order"]["names"][value] for value in values["order"]] == order.order.tolist()
    assert values["grain"][:5].tolist() == [0, 1, 2, 3, 4]
    assert [colourings["defect"]["names"][value] for value in values["defect"]] == grain_map.defect.tolist()
    for name, colouring in colourings.items():
        assert values[name].max() < len(colouring["names"]) == len(colouring["colours"])


def test_twenty_thousand_atoms_are_well_under_two_megabytes(rng):
    page = build_viewer(made_order(20_000, rng), made_grains(20_000, 5))

    assert len(page.encode()) < 500_000


def test_the_page_needs_nothing_from_elsewhere_and_escapes_its_title(rng):
    page = build_viewer(made_order(20, rng), title="</script><b>x")

    assert "http" not in page
    assert "src=" not in page
    assert "&lt;/script&gt;&lt;b&gt;x" in page
    assert "</script><b>" not in page


@pytest.mark.browser
def test_the_outermost_atoms_are_whole_in_the_frame(rng, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser_path is None:
        pytest.skip("no browser on the PATH")
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = 4.0 * np.column_stack([np.cos(angle), np.sin(angle), np.zeros(16)])
    (tmp_path / "view.html").write_text(build_viewer(replace(made_order(16, rng), positions_angstrom=ring)))
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto((tmp_path / "view.html").as_uri())
        page.wait_for_function("document.getElementById('view').dataset.drawn === '16'")
        is_cut = page.evaluate(ON_THE_EDGE)
        browser.close()

    assert not is_cut


@pytest.mark.browser
def test_the_page_draws_turns_and_hides_in_a_browser(rng, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser_path is None:
        pytest.skip("no browser on the PATH")
    order, errors = made_order(3000, rng), []
    (tmp_path / "view.html").write_text(build_viewer(order, made_grains(3000, 5)))
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((tmp_path / "view.html").as_uri())
        page.wait_for_function("document.getElementById('view').dataset.drawn === '3000'")
        page.get_by_label("surface", exact=False).uncheck()
        n_left = int((order.order != "surface").sum())
        page.wait_for_function(f"document.getElementById('view').dataset.drawn === '{n_left}'")
        before = page.screenshot()
        page.locator("#view").press("ArrowLeft")
        page.wait_for_timeout(300)
        assert page.screenshot() != before
        browser.close()

    assert errors == []
