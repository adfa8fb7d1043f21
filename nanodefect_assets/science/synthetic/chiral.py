"""Chiral particles of known hand, under a simulated scanning electron microscope."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.science.synthetic.chiral_params import (
    AsSynthesisedParams,
    ChiralFieldParams,
    ChiralParticleParams,
)
from nanodefect_assets.science.synthetic.polyhedra import Canvas, Shading, corners_of, reach_of

_Planes = Float[np.ndarray, "plane 4"]

_SAMPLES = 2
"""Rays along each edge of a pixel."""
_BODY_TILT_DEG = 28.0
_CHIRAL_TILT_DEG = 14.0
"""Tilts of the facets' normals off the plane across the axis, before stretching to the aspect."""


@dataclass(frozen=True, kw_only=True)
class ChiralCrops:
    """Simulated images of single particles.

    Attributes
    ----------
    images : ndarray of shape (n, row, col)
        Counts, zero outside the particle.
    is_right : ndarray of shape (n,)
        Their hand.
    """

    images: Float[np.ndarray, "n row col"]
    is_right: Bool[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True)
class ChiralField:
    """A simulated field with the hand of each of its particles; `is_right[k]` is that of label k + 1."""

    labelled: LabelledMicrograph
    is_right: Bool[np.ndarray, " n"]


def chiral_polyhedron(*, aspect: float, twist_deg: float, chiral_facet: float, is_right: bool) -> _Planes:
    """Return the facets of a particle of point group 32, its axis along y, from -1 to 1 but for what facets cut off.

    Parameters
    ----------
    aspect : float
        Ratio of length to width.
    twist_deg : float
        Turn of the chiral facets about the axis against those of the body, between 0 and 60, where there is no hand.
    chiral_facet : float
        0 to 1; how deep the chiral facets cut.
    is_right : bool
        The hand. The other is its mirror image.

    Returns
    -------
    ndarray of shape (12, 4)
        Outward unit normals (x, y, z) and distances from the middle.

    Notes
    -----
    The body is a rhombohedron, three facets about either end, which is its own mirror image. Six further facets of a
    trigonal trapezohedron, turned by the twist the same way about the axis as seen from either end, have a hand: that
    of the point group of tellurium, which has no mirror.
    """
    sense = 1 if is_right else -1
    turns = 120.0 * np.arange(3)
    body = np.concatenate([_ring(turns, _BODY_TILT_DEG), _ring(60 - turns, -_BODY_TILT_DEG)])
    azimuths = sense * twist_deg + turns
    chiral = np.concatenate([_ring(azimuths, _CHIRAL_TILT_DEG), _ring(60 - azimuths, -_CHIRAL_TILT_DEG)])
    along = np.sin(np.deg2rad(_BODY_TILT_DEG))
    distances = np.repeat([along, _chiral_distance(body, along, chiral, chiral_facet)], 6)
    planes = np.column_stack([np.concatenate([body, chiral]), distances])
    return _squeezed(planes, aspect)


def ideal_crops(n: int, params: ChiralParticleParams, *, rng: np.random.Generator) -> ChiralCrops:
    """Return right-handed particles only: the other hand of the ideal set is made by mirroring them."""
    return _crops(np.ones(n, dtype=bool), params, AsSynthesisedParams(left_length=1, left_facet=1), rng)


def as_synthesised_crops(
    n: int, params: ChiralParticleParams, population: AsSynthesisedParams, *, rng: np.random.Generator
) -> ChiralCrops:
    """Return particles of both hands, the left-handed ones of their own size and facets, in random order."""
    is_right = np.ones(n, dtype=bool)
    is_right[rng.choice(n, size=round(population.left_fraction * n), replace=False)] = False
    return _crops(is_right, params, population, rng)


def chiral_field(
    field: ChiralFieldParams,
    params: ChiralParticleParams,
    population: AsSynthesisedParams,
    *,
    rng: np.random.Generator,
    micrograph_id: str = "simulated/end/chiral.tif",
) -> ChiralField:
    """Return particles dropped at random places and directions, one on another, with their labels and hands."""
    is_right = rng.random(field.n_particles) >= population.left_fraction
    canvas = Canvas.blank(_SAMPLES * field.n_rows, _SAMPLES * field.n_cols, field.background)
    light_deg = rng.uniform(0, 360)
    for index, hand in enumerate(is_right):
        planes = _draw_particle(bool(hand), params, population, rng, upright=False)
        place = rng.uniform(0, [canvas.height.shape[0], canvas.height.shape[1]])
        z = rng.uniform(0, 0.6) * params.length_px
        canvas.lay(planes, _shading(params, light_deg), row=place[0], col=place[1], z=z, label=index + 1)
    labels, seen = _as_seen(canvas)
    micrograph = Micrograph(
        micrograph_id=micrograph_id,
        counts=_expose(seen, params, rng).astype(np.float32),
        pixel_size_nm=field.pixel_size_nm,
        modality="sem",
        is_simulated=True,
    )
    return ChiralField(labelled=LabelledMicrograph(micrograph=micrograph, labels=labels), is_right=is_right)


def _crops(
    is_right: Bool[np.ndarray, " n"],
    params: ChiralParticleParams,
    population: AsSynthesisedParams,
    rng: np.random.Generator,
) -> ChiralCrops:
    images = np.stack([_crop(bool(hand), params, population, rng) for hand in is_right])
    return ChiralCrops(images=images, is_right=is_right)


