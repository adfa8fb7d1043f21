"""The fast simulators against multislice through abTEM: how far they can be believed."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import fft
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from nanodefect_assets.domain.agreement import Agreement, ComparedImages, View
from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.crystal.disturb import disturb
from nanodefect_assets.science.crystal.layered import compound_particle, fcc_particle
from nanodefect_assets.science.crystal.params import CompoundParams, CrystalParams, DisturbanceParams
from nanodefect_assets.science.synthetic.dark_field import project_atoms
from nanodefect_assets.science.synthetic.multislice import multislice_wave, prism_dark_field
from nanodefect_assets.science.synthetic.optics import frequency_grid, image_of_wave, image_of_weak_phase
from nanodefect_assets.science.synthetic.params import (
    AgreementParams,
    Material,
    MultisliceStemParams,
    OpticsParams,
    TiltSeriesParams,
)
from nanodefect_assets.science.synthetic.population import LATTICE_ANGSTROM
from nanodefect_assets.science.synthetic.waves import phase_grating_wave, projected_phase

_Image = Float[np.ndarray, "row col"]
_Mask = Bool[np.ndarray, "row col"]

VIEWS: dict[View, Rotation] = {
    # Structures have a close-packed row along x and their layers along z.
    "along a row": Rotation.from_euler("y", 90, degrees=True),
    "off zones": Rotation.from_rotvec([0.5, 0.9, 0.3]),
}

_SPACING_ANGSTROM = 0.2
_ROOM_ANGSTROM = 12.0
_BIN_PER_ANGSTROM = 0.03
_FIRST_PER_ANGSTROM, _LAST_PER_ANGSTROM = 0.12, 0.9
"""Band of spatial frequencies compared: from below the first reflections up to where the lens passes little."""

_STEM_PIXEL_ANGSTROM = 0.35
_STEM_ROOM_ANGSTROM = 8.0


def laid_particle(material: Material, diameter_nm: float, view: View, *, rng: np.random.Generator) -> Structure:
    """Return a particle of a material, shaken by heat, as it lies in a view."""
    if material == "CdSe":
        size = CompoundParams(diameter_angstrom=10 * diameter_nm, length_angstrom=10 * diameter_nm)
        structure = compound_particle("AB", size)
    else:
        lattice = LATTICE_ANGSTROM[material]
        structure = fcc_particle(
            CrystalParams(symbol=material, lattice_angstrom=lattice, diameter_angstrom=10 * diameter_nm)
        )
    return disturb(structure.rotated(VIEWS[view].as_matrix()), DisturbanceParams(), rng=rng).centred()


def compare_hrtem(
    material: Material, diameter_nm: float, view: View, defoci_nm: Sequence[float], *, rng: np.random.Generator
) -> list[ComparedImages]:
    """Return HRTEM images of one particle, without noise, at several defoci: by multislice, weak phase, phase grating.

    Parameters
    ----------
    material : str
        Au, Pd or CdSe.
    diameter_nm : float
        Its largest extent.
    view : str
        How it lies under the beam.
    defoci_nm : sequence of float
        Defoci, positive under focus; the exit waves are made once.
    rng : Generator
        Draws the thermal displacements.
    """
    structure = laid_particle(material, diameter_nm, view, rng=rng)
    size = fft.next_fast_len(int((10 * diameter_nm + _ROOM_ANGSTROM) / _SPACING_ANGSTROM), real=True)
    grid = {"spacing_angstrom": _SPACING_ANGSTROM, "energy_kev": OpticsParams().energy_kev}
    exact = multislice_wave(structure, (size, size), **grid)
    grating = phase_grating_wave(structure, (size, size), **grid)
    phase = projected_phase(structure, (size, size), **grid)
    seen = []
    for defocus_nm in defoci_nm:
        optics = OpticsParams(defocus_nm=defocus_nm)
        seen.append(
            ComparedImages(
                material=material,
                diameter_nm=diameter_nm,
                view=view,
                setting=f"defocus {defocus_nm:g} nm",
                n_atoms=len(structure),
                pixel_size_angstrom=_SPACING_ANGSTROM,
                exact=image_of_wave(exact, _SPACING_ANGSTROM, optics),
                models={
                    "phase grating": image_of_wave(grating, _SPACING_ANGSTROM, optics),
                    "weak phase": image_of_weak_phase(phase, _SPACING_ANGSTROM, optics),
                },
                inside=_silhouette(structure, size, _SPACING_ANGSTROM),
            )
        )
    return seen


def compare_dark_field(
    material: Material, diameter_nm: float, view: View, params: MultisliceStemParams, *, rng: np.random.Generator
) -> ComparedImages:
    """Return dark-field images of the middle of one particle, without noise: by abTEM's PRISM and the linear model.

    Parameters are those of `compare_hrtem`; the linear model is as in `TiltSeriesParams`, nothing is fitted.
    """
    structure = laid_particle(material, diameter_nm, view, rng=rng)
    pixel = _STEM_PIXEL_ANGSTROM
    size = 4 * int(np.ceil((10 * diameter_nm + _STEM_ROOM_ANGSTROM) / pixel / 4))
    scanned = 2 * int(10 * diameter_nm * params.scanned_share / pixel / 2)
    linear = TiltSeriesParams()
    projected = project_atoms(
        structure,
        np.eye(3)[None],
        scanned,
        pixel_size_angstrom=pixel,
        sigma_angstrom=linear.probe_sigma_angstrom,
        power=linear.atomic_number_power,
    )[0]
    return ComparedImages(
        material=material,
        diameter_nm=diameter_nm,
        view=view,
        setting=f"{params.inner_mrad:g}-{params.outer_mrad:g} mrad",
        n_atoms=len(structure),
        pixel_size_angstrom=pixel,
        exact=prism_dark_field(structure, size, scanned, pixel_size_angstrom=pixel, params=params),
        models={"linear": projected},
        inside=_silhouette(structure, scanned, pixel),
    )


def compare_simulators(
    params: AgreementParams, *, rng: np.random.Generator, on_step: OnStep = ignore_progress
) -> Iterator[ComparedImages]:
    """Yield the images of every case: HRTEM over material, size, view and defocus; dark field over view."""
    views = tuple(VIEWS)
    hrtem: list[tuple[Material, float, View]] = [
        (material, size, view) for material in params.materials for size in params.diameters_nm for view in views
    ]
    total = len(hrtem) + len(views) * bool(params.dark_field_diameter_nm)
    for done, (material, diameter_nm, view) in enumerate(hrtem):
        on_step(Progress(task="HRTEM", done=done, total=total, detail=f"{material} {diameter_nm:g} nm {view}"))
        yield from compare_hrtem(material, diameter_nm, view, params.defoci_nm, rng=rng)
    if params.dark_field_diameter_nm:
        for done, view in enumerate(views, start=len(hrtem)):
            on_step(Progress(task="dark field", done=done, total=total, detail=f"{params.dark_field_material} {view}"))
            yield compare_dark_field(
                params.dark_field_material, params.dark_field_diameter_nm, view, params.dark_field, rng=rng
            )


def measure_agreement(images: ComparedImages) -> list[Agreement]:
    """Return how well each faster model agrees with multislice, inside the particle."""
    exact, inside = images.exact, images.inside
    reference = radial_power(images.exact, inside, images.pixel_size_angstrom)
    found = []
    for name, image in images.models.items():
        power = radial_power(image, inside, images.pixel_size_angstrom)
        known = (power > 0) & (reference > 0)  # a small image has rings without a frequency
        found.append(
            Agreement(
                material=images.material,
                diameter_nm=images.diameter_nm,
                view=images.view,
                setting=images.setting,
                n_atoms=images.n_atoms,
                model=name,
                correlation=_correlation(image[inside], exact[inside]),
                contrast_ratio=_contrast(image[inside]) / _contrast(exact[inside]),
                spectrum_correlation=_correlation(np.log(power[known]), np.log(reference[known])),
                power_ratio=float(power.sum() / reference.sum()),
            )
        )
    return found


def radial_power(image: _Image, inside: _Mask, pixel_size_angstrom: float) -> Float[np.ndarray, " bin"]:
    """Return the mean power in rings of spatial frequency, of what lies inside a softened mask, its mean taken as 1."""
    weight = gaussian_filter(inside.astype(float), 2.0 / pixel_size_angstrom) * inside
    modulation = (image / np.average(image, weights=weight) - 1) * weight
    power = np.abs(fft.fft2(modulation)) ** 2 / np.sum(weight**2)
    ring = np.digitize(frequency_grid(image.shape, pixel_size_angstrom), _ring_edges())
    n_rings = len(_ring_edges()) - 1
    counts = np.bincount(ring.ravel(), minlength=n_rings + 2)[1:-1]
    return np.bincount(ring.ravel(), power.ravel(), minlength=n_rings + 2)[1:-1] / np.maximum(counts, 1)


def ring_frequencies() -> Float[np.ndarray, " bin"]:
    """Return the middle of each ring of `radial_power`, per angstrom."""
    edges = _ring_edges()
    return (edges[1:] + edges[:-1]) / 2


def _ring_edges() -> Float[np.ndarray, " edge"]:
    return np.arange(_FIRST_PER_ANGSTROM, _LAST_PER_ANGSTROM + _BIN_PER_ANGSTROM / 2, _BIN_PER_ANGSTROM)


def _silhouette(structure: Structure, size: int, pixel_size_angstrom: float) -> _Mask:
    """Return the pixels that are more than a sixth as thick as the thickest."""
    blurred = project_atoms(
        structure, np.eye(3)[None], size, pixel_size_angstrom=pixel_size_angstrom, sigma_angstrom=1.5, power=1.0
    )[0]
    return blurred > np.quantile(blurred, 0.99) / 6


def _contrast(values: Float[np.ndarray, " pixel"]) -> float:
    return float(values.std(dtype=float) / values.mean(dtype=float))


def _correlation(first: Float[np.ndarray, " value"], second: Float[np.ndarray, " value"]) -> float:
    return float(np.corrcoef(first, second)[0, 1])
