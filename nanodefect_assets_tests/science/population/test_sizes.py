import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, lognorm

from nanodefect_assets.domain.schemas import SIZE_DISTRIBUTIONS, SIZE_HISTOGRAMS
from nanodefect_assets.science.population.params import SizeParams
from nanodefect_assets.science.population.sizes import histogram_sizes, summarise_sizes


def particles(diameters, *, micrograph="pd-1/t0028800/a.tif", weights=1.0, unit="nm", is_simulated=False, edge=False):
    table = pd.DataFrame({"equivalent_diameter_px": np.asarray(diameters, dtype=float)})
    table["equivalent_diameter_nm"] = table["equivalent_diameter_px"] if unit == "nm" else np.nan
    return table.assign(
        micrograph_id=micrograph, inclusion_weight=weights, touches_edge=edge, is_simulated=is_simulated
    )


def summary(table, **settings):
    return summarise_sizes(table, SizeParams(**settings)).iloc[0]


def test_rows_have_the_columns_of_the_schemas():
    table = particles([1.0, 2.0, 4.0])

    assert tuple(summarise_sizes(table, SizeParams()).columns) == SIZE_DISTRIBUTIONS.names
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
    assert row["sd_diameter"] == pytest.approx(np.sqrt((2.75**2 + 3 * 0.75**2 + 4 * 1.25**2) / 8 * 3 / 2))
    assert row["median_diameter"] == 5.0
    assert np.isnan(row["lognormal_sigma"])


def test_a_single_micrograph_has_no_standard_error():
    row = summary(particles([1.0, 2.0, 3.0]))

    assert row["mean_diameter"] == 2.0
    assert np.isnan(row["mean_diameter_se"])


def test_a_lognormal_distribution_is_recovered_as_scipy_fits_it():
    diameters = np.random.default_rng(0).lognormal(np.log(3.0), 0.2, 4000)

    row = summary(particles(diameters))

    shape, _, scale = lognorm.fit(diameters, floc=0)
    assert (row["lognormal_median"], row["lognormal_sigma"]) == pytest.approx((3.0, 0.2), rel=0.03)
    assert (row["lognormal_median"], row["lognormal_sigma"]) == pytest.approx((scale, shape), rel=1e-4)
    assert row["lognormal_ks"] == pytest.approx(kstest(diameters, lognorm(shape, 0, scale).cdf).statistic, abs=1e-4)


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

    rows = summarise_sizes(table.sample(frac=1, random_state=1), SizeParams())

    keys = rows[["aliquot_time", "length_unit", "is_simulated", "mean_diameter"]].to_numpy().tolist()
    assert keys == [
        ["t0000060", "nm", False, 1.0],
        ["t0028800", "nm", False, 2.0],
        ["t0028800", "nm", True, 3.0],
        ["t0028800", "px", False, 40.0],
    ]


def test_an_aliquot_with_edge_particles_alone_has_a_row_of_nothing():
    row = summary(particles([3.0, 4.0], edge=True, weights=0.0))

    assert (row["n_micrographs"], row["n_particles"], row["n_edge"]) == (0, 0, 2)
    assert np.isnan(row["mean_diameter"])
    assert histogram_sizes(particles([3.0], edge=True, weights=0.0), SizeParams()).empty


def test_an_aliquot_without_particles_has_a_row_where_its_micrographs_are_known():
    micrographs = pd.DataFrame({"micrograph_id": ["pd-1/end/a.tif"], "pixel_size_nm": [0.1], "is_simulated": [False]})

    rows = summarise_sizes(particles([]), SizeParams(), micrographs=micrographs)

    assert rows[["aliquot_time", "length_unit", "n_particles", "n_edge"]].to_numpy().tolist() == [["end", "nm", 0, 0]]
    assert summarise_sizes(particles([]), SizeParams()).empty


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
