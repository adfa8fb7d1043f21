"""Models on disk: a record that says what the model is, and its weights beside it. Never a pickle.

A model's folder holds ``model.json`` and, unless the method has parameters only, ``weights.safetensors`` (arrays) or
``estimator.skops`` (a fitted scikit-learn estimator).
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from zipfile import ZIP_DEFLATED

import numpy as np
from pydantic import ValidationError

from nanodefect_assets.domain.champion import ModelRecord, WeightsRecord
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.files import make_folder, write_atomically

MODEL_FILE = "model.json"

_KIND = "nanodefect/model"
_VERSIONS = (1,)
_FILES: dict[Literal["safetensors", "skops"], str] = {"safetensors": "weights.safetensors", "skops": "estimator.skops"}

TRUSTED_TYPES: tuple[str, ...] = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""Types that a stored estimator may hold beyond those that skops trusts: data of trees and calibrators, no code."""


def write_model(folder: Path, record: ModelRecord, weights: Mapping[str, np.ndarray] | None) -> ModelRecord:
    """Write a model into `folder` and return its record, completed by what tells whether the weights are whole.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    record : ModelRecord
        What the model is.
    weights : mapping of str to ndarray, or None
        What was learnt; None for a method that has parameters only.
    """
    if weights is None:
        return _write(folder, record, None, None)
    from safetensors.numpy import save

    arrays = {name: np.require(array, requirements="C") for name, array in weights.items()}
    return _write(folder, record, "safetensors", save(arrays), sum(array.size for array in arrays.values()))


def write_estimator(folder: Path, record: ModelRecord, estimator: Any) -> ModelRecord:
    """Write a fitted scikit-learn estimator into `folder` and return its completed record.

    Raises
    ------
    ValueError
        If it holds a type that `read_estimator` would not trust.
    """
    from skops.io import dumps, get_untrusted_types

    content = dumps(estimator, compression=ZIP_DEFLATED)
    if untrusted := sorted(set(get_untrusted_types(data=content)) - set(TRUSTED_TYPES)):
        raise ValueError(f"Expected an estimator of trusted types only. Got {', '.join(untrusted)}.")
    return _write(folder, record, "skops", content)


def _write(
    folder: Path,
    record: ModelRecord,
    form: Literal["safetensors", "skops"] | None,
    content: bytes | None,
    n_parameters: int | None = None,
) -> ModelRecord:
    """Write the weights and then the record: a folder without a record is no model."""
    make_folder(folder)
    (folder / MODEL_FILE).unlink(missing_ok=True)
    about = None
    if form is not None and content is not None:
        write_atomically(folder / _FILES[form], content)
        about = WeightsRecord(format=form, sha256=hashlib.sha256(content).hexdigest(), n_parameters=n_parameters)
    complete = record.model_copy(update={"weights": about})
    write_atomically(folder / MODEL_FILE, complete.model_dump_json(indent=1).encode() + b"\n")
    return complete


def read_model_record(folder: Path) -> ModelRecord:
    """Return what the model in `folder` is, without reading its weights.

    Raises
    ------
    Refusal
        If the record is of a kind or version that this reader does not know, or is damaged.
    FileNotFoundError
        If there is no model.
    """
    path = folder / MODEL_FILE
    content = path.read_bytes()
    try:
        found = json.loads(content)
        header = (found.get("kind"), found.get("version")) if isinstance(found, dict) else (None, None)
    except ValueError as error:
        raise _damaged(path, f"no readable record ({error})") from error
    if header[0] != _KIND or header[1] not in _VERSIONS:
        raise Refusal(
            "unknown_model_format",
            expected=f"{_KIND} version {' or '.join(map(str, _VERSIONS))}",
            got=f"{header[0]} version {header[1]}",
            file=str(path),
            advice="Update nanodefect-assets if a newer version wrote the model.",
        )
    try:
        return ModelRecord.model_validate_json(content)
    except ValidationError as error:
        raise _damaged(path, f"a record with errors: {error}") from error


def read_model(folder: Path) -> tuple[ModelRecord, dict[str, np.ndarray]]:
    """Return a model's record and its weights; no arrays for a method that has parameters only.

    Raises
    ------
    Refusal
        If the record is of an unknown format, or the weights are not those that the record speaks of.
    """
    record = read_model_record(folder)
    if record.weights is None:
        return record, {}
    from safetensors.numpy import load

    return record, load(_whole_content(folder, record, "safetensors"))


def read_estimator(folder: Path) -> tuple[ModelRecord, Any]:
    """Return a model's record and its fitted scikit-learn estimator.

    Raises
    ------
    Refusal
        If the record is of an unknown format, or the estimator is not the one that the record speaks of.
    """
    from skops.io import loads

    record = read_model_record(folder)
    return record, loads(_whole_content(folder, record, "skops"), trusted=list(TRUSTED_TYPES))


def check_model(folder: Path) -> ModelRecord:
    """Return a model's record if its weights are whole."""
    record = read_model_record(folder)
    if record.weights is not None:
        _whole_content(folder, record, record.weights.format)
    return record


def _whole_content(folder: Path, record: ModelRecord, form: Literal["safetensors", "skops"]) -> bytes:
    """Return the bytes of the weights' file; they are hashed before anything interprets them."""
    stored = record.weights
    if stored is None or stored.format != form:
        raise Refusal(
            "other_model_form",
            expected=f"a model stored as {form}",
            got="no weights" if stored is None else stored.format,
            file=str(folder),
        )
    path = folder / _FILES[form]
    if not path.exists():
        raise _damaged(path, "no such file")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != stored.sha256:
        raise _damaged(path, f"{len(content)} bytes with SHA-256 {digest[:12]}... instead of {stored.sha256[:12]}...")
    return content


def _damaged(path: Path, got: str) -> Refusal:
    return Refusal(
        "damaged_model",
        expected="the model as it was written",
        got=got,
        file=str(path),
        advice="Restore the file from a backup, train again, or promote another version.",
    )
