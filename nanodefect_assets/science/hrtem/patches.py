"""From labelled micrographs to training patches."""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from nanodefect_assets.domain.patches import UNLABELLED
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.patch_params import ClassParams, PatchParams

_Image = Float[np.ndarray, "row col"]
_Classes = UInt8[np.ndarray, "row col"]
_MOST_SHOWN = 5


def name_classes(
    values: Int[np.ndarray, "row col"], params: ClassParams, *, is_particle: Bool[np.ndarray, "row col"] | None = None
) -> _Classes:
    """Return the class of each pixel of a label image.

    Parameters
    ----------
    values : ndarray of shape (row, col)
        What the label image says: class numbers or particle numbers.
    params : ClassParams
        What they mean.
    is_particle : ndarray of shape (row, col) or None
        Which pixels the batch declares to be particle; taken where `params` lists no values. None: all but 0.

    Raises
    ------
    Refusal
        If a value means nothing.
    """
    if params.class_values:
        classes = _listed_classes(values, params)
    else:
        classes = (values != 0 if is_particle is None else is_particle).astype(np.uint8)
    classes[np.isin(values, params.unlabelled_values)] = UNLABELLED
    return classes


def _listed_classes(values: Int[np.ndarray, "row col"], params: ClassParams) -> _Classes:
    meaning = {value: number for number, name in enumerate(params.class_names) for value in _values_of(name, params)}
    meaning.setdefault(0, 0)
    meaning |= dict.fromkeys(params.unlabelled_values, UNLABELLED)
    present, inverse = np.unique(values, return_inverse=True)
    if unknown := [int(value) for value in present if int(value) not in meaning]:
        shown = ", ".join(map(str, unknown[:_MOST_SHOWN])) + (" ..." if len(unknown) > _MOST_SHOWN else "")
        raise Refusal(
            "unknown_class",
            expected=f"labels of {', '.join(map(str, sorted(meaning)))}, as class_values has them",
            got=f"the value {shown}",
            advice="Add the value to class_values or to unlabelled_values, or mend the label.",
        )
    numbers = np.array([meaning[int(value)] for value in present], dtype=np.uint8)
    return numbers[inverse].reshape(values.shape)


def _values_of(name: str, params: ClassParams) -> list[int]:
    return params.class_values.get(name, [])


def has_particles(classes: _Classes, params: PatchParams) -> bool:
    """Whether enough pixels are of a class other than the support."""
    n_particle_px = int(np.count_nonzero((classes != 0) & (classes != UNLABELLED)))
    return n_particle_px >= params.min_particle_px


def cut_patches(
    image: _Image, classes: _Classes, params: PatchParams
) -> tuple[Float[np.ndarray, "patch row col"], UInt8[np.ndarray, "patch row col"]]:
    """Cut a normalised micrograph and its classes into patches and keep those with particles.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        Normalised counts.
    classes : ndarray of shape (row, col)
        Class of each pixel.
    params : PatchParams
        Edge of a patch, and how many particle pixels it must have.

    Returns
    -------
    images, classes : ndarray of shape (patch, row, col)
        Patches in the order of reading.

    Notes
    -----
    Every pixel of the micrograph is labelled in exactly one patch. Where the edge of a patch does not divide that of
    the micrograph, the last patches are moved inwards, and what another patch has already is marked unlabelled in
    them. A micrograph smaller than a patch is mirrored at its edges, and what is mirrored is marked unlabelled.
    """
    if classes.shape != image.shape:
        raise ValueError(f"Expected classes of the image's shape {image.shape}. Got {classes.shape}.")
    image, classes = _padded(image, classes, params.patch_px)
    images, labelled = [], []
    for top, new_row in _steps(image.shape[0], params.patch_px):
        for left, new_col in _steps(image.shape[1], params.patch_px):
            window = (slice(top, top + params.patch_px), slice(left, left + params.patch_px))
            patch = classes[window].copy()
            patch[: new_row - top] = UNLABELLED
            patch[:, : new_col - left] = UNLABELLED
            if has_particles(patch, params):
                images.append(image[window])
                labelled.append(patch)
    shape = (len(images), params.patch_px, params.patch_px)
    stacked = np.array(images, dtype=np.float32).reshape(shape), np.array(labelled, dtype=np.uint8).reshape(shape)
    return stacked


def _padded(image: _Image, classes: _Classes, patch_px: int) -> tuple[_Image, _Classes]:
    missing = [(0, max(0, patch_px - edge)) for edge in image.shape]
    if not any(after for _, after in missing):
        return image, classes
    return np.pad(image, missing, mode="symmetric"), np.pad(classes, missing, constant_values=UNLABELLED)


def _steps(edge: int, patch_px: int) -> list[tuple[int, int]]:
    """Return where patches start along an edge, and from where on each has pixels that none before it has."""
    return [(min(start, edge - patch_px), start) for start in range(0, edge, patch_px)]
