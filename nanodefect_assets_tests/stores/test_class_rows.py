from types import SimpleNamespace

import pandas as pd
import pytest

from nanodefect_assets.defs.samples.annotations import _class_rows
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.class_rows import class_doubts, match_class_rows

SHAPES = {"a/x.tif": (10, 20), "b/x.tif": (30, 30)}


def table(*rows):
    return pd.DataFrame(rows, columns=["micrograph", "class_name", "row_px", "col_px"])


@pytest.mark.parametrize("folder", ["a", "b"])
def test_the_micrograph_beside_the_table_goes_before_one_of_the_same_name(folder):
    ((index, row),) = match_class_rows(table(("x.tif", "twin", 1.0, 2.0)), f"{folder}/classes.csv", SHAPES)

    assert (index, row["micrograph"]) == (0, f"{folder}/x.tif")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("z.tif", "twin", 1.0, 2.0), "label_without_micrograph"),
        (("x.tif", "twin", 11.0, 2.0), "bad_place"),
        (("x.tif", "twin", 1.0, 21.0), "bad_place"),
    ],
)
def test_rows_about_nothing_are_told_one_by_one(row, reason):
    found = dict(match_class_rows(table(row, ("x.tif", "twin", 1.0, 2.0)), "a/classes.csv", SHAPES))

    assert isinstance(found[0], Refusal)
    assert found[0].reason == reason
    assert found[1]["micrograph"] == "a/x.tif"


def test_annotations_keep_the_rows_that_are_about_a_micrograph(tmp_path):
    path, refused = tmp_path / "classes.csv", []
    path.write_text("micrograph,class,particle\nx.tif,twin,3\nz.tif,twin,1\n")
    out = SimpleNamespace(refuse=lambda item, refusal: refused.append((item, refusal.reason)))
    files = [SimpleNamespace(path=name, shape=shape, modality="hrtem") for name, shape in SHAPES.items()]
    rows = _class_rows(out, "pd-1/end/a/classes.csv", path, SimpleNamespace(files=files))

    assert rows[["micrograph_id", "label", "class_name", "row_index"]].to_numpy().tolist() == [
        ["pd-1/end/a/x.tif", 3, "twin", 0]
    ]
    assert refused == [("pd-1/end/a/classes.csv line 3", "label_without_micrograph")]


def test_classes_that_are_not_known_are_told_with_the_name_that_was_meant():
    known = ("misoriented", "background")

    assert class_doubts(["background", "misoriented"], known) == ()
    typed, odd = class_doubts(["Misorented", "wibble", "wibble"], known)
    assert typed == (
        "class 'Misorented' (1 row) is kept and not used: did you mean 'misoriented'? known are misoriented, background"
    )
    assert odd == "class 'wibble' (2 rows) is kept and not used: known are misoriented, background"
