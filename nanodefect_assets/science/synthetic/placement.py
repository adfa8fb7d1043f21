"""Particles laid out over a frame, and the silhouettes by which they are labelled."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import binary_fill_holes, distance_transform_edt

from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.synthetic.params import FieldParams
from nanodefect_assets.science.synthetic.population import draw_particle, lay_under_beam

_MAX_TRIES = 200
_SMALLEST_NM = 0.9
"""Smaller particles are a few atoms and have no crystal to speak of."""


class NoRoom(ValueError):
    """Particles found no room in their frame."""


@dataclass(frozen=True, kw_only=True)
class PlacedParticle:
    """A particle under the beam and where the mean of its atoms lies in the frame, in pixels."""

    structure: Structure
    row_px: float
    col_px: float

    def places_px(self, pixel_size_nm: float) -> Float[np.ndarray, "atom 2"]:
        """Return row and column of each atom."""
        return self.structure.positions_angstrom[:, 1::-1] / (10 * pixel_size_nm) + (self.row_px, self.col_px)


def place_particles(params: FieldParams, *, rng: np.random.Generator) -> list[PlacedParticle]:
    """Draw particles and lay them out over the frame and a margin around it, the largest first.

    Raises
    ------
    NoRoom
        If they find no room.
    """
    sizes_nm = params.median_diameter_nm * np.exp(params.sigma_diameter * rng.standard_normal(params.n_particles))
    sizes_nm = np.maximum(np.sort(sizes_nm)[::-1], _SMALLEST_NM)
    placed: list[PlacedParticle] = []
    circles = np.empty((params.n_particles, 3))
    for size_nm in sizes_nm:
        structure = lay_under_beam(draw_particle(params, float(size_nm), rng=rng), params, rng=rng)
        reach_px = np.linalg.norm(structure.positions_angstrom[:, :2], axis=1).max() / (10 * params.pixel_size_nm)
        centre = _find_room(reach_px, circles[: len(placed)], params, rng)
        if centre is None:
            raise NoRoom(
                f"Expected room for {params.n_particles} particles. Got stuck after {len(placed)}; take fewer or "
                "smaller ones, a smaller gap, more overlap or a larger frame."
            )
        circles[len(placed)] = *centre, reach_px
        placed.append(PlacedParticle(structure=structure, row_px=centre[0], col_px=centre[1]))
    return placed


def _find_room(
    reach_px: float, circles: Float[np.ndarray, "n 3"], params: FieldParams, rng: np.random.Generator
) -> tuple[float, float] | None:
    may_overlap = rng.random() < params.overlapping_fraction
    gap_px = params.min_gap_nm / params.pixel_size_nm
    for _ in range(_MAX_TRIES):
        row = rng.uniform(-reach_px / 2, params.n_rows + reach_px / 2)
        col = rng.uniform(-reach_px / 2, params.n_cols + reach_px / 2)
        distances = np.hypot(circles[:, 0] - row, circles[:, 1] - col)
        if may_overlap or np.all(distances >= circles[:, 2] + reach_px + gap_px):
            return row, col
    return None


@dataclass(frozen=True, kw_only=True)
class Silhouette:
    """Which pixels a particle covers, the frame aside; `mask` begins at row `top` and column `left`."""

    mask: Bool[np.ndarray, "row col"]
    top: int
    left: int

    def inside(self, shape: tuple[int, int]) -> tuple[tuple[slice, slice], Bool[np.ndarray, "row col"]]:
        """Return the window of a frame that it can reach and the mask in this window; either may be empty."""
        first = np.clip((self.top, self.left), 0, shape)
        last = np.clip((self.top + self.mask.shape[0], self.left + self.mask.shape[1]), 0, shape)
        window = (slice(first[0], last[0]), slice(first[1], last[1]))
        mask = self.mask[first[0] - self.top : last[0] - self.top, first[1] - self.left : last[1] - self.left]
        return window, mask


def silhouette(particle: PlacedParticle, pixel_size_nm: float) -> Silhouette:
    """Return the pixels within half a bond of an atom, gaps narrower than two bonds between atoms filled."""
    bond_px = particle.structure.bond_angstrom / (10 * pixel_size_nm)
    margin = int(np.ceil(bond_px)) + 2
    places = particle.places_px(pixel_size_nm)
    top, left = (np.floor(places.min(axis=0)).astype(int) - margin).tolist()
    n_rows, n_cols = (np.ceil(places.max(axis=0)).astype(int) + margin + 1 - (top, left)).tolist()
    is_free = np.ones((n_rows, n_cols), dtype=bool)
    rows, cols = np.rint(places - (top, left)).astype(int).T
    is_free[rows, cols] = False
    grown = distance_transform_edt(is_free) <= bond_px
    # From a pixel inside it is half a pixel less to the edge than to the next pixel outside.
    mask = binary_fill_holes(distance_transform_edt(grown) > bond_px / 2 + 0.5)
    return Silhouette(mask=mask, top=top, left=left)
