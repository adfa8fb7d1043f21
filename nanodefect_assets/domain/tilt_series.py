"""A tilt series: images of one sample, from where each was taken, and how bright it is."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int

from nanodefect_assets.domain.tilt_geometry import TiltGeometry


@dataclass(frozen=True, kw_only=True)
class TiltSeries:
    """Images of one sample from many sides.

    Attributes
    ----------
    images : ndarray of shape (tilt, row, col)
        Intensity, of 32 bits; what lies beside the sample is near zero. May hold values that are not finite: whoever
        reconstructs refuses them.
    geometry : TiltGeometry
        Angles and shifts of each view.
    factors : ndarray of shape (tilt,)
        By what each image is brighter than it should be.
    pixel_size_nm : float or None
        Edge of a square pixel, in nanometres; None if the series was declared uncalibrated.
    dose_e_per_nm2 : float or None
        Electron dose of one image; None if not known.
    """

    images: Float[np.ndarray, "tilt row col"]
    geometry: TiltGeometry
    factors: Float[np.ndarray, " tilt"]
    pixel_size_nm: float | None
    dose_e_per_nm2: float | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 3 or self.images.dtype != np.float32:
            raise ValueError(
                f"Expected images (tilt, row, col) of float32. Got {self.images.shape} {self.images.dtype}."
            )
        if not len(self.images) == len(self.geometry) == len(self.factors):
            raise ValueError(
                f"Expected as many images as angles and factors. "
                f"Got {len(self.images)}, {len(self.geometry)} and {len(self.factors)}."
            )
        if not (np.isfinite(self.factors).all() and (self.factors > 0).all()):
            raise ValueError(f"Expected positive factors. Got {float(np.min(self.factors))} as the smallest.")
        for name in ("pixel_size_nm", "dose_e_per_nm2"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"Expected {name} > 0 or None. Got {value}.")

    @classmethod
    def of(cls, images: Float[np.ndarray, "tilt row col"], geometry: TiltGeometry, pixel_size_nm: float | None) -> Self:
        """Return a series whose images need no factors."""
        factors = np.ones(len(images))
        return cls(images=images.astype(np.float32), geometry=geometry, factors=factors, pixel_size_nm=pixel_size_nm)

    def __len__(self) -> int:
        return len(self.images)

    def taken(self, selected: Bool[np.ndarray, " tilt"] | Int[np.ndarray, " chosen"]) -> Self:
        """Return some of the views."""
        return replace(
            self,
            images=self.images[selected],
            geometry=self.geometry.taken(selected),
            factors=self.factors[selected],
        )

    def levelled(self) -> Self:
        """Return the series with every image as bright as it should be."""
        images = self.images / self.factors[:, None, None].astype(np.float32)
        return replace(self, images=images, factors=np.ones(len(self)))
