"""What differs between two revisions of a batch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.manifest import Manifest, ManifestFile


def changed_cells(before: Manifest | None, now: Manifest) -> tuple[Place, ...]:
    """Return the samples of `now` of which anything differs that results depend on: the new ones included.

    These are the files and all that is known of them, the conditions of the batch and of the aliquot, the material and
    what is known of its handedness. Notes, operator and robot run are no ground to make a sample again.
    """
    if before is None:
        return now.cells()
    return tuple(cell for cell in now.cells() if _state(before, cell.aliquot) != _state(now, cell.aliquot))


MOST_CHANGE = 2.0
"""Factor beyond which a pixel size that changes is doubted: slips are by ten, by a thousand or by the binning."""


def calibration_jumps(before: Mapping[str, float | None], now: Mapping[str, float | None]) -> tuple[str, ...]:
    """Say which pixel sizes change by more than twice, in either direction, in a line for each change.

    Parameters
    ----------
    before, now : mapping of str to float or None
        Pixel size in nanometres by the path of the file; None where it is not known.
    """
    jumps: dict[tuple[float, float], list[str]] = defaultdict(list)
    for path in sorted(before.keys() & now.keys()):
        old, new = before[path], now[path]
        if old and new and max(old / new, new / old) > MOST_CHANGE:
            jumps[old, new].append(path)
    return tuple(_jump(old, new, paths) for (old, new), paths in jumps.items())


def _jump(old: float, new: float, paths: list[str]) -> str:
    factor = f"{new / old:.3g} times larger" if new > old else f"{old / new:.3g} times smaller"
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"the pixel size of {paths[0]}{more} goes from {old:g} to {new:g} nm, {factor}: so will every length be"


def pixel_sizes(files: Iterable[ManifestFile]) -> dict[str, float | None]:
    """Return the pixel size of each file in nanometres, by its path."""
    return {file.path: file.acquisition.pixel_size_nm for file in files}


def _state(manifest: Manifest, aliquot: str | None) -> tuple[object, ...]:
    files = [_timeless(file) for file in manifest.files if file.aliquot == aliquot]
    conditions = [row for row in manifest.conditions if row.aliquot in (None, aliquot)]
    return files, conditions, manifest.chirality, manifest.material


def _timeless(file: ManifestFile) -> ManifestFile:
    return file.model_copy(update={"since_revision": ""})
