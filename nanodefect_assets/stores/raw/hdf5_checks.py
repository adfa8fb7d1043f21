"""What an HDF5 file may hold before rosettasciio is let near it, and its image before its pixels are."""

import math

import h5py

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.limits import (
    check_dimensions,
    check_expansion,
    check_fits,
    check_pixel_type,
    frame_bytes,
)

_MAX_LINKS = 100_000
_RECORDS = "Metadata"


def check_tree(file: h5py.File, file_bytes: int) -> None:
    """Refuse a file that links to another, or whose contents, as far as rosettasciio loads them, cannot be in it.

    In HyperSpy's files each group must lie in one place: rosettasciio walks them by every way that leads to them, which
    can take for ever.
    """
    is_walked, waiting, seen, n_links = "Experiments" in file, [file["/"]], set(), 0
    while waiting:
        group = waiting.pop()
        place = h5py.h5o.get_info(group.id).addr
        n_links += len(group)
        if n_links > _MAX_LINKS:
            raise Refusal("absurd_size", expected=f"at most {_MAX_LINKS:,} objects", got="more")
        if place in seen:
            _refuse_if(is_walked, group.name)
            continue
        seen.add(place)
        for name in group:
            item = _item(group, name)
            _refuse_if(is_walked and item is None, f"{group.name}/{name}")
            if isinstance(item, h5py.Dataset):
                _check_dataset(item, name, file_bytes)
            elif isinstance(item, h5py.Group):
                waiting.append(item)


def _item(group: h5py.Group, name: str) -> h5py.HLObject | None:
    """Return what lies in a group under a name; None for a link to another place in the file."""
    link = group.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise _foreign(f"a link to {link.filename[:80]}")
    return group[name] if isinstance(link, h5py.HardLink) else None


def _refuse_if(is_linked: bool, name: str) -> None:
    if is_linked:
        advice = "Save the image anew from HyperSpy."
        got = f"a link at {name}"[:100]
        raise Refusal("damaged_file", expected="groups that lie in one place each", got=got, advice=advice)


def check_image(stored: h5py.Dataset, shape: tuple[int, int, int]) -> None:
    """Refuse an image of `shape` (frame, row, col) that `stored` cannot hold, or that unpacks to far too much."""
    check_dimensions(*shape)
    check_pixel_type(stored.dtype)
    one, n_bytes = frame_bytes(shape[1:], stored.dtype), stored.id.get_storage_size()
    if stored.chunks is None or stored.compression is None:
        check_fits(one * shape[0], n_bytes)
    check_expansion(one, n_bytes)
    if stored.chunks is not None:
        check_expansion(frame_bytes(stored.chunks, stored.dtype), n_bytes)


def _check_dataset(dataset: h5py.Dataset, name: str, file_bytes: int) -> None:
    """Check sizes; text, axes and Velox's records are loaded whole, and so are pixels that lie in one piece."""
    if dataset.external or dataset.is_virtual:
        raise _foreign("data in another file")
    if dataset.shape is None:
        return
    n_bytes = dataset.id.get_storage_size()
    check_fits(n_bytes, file_bytes)
    declared = math.prod(dataset.shape) * dataset.dtype.itemsize
    if dataset.ndim < 2 or name == _RECORDS or dataset.dtype.kind not in "buifc":
        check_expansion(declared, n_bytes)
    elif dataset.chunks is None and dataset.dtype.kind in "buif":
        check_fits(declared, n_bytes)


def _foreign(got: str) -> Refusal:
    advice = "Export the image into one file."
    return Refusal("foreign_link", expected="a file that holds its own data", got=got, advice=advice)
