"""What two segmenters are compared on: never on what one of them was trained on, unless a person decides."""

import numpy as np
import pytest

from nanodefect_assets.defs.hrtem.champion_segmenter import PromotionConfig, _held_out, _what_was_seen
from nanodefect_assets.defs.hrtem.networks import marks_seen
from nanodefect_assets.domain.champion import ModelRecord, Recipe, marks_of
from nanodefect_assets.domain.patches import PatchSet
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.registry import shipped_model


def record(*seen, is_known=True):
    return ModelRecord(
        name="segmenter",
        task="segmentation",
        architecture=Recipe(name="unet"),
        normalisation=Recipe(name="min_max"),
        modalities=("hrtem",),
        classes=("support", "particle"),
        training_fingerprint="f" * 64,
        seen=marks_of(seen) if is_known else None,
        is_simulated_training=True,
        code_version="1",
    )


def side(*names):
    n = len(names)
    return PatchSet(
        images=np.arange(n, dtype=np.float32)[:, None, None] * np.ones((n, 4, 4), np.float32),
        classes=np.zeros((n, 4, 4), np.uint8),
        group=np.arange(n),
        micrograph_ids=names,
        class_names=("support", "particle"),
        pixel_size_nm=np.full(n, np.nan),
    )


def test_what_either_model_has_seen_is_left_out():
    kept = _held_out(side("a", "b", "c", "d"), [record("a", "x"), record("c")], PromotionConfig())

    assert kept.micrograph_ids == ("b", "d")
    assert kept.images[:, 0, 0].tolist() == [1, 3]
    assert _what_was_seen(kept, [record("a", "x"), record("c")]) == ""


def test_where_nothing_is_left_only_a_person_decides_and_that_is_written_down():
    test, records = side("a", "b"), [record("a"), record("b")]
    with pytest.raises(Refusal, match=r"they have seen all.*override_reason"):
        _held_out(test, records, PromotionConfig(version="1"))

    kept = _held_out(test, records, PromotionConfig(version="1", override_reason="the new one fails on gold"))
    assert kept.micrograph_ids == ("a", "b")
    assert _what_was_seen(kept, records) == " (2 of them seen in training)"


def test_a_set_without_a_test_side_is_refused_even_to_a_person():
    with pytest.raises(Refusal, match="0 micrographs on the test side"):
        _held_out(side(), [record()], PromotionConfig(version="1", override_reason="because"))


def test_a_model_of_which_nothing_is_known_is_compared_and_that_is_said():
    test, records = side("a", "b"), [record("z"), record(is_known=False)]

    assert _held_out(test, records, PromotionConfig()) is test
    assert _what_was_seen(test, records) == " (what one of the two was trained on is not known)"


def test_a_model_has_seen_what_the_weights_had_seen_that_it_began_with():
    own = marks_seen(side("a"), side("b"), start=None)
    adapted = marks_seen(side("c"), side("d"), start=record("a", "b"))

    assert own == marks_of(["a", "b"])
    assert adapted == marks_of(["a", "b", "c", "d"])
    assert marks_seen(side("c"), start=record(is_known=False)) is None


def test_the_model_that_ships_knows_its_fields_and_none_of_the_default_ones():
    from nanodefect_assets.science.synthetic.training_params import TrainingFieldParams

    shipped = shipped_model("segmenter").record
    assert shipped.has_seen("_/_/simulated-2021/au-00000")
    assert not shipped.has_seen("_/_/simulated-2021/au-00001")
    assert shipped.has_seen("_/_/simulated-2021/au-00399")
    assert not shipped.has_seen(f"_/_/simulated-{TrainingFieldParams().field_seed}/au-00000")
