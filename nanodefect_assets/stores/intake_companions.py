"""Images that a tilt series names: of a standard sample, and of its own sample before and after."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from nanodefect_assets.domain.calibration import RELATIVE_TOLERANCE
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
        ("standard", entry.standard, "standard"),
        ("image_before", entry.image_before, "comparison"),
        ("image_after", entry.image_after, "comparison"),
    )
    for name, path, modality in named:
        other = None if path is None else planned.get(path)
        if path is None or (other is not None and _serves(other, file, modality)):
            continue
        yield Refusal(
            "no_such_image",
            expected=f"{path}, which {name} names, as a single image of modality {modality} in the same aliquot",
            got="none" if other is None else f"modality {other.entry.modality}, {other.facts.kind}".replace("_", " "),
            advice=f"Declare that file, or take {name} out of batch.yaml.",
        )
        return
    before, after = (planned.get(path or "") for path in (entry.image_before, entry.image_after))
    if before is not None and after is not None:
        sizes_nm = (one.agreed.acquisition.pixel_size_nm for one in (before, after))
        try:
            require_alike(before.facts.shape, after.facts.shape, *sizes_nm)
        except Refusal as refusal:
            yield refusal


def require_alike(
    before: tuple[int, ...], after: tuple[int, ...], before_nm: float | None, after_nm: float | None
) -> None:
    """Refuse two images, of these shapes and pixel sizes, that cannot be compared pixel by pixel."""
    advice = "Name two images that were taken alike, or neither."
    if before != after:
        expected = f"image_after of the shape of image_before, {before}"
        raise Refusal("shapes_differ", expected=expected, got=f"{after}", advice=advice)
    if before_nm == after_nm:
        return
    if before_nm is None or after_nm is None or abs(before_nm - after_nm) > RELATIVE_TOLERANCE * before_nm:
        said = ["uncalibrated" if size_nm is None else f"{size_nm:.6g} nm/px" for size_nm in (before_nm, after_nm)]
        expected = f"image_after of the pixel size of image_before, {said[0]}"
        raise Refusal("pixel_sizes_differ", expected=expected, got=said[1], advice=advice)


def _serves(other: "PlannedFile", series: "PlannedFile", modality: str) -> bool:
    is_single = other.facts.kind == "image" and other.aliquot == series.aliquot
    return is_single and other.entry.modality == modality
