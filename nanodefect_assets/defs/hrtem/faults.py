"""Fault classifiers as models that are stored, and stored ones as functions of regions."""

import json
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from nanodefect_assets.domain.champion import ModelRecord, Recipe, Score
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.refusal import Refusal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.science.hrtem.fault_forest import RegionSplit
    from nanodefect_assets.science.hrtem.fault_params import FeatureParams, ForestParams, RegionParams
    from nanodefect_assets.science.hrtem.regions import Region
    from nanodefect_assets.stores.generations import GenerationWriter, StoredGeneration
    from nanodefect_assets.stores.home import Home
    from nanodefect_assets.stores.registry import StoredModel

FAULT_CLASSIFIER = "fault_classifier"
"""Name under which fault classifiers are registered: one of them is in use."""

REGION_TRAINING_SET = AssetName(group="hrtem", noun="region_training_set")

_LIBRARIES = ("scikit-learn", "numpy")
_GATE = "region_novelty"
_ATTRIBUTES = (
    "micrograph_id",
    "kind",
    "particle_id",
    "agglomerate_id",
    "top",
    "left",
    "contact_fraction",
    "touches_edge",
    "pixel_size_nm",
)


def keep_region(out: "GenerationWriter", region: "Region") -> None:
    """Write a region into a generation."""
    from nanodefect_assets.stores.regions import KIND, write_region

    attributes = {name: getattr(region, name) for name in _ATTRIBUTES} | {
        "support_counts": region.support.median,
        "support_sd": region.support.spread,
        "support_power": json.dumps(region.support.power),
    }
    write_region(out.arrays(KIND), region.region_id, region.counts, region.mask, attributes)


def kept_region(source: "StoredGeneration") -> "Callable[[str], Region]":
    """Return a function that reads a region of a generation by its identifier."""
    from nanodefect_assets.science.hrtem.regions import Region
    from nanodefect_assets.science.hrtem.support import Support
    from nanodefect_assets.stores.regions import KIND, read_region

    arrays = source.arrays(KIND)

    def read(region_id: str) -> "Region":
        counts, mask, attributes = read_region(arrays, region_id)
        if "support_power" not in attributes:
            raise Refusal(
                "old_regions",
                expected="regions with the texture of their support",
                got="those of an earlier version",
                advice="Materialise hrtem/region_training_set again.",
            )
        support = Support(
            median=attributes["support_counts"],
            spread=attributes["support_sd"],
            power=tuple(json.loads(attributes["support_power"])),
        )
        known = {name: attributes.get(name) for name in _ATTRIBUTES}
        return Region(region_id=region_id, counts=counts, mask=mask, support=support, **known)  # pyright: ignore[reportArgumentType]

    return read


def classifier_record(
    rows: "pd.DataFrame",
    forest: "ForestParams",
    features: "FeatureParams",
    rules: "RegionParams",
    *,
    confusion: "np.ndarray",
    score: Score,
    gate: Recipe | None,
    fingerprint: str,
    code_version: str,
    notes: str,
) -> ModelRecord:
    """Return what a trained fault classifier is.

    Parameters
    ----------
    rows : DataFrame
        Rows of `TRAINING_REGIONS`, all sides.
    forest, features, rules
        How it was made and what it is shown.
    confusion : ndarray of shape (true, found)
        Held-out regions; it travels with the model, because rates are corrected by it.
    score : Score
        Balanced accuracy on them.
    gate : Recipe or None
        From `novelty_gate`.
    fingerprint, code_version, notes
        As in the record.
    """
    from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES

    sizes, doses = rows["pixel_size_nm"], rows["dose_e_per_nm2"].dropna()
    return ModelRecord(
        name=FAULT_CLASSIFIER,
        task="fault_classification",
        architecture=Recipe(name="forest", params={**forest.model_dump(mode="json"), "confusion": confusion.tolist()}),
        normalisation=Recipe(
            name="region_features", params={"features": features.model_dump(mode="json"), "regions": rules.model_dump()}
        ),
        pixel_size_range_nm=None if forest.features == "thesis" else (float(sizes.min()), float(sizes.max())),
        dose_range_e_per_nm2=(float(doses.min()), float(doses.max())) if len(doses) else None,
        modalities=("hrtem",),
        materials=tuple(sorted(rows["material"].dropna().unique())),
        classes=FAULT_CLASSES,
        gate=gate,
        training_fingerprint=fingerprint,
        is_simulated_training=bool(rows["is_simulated"].all()),
        code_version=code_version,
        scores={"balanced_accuracy": score},
        libraries={name: version(name) for name in _LIBRARIES},
        notes=notes,
    )


def confusion_of(record: ModelRecord) -> "np.ndarray":
    """Return the confusion of a stored classifier on held-out regions, as counts."""
    import numpy as np

    return np.array(record.architecture.params["confusion"], dtype=np.int64)


def rules_of(record: ModelRecord) -> "RegionParams":
    """Return the rules by which a stored classifier wants regions to be cut."""
    from nanodefect_assets.science.hrtem.fault_params import RegionParams

    return RegionParams.model_validate(record.normalisation.params["regions"])


def novelty_gate(features: "np.ndarray", split: "RegionSplit") -> Recipe | None:
    """Return what tells regions unlike the training; None if too few regions calibrate it."""
    from nanodefect_assets.science.hrtem.novelty import fit_novelty, least_calibration
    from nanodefect_assets.science.population.rate_params import RateParams

    if split.calibration.sum() < least_calibration(RateParams().novel_p):
        return None
    return Recipe(name=_GATE, params=fit_novelty(features, split).to_params())


def likeness(record: ModelRecord, features: "np.ndarray") -> "np.ndarray | None":
    """Return the share of regions like the training that lie at least as far out as each; None if it is not known."""
    from nanodefect_assets.science.hrtem.novelty import NoveltyReference, p_like_training

    if record.gate is None or record.gate.name != _GATE:
        return None
    return p_like_training(features, NoveltyReference.from_params(record.gate.params))


def features_for(record: ModelRecord, regions: "Iterable[Region]") -> "np.ndarray":
    """Return the features that a stored classifier sees; only one region need be in memory at a time."""
    from nanodefect_assets.science.hrtem.fault_features import region_features
    from nanodefect_assets.science.hrtem.fault_params import FeatureParams

    params = FeatureParams.model_validate(record.normalisation.params["features"])
    features = record.architecture.params["features"]
    return region_features(regions, features, params)  # pyright: ignore[reportArgumentType]


def classify(model: "StoredModel", estimator: Any, regions: "Iterable[Region]") -> "np.ndarray":
    """Return the probability of every class for each region; only one region need be in memory at a time."""
    from nanodefect_assets.science.hrtem.fault_forest import class_probabilities

    return class_probabilities(estimator, features_for(model.record, regions))


def classifier_in_use(home: "Home") -> "StoredModel":
    """Return the fault classifier in use.

    Raises
    ------
    Refusal
        If there is none.
    """
    from nanodefect_assets.stores.registry import model_in_use

    model = model_in_use(home, FAULT_CLASSIFIER)
    if model is None:
        raise Refusal(
            "no_fault_classifier",
            expected="a registered fault classifier, or one that ships with the package",
            got="none",
            advice="Materialise hrtem/region_training_set and hrtem/fault_classifier first.",
        )
    return model
