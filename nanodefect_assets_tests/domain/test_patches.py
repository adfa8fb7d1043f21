import numpy as np
import pytest

from nanodefect_assets.domain.patches import UNLABELLED, PatchSet, PatchSource


def patch_set(n=5, **changes):
    drawn = np.random.default_rng(3)
    fields = {
        "images": drawn.random((n, 4, 4), dtype=np.float32),
        "classes": drawn.integers(0, 2, (n, 4, 4), dtype=np.uint8),
        "group": np.arange(n) % 3,
        "micrograph_ids": ("a", "b", "c"),
        "class_names": ("support", "particle"),
        "pixel_size_nm": np.full(n, np.nan),
        "sources": (PatchSource(material="Au"), PatchSource(material="Pd"), PatchSource(is_simulated=True)),
    }
    return PatchSet(**(fields | changes))


def test_a_subset_has_the_patches_of_its_micrographs_and_no_others():
    whole = patch_set()

    part = whole.subset([2, 0])

    assert part.micrograph_ids == ("a", "c")
    assert part.group.tolist() == [0, 1, 0]
    assert np.array_equal(part.images, whole.images[[0, 2, 3]])
    assert part.sources == (whole.sources[0], whole.sources[2])


def test_pixels_without_a_label_belong_to_no_class():
    classes = np.zeros((1, 4, 4), dtype=np.uint8)
    classes[0, 0] = UNLABELLED
    classes[0, 1] = 1

    counted = patch_set(n=1, classes=classes)

    assert counted.n_pixels == {"support": 8, "particle": 4}


def test_equal_content_has_an_equal_fingerprint():
    assert patch_set().fingerprint == patch_set().fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"class_names": ("support", "Pt")},
        {"micrograph_ids": ("a", "b", "d")},
        {"pixel_size_nm": np.full(5, 0.05)},
        {"group": np.zeros(5, dtype=int)},
        {"classes": np.zeros((5, 4, 4), dtype=np.uint8)},
        {"images": np.zeros((5, 4, 4), dtype=np.float32)},
        {"sources": ()},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_training_sees_changes_the_fingerprint(changes):
    assert patch_set(**changes).fingerprint != patch_set().fingerprint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": np.zeros((5, 4, 4))}, "float32"),
        ({"classes": np.zeros((5, 4, 3), dtype=np.uint8)}, "classes of shape"),
        ({"classes": np.full((5, 4, 4), 2, dtype=np.uint8)}, "class 2"),
        ({"group": np.full(5, 3)}, "groups below 3"),
        ({"group": np.zeros(4, dtype=int)}, "group for each"),
        ({"micrograph_ids": ("a", "a", "b")}, "each micrograph once"),
        ({"class_names": ("support",)}, "two class names"),
        ({"pixel_size_nm": np.zeros(5)}, "pixel_size_nm > 0"),
        ({"images": np.full((5, 4, 4), np.nan, dtype=np.float32)}, "finite"),
        ({"sources": (PatchSource(),)}, "3 sources"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        patch_set(**changes)
