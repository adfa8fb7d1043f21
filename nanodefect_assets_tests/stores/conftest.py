import itertools

import pandas as pd
import pytest

from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.generation import AssetName, Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.stores.generations import new_generation

CELL = Place(batch="pd-1", aliquot="t0028800")
_VALUES = {"text": "x", "int": 1, "float": 1.5, "bool": False, "time": pd.Timestamp("2021-03-01", tz="UTC")}


@pytest.fixture
def cell():
    return CELL


@pytest.fixture
def row_of():
    """Make a row of a table: plain values, but for those that are given."""

    def make(table, **values):
        row = {column.name: _VALUES[column.type] for column in table.columns}
        assert set(values) <= set(row)
        return row | values

    return make


@pytest.fixture
def write(home):
    """Write a generation with rows of tables and return it."""

    def make(asset, rows, *, place=CELL, inputs=(), **origin):
        group, noun = asset.split("/")
        named = Origin(asset=AssetName(group=group, noun=noun), place=place, **{"code_version": "1", **origin})
        with new_generation(home, named, [one.as_input() for one in inputs]) as out:
            for table, table_rows in rows.items():
                out.n_items += len(table_rows)
                out.add_rows(getattr(schemas, table), table_rows)
        return out.result

    return make


@pytest.fixture
def write_chain(write, row_of):
    """Write one micrograph of a sample from its file to its particles; return the four generations by their nouns."""
    numbers = itertools.count()

    def make(place=CELL, *, n_particles=3, is_simulated=False, segmenter_name="otsu", **origin):
        item = f"{place.sample}/a.tif"
        kind = {"is_simulated": is_simulated}
        files = [row_of(schemas.FILES, file_id=item, path="a.tif", sha256="5ea1", revision="r0001", **kind)]
        images = [row_of(schemas.MICROGRAPHS, micrograph_id=item, file_id=item, sha256="5ea1", **kind)]
        masks = [row_of(schemas.MASKS, micrograph_id=item, segmenter_name=segmenter_name, **kind)]
        masks[0]["threshold"] = float(next(numbers))
        particles = [
            row_of(schemas.PARTICLES, particle_id=f"{item}#{n}", micrograph_id=item, label=n, duplicate_of=None, **kind)
            for n in range(1, n_particles + 1)
        ]
        common = {"place": place, **origin}
        manifest = write("samples/manifest", {"FILES": files}, **common)
        micrographs = write("samples/micrographs", {"MICROGRAPHS": images}, inputs=[manifest], **common)
        segmentation = write("hrtem/segmentation", {"MASKS": masks}, inputs=[micrographs], **common)
        found = write("hrtem/particles", {"PARTICLES": particles}, inputs=[segmentation, micrographs], **common)
        return {"manifest": manifest, "micrographs": micrographs, "segmentation": segmentation, "particles": found}

    return make
