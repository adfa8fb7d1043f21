"""A reconstruction at a glance: slices, how it converged, how well each image is explained."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_LARGEST_EDGE_PX = 256


def plot_reconstruction(
    volume: Float[np.ndarray, "z y x"],
    misfits: Float[np.ndarray, " iteration"],
    tilts_deg: Float[np.ndarray, " tilt"],
    r_factors: Float[np.ndarray, " tilt"],
    noise_r_factors: Float[np.ndarray, " tilt"],
) -> Figure:
    """Draw three slices through the middle, the misfit against iterations, and the R-factor of each tilt.

    Parameters
    ----------
    volume : ndarray of shape (z, y, x)
        The reconstruction.
    misfits : ndarray of shape (iteration,)
        |A x - y| / |y|.
    tilts_deg, r_factors, noise_r_factors : ndarray of shape (tilt,)
        Tilt, R-factor, and what noise alone would leave of it.
    """
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 6, height_ratios=[3, 2])
    panels = [figure.add_subplot(grid[0, 2 * n : 2 * n + 2]) for n in range(3)]
    convergence, by_tilt = figure.add_subplot(grid[1, :3]), figure.add_subplot(grid[1, 3:])
    middle = [n // 2 for n in volume.shape]
    planes = (
        ("y across x", volume[middle[0]]),
        ("z across x", volume[:, middle[1]]),
        ("z across y", volume[:, :, middle[2]]),
    )
    for axes, (title, plane) in zip(panels, planes, strict=True):
        _draw_slice(axes, title, plane)
    convergence.semilogy(np.arange(1, len(misfits) + 1), misfits, color="black")
    convergence.set(xlabel="iteration", ylabel="misfit")
    order = np.argsort(tilts_deg)
    by_tilt.plot(tilts_deg[order], 100 * r_factors[order], "o-", ms=3, color="black", label="R-factor")
    by_tilt.plot(tilts_deg[order], 100 * noise_r_factors[order], "--", color="grey", label="noise alone")
    by_tilt.set(xlabel="tilt (deg)", ylabel="%", ylim=(0, None))
    by_tilt.legend(fontsize=7, frameon=False)
    return figure


def _draw_slice(axes: Axes, title: str, plane: Float[np.ndarray, "row col"]) -> None:
    step = -(-max(plane.shape) // _LARGEST_EDGE_PX)
    high = float(np.percentile(plane, 99.8))
    axes.imshow(plane[::step, ::step], cmap="gray", vmin=0, vmax=max(high, 1e-12), interpolation="nearest")
    axes.set_title(title, fontsize=8)
    axes.set_axis_off()
