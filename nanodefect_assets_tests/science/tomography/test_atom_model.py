"""Images of atoms: against the closed form, their derivatives against differences, their adjoint."""

from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.atom_images import draw, overlaps, pick_up
from nanodefect_assets.science.tomography.atom_model import AtomState, AtomStep, Freedom, LinearImages
from nanodefect_assets.science.tomography.normal_equations import Preconditioner, solve_normal

FREE = Freedom(own_widths=True, tilts=True)
SHAPE = (40, 44)


@pytest.fixture
def state(rng):
    euler_deg = np.column_stack([rng.normal(0, 1, 5), np.linspace(-60, 60, 5), rng.normal(0, 1, 5)])
    return AtomState(
        positions_angstrom=rng.uniform(-5, 5, (6, 3)),
        intensity=rng.uniform(50, 100, 6),
        sigma_angstrom=rng.uniform(0.5, 0.7, 6),
        geometry=TiltGeometry(euler_deg=euler_deg, shifts_px=rng.normal(0, 1, (5, 2))),
        factors=rng.uniform(0.8, 1.2, 5),
        background=rng.uniform(0, 2, 5),
        pixel_size_angstrom=0.5,
        shape=SHAPE,
        halo=0.2,
        halo_angstrom=1.0,
    )


def random_step(rng, state, size=1.0):
    return AtomStep(
        atoms=size * rng.standard_normal((len(state), 5)),
        tilts=size * rng.standard_normal((len(state.factors), 4)),
        log_width=0.0,
    )


def ones():
    return np.ones((5, *SHAPE), np.float32)


def test_an_atom_is_drawn_where_the_axes_say(state):
    one = replace(
        state.taken(np.array([0])),
        positions_angstrom=np.array([[1.0, 2.0, 3.0]]),
        geometry=TiltGeometry.single_axis([0.0, 90.0]),
        factors=np.ones(2),
        background=np.zeros(2),
        halo=0.0,
    )

    images = one.images()

    # (row, col) = (y, x) without tilt; at 90 degrees +z has turned to +x.
    assert [np.unravel_index(image.argmax(), SHAPE) for image in images] == [(20 + 4, 22 + 2), (20 + 4, 22 + 6)]
    assert images.sum(axis=(1, 2)) == pytest.approx(one.intensity[0], rel=1e-3)
    rows, cols = np.mgrid[:40, :44]
    sigma = one.sigma_px[0]
    closed = np.exp(-0.5 * ((rows - 24) ** 2 + (cols - 24) ** 2) / sigma**2) / (2 * np.pi * sigma**2)
    assert np.abs(images[0] - one.intensity[0] * closed).max() < 1e-3 * images[0].max()


def test_derivatives_are_those_of_the_images(rng, state):
    step, tiny = random_step(rng, state), 1e-3
    linear = LinearImages(state, ones(), FREE)

    ahead, behind = (state.moved(step.plus(sign * tiny - 1, step)).images() for sign in (1, -1))

    expected = (ahead - behind) / (2 * tiny)
    assert np.abs(linear.images_of(step) - expected).max() < 0.02 * np.abs(expected).max()


def test_gradient_is_the_adjoint(rng, state):
    linear = LinearImages(state, ones(), FREE)
    step, images = random_step(rng, state), rng.standard_normal((5, *SHAPE)).astype(np.float32)

    there = float(np.sum(linear.images_of(step) * images, dtype=float))

    assert linear.gradient_of(images).dot(step) == pytest.approx(there, rel=1e-4)


def test_an_atoms_block_is_what_the_normal_equations_hold(rng, state):
    weights = rng.uniform(0.5, 2, (5, *SHAPE)).astype(np.float32)
    linear = LinearImages(replace(state, halo=0.0), weights, FREE)

    block = linear.atom_blocks()[2]

    assert np.linalg.eigvalsh(block).min() > 0
    for column in range(5):
        atoms = np.zeros((6, 5))
        atoms[2, column] = 1
        found = linear.normal(AtomStep(atoms=atoms, tilts=np.zeros((5, 4)), log_width=0.0)).atoms[2]
        assert found == pytest.approx(block[:, column], rel=5e-3, abs=1e-3 * np.abs(found).max())


def test_conjugate_gradients_solve_the_equations(rng, state):
    linear = LinearImages(state, ones(), Freedom(own_widths=False, tilts=False))
    sought = linear.freedom.masked(random_step(rng, state, 0.1))

    found = solve_normal(linear, linear.normal(sought), Preconditioner(linear), 200, 1e-6)

    assert found.atoms[:, :4] == pytest.approx(sought.atoms[:, :4], abs=1e-2)


def test_atoms_beside_the_images_are_left_out():
    places = np.array([[[-50.0, 5.0], [5.0, 500.0]]])
    sigma, blank = np.ones(2), np.ones((1, 10, 10))

    assert not draw(places, sigma, np.ones((1, 2, 4)), (10, 10)).any()
    assert not pick_up(places, sigma, blank).any()
    assert not overlaps(places, sigma, blank).any()
