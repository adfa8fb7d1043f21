import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from nanodefect_assets.domain.schemas import SIZE_DISTRIBUTIONS, SIZE_HISTOGRAMS
from nanodefect_assets.science.hrtem.particles import inclusion_weights
from nanodefect_assets.science.population.params import SizeParams
from nanodefect_assets.science.population.sizes import histogram_sizes, summarise_sizes


def particles(
    diameters,
    *,
    micrograph="pd-1/t0028800/a.tif",
    weights=1.0,
    unit="nm",
    is_simulated=False,
    edge=False,
    modality="hrtem",
):
    table = pd.DataFrame({"equivalent_diameter_px": np.asarray(diameters, dtype=float)})
    table["equivalent_diameter_nm"] = table["equivalent_diameter_px"] if unit == "nm" else np.nan
    return table.assign(
        micrograph_id=micrograph,
        inclusion_weight=weights,
        touches_edge=edge,
        is_simulated=is_simulated,
        modality=modality,
        duplicate_of=None,
    )


def micrographs_of(table, *, empty=(), pixel_size_nm=0.1, min_diameter_px=0.0, shape=(1000, 2000)):
    """Micrographs of the particles and further ones without any."""
    in_nm = table.groupby("micrograph_id")["equivalent_diameter_nm"].apply(lambda lengths: lengths.notna().all())
    simulated = table.groupby("micrograph_id")["is_simulated"].first()
    modality = table.groupby("micrograph_id")["modality"].first()
    ids = [*in_nm.index, *empty]
    return pd.DataFrame(
        {
            "micrograph_id": ids,
            "file_id": [name.split("@")[0] for name in ids],
            "pixel_size_nm": [pixel_size_nm if in_nm.get(name, True) else np.nan for name in ids],
            "is_simulated": [simulated.get(name, False) for name in ids],
            "modality": [modality.get(name, "hrtem") for name in ids],
            "n_rows": shape[0],
            "n_cols": shape[1],
            "min_diameter_px": min_diameter_px,
            "own_area_px": shape[0] * shape[1],
        }
    )


def summaries(table, micrographs=None, **settings):
    micrographs = micrographs_of(table) if micrographs is None else micrographs
    return summarise_sizes(table, micrographs, SizeParams(**settings), rng=np.random.default_rng(0))


def summary(table, micrographs=None, **settings):
    return summaries(table, micrographs, **settings).iloc[0]


def test_rows_have_the_columns_of_the_schemas():
    table = particles([1.0, 2.0, 4.0])

    assert tuple(summaries(table).columns) == SIZE_DISTRIBUTIONS.names
    assert tuple(histogram_sizes(table, SizeParams()).columns) == SIZE_HISTOGRAMS.names


def test_weighted_statistics_by_hand():
    table = pd.concat(
        [
            particles([2.0, 4.0], weights=[1.0, 3.0], micrograph="pd-1/end/a.tif"),
            particles([6.0], weights=[4.0], micrograph="pd-1/end/b.tif"),
            particles([50.0], micrograph="pd-1/end/b.tif", weights=0.0, edge=True),
        ]
    )

    row = summary(table)

    assert (row["n_micrographs"], row["n_particles"], row["n_edge"]) == (2, 3, 1)
    assert row["mean_diameter"] == pytest.approx(4.75)
    assert row["mean_diameter_se"] == pytest.approx(np.sqrt(2 * (5.0**2 + 5.0**2)) / 8)
    factor = np.exp(12.706 * row["mean_diameter_se"] / 4.75)
    ends = [row["mean_diameter_low"], row["mean_diameter_high"]]
    assert ends == pytest.approx([4.75 / factor, 4.75 * factor], rel=1e-3)
    assert row["sd_diameter"] == pytest.approx(np.sqrt((2.75**2 + 3 * 0.75**2 + 4 * 1.25**2) / 8 * 3 / 2))
    assert row["median_diameter"] == 5.0
    assert np.isnan(row["lognormal_sigma"])


def test_a_single_micrograph_has_no_error_of_anything():
    row = summary(particles([1.0, 2.0, 3.0, 4.0, 5.0]))

    assert (row["mean_diameter"], row["n_micrographs"]) == (3.0, 1)
    assert row[[name for name in row.index if name.endswith(("_se", "_low", "_high"))]].isna().all()


