"""A model that tells the hands of one batch apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
from pydantic import Field

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.conditions import when_inputs_settle
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.partitions import batch_of_sample, place_of, synthesis_batch
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.sem.crop_sets import CropSet, find_anchor, read_crops
from nanodefect_assets.defs.sem.studying import recipe_of
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.anchors import Anchor
from nanodefect_assets.domain.champion import ModelRecord, Recipe, Score
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.science.sem.params import ProductionParams

if TYPE_CHECKING:
    import numpy as np

    from nanodefect_assets.domain.manifest import Chirality, Manifest
    from nanodefect_assets.science.sem.advice import Choice
    from nanodefect_assets.science.sem.noise import LabelErrorEstimate
    from nanodefect_assets.science.sem.production import NamedHands, Trained
    from nanodefect_assets.science.sem.trained import HandednessRecipe, TrainedHandedness
    from nanodefect_assets.stores.checkpoints import FileCheckpoint
    from nanodefect_assets.stores.generations import StoredGeneration
    from nanodefect_assets.stores.registry import StoredModel

HANDEDNESS_MODEL = AssetName(group="sem", noun="handedness_model")
_ASSET = (HANDEDNESS_MODEL.group, HANDEDNESS_MODEL.noun)
_CROPS = AssetName(group="sem", noun="te_crops")
_MODEL_NAME = "handedness"
_LIBRARIES = ("torch", "numpy")


class ModelConfig(ProductionParams, dg.Config):
    """Launchpad form of `ProductionParams`, and how long is trained."""

    protocol: Literal["reduced", "own", "thesis", "fast"] = Field(
        default="reduced", description="How long is trained; reduced suits a few processor cores, own a GPU."
    )
    is_antisymmetric: bool = Field(
        default=True, description="Answer the mirror image with the opposite by construction: no bias to a hand."
    )


@dataclass(frozen=True, kw_only=True)
class _Anchors:
    """Anchors among the particles: their indices, whether they are right-handed, and those that were not found."""

    indices: "np.ndarray"
    is_right: "np.ndarray"
    missing: tuple[str, ...]


@dg.asset(
    key=list(_ASSET),
    deps=[dg.AssetDep(["sem", "te_crops"], partition_mapping=batch_of_sample)],
    partitions_def=synthesis_batch,
    group_name="sem",
    code_version="2",
    kinds={"pytorch", "mlflow"},
    output_required=False,
    automation_condition=when_inputs_settle,
    check_specs=[
        declare_check(
            _ASSET,
            "hands_are_named",
            "A chiral batch has a model, and an anchor names its hands.",
            partitions=synthesis_batch,
        ),
        declare_check(
            _ASSET,
            "anchors_agree",
            "Every anchor of batch.yaml is a whole particle, and none contradicts the others.",
            partitions=synthesis_batch,
        ),
    ],
)
def handedness_model(
    context: dg.AssetExecutionContext, config: ModelConfig, home: HomeResource, compute: Compute, tracking: Tracking
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Model that tells the hands of a chiral batch apart, trained on its own particles by the method that suits it.

    The method follows from what batch.yaml says; method and reason are recorded. A racemic batch has none. Mirror
    labels tell the majority from the minority; which hand the majority is, the anchors say. For a batch that is not
    chiral nothing is made, so that nothing below is asked for.
    """
    from nanodefect_assets.domain.keys import Place
    from nanodefect_assets.domain.schemas import HANDEDNESS_MODELS
    from nanodefect_assets.stores.corrections import manifest_in_force
    from nanodefect_assets.stores.generations import current_generation

    batch = place_of(context).batch
    manifest = None if batch is None else manifest_in_force(home.home, batch)
    if batch is None or manifest is None:
        raise dg.Failure(f"Expected an accepted batch. Got {context.partition_key}, of which nothing was accepted.")
    chirality = manifest.chirality
    if chirality is None and current_generation(home.home, HANDEDNESS_MODEL, Place(batch=batch)) is None:
        yield from _results(None, ())
        return
    found = (current_generation(home.home, _CROPS, place) for place in manifest.cells())
    inputs = [made for made in found if made is not None] if chirality is not None else []
    maker = None
    if chirality is not None:
        maker = _Maker(context, config, home, compute, tracking, manifest, chirality, inputs)
    with making(context, home, inputs=inputs, params=config) as out:
        out.add_rows(HANDEDNESS_MODELS, [])
        checks, metadata = _results(None, ()), {}
        if maker is not None:
            row, missing = maker.make()
            out.n_items = row["n_particles"]
            out.add_rows(HANDEDNESS_MODELS, [row])
            checks, metadata = _results(row, missing), {name: value for name, value in row.items() if value is not None}
    if maker is not None:
        maker.checkpoint.remove()
    yield report(out, metadata=metadata, checks=checks)


