"""Single particles of scanning micrographs."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.progress import Progress
from nanodefect_assets.science.imaging.params import InstanceParams
from nanodefect_assets.science.sem.params import CropParams

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.stores.generations import GenerationWriter, StoredGeneration

CROPS = "crops"
PARTED = "parted"
_ASSET = ("sem", "te_crops")
_N_SHOWN = 24
_MOST_LEFT_OUT = 0.8


class CropConfig(CropParams, InstanceParams, dg.Config):
    """Launchpad form of everything that decides how particles are cut."""


@dg.asset(
    key=list(_ASSET),
    deps=[["hrtem", "segmentation"], ["hrtem", "particles"], ["samples", "micrographs"], ["samples", "manifest"]],
    partitions_def=sample,
    group_name="sem",
    code_version="5",
    kinds={"scikitimage", "zarr"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check(*_ASSET),
        declare_check(
            _ASSET,
            "particles_are_whole",
            "At least a fifth of the particles of a chiral sample is whole, large enough and counted only here.",
        ),
    ],
)
def te_crops(context: dg.AssetExecutionContext, config: CropConfig, home: HomeResource) -> dg.MaterializeResult:
    """Single particles of the scanning micrographs of a chiral batch: parted, masked, upright, counted once.

    Only for batches whose batch.yaml has a section `chirality`. Particles at an edge, too small, one on another, or in
    the overlap of two tiles and seen better in the other are rows without a crop; so are all of a pile.
    """
    from nanodefect_assets.domain.schemas import MAP_TILES, MICROGRAPHS, SEM_CROPS
    from nanodefect_assets.stores.manifests import read_sample_manifest

    files = upstream(context, home, "samples", "manifest")
    chirality = read_sample_manifest(files).chirality
    source, masks = upstream(context, home, "samples", "micrographs"), upstream(context, home, "hrtem", "segmentation")
    measured = upstream(context, home, "hrtem", "particles")
    images = source.rows(MICROGRAPHS)
    chosen = images[(images["modality"] == "sem") & (chirality is not None)]
    with making(context, home, inputs=[source, masks, measured, files], params=config) as out:
        out.add_rows(SEM_CROPS, [])
        cutter = _Cutter(context, config, source, masks, out)
        if len(chosen):
            is_ready_cut = chirality is not None and chirality.one_particle_per_image
            if is_ready_cut:
                cutter.take_whole(chosen)
            else:
                cutter.cut(chosen, measured.rows(MAP_TILES))
    rows = upstream(context, home, *_ASSET).rows(SEM_CROPS)
    n_cut = int(rows["crop_index"].notna().sum())
    return report(
        out,
        metadata={
            "n_particles": len(rows),
            "n_cut": n_cut,
            **{f"n_{why}": int(n) for why, n in rows["left_out"].value_counts().items()},
        },
        checks=[
            items_result(out),
            dg.AssetCheckResult(
                check_name="particles_are_whole",
                passed=len(rows) == 0 or n_cut >= (1 - _MOST_LEFT_OUT) * len(rows),
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"n_particles": len(rows), "n_cut": n_cut, **_advice(rows)},
            ),
        ],
        preview=_preview(context, home) if n_cut else None,
    )


def _advice(rows: "pd.DataFrame") -> dict[str, Any]:
    """Say what to do where most is left out because particles lie on one another."""
    n_cut = int(rows["crop_index"].notna().sum())
    if n_cut >= (1 - _MOST_LEFT_OUT) * len(rows) or not rows["left_out"].isin(["clump", "pile"]).any():
        return {}
    counts = ", ".join(f"{number} {why}" for why, number in rows["left_out"].value_counts().items())
    return {
        "why": f"Left out: {counts}. Of piles and clumps outlines are not found: cut particles by hand and drop them "
        "as ready-cut crops (one_particle_per_image in batch.yaml)."
    }


class _Cutter:
    """Cuts the particles of a sample into its generation."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        config: CropConfig,
        source: "StoredGeneration",
        masks: "StoredGeneration",
        out: "GenerationWriter",
    ) -> None:
        self._on_step, self._config, self._out = log_steps(context.log), config, out
        self._images, self._labels = source.arrays("micrographs"), masks.arrays("labels")

    def cut(self, micrographs: "pd.DataFrame", map_tiles: "pd.DataFrame") -> None:
        """Part, find what is seen twice by where tiles lie, cut."""
        from nanodefect_assets.science.imaging.tile_maps import find_seen_twice
        from nanodefect_assets.stores.arrays import ArraysReader

        items = [item for item in micrographs["micrograph_id"] if item in self._labels]
        self._out.arrays(PARTED)
        names = {item: found for item in items if (found := self._part(item)) is not None}
        parted = ArraysReader(self._out.folder / f"{PARTED}.zarr", PARTED)
        duplicates = find_seen_twice(map_tiles[map_tiles["micrograph_id"].isin(list(names))], parted)
        for n, item in enumerate(names):
            twins = {
                label: f"{other}#{names[other][kept - 1]}"
                for (tile, label), (other, kept) in duplicates.items()
                if tile == item
            }
            with self._out.item(item):
                self._cut_one(item, parted.read(item), names[item], twins)
            self._on_step(Progress(task="cutting", done=n + 1, total=len(names), detail=item))

    def take_whole(self, micrographs: "pd.DataFrame") -> None:
        """Take images that hold one ready-cut particle each."""
        import numpy as np

        from nanodefect_assets.domain.schemas import SEM_CROPS
        from nanodefect_assets.science.sem.crops import whole_image_crop
        from nanodefect_assets.stores.micrographs import read_micrograph

        for item in micrographs["micrograph_id"]:
            with self._out.item(item):
                micrograph = read_micrograph(self._images, item)
                crop = whole_image_crop(micrograph, self._config)
                rows, cols = np.nonzero(crop)
                self._out.add_array(CROPS, item, crop[None])
                row: dict[str, Any] = {
                    "particle_id": f"{item}#1",
                    "micrograph_id": item,
                    "is_simulated": micrograph.is_simulated,
                    "crop_index": 0,
                    "centroid_row_px": float(rows.mean()),
                    "centroid_col_px": float(cols.mean()),
                    "length_px": float(np.ptp(rows)) + 1,
                    "scale": 1.0,
                    "turn_deg": 0.0,
                }
                self._out.add_rows(SEM_CROPS, [row])

    def _part(self, item: str) -> list[str] | None:
        """Part the touching particles of a micrograph, keep the labels, and return their names; None if refused."""
        from nanodefect_assets.science.sem.crops import part_labels

        parting = InstanceParams.model_validate(
            {name: getattr(self._config, name) for name in InstanceParams.model_fields}
        )
        parted, names = part_labels(self._labels.read(item), parting, pixel_size_nm=self._images.pixel_size_nm(item))
        self._out.add_array(PARTED, item, parted)
        return names

    def _cut_one(self, item: str, labels: "np.ndarray", names: list[str], twins: dict[int, str]) -> None:
        import numpy as np

        from nanodefect_assets.domain.micrograph import LabelledMicrograph
        from nanodefect_assets.domain.schemas import SEM_CROPS
        from nanodefect_assets.science.sem.crops import cut_crops
        from nanodefect_assets.stores.micrographs import read_micrograph

        micrograph = read_micrograph(self._images, item)
        crops: list[np.ndarray] = []
        rows: list[dict[str, Any]] = []
        for cut in cut_crops(LabelledMicrograph(micrograph=micrograph, labels=labels), self._config):
            twin = twins.get(cut.number)
            is_cut = cut.crop is not None and twin is None
            row: dict[str, Any] = {
                "particle_id": f"{item}#{names[cut.number - 1]}",
                "micrograph_id": item,
                "is_simulated": micrograph.is_simulated,
                "crop_index": len(crops) if is_cut else None,
                "left_out": "duplicate" if twin else cut.left_out,
                "duplicate_of": twin,
                "centroid_row_px": cut.centroid_px[0],
                "centroid_col_px": cut.centroid_px[1],
                "length_px": cut.length_px,
                "scale": cut.scale if is_cut else None,
                "turn_deg": cut.turn_deg if is_cut else None,
            }
            rows.append(row)
            if is_cut and cut.crop is not None:
                crops.append(cut.crop)
        if crops:
            self._out.add_array(CROPS, item, np.stack(crops))
        self._out.add_rows(SEM_CROPS, rows)


def _preview(context: dg.AssetExecutionContext, home: HomeResource) -> bytes:
    from nanodefect_assets.plots.handedness import plot_crops
    from nanodefect_assets.plots.png import figure_png

    crops = upstream(context, home, *_ASSET).arrays(CROPS)
    shown: list[np.ndarray] = []
    for item in crops:
        shown += list(crops.read(item))
        if len(shown) >= _N_SHOWN:
            break
    return figure_png(plot_crops(shown[:_N_SHOWN]))
