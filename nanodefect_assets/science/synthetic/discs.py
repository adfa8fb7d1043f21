"""A micrograph of flat discs, for answers by hand."""

from collections.abc import Sequence

import numpy as np

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph, Modality


def disc_micrograph(
    *,
    diameters_nm: Sequence[float],
    pixel_size_nm: float,
    rng: np.random.Generator,
    shape: tuple[int, int] | None = None,
    contrast_counts: float = 100.0,
    noise_counts: float = 5.0,
    modality: Modality = "hrstem",
    micrograph_id: str = "simulated/end/discs.tif",
) -> LabelledMicrograph:
    """Return bright discs in a row of equal cells, none cut, none touching.

    Parameters
    ----------
    diameters_nm : sequence of float
        Diameters of the discs, from left to right; labels 1, 2 and so on.
    pixel_size_nm : float
        Edge of a pixel, in nanometres.
    rng : Generator
        Draws the part of a pixel by which centres are off, and the noise.
    shape : tuple of int or None
        Rows and columns; None for cells of one and a half times the largest diameter.
    contrast_counts, noise_counts : float
        Intensity of a disc over that of the support, and standard deviation of the noise.
    """
    diameters_px = np.asarray(diameters_nm, dtype=float) / pixel_size_nm
    if shape is None:
        cell_px = int(np.ceil(1.5 * diameters_px.max())) + 6
        shape = (cell_px, cell_px * len(diameters_px))
    labels = _label_discs(diameters_px, shape, rng)
    counts = 2 * contrast_counts + contrast_counts * (labels > 0) + rng.normal(0, noise_counts, shape)
    micrograph = Micrograph(
        micrograph_id=micrograph_id,
        counts=counts.astype(np.float32),
        pixel_size_nm=pixel_size_nm,
        modality=modality,
        is_simulated=True,
    )
    return LabelledMicrograph(micrograph=micrograph, labels=labels)


def _label_discs(diameters_px: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    cell_cols = shape[1] / len(diameters_px)
    if diameters_px.max() + 4 > min(shape[0], cell_cols):
        raise ValueError(
            f"Expected room for discs of {diameters_px.max():.0f} px in cells of {shape[0]} by {cell_cols:.0f} px. "
            "Got too little; give a larger shape or fewer discs."
        )
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, dtype=np.int32)
    for index, diameter_px in enumerate(diameters_px):
        row, col = shape[0] / 2 + rng.uniform(-1, 0), (index + 0.5) * cell_cols + rng.uniform(-1, 0)
        labels[(rows - row) ** 2 + (cols - col) ** 2 <= diameter_px**2 / 4] = index + 1
    return labels
