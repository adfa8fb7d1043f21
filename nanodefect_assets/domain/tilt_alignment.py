"""Which images of a tilt series are used, where they lie, how bright they are and from where they look."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Bool, Float

from nanodefect_assets.domain.tilt_geometry import TiltGeometry


@dataclass(frozen=True, kw_only=True)
class TiltAlignment:
    """Shift, factor, background and angles of every image of a tilt series, used or not.

    Attributes
    ----------
    reasons : tuple of (str or None)
        Why an image is left out; None if it is used.
    shifts_px : ndarray of shape (tilt, 2)
        Where the sample's origin lies off the centre N // 2, along rows and columns.
    factors : ndarray of shape (tilt,)
        By what each image is brighter than it should be.
    background_counts : ndarray of shape (tilt,)
        What is taken from each image first.
    euler_deg : ndarray of shape (tilt, 3)
        phi, theta and psi of each view.
    r_factors : ndarray of shape (tilt,)
        sum|y - A x| / sum|y| on the grid on which images were matched; not a number where they were not.
    """

    reasons: tuple[str | None, ...]
    shifts_px: Float[np.ndarray, "tilt 2"]
    factors: Float[np.ndarray, " tilt"]
    background_counts: Float[np.ndarray, " tilt"]
    euler_deg: Float[np.ndarray, "tilt 3"]
    r_factors: Float[np.ndarray, " tilt"]

    def __post_init__(self) -> None:
        shapes = {
            "shifts_px": (2,),
            "factors": (),
            "background_counts": (),
            "euler_deg": (3,),
            "r_factors": (),
        }
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values.shape != (len(self.reasons), *shape):
                raise ValueError(f"Expected {name} of shape {(len(self.reasons), *shape)}. Got {values.shape}.")
            if name != "r_factors" and not np.isfinite(values).all():
                raise ValueError(f"Expected finite {name}. Got {int((~np.isfinite(values)).sum())} that are not.")
        if not (self.factors > 0).all():
            raise ValueError(f"Expected positive factors. Got {float(self.factors.min())} as the smallest.")

    @classmethod
    def as_it_came(cls, geometry: TiltGeometry, reasons: tuple[str | None, ...] | None = None) -> Self:
        """Return the alignment that changes no image."""
        n_tilts = len(geometry)
        return cls(
            reasons=(None,) * n_tilts if reasons is None else reasons,
            shifts_px=np.zeros((n_tilts, 2)),
            factors=np.ones(n_tilts),
            background_counts=np.zeros(n_tilts),
            euler_deg=geometry.euler_deg,
            r_factors=np.full(n_tilts, np.nan),
        )

    def __len__(self) -> int:
        return len(self.reasons)

    @property
    def is_used(self) -> Bool[np.ndarray, " tilt"]:
        """Which images are used."""
        return np.array([reason is None for reason in self.reasons], dtype=bool)

    @property
    def geometry(self) -> TiltGeometry:
        """Views of the images that are used, once they were moved to the middle."""
        euler_deg = self.euler_deg[self.is_used]
        return TiltGeometry(euler_deg=euler_deg, shifts_px=np.zeros((len(euler_deg), 2)))

    def without(self, reasons: dict[int, str]) -> Self:
        """Return the alignment with more images left out; reasons that stand stay."""
        kept = tuple(reason or reasons.get(n) for n, reason in enumerate(self.reasons))
        return replace(self, reasons=kept)

    def refined(self, found: TiltGeometry, r_factors: Float[np.ndarray, " used"]) -> Self:
        """Return the alignment with the angles of the used views as refined, and their shifts mended."""
        euler_deg, shifts_px, errors = self.euler_deg.copy(), self.shifts_px.copy(), np.full(len(self), np.nan)
        euler_deg[self.is_used] = found.euler_deg
        shifts_px[self.is_used] += found.shifts_px
        errors[self.is_used] = r_factors
        return replace(self, euler_deg=euler_deg, shifts_px=shifts_px, r_factors=errors)