def test_micrographs_without_particles_are_looked_at_and_say_nothing_of_sizes():
    table = pd.concat([particles([1.0, 1.0]), particles([2.0, 3.0], micrograph="pd-1/t0028800/b.tif")])
    empty = [f"pd-1/t0028800/empty-{n}.tif" for n in range(5)]

    row = summary(table, micrographs_of(table, empty=empty))

    assert (row["n_micrographs"], row["n_micrographs_with_particles"]) == (7, 2)
    assert row["mean_diameter_se"] == pytest.approx(np.sqrt(2 / 1 * 2 * 1.5**2) / 4)
    log_half_width = student.ppf(0.975, 1) * row["mean_diameter_se"] / row["mean_diameter"]
    assert np.log(row["mean_diameter_high"] / row["mean_diameter"]) == pytest.approx(log_half_width)
    assert row["median_diameter_se"] > 0


def test_frames_of_one_file_are_one_in_errors():
    names = ["pd-1/end/a.tif@0000", "pd-1/end/a.tif@0001", "pd-1/end/b.tif"]
    table = pd.concat([particles([n + 1.0, n + 3.0], micrograph=name) for n, name in enumerate(names)])
    merged = pd.concat([particles([1.0, 3.0, 2.0, 4.0], micrograph="pd-1/end/a.tif"), table[-2:]])

    row, alone = summary(table), summary(table[:4])

    assert (row["n_micrographs"], row["n_files_with_particles"]) == (3, 2)
    assert row["mean_diameter_se"] == pytest.approx(summary(merged)["mean_diameter_se"])
    assert row["mean_diameter_high"] == pytest.approx(summary(merged)["mean_diameter_high"])
    assert row["number_density_per_um2"] == pytest.approx(6 / (3 * 0.02))
    names = ["mean_diameter_se", "median_diameter_se", "number_density_per_um2_se"]
    assert alone[names].isna().all()


def test_number_density_is_weighted_and_over_every_area():
    table = pd.concat(
        [
            particles([2.0, 4.0], weights=[1.0, 3.0]),
            particles([3.0], weights=2.0, micrograph="pd-1/t0028800/b.tif"),
            particles([3.0], weights=0.0, edge=True, micrograph="pd-1/t0028800/b.tif"),
        ]
    )
    images = micrographs_of(table, empty=["pd-1/t0028800/c.tif"], pixel_size_nm=0.5)  # half a square micrometre each

    row = summary(table, images)

    assert row["number_density_per_um2"] == pytest.approx(6 / 1.5)
    assert row["number_density_per_um2_se"] == pytest.approx(np.std([8, 4, 0], ddof=1) / np.sqrt(3))


def test_a_planted_number_density_is_found_in_spite_of_the_frame(rng):
    shape, density_per_px, height = (200, 300), 1e-3, 40
    tables = []
    for n in range(400):
        rows, cols = (rng.uniform(-height, size, 1000) for size in shape)
        n_around = rng.poisson(density_per_px * (shape[0] + height) * (shape[1] + height))
        rows, cols = np.ceil(rows[:n_around]), np.ceil(cols[:n_around])
        is_whole = (rows > 0) & (cols > 0) & (rows + height < shape[0]) & (cols + height < shape[1])
        [weight] = inclusion_weights(np.array([height]), np.array([height]), shape)
        weights = np.full(np.count_nonzero(is_whole), weight)
        tables.append(particles(np.full(weights.size, 30.0), weights=weights, micrograph=f"pd-1/end/{n:03d}.tif"))
    table = pd.concat(tables)

    row = summary(table, micrographs_of(table, pixel_size_nm=1.0, shape=shape))

    error = row["number_density_per_um2_se"]
    assert error < 0.01 * density_per_px * 1e6
    assert row["number_density_per_um2"] == pytest.approx(density_per_px * 1e6, abs=3.5 * error)


def test_number_density_of_tiles_that_overlap_is_that_of_their_field(rng):
    """Area and particles count alike twice in an overlap: neither counts once without the other."""
    shape, step, n_tiles, density_per_px = (1000, 2000), 1600, 40, 1e-4
    field = rng.uniform([0, 0], [shape[0], step * n_tiles + 400], (round(density_per_px * 1e3 * (step * 40 + 400)), 2))
    corners = np.arange(n_tiles) * step
    found = [particles([5.0] * int(((field[:, 1] >= at) & (field[:, 1] < at + shape[1])).sum())) for at in corners]
    tiles = [table.assign(micrograph_id=f"te-1/end/{n}.tif") for n, table in enumerate(found)]
    table = pd.concat(tiles)
    row = summary(table, micrographs_of(table, pixel_size_nm=1.0))

    assert len(table) > 1.2 * len(field)
    assert row["number_density_per_um2"] == pytest.approx(density_per_px * 1e6, rel=0.01)


