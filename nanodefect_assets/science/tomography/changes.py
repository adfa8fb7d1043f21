"""Whether two images show one thing: what differs beyond counting noise, doses, a shift and an offset.

How alike two images are as a whole does not tell: the outline decides, and noise counts as a change. Here the residual
is held against the noise of both, frequency by frequency.
"""

from collections.abc import Container
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from jaxtyping import Bool, Float

from nanodefect_assets.domain.refusal import Refusal

_Image = Float[np.ndarray, "row col"]
_EDGES = (0.0, 0.02, 0.04, 0.08, 0.12, 0.17, 0.25, 0.35, 0.5)
"""Of the bands of frequencies, in cycles a pixel."""
_SIGMAS = 6.0
"""Of a band's power under noise alone, above which a residual is more than noise."""
_SHARE = 0.01
"""Of a band's power that may differ: a tenth of the amplitude, as focus and beam current drift."""
_MISPLACED_PX = 0.1
"""By which drift within a scan may misplace things: of waves of k cycles a pixel (2 pi k d)^2 of the power differs."""
_SMOOTHING_PX, _MARGIN_PX, _TAPER_PX = 3.0, 3, 8
_FINE_TO_PX, _N_SHIFTS, _SHADES = 50, 8, 8
_LEAST_EDGE_PX = 24
_SAME_ANGLE_DEG = 1e-3
_LATTICE_NM, _OUTLINE = (0.1, 0.4), 0.04
"""Periods of lattice planes, and the frequency, in cycles a pixel, below which the outline has its power."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What differs between two images of one sample.

    Attributes
    ----------
    shift_px : ndarray of shape (2,)
        By how much the second image is shifted, along rows and columns; taken out.
    factor : float
        Contrast of the second image over that of the first: doses, and what was lost everywhere alike.
    frequencies : ndarray of shape (band,)
        Middle of each band, in cycles a pixel.
    residuals : ndarray of shape (band,)
        Power of what differs in each band of frequencies, over that of the noise of both: 1 where nothing changed.
    shares : ndarray of shape (band,)
        Power of what differs beyond noise, over that of what is seen.
    excesses : ndarray of shape (band,)
        The same over what may differ: noise to six sigma, a hundredth of the power and a misplacement of 0.1 px.
        Above 1, something changed.
    area_ratio : float
        Area of what is bright, by Otsu's threshold of each image smoothed, second over first.
    lattice_ratio : float or None
        Power of periods of 0.1 to 0.4 nm over that of the outline, second over first, noise taken off; None if pixels
        have no size, or the images show no such power.
    """

    shift_px: Float[np.ndarray, " 2"]
    factor: float
    frequencies: Float[np.ndarray, " band"]
    residuals: Float[np.ndarray, " band"]
    shares: Float[np.ndarray, " band"]
    excesses: Float[np.ndarray, " band"]
    area_ratio: float
    lattice_ratio: float | None

    @property
    def worst(self) -> int:
        """Band that changed most."""
        return int(np.argmax(self.excesses))

    @property
    def excess(self) -> float:
        """What differs over what may differ, in the band that changed most."""
        return float(self.excesses[self.worst])

    def in_words(self) -> str:
        """Say what was found."""
        lattice = "" if self.lattice_ratio is None else f", lattice planes {self.lattice_ratio:.2f} times as strong"
        return (
            f"differ {self.excess:.1f} times as much as noise and drift may, {self.residuals[self.worst]:.1f} times "
            f"the noise at {self.frequencies[self.worst]:.2f} cycles a pixel; area {self.area_ratio:.2f} of what it was"
            f"{lattice}"
        )

    @property
    def is_seen(self) -> bool:
        """Whether more differs than may."""
        return self.excess > 1


