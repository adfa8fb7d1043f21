"""SIGKILL in the middle of alignment and of refinement: the next run does only the rounds that are left."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.stores.checkpoints import FileCheckpoint
from nanodefect_assets.stores.simulated import write_tilt_series
from nanodefect_assets.stores.warehouse import run_query

pytestmark = pytest.mark.slow
EDGE = 32
N_TILTS = {"alignment": 12, "refinement": 25}
"""Few are not denoised, which takes a minute; fewer than 25 are not refined."""
YAML = "batch: killed-1\nsimulated: true\nfiles: [{path: '*.mrc', modality: tilt_series}]\n"
N_ROUNDS = {
    "alignment": "SELECT n_rounds FROM aligned_series",
    "refinement": "SELECT n_rounds FROM refinements",
}


@pytest.fixture
def folder(home, rng, kind):
    """Return a batch of one series of strayed views of ten Gaussians."""
    tilts_deg = np.linspace(-72, 70, N_TILTS[kind])
    seen = rng.uniform(-5, 5, (10, 3)) @ np.transpose(TiltGeometry.single_axis(tilts_deg).rotations, (0, 2, 1))
    strays = rng.normal(0, 2, (len(tilts_deg), 2))
    offsets = np.arange(EDGE) - EDGE // 2
    rows, cols = (
        np.exp(-0.5 * ((offsets - seen[..., axis, None] - strays[:, [1 - axis], None]) / 1.5) ** 2) for axis in (1, 0)
    )
    counts = rng.poisson(60 * np.einsum("vpr,vpc->vrc", rows, cols) + 3).astype(np.float32)
    folder = home.landing / "killed-1"
    folder.mkdir()
    settings = {"pixel_size_nm": 0.2, "voltage_kv": 200.0, "dose_e_per_nm2": 1000.0}
    write_tilt_series(folder / "a.mrc", counts, tilts_deg, **settings)
    (folder / "batch.yaml").write_text(YAML)
    return folder


@pytest.mark.parametrize("kind", ["alignment", "refinement"])
def test_rounds_that_were_done_before_a_kill_are_not_done_again(home, folder, ingest, monkeypatch, kind):
    program = Path(__file__).with_name("ingest_until_killed.py")
    killed = subprocess.run([sys.executable, program, home.root, folder, kind], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-3000:]
    assert len(list((home.work / kind).glob("*.checkpoint"))) == 1

    saved, save = [], FileCheckpoint.save
    monkeypatch.setattr(
        FileCheckpoint, "save", lambda self, state: (saved.append(self.path.parent.name), save(self, state))
    )
    done = ingest(home, folder)

    assert done.trouble == ()
    (row,) = run_query(home, N_ROUNDS[kind]).to_pylist()
    n_rounds = row["n_rounds"]
    assert n_rounds > 1
    assert saved.count(kind) == n_rounds - 1
    assert not list(home.work.rglob("*.checkpoint"))
