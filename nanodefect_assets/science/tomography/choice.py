"""Which of two versions of a tilt series to go on with: the one that foretells images it has not seen."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.alignment_params import RefinementParams
from nanodefect_assets.science.tomography.angles import turns_between_deg
from nanodefect_assets.science.tomography.backends import make_projector
from nanodefect_assets.science.tomography.fasta import fasta
from nanodefect_assets.science.tomography.grids import coarser_series
from nanodefect_assets.science.tomography.params import FastaParams

_MAX_EDGE_PX = 128
_STANDARD_ERRORS = 2.0
_LEAST_GAIN = 0.01
"""Of the error, that denoising must save: what it blurs beyond the reach of few tilts is not seen in the error."""
_N_FREE = 5
"""Numbers that alignment and refinement of angles fit to an image: three angles and two shifts."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How well images are foretold from the other half of a series, as it stood and as it was changed.

    Attributes
    ----------
    before, after : ndarray of shape (tilt,)
        |y - A x| / |y| of each image y, for the volume x of the other half.
    optimism : float
        Share of the error that goes by the fit of the image's own numbers to its noise alone.
    least_gain : float
        Share of the error that the change must save.
    """

    before: Float[np.ndarray, " tilt"]
    after: Float[np.ndarray, " tilt"]
    optimism: float = 0.0
    least_gain: float = 0.0

    @property
    def is_better(self) -> bool:
        """Whether the change foretells better by two standard errors, more than by optimism, and enough to matter."""
        gain = self.before - self.after * (1 + self.optimism)
        is_sure = gain.mean() > _STANDARD_ERRORS * gain.std(ddof=1) / np.sqrt(len(gain))
        return bool(is_sure and gain.mean() >= self.least_gain * self.before.mean())


def choose_images(raw: TiltSeries, denoised: TiltSeries, n_iterations: int = 30) -> Comparison:
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
    images foretold is the same in both errors, and cancels in their difference. A gain below a hundredth is none.
    """
    if raw.images.shape != denoised.images.shape:
        raise ValueError(f"Expected the same views. Got {raw.images.shape} and {denoised.images.shape}.")
    wanted, _ = coarser_series(raw.levelled(), _MAX_EDGE_PX)
    given, _ = coarser_series(denoised.levelled(), _MAX_EDGE_PX)
    before, after = (held_out_errors(series, wanted, n_iterations) for series in (wanted, given))
    return Comparison(before=before, after=after, least_gain=_LEAST_GAIN)


def choose_alignment(before: TiltSeries, after: TiltSeries, max_edge_px: int, n_iterations: int = 30) -> Comparison:
    """Foretell each half of the images from the other half, with what was known of views and shifts, and with more.

    Parameters
    ----------
    before, after : TiltSeries
        The same views with other shifts, factors or angles; zero beside the sample.
    max_edge_px : int
        Width of the grid on which the numbers of `after` were fitted, at most.
    n_iterations : int
        Iterations of each of the four reconstructions.

    Notes
    -----
    The numbers of an image were fitted to that image too: k of them take about k / n of the variance of the noise of
    its n pixels, and k / 2n of the error, which a true gain must exceed. Counted electrons are noisy where they are
    many: n is the number of pixels over which the intensity is spread.
    """
    versions = [coarser_series(series.levelled(), max_edge_px)[0] for series in (before, after)]
    old, new = (held_out_errors(series, series, n_iterations) for series in versions)
    return Comparison(before=old, after=new, optimism=_N_FREE / (2 * _pixels_that_count(versions[1].images)))


def why_nominal_angles_stand(
    nominal: TiltGeometry, refined: TiltGeometry, comparison: Comparison, params: RefinementParams
) -> str | None:
    """Return why refined angles are not taken; None if they are.

    Notes
    -----
    Angles that wander far foretell images of a wrong model, such as one about a wrong axis, better than that model
    does: that they foretell better is then no reason to take them.
    """
    wandered_deg = float(np.sqrt(np.mean(turns_between_deg(refined, nominal) ** 2)))
    if wandered_deg > params.most_wandered * params.amplitude_deg:
        return f"angles went {wandered_deg:.1f} deg from the nominal ones: look at the tilt axis and at the tilts"
    return None if comparison.is_better else "images are not foretold better with refined angles"


def _pixels_that_count(images: Float[np.ndarray, "tilt row col"]) -> float:
    """Return over how many pixels an image's intensity is spread: sum(|y|)^2 / sum(y^2), the median of all."""
    size = np.abs(images)
    spread = size.sum(axis=(1, 2), dtype=float) ** 2 / np.maximum((size**2).sum(axis=(1, 2), dtype=float), 1e-30)
    return max(float(np.median(spread)), 1.0)


def held_out_errors(given: TiltSeries, wanted: TiltSeries, n_iterations: int) -> Float[np.ndarray, " tilt"]:
    """Return |y - A x| / |y| of each wanted image, for the volume x of the other half of the given images."""
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
