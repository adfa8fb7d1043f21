"""From an expected intensity to the counts of a camera or a scan."""

import numpy as np
from jaxtyping import Float
from scipy import fft

from nanodefect_assets.science.synthetic.params import DetectorParams

_Image = Float[np.ndarray, "row col"]


def detect(
    intensity: _Image, params: DetectorParams, *, pixel_size_nm: float, rng: np.random.Generator
) -> Float[np.ndarray, "row col"]:
    """Return what is counted of an intensity.

    Parameters
    ----------
    intensity : ndarray of shape (row, col)
        Share of the electrons that arrive in each pixel; 1 is the whole incident beam.
    params : DetectorParams
        Dose and camera.
    pixel_size_nm : float
        Edge of a pixel.
    rng : Generator
        Draws which electrons come, and the readout noise.

    Notes
    -----
    Electrons are counted with Poisson noise; the camera then spreads each one over its neighbours (signal and shot
    noise alike), multiplies by its gain and adds readout noise and offset.
    """
    electrons = rng.poisson(params.dose_e_per_nm2 * pixel_size_nm**2 * np.maximum(intensity, 0)).astype(np.float32)
    if params.mtf_at_nyquist < 1:
        electrons = _spread(electrons, params.mtf_at_nyquist)
    counts = np.float32(params.counts_per_electron) * electrons + np.float32(params.offset_counts)
    if params.readout_counts:
        counts += np.float32(params.readout_counts) * rng.standard_normal(counts.shape, dtype=np.float32)
    return counts


def blur_by_drift(intensity: _Image, *, rows_px: float, cols_px: float) -> _Image:
    """Return an image of a sample that moves evenly by so many pixels during the exposure, as seen in its middle."""
    if not (rows_px or cols_px):
        return intensity
    along_rows = fft.fftfreq(intensity.shape[0])[:, None] * rows_px
    along_cols = fft.rfftfreq(intensity.shape[1]) * cols_px
    spectrum = fft.rfft2(intensity) * np.sinc(along_rows + along_cols).astype(np.float32)
    return fft.irfft2(spectrum, s=intensity.shape, overwrite_x=True)


def _spread(electrons: _Image, mtf_at_nyquist: float) -> _Image:
    """Convolve with a Gaussian whose transform has the given value at half a cycle a pixel."""
    rows, cols = fft.fftfreq(electrons.shape[0])[:, None], fft.rfftfreq(electrons.shape[1])
    transfer = mtf_at_nyquist ** ((rows**2 + cols**2) / 0.25)
    return fft.irfft2(fft.rfft2(electrons) * transfer.astype(np.float32), s=electrons.shape, overwrite_x=True)
