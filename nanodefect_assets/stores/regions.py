"""Regions of micrographs as arrays: counts and mask of the box in one, the rest as attributes."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nanodefect_assets.stores.arrays import ArraysReader, ArraysWriter

KIND = "regions"


def write_region(
    arrays: "ArraysWriter",
    region_id: str,
    counts: np.ndarray,
    mask: np.ndarray,
    attributes: "Mapping[str, str | float | bool | None]",
) -> None:
    """Write one region; `attributes` are what else is known of it."""
    arrays.add(region_id, np.stack([counts.astype(np.float32), mask.astype(np.float32)]), **attributes)


def read_region(arrays: "ArraysReader", region_id: str) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return counts, mask and attributes of one region."""
    counts, mask = arrays.read(region_id)
    attributes = arrays.attributes(region_id)
    return counts, mask > 0, {name: value for name, value in attributes.items() if name not in ("item", "order")}
