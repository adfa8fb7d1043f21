"""The five published features of a region, on pixels as published and in units of length, and the table of them all."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import fft
from scipy.special import erf

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.fault_params import FeatureParams, FeatureSet
from nanodefect_assets.science.hrtem.lattice_features import LATTICE_FEATURES, lattice_features
from nanodefect_assets.science.hrtem.regions import Region
from nanodefect_assets.science.hrtem.support import Support

FIVE_FEATURES = ("rings_mean", "rings_sd", "rings_centre", "mean", "sd")
SHAPE_FEATURES = ("diameter_nm", "solidity_box", "elongation", "contact_fraction", "edge_fraction")

_NOT_LOCAL = ("mean", "contact_fraction", "edge_fraction")
"""Evenly lit, simulated particles are darker than their support, and measured ones need not be; whole regions of one
label have neither contact nor edge."""

_IS_LOCAL = np.array([name not in _NOT_LOCAL for name in (*FIVE_FEATURES, *SHAPE_FEATURES, *LATTICE_FEATURES)])

_Image = Float[np.ndarray, "row col"]
_Features = Float[np.ndarray, " feature"]

_N_RINGS, _RING_WIDTH_PX, _RING_EDGE_PX = 100, 10.0, 4.0
_LONGEST_CACHE = 64


def feature_names(features: FeatureSet) -> tuple[str, ...]:
    """Return the names of the columns of a set of features."""
    rich = (*FIVE_FEATURES, *SHAPE_FEATURES, *LATTICE_FEATURES)
    if features == "local":
        return tuple(name for name in rich if name not in _NOT_LOCAL)
    return rich if features == "rich" else FIVE_FEATURES


def region_features(
    regions: Iterable[Region], features: FeatureSet, params: FeatureParams
) -> Float[np.ndarray, "region feature"]:
    """Return the features of regions, one row each; only one region need be in memory at a time.

    Parameters
    ----------
    regions : iterable of Region
        Regions; those of uncalibrated micrographs have only the published features.
    features : str
        Which set: `feature_names` names its columns.
    params : FeatureParams
        Rings, of the sets in nm.

    Raises
    ------
    Refusal
        If features in nm are asked of an uncalibrated micrograph.
    """
    rows = [features_of(region, features, params) for region in regions]
    return np.array(rows) if rows else np.empty((0, len(feature_names(features))))


def features_of(region: Region, features: FeatureSet, params: FeatureParams) -> _Features:
    """Return the features of one region; see `region_features`."""
    if features == "thesis":
        return thesis_features(region.counts)
    if region.pixel_size_nm is None:
        raise Refusal(
            "no_pixel_size",
            expected="a calibrated micrograph, for features in nm",
            got="none",
            file=region.micrograph_id,
            advice="State pixel_size_nm in batch.yaml, or use the published features on pixels.",
        )
    image, support = _by_spread(region) if features == "local" else _by_median(region)
    five = five_features(image, region.mask, region.pixel_size_nm, params)
    if features == "five":
        return five
    lattice = lattice_features(image, region.mask, region.pixel_size_nm, params, support)
    rich = np.concatenate([five, _shape_features(region, region.pixel_size_nm), lattice])
    return rich[_IS_LOCAL] if features == "local" else rich


def _by_median(region: Region) -> tuple[_Image, None]:
    """Return a region as a multiple of the support's median: right where zero counts mean no electron."""
    return region.counts.astype(np.float64) / max(region.support.median, np.finfo(np.float64).tiny), None


def _by_spread(region: Region) -> tuple[_Image, Support]:
    """Return a region less the support's median in units of its spread, plus 1, and the support in the same unit.

    Gain and offset do not matter: exported pictures have grey levels of which nobody knows the zero.
    """
    support = region.support
    power = tuple(value / support.spread**2 for value in support.power)
    image = (region.counts.astype(np.float64) - support.median) / support.spread + 1
    return image, Support(median=1.0, spread=1.0, power=power)


def thesis_features(crop: _Image) -> _Features:
    """Return the published five features of a crop, on pixels.

    Parameters
    ----------
    crop : ndarray of shape (row, col)
        The box of a region, in any unit; of a longer side only its first pixels enter.

    Returns
    -------
    ndarray of shape (5,)
        Mean, standard deviation and centre of mass over the rings; mean and standard deviation of the crop.

    Notes
    -----
    As in the authors' code [1]_: the modulus of the Fourier transform, zero frequency included, is summed under up to
    100 rings; ring k begins at radius sqrt(2) k pixels, rises over 4, is flat over 10 and falls over 4 more.

    References
    ----------
    .. [1] C. K. Groschner, C. Choi, M. C. Scott, Microsc. Microanal. 27, 549 (2021), doi:10.1017/S1431927621000386;
       github.com/ScottLabUCB/HTTEM.
    """
    side = min(crop.shape)
    square = crop[:side, :side].astype(np.float64)
    modulus = np.abs(fft.fftshift(fft.fft2(square)))
    which, weights = _thesis_rings(side)
    rings = weights @ np.bincount(which, modulus.ravel(), minlength=weights.shape[1])
    return np.array([*_moments(rings, np.arange(rings.size)), crop.mean(), crop.std()])


