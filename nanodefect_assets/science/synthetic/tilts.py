"""Tilt series of known particles, with everything planted that an alignment has to find.

Each tilt is scanned twice, at scan rotations of 0 and 90 degrees; rows are the slow direction of either scan.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.synthetic.dark_field import atom_brightness, project_atoms, splat_views
from nanodefect_assets.science.synthetic.geometry import view_rotation
from nanodefect_assets.science.synthetic.params import TiltSeriesParams

_Views = Float[np.ndarray, "tilt row col"]


@dataclass(frozen=True, kw_only=True)
class PlantedTiltSeries:
    """A simulated tilt series and everything that was planted in it.

    Attributes
    ----------
    scans_0deg, scans_90deg : ndarray of shape (tilt, row, col)
        Counts as the two scans record them; ``np.rot90(scan, -1)`` turns one of the second kind upright.
    ideal : ndarray of shape (tilt, row, col)
        What a perfect scan of the true views would give: no noise, background, shift, factor, distortion or drift.
    nominal_tilts_deg : ndarray of shape (tilt,)
        Angles that the microscope states.
    euler_deg : ndarray of shape (tilt, 3)
        True phi, theta and psi of each view.
    shifts_px : ndarray of shape (tilt, 2)
        Where the particle's origin lies off the centre N // 2, along rows and columns of the sample, in the middle of
        the first scan.
    factors : ndarray of shape (tilt,)
        By what the particle's intensity is multiplied.
    background_counts : ndarray of shape (tilt,)
        Mean counts beside the particle.
    scan_matrix : ndarray of shape (2, 2)
        Steps of the sample, (row, col), for one pixel along the (rows, columns) of an upright scan: the identity for
        true coils. A standard sample under the same conditions would show it.
    drift_px : ndarray of shape (tilt, scan, 2)
        Movement of the sample during each of the two scans, along its rows and columns. The second scan follows at
        once: by its middle the sample has moved by half of either.
    counts_per_ideal : float
        Counts for one unit of `ideal`.
    pixel_size_angstrom : float
        Edge of a pixel.
    """

    scans_0deg: _Views
    scans_90deg: _Views
    ideal: _Views
    nominal_tilts_deg: Float[np.ndarray, " tilt"]
    euler_deg: Float[np.ndarray, "tilt 3"]
    shifts_px: Float[np.ndarray, "tilt 2"]
    factors: Float[np.ndarray, " tilt"]
    background_counts: Float[np.ndarray, " tilt"]
    scan_matrix: Float[np.ndarray, "2 2"]
    drift_px: Float[np.ndarray, "tilt scan 2"]
    counts_per_ideal: float
    pixel_size_angstrom: float

    def upright(self) -> tuple[_Views, _Views]:
        """Return both scans with the sample's rows along their rows."""
        return self.scans_0deg, np.rot90(self.scans_90deg, -1, axes=(1, 2))


