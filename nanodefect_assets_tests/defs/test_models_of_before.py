"""Segmenters registered before a record said what they had seen are looked up in the set they were trained on."""

from pathlib import Path

import numpy as np
import pytest

from nanodefect_assets.defs.hrtem.held_out import with_marks
from nanodefect_assets.domain.champion import ModelRecord, Recipe
from nanodefect_assets.domain.generation import AssetName, Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.patches import PatchSource
from nanodefect_assets.domain.schemas import TRAINING_MICROGRAPHS, TRAININGS
from nanodefect_assets.stores.generations import kept_generations, new_generation
from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader, PatchSetWriter
from nanodefect_assets.stores.registry import StoredModel

TRAINING_SET, SEGMENTER = (AssetName(group="hrtem", noun=noun) for noun in ("training_set", "segmenter"))


def new(home, asset, place):
    origin = Origin(asset=asset, place=place, code_version="1", params={}, run_size="full")
    return new_generation(home, origin)


def plant_set(home, **sides):
    """Plant a training set with one patch of each micrograph, as it was before units were kept; return its mark."""
    with new(home, TRAINING_SET, Place()) as out:
        writer = PatchSetWriter(
            out.folder / FOLDER, patch_px=16, class_names=["support", "particle"], normalisation=Recipe(name="min_max")
        )
        for name, side in sides.items():
            pixels = np.full((1, 16, 16), ord(name), np.float32), np.zeros((1, 16, 16), np.uint8)
            writer.add(side, name, *pixels, pixel_size_nm=None, source=PatchSource())
            row = {"micrograph_id": name, "side": side, "is_simulated": False, "modality": "hrtem"}
            out.add_rows(TRAINING_MICROGRAPHS, [row | {"n_patches": 1, "n_labelled": 256, "n_particle": 0}])
        writer.close()
    return PatchSetReader(kept_generations(home, TRAINING_SET, Place())[0].folder / FOLDER).combined_fingerprint


def plant_training(home, fingerprint, version, *, start_version=None):
    row = {"mlflow_run_id": version, "task": "segmentation", "architecture": "unet", "repeat": 0, "protocol": "own"}
    row |= {"model_version": version, "training_fingerprint": fingerprint, "start_version": start_version}
    with new(home, SEGMENTER, Place(study="unet")) as out:
        out.add_rows(TRAININGS, [row | {"is_simulated": False, "n_parameters": 7, "used_s": 1.0, "wall_s": 1.0}])


def old_model(fingerprint, version):
    record = ModelRecord(
        name="segmenter",
        task="segmentation",
        architecture=Recipe(name="unet"),
        normalisation=Recipe(name="min_max"),
        modalities=("hrtem",),
        classes=("support", "particle"),
        training_fingerprint=fingerprint,
        is_simulated_training=False,
        code_version="1",
    )
    return StoredModel(record=record, folder=Path("none"), version=version, mlflow_run_id="run")


def test_what_it_was_trained_on_is_read_from_the_set_of_then(home):
    then = plant_set(home, a="train", b="validation", c="test")
    plant_training(home, then, "1")
    now = plant_set(home, a="test", c="train", d="train")
    plant_training(home, now, "2")

    record = with_marks(home, old_model(then, "1")).record
    assert [record.has_seen(name) for name in "abcd"] == [True, True, False, False]


def test_what_it_began_with_is_known_too(home):
    then = plant_set(home, a="train", b="test")
    plant_training(home, then, "1", start_version="shipped")

    record = with_marks(home, old_model(then, "1")).record
    assert record.has_seen("a")
    assert record.has_seen("_/_/simulated-2021/au-00000"), "a field of the model that ships"


@pytest.mark.parametrize("gone", ["set", "training"])
def test_where_the_set_or_the_training_is_gone_nothing_is_known(home, gone):
    then = plant_set(home, a="train", b="test")
    plant_training(home, then, "2" if gone == "training" else "1")

    assert with_marks(home, old_model("another" if gone == "set" else then, "1")).record.seen is None
