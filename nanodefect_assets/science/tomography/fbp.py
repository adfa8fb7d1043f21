"""Filtered back-projection: fast, linear, and with the streaks of the missing wedge."""

import numpy as np
from jaxtyping import Float
from scipy.fft import irfft, next_fast_len, rfft

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.projector import Projector, Views, Volume3D


def filtered_back_projection(projector: Projector, views: Views, geometry: TiltGeometry) -> Volume3D:
    """Return A* of the views behind a ramp filter at right angles to the tilt axis.

    Notes
    -----
    Each view counts by the tilt that it stands for, half the way to its neighbours; at the ends of the range, as far as
    to the one neighbour. The ramp is that of Kak and Slaney, *Principles of Computerized Tomographic Imaging* (1988),
    eq. 3.61, whose mean is right.
    """
    n_cols = views.shape[2]
    size = next_fast_len(2 * n_cols, real=True)
    taps = np.zeros(size)
    offsets = np.minimum(np.arange(size), size - np.arange(size))
    taps[0], odd = 0.25, offsets % 2 == 1
    taps[odd] = -1 / (np.pi * offsets[odd]) ** 2
    ramp = rfft(taps).real
    filtered = irfft(rfft(views, n=size, axis=2) * ramp, n=size, axis=2)[:, :, :n_cols]
    shares = _angles_stood_for(geometry.tilts_deg)[:, None, None]
    return projector.adjoint((filtered * shares).astype(np.float32))


def _angles_stood_for(tilts_deg: Float[np.ndarray, " tilt"]) -> Float[np.ndarray, " tilt"]:
    """Return the range of tilts that each view stands for, in radians; views beyond half a turn repeat others."""
    order = np.argsort(tilts_deg % 180.0)
    ordered = np.deg2rad(tilts_deg[order] % 180.0)
    gaps = np.diff(ordered, append=ordered[0] + np.pi)
    usual = np.median(gaps)
    gaps = np.where(gaps > 3 * usual, usual, gaps)
    shares = np.empty(len(gaps))
    shares[order] = (gaps + np.roll(gaps, 1)) / 2
    return shares
