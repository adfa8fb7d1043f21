"""What a projector is, whatever it computes with."""

from typing import Protocol

import numpy as np
from jaxtyping import Float

Volume3D = Float[np.ndarray, "z y x"]
Views = Float[np.ndarray, "tilt row col"]


class Projector(Protocol):
    """Parallel-beam projection A of a volume onto the images of a tilt series, and its adjoint A*.

    The length along a ray is counted in voxels, so that a view's sum is that of the volume. Arrays are of 32 bits and
    axes are those of `nanodefect_assets.domain.tilt_geometry`.
    """

    @property
    def name(self) -> str:
        """What it computes with, such as ``single-axis matrix``."""
        ...

    @property
    def volume_shape(self) -> tuple[int, int, int]:
        """Shape (z, y, x) of what it projects."""
        ...

    @property
    def views_shape(self) -> tuple[int, int, int]:
        """Shape (tilt, row, col) of what it projects to."""
        ...

    def forward(self, volume: Volume3D) -> Views:
        """Return A x: every view of a volume."""
        ...

    def adjoint(self, views: Views) -> Volume3D:
        """Return A* y, for which <A x, y> = <x, A* y>."""
        ...
