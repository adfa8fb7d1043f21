import numpy as np
import pytest

from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.crystal.layered import fcc_particle
from nanodefect_assets.science.crystal.params import CrystalParams
from nanodefect_assets.science.synthetic.params import TiltSeriesParams
from nanodefect_assets.science.synthetic.tilts import tilt_series

STILL = {
    "n_pixels": 96,
    "n_tilts": 5,
    "shift_rms_px": 0,
    "tilt_error_rms_deg": 0,
    "axis_error_rms_deg": 0,
    "factor_rms": 0,
    "scan_stretch": 0,
    "scan_shear_deg": 0,
    "drift_rms_px": 0,
}


def particle():
    return fcc_particle(CrystalParams(symbol="Pd", lattice_angstrom=3.891, diameter_angstrom=20))


def three_atoms():
    """Three atoms far apart, the middle one on the origin."""
    positions = np.array([[-9.0, -7.0, 2.0], [0.0, 0.0, 0.0], [8.0, 9.5, -3.0]])
    return Structure(
        species=np.full(3, "Pd"),
        positions_angstrom=positions,
        grain=np.zeros(3, dtype=int),
        layer_kind=np.full(3, "fcc"),
        defect=np.full(3, "none"),
        frames=np.eye(3)[None],
        kind="phantom",
        bond_angstrom=2.75,
    )


def series(structure, seed=0, **settings):
    return tilt_series(structure, TiltSeriesParams(**(STILL | settings)), rng=np.random.default_rng(seed))


def places_px(frame, rough_px, reach_px=7):
    """Centres of mass around places, less the background."""
    found = []
    for row, col in np.rint(rough_px).astype(int):
        window = np.s_[row - reach_px : row + reach_px + 1, col - reach_px : col + reach_px + 1]
        mass = frame[window].astype(float)
        rows, cols = np.indices(mass.shape)
        found.append(((mass * (rows + row - reach_px)).sum(), (mass * (cols + col - reach_px)).sum()) / mass.sum())
    return np.array(found)


def test_with_nothing_planted_both_scans_are_the_ideal_and_noise():
    planted = series(particle(), dose_e_per_px=1e6, background_fraction=0.01)
    expected = planted.ideal * planted.counts_per_ideal + planted.background_counts[:, None, None]

    for scan in planted.upright():
        np.testing.assert_allclose((scan - expected) / np.sqrt(expected), 0, atol=7)
        assert np.std((scan - expected) / np.sqrt(expected)) == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(planted.euler_deg[:, 1], [64, 32.75, 1.5, -29.75, -61])


@pytest.mark.parametrize("dose_e_per_px", [75.0, 2000.0])
def test_the_dose_sets_brightest_pixel_and_noise(dose_e_per_px):
    planted = series(particle(), dose_e_per_px=dose_e_per_px, peak_fraction=0.4, background_fraction=0.1, n_tilts=60)
    corner = np.stack([planted.scans_0deg[:, :20, :20], planted.scans_90deg[:, -20:, -20:]])
    untilted = np.abs(planted.nominal_tilts_deg).argmin()

    assert corner[:, untilted].mean() == pytest.approx(0.1 * dose_e_per_px, rel=0.03)
    assert np.mean(corner.var(axis=(2, 3)) / corner.mean(axis=(2, 3))) == pytest.approx(1, abs=0.03)
    # One degree off the zone, columns are a little less bright than at the tilt that sets the scale.
    assert planted.ideal[untilted].max() * planted.counts_per_ideal == pytest.approx(0.4 * dose_e_per_px, rel=0.1)


def test_shifts_and_factors_are_in_the_scans():
    planted = series(particle(), shift_rms_px=3, factor_rms=0.1, dose_e_per_px=1e5, background_fraction=0)
    rows, cols = np.indices((96, 96))

    for scan, ideal, shift_px, factor in zip(
        planted.scans_0deg.astype(float), planted.ideal, planted.shifts_px, planted.factors, strict=True
    ):
        centre = (scan * rows).sum() / scan.sum(), (scan * cols).sum() / scan.sum()
        ideal_centre = (ideal * rows).sum() / ideal.sum(), (ideal * cols).sum() / ideal.sum()
        np.testing.assert_allclose(np.subtract(centre, ideal_centre), shift_px, atol=0.02)
        assert scan.sum() / (ideal.sum() * planted.counts_per_ideal) == pytest.approx(factor, rel=1e-3)


def test_scan_distortion_and_drift_are_where_the_definition_puts_them():
    """An atom at a shows at the pixel q where M q = a + drift * time(q), in either scan."""
    settings = {"scan_stretch": 0.04, "scan_shear_deg": 3, "drift_rms_px": 3, "shift_rms_px": 2, "n_tilts": 2}
    planted = series(
        three_atoms(), first_tilt_deg=20, last_tilt_deg=-15, dose_e_per_px=1e6, background_fraction=0, **settings
    )
    first, second = planted.upright()
    ideal_px = np.stack([three_atoms().positions_angstrom[:, 1], np.zeros(3)], axis=-1) / 0.35

    for at, tilt_deg in enumerate((20, -15)):
        x, _, z = three_atoms().positions_angstrom.T
        cos, sin = np.cos(np.deg2rad(tilt_deg)), np.sin(np.deg2rad(tilt_deg))
        ideal_px[:, 1] = (x * cos + z * sin) / 0.35
        for scan, frames, is_turned in ((0, first, False), (1, second, True)):
            drift_px = planted.drift_px[at, scan]
            start_px = planted.shifts_px[at] + (planted.drift_px[at].mean(axis=0) if is_turned else 0)
            found = places_px(frames[at], ideal_px + start_px + 48)
            found = places_px(frames[at], found) - 48
            time = (95 - (found[:, 1] + 48) if is_turned else found[:, 0] + 48) / 96 - 0.5
            expected = found @ planted.scan_matrix.T - time[:, None] * drift_px - start_px
            np.testing.assert_allclose(expected, ideal_px, atol=0.06)


def test_the_second_scan_is_turned_by_ninety_degrees():
    planted = series(three_atoms(), dose_e_per_px=1e5, background_fraction=0)

    first, turned = planted.scans_0deg[2], planted.scans_90deg[2]

    assert np.corrcoef(np.rot90(first).ravel(), turned.ravel())[0, 1] > 0.99
    assert np.corrcoef(first.ravel(), turned.ravel())[0, 1] < 0.9


def test_tilt_errors_are_planted_in_the_views():
    planted = series(particle(), tilt_error_rms_deg=1, axis_error_rms_deg=0.5, n_tilts=40)

    errors = planted.euler_deg - np.stack([np.zeros(40), planted.nominal_tilts_deg, np.zeros(40)], axis=-1)
    assert errors.std(axis=0) == pytest.approx([0.5, 1, 0.5], rel=0.4)


def test_the_same_seed_gives_the_same_series():
    first, again, other = (
        series(particle(), seed, shift_rms_px=2, drift_rms_px=1, factor_rms=0.05) for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(first.scans_0deg, again.scans_0deg)
    np.testing.assert_array_equal(first.scans_90deg, again.scans_90deg)
    assert (first.scans_0deg != other.scans_0deg).any()
    assert (first.shifts_px != other.shifts_px).all()
