import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from nanodefect_assets.plots.sizes import lognormal_density, plot_diameters, plot_size_histogram

PLACE = {"synthesis_batch": "pd-1", "modality": "hrtem", "length_unit": "nm", "is_simulated": False}


def histogram_rows(aliquot, fractions, low=2.0, width=0.5):
    return pd.DataFrame(
        [
            PLACE
            | {
                "aliquot_time": aliquot,
                "bin_low": low + i * width,
                "bin_high": low + (i + 1) * width,
                "n_particles": 10,
                "fraction": fraction,
            }
            for i, fraction in enumerate(fractions)
        ]
    )


def distribution_row(aliquot, **values):
    row = {
        "n_micrographs": 2,
        "n_particles": 30,
        "n_edge": 1,
        "mean_diameter": 2.7,
        "mean_diameter_low": 2.4,
        "mean_diameter_high": 3.0,
        "min_diameter": 0.0,
        "lognormal_kept_fraction": 1.0,
        "lognormal_median": 2.6,
        "lognormal_sigma": 0.1,
    }
    return PLACE | {"aliquot_time": aliquot} | row | values


def test_each_aliquot_has_its_bars_fit_and_title():
    histogram = pd.concat([histogram_rows("t0028800", [0.25, 0.75]), histogram_rows("t0000045", [1.0])])
    distribution = pd.DataFrame([distribution_row("t0028800"), distribution_row("t0000045", lognormal_sigma=np.nan)])

    early, late = plot_size_histogram(histogram, distribution).axes

    assert [bar.get_height() for bar in late.patches] == [0.25, 0.75]
    assert [bar.get_x() for bar in late.patches] == [2.0, 2.5]
    assert late.get_title(loc="left") == "pd-1, 8 h, hrtem: 2.7 ± 0.3 nm (95 %), 30 particles in 2 micrographs"
    assert (len(late.lines), len(early.lines)) == (1, 0)
    assert "45 s" in early.get_title(loc="left")


def test_the_fit_has_the_area_of_the_bars():
    histogram = histogram_rows("end", [0.02, 0.1, 0.4, 0.3, 0.1, 0.06, 0.02], low=1.5)

    [axes] = plot_size_histogram(histogram, pd.DataFrame([distribution_row("end")])).axes

    diameters, shares = axes.lines[0].get_data()
    assert np.trapezoid(shares, diameters) == pytest.approx(0.5, rel=0.01)
    assert diameters[np.argmax(shares)] == pytest.approx(2.6 * np.exp(-0.01), abs=0.02)


def test_the_fit_above_a_cut_has_the_area_of_the_bars_there():
    kept = ndtr(np.log(2.6 / 2.5) / 0.1)
    row = distribution_row("end", min_diameter=2.5, lognormal_kept_fraction=kept)

    [axes] = plot_size_histogram(histogram_rows("end", [0.8, 0.2], low=2.5), pd.DataFrame([row])).axes

    diameters, shares = axes.lines[0].get_data()
    assert diameters[0] == 2.5
    assert np.trapezoid(shares, diameters) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(
    ("distribution", "note"),
    [
        (
            pd.DataFrame([distribution_row("end", n_particles=0, mean_diameter=np.nan, lognormal_sigma=np.nan)]),
            "no particle that counts",
        ),
        (pd.DataFrame(columns=list(distribution_row("end"))), "no micrographs"),
    ],
)
def test_nothing_to_show_is_said(distribution, note):
    [axes] = plot_size_histogram(histogram_rows("t0028800", [1.0]), distribution).axes

    assert [text.get_text() for text in axes.texts] == [note]


@pytest.mark.parametrize("sigma", [0.05, 0.5])
def test_lognormal_density_integrates_to_one(sigma):
    diameters = np.linspace(0.01, 60, 200_000)

    assert np.trapezoid(lognormal_density(diameters, 3.0, sigma), diameters) == pytest.approx(1, abs=1e-4)


def test_diameters_are_drawn_by_unit_and_by_whether_whole():
    particles = pd.DataFrame(
        {
            "equivalent_diameter_nm": [1.0, 2.0, np.nan],
            "equivalent_diameter_px": [10.0, 20.0, 30.0],
            "circularity": [0.9, 0.8, 0.7],
            "touches_edge": [False, True, False],
        }
    )

    in_nm, in_px = plot_diameters(particles).axes

    drawn = [[collection.get_offsets().data.tolist() for collection in axes.collections] for axes in (in_nm, in_px)]
    assert drawn == [[[[1.0, 0.9]], [[2.0, 0.8]]], [[[30.0, 0.7]], []]]
    assert (in_nm.get_xlabel(), in_px.get_xlabel()) == ("equivalent diameter (nm)", "equivalent diameter (px)")


def test_no_particles_draw_an_empty_panel():
    columns = ["equivalent_diameter_nm", "equivalent_diameter_px", "circularity", "touches_edge"]

    assert len(plot_diameters(pd.DataFrame(columns=columns)).axes) == 1