def tilt_series(structure: Structure, params: TiltSeriesParams, *, rng: np.random.Generator) -> PlantedTiltSeries:
    """Return a simulated dark-field tilt series of a particle.

    Parameters
    ----------
    structure : Structure
        The particle, its origin near its middle, its tilt axis along y.
    params : TiltSeriesParams
        What is planted. Spreads of 0 leave the thing out.
    rng : Generator
        The same generator gives the same series.

    Notes
    -----
    An atom at a (from the centre, with the shift) shows at the pixel q where M q = a + drift * time(q), which is an
    affine map, so that atoms stay exact; that their images are stretched by the same per cents is left out.
    """
    nominal_deg = np.linspace(params.first_tilt_deg, params.last_tilt_deg, params.n_tilts)
    euler_deg = rng.normal(0, params.axis_error_rms_deg, (params.n_tilts, 3))
    euler_deg[:, 1] = nominal_deg + rng.normal(0, params.tilt_error_rms_deg, params.n_tilts)
    shifts_px = rng.normal(0, params.shift_rms_px, (params.n_tilts, 2))
    factors = np.clip(rng.normal(1, params.factor_rms, params.n_tilts), 0.5, 1.5)
    drift_px = rng.normal(0, params.drift_rms_px, (params.n_tilts, 2, 2))
    matrix = _scan_matrix(params)
    rotations = np.array([view_rotation(*angles) for angles in euler_deg])
    ideal = _ideal(structure, rotations, params)
    electrons_per_ideal = params.dose_e_per_px * params.peak_fraction / _peak_without_tilt(structure, params)
    # The support film grows thicker along the beam as it tilts.
    background_e = params.dose_e_per_px * params.background_fraction / np.cos(np.deg2rad(nominal_deg))
    in_second_px = shifts_px + drift_px.mean(axis=1)
    expected = [
        _scan(structure, rotations, shift_px, matrix, drift_px[:, scan], bool(scan), params)
        * (factors * electrons_per_ideal)[:, None, None]
        + background_e[:, None, None]
        for scan, shift_px in enumerate((shifts_px, in_second_px))
    ]
    counted = [params.counts_per_electron * rng.poisson(electrons).astype(np.float32) for electrons in expected]
    return PlantedTiltSeries(
        scans_0deg=counted[0],
        scans_90deg=np.ascontiguousarray(np.rot90(counted[1], axes=(1, 2))),
        ideal=ideal,
        nominal_tilts_deg=nominal_deg,
        euler_deg=euler_deg,
        shifts_px=shifts_px,
        factors=factors,
        background_counts=params.counts_per_electron * background_e,
        scan_matrix=matrix,
        drift_px=drift_px,
        counts_per_ideal=float(params.counts_per_electron * electrons_per_ideal),
        pixel_size_angstrom=params.pixel_size_angstrom,
    )


def _scan_matrix(params: TiltSeriesParams) -> Float[np.ndarray, "2 2"]:
    shear_rad, along_cols = np.deg2rad(params.scan_shear_deg), 1 + params.scan_stretch
    return np.array([[1.0, along_cols * np.sin(shear_rad)], [0.0, along_cols * np.cos(shear_rad)]])


def _scan(
    structure: Structure,
    rotations: Float[np.ndarray, "tilt 3 3"],
    shifts_px: Float[np.ndarray, "tilt 2"],
    matrix: Float[np.ndarray, "2 2"],
    drift_px: Float[np.ndarray, "tilt 2"],
    is_turned: bool,
    params: TiltSeriesParams,
) -> _Views:
    """Return what one scan of each tilt sees, upright, in the units of an ideal projection.

    A scan line after the other is taken along the rows' index, or, turned, against that of the columns; time runs
    from -1/2 to 1/2.
    """
    n_pixels = params.n_pixels
    centre = n_pixels // 2
    slow = np.array([0, -1 / n_pixels]) if is_turned else np.array([1 / n_pixels, 0])
    first = (n_pixels - 1 - centre if is_turned else centre) / n_pixels - 0.5
    seen = structure.positions_angstrom @ np.transpose(rotations, (0, 2, 1))
    places_px = seen[:, :, 1::-1] / params.pixel_size_angstrom + (shifts_px + first * drift_px)[:, None]
    moving = matrix - drift_px[:, :, None] * slow
    pixels_px = places_px @ np.transpose(np.linalg.inv(moving), (0, 2, 1)) + centre
    return splat_views(
        pixels_px[:, :, 0],
        pixels_px[:, :, 1],
        atom_brightness(structure.species, params.atomic_number_power),
        n_pixels,
        sigma_px=params.probe_sigma_angstrom / params.pixel_size_angstrom,
    )


def _ideal(structure: Structure, rotations: np.ndarray, params: TiltSeriesParams) -> _Views:
    return project_atoms(
        structure,
        rotations,
        params.n_pixels,
        pixel_size_angstrom=params.pixel_size_angstrom,
        sigma_angstrom=params.probe_sigma_angstrom,
        power=params.atomic_number_power,
    )


def _peak_without_tilt(structure: Structure, params: TiltSeriesParams) -> float:
    return float(_ideal(structure, np.eye(3)[None], params).max())