class _Maker:
    """Trains, names and registers the model of one batch."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        config: ModelConfig,
        home: HomeResource,
        compute: Compute,
        tracking: Tracking,
        manifest: "Manifest",
        chirality: "Chirality",
        inputs: "list[StoredGeneration]",
    ) -> None:
        self._context, self._config, self._home = context, config, home
        self._compute, self._tracking = compute, tracking
        self._manifest, self._chirality, self._inputs = manifest, chirality, inputs

    def make(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the row of `HANDEDNESS_MODELS`, and the anchors that were not found."""
        from nanodefect_assets.science.sem.advice import Choice, choose_method

        crops = read_crops(self._inputs)
        anchors = self._find_anchors(crops)
        choice = choose_method(self._chirality, self._config, n_anchors=len(anchors.indices))
        n, least = len(crops.rows), self._config.min_particles
        if choice.method is not None and n < least:
            choice = Choice(method=None, reason=f"{n} whole particles; a model needs {least} or more.")
        row = self._row(crops, anchors, choice)
        if choice.method is None:
            row["hand_reason"] = "No model."
            return row, anchors.missing
        return row | self._train(crops, anchors, choice), anchors.missing

    @property
    def checkpoint(self) -> "FileCheckpoint":
        """Where an interrupted training keeps its state: another place for other particles or parameters."""
        import hashlib

        from nanodefect_assets.stores.checkpoints import FileCheckpoint

        words = [self._config.model_dump_json(), *(made.record.name for made in self._inputs)]
        digest = hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
        return FileCheckpoint(self._home.home.work / "sem" / "handedness_model" / f"{self._manifest.batch}-{digest}")

    def _train(self, crops: CropSet, anchors: _Anchors, choice: "Choice") -> dict[str, Any]:
        """Train, name the hands by the anchors, register; return what the row says of it."""
        import numpy as np

        from nanodefect_assets.domain.randomness import generator_for
        from nanodefect_assets.science.sem.answers import answer
        from nanodefect_assets.science.sem.mirror import prepare_images
        from nanodefect_assets.science.sem.production import name_hands, train_for_batch

        images, device = prepare_images(crops.images), self._compute.pick_device()
        with self._tracking.training_run(
            self._context, self._home, params=self._config, data_fingerprint=_fingerprint(crops)
        ) as run:
            trained = train_for_batch(
                images,
                choice,
                self._recipe(choice),
                self._config,
                anchors=anchors.indices,
                anchor_is_right=anchors.is_right,
                rng=generator_for(self._config.seed, str(HANDEDNESS_MODEL), self._manifest.batch),
                device=device,
                on_step=log_steps(self._context.log),
                checkpoint=self.checkpoint,
            )
            run.log_text("reason.txt", trained.choice.reason)
            said = _estimated(trained) | {"method": trained.choice.method, "reason": trained.choice.reason}
            if trained.model is None:
                return said | {"hand_reason": "No model."}
            for name in ("train_loss", "validation_loss", "rescaled_loss"):
                run.log_curve(name, [float(value) for value in getattr(trained.model, name)])
            odds = (
                answer(trained.model, images[anchors.indices], device=device).log_odds if len(anchors.indices) else []
            )
            import numpy as np

            named = name_hands(np.asarray(odds, dtype=float), anchors.is_right)
            version = self._register(trained, crops, run.run_id)
        return (
            said
            | _named(named)
            | {
                "model_name": _MODEL_NAME,
                "model_version": version,
                "mlflow_run_id": run.run_id,
            }
        )

    def _recipe(self, choice: "Choice") -> "HandednessRecipe":
        from nanodefect_assets.science.sem.trained import HandednessRecipe

        assert choice.method is not None
        protocol = "fast" if self._home.run_size == "fast" else self._config.protocol
        recipe = recipe_of(protocol, choice.method, is_digits=False)
        network = recipe.network.model_copy(update={"is_antisymmetric": self._config.is_antisymmetric})
        return HandednessRecipe(network=network, training=recipe.training, augmentation=recipe.augmentation)

    def _find_anchors(self, crops: CropSet) -> _Anchors:
        import numpy as np

        number = {particle: at for at, particle in enumerate(crops.rows["particle_id"])}
        indices, is_right, missing = [], [], []
        for text in self._chirality.anchors:
            anchor = Anchor.of_text(text)
            at = number.get(find_anchor(anchor, self._inputs) or "")
            if at is None:
                missing.append(text)
            else:
                indices.append(at)
                is_right.append(anchor.hand == "right")
        return _Anchors(
            indices=np.array(indices, dtype=int), is_right=np.array(is_right, dtype=bool), missing=tuple(missing)
        )

    def _row(self, crops: CropSet, anchors: _Anchors, choice: "Choice") -> dict[str, Any]:
        return {
            "synthesis_batch": self._manifest.batch,
            "method": choice.method,
            "reason": choice.reason,
            "is_simulated": bool(len(crops.rows) and crops.rows["is_simulated"].all()),
            "n_particles": len(crops.rows),
            "n_anchors": len(anchors.indices),
            "n_anchors_contradicting": 0,
            "expected_minority_share": self._chirality.expected_minority_share,
        }

    def _register(self, trained: "Trained", crops: CropSet, run_id: str) -> str:
        from tempfile import TemporaryDirectory

        from nanodefect_assets.stores.models import write_model
        from nanodefect_assets.stores.registry import register_model

        assert trained.model is not None
        code = self._context.assets_def.code_versions_by_key[self._context.asset_key] or "0"
        record = _record(trained, trained.model, crops, self._manifest, code_version=code)
        with TemporaryDirectory(dir=self._home.home.prepare().mlflow) as draft:
            write_model(Path(draft), record, trained.model.weights)
            return register_model(self._home.home, Path(draft), mlflow_run_id=run_id)


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


