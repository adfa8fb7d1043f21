"""Writing simulated images in the formats of microscopes, so that they enter as measured ones do."""

from pathlib import Path

import mrcfile
import numpy as np
import tifffile
from jaxtyping import Float, Int
from PIL import Image


def write_tiff(path: Path, counts: Float[np.ndarray, "row col"], *, pixel_size_nm: float) -> None:
    """Write a TIFF as ImageJ does, with its calibration."""
    resolution = (1 / pixel_size_nm, 1 / pixel_size_nm)
    tifffile.imwrite(path, counts.astype(np.float32), imagej=True, resolution=resolution, metadata={"unit": "nm"})


def write_mrc(path: Path, counts: Float[np.ndarray, "row col"], *, pixel_size_nm: float) -> None:
    """Write an MRC file; its first row is the bottom of the image, by that format's convention."""
    with mrcfile.new(path) as file:
        file.set_data(np.ascontiguousarray(counts[::-1], dtype=np.float32))
        file.voxel_size = pixel_size_nm * 10


def write_labels(path: Path, labels: Int[np.ndarray, "row col"]) -> None:
    """Write a label image as PNG of 16 bits."""
    if labels.max() > np.iinfo(np.uint16).max:
        raise ValueError(f"Expected at most {np.iinfo(np.uint16).max} labels. Got {labels.max()}.")
    Image.fromarray(labels.astype(np.uint16)).save(path)
