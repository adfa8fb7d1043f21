"""What the assets of tilt series share: which files are one series, and where unfinished work is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.manifest import Manifest, ManifestFile

if TYPE_CHECKING:
    from nanodefect_assets.domain.refusal import Refusal
    from nanodefect_assets.stores.checkpoints import FileCheckpoint
    from nanodefect_assets.stores.generations import StoredGeneration
    from nanodefect_assets.stores.tilt_series import StoredTiltSeries


@dataclass(frozen=True, kw_only=True)
class RawSeries:
    """A tilt series as it came: one file, or two of scans at right angles.

    Attributes
    ----------
    first : StoredTiltSeries
        Scans at 0 degrees, or the only ones.
    second : StoredTiltSeries or None
        Scans at 90 degrees.
    file : ManifestFile
        What the manifest says of the first.
    """

    first: "StoredTiltSeries"
    second: "StoredTiltSeries | None"
    file: ManifestFile


def raw_series(series: "StoredGeneration", manifest: Manifest) -> "Iterator[RawSeries | tuple[str, Refusal]]":
    """Yield the tilt series of a sample, both scans of one together; of a second without its first, the reason."""
    from nanodefect_assets.domain.refusal import Refusal
    from nanodefect_assets.stores.tilt_series import read_tilt_series

    by_path = {stored.tilt_series_id.split("/", 2)[2]: stored for stored in read_tilt_series(series)}
    files = {file.path: file for file in manifest.files if file.path in by_path}
    second_of = {file.second_scan_of: path for path, file in files.items() if file.second_scan_of is not None}
    for path, stored in by_path.items():
        first = files[path].second_scan_of
        if first is None:
            second = by_path.get(second_of.get(path, ""))
            yield RawSeries(first=stored, second=second, file=files[path])
        elif first not in by_path or files[first].second_scan_of is not None:
            yield (
                stored.tilt_series_id,
                Refusal(
                    "no_first_scan",
                    expected=f"the tilt series {first}, of the scans at 0 degrees, in the same aliquot",
                    got="none",
                    advice="Mend second_scan_of in batch.yaml, or take it out to use this series alone.",
                ),
            )


def require_memory_of(stored: "StoredTiltSeries", n_copies: int) -> None:
    """Refuse a series of whose images, of 32 bits, so many copies do not fit in memory."""
    from math import prod

    from nanodefect_assets.science.tomography.memory import require_memory

    n_tilts, n_rows, n_cols = stored.shape
    require_memory(4 * n_copies * prod(stored.shape), f"{n_tilts} images of {n_rows} x {n_cols} pixels")


def checkpoint_of(home: HomeResource, task: str, params: BaseModel, *made_from: str) -> "FileCheckpoint":
    """Return where the state of some work is kept: a place of its own for these inputs and these parameters."""
    import hashlib

    from nanodefect_assets.stores.checkpoints import FileCheckpoint

    text = "\n".join([*made_from, params.model_dump_json()])
    name = hashlib.sha256(text.encode()).hexdigest()[:24]
    return FileCheckpoint(home.home.work / task / f"{name}.checkpoint")
