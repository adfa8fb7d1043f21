import pytest

from nanodefect_assets.domain.label_pairs import Micrographs, label_stem
from nanodefect_assets.domain.refusal import Refusal


@pytest.mark.parametrize(
    "label", ["8h/x.png", "8h/x_mask.png", "8h/x_label.tif", "8h/x_labels.tif", "8h/x-mask.png", "labels/x_mask.png"]
)
def test_a_label_finds_the_micrograph_of_its_name(label):
    assert Micrographs(["8h/x.tif", "8h/y.tif"]).labelled_by(label) == "8h/x.tif"


def test_a_micrograph_whose_own_name_ends_like_a_label_is_found():
    assert Micrographs(["x_mask.tif", "x.tif"]).labelled_by("x_mask.png") == "x_mask.tif"


def test_the_micrograph_beside_the_label_goes_first():
    assert Micrographs(["a/x.tif", "b/x.tif"]).labelled_by("b/x.png") == "b/x.tif"


def test_two_that_fit_equally_are_refused_and_named():
    with pytest.raises(Refusal, match=r"a/x.tif and b/x.tif") as refused:
        Micrographs(["a/x.tif", "b/x.tif"]).labelled_by("labels/x.png")

    assert refused.value.reason == "label_ambiguous"


def test_batch_yaml_can_name_the_micrograph():
    known = Micrographs(["a/x.tif", "b/x.tif"])

    assert known.labelled_by("labels/x.png", "b/x.tif") == "b/x.tif"
    with pytest.raises(Refusal, match=r"c/x.tif"):
        known.labelled_by("labels/x.png", "c/x.tif")


@pytest.mark.parametrize("label_of", [None, "x.tif"])
def test_a_label_without_micrograph_is_refused(label_of):
    with pytest.raises(Refusal) as refused:
        Micrographs(["y.tif"]).labelled_by("x_mask.png", label_of)

    assert (refused.value.reason, refused.value.got) == ("label_without_micrograph", "none")


@pytest.mark.parametrize("label_of", [None, "x.tif"])
def test_a_label_of_a_refused_micrograph_says_so(label_of):
    with pytest.raises(Refusal, match=r"x.tif, which was itself refused"):
        Micrographs(["y.tif"], refused=["x.tif"]).labelled_by("x_mask.png", label_of)


def test_only_the_suffix_is_taken_off():
    assert [label_stem(name) for name in ("a_MASK.png", "mask.png", "a_mask_2.png")] == ["a", "mask", "a_mask_2"]
