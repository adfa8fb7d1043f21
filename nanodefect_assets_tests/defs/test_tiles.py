"""Tiles of a map from the landing folder to the rows of the warehouse."""

import pytest

from nanodefect_assets.science.synthetic.discs import disc_micrograph
from nanodefect_assets.stores.simulated import write_tiff
from nanodefect_assets.stores.warehouse import run_query

pytestmark = pytest.mark.slow
YAML = """\
batch: te-1
files:
  - {path: "m/*.tif", modality: hrstem, positions: m/tiles.csv, map: te}
  - {path: alone.tif, modality: hrstem}
"""


def test_the_places_of_tiles_are_in_sql(home, ingest, rng, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    folder = home.landing / "te-1"
    (folder / "m").mkdir(parents=True)
    for name in ("m/a.tif", "m/b.tif", "alone.tif"):
        planted = disc_micrograph(diameters_nm=(5.0, 6.0), pixel_size_nm=0.2, rng=rng, shape=(56, 120))
        write_tiff(folder / name, planted.micrograph.counts, pixel_size_nm=0.2)
    (folder / "m" / "tiles.csv").write_text("file;x_um;y_um\na.tif;1,5;2\nb.tif;1,52;2\n")
    (folder / "batch.yaml").write_text(YAML)
    assert ingest(home, folder).trouble == ()

    query = "SELECT map_id, stage_y_nm, map_x_nm, map_y_nm, map_source FROM micrographs ORDER BY micrograph_id"
    alone, first, second = run_query(home, query).to_pylist()
    assert set(alone.values()) == {None}
    assert (first["map_id"], first["map_source"]) == ("te-1/end/te", "table")
    assert (first["stage_y_nm"], first["map_y_nm"]) == pytest.approx((2000, -2000))
    assert second["map_x_nm"] - first["map_x_nm"] == pytest.approx(20)
