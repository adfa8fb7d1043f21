import numpy as np

from nanodefect_assets.domain.agreement import Agreement, ComparedImages
from nanodefect_assets.plots.agreement import plot_agreements, plot_compared_images


def agreement(diameter_nm, correlation, model="weak phase", view="off zones"):
    return Agreement(
        material="Au",
        diameter_nm=diameter_nm,
        view=view,
        setting="defocus 8 nm",
        n_atoms=10,
        model=model,
        correlation=correlation,
        contrast_ratio=2.0,
        spectrum_correlation=0.9,
        power_ratio=4.0,
    )


def test_lines_are_means_over_the_defoci_in_order_of_size():
    found = [agreement(4.0, 0.5), agreement(2.0, 0.8), agreement(2.0, 1.0), agreement(4.0, 0.7)]
    figure = plot_agreements([*found, agreement(2.0, 0.1, view="along a row")])
    row, off = figure.axes[:2]

    assert [axes.get_title() for axes in (row, off)] == ["along a row", "off zones"]
    np.testing.assert_allclose(off.lines[0].get_xydata(), [[2, 0.9], [4, 0.6]])
    np.testing.assert_allclose(row.lines[0].get_xydata(), [[2, 0.1]])


def test_all_images_of_a_row_have_the_scale_of_multislice(rng):
    exact = 5 + rng.random((60, 60))
    compared = ComparedImages(
        material="Au",
        diameter_nm=2.0,
        view="off zones",
        setting="defocus 8 nm",
        n_atoms=10,
        pixel_size_angstrom=1.0,
        exact=exact,
        models={"weak phase": 10 * exact},
        inside=np.ones((60, 60), dtype=bool),
    )
    figure = plot_compared_images([compared])
    first, second = (axes.images[0] for axes in figure.axes)

    assert first.get_clim() == second.get_clim()
    assert first.get_array().shape == (40, 40)
    np.testing.assert_allclose(first.get_array(), exact[10:50, 10:50] / exact.mean())
    np.testing.assert_allclose(second.get_array(), first.get_array())
