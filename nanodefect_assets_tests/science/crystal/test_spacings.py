import pytest

from nanodefect_assets.science.crystal.spacings import lattice_spacings_nm


@pytest.mark.parametrize(
    ("material", "first_nm"),
    [
        ("Au", (0.2356, 0.2040, 0.1442)),  # ICDD 04-0784: {111} {200} {220}
        ("Fe", (0.2029, 0.1435)),  # {110} {200}
        ("Si", (0.3135, 0.1920, 0.1637)),  # {111} {220} {311}
        ("CdSe", (0.3723, 0.3505, 0.3288, 0.2552, 0.2150)),  # ICDD 08-0459: 100 002 101 102 110
        ("PbS", (0.3427, 0.2968)),  # {111} {200}
    ],
)
def test_spacings_are_those_of_powder_diffraction(material, first_nm):
    assert lattice_spacings_nm(material)[: len(first_nm)] == pytest.approx(first_nm, abs=3e-4)


@pytest.mark.parametrize("material", ["Pd@Pt", "PdPt", "Pd-Pt", "Pd0.5Pt0.5", "Pd Pt"])
def test_several_elements_give_the_spacings_of_all(material):
    expected = sorted({*lattice_spacings_nm("Pd"), *lattice_spacings_nm("Pt")}, reverse=True)

    assert lattice_spacings_nm(material) == pytest.approx(expected)


@pytest.mark.parametrize("material", ["gold rods", "", "Xx", "Pd on carbon", "Te", "42"])
def test_what_is_not_known_is_none(material):
    assert lattice_spacings_nm(material) is None
