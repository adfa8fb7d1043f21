"""Images that came with a tilt series: of a standard sample, and of its own sample before and after."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.defs.tomography.series import RawSeries
from nanodefect_assets.domain.manifest import Manifest, ManifestFile

if TYPE_CHECKING:
    import numpy as np

    from nanodefect_assets.science.tomography.changes import Change
    from nanodefect_assets.science.tomography.standard import ScanDistortion


@dataclass(frozen=True, kw_only=True)
class Companions:
    """What the images that came with a series say.

    Attributes
    ----------
    standard : ManifestFile or None
        Image of the standard sample.
    distortion : ScanDistortion or None
        What it shows of the scan coils.
    is_mended : bool
        Whether that is seen in the images of the series, which are then mended.
    change : Change or None
        What differs between the images before and after the series.
    not_compared : str or None
        Why these could not be compared.
    """

    standard: ManifestFile | None = None
    distortion: "ScanDistortion | None" = None
    is_mended: bool = False
    change: "Change | None" = None
    not_compared: str | None = None

    @property
    def scan_matrix(self) -> "np.ndarray | None":
        """Steps of the scan that are to be mended; None for none."""
        return self.distortion.matrix if self.distortion is not None and self.is_mended else None


def read_companions(home: HomeResource, manifest: Manifest, raw: RawSeries) -> Companions:
    """Read and measure the images that batch.yaml names for a series."""
    from nanodefect_assets.science.tomography.standard import measure_standard

    standard, distortion, change, not_compared = None, None, None, None
    if raw.file.standard is not None:
        standard, image = _image(home, manifest, raw.file.standard)
        distortion = measure_standard(image, standard.lattice or "square")
    if raw.file.image_before is not None and raw.file.image_after is not None:
        change, not_compared = _change(home, manifest, raw.file.image_before, raw.file.image_after)
    return Companions(
        standard=standard,
        distortion=distortion,
        is_mended=distortion is not None and distortion.is_seen_in(raw.first.shape[2]),
        change=change,
        not_compared=not_compared,
    )


def _change(home: HomeResource, manifest: Manifest, before: str, after: str) -> "tuple[Change | None, str | None]":
    """Return what differs between two images, or why they cannot be compared: that is no reason to lose the series."""
    from nanodefect_assets.domain.refusal import Refusal
    from nanodefect_assets.science.tomography.changes import compare_images
    from nanodefect_assets.stores.intake_companions import require_alike

    (first, one), (second, other) = (_image(home, manifest, path) for path in (before, after))
    sizes_nm = [file.acquisition.pixel_size_nm for file in (first, second)]
    try:
        require_alike(one.shape, other.shape, sizes_nm[0], sizes_nm[1])
        return compare_images(one, other, sizes_nm[0]), None
    except Refusal as refusal:
        return None, f"{before} and {after} cannot be compared: {refusal}"


def _image(home: HomeResource, manifest: Manifest, path: str) -> "tuple[ManifestFile, np.ndarray]":
    from nanodefect_assets.domain.refusal import Refusal
    from nanodefect_assets.stores.raw.read import read_frames
    from nanodefect_assets.stores.revisions import raw_path

    file = next((file for file in manifest.files if file.path == path), None)
    if file is None:
        raise Refusal(
            "no_such_image",
            expected=f"{path}, which batch.yaml names for this series",
            got="none in force",
            advice="Restore the image, or take it out of the entry of the series.",
        )
    frames = read_frames(raw_path(home.home, manifest, file), file.modality, row_order=file.acquisition.row_order)
    return file, next(iter(frames))


def distortion_row(raw: RawSeries, companions: Companions) -> dict[str, Any] | None:
    """Return the row of `SCAN_DISTORTIONS` of a series; None if no standard came with it."""
    standard, found = companions.standard, companions.distortion
    if standard is None or found is None:
        return None
    edge_px, edge_sigma_px = found.edge_px(raw.first.shape[2])
    sample = raw.first.tilt_series_id.removesuffix(f"/{raw.file.path}")
    return {
        "tilt_series_id": raw.first.tilt_series_id,
        "standard_file_id": f"{sample}/{standard.path}",
        "lattice": standard.lattice,
        "period_px": found.period_px,
        "stretch": found.stretch,
        "stretch_sigma": found.stretch_sigma,
        "shear_deg": found.shear_deg,
        "shear_sigma_deg": found.shear_sigma_deg,
        "edge_px": edge_px,
        "edge_sigma_px": edge_sigma_px,
        "spread_ratio": found.spread_ratio,
        "is_mended": companions.is_mended,
    }


def change_columns(repeated: "Change | None", change: "Change | None") -> dict[str, float | None]:
    """Return what `ALIGNED_SERIES` has of images of one tilt, and of those before and after."""
    return {
        "repeat_excess": None if repeated is None else repeated.excess,
        "before_after_excess": None if change is None else change.excess,
        "before_after_residual": None if change is None else float(change.residuals[change.worst]),
        "before_after_factor": None if change is None else change.factor,
        "before_after_area_ratio": None if change is None else change.area_ratio,
        "before_after_lattice_ratio": None if change is None else change.lattice_ratio,
    }


def sample_doubts(repeated: "Change | None", not_compared: list[str], companions: Companions) -> list[str]:
    """Say what changed in the sample, and which images could not be compared."""
    changes = (("images of one tilt", repeated), ("images before and after", companions.change))
    seen = [f"{name} {change.in_words()}" for name, change in changes if change is not None and change.is_seen]
    return [*seen, *not_compared, *([] if companions.not_compared is None else [companions.not_compared])]
