from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.tomography.scan import ScanPath, combine_scans

EDGE = 128
MATRIX = np.array([[1.0, 0.0035], [0.0, 1.005]])


def specimen(rows, cols):
    """Blobs at places without symmetry, on a field of 64 pixels' width."""
    rng = np.random.default_rng(4)
    places, weights = rng.uniform(-30, 30, (60, 2)), rng.uniform(0.5, 1.5, 60)
    return 2 + sum(
        30 * weight * np.exp(-0.5 * ((rows - row) ** 2 + (cols - col) ** 2) / 2.0**2)
        for weight, (row, col) in zip(weights, places, strict=True)
    )


def scanned(path, rng):
    """Both upright scans of the specimen, counted: what a pixel shows is found by solving for its place."""
    pixels = np.indices((EDGE, EDGE)) - EDGE // 2.0
    frames = []
    for scan in (0, 1):
        slow = np.array([1 / EDGE, 0.0]) if scan == 0 else np.array([0.0, -1 / EDGE])
        straight = pixels.copy()
        straight[1 - scan] -= path.jitter_px[scan][:, None] if scan == 0 else path.jitter_px[scan][None]
        moving = path.matrix - np.outer(path.drifts_px[scan], slow)
        rows, cols = np.einsum("ij,jrc->irc", moving, straight)
        shift = np.zeros(2) if scan == 0 else path.shift_px
        frames.append(rng.poisson(specimen(rows - shift[0], cols - shift[1])))
    return frames


def planted(drifts=((0, 0), (0, 0)), shift=(0, 0), jitter=None):
    return ScanPath(
        matrix=MATRIX,
        drifts_px=np.array(drifts, dtype=float),
        shift_px=np.array(shift, dtype=float),
        jitter_px=np.zeros((2, EDGE)) if jitter is None else jitter,
    )


def misplaced_px(found, true):
    places = np.indices((EDGE, EDGE)) - EDGE // 2.0
    inside = np.s_[:, 32:-32, 32:-32]
    wrong = [(found.pixels_of(places, scan) - true.pixels_of(places, scan))[inside] for scan in (0, 1)]
    return np.sqrt(np.mean(np.square(wrong)))


def test_drift_and_shift_of_the_second_scan_are_found(rng):
    true = planted(drifts=((2.0, -1.5), (-1.0, 2.5)), shift=(1.3, -0.8))
    found = combine_scans(*scanned(true, rng), scan_matrix=MATRIX)

    assert misplaced_px(replace(true, drifts_px=np.zeros((2, 2))), true) > 0.25
    assert misplaced_px(found.path, true) < 0.2
    assert found.correlation_after > found.correlation_before


def test_jitter_of_lines_is_found_and_none_is_invented(rng):
    true = planted(jitter=rng.normal(0, 0.8, (2, EDGE)))
    with_lines = combine_scans(*scanned(true, rng), scan_matrix=MATRIX)
    without = combine_scans(*scanned(true, rng), scan_matrix=MATRIX, mends_lines=False)
    still = combine_scans(*scanned(planted(), rng), scan_matrix=MATRIX)

    assert misplaced_px(with_lines.path, true) < 0.6 * misplaced_px(without.path, true)
    assert still.path.jitter_px.std() < 0.2


def test_mean_of_the_scans_shows_the_specimen(rng):
    rows, cols = np.indices((EDGE, EDGE)) - EDGE // 2.0
    true = planted(drifts=((2.0, -1.5), (-1.0, 2.5)), shift=(1.3, -0.8))
    scans = scanned(true, rng)
    clean = specimen(rows, cols)
    inside = np.s_[16:-16, 16:-16]
    error, plain = (
        np.sqrt(np.mean((image - clean)[inside] ** 2))
        for image in (combine_scans(*scans, scan_matrix=MATRIX).image, sum(scans) / 2)
    )

    assert error < 0.7 * plain


def test_scans_of_two_sizes_are_refused():
    with pytest.raises(Refusal, match="two square scans"):
        combine_scans(np.zeros((8, 8)), np.zeros((9, 9)))
