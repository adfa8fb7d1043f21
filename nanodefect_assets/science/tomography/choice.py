"""Which of two versions of a tilt series to go on with: the one that foretells images it has not seen."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.backends import make_projector
from nanodefect_assets.science.tomography.fasta import fasta
from nanodefect_assets.science.tomography.grids import coarser_series
from nanodefect_assets.science.tomography.params import FastaParams

_MAX_EDGE_PX = 128
_STANDARD_ERRORS = 2.0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How well raw images are foretold from raw and from denoised ones.

    Attributes
    ----------
    raw_errors, denoised_errors : ndarray of shape (tilt,)
        |y - A x| / |y| of each raw image y, for the volume x of the other half of the raw and of the denoised images.
    """

    raw_errors: Float[np.ndarray, " tilt"]
    denoised_errors: Float[np.ndarray, " tilt"]

    @property
    def is_denoised_better(self) -> bool:
        """Whether denoised images foretell better by two standard errors of the difference; raw ones win a draw."""
        gain = self.raw_errors - self.denoised_errors
        return bool(gain.mean() > _STANDARD_ERRORS * gain.std(ddof=1) / np.sqrt(len(gain)))


def choose_images(raw: TiltSeries, denoised: TiltSeries, n_iterations: int = 30) -> Choice:
    """Foretell each half of the raw images from the other half, raw and denoised.

    Parameters
    ----------
    raw, denoised : TiltSeries
        The same aligned views.
    n_iterations : int
        Iterations of each of the four reconstructions.

    Notes
    -----
    Held-out images are raw, so that a denoiser is not rewarded for foretelling its own inventions. The noise of the
    images foretold is the same in both errors, and cancels in their difference.
    """
    if raw.images.shape != denoised.images.shape:
        raise ValueError(f"Expected the same views. Got {raw.images.shape} and {denoised.images.shape}.")
    wanted, _ = coarser_series(raw.levelled(), _MAX_EDGE_PX)
    given, _ = coarser_series(denoised.levelled(), _MAX_EDGE_PX)
    errors = [_held_out_errors(series, wanted, n_iterations) for series in (wanted, given)]
    return Choice(raw_errors=errors[0], denoised_errors=errors[1])


def _held_out_errors(given: TiltSeries, wanted: TiltSeries, n_iterations: int) -> Float[np.ndarray, " tilt"]:
    order = np.argsort(wanted.geometry.tilts_deg, kind="stable")
    n_rows, n_cols = wanted.images.shape[1:]
    errors = np.zeros(len(wanted))
    for first in (0, 1):
        known, unknown = order[first::2], order[1 - first :: 2]
        settings = FastaParams(n_iterations=n_iterations, tolerance=1e-4)
        seen, hidden = (
            make_projector(given.geometry.taken(part), (n_cols, n_rows, n_cols), (n_rows, n_cols))
            for part in (known, unknown)
        )
        foretold = hidden.forward(fasta(seen, given.images[known], settings).volume)
        images = wanted.images[unknown]
        missed = np.sqrt(((images - foretold) ** 2).sum(axis=(1, 2), dtype=float))
        errors[unknown] = missed / np.sqrt(np.maximum((images**2).sum(axis=(1, 2), dtype=float), 1e-30))
    return errors
