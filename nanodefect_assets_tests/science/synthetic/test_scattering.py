import numpy as np
import pytest

from nanodefect_assets.science.synthetic.scattering import (
    TABULATED,
    projected_potential_volt_angstrom3,
    scattering_factor_angstrom,
)

FREQUENCIES = np.linspace(0, 3, 40)


@pytest.mark.parametrize("symbol", TABULATED)
def test_the_table_is_that_of_abtem(symbol):
    parametrizations = pytest.importorskip("abtem.parametrizations")
    theirs = parametrizations.LobatoParametrization()

    np.testing.assert_allclose(
        scattering_factor_angstrom(symbol, FREQUENCIES), theirs.scattering_factor(symbol)(FREQUENCIES**2), rtol=1e-4
    )
    np.testing.assert_allclose(
        projected_potential_volt_angstrom3(symbol, FREQUENCIES),
        theirs.projected_scattering_factor(symbol)(FREQUENCIES**2),
        rtol=1e-4,
    )


@pytest.mark.parametrize("symbol", TABULATED)
def test_atoms_scatter_less_at_larger_angles(symbol):
    factor = scattering_factor_angstrom(symbol, FREQUENCIES)

    assert np.all(np.diff(factor) < 0)
    assert factor[-1] > 0


@pytest.mark.parametrize(("symbol", "number"), [("C", 6), ("Pd", 46), ("Au", 79)])
def test_at_large_angles_it_is_rutherford_scattering(symbol, number):
    k = np.array([2.0, 6.0, 20.0])
    nucleus_alone = number / (2 * np.pi**2 * 0.529177 * k**2)  # the formula of Mott and Bethe with no electron around
    ratio = scattering_factor_angstrom(symbol, k) / nucleus_alone

    assert np.all(np.diff(ratio) > 0)
    assert ratio[-1] == pytest.approx(1, abs=0.05)


def test_an_element_without_numbers_is_refused():
    with pytest.raises(ValueError, match="Got 'Uue'"):
        scattering_factor_angstrom("Uue", FREQUENCIES)
