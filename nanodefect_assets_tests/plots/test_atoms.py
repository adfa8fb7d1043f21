from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.atom_order import ORDER_CLASSES, AtomOrder, BondLength
from nanodefect_assets.plots.atoms import plot_order_slices, plot_score_histograms, slice_heights


@pytest.fixture
def order(rng):
    """Atoms on a simple lattice of 2.8 angstrom, of all classes in turn."""
    steps = np.arange(6) * 2.8
    positions = np.array(np.meshgrid(steps, steps, steps, indexing="ij")).reshape(3, -1).T
    n_atoms = len(positions)
    return AtomOrder(
        positions_angstrom=positions,
        order=np.array(ORDER_CLASSES)[np.arange(n_atoms) % len(ORDER_CLASSES)],
        scores=rng.uniform(0, 12, size=(n_atoms, 4)),
        rotations=np.tile(np.eye(3), (n_atoms, 1, 1)),
        coordination=np.full(n_atoms, 12),
        is_exposed=np.zeros(n_atoms, dtype=bool),
        bond=BondLength(peak_angstrom=2.8, mean_angstrom=2.8, spread_angstrom=0.1, cutoff_angstrom=3.5),
    )


def drawn(panel):
    return sum(len(points.get_offsets()) for points in panel.collections)


def test_slices_at_the_layers_show_every_atom_once(order):
    layers = [z for z in np.unique(order.positions_angstrom[:, 2])]
    figure = plot_order_slices(order, n_slices=6, n_cols=3)
    panels = [axes for axes in figure.axes if axes.get_title()]

    assert len(panels) == len(layers)
    assert sum(drawn(panel) for panel in panels) >= len(order)
    assert panels[0].get_title() == f"z = {slice_heights(order, 6)[0] / 10:.1f} nm"


def test_atoms_are_coloured_by_their_score_and_the_surface_is_black(order):
    figure = plot_order_slices(order, n_slices=1)
    surface, other, coloured = figure.axes[0].collections
    in_slice = np.abs(order.positions_angstrom[:, 2] - 7.0) <= 1.4
    is_coloured = in_slice & np.isin(order.order, ["fcc", "hcp", "ambiguous"])

    assert coloured.get_array().tolist() == order.hcp_minus_fcc[is_coloured].tolist()
    assert len(surface.get_offsets()) == (in_slice & (order.order == "surface")).sum()
    assert surface.get_facecolor()[0].tolist() == [0, 0, 0, 1]
    assert (
        len(other.get_offsets()) == (in_slice & np.isin(order.order, ["disordered", "five_fold", "icosahedral"])).sum()
    )


def test_a_slice_without_atoms_is_empty(order):
    apart = replace(order, positions_angstrom=order.positions_angstrom * [1, 1, 100])
    figure = plot_order_slices(apart, n_slices=4, n_cols=4)

    assert [drawn(axes) for axes in figure.axes[:4]] == [0, 0, 0, 0]


@pytest.mark.parametrize(("n_slices", "n_cols"), [(0, 4), (4, 0)])
def test_no_slices_are_refused(order, n_slices, n_cols):
    with pytest.raises(ValueError, match="Expected one slice and one column"):
        plot_order_slices(order, n_slices=n_slices, n_cols=n_cols)


def test_histograms_count_all_atoms_but_the_surface(order):
    figure = plot_score_histograms(order, min_score=8.0)
    scores, difference = figure.axes
    n_inside = (order.order != "surface").sum()

    assert sum(bar.get_height() for bar in difference.patches) == n_inside
    assert [text.get_text() for text in scores.get_legend().get_texts()] == ["fcc", "hcp"]
    assert scores.lines[0].get_xdata()[0] == 8.0
