"""Tiles of a map from the landing folder to the rows of the warehouse."""

import numpy as np
import pytest
from skimage.draw import disk

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


TILE, STEP, GRID = (200, 240), (150, 180), (2, 3)


def plant_map(folder, rng, *, off_px=0.0, sense_of_x=1):
    """Write tiles of a field of 60 bright discs that touch no edge of it, and return its shape and the discs."""
    shape = tuple((n - 1) * step + edge for n, step, edge in zip(GRID, STEP, TILE, strict=True))
    field = np.full(shape, 100.0)
    cells = [(25 + 50 * row, 30 + 60 * col) for row in range(shape[0] // 50) for col in range(shape[1] // 60)]
    for row, col in cells:
        field[disk((row + rng.uniform(-8, 8), col + rng.uniform(-12, 12)), rng.uniform(7, 12))] = 200.0
    folder.mkdir(parents=True)
    lines = ["file;x_nm;y_nm"]
    for row, col in np.ndindex(GRID):
        top, left = row * STEP[0], col * STEP[1]
        tile = field[top : top + TILE[0], left : left + TILE[1]] + rng.normal(0, 5, TILE)
        write_tiff(folder / f"{row}{col}.tif", tile, pixel_size_nm=0.2)
        at = np.array([top, left]) + rng.uniform(-off_px, off_px, 2)
        lines.append(f"{row}{col}.tif;{sense_of_x * 0.2 * at[1]:.2f};{-0.2 * at[0]:.2f}")
    (folder / "tiles.csv").write_text("\n".join(lines))
    (folder / "batch.yaml").write_text(
        "batch: map-1\nchirality: {true_enantiomers: true, expected_minority_share: 0.08}\n"
        "files:\n  - {path: '*.tif', modality: sem, positions: tiles.csv}\n"
    )
    return shape, len(cells)


def test_a_particle_in_an_overlap_is_one_particle_in_every_table(home, ingest, rng, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    shape, n_planted = plant_map(home.landing / "map-1", rng, off_px=6)
    done = ingest(home, home.landing / "map-1")

    (found,) = run_query(home, "SELECT count(*) AS n, count(duplicate_of) AS n_again FROM particles").to_pylist()
    (sizes,) = run_query(home, "SELECT * FROM size_distributions").to_pylist()
    (area,) = run_query(home, "SELECT sum(own_area_px)::BIGINT AS px FROM map_tiles").to_pylist()
    assert found["n"] - found["n_again"] == n_planted < found["n"]
    assert run_query(home, "SELECT * FROM measured_particles").num_rows == n_planted
    crops = "SELECT particle_id, duplicate_of FROM sem_crops WHERE duplicate_of IS NOT NULL ORDER BY particle_id"
    assert run_query(home, crops) == run_query(home, crops.replace("sem_crops", "particles"))
    assert sizes["n_particles"] + sizes["n_edge"] == n_planted
    assert area["px"] == pytest.approx(shape[0] * shape[1], rel=0.01)
    area_um2 = shape[0] * shape[1] * 0.2**2 * 1e-6
    assert sizes["number_density_per_um2"] == pytest.approx(n_planted / area_um2, rel=0.1)
    assert not [doubt for doubt in done.doubts if "overlaps" in doubt]
    page = next(home.root.rglob("*map-1*.html"), None)
    assert page is None or f"{n_planted}, of them" in page.read_text()


def test_ingest_says_that_tiles_do_not_fit_where_their_positions_put_them(home, ingest, rng, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    plant_map(home.landing / "map-1", rng, sense_of_x=-1)
    done = ingest(home, home.landing / "map-1")

    (said,) = [doubt for doubt in done.doubts if "overlaps" in doubt]
    assert "map-1/end" in said
    assert "n that could be judged" in said
