"""A region training set as the assets of fault classification read it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nanodefect_assets.defs.hrtem.faults import kept_region
from nanodefect_assets.science.hrtem.fault_params import RegionParams

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.science.hrtem.fault_forest import RegionSplit
    from nanodefect_assets.science.hrtem.regions import Region
    from nanodefect_assets.stores.generations import StoredGeneration


@dataclass(frozen=True, kw_only=True)
class RegionData:
    """A region training set as arrays; of the regions only one need be in memory at a time."""

    rows: "pd.DataFrame"
    read: "Callable[[str], Region]"
    classes: "np.ndarray"
    split: "RegionSplit"
    fingerprint: str
    rules: RegionParams

    def regions(self, selected: "np.ndarray | None" = None) -> "Iterator[Region]":
        """Read the regions one after the other, all or those selected."""
        names = self.rows["region_id"] if selected is None else self.rows["region_id"][selected]
        return (self.read(str(name)) for name in names)


def read_regions(source: "StoredGeneration") -> RegionData:
    """Return a region training set with its regions."""
    import numpy as np

    from nanodefect_assets.domain.schemas import TRAINING_REGIONS
    from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES, RegionSplit

    rows, read = source.rows(TRAINING_REGIONS), kept_region(source)
    sides = rows["side"].to_numpy()
    params = source.record.origin.params
    return RegionData(
        rows=rows,
        read=read,
        classes=np.array([FAULT_CLASSES.index(name) for name in rows["class_name"]], dtype=np.int64),
        split=RegionSplit(train=sides == "train", calibration=sides == "calibration", test=sides == "test"),
        fingerprint=source.record.content_digest,
        rules=RegionParams.model_validate({name: params[name] for name in RegionParams.model_fields}),
    )
