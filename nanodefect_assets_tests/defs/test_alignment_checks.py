"""What the checks of aligned series say of their rows."""

from types import SimpleNamespace

import pytest

from nanodefect_assets.defs.tomography.aligned import _axis_doubts
from nanodefect_assets.defs.tomography.alignment_checks import alignment_checks
from nanodefect_assets.defs.tomography.companions import Companions, sample_doubts
from nanodefect_assets.science.tomography.tilt_axis import AxisChoice

GOOD = {
    "tilt_series_id": "b/end/a.mrc",
    "largest_shift_share": 0.1,
    "is_converged": True,
    "largest_factor_error": 0.2,
    "axis_doubts": [],
    "scan_half_correlation": 0.6,
    "sample_doubts": [],
    "n_compared": 1,
    "standard_spread": 1.2,
    "is_unsteady": False,
}


def failed(changes, why=None):
    checks = alignment_checks([GOOD | changes], {"b/end/a.mrc": why or {}})
    return {check.check_name for check in checks if not check.passed}


def test_a_good_series_passes_every_check():
    assert failed({}) == set()


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"largest_shift_share": 0.13}, "shifts_bounded"),
        ({"is_converged": False}, "shifts_bounded"),
        ({"axis_doubts": ["why"]}, "axis_is_sure"),
        ({"largest_factor_error": 0.26}, "factors_near_one"),
        ({"scan_half_correlation": 0.4}, "scans_agree"),
        ({"sample_doubts": ["why"]}, "sample_unchanged"),
        ({"standard_spread": 40.0, "is_unsteady": True}, "standard_is_steady"),
    ],
)
def test_each_fault_fails_its_own_check(changes, check):
    assert failed(changes) == {check}


def test_images_left_out_are_named_and_what_is_not_known_is_not_tested():
    checks = {check.check_name: check for check in alignment_checks([GOOD], {"b/end/a.mrc": {3: "dead"}})}
    unknown = alignment_checks([GOOD | {"scan_half_correlation": None, "is_converged": None}], {})

    assert not checks["tilts_used"].passed
    assert checks["tilts_used"].metadata["failed"].data == {"b/end/a.mrc": {"3": "dead"}}
    assert all(check.passed for check in unknown)


def test_a_change_and_images_that_cannot_be_compared_are_named():
    changed = SimpleNamespace(is_seen=True, in_words=lambda: "differ")
    same = SimpleNamespace(is_seen=False)
    unusable = "first.tif and last.tif cannot be compared: why"

    assert sample_doubts(same, [], Companions(change=same)) == []
    assert sample_doubts(None, ["two"], Companions(change=changed)) == ["images before and after differ", "two"]
    assert sample_doubts(changed, [], Companions(not_compared=unusable)) == ["images of one tilt differ", unusable]


def found(axis, **rest):
    return SimpleNamespace(axis=axis, tilt_axis=axis.axis, axis_deg=2.0, **{"is_axis_at_bound": False, **rest})


def test_doubts_of_the_axis_say_what_to_give():
    raw = SimpleNamespace(first=SimpleNamespace(tilt_axis_deg=90.0))
    sure, unsure = AxisChoice(axis="rows", misfits=(0.1, 0.2)), AxisChoice(axis="rows", misfits=(0.19, 0.2))
    (like,) = _axis_doubts(raw, found(unsure))
    (against,) = _axis_doubts(raw, found(AxisChoice(axis="rows", is_against_file=True)))
    (bound,) = _axis_doubts(raw, found(sure, is_axis_at_bound=True))

    assert _axis_doubts(raw, found(sure)) == []
    assert like.endswith("give tilt_axis")
    assert against.startswith("the file states 90 deg from vertical, taken are rows turned by 2.0 deg")
    assert "max_axis_deg" in bound
