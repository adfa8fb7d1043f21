"""What fault classifiers are trained and judged on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.hrtem.faults import keep_region
from nanodefect_assets.defs.making import in_order, making, report, upstream
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.generation import AssetName, RunSize
from nanodefect_assets.domain.progress import Progress
from nanodefect_assets.science.hrtem.fault_params import RegionParams
from nanodefect_assets.science.workflows.region_params import RegionFieldParams

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.science.workflows.training_regions import LabelledRegion
    from nanodefect_assets.stores.generations import StoredGeneration
    from nanodefect_assets.stores.home import Home

_ASSET = ("hrtem", "region_training_set")
_MANIFEST = AssetName(group="samples", noun="manifest")
_ANNOTATIONS = AssetName(group="samples", noun="annotations")
_SEGMENTATION = AssetName(group="hrtem", noun="segmentation")
_MICROGRAPHS = AssetName(group="samples", noun="micrographs")
_N_FIELDS: dict[RunSize, int] = {"fast": 24, "study": 300, "full": 1200}
_LEAST_PER_CLASS = 5


class SourceParams(BaseModel):
    """Where regions come from and how their micrographs are parted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_fields: int | None = Field(
        default=None, ge=0, le=100_000, description="Simulated fields. None: 24, 300 or 1200, by the size of the run."
    )
    use_experts: bool = Field(default=True, description="Whether particles that experts gave a class are taken.")
    calibration_fraction: float = Field(default=0.2, ge=0.05, le=0.5, description="Share of micrographs to calibrate.")
    test_fraction: float = Field(default=0.25, ge=0.05, le=0.5, description="Share of micrographs held out.")
    seed: int = Field(default=2021, ge=0, description="Of the sides; fields have field_seed.")


class RegionTrainingConfig(SourceParams, RegionParams, RegionFieldParams, dg.Config):
    """Launchpad form of what regions are made of."""

    def rules(self) -> RegionParams:
        """Return the rules of regions."""
        return RegionParams.model_validate({name: getattr(self, name) for name in RegionParams.model_fields})

    def fields(self) -> RegionFieldParams:
        """Return what is simulated."""
        return RegionFieldParams.model_validate({name: getattr(self, name) for name in RegionFieldParams.model_fields})