def test_number_density_of_what_has_no_scale_is_not_known():
    row = summary(particles([30.0, 40.0], unit="px"))

    assert np.isnan(row["number_density_per_um2"])
    assert row["mean_diameter"] == 35.0


@pytest.mark.parametrize(("unit", "cut_px", "min_diameter"), [("nm", 30.0, 3.0), ("px", 2.8, 2.8)])
def test_the_fit_knows_of_what_segmentation_drops(rng, unit, cut_px, min_diameter):
    diameters = rng.lognormal(np.log(3.0), 0.2, 20_000)
    diameters = diameters[diameters >= min_diameter]
    names = [f"pd-1/t0028800/{n % 10}.tif" for n in range(diameters.size)]
    table = particles(diameters, micrograph=names, unit=unit)

    row = summary(table, micrographs_of(table, min_diameter_px=cut_px))

    assert row["min_diameter"] == pytest.approx(min_diameter)
    assert row["lognormal_kept_fraction"] == pytest.approx(diameters.size / 20_000, rel=0.05)
    for name, planted in (("lognormal_median", 3.0), ("lognormal_sigma", 0.2)):
        assert row[name] == pytest.approx(planted, abs=4 * row[f"{name}_se"])
        assert row[f"{name}_se"] < 0.1 * planted


def test_what_one_of_the_micrographs_would_have_dropped_counts_in_none():
    fine, coarse = "pd-1/end/fine.tif", "pd-1/end/coarse.tif"
    table = pd.concat(
        [particles([1.0, 2.0, 5.0, 7.0], micrograph=fine), particles([5.0, 9.0], micrograph=coarse, weights=2.0)]
    )
    images = micrographs_of(table, pixel_size_nm=0.1, min_diameter_px=[50.0, 10.0])  # coarse.tif comes first

    row = summary(table, images)

    assert (row["min_diameter"], row["n_particles"], row["n_below_min_diameter"]) == (5.0, 4, 2)
    assert row["mean_diameter"] == pytest.approx((5 + 7 + 2 * 5 + 2 * 9) / 6)
    assert row["mean_diameter_low"] < row["mean_diameter"]
    assert row["median_diameter"] >= row["min_diameter"]
    assert row["number_density_per_um2"] == pytest.approx(6 / 0.04)
    assert not np.isnan(row["lognormal_sigma"])


@pytest.mark.parametrize("diameters", [(3.0, 30.0), (1.0, 90.0)])
def test_the_interval_of_a_diameter_is_above_zero(diameters):
    table = pd.concat([particles([size, size + 1], micrograph=f"pd-1/end/{n}.tif") for n, size in enumerate(diameters)])

    row = summary(table)

    assert 0 < row["mean_diameter_low"] < row["mean_diameter"] < row["mean_diameter_high"]


def test_particles_of_an_unknown_micrograph_are_refused():
    with pytest.raises(ValueError, match=r"Missing: \['pd-1/t0028800/a\.tif'\]"):
        summaries(particles([1.0]), micrographs_of(particles([])))


def test_a_weight_counts_as_that_many_particles():
    diameters, weights = np.array([1.0, 2.0, 2.5, 3.0, 5.0]), np.array([1, 2, 3, 2, 1])
    names = ["mean_diameter", "median_diameter", "lognormal_median", "lognormal_sigma", "lognormal_ks"]

    weighted, repeated = summary(particles(diameters, weights=weights)), summary(particles(diameters.repeat(weights)))

    np.testing.assert_allclose(weighted[names].astype(float), repeated[names].astype(float))


@settings(max_examples=40, deadline=None)
@given(
    diameters=st.lists(st.floats(0.5, 100), min_size=6, max_size=30),
    unit_ratio=st.sampled_from([1e-3, 0.1, 10.0]),
)
def test_sizes_scale_with_the_unit_of_length(diameters, unit_ratio):
    row, scaled = summary(particles(diameters)), summary(particles(np.array(diameters) * unit_ratio))

    for name in ("mean_diameter", "sd_diameter", "median_diameter"):
        assert scaled[name] == pytest.approx(unit_ratio * row[name], rel=1e-9, abs=1e-9 * unit_ratio)


