"""Images that a tilt series names: of a standard sample, and of its own sample before and after."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from nanodefect_assets.domain.micrograph import MODALITIES
from nanodefect_assets.domain.refusal import Refusal

if TYPE_CHECKING:
    from nanodefect_assets.stores.intake_plan import PlannedFile


def without_lonely(planned: "Mapping[str, PlannedFile]", refusals: dict[str, Refusal]) -> "dict[str, PlannedFile]":
    """Move tilt series to `refusals` whose images of a standard, or of before and after, are not there."""
    found = {path: why for path, file in planned.items() for why in _missing(file, planned)}
    refusals |= found
    return {path: file for path, file in planned.items() if path not in found}


def _missing(file: "PlannedFile", planned: "Mapping[str, PlannedFile]") -> Iterator[Refusal]:
    """Yield what is wrong with the images that a tilt series names."""
    entry = file.entry
    named = (
        ("standard", entry.standard, ("standard",)),
        ("image_before", entry.image_before, MODALITIES),
        ("image_after", entry.image_after, MODALITIES),
    )
    for name, path, modalities in named:
        other = None if path is None else planned.get(path)
        if path is None or (other is not None and _serves(other, file, modalities)):
            continue
        yield Refusal(
            "no_such_image",
            expected=f"{path}, which {name} names, as a single image of modality {' or '.join(modalities)} in the same "
            "aliquot",
            got="none" if other is None else f"modality {other.entry.modality}, {other.facts.kind}".replace("_", " "),
            advice=f"Declare that file, or take {name} out of batch.yaml.",
        )
        return
    before, after = (planned.get(path or "") for path in (entry.image_before, entry.image_after))
    if before is not None and after is not None and before.facts.shape != after.facts.shape:
        yield Refusal(
            "shapes_differ",
            expected=f"image_after of the shape of image_before, {before.facts.shape}",
            got=f"{after.facts.shape}",
            advice="Name two images that were taken alike, or neither.",
        )


def _serves(other: "PlannedFile", series: "PlannedFile", modalities: tuple[str, ...]) -> bool:
    is_single = other.facts.kind == "image" and other.aliquot == series.aliquot
    return is_single and other.entry.modality in modalities
