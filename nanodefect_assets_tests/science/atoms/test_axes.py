from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.grain_map import Plane
from nanodefect_assets.domain.structure import NO_GRAIN
from nanodefect_assets.science.atoms.axes import find_axes

CENTRE = np.array([3.0, -2.0, 11.0])


def fan(n_planes=5, first_grain=0, kind="twin"):
    """Half-planes about an axis along z through `CENTRE`, as of a decahedron."""
    planes = []
    for number in range(n_planes):
        angle = 2 * np.pi * number / n_planes
        outward = np.array([np.cos(angle), np.sin(angle), 0])
        planes.append(
            Plane(
                kind=kind,
                defect=number,
                letters="fffhfff",
                n_atoms=50,
                normal=np.array([-np.sin(angle), np.cos(angle), 0]) * (-1) ** number,
                centre_angstrom=CENTRE + 10 * outward,
                grains=(first_grain + number, first_grain + (number + 1) % n_planes),
                distance_to_twin_angstrom=0.0,
                n_inner_edge_atoms=0,
            )
        )
    return planes


def test_a_fan_of_five_planes_has_one_axis():
    (axis,) = find_axes(tuple(fan()))

    assert axis.grains == (0, 1, 2, 3, 4)
    assert abs(axis.direction[2]) == pytest.approx(1)
    assert axis.point_angstrom == pytest.approx(CENTRE)
    assert axis.plane_residual_angstrom == pytest.approx(0, abs=1e-9)
    assert axis.plane_angles_deg == pytest.approx([72] * 5)


def test_planes_that_miss_the_axis_leave_a_residual():
    planes = fan()
    planes[2] = replace(planes[2], centre_angstrom=planes[2].centre_angstrom + 2.0 * planes[2].normal)
    (axis,) = find_axes(tuple(planes))

    assert 0.3 < axis.plane_residual_angstrom < 2.0


@pytest.mark.parametrize("n_planes", [3, 4, 6])
def test_other_numbers_of_planes_make_no_five_fold_axis(n_planes):
    assert find_axes(tuple(fan(n_planes))) == ()


def test_a_ring_whose_planes_share_no_line_is_no_axis():
    planes = fan()
    planes[1] = replace(planes[1], normal=np.array([0.0, 0.6, 0.8]))

    assert find_axes(tuple(planes)) == ()


def test_only_twin_planes_between_two_grains_count():
    unknown = fan()
    unknown[0] = replace(unknown[0], grains=(0, NO_GRAIN))

    assert find_axes(tuple(fan(kind="intrinsic"))) == ()
    assert find_axes(tuple(unknown)) == ()
    assert find_axes(()) == ()


def test_two_fans_have_two_axes():
    assert len(find_axes((*fan(), *fan(first_grain=5)))) == 2
