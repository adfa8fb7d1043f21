"""Finding the particles of one micrograph: by the model in use, a classical method, or a person's drawing."""

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.hrtem.networks import network_of, predictor_of
from nanodefect_assets.defs.resources import Compute
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.params import GateParams, NetworkParams, SegmentationParams

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from nanodefect_assets.domain.micrograph import Micrograph
    from nanodefect_assets.science.hrtem.gate import GateReference
    from nanodefect_assets.stores.registry import StoredModel

DRAWN = "drawn"
"""Name of the segmenter where a person drew the mask."""


class SegmentationConfig(SegmentationParams, NetworkParams, GateParams, dg.Config):
    """Launchpad form of everything that decides how particles are found."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The particles of one micrograph.

    Attributes
    ----------
    labels : ndarray of shape (row, col)
        0 for support, else the number of the particle.
    row : dict
        Row of `MASKS`.
    maps : dict of str to ndarray of shape (row, col)
        What a network adds, in 255ths: ``p_particle``, and ``spread`` where it looked more than once.
    """

    labels: "np.ndarray"
    row: dict[str, Any]
    maps: "dict[str, np.ndarray]" = field(default_factory=dict)


class ParticleFinder:
    """Finds particles with the model in use where that may be applied; several threads may use one."""

    def __init__(
        self,
        config: SegmentationConfig,
        model: "StoredModel | None",
        *,
        material: str | None,
        compute: Compute,
        tuned: "StoredModel | None" = None,
    ) -> None:
        if config.segmenter == "network" and model is None and tuned is None:
            raise Refusal(
                "no_segmenter",
                expected="a segmenter in use, because segmenter is set to network",
                got="none",
                advice="Materialise hrtem/segmenter and hrtem/champion_segmenter, or set segmenter to auto.",
            )
        self._config, self._material = config, material
        self._tuned = tuned
        self._plain = config if tuned is None else _as_tuned(config, tuned)
        self._model = None if tuned is not None or config.segmenter == "classical" else model
        self._predict = None if self._model is None else _Predictor(self._model, compute)
        self._gate = None if self._model is None else _gate_of(self._model)

    def find(self, micrograph: "Micrograph", *, dose_e_per_nm2: float | None = None) -> Found:
        """Return the particles of a micrograph, of which the dose may be known.

        Raises
        ------
        Refusal
            If it cannot be segmented, or is unlike the model's training and such are to be withheld.
        """
        model = self._model
        if model is None or self._predict is None or not self._is_for(model, micrograph):
            return self._classical(micrograph)
        from nanodefect_assets.science.hrtem.network import known_scale, prepare_image

        recipe = model.record.normalisation
        factor = known_scale(micrograph, recipe, model.record.pixel_size_range_nm, self._gate)
        image = prepare_image(micrograph, recipe, factor=factor)
        unlike, p_like = self._compare(model, micrograph, image, dose_e_per_nm2)
        if unlike and self._config.when_unlike == "withhold":
            raise Refusal(
                "unlike_training",
                expected=f"a micrograph like those that segmenter version {model.version} was trained on",
                got="; ".join(unlike),
                file=micrograph.micrograph_id,
                advice="Train on labelled micrographs of this kind, or let it through with when_unlike: flag.",
            )
        how = {"unlike_training": "; ".join(unlike) or None, "p_like_training": p_like}
        if unlike and self._config.when_unlike == "classical":
            return self._classical(micrograph, **how)
        return self._by_network(micrograph, image, model, **how)

    def _is_for(self, model: "StoredModel", micrograph: "Micrograph") -> bool:
        return self._config.segmenter == "network" or micrograph.modality in model.record.modalities

    def _compare(
        self, model: "StoredModel", micrograph: "Micrograph", image: "np.ndarray", dose_e_per_nm2: float | None
    ) -> tuple[tuple[str, ...], float | None]:
        """Return in words what sets a micrograph apart from the training, and the share of like ones farther out."""
        from nanodefect_assets.science.hrtem.gate import describe_micrograph, judge_micrograph

        unlike = model.record.unlike_training(
            modality=micrograph.modality, pixel_size_nm=micrograph.pixel_size_nm, dose_e_per_nm2=dose_e_per_nm2
        )
        if micrograph.pixel_size_nm is None and not self._config.uncalibrated_is_unlike:
            unlike = tuple(words for words in unlike if not words.startswith("no pixel size"))
        if self._gate is None or len(self._gate.vectors) < 1 / self._config.gate_false_alarm - 1:
            return unlike, None
        verdict = judge_micrograph(describe_micrograph(image), self._gate, false_alarm=self._config.gate_false_alarm)
        if verdict.is_flagged:
            unlike = (*unlike, f"its {', '.join(verdict.farthest)}".replace("_", " "))
        return unlike, verdict.p_value

    def _by_network(self, micrograph: "Micrograph", image: "np.ndarray", model: "StoredModel", **how: object) -> Found:
        from nanodefect_assets.science.hrtem.network import segment_by_network

        assert self._predict is not None
        shape: tuple[int, int] = micrograph.counts.shape  # pyright: ignore[reportAssignmentType]
        found = segment_by_network(
            image, shape, [self._predict], self._config, self._config, pixel_size_nm=micrograph.pixel_size_nm
        )
        maps = {"p_particle": _in_255ths(found.p_particle)}
        if self._config.n_transforms > 1:
            maps["spread"] = _in_255ths(found.spread)
        how |= {
            "segmenter_name": model.record.name,
            "segmenter_version": model.version,
            "mlflow_run_id": model.mlflow_run_id,
            "threshold": self._config.threshold,
            "mean_uncertainty": found.mean_entropy,
        }
        return Found(labels=found.labels, row=mask_row(micrograph, found.labels, **how), maps=maps)

    def _classical(self, micrograph: "Micrograph", **how: object) -> Found:
        from nanodefect_assets.science.hrtem.segment import segment_particles

        found = segment_particles(micrograph, self._plain, material=self._material)
        if self._tuned is not None:
            how |= {"segmenter_version": self._tuned.version, "mlflow_run_id": self._tuned.mlflow_run_id}
        how |= {
            "segmenter_name": found.method,
            "polarity": found.polarity,
            "threshold": found.threshold if found.threshold < float("inf") else None,
        }
        return Found(labels=found.labels, row=mask_row(micrograph, found.labels, **how))


