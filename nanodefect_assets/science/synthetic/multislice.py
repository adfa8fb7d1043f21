"""Multislice simulation through abTEM: slow and exact, the measure of the faster models.

Nothing else imports abTEM. Its arrays run along (x, y); ours along (row, col) = (y, x).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Complex, Float
from scipy import fft
from scipy.ndimage import gaussian_filter

from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.synthetic.geometry import view_rotation
from nanodefect_assets.science.synthetic.optics import wavelength_angstrom
from nanodefect_assets.science.synthetic.params import MultisliceStemParams
from nanodefect_assets.science.synthetic.waves import propagate

if TYPE_CHECKING:
    from ase import Atoms

_SLICE_ANGSTROM = 2.0
_FINEST_ANGSTROM = 0.1
"""Grid on which it is converged: on 0.2 angstrom, images of 4 nm of Au along a close-packed row correlate with
converged ones by 0.91 only."""

_VACUUM_ANGSTROM = 2.0


@contextmanager
def _quiet() -> Iterator[None]:
    """Have abTEM compute at once, without bars, and the same bits each time."""
    import abtem

    settings = {
        "diagnostics.progress_bar": False,
        "dask.lazy": False,
        "fft": "fftw",
        "fftw.planning_effort": "FFTW_ESTIMATE",  # a plan by measured times would give other bits each time
    }
    with abtem.config.set(settings):
        yield


def multislice_wave(
    structure: Structure, shape: tuple[int, int], *, spacing_angstrom: float, energy_kev: float
) -> Complex[np.ndarray, "row col"]:
    """Return the exit wave of a particle, referred to the plane z = 0.

    Parameters
    ----------
    structure : Structure
        Atoms; x runs along columns, y along rows, and the origin lies at index N // 2 of either.
    shape : tuple of int
        Rows and columns.
    spacing_angstrom : float
        Distance of two points of the grid.
    energy_kev : float
        Kinetic energy of the electrons.
    """
    import abtem

    refinement = int(np.ceil(spacing_angstrom / _FINEST_ANGSTROM - 1e-6))
    fine_angstrom = spacing_angstrom / refinement
    atoms, behind_angstrom = _boxed(structure, shape, spacing_angstrom)
    with _quiet():
        potential = abtem.Potential(
            atoms,
            gpts=(shape[1] * refinement, shape[0] * refinement),
            slice_thickness=_SLICE_ANGSTROM,
            parametrization="lobato",
            projection="infinite",
        )
        wave: Any = abtem.PlaneWave(energy=energy_kev * 1e3).multislice(potential)
    at_middle = propagate(wave.array.T, -behind_angstrom, spacing_angstrom=fine_angstrom, energy_kev=energy_kev)
    return _coarser(at_middle, shape)


def multislice_dark_field(
    structure: Structure, n_pixels: int, *, pixel_size_angstrom: float, params: MultisliceStemParams
) -> Float[np.ndarray, "row col"]:
    """Return the share of the electrons that an annular detector catches at each place of the probe.

    Parameters
    ----------
    structure : Structure
        Atoms, turned as they lie under the beam; thermal motion is in their positions.
    n_pixels : int
        Rows and columns of the scan; the particle's origin lies at index N // 2.
    pixel_size_angstrom : float
        Step of the scan.
    params : MultisliceStemParams
        Probe, detector and grid.

    Raises
    ------
    ValueError
        If the grid is too coarse for the detector.

    Notes
    -----
    Takes minutes for thousands of atoms: a tilt series of a whole particle belongs on a GPU or a cluster.
    """
    import abtem

    _check_grid(params)
    edge_angstrom = n_pixels * pixel_size_angstrom
    with _quiet():
        potential = _fine_potential(structure, n_pixels, pixel_size_angstrom, params)
        probe = abtem.Probe(energy=params.energy_kev * 1e3, semiangle_cutoff=params.convergence_mrad)
        scan = abtem.GridScan(
            start=(0, 0), end=(edge_angstrom, edge_angstrom), gpts=(n_pixels, n_pixels), endpoint=False
        )
        caught: Any = probe.scan(potential, scan=scan, detectors=_ring(params))
    sigma_px = params.source_sigma_angstrom / pixel_size_angstrom
    return gaussian_filter(np.ascontiguousarray(caught.array.T), sigma_px, mode="wrap")


def prism_dark_field(
    structure: Structure, n_pixels: int, n_scanned: int, *, pixel_size_angstrom: float, params: MultisliceStemParams
) -> Float[np.ndarray, "row col"]:
    """Return what `multislice_dark_field` does in the middle of its frame, in a small part of its time.

    Parameters
    ----------
    structure, pixel_size_angstrom, params
        As in `multislice_dark_field`.
    n_pixels : int
        Rows and columns of the frame, which must hold the particle.
    n_scanned : int
        Rows and columns of the scan, in its middle.

    Notes
    -----
    PRISM [1]_: a multislice for every n-th plane wave of the probe, out of which the probe at each place is put
    together.

    References
    ----------
    .. [1] C. Ophus, Adv. Struct. Chem. Imaging 3, 13 (2017), 10.1186/s40679-017-0046-1.
    """
    import abtem

    _check_grid(params)
    sigma_px = params.source_sigma_angstrom / pixel_size_angstrom
    margin = int(np.ceil(4 * sigma_px))  # so that what the source blurs in from outside the scan is there
    n_taken = n_scanned + 2 * margin
    start = (n_pixels // 2 - n_taken // 2) * pixel_size_angstrom
    end = start + n_taken * pixel_size_angstrom
    with _quiet():
        potential = _fine_potential(structure, n_pixels, pixel_size_angstrom, params)
        waves: Any = abtem.SMatrix(
            potential=potential,
            energy=params.energy_kev * 1e3,
            semiangle_cutoff=params.convergence_mrad,
            interpolation=params.interpolation,
        )
        scan = abtem.GridScan(start=(start, start), end=(end, end), gpts=(n_taken, n_taken), endpoint=False)
        caught: Any = waves.scan(scan=scan, detectors=_ring(params))
    blurred = gaussian_filter(np.ascontiguousarray(caught.array.T), sigma_px)
    return blurred[margin : margin + n_scanned, margin : margin + n_scanned]


def _ring(params: MultisliceStemParams) -> Any:
    import abtem

    return abtem.AnnularDetector(inner=params.inner_mrad, outer=params.outer_mrad)


def _check_grid(params: MultisliceStemParams) -> None:
    reached_mrad = 1e3 * wavelength_angstrom(params.energy_kev) / (3 * params.sampling_angstrom)
    if params.outer_mrad > reached_mrad:
        raise ValueError(
            f"Expected a grid whose waves reach the detector's outer {params.outer_mrad} mrad. Got "
            f"{params.sampling_angstrom} angstrom, which reaches {reached_mrad:.0f}; take a finer one."
        )


def _fine_potential(
    structure: Structure, n_pixels: int, pixel_size_angstrom: float, params: MultisliceStemParams
) -> Any:
    import abtem

    atoms, _ = _boxed(structure, (n_pixels, n_pixels), pixel_size_angstrom)
    coarsest = n_pixels * pixel_size_angstrom / params.sampling_angstrom
    # PRISM wants a number of points that its interpolation divides.
    n_points = params.interpolation * fft.next_fast_len(int(np.ceil(coarsest / params.interpolation)))
    return abtem.Potential(atoms, gpts=n_points, slice_thickness=_SLICE_ANGSTROM, projection="infinite")


def multislice_tilt_views(
    structure: Structure,
    euler_deg: Float[np.ndarray, "tilt 3"],
    n_pixels: int,
    *,
    pixel_size_angstrom: float,
    params: MultisliceStemParams,
    on_step: OnStep = ignore_progress,
) -> Float[np.ndarray, "tilt row col"]:
    """Return `multislice_dark_field` of each view of a tilt series; angles are those of `view_rotation`."""
    views = []
    for done, angles in enumerate(euler_deg):
        on_step(Progress(task="multislice of tilts", done=done, total=len(euler_deg)))
        turned = structure.rotated(view_rotation(*angles))
        views.append(multislice_dark_field(turned, n_pixels, pixel_size_angstrom=pixel_size_angstrom, params=params))
    return np.stack(views)


def _coarser(wave: Complex[np.ndarray, "fine_row fine_col"], shape: tuple[int, int]) -> Complex[np.ndarray, "row col"]:
    """Return a wave on every n-th point of its grid, without the frequencies that those cannot hold."""
    spectrum = fft.fftshift(fft.fft2(wave))
    first = [fine // 2 - coarse // 2 for fine, coarse in zip(wave.shape, shape, strict=True)]
    kept = spectrum[first[0] : first[0] + shape[0], first[1] : first[1] + shape[1]]
    scale = np.float32(kept.size / spectrum.size)
    return fft.ifft2(fft.ifftshift(kept) * scale).astype(np.complex64)


def _boxed(structure: Structure, shape: tuple[int, int], spacing_angstrom: float) -> tuple["Atoms", float]:
    """Return atoms in a cell that is exactly the grid, origin at index N // 2, and the end of the cell behind it."""
    from ase import Atoms

    heights = structure.positions_angstrom[:, 2]
    low, high = float(heights.min()) - _VACUUM_ANGSTROM, float(heights.max()) + _VACUUM_ANGSTROM
    origin = (shape[1] // 2 * spacing_angstrom, shape[0] // 2 * spacing_angstrom, -low)
    cell = (shape[1] * spacing_angstrom, shape[0] * spacing_angstrom, high - low)
    atoms = Atoms(structure.species.tolist(), positions=structure.positions_angstrom + origin, cell=cell, pbc=True)
    return atoms, high
