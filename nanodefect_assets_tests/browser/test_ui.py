"""The user interface in a real browser: the graph, a partition made by clicking, its preview and its checks."""

import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from nanodefect_assets.science.synthetic.fields import particle_field
from nanodefect_assets.science.synthetic.params import ParticleFieldParams
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.simulated import write_mrc

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
NANODEFECT = Path(sys.executable).parent / "nanodefect"
START_S, RUN_S, END_S, PAGE_MS = 180, 120, 60, 60_000
PARTITION = "?view=partitions&partition=t0003600%7Csim-01"
FIELD = ParticleFieldParams(
    modality="hrstem", n_rows=256, n_cols=256, pixel_size_nm=0.2, n_particles=12, dose_e_per_nm2=2000.0
)
BATCH_YAML = """\
batch: sim-01
material: Pd
simulated: true
aliquots:
  - time: 1 h
files:
  - {path: "*.mrc", modality: hrstem, aliquot: 1 h}
"""


@pytest.fixture(scope="module")
def chromium():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("the Python package playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser on the PATH: none of {', '.join(BROWSERS)} (on Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url(chromium, tmp_path_factory):
    """Address of a running user interface whose home has one small batch, made without it."""
    folder = tmp_path_factory.mktemp("ui")
    home, batch, log = Home(folder / "home"), folder / "sim-01", folder / "servers.log"
    batch.mkdir()
    field = particle_field(FIELD, rng=np.random.default_rng(1))
    write_mrc(batch / "0.mrc", field.micrograph.counts, pixel_size_nm=FIELD.pixel_size_nm)
    (batch / "batch.yaml").write_text(BATCH_YAML)
    subprocess.run([NANODEFECT, "--home", home.root, "ingest", batch], check=True, capture_output=True)
    port, mlflow_port = free_ports(2)
    command = [NANODEFECT, "--home", home.root, "ui", "--port", str(port), "--mlflow-port", str(mlflow_port)]
    with log.open("wb") as output:
        servers = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_S
        while not answers(f"http://127.0.0.1:{port}/server_info"):
            assert servers.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        servers.terminate()
        try:
            servers.wait(END_S)
        except subprocess.TimeoutExpired:
            servers.kill()
            servers.wait()
            raise


def free_ports(n):
    probes = [socket.socket() for _ in range(n)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


@pytest.fixture
def page(chromium, url):
    context = chromium.new_context(viewport={"width": 1500, "height": 1000}, base_url=url)
    page = context.new_page()
    page.set_default_timeout(PAGE_MS)
    yield page
    context.close()


def shown(page, text):
    return page.get_by_text(text, exact=True).locator("visible=true").first


def choose(page, key):
    """Choose a partition in the next empty box of the dialog."""
    page.get_by_text("Select a partition or create one").first.click()
    page.get_by_role("menuitem").filter(has_text=key).click()
    page.keyboard.press("Escape")


def width_of_preview(page):
    """Open the preview of the page and return how many columns of pixels the browser made of it."""
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.locator("img[alt=preview]")
    picture.wait_for()
    return picture.evaluate("async image => { await image.decode(); return image.naturalWidth; }")


@pytest.mark.parametrize(
    ("group", "nouns"),
    [
        ("samples", ["intake", "manifest", "micrographs", "annotations"]),
        ("hrtem", ["segmentation", "mask_scores", "particles"]),
        ("population", ["size_distribution", "warehouse"]),
    ],
)
def test_the_list_of_each_group_has_its_assets(page, group, nouns):
    page.goto(f"/locations/nanodefect_assets/asset-groups/{group}/list")

    for noun in nouns:
        page.locator(f'a[href*="/assets/{group}/{noun}"]').first.wait_for()


@pytest.mark.parametrize("group", ["samples", "atoms"])
def test_the_graph_of_a_group_is_drawn_with_its_checks(page, group):
    """Only what lies in the window is drawn, and of a large group only its outline."""
    page.goto(f"/locations/nanodefect_assets/asset-groups/{group}")

    shown(page, "Asset checks").wait_for()


def test_a_partition_is_made_by_clicking(page):
    page.goto("/assets/hrtem/segmentation")
    page.get_by_text(re.compile("^Materialize")).first.click()
    choose(page, "t0003600")
    choose(page, "sim-01")
    page.get_by_text("Launch 1 run", exact=True).click()
    page.get_by_role("link", name="View", exact=True).click()

    page.wait_for_url("**/runs/*")
    outcome = page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
    outcome.wait_for(timeout=1000 * RUN_S)
    assert outcome.inner_text() == "Success"
    run = page.url.rsplit("/", 1)[-1][:8]
    page.goto(f"/assets/hrtem/segmentation{PARTITION}")
    shown(page, run).wait_for()


@pytest.mark.parametrize("asset", ["samples/micrographs", "hrtem/segmentation", "hrtem/particles"])
def test_the_preview_is_a_picture_that_the_browser_can_draw(page, asset):
    page.goto(f"/assets/{asset}{PARTITION}")

    assert width_of_preview(page) >= 150


@pytest.mark.parametrize(
    ("asset", "check", "result"),
    [
        ("hrtem/segmentation", "particles_found", "Passed"),
        ("hrtem/particles", "sizes_plausible", "Passed"),
        # Eleven particles are fewer than the thirty that the check wants.
        ("population/size_distribution", "every_aliquot_counted", "Failed"),
    ],
)
def test_the_result_of_a_check_is_shown(page, asset, check, result):
    page.goto(f"/assets/{asset}?view=checks&checkDetail={check}")

    shown(page, "Evaluation result").wait_for()
    outcome = page.get_by_text(re.compile("^(Passed|Failed)")).locator("visible=true").first
    outcome.wait_for()
    assert outcome.inner_text() == result
