"""Three Gaussians whose views are known, and a place for the state of work."""

import numpy as np
import pytest

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries

POSITIONS = np.array([[5.0, -4.0, 3.0], [-5.0, 4.0, 5.0], [1.0, 1.0, -6.0]])
SIGMA_PX = 1.8
EDGE = 32


def gaussians(n, places):
    return np.exp(-0.5 * ((np.arange(n) - n // 2 - places[..., None]) / SIGMA_PX) ** 2)


@pytest.fixture(scope="session")
def truth():
    z, y, x = (gaussians(EDGE, POSITIONS[:, axis]) for axis in (2, 1, 0))
    return np.einsum("pz,py,px->zyx", z, y, x).astype(np.float32)


@pytest.fixture(scope="session")
def series():
    geometry = TiltGeometry.single_axis(np.linspace(-68, 68, 18))
    seen = POSITIONS @ np.transpose(geometry.rotations, (0, 2, 1))
    images = np.einsum("vpr,vpc->vrc", gaussians(EDGE, seen[..., 1]), gaussians(EDGE, seen[..., 0]))
    return TiltSeries.of(images * np.sqrt(2 * np.pi) * SIGMA_PX, geometry, 0.03)


class Kept:
    """A checkpoint in memory."""

    def __init__(self):
        self.state = None

    def load(self):
        return self.state

    def save(self, state):
        self.state = state


@pytest.fixture
def kept():
    return Kept()
