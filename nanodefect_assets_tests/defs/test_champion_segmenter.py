"""What two segmenters are compared on: never on what one of them was trained on, unless a person decides."""

import numpy as np
import pandas as pd
import pytest

from nanodefect_assets.defs.hrtem.champion_segmenter import _counted
from nanodefect_assets.defs.hrtem.held_out import held_out, marks_seen, what_was_seen
from nanodefect_assets.domain.champion import ModelRecord, Recipe, marks_of
from nanodefect_assets.domain.micrograph import file_of
from nanodefect_assets.domain.patches import PatchSet
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.patch_params import SplitParams
from nanodefect_assets.science.hrtem.split import split_micrographs
from nanodefect_assets.science.learning.comparison import compare_dice
from nanodefect_assets.science.learning.scores import ConfusionCounts
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


def rows(*names, units=None, sides="test", counts=None):
    """Return rows of `TRAINING_MICROGRAPHS`; counts that are not named are those of no other micrograph."""
    return pd.DataFrame(
        {
            "micrograph_id": names,
            "side": sides,
            "independent_unit": [(units or {}).get(name, file_of(name)) for name in names],
            "counts_sha256": [(counts or {}).get(name, f"counts of {name}") for name in names],
        }
    )


def left(test, records, **about):
    return held_out(side(*test), rows(*test, **about), records, is_by_hand=False).micrograph_ids


def trained_on(*names, **about):
    return record().model_copy(update={"seen": marks_seen(rows(*names, sides="train", **about), start=None)})


def test_what_either_model_has_seen_is_left_out():
    test, records = rows("a", "b", "c", "d"), [record("a", "x"), record("c")]
    kept = held_out(side("a", "b", "c", "d"), test, records, is_by_hand=False)

    assert kept.micrograph_ids == ("b", "d")
    assert kept.images[:, 0, 0].tolist() == [1, 3]
    assert what_was_seen(kept, test, records) == ""


def test_other_frames_of_a_file_that_was_seen_are_left_out():
    frames = [f"b/end/x.tif@{number:04d}" for number in range(3)]

    assert left([*frames, "b/end/y.tif"], [trained_on(frames[1])]) == ("b/end/y.tif",)
    assert left([frames[2], "b/end/y.tif"], [trained_on(frames[1])]) == ("b/end/y.tif",)


def test_blocks_of_a_file_that_was_parted_are_left_out_one_by_one():
    frames = [f"b/end/x.tif@{number:04d}" for number in range(6)]
    units = {frame: frames[number - number % 2] for number, frame in enumerate(frames)}

    assert left(frames[2:], [trained_on(*frames[:2], units=units)], units=units) == tuple(frames[2:])
    assert left(frames[2:], [trained_on(*frames[:3], units=units)], units=units) == tuple(frames[4:])
    assert left([*frames[2:], "y"], [trained_on(*frames[:2])], units=units) == ("y",), "seen as a whole file"


def test_a_batch_that_was_renamed_is_known_again_by_its_counts():
    before = trained_on("old/end/a.tif", counts={"old/end/a.tif": "the same"})

    assert left(["new/end/a.tif", "new/end/b.tif"], [before], counts={"new/end/a.tif": "the same"}) == (
        "new/end/b.tif",
    )


def test_what_looks_like_a_micrograph_that_was_seen_is_left_out():
    assert left(["a", "twin", "b"], [trained_on("a")], units={"twin": "a"}) == ("b",)


def test_where_nothing_is_left_only_a_person_decides_and_that_is_written_down():
    test, about, records = side("a", "b"), rows("a", "b"), [record("a"), record("b")]
    with pytest.raises(Refusal, match=r"they have seen all.*override_reason"):
        held_out(test, about, records, is_by_hand=False)

    kept = held_out(test, about, records, is_by_hand=True)
    assert kept.micrograph_ids == ("a", "b")
    assert what_was_seen(kept, about, records) == " (2 of them seen in training)"


def test_a_set_without_a_test_side_is_refused_even_to_a_person():
    with pytest.raises(Refusal, match="0 micrographs on the test side"):
        held_out(side(), rows(), [record()], is_by_hand=True)


def test_with_a_model_of_which_nothing_is_known_only_a_person_decides_and_that_is_said():
    test, about, records = side("a", "b"), rows("a", "b"), [record("z"), record(is_known=False)]
    with pytest.raises(Refusal, match="known what they were trained on"):
        held_out(test, about, records, is_by_hand=False)

    assert held_out(test, about, records, is_by_hand=True) is test
    assert what_was_seen(test, about, records) == " (what one of the two was trained on is not known)"


def test_a_model_has_seen_what_the_weights_had_seen_that_it_began_with():
    about = pd.concat([rows("c", sides="train"), rows("d", sides="validation"), rows("e"), rows("f", sides=None)])
    seen = marks_seen(about, start=record("a", "b"))

    assert [record().model_copy(update={"seen": seen}).has_seen(name) for name in "abcdef"] == [True] * 4 + [False] * 2
    assert marks_seen(about, start=record(is_known=False)) is None


def test_the_model_that_ships_knows_its_fields_and_none_of_the_default_ones():
    from nanodefect_assets.science.synthetic.training_params import TrainingFieldParams

    shipped = shipped_model("segmenter").record
    assert shipped.has_seen("_/_/simulated-2021/au-00000")
    assert not shipped.has_seen("_/_/simulated-2021/au-00001")
    assert shipped.has_seen("_/_/simulated-2021/au-00399")
    assert not shipped.has_seen(f"_/_/simulated-{TrainingFieldParams().field_seed}/au-00000")


def stack(n_frames, *recalls):
    """Return the counts of models on the held-out frames of one file, and the unit of each of its frames."""
    names = [f"b/end/stack.tif@{number:04d}" for number in range(n_frames)]
    split = split_micrographs({"b/end": names}, SplitParams())
    held_out = tuple(name for name in names if split.sides.get(name) == "test")
    found = [np.round(1000 * np.linspace(recall - 0.05, recall, len(held_out))).astype(int) for recall in recalls]
    counts = [np.stack([np.stack([9000 - 0 * tp, 0 * tp], -1), np.stack([1000 - tp, tp], -1)], -2) for tp in found]
    about = {"micrograph_ids": held_out, "class_names": ("support", "particle")}
    return [ConfusionCounts(counts=one, **about) for one in counts], split.units


def test_a_sample_that_is_one_stack_can_promote_a_segmenter(rng):
    (good, poor), units = stack(60, 0.9, 0.6)
    compared = compare_dice(good, poor, units=units, rng=rng)

    assert compared.challenger.n == 4
    assert compared.difference_interval[0] > 0
    assert _counted(good, units) == "8 held-out micrographs in 4 independent units"
