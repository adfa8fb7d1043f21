"""Trained networks as models that are stored, and stored models as networks that can be applied."""

from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from nanodefect_assets.domain.champion import ModelRecord, Recipe, Score, marks_of
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.domain.patches import PatchSet
    from nanodefect_assets.science.hrtem.params import ClassicalMethod
    from nanodefect_assets.science.learning.networks import Network
    from nanodefect_assets.science.learning.params import Architecture
    from nanodefect_assets.stores.home import Home
    from nanodefect_assets.stores.registry import StoredModel

SEGMENTER = "segmenter"
"""Name under which segmenters are registered, whatever their architecture: one of them is in use."""

_LIBRARIES = ("torch", "segmentation-models-pytorch", "numpy")
_METHOD_LIBRARIES = ("scikit-image", "scipy", "numpy")


def network_of(model: "StoredModel") -> "Network":
    """Return the network of a stored model, with its weights."""
    import numpy as np

    from nanodefect_assets.science.learning.networks import build_network, load_weights

    recipe = model.record.architecture
    network = build_network(
        recipe.name,  # pyright: ignore[reportArgumentType]  # checked there
        n_classes=len(model.record.classes),
        rng=np.random.default_rng(0),  # every weight is replaced
        **recipe.params,  # pyright: ignore[reportArgumentType]
    )
    load_weights(network, model.weights())
    return network


def tuned_model(home: "Home", method: "ClassicalMethod") -> "StoredModel":
    """Return a classical method as `hrtem/classical_segmenters` tuned it last.

    Raises
    ------
    Refusal
        If it was not tuned yet.
    """
    from nanodefect_assets.domain.schemas import TRAININGS
    from nanodefect_assets.stores.generations import current_generation
    from nanodefect_assets.stores.registry import model_version

    made = current_generation(home, AssetName(group="hrtem", noun="classical_segmenters"), Place())
    versions = {} if made is None else made.rows(TRAININGS).set_index("architecture")["model_version"].to_dict()
    if method not in versions:
        raise Refusal(
            "not_tuned",
            expected=f"the method {method} with tuned parameters, because tuned_method names it",
            got=f"{', '.join(versions) or 'none'} tuned",
            advice="Materialise hrtem/classical_segmenters, or leave tuned_method out: the parameters then count.",
        )
    return model_version(home, method, str(versions[method]))


def starting_model(home: "Home", version: str) -> "StoredModel":
    """Return a registered segmenter, or the one that ships with the package, whose weights a training begins with."""
    from nanodefect_assets.stores.registry import SHIPPED, model_version, shipped_model

    model = shipped_model(SEGMENTER) if version == SHIPPED else model_version(home, SEGMENTER, version)
    if model is None:
        raise Refusal("no_such_model", expected="a segmenter that ships with the package", got="none")
    return model


def unseen_by(patches: "PatchSet", *records: ModelRecord) -> "PatchSet":
    """Return the patches of the micrographs that none of some models is known to have seen."""
    seen = [any(record.has_seen(name) for record in records) for name in patches.micrograph_ids]
    return patches.subset([group for group, is_seen in enumerate(seen) if not is_seen]) if any(seen) else patches


def marks_seen(*sides: "PatchSet", start: ModelRecord | None) -> tuple[str, ...] | None:
    """Return the marks of what a model has seen: these sides, and what the model has that it began with.

    None where the latter is not known.
    """
    if start is not None and start.seen is None:
        return None
    own = marks_of(name for side in sides for name in side.micrograph_ids)
    return tuple(sorted({*own, *(start.seen or () if start else ())}))


def segmenter_record(
    architecture: "Architecture",
    train_set: "PatchSet",
    micrographs: "pd.DataFrame",
    *,
    fingerprint: str,
    code_version: str,
    scores: dict[str, Score],
    architecture_params: dict[str, float | str],
    seen: tuple[str, ...] | None,
    notes: str,
) -> ModelRecord:
    """Return what a trained segmenter is.

    Parameters
    ----------
    architecture, architecture_params
        How its network is built.
    train_set : PatchSet
        What it was trained on.
    micrographs : DataFrame
        Rows of `TRAINING_MICROGRAPHS` of the training side.
    fingerprint : str
        Of the whole training set.
    code_version, scores, seen, notes
        As in the record.
    """
    return ModelRecord(
        name=SEGMENTER,
        architecture=Recipe(name=architecture, params=dict(architecture_params)),
        threshold=0.5,
        gate=gate_of(train_set),
        training_fingerprint=fingerprint,
        code_version=code_version,
        scores=scores,
        seen=seen,
        libraries={name: version(name) for name in _LIBRARIES},
        notes=notes,
        **_seen(train_set, micrographs),
    )


def method_record(
    method: "ClassicalMethod",
    params: dict[str, JsonValue],
    train_set: "PatchSet",
    micrographs: "pd.DataFrame",
    *,
    fingerprint: str,
    code_version: str,
    scores: dict[str, Score],
) -> ModelRecord:
    """Return what a tuned classical method is; parameters are those of `SegmentationParams`, the rest as above."""
    return ModelRecord(
        name=method,
        architecture=Recipe(name=method, params=params),
        training_fingerprint=fingerprint,
        code_version=code_version,
        scores=scores,
        libraries={name: version(name) for name in _METHOD_LIBRARIES},
        notes="Free parameters tuned on the training side; it has no weights.",
        **_seen(train_set, micrographs),
    )


def _seen(train_set: "PatchSet", micrographs: "pd.DataFrame") -> dict[str, Any]:
    """Return the part of a record that says what the model was made from."""
    if train_set.normalisation is None:
        raise ValueError("Expected patches of which the normalisation is known. Got none.")
    return {
        "task": "segmentation",
        "normalisation": train_set.normalisation,
        "pixel_size_range_nm": _range(micrographs["pixel_size_nm"].dropna()),
        "dose_range_e_per_nm2": _range(micrographs["dose_e_per_nm2"].dropna()),
        "modalities": tuple(sorted(set(micrographs["modality"]))),
        "materials": tuple(sorted(set(micrographs["material"].dropna()))),
        "classes": train_set.class_names,
        "is_simulated_training": bool(micrographs["is_simulated"].all()),
    }


def _range(values: "pd.Series") -> tuple[float, float] | None:
    return None if values.empty else (float(values.min()), float(values.max()))


def gate_of(train_set: "PatchSet") -> Recipe | None:
    """Return the statistics of the training micrographs, one patch of each; None for fewer than two."""
    import numpy as np

    from nanodefect_assets.science.hrtem.gate import describe_all, fit_gate

    _, first = np.unique(train_set.group, return_index=True)
    if len(first) < 2:
        return None
    return Recipe(name="spectral", params=fit_gate(describe_all(list(train_set.images[first]))).to_params())


def predictor_of(
    network: "Network", *, device: str, n_threads: int | None = None
) -> "Callable[[np.ndarray], np.ndarray]":
    """Return the function that gives normalised tiles the probability of each class."""
    from nanodefect_assets.science.learning.apply import probabilities
    from nanodefect_assets.science.learning.networks import fused

    applied = fused(network)
    return lambda tiles: probabilities(applied, tiles, device=device, n_per_batch=len(tiles), n_threads=n_threads)
