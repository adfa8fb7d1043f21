import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from nanodefect_assets.stores.home import Home

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait give way, as in runs of ours
settings.register_profile("shared", deadline=None)  # CI's machine is slow now and then
settings.load_profile("shared")


@pytest.fixture
def rng():
    return np.random.default_rng(20210508)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NANODEFECT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Home(tmp_path / "home").prepare()


@pytest.fixture(scope="session")
def real_data():
    folder = os.environ.get("NANODEFECT_REAL_DATA")
    if not folder:
        pytest.skip("NANODEFECT_REAL_DATA is not set")
    return Path(folder)
