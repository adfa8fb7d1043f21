"""Exit waves of a whole field: particles computed one by one and laid over amorphous carbon.

The grid is finer than the pixels and reaches beyond the frame, so that what lies just outside shows its fringes inside.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float
from scipy import fft

from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.synthetic.detector import blur_by_drift
from nanodefect_assets.science.synthetic.optics import image_of_wave, image_of_weak_phase
from nanodefect_assets.science.synthetic.params import HrtemFieldParams
from nanodefect_assets.science.synthetic.placement import PlacedParticle
from nanodefect_assets.science.synthetic.support import carbon_phase
from nanodefect_assets.science.synthetic.waves import phase_factor, phase_grating_wave, projected_phase

_Image = Float[np.ndarray, "row col"]
_Field = _Image | Complex[np.ndarray, "row col"]

_COARSEST_NM = 0.025
_MARGIN_NM = 1.0
_RIM_ANGSTROM = 6.0
"""Room around a particle in which its potential fades."""


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """Points of the simulation: so many along each edge of a pixel, with a margin around the frame."""

    shape: tuple[int, int]
    frame: tuple[int, int]
    per_pixel: int
    margin: int
    spacing_angstrom: float

    @classmethod
    def of(cls, params: HrtemFieldParams) -> "_Grid":
        per_pixel = int(np.ceil(params.pixel_size_nm / _COARSEST_NM - 1e-6))
        margin = per_pixel * int(np.ceil(_MARGIN_NM / params.pixel_size_nm))
        frame = (params.n_rows, params.n_cols)
        rows, cols = (fft.next_fast_len(n * per_pixel + 2 * margin, real=True) for n in frame)
        return cls(
            shape=(rows, cols),
            frame=frame,
            per_pixel=per_pixel,
            margin=margin,
            spacing_angstrom=10 * params.pixel_size_nm / per_pixel,
        )

    def point_of(self, pixel: float) -> float:
        """Return where the centre of a pixel lies among the points."""
        return pixel * self.per_pixel + (self.per_pixel - 1) / 2 + self.margin

    def pixels_of(self, image: Float[np.ndarray, "point_row point_col"]) -> _Image:
        """Return the mean of an image over each pixel of the frame."""
        n_rows, n_cols = self.frame
        inside = image[self.margin :, self.margin :][: n_rows * self.per_pixel, : n_cols * self.per_pixel]
        return inside.reshape(n_rows, self.per_pixel, n_cols, self.per_pixel).mean(axis=(1, 3))


def field_intensities(
    particles: Sequence[PlacedParticle],
    params: HrtemFieldParams,
    defoci_nm: Sequence[float],
    *,
    rng: np.random.Generator,
) -> list[_Image]:
    """Return the expected intensity of a field at each defocus, 1 that of the incident beam.

    The wave behind particles and carbon is made once; every defocus then costs two Fourier transforms.

    Parameters
    ----------
    particles : sequence of PlacedParticle
        Particles, all in one plane; where they overlap their waves are multiplied.
    params : HrtemFieldParams
        Frame, optics and way of scattering; its own defocus is not used.
    defoci_nm : sequence of float
        Defoci, positive under focus.
    rng : Generator
        Draws the carbon.
    """
    grid = _Grid.of(params)
    carbon = carbon_phase(
        grid.shape,
        thickness_nm=params.carbon_thickness_nm,
        spacing_angstrom=grid.spacing_angstrom,
        energy_kev=params.energy_kev,
        rng=rng,
    )
    is_weak = params.scattering == "weak_phase"
    field: _Field = carbon if is_weak else phase_factor(carbon)
    for particle in particles:
        _lay(particle, field, grid, params)
    image_of = image_of_weak_phase if is_weak else image_of_wave
    seen = []
    for defocus_nm in defoci_nm:
        optics = params.model_copy(update={"defocus_nm": defocus_nm})
        intensity = grid.pixels_of(image_of(field, grid.spacing_angstrom, optics))
        rows_px, cols_px = params.drift_rows_nm / params.pixel_size_nm, params.drift_cols_nm / params.pixel_size_nm
        seen.append(blur_by_drift(intensity, rows_px=rows_px, cols_px=cols_px))
    return seen


def _lay(particle: PlacedParticle, field: _Field, grid: _Grid, params: HrtemFieldParams) -> None:
    """Add the phase of a particle to a phase, or multiply a wave by its wave, where the grid reaches."""
    centre = np.array([grid.point_of(particle.row_px), grid.point_of(particle.col_px)])
    nearest = np.rint(centre).astype(int)
    row_off, col_off = (centre - nearest) * grid.spacing_angstrom
    structure = particle.structure.moved(particle.structure.positions_angstrom + np.array([col_off, row_off, 0]))
    reach_angstrom = np.abs(structure.positions_angstrom[:, :2]).max() + _RIM_ANGSTROM
    size = fft.next_fast_len(2 * int(np.ceil(reach_angstrom / grid.spacing_angstrom)), real=True)
    first = nearest - size // 2
    low, high = np.clip(first, 0, grid.shape), np.clip(first + size, 0, grid.shape)
    if np.any(low >= high):
        return
    window = (slice(low[0], high[0]), slice(low[1], high[1]))
    patch = _scattered(structure, (size, size), grid.spacing_angstrom, params)
    patch = patch[low[0] - first[0] : high[0] - first[0], low[1] - first[1] : high[1] - first[1]]
    if params.scattering == "weak_phase":
        field[window] += patch
    else:
        field[window] *= patch


def _scattered(
    structure: Structure, shape: tuple[int, int], spacing_angstrom: float, params: HrtemFieldParams
) -> _Field:
    """Return the phase or the exit wave of a particle alone."""
    if params.scattering == "weak_phase":
        return projected_phase(structure, shape, spacing_angstrom=spacing_angstrom, energy_kev=params.energy_kev)
    wave_of: Callable[..., _Field] = phase_grating_wave
    if params.scattering == "multislice":
        from nanodefect_assets.science.synthetic.multislice import multislice_wave

        wave_of = multislice_wave
    return wave_of(structure, shape, spacing_angstrom=spacing_angstrom, energy_kev=params.energy_kev)
