"""Two images of a simulated crystal: what was planted between them is seen, doses and shifts are not taken for it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.tomography.changes import compare_images, compare_repeats

EDGE, PIXEL_NM, SIGMA_PX = 128, 0.034, 1.5
LATTICE_NM, RADIUS_NM = 0.389, 1.39
DOSES = [600.0, 60.0, 6.0, 2.0]
"""Electrons that one atom adds to the image: from 75 a pixel where the ball is thickest to a quarter."""


def ball():
    """Return the 800 or so atoms of an fcc ball, seen along [110], in nanometres."""
    cells = np.stack(np.meshgrid(*[np.arange(-5, 6)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    basis = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    atoms = (cells + basis).reshape(-1, 3) * LATTICE_NM
    atoms = atoms[np.linalg.norm(atoms, axis=1) < RADIUS_NM]
    turn = np.array([[1, -1, 0], [0, 0, np.sqrt(2)], [1, 1, 0]]) / np.sqrt(2)
    return atoms @ turn.T


ATOMS = ball()


def view(atoms, moved_px=(0.0, 0.0)):
    """Return what each pixel is to count for one electron an atom."""
    places = atoms[:, :2] / PIXEL_NM + EDGE / 2 + np.array(moved_px)
    rows, cols = (np.exp(-0.5 * ((np.arange(EDGE) - places[:, axis, None]) / SIGMA_PX) ** 2) for axis in (0, 1))
    return rows.T @ cols / (2 * np.pi * SIGMA_PX**2)


def counted(rng, atoms, electrons, moved_px=(0.0, 0.0), support=0.01):
    return rng.poisson(electrons * (view(atoms, moved_px) + support))


def turned(atoms, angle_deg):
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return atoms @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])


CHANGES = {
    "half of the atoms lost": lambda rng: ATOMS[rng.permutation(len(ATOMS))[: len(ATOMS) // 2]],
    "a fifth of the atoms lost": lambda rng: ATOMS[rng.permutation(len(ATOMS))[len(ATOMS) // 5 :]],
    "amorphous": lambda rng: ATOMS + rng.normal(0, 0.08, ATOMS.shape),
    "a cap knocked off": lambda rng: ATOMS[ATOMS[:, 1] < 0.75 * RADIUS_NM],
    "tilted by 30 degrees": lambda rng: turned(ATOMS, 30),
    "tilted by 3 degrees": lambda rng: turned(ATOMS, 3),
}


@pytest.mark.parametrize("later", DOSES)
@pytest.mark.parametrize("earlier", [600.0, 2.0])
def test_one_thing_at_two_doses_and_a_shift_is_unchanged(rng, earlier, later):
    found = [
        compare_images(counted(rng, ATOMS, earlier), 3 * counted(rng, ATOMS, later, moved_px) + 40, PIXEL_NM)
        for moved_px in rng.uniform(-6, 6, (6, 2))
    ]

    assert not any(one.is_seen for one in found)
    assert np.mean([one.residuals[2:] for one in found], axis=0) == pytest.approx(np.ones(6), abs=0.3)
    assert np.mean([one.factor for one in found]) == pytest.approx(3 * later / earlier, rel=0.1)
    assert np.mean([one.area_ratio for one in found]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("later", [600.0, 60.0])
def test_what_was_lost_or_displaced_is_seen(rng, change, later):
    found = compare_images(counted(rng, ATOMS, 600.0), counted(rng, CHANGES[change](rng), later, (2.3, -1.6)), PIXEL_NM)

    assert found.is_seen
    assert found.residuals[found.worst] > 1.5


@pytest.mark.parametrize("moved_px", [(3, 2), (-7, 5)])
def test_a_sample_that_fills_the_frame_and_shades_off_is_matched_too(rng, moved_px):
    film = 200 + 100 * gaussian_filter(rng.normal(size=(160, 160)), 2.0) + 2.0 * np.arange(160)
    rows, cols = moved_px
    first, second = (rng.poisson(film[16 - r : 144 - r, 16 - c : 144 - c]) for r, c in ((0, 0), (rows, cols)))
    found = compare_images(first, second)

    assert found.shift_px == pytest.approx(moved_px, abs=0.1)
    assert not found.is_seen


def test_what_is_reported_tells_a_lost_lattice_from_a_lost_cap(rng):
    before = counted(rng, ATOMS, 600.0)
    amorphous, capped, lost = (
        compare_images(before, counted(rng, CHANGES[name](rng), 600.0), PIXEL_NM)
        for name in ("amorphous", "a cap knocked off", "half of the atoms lost")
    )

    assert amorphous.lattice_ratio is not None
    assert capped.lattice_ratio is not None
    assert amorphous.lattice_ratio < 0.4 < 0.6 < capped.lattice_ratio
    assert capped.area_ratio < 0.98
    assert lost.factor == pytest.approx(0.5, abs=0.1), "as half the dose would have it"
    assert compare_images(before, counted(rng, ATOMS, 6.0)).lattice_ratio is None


def test_the_worst_of_several_repeats_counts_and_frames_without_image_do_not(rng):
    images = np.array([counted(rng, atoms, 600.0) for atoms in (ATOMS, ATOMS, ATOMS, CHANGES["amorphous"](rng))], float)
    images[2] = 0
    tilts_deg = np.array([0.0, 0.0, 0.0, 0.0])

    assert compare_repeats(images, np.arange(4.0)) == (None, [])
    same, _ = compare_repeats(images, np.array([0.0, 0.0, 5.0, 6.0]))
    assert same is not None
    assert not same.is_seen
    worst, refused = compare_repeats(images, tilts_deg)
    assert worst is not None
    assert worst.is_seen
    assert "differ" in worst.in_words()
    assert len(refused) == 3
    assert "images 0 and 2 of one tilt cannot be compared" in refused[0]
    assert compare_repeats(images, tilts_deg, {2: "dead"})[1] == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda image: image * 0 + 7, "no_contrast"),
        (lambda image: np.where(image > 5, np.nan, image), "not_finite"),
        (lambda image: -image, "nothing_in_common"),
        (lambda image: np.roll(image, 45, axis=0), "shifted_far"),
        (lambda image: image[:9, :9], "too_small"),
    ],
)
def test_images_that_cannot_be_compared_are_refused(rng, spoil, reason):
    image = counted(rng, ATOMS, 60.0).astype(float)

    with pytest.raises(Refusal) as refused:
        compare_images(*((spoil(image),) * 2 if reason == "too_small" else (image, spoil(image))))
    assert refused.value.reason == reason
