import numpy as np
import pytest

from nanodefect_assets.science.synthetic.polyhedra import Canvas, Shading, corners_of, reach_of

DULL = Shading(light_deg=0.0, side_light=0.0, edge_glow=0.0, edge_width=1.0)


def box(x, y, z):
    normals = np.concatenate([np.eye(3), -np.eye(3)])
    return np.column_stack([normals, np.tile([x, y, z], 2)])


def test_a_box_has_eight_corners():
    corners = corners_of(box(1.0, 2.0, 3.0))

    assert {tuple(corner) for corner in np.abs(corners).round(9)} == {(1, 2, 3)}
    assert len(corners) == 8
    assert reach_of(box(1.0, 2.0, 3.0)) == pytest.approx(np.sqrt(14))


def test_planes_that_do_not_close_are_refused():
    with pytest.raises(ValueError, match="close around a body"):
        corners_of(np.array([[1.0, 0, 0, -1], [0, 1.0, 0, 1], [0, 0, 1.0, 1], [-1.0, 0, 0, -1]]))


def test_a_box_covers_what_it_should_and_the_higher_one_is_seen():
    canvas = Canvas.blank(20, 30, 0.1)

    canvas.lay(box(3.0, 2.0, 1.0), DULL, row=10, col=10, z=0.0, label=1)
    canvas.lay(box(3.0, 2.0, 1.0), DULL, row=10, col=14, z=5.0, label=2)
    canvas.lay(box(3.0, 2.0, 1.0), DULL, row=10, col=10, z=-5.0, label=3)

    assert np.sum(canvas.labels == 2) == 5 * 7
    assert np.sum(canvas.labels == 1) == 5 * 4
    assert not (canvas.labels == 3).any()
    assert canvas.height[10, 10] == 1.0
    assert (canvas.intensity[canvas.labels > 0] == 1).all()
    assert (canvas.intensity[canvas.labels == 0] == 0.1).all()


def test_edges_glow_and_decay_inwards():
    canvas = Canvas.blank(41, 41, 0.0)
    canvas.lay(
        box(15.0, 15.0, 4.0),
        Shading(light_deg=0.0, side_light=0.0, edge_glow=0.5, edge_width=3.0),
        row=20,
        col=20,
        z=0.0,
        label=1,
    )

    assert canvas.intensity[20, 35] == pytest.approx(1.5)
    assert canvas.intensity[20, 32] == pytest.approx(1 + 0.5 / np.e)
    assert canvas.intensity[20, 20] == pytest.approx(1 + 0.5 * np.exp(-5))


def test_what_hangs_over_the_frame_is_cut():
    canvas = Canvas.blank(10, 10, 0.0)

    canvas.lay(box(3.0, 3.0, 3.0), DULL, row=0, col=9, z=0.0, label=1)

    assert np.sum(canvas.labels) == 4 * 4
