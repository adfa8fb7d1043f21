"""Micrographs as `samples/micrographs` keeps them."""

from typing import cast

from nanodefect_assets.domain.micrograph import Micrograph, Modality
from nanodefect_assets.stores.arrays import ArraysReader


def read_micrograph(arrays: ArraysReader, micrograph_id: str) -> Micrograph:
    """Return one micrograph of a sample."""
    attributes = arrays.attributes(micrograph_id)
    pixel_size = attributes["pixel_size_nm"]
    return Micrograph(
        micrograph_id=micrograph_id,
        counts=arrays.read(micrograph_id),
        pixel_size_nm=None if pixel_size is None else float(cast("float", pixel_size)),
        modality=cast("Modality", attributes["modality"]),
        is_simulated=bool(attributes["is_simulated"]),
    )
