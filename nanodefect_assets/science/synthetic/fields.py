"""Fields of simulated particles with full truth.

Shapes are analytic and contrast is a plain model: fringes or mass thickness under Poisson noise. Nothing is diffracted.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from scipy.ndimage import gaussian_filter

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.science.synthetic.params import ParticleFieldParams

_Image = Float[np.ndarray, "row col"]

_MAX_TRIES_PER_PARTICLE = 200
_HOT_PIXEL_GAIN = 20.0
_SUPPORT_GRAIN_NM = 0.1
"""Standard deviation of the blur that gives amorphous support its grain: about the distance of two carbon atoms."""


@dataclass(frozen=True, kw_only=True)
class _Particle:
    """One planted particle; lengths in pixels."""

    row: float
    col: float
    diameter_px: float
    turn_rad: float
    axis_ratio: float
    n_facets: int

    @property
    def reach_px(self) -> float:
        """Radius of a circle around the whole particle."""
        if self.n_facets:
            return self._apothem_px / np.cos(np.pi / self.n_facets)
        return self.diameter_px / 2 / np.sqrt(self.axis_ratio)

    @property
    def _apothem_px(self) -> float:
        """Inner radius of the regular polygon of the area of the disc."""
        return self.diameter_px / 2 * np.sqrt(np.pi / self.n_facets / np.tan(np.pi / self.n_facets))

    def depth(self, rows: Num[np.ndarray, "row col"], cols: Num[np.ndarray, "row col"]) -> _Image:
        """Return 1 in the middle, 0 on the outline and less outside."""
        x, y = cols - self.col, self.row - rows
        along = x * np.cos(self.turn_rad) + y * np.sin(self.turn_rad)
        across = y * np.cos(self.turn_rad) - x * np.sin(self.turn_rad)
        if not self.n_facets:
            radius_px = self.diameter_px / 2
            return 1 - np.hypot(along * np.sqrt(self.axis_ratio), across / np.sqrt(self.axis_ratio)) / radius_px
        normals = 2 * np.pi / self.n_facets * np.arange(self.n_facets)
        return 1 - np.max([along * np.cos(a) + across * np.sin(a) for a in normals], axis=0) / self._apothem_px


def particle_field(
    params: ParticleFieldParams, *, rng: np.random.Generator, micrograph_id: str = "simulated/end/field.tif"
) -> LabelledMicrograph:
    """Return a simulated micrograph of scattered particles, some cut by the frame, with their true labels.

    Parameters
    ----------
    params : ParticleFieldParams
        What is planted and how it is seen.
    rng : Generator
        The same generator gives the same micrograph.
    micrograph_id : str
        Identifier of the micrograph.

    Returns
    -------
    LabelledMicrograph
        `counts` in electrons per pixel; `is_simulated` is true.

    Raises
    ------
    ValueError
        If the particles find no room.
    """
    shape = (params.n_rows, params.n_cols)
    particles = _scatter_particles(params, rng)
    labels = np.zeros(shape, dtype=np.int32)
    intensity = 1 + params.support_contrast * _support_texture(shape, params.pixel_size_nm, rng)
    for number, particle in enumerate(particles, start=1):
        _draw_particle(particle, number, labels, intensity, params, rng)
    micrograph = Micrograph(
        micrograph_id=micrograph_id,
        counts=_detect(intensity, params, rng),
        pixel_size_nm=params.pixel_size_nm,
        modality=params.modality,
        is_simulated=True,
    )
    return LabelledMicrograph(micrograph=micrograph, labels=labels)


def _scatter_particles(params: ParticleFieldParams, rng: np.random.Generator) -> list[_Particle]:
    """Place particles at random in the frame and a margin around it, none nearer to another than the gap."""
    spread = params.sigma_diameter * rng.standard_normal(params.n_particles)
    diameters_px = params.median_diameter_nm * np.exp(spread) / params.pixel_size_nm
    gap_px = params.min_gap_nm / params.pixel_size_nm
    placed: list[_Particle] = []
    circles = np.empty((params.n_particles, 3))
    for diameter_px in np.sort(diameters_px)[::-1]:
        for _ in range(_MAX_TRIES_PER_PARTICLE):
            particle = _draw_shape(float(diameter_px), params, rng)
            if _has_room(particle, circles[: len(placed)], gap_px):
                circles[len(placed)] = particle.row, particle.col, particle.reach_px
                placed.append(particle)
                break
        else:
            raise ValueError(
                f"Expected room for {params.n_particles} particles. Got stuck after {len(placed)}; take fewer or "
                "smaller ones, a smaller gap or a larger frame."
            )
    return placed


def _draw_shape(diameter_px: float, params: ParticleFieldParams, rng: np.random.Generator) -> _Particle:
    margin_px = diameter_px / 2
    is_faceted = rng.random() < params.faceted_fraction
    return _Particle(
        row=rng.uniform(-margin_px, params.n_rows + margin_px),
        col=rng.uniform(-margin_px, params.n_cols + margin_px),
        diameter_px=diameter_px,
        turn_rad=rng.uniform(0, 2 * np.pi),
        axis_ratio=1.0 if is_faceted else rng.uniform(params.min_axis_ratio, 1.0),
        n_facets=int(rng.choice((5, 6))) if is_faceted else 0,
    )


def _has_room(particle: _Particle, circles: Float[np.ndarray, "n 3"], gap_px: float) -> bool:
    """Whether the circle around a particle keeps the gap to all `circles`, given as row, column and radius."""
    distances = np.hypot(circles[:, 0] - particle.row, circles[:, 1] - particle.col)
    return bool(np.all(distances >= circles[:, 2] + particle.reach_px + gap_px))


def _draw_particle(
    particle: _Particle,
    number: int,
    labels: Int[np.ndarray, "row col"],
    intensity: _Image,
    params: ParticleFieldParams,
    rng: np.random.Generator,
) -> None:
    """Write one particle into `labels` and `intensity`, in the part of them that it can reach."""
    fringes = _Fringes.draw(params, rng)
    first = np.maximum(np.floor((particle.row - particle.reach_px, particle.col - particle.reach_px)), 0).astype(int)
    last = np.ceil((particle.row + particle.reach_px, particle.col + particle.reach_px)).astype(int) + 1
    window = np.s_[first[0] : max(last[0], 0), first[1] : max(last[1], 0)]
    if labels[window].size == 0:
        return
    rows, cols = np.indices(labels[window].shape)
    rows, cols = rows + first[0], cols + first[1]
    depth = particle.depth(rows, cols)
    mask = depth >= 0
    labels[window][mask] = number
    if params.modality == "hrtem":
        intensity[window][mask] += params.fringe_contrast * fringes.at(rows[mask], cols[mask])
    else:
        intensity[window][mask] += params.particle_contrast * np.sqrt(np.clip(1 - (1 - depth[mask]) ** 2, 0, 1))


@dataclass(frozen=True, kw_only=True)
class _Fringes:
    """Two crossed families of lattice planes, as seen along their common zone axis."""

    waves_per_px: Float[np.ndarray, "family 2"]
    phases_rad: Float[np.ndarray, " family"]

    @classmethod
    def draw(cls, params: ParticleFieldParams, rng: np.random.Generator) -> "_Fringes":
        """Draw an orientation and phases; the families stand at 70.5 degrees, as {111} planes along <110>."""
        turn = rng.uniform(0, np.pi) + np.array([0, np.arccos(1 / 3)])
        waves_per_px = params.pixel_size_nm / params.lattice_spacing_nm * np.stack((np.sin(turn), np.cos(turn)), axis=1)
        return cls(waves_per_px=waves_per_px, phases_rad=rng.uniform(0, 2 * np.pi, 2))

    def at(self, rows: Num[np.ndarray, " n"], cols: Num[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the modulation, between -1 and 1, at pixels."""
        phase = 2 * np.pi * (self.waves_per_px @ np.stack((rows, cols))) + self.phases_rad[:, None]
        return np.cos(phase).mean(axis=0)


def _support_texture(shape: tuple[int, int], pixel_size_nm: float, rng: np.random.Generator) -> _Image:
    """Return smooth noise of mean 0 and standard deviation 1."""
    texture = gaussian_filter(rng.standard_normal(shape), _SUPPORT_GRAIN_NM / pixel_size_nm, mode="wrap")
    return (texture - texture.mean()) / texture.std()


def _detect(intensity: _Image, params: ParticleFieldParams, rng: np.random.Generator) -> _Image:
    """Count electrons, with Poisson noise and hot pixels."""
    dose_e_per_px = params.dose_e_per_nm2 * params.pixel_size_nm**2
    counts = rng.poisson(dose_e_per_px * np.maximum(intensity, 0)).astype(np.float32)
    is_hot: Bool[np.ndarray, "row col"] = rng.random(counts.shape) < params.hot_pixel_fraction
    counts[is_hot] += np.float32(_HOT_PIXEL_GAIN * max(dose_e_per_px, 1.0))
    return counts
