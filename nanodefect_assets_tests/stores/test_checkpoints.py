import math

import numpy as np
import pytest

from nanodefect_assets.domain.checkpoint import CheckpointState
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores import checkpoints
from nanodefect_assets.stores.checkpoints import FileCheckpoint

STATE = CheckpointState(
    arrays={
        "x": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "n": np.array(7, dtype=np.uint64),
        "none": np.zeros(0),
    },
    record={"epoch": 3, "loss": 0.1 + 0.2, "worst": math.nan, "curve": [1.0, 0.5]},
)


def _killed(path, content):
    raise KeyboardInterrupt


@pytest.fixture
def checkpoint(tmp_path):
    return FileCheckpoint(tmp_path / "work" / "unet.ckpt")


def test_nothing_is_there_before_the_first_save(checkpoint):
    assert checkpoint.load() is None


def test_a_state_comes_back_to_the_bit(checkpoint):
    checkpoint.save(STATE)
    found = checkpoint.load()

    assert found.arrays.keys() == STATE.arrays.keys()
    for name, array in STATE.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array, strict=True)
    assert math.isnan(found.record["worst"])
    assert {**found.record, "worst": None} == {**STATE.record, "worst": None}


def test_a_save_that_is_killed_leaves_the_state_before(checkpoint, monkeypatch):
    checkpoint.save(STATE)
    monkeypatch.setattr(checkpoints, "write_atomically", _killed)

    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(CheckpointState(arrays={}, record={}))
    assert checkpoint.load().record["epoch"] == 3


@pytest.mark.parametrize("keep", [0, 4, 30, 100, -1])
def test_a_damaged_file_is_told_with_what_to_do(checkpoint, keep):
    checkpoint.save(STATE)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:keep])

    with pytest.raises(Refusal, match="Delete the file"):
        checkpoint.load()


def test_a_removed_state_is_gone(checkpoint):
    checkpoint.remove()
    checkpoint.save(STATE)
    checkpoint.remove()

    assert checkpoint.load() is None
