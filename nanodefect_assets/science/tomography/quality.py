"""How good a reconstruction is: misfit beside what noise allows, agreement of two halves, mass."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.fft import fftfreq, rfftfreq, rfftn

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.projector import Views, Volume3D


def r_factors(measured: Views, projected: Views) -> Float[np.ndarray, " tilt"]:
    """Return sum||y| - |A x|| / sum|y| of each tilt (thesis, section 2.3)."""
    misfit = np.abs(np.abs(measured) - np.abs(projected)).sum(axis=(1, 2), dtype=float)
    return misfit / np.maximum(np.abs(measured).sum(axis=(1, 2), dtype=float), 1e-30)


def r_factor(measured: Views, projected: Views) -> float:
    """Return sum||y| - |A x|| / sum|y| over all tilts."""
    misfit = np.abs(np.abs(measured) - np.abs(projected)).sum(dtype=float)
    return float(misfit / max(np.abs(measured).sum(dtype=float), 1e-30))


def noise_r_factors(measured: Views) -> Float[np.ndarray, " tilt"]:
    """Return the R-factor that noise alone would leave in each tilt: the floor under `r_factors`.

    Notes
    -----
    The noise of a pixel is judged from second differences along rows and columns, in which what is smooth over three
    pixels cancels: E|n| = sqrt(2 / pi) sigma, and a 3 x 3 difference has 6 sigma (J. Immerkaer, Comput. Vis. Image
    Underst. 64, 300, 1996, eq. 3). Sharp detail adds to it, so that it is an upper estimate where pixels are coarse;
    noise that neighbours share, as after denoising, escapes it.
    """
    second = np.diff(np.diff(measured, n=2, axis=1), n=2, axis=2)
    # The mean of |noise| over a 3 x 3 difference with weights 1 -2 1 is 6 times that of a pixel.
    mean_noise = np.abs(second).mean(axis=(1, 2), dtype=float) / 6
    return mean_noise / np.maximum(np.abs(measured).mean(axis=(1, 2), dtype=float), 1e-30)


def mass_error(volume: Volume3D, measured: Views) -> float:
    """Return sum of the volume / median sum of a view - 1."""
    mass = float(np.median(measured.sum(axis=(1, 2), dtype=float)))
    return float(volume.sum(dtype=float)) / mass - 1 if mass else float("nan")


@dataclass(frozen=True, kw_only=True)
class ShellCorrelation:
    """Correlation of two volumes, shell by shell of their transforms.

    Attributes
    ----------
    cycles_per_voxel : ndarray of shape (shell,)
        Middle of each shell.
    correlation : ndarray of shape (shell,)
        Fourier shell correlation.
    """

    cycles_per_voxel: Float[np.ndarray, " shell"]
    correlation: Float[np.ndarray, " shell"]

    def resolution_voxels(self, threshold: float = 0.143) -> float:
        """Return the period at which the correlation first falls below `threshold`; two voxels if it never does.

        References
        ----------
        P. B. Rosenthal, R. Henderson, J. Mol. Biol. 333, 721 (2003).
        """
        below = np.flatnonzero(self.correlation < threshold)
        return 2.0 if not len(below) else float(1 / self.cycles_per_voxel[below[0]])

    @property
    def mean(self) -> float:
        """Mean correlation up to half the Nyquist frequency."""
        return float(self.correlation[self.cycles_per_voxel <= 0.25].mean())


def shell_correlation(first: Volume3D, second: Volume3D, geometry: TiltGeometry) -> ShellCorrelation:
    """Return the correlation of two volumes over what the views have seen of each shell; the missing wedge is left out.

    Parameters
    ----------
    first, second : ndarray of shape (z, y, x)
        Reconstructions, such as from the even and the odd tilts.
    geometry : TiltGeometry
        All views; what lies further from every central slice than a slice is thick is the missing wedge.
    """
    seen = measured_region(first.shape, geometry)
    a, b = rfftn(first.astype(np.float32)), rfftn(second.astype(np.float32))
    radius = np.sqrt(sum(axis**2 for axis in _frequencies(first.shape)))
    n_shells = max(min(first.shape) // 2, 1)
    shell = np.minimum((radius * 2 * n_shells).astype(int), n_shells)[seen]
    sums = [
        np.bincount(shell, values[seen], n_shells + 1)[:n_shells]
        for values in ((a * b.conj()).real, np.abs(a) ** 2, np.abs(b) ** 2)
    ]
    correlation = sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-30))
    return ShellCorrelation(cycles_per_voxel=(np.arange(n_shells) + 0.5) / (2 * n_shells), correlation=correlation)


def measured_region(shape: tuple[int, ...], geometry: TiltGeometry) -> Bool[np.ndarray, "z y half_x"]:
    """Return where, in the half transform of a volume, at least one view has looked."""
    z, y, x = _frequencies(shape)
    thickness = 1 / min(shape)
    seen = np.zeros((shape[0], shape[1], shape[2] // 2 + 1), dtype=bool)
    for beam in geometry.rotations[:, 2]:
        seen |= np.abs(x * beam[0] + y * beam[1] + z * beam[2]) <= thickness
    return seen


def _frequencies(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return fftfreq(shape[0])[:, None, None], fftfreq(shape[1])[:, None], rfftfreq(shape[2])
