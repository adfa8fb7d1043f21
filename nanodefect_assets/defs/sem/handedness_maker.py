"""How the model of a batch is made: trained on its particles, its hands named by anchors, registered."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
from pydantic import Field

from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.sem.crop_sets import CropSet, find_anchor, read_crops
from nanodefect_assets.defs.sem.handedness_registry import MODEL_NAME, fingerprint_of, register
from nanodefect_assets.defs.sem.studying import recipe_of
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.anchors import Anchor
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.science.sem.params import ProductionParams

if TYPE_CHECKING:
    import numpy as np

    from nanodefect_assets.domain.manifest import Chirality, Manifest
    from nanodefect_assets.science.sem.advice import Choice
    from nanodefect_assets.science.sem.noise import LabelErrorEstimate
    from nanodefect_assets.science.sem.production import NamedHands, Trained
    from nanodefect_assets.science.sem.trained import HandednessRecipe
    from nanodefect_assets.stores.checkpoints import FileCheckpoint
    from nanodefect_assets.stores.generations import StoredGeneration

HANDEDNESS_MODEL = AssetName(group="sem", noun="handedness_model")


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


@dataclass(frozen=True, kw_only=True)
class MadeModel:
    """What came of a batch.

    Attributes
    ----------
    row : dict
        Of `HANDEDNESS_MODELS`.
    unseen : list of dict
        Rows of `UNSEEN_HANDS`.
    missing : tuple of str
        Anchors that were not found.
    """

    row: dict[str, Any]
    unseen: list[dict[str, Any]]
    missing: tuple[str, ...]


class HandednessMaker:
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

    def make(self) -> MadeModel:
        """Train and name, or say why not."""
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
            return MadeModel(row=row, unseen=[], missing=anchors.missing)
        said, unseen = self._train(crops, anchors, choice)
        return MadeModel(row=row | said, unseen=unseen, missing=anchors.missing)

    def forget(self) -> None:
        """Remove what an interrupted training would need to go on."""
        for kind in ("training", "judges"):
            self._checkpoint(kind).remove()

    def _checkpoint(self, kind: str) -> "FileCheckpoint":
        """Return where an interrupted training keeps its state: another place for whatever makes it another one."""
        import hashlib

        from nanodefect_assets.stores.checkpoints import FileCheckpoint

        words = [self._config.model_dump_json(), self._chirality.model_dump_json(), self._home.run_size, self._code]
        words += [made.record.name for made in self._inputs]
        digest = hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
        folder = self._home.home.work / "sem" / "handedness_model"
        return FileCheckpoint(folder / f"{self._manifest.batch}-{digest}.{kind}")

    def _train(
        self, crops: CropSet, anchors: _Anchors, choice: "Choice"
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Train, name the hands by the anchors, register; return what the row says of it, and rows of unseen hands."""
        from nanodefect_assets.domain.randomness import generator_for
        from nanodefect_assets.science.learning.devices import threads
        from nanodefect_assets.science.sem.mirror import prepare_images
        from nanodefect_assets.science.sem.production import train_for_batch

        images, device = prepare_images(crops.images), self._compute.pick_device()
        tracked = self._tracking.training_run(
            self._context, self._home, params=self._config, data_fingerprint=fingerprint_of(crops)
        )
        with threads(self._compute.n_threads), tracked as run:
            trained = train_for_batch(
                images,
                choice,
                self._recipe(choice, n_particles=len(images)),
                self._config,
                anchors=anchors.indices,
                anchor_is_right=anchors.is_right,
                rng=generator_for(self._config.seed, str(HANDEDNESS_MODEL), self._manifest.batch),
                device=device,
                on_step=log_steps(self._context.log),
                checkpoint=self._checkpoint("training"),
                judges_checkpoint=self._checkpoint("judges"),
            )
            run.log_text("reason.txt", trained.choice.reason)
            said = _estimated(trained) | {"method": trained.choice.method, "reason": trained.choice.reason}
            if trained.model is None:
                return said | {"hand_reason": "No model."}, []
            for name in ("train_loss", "validation_loss", "rescaled_loss"):
                run.log_curve(name, [float(value) for value in getattr(trained.model, name)])
            version = self._register(trained, crops, run.run_id)
        assert trained.named is not None
        registered = {"model_name": MODEL_NAME, "model_version": version, "mlflow_run_id": run.run_id}
        return said | _named(trained.named) | registered, self._unseen(trained, crops)

    def _unseen(self, trained: "Trained", crops: CropSet) -> list[dict[str, Any]]:
        assert trained.unseen is not None
        stated = crops.rows[["particle_id", "is_simulated"]].to_dict(orient="records")
        return [
            {**row, "synthesis_batch": self._manifest.batch, "log_odds": float(odds)}
            for row, odds in zip(stated, trained.unseen, strict=True)
        ]

    def _recipe(self, choice: "Choice", *, n_particles: int) -> "HandednessRecipe":
        assert choice.method is not None
        protocol = "fast" if self._home.run_size == "fast" else self._config.protocol
        recipe = recipe_of(protocol, choice.method, is_digits=False).settled(self._compute.pick_device())
        return recipe.antisymmetric(2 * n_particles) if self._config.is_antisymmetric else recipe

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
        return register(self._home, trained, crops, self._manifest, code_version=self._code, run_id=run_id)

    @property
    def _code(self) -> str:
        return self._context.assets_def.code_versions_by_key[self._context.asset_key] or "0"


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
