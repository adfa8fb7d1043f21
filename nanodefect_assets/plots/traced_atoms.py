"""Traced atoms at a glance (fig. 2.2c)."""

import numpy as np
from matplotlib.figure import Figure

from nanodefect_assets.domain.traced_atoms import TracedAtoms

_N_BINS = 30


def plot_traced_atoms(atoms: TracedAtoms) -> Figure:
    """Draw atoms seen along the beam and along the tilt axis, shaded by depth; their intensities and uncertainties.

    Parameters
    ----------
    atoms : TracedAtoms
        What was traced, one atom at least.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    (along_beam, along_axis), (brightness, precision) = figure.subplots(2, 2, height_ratios=[3, 2])
    size = float(np.clip(6000 / max(len(atoms), 1), 1, 60))
    for axes, (across, down, depth), title in (
        (along_beam, (0, 1, 2), "along the beam"),
        (along_axis, (0, 2, 1), "along the tilt axis"),
    ):
        nearest_last = np.argsort(atoms.positions_angstrom[:, depth])
        at = atoms.positions_angstrom[nearest_last] / 10
        axes.scatter(at[:, across], at[:, down], c=at[:, depth], s=size, cmap="viridis", edgecolors="k", linewidths=0.1)
        axes.set(title=title, xlabel="nm", ylabel="nm", aspect="equal")
        axes.invert_yaxis()
    brightness.hist(atoms.intensity, bins=_N_BINS, color="#7a9cc6")
    brightness.set(xlabel="intensity (counts)", ylabel="atoms")
    precision.hist(atoms.sigma_pm, bins=_N_BINS, color="#7a9cc6")
    precision.set(xlabel="standard deviation of position (pm)", ylabel="atoms")
    return figure
