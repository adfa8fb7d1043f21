"""Normal equations of all atoms and tilts, solved by conjugate gradients that each atom's own block preconditions."""

import numpy as np

from nanodefect_assets.science.tomography.atom_model import AtomStep, LinearImages

_FLOOR = 1e-9


class Preconditioner:
    """Inverse of the blocks of the normal equations that lie on their diagonal.

    Parameters
    ----------
    linear : LinearImages
        The equations.
    damping : float
        By which share the diagonal is raised (Levenberg and Marquardt).
    """

    def __init__(self, linear: LinearImages, damping: float = 0.0) -> None:
        atoms, tilts = linear.atom_blocks(), linear.tilt_blocks()
        self.freedom, self.damping = linear.freedom, damping
        self.atom_diagonal = np.maximum(np.einsum("app->ap", atoms), _FLOOR)
        self.tilt_diagonal = np.maximum(np.einsum("tpp->tp", tilts), _FLOOR)
        self.width_diagonal = max(float(self.atom_diagonal[:, 4].sum()), _FLOOR)
        n_free = 5 if linear.freedom.own_widths else 4
        self.atoms = _inverted(atoms, self.atom_diagonal, damping, n_free)
        self.tilts = _inverted(tilts, self.tilt_diagonal, damping, 4)

    def __call__(self, step: AtomStep) -> AtomStep:
        """Return the inverse of the blocks, times a step."""
        return self.freedom.masked(
            AtomStep(
                atoms=np.einsum("apq,aq->ap", self.atoms, step.atoms),
                tilts=np.einsum("tpq,tq->tp", self.tilts, step.tilts),
                log_width=step.log_width / self.width_diagonal,
            )
        )

    def damped(self, step: AtomStep, normal: AtomStep) -> AtomStep:
        """Return J' W J times a step, with the diagonal raised."""
        raised = AtomStep(
            atoms=self.atom_diagonal * step.atoms,
            tilts=self.tilt_diagonal * step.tilts,
            log_width=self.width_diagonal * step.log_width,
        )
        return normal.plus(self.damping, self.freedom.masked(raised))


def _inverted(blocks: np.ndarray, diagonal: np.ndarray, damping: float, n_free: int) -> np.ndarray:
    size = blocks.shape[1]
    scale = 1 / np.sqrt(diagonal)
    scaled = blocks * scale[:, :, None] * scale[:, None, :]
    scaled[:, np.arange(size), np.arange(size)] = 1 + damping + 1e-6
    scaled[:, n_free:, :n_free] = scaled[:, :n_free, n_free:] = 0
    return np.linalg.inv(scaled) * scale[:, :, None] * scale[:, None, :]


def solve_normal(
    linear: LinearImages, gradient: AtomStep, precondition: Preconditioner, n_iterations: int, tolerance: float
) -> AtomStep:
    """Return the solution of J' W J step = gradient by conjugate gradients."""
    step = gradient.plus(-1.0, gradient)
    rest = gradient
    eased = precondition(rest)
    direction, size = eased, rest.dot(eased)
    first = size
    for _ in range(n_iterations):
        if not size > tolerance**2 * first:
            break
        turned = precondition.damped(direction, linear.normal(direction))
        length = size / max(direction.dot(turned), _FLOOR)
        step, rest = step.plus(length, direction), rest.plus(-length, turned)
        eased = precondition(rest)
        before, size = size, rest.dot(eased)
        direction = eased.plus(size / before, direction)
    return step
