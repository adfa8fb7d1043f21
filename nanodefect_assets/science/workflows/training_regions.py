"""Simulated regions to train a fault classifier, each with what can be seen of its particle.

Particles that lie together are one region, as a threshold or a network sees them that knows no instances.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import expand_labels

from nanodefect_assets.domain.micrograph import LabelledMicrograph
from nanodefect_assets.domain.randomness import generator_for
from nanodefect_assets.science.hrtem.fault_params import RegionParams
from nanodefect_assets.science.hrtem.regions import Region, find_regions, sample_background
from nanodefect_assets.science.imaging.masks import label_mask
from nanodefect_assets.science.synthetic.params import HrtemFieldParams
from nanodefect_assets.science.synthetic.training_fields import draw_field
from nanodefect_assets.science.synthetic.truth import AGGLOMERATION, PlantedParticle, SimulatedField
from nanodefect_assets.science.workflows.region_params import RegionFieldParams

BACKGROUND = "background"


@dataclass(frozen=True, kw_only=True)
class LabelledRegion:
    """A region and what an expert should call it.

    Attributes
    ----------
    region : Region
        Where it is and how it looks.
    class_name : str
        One of the classes of chapter 3, by what shows along the beam.
    misorientation_deg, fault_tilt_deg : float or None
        How its particle lies; None for background and agglomerates.
    """

    region: Region
    class_name: str
    misorientation_deg: float | None = None
    fault_tilt_deg: float | None = None


def draw_region_field(params: RegionFieldParams, number: int) -> HrtemFieldParams:
    """Return what field `number` holds and how it is seen; it does not depend on the other fields."""
    field = draw_field(params, number)
    low, high = params.thermal_rms_angstrom
    rng = generator_for(params.field_seed, "region_field", str(number))
    return field.model_copy(
        update={
            "multiply_twinned_fraction": 0.0,
            "faulted_fraction": params.faulted_fraction,
            "edge_on_fraction": params.edge_on_fraction,
            "overlapping_fraction": params.overlap_fraction,
            "thermal_rms_angstrom": round(rng.uniform(low, high), 4),
            "zincblende_fraction": params.zincblende_fraction if field.material == "CdSe" else 0.0,
        }
    )


def label_regions(
    field: SimulatedField, field_params: HrtemFieldParams, params: RegionFieldParams, rules: RegionParams
) -> Iterator[LabelledRegion]:
    """Yield the whole regions of a simulated field with their classes, then samples of its support.

    Regions that the frame cuts, that were cut off an agglomerate or that experts would pass over are left out.
    """
    joined = label_mask(field.labels > 0)
    labelled = LabelledMicrograph(micrograph=field.micrograph, labels=_as_segmented(joined, field, params))
    members, forms = _members(joined, field.labels, params.min_share), []
    for region in find_regions(labelled, rules):
        if region.kind != "particle" or region.touches_edge:
            continue
        forms.append(region.mask)
        inside = [field.particles[label - 1] for label in members[int(region.region_id.rpartition("#")[2])]]
        found = _classed(region, inside, field_params, params)
        if found is not None:
            yield found
    rng = generator_for(params.field_seed, "background", field.micrograph.micrograph_id)
    n = int(rng.poisson(params.backgrounds_per_field))
    for region in sample_background(labelled, n, forms, rng=rng):
        yield LabelledRegion(region=region, class_name=BACKGROUND)


def _as_segmented(
    joined: Int[np.ndarray, "row col"], field: SimulatedField, params: RegionFieldParams
) -> Int[np.ndarray, "row col"]:
    """Return labels whose outlines are off by as much all around, as those of a segmenter are."""
    low, high = params.outline_error_nm
    error_nm = generator_for(params.field_seed, "outlines", field.micrograph.micrograph_id).uniform(low, high)
    error_px = error_nm / (field.micrograph.pixel_size_nm or np.inf)
    if error_px >= 0:
        return expand_labels(joined, error_px).astype(joined.dtype)  # pyright: ignore[reportArgumentType] - any number
    return np.where(distance_transform_edt(joined > 0) > -error_px, joined, 0)


def _members(
    joined: Int[np.ndarray, "row col"], labels: Int[np.ndarray, "row col"], min_share: float
) -> dict[int, list[int]]:
    """Return the particles that fill at least `min_share` of each region."""
    n = int(labels.max(initial=0)) + 1
    areas = np.bincount((joined.astype(np.int64) * n + labels).ravel(), minlength=(int(joined.max(initial=0)) + 1) * n)
    areas = areas.reshape(-1, n)[:, 1:]
    return {
        at: (np.flatnonzero(row >= min_share * row.sum()) + 1).tolist() for at, row in enumerate(areas) if row.any()
    }


def _classed(
    region: Region, inside: list[PlantedParticle], field: HrtemFieldParams, params: RegionFieldParams
) -> LabelledRegion | None:
    if len(inside) > 1:
        return LabelledRegion(region=region, class_name=AGGLOMERATION)
    particle = inside[0]
    crystal, visible_deg = particle.crystal, field.visible_tilt_deg
    tilts_deg = (
        (crystal.misorientation_deg, crystal.fault_tilt_deg) if crystal.faults else (crystal.misorientation_deg,)
    )
    if any(visible_deg < tilt_deg <= visible_deg + params.unsure_tilt_deg for tilt_deg in tilts_deg):
        return None
    return LabelledRegion(
        region=region,
        class_name=particle.class_name,
        misorientation_deg=crystal.misorientation_deg,
        fault_tilt_deg=crystal.fault_tilt_deg,
    )
