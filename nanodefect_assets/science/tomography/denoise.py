"""Denoised images, and whether what was taken from them was noise.

References
----------
.. [1] K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, Image denoising by sparse 3-D transform-domain collaborative
   filtering, IEEE Trans. Image Process. 16, 2080 (2007), doi:10.1109/TIP.2007.901238.
.. [2] A. Buades, B. Coll, J.-M. Morel, A non-local algorithm for image denoising, doi:10.1109/CVPR.2005.38.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.fft import fft2, fftfreq

from nanodefect_assets.domain.checkpoint import Checkpoint, CheckpointState
from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.tomography.alignment_params import DenoisingParams
from nanodefect_assets.science.tomography.noise import NoiseModel, destabilise, noise_sd, stabilise

_Image = Float[np.ndarray, "row col"]
_N_BANDS = 10
_AT_ONCE = 8
"""Images between two savings of the state."""
_FEWEST_MODES = 60
"""A band's power is then known to 13 %."""


@dataclass(frozen=True, kw_only=True)
class Denoised:
    """A denoised image and what was taken from it.

    Attributes
    ----------
    image : ndarray of shape (row, col)
        Mean counts, of 32 bits.
    noise_sd : float
        Noise found on the scale on which it should be 1.
    excess : float
        Largest power of what was removed in a band of frequencies, over that of the noise: 1 or less if only noise was
        removed, more where the sample went with it.
    """

    image: _Image
    noise_sd: float
    excess: float


def denoise_image(counts: _Image, noise: NoiseModel, params: DenoisingParams) -> Denoised:
    """Denoise an image of counts.

    Parameters
    ----------
    counts : ndarray of shape (row, col)
        As detected.
    noise : NoiseModel
        Noise of the counts.
    params : DenoisingParams
        Settings.

    Raises
    ------
    Refusal
        If values are not finite, or the image shows nothing but one value.
    """
    counts = np.asarray(counts, dtype=float)
    if not np.isfinite(counts).all():
        raise Refusal("not_finite", expected="finite counts", got=f"{int((~np.isfinite(counts)).sum())} others")
    even = stabilise(counts, noise)
    spread = noise_sd(even)
    if not spread > 0:
        raise Refusal("no_noise", expected="counts with noise", got="none", advice="Use the image as it is.")
    smooth = _smooth(even, spread * params.strength, params)
    removed = (even - smooth) / spread
    return Denoised(
        image=destabilise(smooth, noise).astype(np.float32), noise_sd=spread, excess=removed_excess(removed)
    )


@dataclass(frozen=True, kw_only=True)
class DenoisedSeries:
    """Denoised images of a series; those that could not be denoised stay as they came.

    Attributes
    ----------
    images : ndarray of shape (tilt, row, col)
        Mean counts, of 32 bits.
    noise_sd, excess : ndarray of shape (tilt,)
        As in `Denoised`; not a number where an image stayed.
    """

    images: Float[np.ndarray, "tilt row col"]
    noise_sd: Float[np.ndarray, " tilt"]
    excess: Float[np.ndarray, " tilt"]


def denoise_series(
    images: Float[np.ndarray, "tilt row col"],
    is_sound: Bool[np.ndarray, " tilt"],
    noise: NoiseModel,
    params: DenoisingParams,
    *,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep = ignore_progress,
) -> DenoisedSeries:
    """Denoise the sound images of a tilt series.

    Parameters
    ----------
    images : ndarray of shape (tilt, row, col)
        Counts as detected, of one scan.
    is_sound : ndarray of bool, of shape (tilt,)
        Which images are worth it.
    noise : NoiseModel
        Noise of the series.
    params : DenoisingParams
        Settings.
    checkpoint : Checkpoint or None
        Where finished images are kept, and from which a killed run goes on.
    on_step : callable
        Told of every few images.

    Notes
    -----
    One image after the other: the package's block matching has threads of its own, and called from two threads at once
    it ends the process.
    """
    state = _first_state(images) if checkpoint is None else checkpoint.load() or _first_state(images)
    done = np.array(state.arrays["done"])
    smooth, figures = np.array(state.arrays["images"]), np.array(state.arrays["figures"])
    waiting = np.flatnonzero(is_sound & ~done)
    for start in range(0, len(waiting), _AT_ONCE):
        chosen = waiting[start : start + _AT_ONCE]
        for n in chosen:
            one = denoise_image(images[n], noise, params)
            smooth[n], figures[n], done[n] = one.image, (one.noise_sd, one.excess), True
        if checkpoint is not None:
            arrays = {"done": done, "images": smooth, "figures": figures}
            checkpoint.save(CheckpointState(arrays=arrays, record={}))
        on_step(Progress(task="denoising", done=int(done.sum()), total=int(is_sound.sum())))
    return DenoisedSeries(images=smooth, noise_sd=figures[:, 0], excess=figures[:, 1])


def _first_state(images: Float[np.ndarray, "tilt row col"]) -> CheckpointState:
    n_tilts = len(images)
    arrays = {
        "done": np.zeros(n_tilts, dtype=bool),
        "images": np.array(images, dtype=np.float32),
        "figures": np.full((n_tilts, 2), np.nan),
    }
    return CheckpointState(arrays=arrays, record={})


def _smooth(image: _Image, sd: float, params: DenoisingParams) -> _Image:
    if params.denoiser == "bm3d":
        from bm3d import BM3DProfileLC, bm3d

        profile = BM3DProfileLC() if params.is_quick else "np"
        return np.asarray(bm3d(image, sigma_psd=sd, profile=profile), dtype=float)
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(image, patch_size=5, patch_distance=6, h=0.8 * sd, sigma=sd, fast_mode=True)


def removed_excess(removed: _Image) -> float:
    """Return the largest power of a band of frequencies, over that of white noise of unit variance.

    Notes
    -----
    A denoiser that leaves the sample alone removes noise or less than noise at every frequency; what lies above is
    sample. Sampling error is allowed for: two standard errors of the band's mean are taken off.
    """
    power = np.abs(fft2(removed - removed.mean())) ** 2 / removed.size
    radius = np.hypot(fftfreq(removed.shape[0])[:, None], fftfreq(removed.shape[1]))
    band = np.minimum((radius * 2 * _N_BANDS).astype(int), _N_BANDS).ravel()
    n_modes = np.bincount(band, minlength=_N_BANDS + 1)[:_N_BANDS]
    mean = np.bincount(band, power.ravel(), _N_BANDS + 1)[:_N_BANDS] / np.maximum(n_modes, 1)
    # Modes of a real image come in pairs: half of them are independent.
    sure = mean * (1 - 2 / np.sqrt(np.maximum(n_modes / 2, 4.01)))
    return float(sure[n_modes >= _FEWEST_MODES].max(initial=0))
