"""What differs between two revisions of a batch."""

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


def _state(manifest: Manifest, aliquot: str | None) -> tuple[object, ...]:
    files = [_timeless(file) for file in manifest.files if file.aliquot == aliquot]
    conditions = [row for row in manifest.conditions if row.aliquot in (None, aliquot)]
    return files, conditions, manifest.chirality, manifest.material


def _timeless(file: ManifestFile) -> ManifestFile:
    return file.model_copy(update={"since_revision": ""})
