"""Where lattice fringes are: energy of an image in the bands of a lattice, against that of the support around.

A bank of Gaussian windows in Fourier space, one for each spacing and direction, parts the fringes of crystals from an
amorphous support, whose energy is spread over all directions alike.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import fft
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.special import gammaincinv, ndtr

_Image = Float[np.ndarray, "row col"]

_REACH = 3.0
"""Standard deviations of a window up to which it is computed."""
_STEP = 1.5
"""Distance of neighbouring directions, in standard deviations of a window: fringes between two lose a quarter."""
_LEAST_SUPPORT = 0.2
"""Share of a window's weight inside the frame below which the frame is no longer made up for."""


@dataclass(frozen=True, kw_only=True)
class LatticeEnergy:
    """Energy of the fringes around each pixel.

    Attributes
    ----------
    ratio : ndarray of shape (row, col)
        Energy in the strongest band and direction over the median of that band in the image, float32.
    n_windows : int
        Bands and directions that were looked at.
    effective_share : float
        Variance of the smoothed energy of featureless support, where that of the energy itself is 1.
    """

    ratio: _Image
    n_windows: int
    effective_share: float

    def threshold(self, false_alarm: float) -> float:
        """Return the ratio that a share `false_alarm` of featureless support exceeds.

        Notes
        -----
        The amplitude behind a Gaussian window is a complex Gaussian field; its energy, smoothed by a Gaussian, is a sum
        of independent exponential terms with means (1 - q)^2 q^(i+j) (Mehler's eigenvalues of a Gaussian kernel [1]_),
        i, j = 0, 1, ... The sum's far tail is that of the largest term, which is simple, times the product of
        1 / (1 - q^n)^(n + 1), and any of the windows may exceed the threshold.

        References
        ----------
        .. [1] C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning (2006), eq. 4.40.
        """
        root = np.sqrt(self.effective_share)
        q = (1 - root) / (1 + root)
        n = np.arange(1, 60)
        log_factor = -float(np.sum((n + 1) * np.log1p(-(q**n))))
        exceeded = (1 - q) ** 2 * (log_factor + np.log(self.n_windows / false_alarm))
        return float(exceeded / _median_of_smoothed_energy(self.effective_share))


def lattice_energy(image: _Image, frequencies: Sequence[float], *, coherence: float, smoothing: float) -> LatticeEnergy:
    """Return the local energy of `image` in bands around some frequencies, relative to the support.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        Any unit.
    frequencies : sequence of float
        Middle of each band, in cycles per pixel, between 0 and 0.5.
    coherence : float
        Standard deviation of the envelope of a window, in periods of the coarsest fringes.
    smoothing : float
        Standard deviation of the blur of the energy, in those of the envelope.

    Notes
    -----
    Only the part of the Fourier transform inside a window is transformed back: the energy on a grid as coarse as the
    window allows, so that a window costs a small part of a transform of the image [1]_. Beyond the frame there is
    nothing; what is missing of the energy there is made up for.

    References
    ----------
    .. [1] M. J. Hytch, E. Snoeck, R. Kilaas, Ultramicroscopy 74, 131 (1998), section 2, for the amplitude of fringes,
       doi:10.1016/S0304-3991(98)00035-7.
    """
    envelope_px = coherence / min(frequencies)
    bank = _Bank(image, envelope_px=envelope_px, smoothing_px=smoothing * envelope_px, coarsest=min(frequencies))
    best = np.zeros(bank.inside, dtype=np.float32)
    n_windows = 0
    for frequency in frequencies:
        energies = np.stack(list(bank.smoothed_energies(frequency)))
        background = float(np.median(energies))
        n_windows += len(energies)
        if background > 0:
            np.maximum(best, energies.max(axis=0) / np.float32(background), out=best)
    share = envelope_px**2 / (envelope_px**2 + 2 * bank.smoothing_px**2)
    return LatticeEnergy(ratio=bank.at_every_pixel(best), n_windows=n_windows, effective_share=share)


def band_share(coherence: float) -> float:
    """Return the half width of a band of `lattice_energy` relative to the coarsest frequency: a standard deviation."""
    return 1 / (2 * np.pi * coherence)


def _median_of_smoothed_energy(effective_share: float) -> float:
    """Return the median of a smoothed energy of mean 1: that of the gamma distribution of the same variance."""
    shape = 1 / effective_share
    return float(gammaincinv(shape, 0.5)) / shape


