import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.science.synthetic.detector import blur_by_drift, detect
from nanodefect_assets.science.synthetic.params import DetectorParams

SHAPE = (200, 220)


def counts_of(intensity=1.0, pixel_size_nm=0.05, **settings):
    field = np.full(SHAPE, intensity)
    return detect(field, DetectorParams(**settings), pixel_size_nm=pixel_size_nm, rng=np.random.default_rng(3))


@pytest.mark.parametrize("dose_e_per_nm2", [400.0, 4e4])
@pytest.mark.parametrize("pixel_size_nm", [0.05, 0.1])
def test_mean_is_the_dose_and_variance_the_mean(dose_e_per_nm2, pixel_size_nm):
    counts = counts_of(pixel_size_nm=pixel_size_nm, dose_e_per_nm2=dose_e_per_nm2)

    assert counts.mean() == pytest.approx(dose_e_per_nm2 * pixel_size_nm**2, rel=0.02)
    assert counts.var() == pytest.approx(counts.mean(), rel=0.03)


def test_gain_readout_and_offset_add_up():
    counts = counts_of(counts_per_electron=5, readout_counts=20, offset_counts=300)

    assert counts.mean() == pytest.approx(300 + 5 * 100, rel=0.01)
    assert counts.var() == pytest.approx(25 * 100 + 400, rel=0.03)


@pytest.mark.parametrize("mtf_at_nyquist", [0.3, 0.7])
def test_the_camera_keeps_the_mean_and_takes_fine_contrast(mtf_at_nyquist):
    counts = counts_of(mtf_at_nyquist=mtf_at_nyquist)
    power = np.abs(np.fft.fft2(counts - counts.mean())) ** 2 / counts.size
    rows, cols = np.fft.fftfreq(SHAPE[0])[:, None], np.fft.fftfreq(SHAPE[1])
    fine = (np.abs(rows) > 0.4) & (np.abs(cols) < 0.2)
    kept = mtf_at_nyquist ** (2 * (rows**2 + cols**2) / 0.5**2)

    assert counts.mean() == pytest.approx(100, rel=0.01)
    assert power[fine].mean() / 100 == pytest.approx(kept[fine].mean(), rel=0.1)


@given(rows_px=st.floats(-6, 6), cols_px=st.floats(-6, 6))
def test_drift_keeps_mass_and_place_and_spreads_along_itself(rows_px, cols_px):
    rows, cols = np.indices((64, 64)) - 32
    spot = np.exp(-(rows**2 + cols**2) / 18)
    blurred = blur_by_drift(spot, rows_px=rows_px, cols_px=cols_px)

    assert blurred.sum() == pytest.approx(spot.sum(), rel=1e-6)
    assert (blurred * rows).sum() / spot.sum() == pytest.approx(0, abs=1e-3)
    # Even movement over a length d widens by d^2 / 12.
    assert (blurred * rows**2).sum() / spot.sum() == pytest.approx(9 + rows_px**2 / 12, rel=0.01)
    assert (blurred * rows * cols).sum() / spot.sum() == pytest.approx(rows_px * cols_px / 12, abs=0.02)