@dg.asset(
    key=list(_ASSET),
    deps=[["samples", "manifest"], ["samples", "annotations"], ["samples", "micrographs"], ["hrtem", "segmentation"]],
    group_name="hrtem",
    code_version="3",
    kinds={"zarr", "parquet"},
    check_specs=[
        declare_check(
            _ASSET, "every_class_on_every_side", "Each side has five regions of every class.", partitions=None
        )
    ],
)
def region_training_set(
    context: dg.AssetExecutionContext, config: RegionTrainingConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Regions with what they show: simulated ones, labelled by visibility, and those that experts gave a class.

    Whole micrographs are for training, for calibration or held out. It is made when somebody asks for it.
    """
    from nanodefect_assets.domain.schemas import TRAINING_REGIONS

    n_fields = _N_FIELDS[home.run_size] if config.n_fields is None else config.n_fields
    on_step, rows = log_steps(context.log), []
    experts = list(_labelled_samples(home.home)) if config.use_experts else []
    inputs = [source for sample in experts for source in vars(sample).values()]
    with making(context, home, inputs=inputs, params=config) as out:
        with compute.executor() as executor:
            made = in_order(executor, lambda number: _simulate(config, number), range(n_fields), ahead=2)
            for number, regions in made:
                rows += [_keep(out, found, about) for found, about in regions.result()]
                on_step(Progress(task="simulating regions", done=number + 1, total=n_fields))
        for sample in experts:
            for found, about in _expert_regions(config, sample):
                rows.append(_keep(out, found, about))
        out.n_items = len(rows)
        out.add_rows(TRAINING_REGIONS, _with_sides(rows, config))
    made_rows = upstream(context, home, *_ASSET).rows(TRAINING_REGIONS)
    counts = made_rows.groupby(["class_name", "side"]).size().unstack(fill_value=0)
    n_classes = len(_class_names())
    enough = counts.shape == (n_classes, 3) and bool((counts >= _LEAST_PER_CLASS).all(axis=None))
    return report(
        out,
        metadata={
            "n_regions": len(made_rows),
            "n_micrographs": int(made_rows["micrograph_id"].nunique()),
            "n_simulated": int(made_rows["is_simulated"].sum()),
            "classes": dg.MetadataValue.md(_table(counts)),
        },
        checks=[
            dg.AssetCheckResult(
                check_name="every_class_on_every_side",
                passed=enough,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"counts": dg.MetadataValue.md(_table(counts))},
            )
        ],
    )


def _class_names() -> tuple[str, ...]:
    from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES

    return FAULT_CLASSES


def _simulate(config: RegionTrainingConfig, number: int) -> "list[tuple[LabelledRegion, dict[str, Any]]]":
    """Return the regions of one simulated field and what is known of it."""
    from nanodefect_assets.science.synthetic.training_fields import simulate_field
    from nanodefect_assets.science.workflows.training_regions import draw_region_field, label_regions

    params = config.fields()
    field = draw_region_field(params, number)
    name = f"_/_/simulated-regions-{params.field_seed}/{field.material.lower()}-{number:05d}"
    made = simulate_field(field, seed=params.field_seed, number=number, micrograph_id=name)
    about = {"is_simulated": True, "material": field.material, "dose_e_per_nm2": field.dose_e_per_nm2}
    return [(found, about) for found in label_regions(made, field, params, config.rules())]


def _keep(out: Any, found: "LabelledRegion", about: dict[str, Any]) -> dict[str, Any]:
    keep_region(out, found.region)
    return {
        "region_id": found.region.region_id,
        "micrograph_id": found.region.micrograph_id,
        "class_name": found.class_name,
        "pixel_size_nm": found.region.pixel_size_nm,
        "misorientation_deg": found.misorientation_deg,
        "fault_tilt_deg": found.fault_tilt_deg,
        **about,
    }


def _with_sides(rows: list[dict[str, Any]], config: RegionTrainingConfig) -> list[dict[str, Any]]:
    import numpy as np

    from nanodefect_assets.domain.randomness import generator_for
    from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES, split_regions
    from nanodefect_assets.science.hrtem.fault_params import ForestParams

    shares = ForestParams(calibration_fraction=config.calibration_fraction, test_fraction=config.test_fraction)
    classes = np.array([FAULT_CLASSES.index(row["class_name"]) for row in rows], dtype=np.int64)
    micrographs = np.array([row["micrograph_id"] for row in rows], dtype=str)
    rng = generator_for(config.seed, "hrtem/region_training_set")
    split = split_regions(classes, micrographs, shares, rng=rng)
    sides = np.where(split.train, "train", np.where(split.test, "test", "calibration"))
    return [row | {"side": str(side)} for row, side in zip(rows, sides, strict=True)]


@dataclass(frozen=True, kw_only=True)
class _ExpertSample:
    """A sample of which experts classed particles."""

    files: "StoredGeneration"
    drawn: "StoredGeneration"
    masks: "StoredGeneration"
    images: "StoredGeneration"


def _labelled_samples(home: "Home") -> Iterator[_ExpertSample]:
    """Yield each sample of which experts classed particles."""
    from nanodefect_assets.domain.schemas import PARTICLE_LABELS
    from nanodefect_assets.stores.corrections import existing_cells
    from nanodefect_assets.stores.generations import current_generation

    for place in existing_cells(home):
        files, drawn, masks, images = (
            current_generation(home, asset, place) for asset in (_MANIFEST, _ANNOTATIONS, _SEGMENTATION, _MICROGRAPHS)
        )
        if files is None or drawn is None or masks is None or images is None:
            continue
        if len(drawn.rows(PARTICLE_LABELS)):
            yield _ExpertSample(files=files, drawn=drawn, masks=masks, images=images)


def _expert_regions(
    config: RegionTrainingConfig, sample: _ExpertSample
) -> "Iterator[tuple[LabelledRegion, dict[str, Any]]]":
    """Yield the calibrated HRTEM regions on which an expert's class lies; classes of other names are passed over."""
    from nanodefect_assets.domain.micrograph import LabelledMicrograph
    from nanodefect_assets.domain.schemas import MICROGRAPHS, PARTICLE_LABELS
    from nanodefect_assets.science.hrtem.regions import find_regions
    from nanodefect_assets.science.workflows.training_regions import LabelledRegion
    from nanodefect_assets.stores.manifests import read_sample_manifest
    from nanodefect_assets.stores.micrographs import read_micrograph

    labels, counts = sample.masks.arrays("labels"), sample.images.arrays("micrographs")
    known = sample.images.rows(MICROGRAPHS).set_index("micrograph_id")
    said, material = sample.drawn.rows(PARTICLE_LABELS), read_sample_manifest(sample.files).material
    for micrograph_id, given in said[said["class_name"].isin(_class_names())].groupby("micrograph_id"):
        item = str(micrograph_id)
        if item not in labels or item not in counts:
            continue
        micrograph = read_micrograph(counts, item)
        if micrograph.modality != "hrtem" or micrograph.pixel_size_nm is None:
            continue
        numbers = labels.read(item)
        classes = _classes_by_label(given, numbers)
        dose = known["dose_e_per_nm2"].get(item)
        for region in find_regions(LabelledMicrograph(micrograph=micrograph, labels=numbers), config.rules()):
            row = classes.get(int(region.region_id.rpartition("#")[2])) if region.kind == "particle" else None
            if row is not None and not region.touches_edge:
                about = {
                    "is_simulated": micrograph.is_simulated,
                    "label_file_id": row["label_file_id"],
                    "material": material,
                    "dose_e_per_nm2": None if dose is None or dose != dose else float(dose),
                }
                yield LabelledRegion(region=region, class_name=row["class_name"]), about


def _classes_by_label(given: "pd.DataFrame", numbers: "np.ndarray") -> dict[int, Any]:
    """Return the expert's rows by the particle on which they lie; a row that lies on none, or on a second, is lost."""
    found: dict[int, Any] = {}
    for row in given.dropna(subset=["row_px", "col_px"]).to_dict("records"):
        at = round(row["row_px"]), round(row["col_px"])
        if 0 <= at[0] < numbers.shape[0] and 0 <= at[1] < numbers.shape[1] and numbers[at]:
            found.setdefault(int(numbers[at]), row)
    return found


def _table(counts: "pd.DataFrame") -> str:
    lines = [f"| class | {' | '.join(map(str, counts.columns))} |", "|---" * (counts.shape[1] + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(map(str, row))} |" for name, row in zip(counts.index, counts.values, strict=True)
    ]
    return "\n".join(lines)
