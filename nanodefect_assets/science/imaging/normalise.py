"""Counts on the scale that a model was trained on: one function for training and for use.

What was done is a `Recipe`, which travels with the training set and with the model.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, UInt8

from nanodefect_assets.domain.champion import Recipe
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.imaging.params import NormaliseParams

_Image = Float[np.ndarray, "row col"]

_MOST_SAMPLED = 2**20
"""Pixels that percentiles are taken from; of a million, the first percentile is sure to 0.01 %."""

_LARGEST_EDGE_PX = 16384


def fit_normalisation(images: Iterable[_Image], params: NormaliseParams) -> Recipe:
    """Return how to normalise, with what has to be known of all training images together.

    Parameters
    ----------
    images : iterable of ndarray
        Counts of the training micrographs; read only by a method that needs them all.
    params : NormaliseParams
        Method and its parameters.

    Raises
    ------
    Refusal
        If the method needs the largest count of all and there is none above 0.
    """
    recipe = Recipe(name=params.method, params=params.model_dump(mode="json", exclude={"method"}))
    if params.method != "group_maximum":
        return recipe
    largest = max((float(_despiked(image, params.median_px).max()) for image in images), default=0.0)
    if not 0 < largest < np.inf:
        raise Refusal("no_counts", expected="training micrographs with counts above 0", got=f"a maximum of {largest:g}")
    return recipe.model_copy(update={"params": recipe.params | {"maximum": largest}})


def normalise(counts: _Image, recipe: Recipe) -> _Image:
    """Return counts on the scale of `recipe`, in 32 bits.

    Parameters
    ----------
    counts : ndarray of shape (row, col)
        Detected intensity, finite.
    recipe : Recipe
        As `fit_normalisation` returned it, perhaps long ago.

    Raises
    ------
    Refusal
        If all counts are alike.
    ValueError
        If the recipe is not one of ours.

    Notes
    -----
    ``percentile``: (x - p_low) / (p_high - p_low), cut at `clip` beyond 0 and 1, so that a hot pixel does not decide
    the scale. ``min_max``: (x - min) / (max - min), as the authors' code does. ``group_maximum``: x over the largest
    count of all training micrographs, as chapter 4 has it.
    """
    maximum = recipe.params.get("maximum")
    known = {name: value for name, value in recipe.params.items() if name != "maximum"}
    params = NormaliseParams.model_validate({"method": recipe.name, **known})
    image = _despiked(np.asarray(counts, dtype=np.float32), params.median_px)
    if params.method == "group_maximum":
        if not isinstance(maximum, int | float):
            raise ValueError(f"Expected a recipe with the maximum of its training micrographs. Got {recipe}.")
        return image / np.float32(maximum)
    low, high = _limits(image, params)
    if not low < high:
        raise Refusal("flat_image", expected="a micrograph with contrast", got=f"counts of {low:g} all over")
    scaled = (image - np.float32(low)) / np.float32(high - low)
    return scaled if params.method == "min_max" else np.clip(scaled, -params.clip, 1 + params.clip, out=scaled)


def scale_factor(pixel_size_nm: float | None, recipe: Recipe) -> float:
    """Return by how much a micrograph is enlarged before it is normalised: 1 where either scale is not known."""
    common = recipe.params.get("common_pixel_size_nm")
    if pixel_size_nm is None or not isinstance(common, int | float):
        return 1.0
    return pixel_size_nm / common


def resample(image: _Image, factor: float) -> _Image:
    """Return an image enlarged by `factor`, linearly interpolated and, where it shrinks, blurred against aliasing."""
    if factor == 1:
        return image
    from skimage.transform import resize

    shape = _resampled_shape(image.shape, factor)
    return resize(image.astype(np.float32), shape, order=1, anti_aliasing=factor < 1, preserve_range=True)


def resample_classes(classes: UInt8[np.ndarray, "row col"], factor: float) -> UInt8[np.ndarray, "row col"]:
    """Return a class image enlarged by `factor`: each pixel takes the class of the nearest one."""
    if factor == 1:
        return classes
    rows, cols = (
        np.minimum(((np.arange(after) + 0.5) * before / after).astype(int), before - 1)
        for before, after in zip(classes.shape, _resampled_shape(classes.shape, factor), strict=True)
    )
    return classes[np.ix_(rows, cols)]


def _resampled_shape(shape: tuple[int, ...], factor: float) -> tuple[int, int]:
    n_rows, n_cols = (max(1, round(edge * factor)) for edge in shape)
    if max(n_rows, n_cols) > _LARGEST_EDGE_PX:
        raise Refusal(
            "absurd_scale",
            expected=f"at most {_LARGEST_EDGE_PX} px along an edge at the common pixel size",
            got=f"{shape[0]} x {shape[1]} px, {factor:.3g} times enlarged",
            advice="Mend the pixel size of the micrograph, or take another common_pixel_size_nm.",
        )
    return n_rows, n_cols


def _despiked(image: _Image, median_px: int) -> _Image:
    if median_px <= 1:
        return image
    from scipy.ndimage import median_filter

    return median_filter(image, size=median_px, mode="nearest")


def _limits(image: _Image, params: NormaliseParams) -> tuple[float, float]:
    if params.method == "min_max":
        return float(image.min()), float(image.max())
    flat = image.ravel()
    step = -(-flat.size // _MOST_SAMPLED) | 1  # odd, so that no column of an even width is favoured
    low, high = np.percentile(flat[::step], (params.low_percentile, params.high_percentile))
    return float(low), float(high)
