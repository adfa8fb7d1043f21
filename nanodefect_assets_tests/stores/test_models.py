import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nanodefect_assets.domain.champion import ModelRecord, Recipe
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.models import (
    MODEL_FILE,
    check_model,
    read_estimator,
    read_model,
    read_model_record,
    write_estimator,
    write_model,
)

RECORD = ModelRecord(
    name="particle-segmenter",
    task="segmentation",
    architecture=Recipe(name="unet", params={"n_channels": [4, 8]}),
    normalisation=Recipe(name="min_max"),
    modalities=("hrtem",),
    classes=("background", "particle"),
    training_fingerprint="f" * 64,
    is_simulated_training=True,
    code_version="1",
)
WEIGHTS = {"conv": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "n_batches": np.array(7)}


@pytest.fixture
def folder(tmp_path):
    write_model(tmp_path / "model", RECORD, WEIGHTS)
    return tmp_path / "model"


@given(array=arrays(np.float32, array_shapes(min_dims=0, max_dims=4, max_side=3), elements=st.floats(-9, 9, width=32)))
def test_arrays_come_back_with_their_shape_and_type(tmp_path_factory, array):
    folder = tmp_path_factory.mktemp("model")
    written = write_model(folder, RECORD, {"as_is": array, "turned": array.T})
    record, weights = read_model(folder)

    assert record == written
    assert written.weights.n_parameters == 2 * array.size
    for name, expected in (("as_is", array), ("turned", array.T)):
        assert weights[name].shape == expected.shape
        assert weights[name].dtype == np.float32
        np.testing.assert_array_equal(weights[name], expected)


def test_the_same_weights_give_the_same_bytes(tmp_path):
    first = write_model(tmp_path / "a", RECORD, WEIGHTS)
    second = write_model(tmp_path / "b", RECORD, dict(reversed(WEIGHTS.items())))

    assert first == second


def test_a_method_with_parameters_only_has_no_weights(tmp_path):
    write_model(tmp_path, RECORD, None)
    record, weights = read_model(tmp_path)

    assert record.weights is None
    assert weights == {}
    assert [path.name for path in tmp_path.iterdir()] == [MODEL_FILE]


@pytest.mark.parametrize("damage", ["flip", "truncate", "replace", "remove"])
def test_weights_other_than_those_of_the_record_are_refused(folder, damage):
    path = folder / "weights.safetensors"
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "flip":
        content[-1] ^= 1
    if damage == "truncate":
        del content[-1]
    if damage == "replace":
        content = pickle.dumps(WEIGHTS)
    if damage != "remove":
        path.write_bytes(content)

    with pytest.raises(Refusal, match=r"weights.safetensors: expected the model as it was written"):
        read_model(folder)
    with pytest.raises(Refusal, match="expected the model as it was written"):
        check_model(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 2}, "unknown_model_format"),
        ({"kind": "nanodefect/generation"}, "unknown_model_format"),
        ({"task": "cooking"}, "damaged_model"),
        ({"surprise": 1}, "damaged_model"),
    ],
)
def test_records_of_another_kind_or_version_are_refused(folder, change, reason):
    path = folder / MODEL_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    with pytest.raises(Refusal) as refused:
        read_model(folder)
    assert refused.value.reason == reason


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"{", b"\xff\xfe"])
def test_a_file_that_is_no_record_is_refused(folder, content):
    (folder / MODEL_FILE).write_bytes(content)

    with pytest.raises(Refusal, match=MODEL_FILE):
        read_model_record(folder)


def test_a_first_version_of_a_record_stays_readable(tmp_path):
    old = {
        "kind": "nanodefect/model",
        "version": 1,
        "name": "old-forest",
        "task": "fault_classification",
        "architecture": {"name": "random_forest"},
        "normalisation": {"name": "none"},
        "modalities": ["hrtem"],
        "classes": ["whole", "faulted"],
        "training_fingerprint": "abc",
        "is_simulated_training": False,
        "code_version": "1",
    }
    (tmp_path / MODEL_FILE).write_text(json.dumps(old))

    assert read_model(tmp_path) == (ModelRecord.model_validate(old), {})


def test_a_fitted_forest_predicts_the_same_after_reading(tmp_path, forest):
    estimator, features = forest
    write_estimator(tmp_path, RECORD, estimator)
    record, found = read_estimator(tmp_path)

    assert record.weights.format == "skops"
    np.testing.assert_array_equal(found.predict_proba(features), estimator.predict_proba(features))


def test_a_damaged_estimator_is_refused_before_it_is_interpreted(tmp_path, forest):
    write_estimator(tmp_path, RECORD, forest[0])
    (tmp_path / "estimator.skops").write_bytes(pickle.dumps(print))

    with pytest.raises(Refusal, match="expected the model as it was written"):
        read_estimator(tmp_path)


class Stranger:
    def __init__(self):
        self.secret = 1


def test_types_that_nobody_trusts_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="Stranger"):
        write_estimator(tmp_path, RECORD, Stranger())
    assert not (tmp_path / MODEL_FILE).exists()


def test_types_that_nobody_trusts_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("nanodefect_assets.stores.models.TRUSTED_TYPES", (f"{__name__}.Stranger",))
    write_estimator(tmp_path, RECORD, Stranger())
    monkeypatch.undo()

    with pytest.raises(TypeError, match="Untrusted types"):
        read_estimator(tmp_path)


def test_a_network_is_not_read_as_an_estimator(folder):
    with pytest.raises(Refusal, match="expected a model stored as skops, got safetensors"):
        read_estimator(folder)


@pytest.fixture(scope="module")
def forest():
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(5)
    features = rng.normal(size=(60, 3))
    return RandomForestClassifier(5, random_state=0).fit(features, features[:, 0] > 0), features
