"""Particles of the tiles of maps: each is counted once, however many tiles show it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.domain.progress import OnStep

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.stores.arrays import ArraysReader
    from nanodefect_assets.stores.generations import GenerationWriter


class MapCounting:
    """Keeps the particles of tiles of maps until all are measured, and says which of them count.

    Other particles are written as they come.
    """

    def __init__(self, micrographs: "pd.DataFrame", out: "GenerationWriter") -> None:
        from nanodefect_assets.domain.schemas import MAP_TILES
        from nanodefect_assets.science.imaging.tile_maps import MapFit, placed_tiles

        self._tiles, self._out = placed_tiles(micrographs), out
        self._of_maps = set(self._tiles["micrograph_id"])
        self._measured: dict[str, pd.DataFrame] = {}
        self._fit, self._largest_nm = MapFit(), 0.0
        out.add_rows(MAP_TILES, [])

    def add(self, item: str, rows: "pd.DataFrame") -> None:
        """Take the particles of a micrograph."""
        from nanodefect_assets.domain.schemas import PARTICLES

        if item in self._of_maps:
            self._measured[item] = rows
        else:
            self._out.add_rows(PARTICLES, rows)

    def finish(self, images: "ArraysReader", labels: "ArraysReader", on_step: OnStep) -> None:
        """Find what several tiles show, and write the particles of maps."""
        import pandas as pd

        from nanodefect_assets.domain.schemas import MAP_TILES, PARTICLES
        from nanodefect_assets.science.imaging.tile_maps import count_once, find_seen_twice, locate_maps

        if not self._measured:
            return
        tiles = self._tiles[self._tiles["micrograph_id"].isin(list(self._measured))]
        places, self._fit = locate_maps(tiles, images, on_step)
        self._largest_nm = float((places["corrected_px"] * places["pixel_size_nm"]).max())
        twice = find_seen_twice(places, _Measured(labels, self._measured))
        self._out.add_rows(MAP_TILES, places)
        every = pd.concat(self._measured.values(), ignore_index=True)
        self._out.add_rows(PARTICLES, count_once(every, places, twice))

    def check(self) -> dg.AssetCheckResult:
        """Return whether overlaps show the same."""
        unlike, fit = self._fit.unlike_maps(), self._fit
        return dg.AssetCheckResult(
            check_name="overlaps_show_the_same",
            passed=not unlike,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "maps_without": unlike,
                "n_overlapping_pairs": fit.n_pairs.total(),
                "n_that_could_be_judged": fit.n_judged.total(),
                "n_showing_the_same": fit.n_alike.total(),
                "largest_correction_nm": self._largest_nm,
                **tested(fit.n_judged.total()),
            },
        )


class _Measured:
    """Labels of the particles that were measured: a duplicate must not stand for one that was too small."""

    def __init__(self, labels: "ArraysReader", measured: Mapping[str, "pd.DataFrame"]) -> None:
        self._labels, self._measured = labels, measured

    def read(self, item: str) -> "np.ndarray":
        import numpy as np

        labels = self._labels.read(item)
        is_measured = np.zeros(int(labels.max()) + 1, dtype=bool)
        is_measured[self._measured[item]["label"].to_numpy()] = True
        return np.where(is_measured[labels], labels, 0)
