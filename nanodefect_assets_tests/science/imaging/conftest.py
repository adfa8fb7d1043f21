"""A map cut into tiles whose true places are known, from one field of discs that is larger than any tile."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

TILE = (120, 160)
GRID = (4, 5)
OVERLAP = 30


@dataclass(frozen=True, kw_only=True)
class PlantedMap:
    field: np.ndarray
    objects: np.ndarray
    corners: np.ndarray
    tiles: list
    labels: list


def plant_field(shape, rng, n_objects):
    """Return discs of many sizes and brightnesses that do not touch, and their labels."""
    objects = np.zeros(shape, dtype=np.int32)
    intensity = np.full(shape, 100.0)
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    radii = rng.uniform(2.5, 9, n_objects)
    centres = rng.uniform([0, 0], shape, (n_objects, 2))
    number = 0
    for radius, (row, col) in zip(radii, centres, strict=True):
        distance2 = (rows - row) ** 2 + (cols - col) ** 2
        if (objects[distance2 <= (radius + 3) ** 2] > 0).any():
            continue
        number += 1
        disc = distance2 <= radius**2
        objects[disc] = number
        intensity[disc] += rng.uniform(40, 160)
    return intensity, objects


def cut_map(rng, *, jitter_px=0, noise=8.0, n_objects=500, grid=GRID, tile=TILE, overlap=OVERLAP):
    """Cut a field into overlapping tiles at whole pixels near a grid; every tile has noise of its own."""
    margin = jitter_px + 1
    steps = np.array(tile) - overlap
    shape = tuple((np.array(grid) - 1) * steps + tile + 2 * margin)
    field, objects = plant_field(shape, rng, n_objects)
    nominal = np.array([(r * steps[0], c * steps[1]) for r in range(grid[0]) for c in range(grid[1])]) + margin
    corners = nominal + rng.integers(-jitter_px, jitter_px + 1, nominal.shape)
    cuts = [(slice(r, r + tile[0]), slice(c, c + tile[1])) for r, c in corners]
    return PlantedMap(
        field=field,
        objects=objects,
        corners=corners,
        tiles=[field[cut] + rng.normal(0, noise, tile) for cut in cuts],
        labels=[ndimage.label(objects[cut] > 0, structure=np.ones((3, 3)))[0] for cut in cuts],
    )


@pytest.fixture
def planted_map():
    return cut_map
