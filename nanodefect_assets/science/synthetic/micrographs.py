"""Simulated HRTEM and dark-field micrographs of particles on amorphous carbon, with full truth."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from nanodefect_assets.domain.micrograph import Micrograph, Modality
from nanodefect_assets.science.synthetic.dark_field import atom_brightness
from nanodefect_assets.science.synthetic.detector import blur_by_drift, detect
from nanodefect_assets.science.synthetic.exit_field import field_intensities
from nanodefect_assets.science.synthetic.params import FieldParams, HrtemFieldParams, StemFieldParams
from nanodefect_assets.science.synthetic.placement import PlacedParticle, Silhouette, place_particles, silhouette
from nanodefect_assets.science.synthetic.population import brightness_per_nm3
from nanodefect_assets.science.synthetic.splat import add_gaussians
from nanodefect_assets.science.synthetic.support import mass_texture
from nanodefect_assets.science.synthetic.truth import PlantedParticle, SimulatedField, class_of
from nanodefect_assets.science.synthetic.zones import see_crystal

_Image = Float[np.ndarray, "row col"]


def hrtem_field(
    params: HrtemFieldParams, *, rng: np.random.Generator, micrograph_id: str = "simulated/end/hrtem.tif"
) -> SimulatedField:
    """Return a simulated HRTEM micrograph of particles on amorphous carbon.

    Parameters
    ----------
    params : HrtemFieldParams
        What is planted and how it is seen.
    rng : Generator
        The same generator gives the same micrograph.
    micrograph_id : str
        Identifier of the micrograph.

    Raises
    ------
    ValueError
        If the particles find no room.
    """
    particles = place_particles(params, rng=rng)
    (intensity,) = field_intensities(particles, params, [params.defocus_nm], rng=rng)
    return _finish(intensity, particles, params, "hrtem", micrograph_id, rng)


def hrtem_focal_series(
    params: HrtemFieldParams, defoci_nm: Sequence[float], *, rng: np.random.Generator, micrograph_id: str
) -> list[SimulatedField]:
    """Return one field at several defoci: the same particles and carbon, noise of its own in each.

    Identifiers are `micrograph_id` with ``_f0``, ``_f1`` and so on before its ending.
    """
    stem, dot, ending = micrograph_id.rpartition(".")
    particles = place_particles(params, rng=rng)
    seen = field_intensities(particles, params, defoci_nm, rng=rng)
    return [
        _finish(intensity, particles, params, "hrtem", f"{stem}_f{at}{dot}{ending}", rng)
        for at, intensity in enumerate(seen)
    ]


def stem_field(
    params: StemFieldParams, *, rng: np.random.Generator, micrograph_id: str = "simulated/end/hrstem.mrc"
) -> SimulatedField:
    """Return a simulated dark-field micrograph by the linear model; parameters are those of `hrtem_field`."""
    particles = place_particles(params, rng=rng)
    bright = np.zeros((params.n_rows, params.n_cols), dtype=np.float32)
    sigma_px = float(np.hypot(params.probe_sigma_nm, params.thermal_rms_angstrom / 10)) / params.pixel_size_nm
    for particle in particles:
        places = particle.places_px(params.pixel_size_nm)
        weights = atom_brightness(particle.structure.species, params.atomic_number_power)
        add_gaussians(bright, places[:, 0], places[:, 1], weights, sigma_px=max(sigma_px, 0.5))
    texture = mass_texture(bright.shape, params.pixel_size_nm, rng=rng)
    support = params.support_fraction * np.maximum(1 + params.support_roughness * texture, 0)
    bright_of_median = brightness_per_nm3(params.material, params.atomic_number_power) * params.median_diameter_nm
    share = params.centre_fraction / (bright_of_median * params.pixel_size_nm**2)
    intensity = blur_by_drift(
        np.minimum(support + share * bright, 1),
        rows_px=params.drift_rows_nm / params.pixel_size_nm,
        cols_px=params.drift_cols_nm / params.pixel_size_nm,
    )
    return _finish(intensity, particles, params, "hrstem", micrograph_id, rng)


def _finish(
    intensity: _Image,
    particles: Sequence[PlacedParticle],
    params: FieldParams,
    modality: Modality,
    micrograph_id: str,
    rng: np.random.Generator,
) -> SimulatedField:
    """Count the electrons and write down the truth."""
    labels, overlap, planted = _truth(particles, intensity.shape, params)
    micrograph = Micrograph(
        micrograph_id=micrograph_id,
        counts=detect(intensity, params, pixel_size_nm=params.pixel_size_nm, rng=rng),
        pixel_size_nm=params.pixel_size_nm,
        modality=modality,
        is_simulated=True,
    )
    return SimulatedField(micrograph=micrograph, labels=labels, overlap=overlap, particles=planted)


def _truth(
    particles: Sequence[PlacedParticle], shape: tuple[int, ...], params: FieldParams
) -> tuple[Int[np.ndarray, "row col"], Bool[np.ndarray, "row col"], tuple[PlantedParticle, ...]]:
    """Label the silhouettes, later ones uppermost, and describe each particle of which a pixel lies in the frame."""
    silhouettes = [silhouette(particle, params.pixel_size_nm) for particle in particles]
    n_rows, n_cols = shape
    seen = [at for at, outline in enumerate(silhouettes) if outline.inside((n_rows, n_cols))[1].any()]
    labels, n_over = np.zeros((n_rows, n_cols), dtype=np.int32), np.zeros((n_rows, n_cols), dtype=np.uint8)
    for label, at in enumerate(seen, start=1):
        window, mask = silhouettes[at].inside((n_rows, n_cols))
        labels[window][mask] = label
        n_over[window] += mask
    overlap = n_over > 1
    planted = [
        _describe(particles[at], silhouettes[at], label, overlap, params) for label, at in enumerate(seen, start=1)
    ]
    return labels, overlap, tuple(planted)


def _describe(
    particle: PlacedParticle,
    outline: Silhouette,
    label: int,
    overlap: Bool[np.ndarray, "row col"],
    params: FieldParams,
) -> PlantedParticle:
    n_rows, n_cols = overlap.shape
    window, mask = outline.inside((n_rows, n_cols))
    area_px = int(mask.sum())
    crystal = see_crystal(particle.structure)
    overlapped = float(overlap[window][mask].mean())
    rows, cols = np.nonzero(mask)
    rows, cols = rows + window[0].start, cols + window[1].start
    touches = rows.min() == 0 or cols.min() == 0 or rows.max() == n_rows - 1 or cols.max() == n_cols - 1
    return PlantedParticle(
        label=label,
        material=params.material,
        kind=particle.structure.kind,
        n_atoms=len(particle.structure),
        diameter_nm=float(np.sqrt(4 / np.pi * outline.mask.sum()) * params.pixel_size_nm),
        row_px=particle.row_px,
        col_px=particle.col_px,
        area_px=area_px,
        touches_edge=bool(touches),
        overlapped_fraction=overlapped,
        crystal=crystal,
        is_fault_visible=crystal.shows_fault(params.visible_tilt_deg),
        class_name=class_of(crystal, overlapped, params.visible_tilt_deg),
    )
