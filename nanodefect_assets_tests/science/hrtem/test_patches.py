import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nanodefect_assets.domain.patches import UNLABELLED
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.patch_params import ClassParams, PatchParams
from nanodefect_assets.science.hrtem.patches import cut_patches, name_classes

MICROGRAPH = ClassParams(class_names=["support", "alumina", "Pt"], class_values={"alumina": [1, 4], "Pt": [2]})


@given(n_rows=st.integers(5, 70), n_cols=st.integers(5, 70))
def test_every_pixel_is_labelled_in_exactly_one_patch(n_rows, n_cols):
    places = np.arange(n_rows * n_cols, dtype=np.float32).reshape(n_rows, n_cols)
    classes = (np.arange(n_rows * n_cols) % 3).astype(np.uint8).reshape(n_rows, n_cols)

    images, cut = cut_patches(places, classes, PatchParams(patch_px=16, min_particle_px=0))

    labelled = cut != UNLABELLED
    assert sorted(images[labelled].astype(int)) == list(range(n_rows * n_cols))
    assert np.array_equal(cut[labelled], classes.ravel()[images[labelled].astype(int)])


def test_patches_without_particles_are_dropped():
    classes = np.zeros((32, 48), dtype=np.uint8)
    classes[3, 40] = 1
    classes[20:, :16] = UNLABELLED

    images, cut = cut_patches(np.ones(classes.shape, dtype=np.float32), classes, PatchParams(patch_px=16))

    assert len(images) == 1
    assert cut[0, 3, 8] == 1


def test_what_is_mirrored_beyond_a_small_micrograph_is_not_labelled():
    image = np.arange(80, dtype=np.float32).reshape(8, 10)

    images, cut = cut_patches(image, np.ones(image.shape, dtype=np.uint8), PatchParams(patch_px=16))

    assert np.array_equal(images[0, :8, 10:], image[:, :3:-1])
    assert np.count_nonzero(cut == 1) == 80
    assert np.count_nonzero(cut == UNLABELLED) == 256 - 80


def test_values_of_label_images_get_the_classes_of_the_configuration():
    found = name_classes(np.array([[0, 1], [2, 4]]), MICROGRAPH)

    assert found.tolist() == [[0, 1], [2, 1]]


def test_a_value_that_means_nothing_is_refused():
    with pytest.raises(Refusal, match=r"0, 1, 2, 4.*the value 3"):
        name_classes(np.array([[0, 3]]), MICROGRAPH)


def test_particle_numbers_are_one_class_and_some_values_may_be_unknown():
    found = name_classes(np.array([[0, 1, 2, 99]]), ClassParams(unlabelled_values=[99]))

    assert found.tolist() == [[0, 1, 1, UNLABELLED]]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"class_names": ["support", "Pt", "Pt"]}, "each class once"),
        ({"class_names": ["support", "alumina", "Pt"]}, "class_values"),
        ({"class_values": {"Pd": [1]}}, "Pd"),
        ({"class_values": {"particle": [1]}, "unlabelled_values": [1]}, "each value once"),
    ],
)
def test_classes_that_contradict_one_another_are_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        ClassParams(**fields)
