import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.tilt_geometry import TiltGeometry, view_rotations
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.domain.volume import Volume, indices_of, positions_of
from nanodefect_assets.science.synthetic.geometry import view_rotation

ANGLES = st.tuples(*[st.floats(-180, 180)] * 3)


@given(angles=ANGLES)
def test_rotations_are_those_that_simulations_turn_particles_by(angles):
    (rotation,) = view_rotations(np.array([angles]))

    np.testing.assert_allclose(rotation, view_rotation(*angles), atol=1e-12)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)


def test_a_positive_tilt_turns_z_towards_x():
    (rotation,) = TiltGeometry.single_axis([90.0]).rotations

    np.testing.assert_allclose(rotation @ [0, 0, 1], [1, 0, 0], atol=1e-12)


def test_a_horizontal_axis_stays_where_it_is_and_turns_y_towards_z():
    (rotation,) = TiltGeometry.about(np.array([90.0]), axis="columns").rotations

    np.testing.assert_allclose(rotation @ [1, 0, 0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(rotation @ [0, 1, 0], [0, 0, 1], atol=1e-12)


def test_reversed_tilts_turn_the_other_way():
    forwards = TiltGeometry.about(np.array([-30.0]), axis="rows")
    backwards = TiltGeometry.about(np.array([30.0]), axis="rows", is_reversed=True)

    np.testing.assert_array_equal(forwards.rotations, backwards.rotations)


def test_only_tilts_about_rows_without_shifts_along_them_are_single_axis():
    tilts = np.array([-20.0, 10.0])
    ideal = TiltGeometry.single_axis(tilts)
    along_cols = TiltGeometry(euler_deg=ideal.euler_deg, shifts_px=np.array([[0, 1.5], [0, -2]]))
    along_rows = TiltGeometry(euler_deg=ideal.euler_deg, shifts_px=np.array([[1.5, 0], [0, 0]]))

    assert ideal.is_single_axis
    assert along_cols.is_single_axis
    assert not along_rows.is_single_axis
    assert not TiltGeometry.about(tilts, axis="columns").is_single_axis


def test_views_are_taken_with_their_shifts_and_images():
    geometry = TiltGeometry(euler_deg=np.arange(9.0).reshape(3, 3), shifts_px=np.arange(6.0).reshape(3, 2))
    series = TiltSeries(
        images=np.arange(3, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32),
        geometry=geometry,
        factors=np.array([1.0, 2.0, 4.0]),
        pixel_size_nm=None,
    )

    taken = series.taken(np.array([2, 0]))

    assert taken.geometry.shifts_px.tolist() == [[4, 5], [0, 1]]
    assert taken.levelled().images[:, 0, 0].tolist() == [0.5, 0]
    assert geometry.coarser(2).shifts_px[2].tolist() == [2, 2.5]


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"factors": np.array([1.0, 0.0])}, "positive factors"),
        ({"factors": np.ones(3)}, "as many images"),
        ({"pixel_size_nm": -1.0}, "pixel_size_nm > 0"),
        ({"images": np.zeros((2, 4, 4))}, "float32"),
    ],
)
def test_a_series_that_does_not_fit_together_is_refused(changed, word):
    whole = {
        "images": np.zeros((2, 4, 4), np.float32),
        "geometry": TiltGeometry.single_axis([0.0, 1.0]),
        "factors": np.ones(2),
        "pixel_size_nm": None,
    }

    with pytest.raises(ValueError, match=word):
        TiltSeries(**whole | changed)


def test_angles_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match="finite euler_deg"):
        TiltGeometry.single_axis([0.0, np.nan])


@given(index=st.tuples(*[st.floats(0, 50)] * 3), voxel=st.floats(0.01, 10))
def test_positions_and_indices_are_inverse(index, voxel):
    shape = (7, 20, 33)

    back = indices_of(positions_of(np.array([index]), shape, voxel), shape, voxel)

    np.testing.assert_allclose(back, [index], atol=1e-9)


def test_the_centre_is_the_origin_and_x_comes_first():
    volume = Volume(values=np.zeros((4, 5, 6), np.float32), voxel_size_angstrom=0.5)

    assert positions_of(volume.centre[None], volume.values.shape, 0.5).tolist() == [[0, 0, 0]]
    assert positions_of(np.array([[2.0, 2.0, 4.0]]), (4, 5, 6), 0.5).tolist() == [[0.5, 0, 0]]
