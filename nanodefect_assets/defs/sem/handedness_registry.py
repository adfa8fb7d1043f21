"""Models of handedness in the registry, and back."""

from pathlib import Path
from typing import TYPE_CHECKING

from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.defs.sem.crop_sets import CropSet
from nanodefect_assets.domain.champion import ModelRecord, Recipe, Score

if TYPE_CHECKING:
    from nanodefect_assets.domain.manifest import Manifest
    from nanodefect_assets.science.sem.production import Trained
    from nanodefect_assets.science.sem.trained import TrainedHandedness
    from nanodefect_assets.stores.registry import StoredModel

MODEL_NAME = "handedness"
_LIBRARIES = ("torch", "numpy")


def register(
    home: HomeResource, trained: "Trained", crops: CropSet, manifest: "Manifest", *, code_version: str, run_id: str
) -> str:
    """Keep the model of a batch in the registry and return its version."""
    from tempfile import TemporaryDirectory

    from nanodefect_assets.stores.models import write_model
    from nanodefect_assets.stores.registry import register_model

    assert trained.model is not None
    record = _record(trained, trained.model, crops, manifest, code_version=code_version)
    with TemporaryDirectory(dir=home.home.prepare().mlflow) as draft:
        write_model(Path(draft), record, trained.model.weights)
        return register_model(home.home, Path(draft), mlflow_run_id=run_id)


def trained_of(model: "StoredModel") -> "TrainedHandedness":
    """Return a stored model as what answers questions; of its training only the weights are known."""
    import numpy as np

    from nanodefect_assets.science.sem.params import HandednessNetworkParams
    from nanodefect_assets.science.sem.trained import TrainedHandedness

    params = dict(model.record.architecture.params)
    n_networks, n_px = (int(str(params.pop(name))) for name in ("n_networks", "n_px"))
    nothing = np.zeros(0)
    return TrainedHandedness(
        weights=model.weights(),
        n_networks=n_networks,
        network=HandednessNetworkParams.model_validate(params),
        n_px=n_px,
        train_loss=nothing,
        validation_loss=nothing,
        rescaled_loss=nothing,
        best_epoch=0,
        stopped="finished",
        duration_s=0.0,
    )


def fingerprint_of(crops: CropSet) -> str:
    """Return the SHA-256 over the images of some crops."""
    import hashlib

    return hashlib.sha256(crops.images.tobytes()).hexdigest()


def _record(
    trained: "Trained", model: "TrainedHandedness", crops: CropSet, manifest: "Manifest", *, code_version: str
) -> ModelRecord:
    from importlib.metadata import version

    estimate = trained.estimate
    agreement = 1.0 if estimate is None else 1 - estimate.disagreeing_fraction
    return ModelRecord(
        name=MODEL_NAME,
        task="handedness",
        architecture=Recipe(
            name="fig_5_2a",
            params={**model.network.model_dump(), "n_networks": model.n_networks, "n_px": model.n_px},
        ),
        normalisation=Recipe(name="own_maximum"),
        modalities=("sem",),
        materials=(manifest.material,) if manifest.material else (),
        classes=("minority", "majority"),
        threshold=0.5,
        training_fingerprint=fingerprint_of(crops),
        is_simulated_training=bool(crops.rows["is_simulated"].all()),
        code_version=code_version,
        scores={"agreement_with_labels": Score(value=agreement, n=len(crops.rows))},
        libraries={name: version(name) for name in _LIBRARIES},
        notes=f"Batch {manifest.batch}: {trained.choice.method}. {trained.choice.reason}",
    )