@pytest.mark.parametrize("diameters", [[2.0] * 8, [2.0]])
def test_equal_diameters_have_no_lognormal_fit(diameters):
    row = summary(particles(diameters))

    assert row["mean_diameter"] == 2.0
    assert np.isnan(row[["lognormal_median", "lognormal_sigma", "lognormal_ks"]].astype(float)).all()


def test_units_aliquots_and_simulations_are_never_mixed():
    table = pd.concat(
        [
            particles([1.0], micrograph="pd-1/t0000060/a.tif"),
            particles([2.0], micrograph="pd-1/t0028800/a.tif"),
            particles([40.0], micrograph="pd-1/t0028800/b.tif", unit="px"),
            particles([3.0], micrograph="pd-1/t0028800/c.tif", is_simulated=True),
        ]
    )

    rows = summaries(table.sample(frac=1, random_state=1))

    keys = rows[["aliquot_time", "length_unit", "is_simulated", "mean_diameter"]].to_numpy().tolist()
    assert keys == [
        ["t0000060", "nm", False, 1.0],
        ["t0028800", "nm", False, 2.0],
        ["t0028800", "nm", True, 3.0],
        ["t0028800", "px", False, 40.0],
    ]


def test_an_aliquot_with_edge_particles_alone_has_a_row_of_nothing():
    row = summary(particles([3.0, 4.0], edge=True, weights=0.0))

    assert (row["n_micrographs_with_particles"], row["n_particles"], row["n_edge"]) == (0, 0, 2)
    assert np.isnan(row["mean_diameter"])
    assert histogram_sizes(particles([3.0], edge=True, weights=0.0), SizeParams()).empty


def test_an_aliquot_without_particles_has_a_row_of_its_micrographs():
    none = particles([])

    rows = summaries(none, micrographs_of(none, empty=["pd-1/end/a.tif", "pd-1/end/b.tif"]))

    names = ["aliquot_time", "length_unit", "n_micrographs", "n_particles", "n_edge", "number_density_per_um2"]
    assert rows[names].to_numpy().tolist() == [["end", "nm", 2, 0, 0, 0.0]]
    assert rows["number_density_per_um2_se"].isna().all()
    assert summaries(none).empty


@settings(max_examples=40, deadline=None)
@given(
    diameters=st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=60),
    max_bins=st.integers(1, 60),
    data=st.data(),
)
def test_a_histogram_holds_every_particle_once_in_round_bins(diameters, max_bins, data):
    weights = data.draw(st.lists(st.floats(1, 50), min_size=len(diameters), max_size=len(diameters)))

    bins = histogram_sizes(particles(diameters, weights=weights), SizeParams(max_bins=max_bins))

    assert 1 <= len(bins) <= max_bins
    assert bins["n_particles"].sum() == len(diameters)
    assert bins["fraction"].sum() == pytest.approx(1)
    assert (bins["bin_low"].iloc[0] <= min(diameters)) & (max(diameters) < bins["bin_high"].iloc[-1])
    np.testing.assert_array_equal(bins["bin_low"].iloc[1:], bins["bin_high"].iloc[:-1])
    width = bins["bin_high"].iloc[0] - bins["bin_low"].iloc[0]
    assert f"{width:.6e}"[0] in "125"
    assert float(f"{width:.6e}".split("e")[0]) in (1.0, 2.0, 5.0)


def test_bins_are_those_of_freedman_and_diaconis_rounded_up():
    diameters = np.linspace(10, 19, 1000)

    bins = histogram_sizes(particles(diameters), SizeParams())

    assert bins["bin_high"].iloc[0] - bins["bin_low"].iloc[0] == pytest.approx(1.0)
    np.testing.assert_allclose(bins["fraction"].iloc[:9], 1 / 9, atol=0.002)


def test_sizes_seen_in_different_ways_are_never_mixed():
    table = pd.concat(
        [
            particles([3.0, 3.2], micrograph="pd-1/t0028800/a.tif"),
            particles([900.0, 950.0], micrograph="pd-1/t0028800/overview.tif", modality="sem"),
        ],
        ignore_index=True,
    )

    rows = summaries(table)

    assert rows[["modality", "n_particles", "mean_diameter"]].to_numpy().tolist() == [
        ["hrtem", 2, 3.1],
        ["sem", 2, 925.0],
    ]