def _record(
    trained: "Trained", model: "TrainedHandedness", crops: CropSet, manifest: "Manifest", *, code_version: str
) -> ModelRecord:
    from importlib.metadata import version

    estimate = trained.estimate
    agreement = 1.0 if estimate is None else 1 - estimate.disagreeing_fraction
    return ModelRecord(
        name=_MODEL_NAME,
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
        training_fingerprint=_fingerprint(crops),
        is_simulated_training=bool(crops.rows["is_simulated"].all()),
        code_version=code_version,
        scores={"agreement_with_labels": Score(value=agreement, n=len(crops.rows))},
        libraries={name: version(name) for name in _LIBRARIES},
        notes=f"Batch {manifest.batch}: {trained.choice.method}. {trained.choice.reason}",
    )


def _fingerprint(crops: CropSet) -> str:
    import hashlib

    return hashlib.sha256(crops.images.tobytes()).hexdigest()


def _estimated(trained: "Trained") -> dict[str, Any]:
    estimate: LabelErrorEstimate | None = trained.estimate
    if estimate is None:
        return {}
    return {
        "estimated_minority_share": estimate.error_fraction,
        "estimated_minority_low": estimate.low,
        "estimated_minority_high": estimate.high,
        "forget_rate": trained.forget_rate,
    }


def _named(named: "NamedHands") -> dict[str, Any]:
    return {
        "majority_hand": named.majority,
        "hand_reason": named.reason,
        "n_anchors_contradicting": named.n_contradicting,
    }


def _results(row: dict[str, Any] | None, missing: tuple[str, ...]) -> list[dg.AssetCheckResult]:
    is_named = row is None or row.get("majority_hand") is not None
    n_against = 0 if row is None else row["n_anchors_contradicting"]
    why = "no chiral batch" if row is None else f"{row['reason']} {row['hand_reason']}"
    return [
        dg.AssetCheckResult(
            check_name="hands_are_named",
            passed=is_named,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"why": why},
        ),
        dg.AssetCheckResult(
            check_name="anchors_agree",
            passed=not missing and not n_against,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"n_contradicting": n_against, "not_found": dg.MetadataValue.json(list(missing))},
        ),
    ]
