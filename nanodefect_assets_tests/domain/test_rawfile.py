import numpy as np
import pytest

from nanodefect_assets.domain.rawfile import Coordinates, RawFacts


def _facts(**changes):
    return RawFacts(**{"format": "TIFF", "kind": "image", "shape": (6, 9), "dtype": "uint8", **changes})


@pytest.mark.parametrize(
    ("kind", "shape", "tilts_deg", "n_frames"),
    [("image", (6, 9), None, 1), ("image_stack", (4, 6, 9), None, 4), ("tilt_series", (2, 6, 9), (0.0, 2.0), 2)],
)
def test_frames_are_the_first_axis_of_a_stack(kind, shape, tilts_deg, n_frames):
    assert _facts(kind=kind, shape=shape, tilt_angles_deg=tilts_deg).n_frames == n_frames


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "film"},
        {"shape": (4, 6, 9)},
        {"kind": "image_stack"},
        {"tilt_angles_deg": (0.0,)},
        {"kind": "tilt_series", "shape": (2, 6, 9)},
        {"kind": "tilt_series", "shape": (2, 6, 9), "tilt_angles_deg": (0.0, 1.0, 2.0)},
    ],
)
def test_facts_that_contradict_one_another_are_refused(changes):
    with pytest.raises(ValueError, match="Expected"):
        _facts(**changes)


def test_every_atom_has_a_position():
    with pytest.raises(ValueError, match="Expected positions"):
        Coordinates(
            species=("Pt",),
            positions_angstrom=np.zeros((2, 3)),
            length_unit="angstrom",
            nearest_neighbour_angstrom=2.7,
        )
