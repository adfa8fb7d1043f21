"""Volumes as Zarr inside a generation, and as MRC for other programs."""

from pathlib import Path
from typing import cast

import mrcfile
import numpy as np

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.volume import Volume
from nanodefect_assets.stores.arrays import ArraysReader, ArraysWriter

VOLUMES = "volumes"
"""Kind of the arrays that hold volumes."""
_AXES = "z y x"
_MRC_LABEL = b"Reconstructed by nanodefect_assets; half a turn about x from its own axes"


def add_volume(arrays: ArraysWriter, item: str, volume: Volume, *, is_simulated: bool) -> None:
    """Write the volume of one item, with its voxel size and the order of its axes."""
    arrays.add(
        item, volume.values, axes=_AXES, voxel_size_angstrom=volume.voxel_size_angstrom, is_simulated=is_simulated
    )


def read_volume(arrays: ArraysReader, item: str) -> Volume:
    """Return the volume of one item."""
    known = arrays.attributes(item)
    if known.get("axes") != _AXES:
        raise Refusal("axes_unknown", expected=f"a volume with axes {_AXES}", got=str(known.get("axes")), file=item)
    return Volume(values=arrays.read(item), voxel_size_angstrom=cast("float | None", known.get("voxel_size_angstrom")))


def write_mrc_volume(path: Path, volume: Volume) -> None:
    """Write a volume as MRC of 32 bits, with its voxel size.

    Notes
    -----
    Our y points down the images and our z away from the viewer, those of MRC up and towards. The volume is given half a
    turn about x, so that its top is shown at the top and its handedness stays.
    """
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(np.ascontiguousarray(volume.values[::-1, ::-1]))
        file.set_volume()
        if volume.voxel_size_angstrom is not None:
            file.voxel_size = volume.voxel_size_angstrom
        file.header.label[0] = _MRC_LABEL