def compare_images(first: _Image, second: _Image, pixel_size_nm: float | None = None) -> Change:
    """Return what differs between two images of one sample.

    Parameters
    ----------
    first, second : ndarray of shape (row, col)
        Counts as they were detected: not resampled, not smoothed. Doses, gains and offsets may differ.
    pixel_size_nm : float or None
        Edge of a pixel.

    Notes
    -----
    The second is b = f a + c + noise where nothing changed. The shift is where the images' correlation is largest; f is
    Deming's, as both carry noise. Noise is the power beyond 0.5 cycles a pixel, in the corners of the transform, where
    no microscope that samples well shows anything; it is taken to be white, which it is not in resampled or
    denoised images and behind cameras that blur. Everything is seen through a soft window round the particle.

    What is lost everywhere alike looks like a lower dose. A change of focus, tilt or scan distortion is a change.

    Raises
    ------
    Refusal
        If the images cannot be compared, with the reason.
    """
    from scipy.ndimage import gaussian_filter

    pair = np.array([_usable(image, name) for image, name in ((first, "first"), (second, "second"))])
    shift_px = _shift(pair)
    if (np.abs(shift_px) > np.array(pair.shape[1:]) / 4).any():
        raise Refusal("shifted_far", expected="images that share three quarters of their width", got=f"{shift_px} px")
    pair[1] = _moved(pair[1], -shift_px)
    smooth = gaussian_filter(pair, (0, _SMOOTHING_PX, _SMOOTHING_PX))
    bright = np.array([_bright(image) for image in smooth])
    window = _window(bright[0] | bright[1], shift_px)
    weights = window**2 / (window**2).sum()
    level = pair - (weights * pair).sum(axis=(1, 2))[:, None, None]
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in window.shape), indexing="ij"))
    powers = np.abs(np.fft.fft2(level * window)) ** 2
    noise = powers[:, radius > _EDGES[-1]].mean(axis=1)
    factor = _deming(level, weights, noise)
    left = np.abs(np.fft.fft2((level[1] - factor * level[0]) * window)) ** 2
    scale = np.array([factor**2, 1.0])
    expected = float(scale @ noise)
    n_independent = _n_independent(window)
    found = []
    for low, high in pairwise(_EDGES):
        band = (radius >= low) & (radius < high)
        if not band.any():
            continue
        share_of_all = band.mean()
        spread = expected * np.sqrt((1 / share_of_all + 1 / (radius > _EDGES[-1]).mean()) / n_independent)
        seen = max(float((scale * (powers[:, band].mean(axis=1) - noise)).max()), 1e-30)
        beyond = float(left[band].mean()) - expected
        allowed = _SIGMAS * spread + (_SHARE + (np.pi * (low + high) * _MISPLACED_PX) ** 2) * seen
        found.append(((low + high) / 2, beyond / max(expected, 1e-30) + 1, beyond / seen, beyond / allowed))
    frequencies, residuals, shares, excesses = np.array(found).T
    return Change(
        shift_px=shift_px,
        factor=factor,
        frequencies=frequencies,
        residuals=residuals,
        shares=shares,
        excesses=excesses,
        area_ratio=float(bright[1].sum() / bright[0].sum()),
        lattice_ratio=_lattice_ratio(powers - noise[:, None, None], radius, pixel_size_nm),
    )


def compare_repeats(
    images: Float[np.ndarray, "tilt row col"],
    tilts_deg: Float[np.ndarray, " tilt"],
    left_out: Container[int] = (),
    pixel_size_nm: float | None = None,
) -> tuple[Change | None, list[str]]:
    """Compare images of one tilt, the second taken later; return what changed most, and pairs that cannot be compared.

    Parameters
    ----------
    images : ndarray of shape (tilt, row, col)
        Counts as they were detected.
    tilts_deg : ndarray of shape (tilt,)
        Nominal tilts.
    left_out : container of int
        Images that show nothing, by `screen.bad_frames`.
    pixel_size_nm : float or None
        Edge of a pixel.
    """
    sound = [n for n in range(len(images)) if n not in left_out]
    pairs = [(n, k) for n, k in combinations(sound, 2) if abs(tilts_deg[n] - tilts_deg[k]) < _SAME_ANGLE_DEG]
    found, refused = [], []
    for n, k in pairs:
        try:
            found.append(compare_images(images[n], images[k], pixel_size_nm))
        except Refusal as refusal:
            refused.append(f"images {n} and {k} of one tilt cannot be compared: {refusal}")
    return max(found, key=lambda one: one.excess, default=None), refused


def _usable(image: _Image, name: str) -> _Image:
    counts = np.asarray(image, dtype=float)
    if not np.isfinite(counts).all():
        got = f"{int((~np.isfinite(counts)).sum())} others in the {name}"
        raise Refusal("not_finite", expected="finite counts in images that are compared", got=got)
    if min(counts.shape) < _LEAST_EDGE_PX:
        expected = f"images of {_LEAST_EDGE_PX} px or more"
        raise Refusal("too_small", expected=expected, got=f"{counts.shape} in the {name}")
    if np.ptp(counts) == 0:
        raise Refusal("no_contrast", expected="two images that show something", got=f"the {name} of one value")
    return counts


def _shift(pair: Float[np.ndarray, "2 row col"]) -> Float[np.ndarray, " 2"]:
    """Return by how much the second image is shifted against the first.

    Outlines tell at low doses which lattice period is the right one, and shading, of a film, holds the shift back: of
    both ways, with what is slower than an eighth of the frame and without, the one after which images are more alike.
    """
    from scipy.ndimage import gaussian_filter

    smooth, shade = gaussian_filter(pair, (0, 1, 1)), min(pair.shape[1:]) / _SHADES
    fading = _fading(pair.shape[1:])
    tried = [
        _matched(images[0], images[1], fading) for images in (smooth, smooth - gaussian_filter(pair, (0, shade, shade)))
    ]
    return max(tried, key=lambda shift_px: _likeness(smooth[0], smooth[1], shift_px))


