import numpy as np
import pytest
from pydantic import ValidationError

from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.crystal.layered import fcc_particle
from nanodefect_assets.science.crystal.params import CrystalParams
from nanodefect_assets.science.synthetic.params import FieldParams
from nanodefect_assets.science.synthetic.placement import PlacedParticle, place_particles, silhouette
from nanodefect_assets.science.synthetic.population import (
    brightness_per_nm3,
    draw_particle,
    draw_structure,
    lay_under_beam,
)
from nanodefect_assets.science.synthetic.zones import PLANAR_FAULTS, see_crystal


def ball(diameter_angstrom=40.0) -> Structure:
    return fcc_particle(CrystalParams(diameter_angstrom=diameter_angstrom, shape="sphere"))


@pytest.mark.parametrize("pixel_size_nm", [0.03, 0.1, 0.2])
def test_a_ball_has_the_silhouette_of_a_disc(pixel_size_nm):
    """It reaches half a bond beyond the outermost atoms, which lie a little inside the sphere."""
    outline = silhouette(PlacedParticle(structure=ball(), row_px=50.3, col_px=60.8), pixel_size_nm)
    area_nm2 = outline.mask.sum() * pixel_size_nm**2

    assert 2 * np.sqrt(area_nm2 / np.pi) == pytest.approx(4.0 + 0.29, abs=0.2)
    rows, cols = np.nonzero(outline.mask)
    assert rows.mean() + outline.top == pytest.approx(50.3, abs=0.7)
    assert cols.mean() + outline.left == pytest.approx(60.8, abs=0.7)


@pytest.mark.parametrize("centre", [(0.0, 30.0), (-500.0, 30.0), (63.0, 63.0), (30.0, 600.0)])
def test_a_silhouette_in_a_frame_is_the_part_inside(centre):
    outline = silhouette(PlacedParticle(structure=ball(20), row_px=centre[0], col_px=centre[1]), 0.1)
    frame = np.zeros((64, 64), dtype=bool)
    window, mask = outline.inside(frame.shape)
    frame[window] = mask
    rows, cols = np.nonzero(outline.mask)
    rows, cols = rows + outline.top, cols + outline.left

    inside = (rows >= 0) & (rows < 64) & (cols >= 0) & (cols < 64)
    assert frame.sum() == inside.sum()
    assert frame[rows[inside], cols[inside]].all()


@pytest.mark.parametrize("material", ["Au", "Pd", "CdSe"])
@pytest.mark.parametrize("is_faulted", [True, False])
def test_faults_are_planted_where_asked(material, is_faulted, rng):
    for _ in range(6):
        structure = draw_structure(material, 4.0, is_faulted=is_faulted, rng=rng)

        assert set(np.unique(structure.species)) == ({"Cd", "Se"} if material == "CdSe" else {material})
        assert bool(set(np.unique(structure.defect)) & set(PLANAR_FAULTS)) is is_faulted
        assert see_crystal(structure).lattice == ("hexagonal" if material == "CdSe" else "cubic")


@pytest.mark.parametrize("diameter_nm", [2.0, 4.0])
def test_multiply_twinned_particles_are_drawn_to_size(diameter_nm, rng):
    drawn = [draw_particle(FieldParams(multiply_twinned_fraction=1), diameter_nm, rng=rng) for _ in range(12)]
    extents_nm = [np.ptp(structure.positions_angstrom, axis=0).max() / 10 for structure in drawn]

    assert {structure.kind for structure in drawn} == {"decahedron", "icosahedron"}
    assert np.mean(extents_nm) == pytest.approx(diameter_nm, rel=0.25)
    with pytest.raises(ValidationError, match="CdSe"):
        FieldParams(material="CdSe", multiply_twinned_fraction=0.1)


@pytest.mark.parametrize("material", ["Au", "CdSe"])
def test_brightness_is_that_of_the_atoms_in_a_large_particle(material):
    """Of one atom for power 0: the number density of the crystal."""
    expected = {"Au": 59.0, "CdSe": 35.5}[material]

    assert brightness_per_nm3(material, 1e-9) == pytest.approx(expected, rel=0.01)


def test_aligned_particles_lie_near_zones_and_others_anyhow(rng):
    structure = ball(12)
    near, anyhow = (
        [
            see_crystal(
                lay_under_beam(structure, FieldParams(aligned_fraction=share, zone_spread_deg=1), rng=rng)
            ).misorientation_deg
            for _ in range(120)
        ]
        for share in (1.0, 0.0)
    )

    assert np.sqrt(np.mean(np.square(near))) == pytest.approx(np.sqrt(2), rel=0.25)
    assert np.median(anyhow) > 5


def test_particles_without_leave_to_overlap_keep_apart(rng):
    params = FieldParams(n_particles=14, overlapping_fraction=0, median_diameter_nm=3, min_gap_nm=0.5)
    particles = place_particles(params, rng=rng)
    atoms = [particle.places_px(0.05) for particle in particles]
    gaps_px = [
        np.linalg.norm(first[:, None, ::1] - second[None], axis=-1).min()
        for at, first in enumerate(a[:: max(1, len(a) // 200)] for a in atoms)
        for second in (b[:: max(1, len(b) // 200)] for b in atoms[at + 1 :])
    ]

    assert len(particles) == 14
    assert min(gaps_px) >= 0.5 / 0.05


def test_no_room_is_said():
    with pytest.raises(ValueError, match="room for 300 particles"):
        place_particles(
            FieldParams(n_particles=300, overlapping_fraction=0, median_diameter_nm=3), rng=np.random.default_rng(0)
        )