class _Bank:
    """Gaussian windows over the Fourier transform of one image, all of one width."""

    def __init__(self, image: _Image, *, envelope_px: float, smoothing_px: float, coarsest: float) -> None:
        self.shape = image.shape
        self.smoothing_px = smoothing_px
        self._envelope_px = envelope_px
        self._sigma = 1 / (2 * np.pi * envelope_px)
        rough = image.astype(np.float32, copy=False)
        flat = rough - uniform_filter(rough, int(2 / coarsest) | 1, mode="reflect")
        reach_px = int(np.ceil(_REACH * np.hypot(envelope_px, smoothing_px)))
        self._padded = [fft.next_fast_len(n + reach_px, real=True) for n in image.shape]
        self._spectrum = fft.rfft2(flat, s=self._padded)
        self._reach = [int(np.ceil(_REACH * self._sigma * n)) for n in self._padded]
        self._grid = [fft.next_fast_len(2 * reach + 1) for reach in self._reach]
        self._per_px = [coarse / fine for coarse, fine in zip(self._grid, self._padded, strict=True)]
        self.inside = tuple(int(np.ceil(n * per)) for n, per in zip(image.shape, self._per_px, strict=True))
        self._in_frame = self._weight_in_frame()

    def smoothed_energies(self, frequency: float) -> Iterator[_Image]:
        """Yield the energy of each direction on the coarse grid; its scale is one for all directions."""
        n_directions = int(np.ceil(np.pi * frequency / (_STEP * self._sigma)))
        for angle in np.arange(n_directions) * (np.pi / n_directions):
            row, col = frequency * np.sin(angle), frequency * np.cos(angle)
            yield self._smoothed_energy(row if col >= 0 else -row, abs(col))

    def _smoothed_energy(self, row: float, col: float) -> _Image:
        part = np.zeros(self._grid, dtype=np.complex64)
        window = self._window(row, col)
        part[: window.shape[0], : window.shape[1]] = window
        amplitude = fft.ifft2(part, overwrite_x=True)
        energy = np.square(amplitude.real) + np.square(amplitude.imag)
        sigma = [self.smoothing_px * per for per in self._per_px]
        smooth = gaussian_filter(energy, sigma, mode="wrap", truncate=_REACH)
        return smooth[: self.inside[0], : self.inside[1]] / self._in_frame

    def _window(self, row: float, col: float) -> np.ndarray:
        """Return the transform around a frequency, times the window there; a shift of it changes no amplitude."""
        n_rows, n_cols = self._padded
        rows = round(row * n_rows) + np.arange(-self._reach[0], self._reach[0] + 1)
        cols = round(col * n_cols) + np.arange(-self._reach[1], self._reach[1] + 1)
        weight_rows = np.exp(-0.5 * np.square((rows / n_rows - row) / self._sigma)).astype(np.float32)
        weight_cols = np.exp(-0.5 * np.square((cols / n_cols - col) / self._sigma)).astype(np.float32)
        wrapped = cols % n_cols
        is_mirrored = wrapped > n_cols // 2
        stored = np.where(is_mirrored, n_cols - wrapped, wrapped)
        part = self._spectrum[np.ix_(rows % n_rows, stored)]
        if is_mirrored.any():
            opposite = self._spectrum[np.ix_(-rows % n_rows, stored[is_mirrored])]
            part[:, is_mirrored] = np.conj(opposite)
        return part * weight_rows[:, None] * weight_cols

    def _weight_in_frame(self) -> _Image:
        """Return the share of the weight of energy and blur together that lies inside the frame, on the grid."""
        sigma_px = np.hypot(self.smoothing_px, self._envelope_px / np.sqrt(2))
        weights = []
        for n, per, coarse in zip(self.shape, self._per_px, self.inside, strict=True):
            at_px = np.arange(coarse) / per
            weights.append(ndtr((n - 0.5 - at_px) / sigma_px) - ndtr((-0.5 - at_px) / sigma_px))
        return np.maximum(weights[0][:, None] * weights[1], _LEAST_SUPPORT).astype(np.float32)

    def at_every_pixel(self, coarse: _Image) -> _Image:
        """Return values of the coarse grid at every pixel, linearly in between."""
        (low_rows, share_rows), (low_cols, share_cols) = (
            _between(n, per, inside) for n, per, inside in zip(self.shape, self._per_px, coarse.shape, strict=True)
        )
        high_rows, high_cols = (
            np.minimum(low + 1, n - 1) for low, n in zip((low_rows, low_cols), coarse.shape, strict=True)
        )
        along_cols = coarse[:, low_cols] * (1 - share_cols) + coarse[:, high_cols] * share_cols
        result = along_cols[low_rows]
        result += share_rows[:, None] * (along_cols[high_rows] - result)
        return result


def _between(n: int, per_px: float, n_coarse: int) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(n) * per_px
    low = np.minimum(at.astype(int), n_coarse - 1)
    return low, (at - low).astype(np.float32)
