"""The cut particles of one sample or of a whole batch, as rows and images."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nanodefect_assets.defs.sem.te_crops import CROPS, PARTED
from nanodefect_assets.domain.anchors import Anchor

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.stores.generations import StoredGeneration


@dataclass(frozen=True, kw_only=True)
class CropSet:
    """Particles that have a crop.

    Attributes
    ----------
    rows : DataFrame
        Rows of `SEM_CROPS`, one for each image.
    images : ndarray of shape (n, row, col)
        Their crops, uint8.
    """

    rows: "pd.DataFrame"
    images: "np.ndarray"


def read_crops(generations: "Iterable[StoredGeneration]") -> CropSet:
    """Return the particles of some samples, in the order of the samples."""
    import numpy as np
    import pandas as pd

    from nanodefect_assets.domain.schemas import SEM_CROPS

    parts, images = [], []
    for generation in generations:
        rows = generation.rows(SEM_CROPS)
        rows = rows[rows["crop_index"].notna()]
        if len(rows):
            crops = generation.arrays(CROPS)
            images += [crops.read(str(item)) for item in rows["micrograph_id"].drop_duplicates()]
            parts.append(rows)
    if not parts:
        return CropSet(rows=pd.DataFrame(columns=list(SEM_CROPS.names)), images=np.zeros((0, 0, 0), dtype=np.uint8))
    sizes = {found.shape[1:] for found in images}
    if len(sizes) > 1:
        from nanodefect_assets.domain.refusal import Refusal

        got = " and ".join(" x ".join(map(str, size)) for size in sorted(sizes))
        raise Refusal(
            "crop_size", expected="crops of one size in a batch", got=got, advice="Make all sem/te_crops alike."
        )
    return CropSet(rows=pd.concat(parts, ignore_index=True), images=np.concatenate(images))


def find_anchor(anchor: Anchor, generations: "Iterable[StoredGeneration]") -> str | None:
    """Return the id of the particle that an anchor names; None if there is no such particle.

    Of a particle that is counted in another tile, that one's.
    """
    from nanodefect_assets.domain.schemas import SEM_CROPS

    for generation in generations:
        item = f"{generation.record.origin.place.sample}/{anchor.path}"
        rows = generation.rows(SEM_CROPS)
        ids = rows["particle_id"][rows["micrograph_id"] == item].tolist()
        if not ids:
            continue
        counted_as = rows.set_index("particle_id")["duplicate_of"].dropna().to_dict()
        found = _named(generation, item, anchor, ids)
        return counted_as.get(found, found)
    return None


def _named(generation: "StoredGeneration", item: str, anchor: Anchor, ids: list[str]) -> str | None:
    """Return the id of the particle of one image that an anchor names."""
    if anchor.label is not None:
        wanted = f"{item}#{anchor.label}"
        return wanted if wanted in ids else None
    if anchor.position_px is None:
        return ids[0] if len(ids) == 1 else None
    return _at_position(generation, item, anchor.position_px, ids)


def _at_position(generation: "StoredGeneration", item: str, position_px: tuple[int, int], ids: list[str]) -> str | None:
    if not (generation.folder / f"{PARTED}.zarr").exists():
        return ids[0] if len(ids) == 1 else None
    labels = generation.arrays(PARTED).read(item)
    row, col = position_px
    if not (row < labels.shape[0] and col < labels.shape[1]):
        return None
    number = int(labels[row, col])
    return ids[number - 1] if number else None
