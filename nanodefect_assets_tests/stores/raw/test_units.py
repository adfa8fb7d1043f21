import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.units import nm_per, pixel_size_nm


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("nm", 1),
        ("Nanometers", 1),
        ("[n_m]", 1),
        ("n_m", 1),
        ("nm\0", 1),
        (b"nm", 1),
        ("µm", 1e3),
        ("\u03bcm", 1e3),
        ("\\u00B5m", 1e3),
        ("micron", 1e3),
        ("microns", 1e3),
        ("micrometre", 1e3),
        ("um", 1e3),
        ("A", 0.1),
        ("Å", 0.1),
        ("\u212b", 0.1),
        ("Angstrom", 0.1),
        ("pm", 1e-3),
        ("m", 1e9),
        ("meters", 1e9),
        ("cm", 1e7),
        ("inch", 2.54e7),
        ("", None),
        (None, None),
        ("pixel", None),
        ("s", None),
        ("eV", None),
    ],
)
def test_units_of_length_in_nm(unit, nm):
    assert nm_per(unit) == nm


@pytest.mark.parametrize("unit", ["1/nm", "1 / nm", "1/m", "nm^-1", "nm-1", "mrad", "rad", "1/Å", "1 / µm"])
def test_reciprocal_units_are_of_diffraction_patterns(unit):
    with pytest.raises(Refusal, match="diffraction"):
        nm_per(unit)


@given(size_nm=st.floats(1e-3, 1e6), unit=st.sampled_from(["nm", "µm", "m", "A", "pm"]))
def test_the_unit_does_not_change_the_size(size_nm, unit):
    scale = size_nm / nm_per(unit)

    assert pixel_size_nm(scale, scale, unit) == pytest.approx(size_nm, rel=1e-12)


@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf"), 1e-300, 1e30])
def test_sizes_that_no_pixel_has_are_refused(scale):
    with pytest.raises(Refusal) as refused:
        pixel_size_nm(scale, scale, "nm")
    assert refused.value.reason == "bad_pixel_size"


def test_zero_means_not_known():
    assert pixel_size_nm(0, 0, "nm") is None


def test_rows_and_columns_may_be_in_different_units():
    assert pixel_size_nm(2.5, 0.25, "A", "nm") == pytest.approx(0.25)


@pytest.mark.parametrize(("col_nm", "is_square"), [(1.009, True), (0.991, True), (1.02, False), (0.98, False)])
def test_pixels_are_square_within_a_percent(col_nm, is_square):
    if is_square:
        assert pixel_size_nm(1.0, col_nm, "nm") == pytest.approx((1 + col_nm) / 2)
    else:
        with pytest.raises(Refusal, match="square"):
            pixel_size_nm(1.0, col_nm, "nm")
