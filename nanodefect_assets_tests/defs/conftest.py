"""A small batch with planted truth, homes that it was taken in by, and what a warehouse holds whoever made it."""

import shutil

import numpy as np
import pytest
import tifffile

from nanodefect_assets.domain import schemas
from nanodefect_assets.science.synthetic.discs import disc_micrograph
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.simulated import write_labels, write_tiff
from nanodefect_assets.stores.warehouse import run_query

PIXEL_SIZE_NM = 0.2
DIAMETERS_NM = {"1h": (5.0, 6.0, 7.0), "8h": (8.0, 7.5, 6.5), "24h": (6.0, 6.0, 6.0)}
N_FRAMES = 2
BATCH = "discs-01"
YAML = """\
batch: discs-01
material: Au
operator: A. Robot
note: first try
conditions:
  temperature: 90 degC
  reagents:
    - {name: PVP, amount: 105, unit: mg}
aliquots:
  - {time: 1 h}
  - {time: 8 h, conditions: {pH: 7.5}}
  - {time: 24 h}
files:
  - {path: "1h/*.tif", modality: hrstem, aliquot: 1 h}
  - {path: "1h/labels/*.png", modality: labels, aliquot: 1 h}
  - {path: "8h/stack.tif", modality: hrstem, aliquot: 8 h, pixel_size_nm: 0.2}
  - {path: "24h/*.tif", modality: hrstem, aliquot: 24 h, uncalibrated: true}
"""

_OF_THE_RUN = {"generation", "input_generation", "path", "dagster_run_id", "created_at"}
"""Columns that differ between two runs that make the same."""


def discs(aliquot, seed):
    """Return a micrograph of three bright discs, 56 rows by 168 columns."""
    rng = np.random.default_rng([seed, len(aliquot)])
    diameters = DIAMETERS_NM[aliquot]
    return disc_micrograph(diameters_nm=diameters, pixel_size_nm=PIXEL_SIZE_NM, rng=rng, shape=(56, 168))


def write_discs(folder, text=YAML):
    """Write a batch of three aliquots: a calibrated file with labels, a stack, an uncalibrated file; also bad files."""
    for name in ("1h/labels", "8h", "24h"):
        (folder / name).mkdir(parents=True)
    planted = discs("1h", 1)
    write_tiff(folder / "1h" / "a.tif", planted.micrograph.counts, pixel_size_nm=PIXEL_SIZE_NM)
    write_labels(folder / "1h" / "labels" / "a.png", planted.labels)
    write_tiff(folder / "1h" / "blank.tif", np.full((56, 168), 7.0), pixel_size_nm=PIXEL_SIZE_NM)
    write_tiff(folder / "1h" / "dark.tif", np.full((56, 168), np.nan), pixel_size_nm=PIXEL_SIZE_NM)
    (folder / "1h" / "cut.tif").write_bytes((folder / "1h" / "a.tif").read_bytes()[:2000])
    stack = np.stack([discs("8h", n).micrograph.counts for n in range(N_FRAMES)])
    tifffile.imwrite(folder / "8h" / "stack.tif", stack, photometric="minisblack")
    tifffile.imwrite(folder / "24h" / "a.tif", discs("24h", 3).micrograph.counts)
    (folder / "batch.yaml").write_text(text)
    return folder


def add_copies(folder, hours):
    """Add aliquots, each with a copy of the good image of the first."""
    spec = (folder / "batch.yaml").read_text()
    for hour in hours:
        (folder / f"{hour}h").mkdir()
        shutil.copy(folder / "1h" / "a.tif", folder / f"{hour}h" / "a.tif")
        spec = spec.replace("files:\n", f"  - {{time: {hour} h}}\nfiles:\n", 1)
        spec += f'  - {{path: "{hour}h/*.tif", modality: hrstem, aliquot: {hour} h}}\n'
    (folder / "batch.yaml").write_text(spec)
    return folder


@pytest.fixture(scope="session")
def add_aliquots():
    return add_copies


@pytest.fixture
def planted():
    """What the batch holds, by the key of the aliquot."""
    diameters_nm = {"t0003600": DIAMETERS_NM["1h"], "t0028800": DIAMETERS_NM["8h"], "t0086400": DIAMETERS_NM["24h"]}
    n_micrographs = dict.fromkeys(diameters_nm, 1) | {"t0028800": N_FRAMES}
    return {"diameters_nm": diameters_nm, "pixel_size_nm": PIXEL_SIZE_NM, "n_micrographs": n_micrographs}


@pytest.fixture(scope="session")
def write_batch():
    """Write the batch into a folder."""
    return write_discs


@pytest.fixture(scope="session")
def ingest():
    """Take a folder in, in this process."""
    from nanodefect_assets.definitions import defs
    from nanodefect_assets.defs.ingest import ingest_batch
    from nanodefect_assets.defs.instance import open_instance

    def run(home, folder):
        with open_instance(home) as instance:
            return ingest_batch(defs, instance, home, folder, say=lambda line: None)

    return run


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, ingest):
    """Home that took the batch in once; to be read, or copied with `home_copy`."""
    home = Home(tmp_path_factory.mktemp("undisturbed") / "home").prepare()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NANODEFECT_HOME", str(home.root))
        patch.setenv("DAGSTER_HOME", str(home.dagster))
        done = ingest(home, write_discs(home.landing / BATCH))
    assert done.trouble == ()
    return home


@pytest.fixture
def home_copy(undisturbed, tmp_path, monkeypatch):
    """Home of one's own in which the batch was taken in."""
    root = tmp_path / "home"
    shutil.copytree(undisturbed.root, root)
    monkeypatch.setenv("NANODEFECT_HOME", str(root))
    monkeypatch.setenv("DAGSTER_HOME", str(root / "dagster"))
    return Home(root)


@pytest.fixture(scope="session")
def tables_of():
    """Read every table of the published warehouse, less what names the run that made it."""

    def read(home):
        return {
            table.name: run_query(home, _select(table)).to_pylist() for table in schemas.ALL if table != schemas.RUNS
        }

    def _select(table):
        names = [
            name
            for column in (*schemas.provenance_of(table), *table.columns)
            if (name := column.name) not in _OF_THE_RUN
        ]
        columns = names if table in schemas.WRITTEN else [name for name in names if name in table.names]
        return f"SELECT {', '.join(dict.fromkeys(columns))} FROM {table.name} ORDER BY ALL"

    return read


@pytest.fixture(scope="session")
def pointers_of():
    """Read which generation of each asset and place is in force."""

    def read(home):
        return {f"{asset} {place.sample}": folder.name for asset, place, folder in home.pointers()}

    return read


@pytest.fixture(scope="session")
def landing_of():
    def path(home):
        return home.landing / BATCH

    return path
