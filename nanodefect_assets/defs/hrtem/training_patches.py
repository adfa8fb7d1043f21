"""Labelled micrographs parted, normalised, cut and written as patches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import dagster as dg
from pydantic import AfterValidator, BaseModel, Field

from nanodefect_assets.defs.hrtem.labelled import Labelled
from nanodefect_assets.domain.micrograph import MODALITIES
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.patch_params import ClassParams, PatchParams, SplitParams
from nanodefect_assets.science.imaging.params import NormaliseParams
from nanodefect_assets.science.synthetic.training_params import TrainingFieldParams

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy as np

    from nanodefect_assets.domain.patches import Side
    from nanodefect_assets.stores.generations import GenerationWriter


def _check_modalities(modalities: list[str]) -> list[str]:
    if unknown := sorted(set(modalities) - set(MODALITIES)):
        raise ValueError(f"Expected modalities among {', '.join(MODALITIES)}. Got {', '.join(unknown)}.")
    return modalities


class MixParams(BaseModel):
    """What a training set is mixed from."""

    batches: list[str] = Field(default=[], description="Batches whose labels are taken; empty: all that have any.")
    modalities: Annotated[list[str], AfterValidator(_check_modalities)] = Field(
        default=list(MODALITIES), description="Labelled micrographs of other modalities are passed over."
    )
    n_simulated: int | None = Field(
        default=None, ge=0, le=100_000, description="Simulated fields. None: 12, 150 or 600, by the size of the run."
    )
    simulated_class: str = Field(default="particle", description="Class of the particles of simulated fields.")


class TrainingSetConfig(
    MixParams, ClassParams, PatchParams, SplitParams, NormaliseParams, TrainingFieldParams, dg.Config
):
    """Launchpad form of what a training set is made of."""

    @classmethod
    def thesis(cls, chapter: Literal[3, 4] = 3) -> Self:
        """Return the published patches, shares and normalisation."""
        shares = SplitParams.thesis().model_dump()
        return cls(**shares, **NormaliseParams.thesis(chapter).model_dump())


def part_items(
    items: Sequence[Labelled], thumbnails: "dict[str, np.ndarray]", config: TrainingSetConfig
) -> "dict[str, Side]":
    """Part every sample, and the simulated fields of every material, on their own."""
    from nanodefect_assets.science.hrtem.split import split_micrographs

    strata: dict[str, list[str]] = {}
    for item in items:
        strata.setdefault(item.stratum, []).append(item.micrograph_id)
    return split_micrographs(strata, config, thumbnails=thumbnails)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The patches of one micrograph; scales before and after it was resampled."""

    images: "np.ndarray"
    classes: "np.ndarray"
    pixel_size_nm: float | None
    patch_pixel_size_nm: float | None


class PatchCutter:
    """Cuts micrographs and writes their patches and rows."""

    def __init__(
        self,
        out: "GenerationWriter",
        config: TrainingSetConfig,
        items: Sequence[Labelled],
        sides: "dict[str, Side]",
    ) -> None:
        from nanodefect_assets.science.imaging.normalise import fit_normalisation
        from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetWriter

        self._out, self._config, self._sides = out, config, sides
        params = NormaliseParams.model_validate({name: getattr(config, name) for name in NormaliseParams.model_fields})
        training = (item.load()[0].counts for item in items if sides.get(item.micrograph_id) == "train")
        self._recipe = fit_normalisation(training, params)
        self._writer = PatchSetWriter(
            out.folder / FOLDER,
            patch_px=config.patch_px,
            class_names=config.class_names,
            normalisation=self._recipe,
        )

    def cut(self, item: Labelled) -> Cut:
        """Normalise and cut one micrograph."""
        from nanodefect_assets.science.hrtem.patches import cut_patches
        from nanodefect_assets.science.imaging.normalise import normalise, resample, resample_classes, scale_factor

        micrograph, classes = item.load()
        factor = scale_factor(micrograph.pixel_size_nm, self._recipe)
        image = normalise(resample(micrograph.counts, factor), self._recipe)
        images, cut = cut_patches(image, resample_classes(classes, factor), self._config)
        size_nm = micrograph.pixel_size_nm
        return Cut(
            images=images,
            classes=cut,
            pixel_size_nm=size_nm,
            patch_pixel_size_nm=None if size_nm is None else size_nm / factor,
        )

    def add(self, item: Labelled, cutting: "Future[Cut]") -> None:
        """Write the patches of one micrograph, or why there are none."""
        from nanodefect_assets.domain.schemas import TRAINING_MICROGRAPHS

        side = self._sides.get(item.micrograph_id)
        try:
            cut = cutting.result()
        except Refusal as refusal:
            self._out.refuse(item.label_id or item.micrograph_id, refusal.about(item.micrograph_id))
            return
        if side is not None:
            self._writer.add(
                side,
                item.micrograph_id,
                cut.images,
                cut.classes,
                pixel_size_nm=cut.patch_pixel_size_nm,
                source=item.source,
            )
        self._out.add_rows(TRAINING_MICROGRAPHS, [_row(item, side, cut)])

    def close(self) -> int:
        """Write what is left and return how many patches there are to train on."""
        self._writer.close()
        return self._writer.n_patches("train")


def _row(item: Labelled, side: "Side | None", cut: Cut) -> dict[str, Any]:
    from nanodefect_assets.domain.patches import UNLABELLED

    is_labelled = cut.classes != UNLABELLED
    return {
        "micrograph_id": item.micrograph_id,
        "is_simulated": item.source.is_simulated,
        "side": side,
        "label_file_id": item.label_id,
        "material": item.source.material,
        "modality": item.source.modality,
        "pixel_size_nm": cut.pixel_size_nm,
        "dose_e_per_nm2": item.source.dose_e_per_nm2,
        "n_patches": len(cut.images) if side else 0,
        "n_labelled": int(is_labelled.sum()) if side else 0,
        "n_particle": int((is_labelled & (cut.classes > 0)).sum()) if side else 0,
    }