def five_features(image: _Image, mask: np.ndarray, pixel_size_nm: float, params: FeatureParams) -> _Features:
    """Return the five features in units of length: the same for any pixel size, gain and frame.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        The box of a region, 1 the support.
    mask : ndarray of shape (row, col)
        Pixels of the region.
    pixel_size_nm : float
        Edge of a pixel.
    params : FeatureParams
        Rings.

    Returns
    -------
    ndarray of shape (5,)
        Mean and standard deviation over the rings, in nm; their centre of mass, in 1/nm; mean and standard deviation
        of the pixels of the region, 1 the support.

    Notes
    -----
    The region's mean is taken away before the transform, so that its size does not hide in the zero frequency. A ring
    is the integral of the modulus of the transform over frequencies.
    """
    inside = image[mask]
    side = int(fft.next_fast_len(max(image.shape), real=True))
    square = np.zeros((side, side))
    square[: image.shape[0], : image.shape[1]] = np.where(mask, image - inside.mean(), 0)
    modulus = np.abs(fft.rfft2(square)) * pixel_size_nm**2
    rings, centres = _rings(modulus, side, pixel_size_nm, params)
    return np.array([*_moments(rings, centres), inside.mean(), inside.std()])


def _moments(rings: Float[np.ndarray, " ring"], places: np.ndarray) -> tuple[float, float, float]:
    total = rings.sum()
    centre = float(rings @ places / total) if total > 0 else 0.0
    return float(rings.mean()), float(rings.std()), centre


@lru_cache(maxsize=_LONGEST_CACHE)
def _thesis_rings(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the radius class of each pixel of a shifted spectrum, and the weight of each class in each ring.

    The radius is counted from side / 2, for an odd side half a pixel beside the zero frequency, as published.
    """
    places = 2 * np.arange(side) - side
    squares, which = np.unique(np.add.outer(places**2, places**2).ravel(), return_inverse=True)
    starts = np.sqrt(2) * np.arange(min(side, _N_RINGS))
    return which.ravel(), _annulus(np.sqrt(squares) / 2, starts, _RING_WIDTH_PX, _RING_EDGE_PX)


@lru_cache(maxsize=_LONGEST_CACHE)
def _half_plane(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the radius class of each pixel of a half spectrum, and the radii in pixels."""
    rows, cols = np.rint(np.fft.fftfreq(side) * side).astype(int), np.arange(side // 2 + 1)
    squares, which = np.unique(np.add.outer(rows**2, cols**2).ravel(), return_inverse=True)
    return which.ravel(), np.sqrt(squares)


def _rings(
    modulus: Float[np.ndarray, "row half_col"], side: int, pixel_size_nm: float, params: FeatureParams
) -> tuple[Float[np.ndarray, " ring"], Float[np.ndarray, " ring"]]:
    """Return the integral of a half spectrum over each ring, and the centres of the rings, in 1/nm.

    Each ring looks only at the radii that it can reach: a table of all rings and radii took most of the time.
    """
    which, radii_px = _half_plane(side)
    radii = radii_px / (side * pixel_size_nm)
    sums = np.bincount(which, modulus.ravel(), minlength=radii.size)
    centres = np.arange(
        params.ring_step_per_nm, params.max_frequency_per_nm + params.ring_step_per_nm / 2, params.ring_step_per_nm
    )
    centres = centres[centres <= 0.5 / pixel_size_nm]
    edge = params.ring_edge_per_nm
    flat = max(params.ring_width_per_nm - edge, 0.0)
    starts = centres - flat / 2 - edge
    first, last = np.searchsorted(radii, starts - edge), np.searchsorted(radii, starts + flat + 3 * edge)
    reached = first[:, None] + np.arange(max((last - first).max(initial=0), 1))
    within = np.minimum(reached, radii.size - 1)
    weights = np.where(reached < last[:, None], _annulus(radii[within], starts, flat, edge), 0)
    # A half spectrum holds one of each two equal moduli, but for the columns that are their own partners.
    return 2 * (weights * sums[within]).sum(axis=1) / (side * pixel_size_nm) ** 2, centres


def _annulus(
    radii: Float[np.ndarray, "*ring radius"], starts: Float[np.ndarray, " ring"], width: float, edge: float
) -> Float[np.ndarray, "ring radius"]:
    """Return rings that rise over `edge` from their start, are flat over `width` and fall over `edge`."""

    def step(begin: Float[np.ndarray, " ring"]) -> np.ndarray:
        return (1 + erf(4 * (radii - begin[:, None] - edge / 2) / edge)) / 2

    return step(starts) - step(starts + edge + width)


def _shape_features(region: Region, pixel_size_nm: float) -> _Features:
    """Return size and form of the region: agglomerates are large, long and fill little of their box."""
    rows, cols = np.nonzero(region.mask)
    spread = np.linalg.eigvalsh(np.cov(np.stack([rows, cols])) + np.eye(2) / 12)
    return np.array(
        [
            np.sqrt(4 / np.pi * rows.size) * pixel_size_nm,
            rows.size / (4 * np.pi * np.sqrt(spread[0] * spread[1])),
            np.sqrt(spread[1] / spread[0]),
            region.contact_fraction,
            float(region.touches_edge),
        ]
    )
