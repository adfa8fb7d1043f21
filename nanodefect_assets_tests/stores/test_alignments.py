"""Alignments as rows, and as tables that people mend."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_alignment import TiltAlignment
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.stores.alignments import (
    alignment_rows,
    read_alignment,
    read_given_alignment,
    refined_geometry,
)

TILTS_DEG = [-20.0, 0.0, 20.0]


@pytest.fixture
def alignment(rng):
    came = TiltAlignment.as_it_came(TiltGeometry.single_axis(TILTS_DEG), (None, "dead", None))
    return replace(came, shifts_px=rng.normal(0, 2, (3, 2)), factors=np.array([1.0, 0.9, 1.1]))


def given(path, rows):
    rows.to_csv(path, index=False)
    return read_given_alignment(path, TILTS_DEG)


def test_rows_come_back_as_they_went(alignment):
    found = read_alignment(alignment_rows("b/end/a.mrc", "aligned", TILTS_DEG, alignment), "b/end/a.mrc", "aligned")

    assert found.reasons == alignment.reasons
    assert (found.shifts_px == alignment.shifts_px).all()
    assert (found.euler_deg == alignment.euler_deg).all()


def test_refined_views_are_those_of_the_aligned_images(alignment):
    """The table has where an image lies in its file; a view, by how much it strays once it was aligned."""
    used = alignment.geometry
    found = replace(used, euler_deg=used.euler_deg + 0.3, shifts_px=np.array([[0.1, 0.2], [-0.3, 0.4]]))
    rows = alignment_rows("b/end/a.mrc", "refined", TILTS_DEG, alignment.refined(found, np.array([0.1, 0.2])))
    stored = SimpleNamespace(rows=lambda table: rows)

    views = refined_geometry(stored, "b/end/a.mrc", alignment)

    assert views.shifts_px == pytest.approx(found.shifts_px)
    assert views.euler_deg == pytest.approx(found.euler_deg)
    assert rows["shift_row_px"].tolist() == pytest.approx((alignment.shifts_px[:, 0] + [0.1, 0, -0.3]).tolist())


def test_an_exported_table_can_be_given_back(alignment, tmp_path):
    rows = alignment_rows("b/end/a.mrc", "aligned", TILTS_DEG, alignment)[::-1]
    found = given(tmp_path / "a.csv", rows.assign(sample="b/end"))

    assert found.reasons == alignment.reasons
    assert found.shifts_px == pytest.approx(alignment.shifts_px)
    assert found.factors == pytest.approx(alignment.factors)


def test_shifts_alone_are_enough(alignment, tmp_path):
    rows = alignment_rows("b/end/a.mrc", "aligned", TILTS_DEG, alignment)
    found = given(tmp_path / "a.csv", rows[["tilt_index", "shift_row_px", "shift_col_px"]])

    assert found.is_used.all()
    assert (found.factors == 1).all()
    assert found.euler_deg[:, 1].tolist() == TILTS_DEG


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda rows: rows[:2], "one row for each of 3 tilts"),
        (lambda rows: rows.assign(factor=-1.0), "factors above 0"),
        (lambda rows: rows.assign(shift_row_px="far"), "finite numbers"),
        (lambda rows: rows.drop(columns="psi_deg"), "all of phi_deg"),
        (lambda rows: rows.drop(columns="shift_col_px"), "columns tilt_index"),
    ],
)
def test_a_table_that_cannot_be_an_alignment_is_refused(alignment, tmp_path, change, expected):
    with pytest.raises(Refusal, match=expected):
        given(tmp_path / "a.csv", change(alignment_rows("b/end/a.mrc", "aligned", TILTS_DEG, alignment)))
