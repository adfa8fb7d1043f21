"""The linear image model of a tilt series: every atom a Gaussian, every image with a factor, a background, a shift.

What a fit changes is one vector, an `AtomStep`. `LinearImages` maps steps to images and back: it is the Jacobian and
its adjoint at one state, never written out as a matrix, for each atom overlaps with thousands of others.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.atom_images import N_SHAPES, REACH, Images, draw, overlaps, pick_up

N_ATOM = 5
"""Of each atom: x, y, z, intensity, logarithm of its width."""

N_TILT = 4
"""Of each image: logarithm of its factor, shift along rows and columns, background."""


@dataclass(frozen=True, kw_only=True)
class AtomStep:
    """A change of a state, or a gradient by it.

    Attributes
    ----------
    atoms : ndarray of shape (atom, 5)
        Position x, y, z in angstrom, intensity, logarithm of the width.
    tilts : ndarray of shape (tilt, 4)
        Logarithm of the factor, shift along rows and columns in pixels, background.
    log_width : float
        Logarithm of the width that all atoms share.
    """

    atoms: Float[np.ndarray, "atom 5"]
    tilts: Float[np.ndarray, "tilt 4"]
    log_width: float

    def dot(self, other: "AtomStep") -> float:
        """Return the inner product."""
        return float(
            np.sum(self.atoms * other.atoms) + np.sum(self.tilts * other.tilts) + self.log_width * other.log_width
        )

    def plus(self, factor: float, other: "AtomStep") -> "AtomStep":
        """Return self + factor other."""
        return AtomStep(
            atoms=self.atoms + factor * other.atoms,
            tilts=self.tilts + factor * other.tilts,
            log_width=self.log_width + factor * other.log_width,
        )


@dataclass(frozen=True, kw_only=True)
class AtomState:
    """All that the image model needs.

    Attributes
    ----------
    positions_angstrom : ndarray of shape (atom, 3)
        Positions (x, y, z).
    intensity : ndarray of shape (atom,)
        Sum over the pixels of an atom's image whose factor is 1.
    sigma_angstrom : ndarray of shape (atom,)
        Standard deviation of each atom's image.
    geometry : TiltGeometry
        Angles, and shifts as far as they are known.
    factors, background : ndarray of shape (tilt,)
        What an image is multiplied by, and what lies under it.
    pixel_size_angstrom : float
        Edge of a pixel.
    shape : tuple of int
        Rows and columns.
    halo, halo_angstrom : float
        Share of the intensity that lies in a wider halo, and the standard deviation of what it is blurred by: images
        of atoms in dark field have tails that a Gaussian lacks.
    """

    positions_angstrom: Float[np.ndarray, "atom 3"]
    intensity: Float[np.ndarray, " atom"]
    sigma_angstrom: Float[np.ndarray, " atom"]
    geometry: TiltGeometry
    factors: Float[np.ndarray, " tilt"]
    background: Float[np.ndarray, " tilt"]
    pixel_size_angstrom: float
    shape: tuple[int, int]
    halo: float = 0.0
    halo_angstrom: float = 1.0

    def __len__(self) -> int:
        return len(self.positions_angstrom)

    @cached_property
    def onto_pixels(self) -> Float[np.ndarray, "tilt 2 3"]:
        """What turns a position into a row and a column, from the centre."""
        return self.geometry.rotations[:, 1::-1] / self.pixel_size_angstrom

    @cached_property
    def places_px(self) -> Float[np.ndarray, "tilt atom 2"]:
        """Row and column of every atom in every image."""
        centre = np.array(self.shape) // 2 + self.geometry.shifts_px
        return self.positions_angstrom @ np.transpose(self.onto_pixels, (0, 2, 1)) + centre[:, None]

    @property
    def sigma_px(self) -> Float[np.ndarray, " atom"]:
        """Standard deviations in pixels."""
        return self.sigma_angstrom / self.pixel_size_angstrom

    @cached_property
    def brightness(self) -> Float[np.ndarray, "tilt atom"]:
        """Intensity of each atom in each image."""
        return self.factors[:, None] * self.intensity

    def images(self) -> Images:
        """Return what the model says that is seen."""
        weights = np.zeros((*self.brightness.shape, N_SHAPES))
        weights[:, :, 0] = self.brightness
        drawn = self.with_halo(draw(self.places_px, self.sigma_px, weights, self.shape))
        return drawn + self.background[:, None, None].astype(np.float32)

    def with_halo(self, images: Images) -> Images:
        """Return images with a share of every atom spread into its halo; its own adjoint."""
        if not self.halo:
            return images
        return (1 - self.halo) * images + np.float32(self.halo) * self.blurred(images, self.halo_angstrom)

    def blurred(self, images: Images, sigma_angstrom: float) -> Images:
        """Return images blurred by a Gaussian; zero lies beside them."""
        sigma = sigma_angstrom / self.pixel_size_angstrom
        return gaussian_filter(images, (0, sigma, sigma), mode="constant", truncate=REACH)

    def moved(self, step: AtomStep) -> Self:
        """Return the state after a step."""
        geometry = replace(self.geometry, shifts_px=self.geometry.shifts_px + step.tilts[:, 1:3])
        return replace(
            self,
            positions_angstrom=self.positions_angstrom + step.atoms[:, :3],
            intensity=self.intensity + step.atoms[:, 3],
            sigma_angstrom=self.sigma_angstrom * np.exp(step.atoms[:, 4] + step.log_width),
            geometry=geometry,
            factors=self.factors * np.exp(step.tilts[:, 0]),
            background=self.background + step.tilts[:, 3],
        )

    def taken(self, selected: np.ndarray) -> Self:
        """Return the state with some of its atoms."""
        return replace(
            self,
            positions_angstrom=self.positions_angstrom[selected],
            intensity=self.intensity[selected],
            sigma_angstrom=self.sigma_angstrom[selected],
        )

    def joined(self, positions_angstrom: Float[np.ndarray, "more 3"]) -> Self:
        """Return the state with more atoms, as wide and half as bright as usual."""
        n_more = len(positions_angstrom)
        intensity, sigma = (float(np.median(of)) if len(of) else 1.0 for of in (self.intensity, self.sigma_angstrom))
        return replace(
            self,
            positions_angstrom=np.concatenate([self.positions_angstrom, positions_angstrom]),
            intensity=np.concatenate([self.intensity, np.full(n_more, intensity / 2)]),
            sigma_angstrom=np.concatenate([self.sigma_angstrom, np.full(n_more, sigma)]),
        )


@dataclass(frozen=True, kw_only=True)
class Freedom:
    """Which parts of a state a fit may change: widths atom by atom or one for all, factors and shifts of tilts."""

    own_widths: bool
    tilts: bool

    def masked(self, step: AtomStep) -> AtomStep:
        """Return a step without what may not change."""
        atoms, tilts = step.atoms.copy(), step.tilts.copy()
        if self.own_widths:
            return AtomStep(atoms=atoms, tilts=self._masked_tilts(tilts), log_width=0.0)
        atoms[:, 4] = 0
        return AtomStep(atoms=atoms, tilts=self._masked_tilts(tilts), log_width=step.log_width)

    def _masked_tilts(self, tilts: np.ndarray) -> np.ndarray:
        if not self.tilts:
            tilts[:, :3] = 0
        return tilts


class LinearImages:
    """The Jacobian of the image model at a state, with weights of the pixels.

    Parameters
    ----------
    state : AtomState
        Where.
    weights : ndarray of shape (tilt, row, col)
        One over the variance of each pixel.
    freedom : Freedom
        What may change.
    """

    def __init__(self, state: AtomState, weights: Images, freedom: Freedom) -> None:
        self.state, self.weights, self.freedom = state, weights, freedom

    def images_of(self, step: AtomStep) -> Images:
        """Return by how much the images change."""
        state = self.state
        shapes = np.empty((*state.brightness.shape, N_SHAPES))
        shifts = step.atoms[:, :3] @ np.transpose(state.onto_pixels, (0, 2, 1)) + step.tilts[:, None, 1:3]
        shapes[:, :, 0] = state.factors[:, None] * step.atoms[:, 3] + state.brightness * step.tilts[:, :1]
        shapes[:, :, 1:3] = state.brightness[:, :, None] * shifts
        shapes[:, :, 3] = state.brightness * (step.atoms[:, 4] + step.log_width)
        drawn = state.with_halo(draw(state.places_px, state.sigma_px, shapes, state.shape))
        return drawn + step.tilts[:, 3, None, None].astype(np.float32)

    def gradient_of(self, images: Images) -> AtomStep:
        """Return the adjoint of `images_of`, applied to images that carry their weights already."""
        state = self.state
        found = pick_up(state.places_px, state.sigma_px, state.with_halo(images))
        bright = state.brightness[:, :, None] * found
        atoms = np.empty((len(state), N_ATOM))
        atoms[:, :3] = np.einsum("tap,tpx->ax", bright[:, :, 1:3], state.onto_pixels, optimize=True)
        atoms[:, 3] = state.factors @ found[:, :, 0]
        atoms[:, 4] = bright[:, :, 3].sum(axis=0)
        tilts = np.concatenate([bright[:, :, :3].sum(axis=1), images.sum(axis=(1, 2), dtype=float)[:, None]], axis=1)
        return self.freedom.masked(AtomStep(atoms=atoms, tilts=tilts, log_width=float(atoms[:, 4].sum())))

    def normal(self, step: AtomStep) -> AtomStep:
        """Return J' W J times a step."""
        return self.gradient_of(self.weights * self.images_of(step))

    def atom_blocks(self) -> Float[np.ndarray, "atom 5 5"]:
        """Return each atom's own block of J' W J."""
        state = self.state
        gram = overlaps(state.places_px, state.sigma_px, self.weights)
        into = np.zeros((*state.brightness.shape, N_SHAPES, N_ATOM))
        into[:, :, 0, 3] = state.factors[:, None]
        into[:, :, 1:3, :3] = state.brightness[:, :, None, None] * state.onto_pixels[:, None]
        into[:, :, 3, 4] = state.brightness
        blocks = np.zeros((len(state), N_ATOM, N_ATOM))
        for views, turned in zip(gram, into, strict=True):
            blocks += np.transpose(turned, (0, 2, 1)) @ views @ turned
        return blocks

    def tilt_blocks(self) -> Float[np.ndarray, "tilt 4 4"]:
        """Return each image's own block of J' W J."""
        state, none = self.state, np.zeros((len(self.state), N_ATOM))
        parts = []
        for column in range(N_TILT):
            tilts = np.zeros((len(state.factors), N_TILT))
            tilts[:, column] = 1
            parts.append(self.images_of(AtomStep(atoms=none, tilts=tilts, log_width=0.0)))
        blocks = np.empty((len(state.factors), N_TILT, N_TILT))
        for number, weights in enumerate(self.weights):
            changes = np.stack([part[number].ravel() for part in parts])
            blocks[number] = (changes * weights.ravel()) @ changes.T
        return blocks
