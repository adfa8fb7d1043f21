import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed_intake.py")


@pytest.mark.parametrize("scenario", ["first", "corrected"])
@pytest.mark.parametrize("n_moments", [8, pytest.param(0, marks=pytest.mark.slow)])
def test_an_intake_killed_anywhere_and_run_again_ends_the_same(tmp_path, scenario, n_moments):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), scenario, str(n_moments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert len(told["tried"]) == (n_moments or told["n_calls"]) > 7
    for one in told["tried"]:
        assert one["was_killed"], one
        assert one["is_readable"], one
        assert one["is_same"], one
        assert one["is_new_revision"] != one["was_in_force"], one  # told once: by who puts it in force
    if n_moments == 0:
        assert {one["was_in_force"] for one in told["tried"]} == {False, True}
