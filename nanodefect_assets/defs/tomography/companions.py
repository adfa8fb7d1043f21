"""Images that came with a tilt series: of a standard sample, and of its own sample before and after."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.defs.tomography.series import RawSeries
from nanodefect_assets.domain.manifest import Manifest, ManifestFile

if TYPE_CHECKING:
    import numpy as np

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
    before_after_correlation : float or None
        How alike the sample looks before and after the series.
    """

    standard: ManifestFile | None = None
    distortion: "ScanDistortion | None" = None
    is_mended: bool = False
    before_after_correlation: float | None = None

    @property
    def scan_matrix(self) -> "np.ndarray | None":
        """Steps of the scan that are to be mended; None for none."""
        return self.distortion.matrix if self.distortion is not None and self.is_mended else None


def read_companions(home: HomeResource, manifest: Manifest, raw: RawSeries) -> Companions:
    """Read and measure the images that batch.yaml names for a series."""
    from nanodefect_assets.science.tomography.prepare import likeness
    from nanodefect_assets.science.tomography.standard import measure_standard

    standard, distortion, alike = None, None, None
    if raw.file.standard is not None:
        standard, image = _image(home, manifest, raw.file.standard)
        distortion = measure_standard(image, standard.lattice or "square")
    if raw.file.image_before is not None and raw.file.image_after is not None:
        before, after = (_image(home, manifest, path)[1] for path in (raw.file.image_before, raw.file.image_after))
        alike = likeness(before, after)
    return Companions(
        standard=standard,
        distortion=distortion,
        is_mended=distortion is not None and distortion.is_seen_in(raw.first.shape[2]),
        before_after_correlation=alike,
    )


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
        "is_mended": companions.is_mended,
    }