def _crop(
    is_right: bool, params: ChiralParticleParams, population: AsSynthesisedParams, rng: np.random.Generator
) -> Float[np.ndarray, "row col"]:
    planes = _draw_particle(is_right, params, population, rng, upright=True)
    n_fine = _SAMPLES * params.n_px
    # What would not fit is shrunk, as crops of real fields are scaled to their frame.
    planes[:, 3] *= min(1.0, 0.48 * n_fine / reach_of(planes))
    canvas = Canvas.blank(n_fine, n_fine, 0.0)
    middle = (n_fine - 1) / 2
    shading = _shading(params, rng.uniform(0, 360))
    canvas.lay(planes, shading, row=middle, col=middle, z=0.0, label=1)
    labels, seen = _as_seen(canvas)
    return (_expose(seen, params, rng) * (labels > 0)).astype(np.float32)


def _draw_particle(
    is_right: bool,
    params: ChiralParticleParams,
    population: AsSynthesisedParams,
    rng: np.random.Generator,
    *,
    upright: bool,
) -> _Planes:
    """Return the facets of one particle as it lies, in fine pixels."""
    facet = params.chiral_facet + params.chiral_facet_spread * rng.standard_normal()
    length = params.length_px * np.exp(params.sigma_length * rng.standard_normal())
    if not is_right:
        facet, length = facet * population.left_facet, length * population.left_length
    planes = chiral_polyhedron(
        aspect=params.aspect * np.exp(params.sigma_aspect * rng.standard_normal()),
        twist_deg=params.twist_deg,
        chiral_facet=float(np.clip(facet, 0, 1)),
        is_right=is_right,
    )
    planes[:, 3] *= (1 + params.growth_spread * rng.standard_normal(len(planes))) * length / 2 * _SAMPLES
    return np.column_stack([_draw_pose(params, rng, upright=upright).apply(planes[:, :3]), planes[:, 3]])


def _draw_pose(params: ChiralParticleParams, rng: np.random.Generator, *, upright: bool) -> Rotation:
    """Return how a particle lies: on one of its body's facets, with some disorder, either end up."""
    roll = 60.0 * rng.integers(6) + params.roll_spread_deg * rng.standard_normal()
    pitch = params.pitch_spread_deg * rng.standard_normal()
    yaw = params.upright_spread_deg * rng.standard_normal() + 180 * rng.integers(2) if upright else rng.uniform(0, 360)
    return Rotation.from_euler("yxz", [roll, pitch, yaw], degrees=True)


def _ring(azimuths_deg: Float[np.ndarray, " n"], tilt_deg: float) -> Float[np.ndarray, "n 3"]:
    """Return normals about the axis y; azimuth 0 is z, to the viewer."""
    azimuths, tilt = np.deg2rad(azimuths_deg), np.deg2rad(tilt_deg)
    across, along = np.cos(tilt), np.full(len(azimuths_deg), np.sin(tilt))
    return np.column_stack([across * np.sin(azimuths), along, across * np.cos(azimuths)])


def _chiral_distance(
    body: Float[np.ndarray, "6 3"], distance: float, chiral: Float[np.ndarray, "6 3"], size: float
) -> float:
    """Return the distance of the chiral facets: from a body that they only touch to half the way inwards."""
    corners = corners_of(np.column_stack([body, np.full(6, distance)]))
    touching = float((corners @ chiral.T).max())
    return touching * (1 - 0.5 * size)


def _squeezed(planes: _Planes, aspect: float) -> _Planes:
    """Return the planes of the body scaled along its axis to the length 2 and across to the aspect."""
    corners = corners_of(planes)
    length = np.abs(corners[:, 1]).max()
    width = np.hypot(corners[:, 0], corners[:, 2]).max()
    scale = np.array([1 / (aspect * width), 1 / length, 1 / (aspect * width)])
    normals = planes[:, :3] / scale
    norms = np.linalg.norm(normals, axis=1)
    return np.column_stack([normals / norms[:, None], planes[:, 3] / norms])


def _shading(params: ChiralParticleParams, light_deg: float) -> Shading:
    return Shading(
        light_deg=light_deg,
        side_light=params.side_light,
        edge_glow=params.edge_glow,
        edge_width=params.edge_width_px * _SAMPLES,
    )


def _as_seen(canvas: Canvas) -> tuple[np.ndarray, Float[np.ndarray, "row col"]]:
    """Return labels and mean intensity of whole pixels: that which most rays met, where half of them met one.

    No ray of a pixel counts more than another: outlines that lean to one side would tell an image from its mirror, and
    with it right labels from wrong ones, whatever the hand.
    """
    rows, cols = (n // _SAMPLES for n in canvas.height.shape)
    intensity, labels = (
        part.reshape(rows, _SAMPLES, cols, _SAMPLES).swapaxes(1, 2).reshape(rows, cols, -1)
        for part in (canvas.intensity, canvas.labels)
    )
    n_alike = np.where(labels > 0, (labels[..., None] == labels[..., None, :]).sum(axis=3), 0)
    most = np.where(n_alike == n_alike.max(axis=2, keepdims=True), labels, 0).max(axis=2)
    is_met = 2 * np.count_nonzero(labels, axis=2) >= labels.shape[2]
    return np.where(is_met, most, 0), intensity.mean(axis=2)


def _expose(
    seen: Float[np.ndarray, "row col"], params: ChiralParticleParams, rng: np.random.Generator
) -> Float[np.ndarray, "row col"]:
    blurred = gaussian_filter(seen, params.blur_px) if params.blur_px else seen
    return rng.poisson(params.electrons * np.maximum(blurred, 0)).astype(float)