def take_drawn(micrograph: "Micrograph", path: "Path") -> Found:
    """Take a mask that a person drew."""
    from nanodefect_assets.domain.micrograph import LabelledMicrograph
    from nanodefect_assets.science.imaging.masks import number_particles
    from nanodefect_assets.stores.labels import read_label_image

    drawn = LabelledMicrograph(micrograph=micrograph, labels=read_label_image(path))
    labels = number_particles(drawn.labels)
    row = mask_row(micrograph, labels, segmenter_name=DRAWN, segmenter_version=path.name.split("-")[0])
    return Found(labels=labels, row=row)


def mask_row(micrograph: "Micrograph", labels: "np.ndarray", **how: object) -> dict[str, Any]:
    """Return the row of `MASKS` of a micrograph."""
    return {
        "micrograph_id": micrograph.micrograph_id,
        "is_simulated": micrograph.is_simulated,
        "n_particles": int(labels.max()),
        "covered_fraction": float((labels > 0).mean()),
        **how,
    }


class _Predictor:
    """The network of a model, built when first needed.

    It has the machine to itself while other threads read micrographs and part particles.
    """

    def __init__(self, model: "StoredModel", compute: Compute) -> None:
        self._model, self._compute, self._lock = model, compute, Lock()
        self._predict: Callable[[np.ndarray], np.ndarray] | None = None

    def __call__(self, tiles: "np.ndarray") -> "np.ndarray":
        with self._lock:
            if self._predict is None:
                device, n_threads = self._compute.pick_device(), self._compute.n_threads
                self._predict = predictor_of(network_of(self._model), device=device, n_threads=n_threads)
            return self._predict(tiles)


def _as_tuned(config: SegmentationConfig, tuned: "StoredModel") -> SegmentationConfig:
    """Return the settings with those that were tuned in their place; the others, such as the smallest size, stay."""
    from nanodefect_assets.science.hrtem.classical import search_of

    recipe = tuned.record.architecture
    names = search_of(recipe.name, patch_px=512).names  # pyright: ignore[reportArgumentType]  # checked there
    return config.model_copy(update={name: recipe.params[name] for name in ("method", *names)})


def _gate_of(model: "StoredModel") -> "GateReference | None":
    from nanodefect_assets.science.hrtem.gate import GateReference

    recipe = model.record.gate
    return None if recipe is None else GateReference.from_params(recipe.params)


def _in_255ths(values: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)
