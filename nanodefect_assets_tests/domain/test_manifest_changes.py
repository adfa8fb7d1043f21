import pytest

from nanodefect_assets.domain.manifest_changes import calibration_jumps


@pytest.mark.parametrize(("new", "said"), [(0.1, "10 times smaller"), (2.5, "2.5 times larger")])
def test_a_pixel_size_that_jumps_is_told_once_for_all_its_files(new, said):
    (line,) = calibration_jumps({"a.tif": 1.0, "b.tif": 1.0}, {"b.tif": new, "a.tif": new, "c.tif": 7.0})

    assert f"a.tif and 1 more goes from 1 to {new:g} nm, {said}" in line


@pytest.mark.parametrize("new", [0.5, 1.0, 2.0, None])
def test_up_to_twice_is_no_jump(new):
    assert calibration_jumps({"a.tif": 1.0}, {"a.tif": new}) == ()
    assert calibration_jumps({"a.tif": new}, {"a.tif": 1.0}) == ()
