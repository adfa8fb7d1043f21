"""Which projector for which geometry, and whether it is to be trusted."""

from dataclasses import dataclass

import numpy as np

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.params import Backend
from nanodefect_assets.science.tomography.projector import Projector, Views, Volume3D


def make_projector(
    geometry: TiltGeometry,
    volume_shape: tuple[int, int, int],
    image_shape: tuple[int, int],
    backend: Backend = "auto",
) -> Projector:
    """Return a projector for a geometry.

    Parameters
    ----------
    geometry : TiltGeometry
        The views.
    volume_shape, image_shape : tuple of int
        (z, y, x) and (row, col).
    backend : str
        What computes; `auto` takes the sparse matrix where tilts are about one axis, else Fourier slices.
    """
    if backend == "auto":
        is_matrix = geometry.is_single_axis and volume_shape[1] == image_shape[0]
        backend = "matrix" if is_matrix else "fourier"
    if backend == "matrix":
        from nanodefect_assets.science.tomography.single_axis import SingleAxisProjector

        return SingleAxisProjector(geometry, volume_shape, image_shape)
    if backend == "splat":
        from nanodefect_assets.science.tomography.splat import SplatProjector

        return SplatProjector(geometry.rotations, geometry.shifts_px, volume_shape, image_shape)
    if backend == "cuda":
        from nanodefect_assets.science.tomography.astra_cuda import CudaProjector

        return CudaProjector(geometry, volume_shape, image_shape)
    from nanodefect_assets.science.tomography.fourier import FourierProjector

    return FourierProjector(geometry, volume_shape, image_shape)


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """What a projector was found to do to sums of Gaussians, whose projections are known.

    Attributes
    ----------
    projector : str
        Its name.
    adjoint_error, adjoint_bound : float
        |<A x, y> / <x, A* y> - 1| for random x and y, and how large it may be.
    scale_error : float
        |sum of a view / sum of the volume - 1|, the largest.
    view_error : float
        |A x - y| / |y| for the known projections y of an asymmetric phantom: sense, centre and order of axes.
    """

    projector: str
    adjoint_error: float
    scale_error: float
    view_error: float
    adjoint_bound: float = 1e-5

    @property
    def is_passed(self) -> bool:
        """Whether all errors lie within their bounds; 1 % of scale, 10 % of a view."""
        return self.adjoint_error <= self.adjoint_bound and self.scale_error <= 0.01 and self.view_error <= 0.1

    def require(self) -> None:
        """Refuse to go on with a projector that does not project."""
        if not self.is_passed:
            raise Refusal(
                "projector_fails",
                expected=f"errors of adjoint, scale and views below {self.adjoint_bound:g}, 0.01 and 0.1",
                got=f"{self.adjoint_error:.1e}, {self.scale_error:.1e} and {self.view_error:.1e} from {self.projector}",
                advice="Choose another backend, and report this.",
            )


_CUDA_ADJOINT_BOUND = 5e-3
"""ASTRA's back-projection on a GPU is no transpose of its projection."""
_TEST_SHAPE = (22, 19, 26)
_TEST_POSITIONS = np.array([[4.0, -1.5, 2.0], [-3.0, 2.5, 3.5], [0.5, 0.0, -4.0], [-2.2, -3.1, -1.0]])
"""Places (x, y, z) in voxels from the centre, of no symmetry."""
_TEST_WEIGHTS = np.array([1.0, 2.0, 1.5, 0.7])
_TEST_SIGMA = 1.7


def check_projector(geometry: TiltGeometry, backend: Backend = "auto") -> SelfTest:
    """Try the projector that a geometry gets on a small phantom seen from the same sides."""
    turned = TiltGeometry(euler_deg=geometry.euler_deg, shifts_px=np.clip(geometry.shifts_px, -2, 2))
    image_shape = (_TEST_SHAPE[1], 25)
    projector = make_projector(turned, _TEST_SHAPE, image_shape, backend)
    volume, known = _phantom(turned, image_shape)
    seen = projector.forward(volume).astype(float)
    rng = np.random.default_rng(0)
    x, y = rng.random(_TEST_SHAPE, dtype=np.float32), rng.random(seen.shape, dtype=np.float32)
    there, back = np.vdot(projector.forward(x).astype(float), y), np.vdot(x.astype(float), projector.adjoint(y))
    return SelfTest(
        projector=projector.name,
        adjoint_error=float(abs(there / back - 1)) if back else 1.0,
        adjoint_bound=_CUDA_ADJOINT_BOUND if backend == "cuda" else 1e-5,
        scale_error=float(np.abs(seen.sum(axis=(1, 2)) / known.sum(axis=(1, 2)) - 1).max()),
        view_error=float(np.linalg.norm(seen - known) / np.linalg.norm(known)),
    )


def _phantom(geometry: TiltGeometry, image_shape: tuple[int, int]) -> tuple[Volume3D, Views]:
    """Return a sum of Gaussians and its exact projections."""
    z, y, x = (_gaussians(n, _TEST_POSITIONS[None, :, axis])[0] for n, axis in zip(_TEST_SHAPE, (2, 1, 0), strict=True))
    volume = np.einsum("p,pz,py,px->zyx", _TEST_WEIGHTS, z, y, x)
    seen = _TEST_POSITIONS @ np.transpose(geometry.rotations, (0, 2, 1))
    rows = _gaussians(image_shape[0], seen[..., 1] + geometry.shifts_px[:, :1])
    cols = _gaussians(image_shape[1], seen[..., 0] + geometry.shifts_px[:, 1:])
    return volume.astype(np.float32), np.einsum("p,vpr,vpc->vrc", _TEST_WEIGHTS, rows, cols)


def _gaussians(n: int, places: np.ndarray) -> np.ndarray:
    """Return Gaussians of unit sum along n pixels, centred at `places` from index n // 2."""
    offsets = np.arange(n) - n // 2 - places[..., None]
    return np.exp(-0.5 * (offsets / _TEST_SIGMA) ** 2) / (np.sqrt(2 * np.pi) * _TEST_SIGMA)
