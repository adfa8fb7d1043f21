"""Convex polyhedra as a scanning electron microscope sees them: facets, edges that glow, what lies on top."""

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from numba import njit

_Planes = Float[np.ndarray, "plane 4"]

_FLAT = 1e-6


@dataclass(frozen=True, kw_only=True)
class Shading:
    """How bright the facets are.

    Attributes
    ----------
    light_deg : float
        Azimuth from which the detector collects more, counterclockwise from +x.
    side_light : float
        How much more, relative to a flat facet's intensity.
    edge_glow, edge_width : float
        Extra intensity at an edge, relative to a flat facet's, and its decay length in the unit of the planes.
    """

    light_deg: float
    side_light: float
    edge_glow: float
    edge_width: float

    def of_facets(self, planes: _Planes) -> Float[np.ndarray, " plane"]:
        """Return the intensity of each facet, 1 for a flat one that faces the beam.

        Notes
        -----
        Secondary electrons leave a tilted facet more easily: the yield goes as 1 / cos of the tilt [1]_, here held
        below 3, where it diverges.

        References
        ----------
        .. [1] L. Reimer, Scanning Electron Microscopy, 2nd ed. (1998), section 4.2.1, doi:10.1007/978-3-540-38967-5.
        """
        azimuth = np.deg2rad(self.light_deg)
        side = planes[:, 0] * np.cos(azimuth) + planes[:, 1] * np.sin(azimuth)
        return np.minimum(1 / np.maximum(planes[:, 2], _FLAT), 3.0) ** 0.5 + self.side_light * side


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A frame on which polyhedra are laid, one after the other.

    Attributes
    ----------
    height : ndarray of shape (row, col)
        Of what is seen, -inf where nothing is.
    intensity : ndarray of shape (row, col)
        Of it, relative to a flat facet's.
    labels : ndarray of shape (row, col)
        Number of the polyhedron that is seen, 0 for none.
    """

    height: Float[np.ndarray, "row col"]
    intensity: Float[np.ndarray, "row col"]
    labels: Int[np.ndarray, "row col"]

    @classmethod
    def blank(cls, n_rows: int, n_cols: int, background: float) -> "Canvas":
        """Return a frame without a polyhedron."""
        shape = n_rows, n_cols
        return cls(
            height=np.full(shape, -np.inf), intensity=np.full(shape, background), labels=np.zeros(shape, np.int32)
        )

    def lay(self, planes: _Planes, shading: Shading, *, row: float, col: float, z: float, label: int) -> None:
        """Draw a polyhedron where it is the highest.

        Parameters
        ----------
        planes : ndarray of shape (plane, 4)
            Outward unit normals (x, y, z) and distances from the middle, in pixels of this frame; x along columns, y
            against rows, z to the viewer.
        row, col, z : float
            Where its middle lies, in pixels.
        label : int
            Number of the polyhedron.
        """
        reach = float(np.ceil(reach_of(planes))) + 1
        rows = np.clip([row - reach, row + reach + 1], 0, self.height.shape[0]).astype(int)
        cols = np.clip([col - reach, col + reach + 1], 0, self.height.shape[1]).astype(int)
        glow = np.array([shading.edge_glow, shading.edge_width])
        facets = shading.of_facets(planes)
        place = np.array([row, col, z])
        _draw(planes, facets, glow, place, label, rows, cols, self.height, self.intensity, self.labels)


def corners_of(planes: _Planes) -> Float[np.ndarray, "corner 3"]:
    """Return the corners of a body: where three planes meet that is not outside any other."""
    triples = _triples(len(planes))
    normals, distances = planes[triples, :3], planes[triples, 3]
    meets = np.abs(np.linalg.det(normals)) > _FLAT
    corners = np.linalg.solve(normals[meets], distances[meets][..., None])[..., 0]
    corners = corners[(corners @ planes[:, :3].T <= planes[:, 3] * (1 + 1e-9) + 1e-9).all(axis=1)]
    if not len(corners):
        raise ValueError("Expected planes that close around a body. Got planes that do not.")
    return corners


def reach_of(planes: _Planes) -> float:
    """Return the largest distance of a corner from the middle."""
    return float(np.linalg.norm(corners_of(planes), axis=1).max())


@cache
def _triples(n: int) -> Int[np.ndarray, "triple 3"]:
    return np.array(list(combinations(range(n), 3)))


@njit
def _draw(planes, facets, glow, place, label, rows, cols, height, intensity, labels):
    for row in range(rows[0], rows[1]):
        for col in range(cols[0], cols[1]):
            x, y = col - place[1], place[0] - row
            top, second, bottom, facet = np.inf, np.inf, -np.inf, -1
            outside = False
            for p in range(len(planes)):
                rest = planes[p, 3] - planes[p, 0] * x - planes[p, 1] * y
                if planes[p, 2] > 1e-6:
                    z = rest / planes[p, 2]
                    if z < top:
                        top, facet = z, p
                elif planes[p, 2] < -1e-6:
                    bottom = max(bottom, rest / planes[p, 2])
                elif rest < 0:
                    outside = True
            if outside or bottom > top or facet < 0 or top + place[2] <= height[row, col]:
                continue
            for p in range(len(planes)):
                if p == facet:
                    continue
                # Distance within the facet to the edge that it shares with plane p.
                cosine = planes[p, 0] * planes[facet, 0] + planes[p, 1] * planes[facet, 1]
                cosine += planes[p, 2] * planes[facet, 2]
                gap = planes[p, 3] - planes[p, 0] * x - planes[p, 1] * y - planes[p, 2] * top
                second = min(second, gap / np.sqrt(max(1 - cosine * cosine, 1e-9)))
            height[row, col] = top + place[2]
            intensity[row, col] = facets[facet] + glow[0] * np.exp(-second / glow[1])
            labels[row, col] = label
