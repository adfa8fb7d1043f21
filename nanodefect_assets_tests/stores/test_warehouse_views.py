import itertools
import math

import pytest

from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.hrtem.score import MaskScore
from nanodefect_assets.stores.warehouse import load_warehouse, run_query

OTHER_CELL = Place(batch="pd-1", aliquot="end")
COUNTS = ("n_true_positive", "n_false_positive", "n_false_negative", "n_true_negative")
RATIOS = ("dice", "iou", "precision", "recall")


def query(home, sql):
    load_warehouse(home)
    return run_query(home, sql).to_pylist()


@pytest.mark.parametrize(
    ("counts", "dice", "iou", "precision", "recall"),
    [
        ((6, 2, 4, 88), 12 / 18, 0.5, 0.75, 0.6),
        ((0, 0, 0, 100), 1, 1, None, None),
        ((0, 0, 5, 95), 0, 0, None, 0),
        ((0, 5, 0, 95), 0, 0, 0, None),
        ((100, 0, 0, 0), 1, 1, 1, 1),
        ((2**40, 2**40, 0, 0), 2 / 3, 0.5, 0.5, 1),
    ],
)
@pytest.mark.parametrize("view", ["mask_quality", "sample_mask_quality"])
def test_quality_follows_from_counts(home, write, row_of, view, counts, dice, iou, precision, recall):
    row = row_of(schemas.MASK_SCORES, **dict(zip(COUNTS, counts, strict=True)))
    write("hrtem/mask_scores", {"MASK_SCORES": [row]})

    assert query(home, f"SELECT dice, iou, precision, recall FROM {view}") == [
        pytest.approx({"dice": dice, "iou": iou, "precision": precision, "recall": recall}, nan_ok=True)
    ]


def test_the_warehouse_and_the_science_mean_the_same_by_quality(home, write, row_of):
    scores = [
        MaskScore(**{name: is_some * n for name, is_some, n in zip(COUNTS, some, (3, 5, 7, 11), strict=True)})
        for some in itertools.product((0, 1), repeat=4)
    ]
    rows = [row_of(schemas.MASK_SCORES, micrograph_id=f"{n:02d}", **vars(score)) for n, score in enumerate(scores)]
    write("hrtem/mask_scores", {"MASK_SCORES": rows})
    expected = [{name: getattr(score, name) for name in RATIOS} for score in scores]

    found = query(home, f"SELECT {', '.join(RATIOS)} FROM mask_quality ORDER BY micrograph_id")
    assert found == [
        {name: None if math.isnan(value) else pytest.approx(value) for name, value in one.items()} for one in expected
    ]
    pooled = sum(scores[1:], scores[0])
    (sample,) = query(home, f"SELECT {', '.join(RATIOS)} FROM sample_mask_quality")
    assert sample == {name: pytest.approx(getattr(pooled, name)) for name in RATIOS}


def test_quality_of_a_sample_is_pooled_over_pixels_not_over_micrographs(home, write, row_of):
    common = {"n_false_positive": 0, "n_true_negative": 0}
    good = row_of(schemas.MASK_SCORES, micrograph_id="a", n_true_positive=90, n_false_negative=0, **common)
    bad = row_of(schemas.MASK_SCORES, micrograph_id="b", n_true_positive=0, n_false_negative=10, **common)
    write("hrtem/mask_scores", {"MASK_SCORES": [good, bad]})

    found = query(home, "SELECT n_micrographs, n_true_positive, dice, mean_dice FROM sample_mask_quality")
    assert found == [
        {"n_micrographs": 2, "n_true_positive": 90, "dice": pytest.approx(180 / 190), "mean_dice": pytest.approx(0.5)}
    ]


def test_a_particle_leads_back_to_its_file(home, write_chain):
    made = write_chain(dagster_run_id="run-1", mlflow_run_id="training")
    found = query(home, "SELECT * FROM particle_lineage ORDER BY particle_id")

    assert [row["label"] for row in found] == [1, 2, 3]
    assert found[0] == {
        "particle_id": "pd-1/t0028800/a.tif#1",
        "sample": "pd-1/t0028800",
        "micrograph_id": "pd-1/t0028800/a.tif",
        "label": 1,
        "is_simulated": False,
        "particle_generation": made["particles"].name,
        "run_size": "full",
        "code_version": "1",
        "params_hash": made["particles"].origin.params_hash,
        "package_version": made["particles"].package_version,
        "dagster_run_id": "run-1",
        "mask_generation": made["segmentation"].name,
        "mask_code_version": "1",
        "mask_dagster_run_id": "run-1",
        "segmenter_name": "otsu",
        "segmenter_version": "x",
        "segmenter_mlflow_run_id": "x",
        "micrograph_generation": made["micrographs"].name,
        "file_id": "pd-1/t0028800/a.tif",
        "sha256": "5ea1",
        "path": "a.tif",
        "revision": "r0001",
    }


def test_lineage_names_the_mask_measured_though_a_newer_one_is_in_force(home, write_chain, write, row_of):
    made = write_chain(segmenter_name="otsu")
    newer = row_of(schemas.MASKS, micrograph_id="pd-1/t0028800/a.tif", segmenter_name="unet")
    write("hrtem/segmentation", {"MASKS": [newer]}, inputs=[made["micrographs"]])

    found = query(home, "SELECT DISTINCT segmenter_name, mask_generation, sha256 FROM particle_lineage")
    assert found == [{"segmenter_name": "otsu", "mask_generation": made["segmentation"].name, "sha256": "5ea1"}]
    assert run_query(home, "SELECT segmenter_name FROM masks").to_pylist() == [{"segmenter_name": "unet"}]
    assert run_query(home, "SELECT count(*) AS n FROM superseded.generations").to_pylist() == [{"n": 1}]


