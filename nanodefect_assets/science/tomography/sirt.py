"""Simultaneous iterative reconstruction, for comparison.

References
----------
P. Gilbert, J. Theor. Biol. 36, 105 (1972).
"""

import numpy as np

from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.science.tomography.fasta import Solved
from nanodefect_assets.science.tomography.projector import Projector, Views, Volume3D

_SMALLEST_WEIGHT = 1e-3
"""Rays and voxels that touch less than this share of the heaviest are left alone."""


def sirt(
    projector: Projector,
    views: Views,
    n_iterations: int,
    *,
    start: Volume3D | None = None,
    on_step: OnStep = ignore_progress,
) -> Solved:
    """Repeat x <- max(x + C A* R (y - A x), 0), with the inverse sums of A's rows and columns as weights R and C."""
    rows = _inverse(projector.forward(np.ones(projector.volume_shape, np.float32)))
    columns = _inverse(projector.adjoint(np.ones(projector.views_shape, np.float32)))
    x = np.zeros(projector.volume_shape, np.float32) if start is None else start.copy()
    scale = float(np.linalg.norm(views)) or 1.0
    misfits, residuals = [], []
    for n in range(n_iterations):
        difference = views - projector.forward(x)
        misfits.append(float(np.linalg.norm(difference)) / scale)
        stepped = np.maximum(x + columns * projector.adjoint(rows * difference), 0)
        residuals.append(float(np.linalg.norm(stepped - x)))
        x = stepped
        on_step(Progress(task="SIRT", done=n + 1, total=n_iterations, detail=f"misfit {misfits[-1]:.4f}"))
    return Solved(volume=x, misfits=np.array(misfits), residuals=np.array(residuals))


def _inverse(sums: np.ndarray) -> np.ndarray:
    return np.where(sums > _SMALLEST_WEIGHT * sums.max(), 1 / np.maximum(sums, 1e-12), 0).astype(np.float32)