def _fading(shape: tuple[int, ...]) -> _Image:
    from scipy.signal.windows import tukey

    return np.outer(*(tukey(n, 0.5) for n in shape))


def _moved(image: _Image, by_px: Float[np.ndarray, " 2"]) -> _Image:
    from scipy.ndimage import fourier_shift

    return np.fft.ifft2(fourier_shift(np.fft.fft2(image), by_px)).real


def _likeness(first: _Image, second: _Image, shift_px: Float[np.ndarray, " 2"]) -> float:
    pair, weights = np.stack([first, _moved(second, -shift_px)]), _shared(first.shape, shift_px)
    level = pair - (weights * pair).sum(axis=(1, 2))[:, None, None] / max(weights.sum(), 1e-30)
    (aa, ab), (_, bb) = np.einsum("irc,jrc,rc->ij", level, level, weights)
    return float(ab / np.sqrt(max(aa * bb, 1e-30)))


def _matched(first: _Image, second: _Image, fading: _Image) -> Float[np.ndarray, " 2"]:
    """Return the shift, found again with what was found taken out until both images fade where they show the same."""
    from skimage.registration import phase_cross_correlation

    shift_px = np.zeros(2)
    for _ in range(_N_SHIFTS):
        moved = _moved(second, -shift_px)
        found, *_ = phase_cross_correlation(
            (moved - np.median(moved)) * fading,
            (first - np.median(first)) * fading,
            upsample_factor=_FINE_TO_PX,
            normalization=None,  # pyright: ignore[reportArgumentType]  its docstring has None too
        )
        shift_px = shift_px + found
        if np.abs(found).max() < 1.5 / _FINE_TO_PX:
            break
    return shift_px


def _bright(smooth: _Image) -> Bool[np.ndarray, "row col"]:
    from skimage.filters import threshold_otsu

    return smooth > threshold_otsu(smooth)


def _window(inside: Bool[np.ndarray, "row col"], shift_px: Float[np.ndarray, " 2"]) -> _Image:
    """Return a soft window round the particle, zero at the edges of the frame and where the shift wraps round."""
    from scipy.ndimage import binary_dilation, gaussian_filter

    soft = gaussian_filter(binary_dilation(inside, iterations=2 * _MARGIN_PX).astype(float), _MARGIN_PX / 2)
    return soft * _shared(inside.shape, shift_px)


def _shared(shape: tuple[int, ...], shift_px: Float[np.ndarray, " 2"]) -> _Image:
    """Return weights that are zero where the shift wraps round and fall off towards there."""
    from scipy.signal.windows import tukey

    edges = [np.zeros(n) for n in shape]
    for edge, moved in zip(edges, shift_px, strict=True):
        cut = int(np.ceil(abs(moved)))
        if (left := len(edge) - 2 * cut) > 0:
            edge[cut : cut + left] = tukey(left, min(2 * _TAPER_PX / left, 1))
    return np.outer(*edges)


def _deming(level: Float[np.ndarray, "2 row col"], weights: _Image, noise: Float[np.ndarray, " 2"]) -> float:
    """Return the factor f of b = f a that minimises sum (b - f a)^2 / (noise of b + f^2 noise of a)."""
    (aa, ab), (_, bb) = np.einsum("irc,jrc,rc->ij", level, level, weights)
    if not ab > 0:
        raise Refusal("nothing_in_common", expected="two images of one sample", got="images that do not correlate")
    ratio = noise[1] / noise[0] if (noise > 0).all() else bb / aa
    return float((bb - ratio * aa + np.hypot(bb - ratio * aa, 2 * np.sqrt(ratio) * ab)) / (2 * ab))


def _n_independent(window: _Image) -> float:
    """Return how many of the powers of a windowed image are independent; those of opposite frequencies are one."""
    return float((window**2).sum() ** 2 / (window**4).sum() / 2)


def _lattice_ratio(
    signals: Float[np.ndarray, "2 row col"], radius: _Image, pixel_size_nm: float | None
) -> float | None:
    """Return by what lattice planes grew over the outline, of powers without noise: doses fall out."""
    if pixel_size_nm is None:
        return None
    longest, shortest = pixel_size_nm / _LATTICE_NM[1], min(pixel_size_nm / _LATTICE_NM[0], _EDGES[-1])
    lattice = signals[:, (radius > longest) & (radius < shortest)].sum(axis=1)
    outline = signals[:, radius < min(_OUTLINE, longest)].sum(axis=1)
    if not (lattice[0] > 0 and (outline > 0).all()):
        return None
    return float(lattice[1] / outline[1] * outline[0] / lattice[0])
