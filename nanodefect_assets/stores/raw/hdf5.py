"""HDF5 files of microscopes: Velox (Thermo Fisher), Berkeley's EMD, HyperSpy; rows are stored from the top.

They are read here with h5py and not by rosettasciio: it transposes Berkeley's images, which mirrors them and inverts
every handedness; it reads the tilt of the first frame alone; and it parses far more than is wanted. Nothing is
unpickled or evaluated, and links and datasets that point to other files are refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.hdf5_layouts import FoundImage, find_berkeley, find_hyperspy, find_velox, walk_groups
from nanodefect_assets.stores.raw.limits import (
    check_dimensions,
    check_expansion,
    check_fits,
    check_pixel_type,
    frame_bytes,
)
from nanodefect_assets.stores.raw.opened import Opened, to_native
from nanodefect_assets.stores.raw.sidecars import read_sidecars
from nanodefect_assets.stores.raw.tilts import choose_tilts

_BLOCK_BYTES = 32 * 2**20
_MAX_LINKS = 100_000


@contextmanager
def open_hdf5(path: Path) -> Iterator[Opened]:
    """Open an EMD or HSPY file; the metadata are read, no pixel is."""
    with h5py.File(path, "r") as file:
        refuse_foreign_links(file)
        finder = find_hyperspy if "Experiments" in file else find_velox if "Data/Image" in file else find_berkeley
        name = {find_hyperspy: "HyperSpy", find_velox: "Velox"}.get(finder, "Berkeley EMD")
        image = _the_one(finder(file))
        _check_storage(image, path.stat().st_size)
        yield Opened(facts=_facts_of(path, name, image), frames=partial(_frames, image))


def refuse_foreign_links(file: h5py.File) -> None:
    """Refuse a file any of whose groups links to another file."""
    n_links = 0
    for group in walk_groups(file):
        n_links += len(group)
        if n_links > _MAX_LINKS:
            raise Refusal("absurd_size", expected=f"at most {_MAX_LINKS:,} objects", got="more")
        for link in (group.get(name, getlink=True) for name in group):
            if isinstance(link, h5py.ExternalLink):
                raise Refusal(
                    "foreign_link",
                    expected="a file that holds its own data",
                    got=f"a link to {link.filename[:80]}",
                    advice="Export the image into one file.",
                )


def _the_one(images: list[FoundImage]) -> FoundImage:
    if len(images) != 1:
        raise Refusal(
            "several_images" if images else "not_an_image",
            expected="one image or one stack in the file",
            got=f"{len(images)}: " + ", ".join(image.title for image in images[:6]) if images else "none",
            advice="Export the image that counts into a file of its own, as EMD or TIFF.",
        )
    return images[0]


def _check_storage(image: FoundImage, file_bytes: int) -> None:
    """Refuse pixels that the file cannot hold, that unpack to far too much, or that lie in another file."""
    data = image.data
    check_dimensions(image.size("f"), image.size("r"), image.size("c"))
    check_pixel_type(data.dtype)
    if data.external or data.is_virtual:
        raise Refusal("foreign_link", expected="pixels in the file itself", got="pixels in another file")
    one = frame_bytes((image.size("r"), image.size("c")), data.dtype)
    stored = data.id.get_storage_size()
    if data.chunks is None or data.compression is None:
        check_fits(one * image.size("f"), min(stored, file_bytes))
    check_fits(stored, file_bytes)
    check_expansion(one, stored)
    if data.chunks is not None:
        check_expansion(frame_bytes(data.chunks, data.dtype), stored)


def _facts_of(path: Path, name: str, image: FoundImage) -> RawFacts:
    n_frames, n_rows, n_cols = (image.size(axis) for axis in "frc")
    beside = read_sidecars(path).tilts
    tilts = choose_tilts(n_frames, beside=beside, own=image.tilts_deg, own_source="metadata of its frames")
    is_stack = "f" in image.axes
    acquisition = image.acquisition
    if tilts.angles_deg or tilts.single_deg is not None:
        acquisition = acquisition.model_copy(update={"stage_tilt_deg": tilts.single_deg})
    return RawFacts(
        format=f"{path.suffix[1:].upper()} ({name})",
        kind="tilt_series" if tilts.angles_deg else "image_stack" if is_stack else "image",
        shape=(n_frames, n_rows, n_cols) if is_stack else (n_rows, n_cols),
        dtype=image.data.dtype.newbyteorder("=").name,
        acquisition=acquisition,
        tilt_angles_deg=tilts.angles_deg,
        notes=tilts.notes if tilts.angles_deg else (),
    )


def _frames(image: FoundImage) -> Iterator[np.ndarray]:
    """Yield frames; chunks that span several frames are read once, a few tens of megabytes at a time."""
    frame = frame_bytes((image.size("r"), image.size("c")), image.data.dtype)
    chunks = image.data.chunks
    per_chunk = chunks[image.axes.index("f")] if chunks and "f" in image.axes else 1
    step = max(1, min(_BLOCK_BYTES // frame, max(per_chunk, 1)))
    order = [image.axes.replace("1", "").index(axis) for axis in "frc" if axis in image.axes]
    for start in range(0, image.size("f"), step):
        where = tuple({"f": slice(start, start + step), "1": 0}.get(axis, slice(None)) for axis in image.axes)
        block = np.transpose(image.data[where], order).reshape(-1, image.size("r"), image.size("c"))
        yield from (to_native(np.ascontiguousarray(picture)) for picture in block)