def test_every_particle_has_one_line_of_lineage(home, write_chain):
    for n in range(4):
        write_chain(Place(batch=f"b{n}", aliquot="end"), n_particles=n + 1)
        write_chain(Place(batch=f"b{n}", aliquot="end"), n_particles=n + 2)

    found = query(
        home, "SELECT count(*) AS n, count(DISTINCT particle_id) AS ids, count(sha256) AS known FROM particle_lineage"
    )
    assert found == [{"n": 2 + 3 + 4 + 5, "ids": 14, "known": 14}]


@pytest.mark.parametrize(("kinds", "expected"), [((False, True), 3), ((True, True), 6), ((False, False), 6)])
def test_simulated_particles_count_only_where_all_are_simulated(home, write_chain, cell, kinds, expected):
    for place, is_simulated in zip((cell, OTHER_CELL), kinds, strict=True):
        write_chain(place, is_simulated=is_simulated)

    assert query(home, "SELECT count(*) AS n FROM measured_particles") == [{"n": expected}]


def test_a_measured_micrograph_without_particles_keeps_simulated_ones_out(home, write_chain, cell):
    write_chain(cell, is_simulated=True)
    write_chain(OTHER_CELL, n_particles=0)

    assert query(home, "SELECT count(*) AS n FROM measured_particles") == [{"n": 0}]


def write_batch(write, row_of, **conditions):
    batch = Place(batch="pd-1")
    aliquots = [
        row_of(schemas.ALIQUOTS, synthesis_batch="pd-1", aliquot_time=key, aliquot_label=label, growth_time_s=time_s)
        for key, label, time_s in (("t0028800", "8 h", 28800), ("end", "end", None))
    ]
    rows = {
        "BATCHES": [row_of(schemas.BATCHES, synthesis_batch="pd-1", material="Pd")],
        "ALIQUOTS": aliquots,
        "CONDITIONS": [row_of(schemas.CONDITIONS, synthesis_batch="pd-1", **one) for one in conditions.values()],
    }
    write("samples/intake", rows, place=batch)


def test_sizes_come_with_growth_time_and_material(home, write, row_of):
    write_batch(write, row_of)
    sizes = [
        row_of(schemas.SIZE_DISTRIBUTIONS, synthesis_batch="pd-1", aliquot_time=key, mean_diameter=mean)
        for key, mean in (("t0028800", 9.5), ("end", 12.0))
    ]
    write("population/size_distribution", {"SIZE_DISTRIBUTIONS": sizes}, place=Place(batch="pd-1"))

    sql = "SELECT aliquot_label, growth_time_s, material, mean_diameter FROM aliquot_sizes ORDER BY growth_time_s"
    assert query(home, sql) == [
        {"aliquot_label": "8 h", "growth_time_s": 28800, "material": "Pd", "mean_diameter": 9.5},
        {"aliquot_label": "end", "growth_time_s": None, "material": "Pd", "mean_diameter": 12.0},
    ]


def test_the_overview_counts_what_came_of_each_sample(home, write, row_of, write_chain):
    write_batch(write, row_of)
    write_chain()

    columns = "sample, n_micrographs, n_segmented, n_particles, last_made_at IS NOT NULL AS made"
    sql = f"SELECT {columns} FROM sample_overview ORDER BY sample"
    assert query(home, sql) == [
        {"sample": "pd-1/end", "n_micrographs": 0, "n_segmented": 0, "n_particles": 0, "made": False},
        {"sample": "pd-1/t0028800", "n_micrographs": 1, "n_segmented": 1, "n_particles": 1, "made": True},
    ]


def condition(name, value=None, unit=None, text_value=None, aliquot_time=None):
    return {"name": name, "value": value, "unit": unit, "text_value": text_value, "aliquot_time": aliquot_time}


def test_every_condition_has_a_column_and_an_aliquots_own_value_goes_first(home, write, row_of):
    write_batch(
        write,
        row_of,
        a=condition("temperature", 80.0, "C"),
        b=condition("temperature", 95.0, "C", aliquot_time="end"),
        c=condition("reagent/PVP", 2.5, "mg/mL"),
        d=condition("stirring", text_value="slow's"),
        e=condition("material", text_value="foil"),
        f=condition("Temperature", 300.0, "K"),
        g=condition("éß", 1.0),
    )

    found = query(home, "SELECT * FROM aliquot_conditions ORDER BY growth_time_s")
    assert [row["temperature_c"] for row in found] == [80.0, 95.0]
    shared = {"material": "Pd", "reagent_pvp_mg_per_ml": 2.5, "stirring": "slow's", "material_2": "foil"}
    for row in found:
        assert row.items() >= {**shared, "temperature_k": 300.0, "condition": 1.0}.items()
    comments = query(home, "SELECT comment FROM duckdb_columns() WHERE column_name = 'reagent_pvp_mg_per_ml'")
    assert "[mg/mL]" in comments[0]["comment"]
