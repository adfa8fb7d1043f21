"""HDF5 files of microscopes: Velox (Thermo Fisher), Berkeley's EMD, HyperSpy; rows are stored from the top.

Rosettasciio reads them, without the pixels where it can, once `hdf5_checks` has found nothing in the file that could
fill the memory or reach out of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dask.config
import h5py
import numpy as np

from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.hdf5_checks import check_image, check_tree
from nanodefect_assets.stores.raw.hdf5_layouts import FoundImage, find_berkeley, find_hyperspy, find_velox
from nanodefect_assets.stores.raw.limits import frame_bytes
from nanodefect_assets.stores.raw.opened import Opened, to_native
from nanodefect_assets.stores.raw.sidecars import read_sidecars
from nanodefect_assets.stores.raw.tilts import choose_tilts

_BLOCK_BYTES = 32 * 2**20


@contextmanager
def open_hdf5(path: Path) -> Iterator[Opened]:
    """Open an EMD or HSPY file; no pixel is read, unless they are stored in one piece."""
    with h5py.File(path, "r") as file:
        check_tree(file, path.stat().st_size)
        finder = find_hyperspy if "Experiments" in file else find_velox if "Data/Image" in file else find_berkeley
        name = {find_hyperspy: "HyperSpy", find_velox: "Velox"}.get(finder, "Berkeley EMD")
        image = _the_one(finder(file))
        check_image(image.stored, image.shape)
        yield Opened(facts=_facts_of(path, name, image), frames=partial(_frames, image))


def _the_one(images: list[FoundImage]) -> FoundImage:
    if len(images) != 1:
        raise Refusal(
            "several_images" if images else "not_an_image",
            expected="one image or one stack in the file",
            got=f"{len(images)}: " + ", ".join(image.title for image in images[:6]) if images else "none",
            advice="Export the image that counts into a file of its own, as EMD or TIFF.",
        )
    return images[0]


def _facts_of(path: Path, name: str, image: FoundImage) -> RawFacts:
    beside = read_sidecars(path).tilts
    tilts = choose_tilts(image.shape[0], beside=beside, own=image.tilts_deg, own_source="metadata of its frames")
    acquisition = image.acquisition
    if tilts.angles_deg or tilts.single_deg is not None:
        acquisition = acquisition.model_copy(update={"stage_tilt_deg": tilts.single_deg})
    return RawFacts(
        format=f"{path.suffix[1:].upper()} ({name})",
        kind="tilt_series" if tilts.angles_deg else "image_stack" if image.is_stack else "image",
        shape=image.shape if image.is_stack else image.shape[1:],
        dtype=image.data.dtype.newbyteorder("=").name,
        acquisition=acquisition,
        tilt_angles_deg=tilts.angles_deg,
        notes=tilts.notes if tilts.angles_deg else (),
    )


def _frames(image: FoundImage) -> Iterator[np.ndarray]:
    """Yield frames, of which a few tens of megabytes are read at a time, as far as it goes whole chunks."""
    data = image.data.reshape(image.shape)
    per_chunk = getattr(data, "chunksize", (1,))[0]
    step = max(1, _BLOCK_BYTES // frame_bytes(image.shape[1:], data.dtype))
    step = step // per_chunk * per_chunk or step
    for start in range(0, image.shape[0], step):
        with dask.config.set(scheduler="synchronous"):
            block = np.asarray(data[start : start + step])
        yield from (to_native(np.ascontiguousarray(picture)) for picture in block)
