"""Atoms found in a volume, or in the projections themselves."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int

CLAIMED_CONTRAST = 1.3
"""The highest maximum of a volume of noise is hardly ever this much higher than its deepest minimum is deep."""


@dataclass(frozen=True, kw_only=True)
class PeakList:
    """Candidates for atoms: peaks of a volume.

    Attributes
    ----------
    positions_angstrom : ndarray of shape (peak, 3)
        Positions (x, y, z) from the volume's centre.
    height : ndarray of shape (peak,)
        Rise above the background, in the units of the volume.
    sigma_angstrom : ndarray of shape (peak,)
        Standard deviation of the Gaussian; not a number where none was fitted.
    contrast : ndarray of shape (peak,)
        Height over the depth of the deepest minimum of the volume: noise hardly makes more than 1. Infinite in a
        volume that is nowhere below its median.
    """

    positions_angstrom: Float[np.ndarray, "peak 3"]
    height: Float[np.ndarray, " peak"]
    sigma_angstrom: Float[np.ndarray, " peak"]
    contrast: Float[np.ndarray, " peak"]

    def __post_init__(self) -> None:
        for name in ("height", "sigma_angstrom", "contrast"):
            if len(getattr(self, name)) != len(self.positions_angstrom):
                raise ValueError(f"Expected {name} of {len(self)} peaks. Got {len(getattr(self, name))}.")

    def __len__(self) -> int:
        return len(self.positions_angstrom)

    @property
    def is_claimed(self) -> Bool[np.ndarray, " peak"]:
        """Which candidates the volume alone shows to be more than noise."""
        return self.contrast > CLAIMED_CONTRAST

    def taken(self, selected: Bool[np.ndarray, " peak"] | Int[np.ndarray, " chosen"]) -> Self:
        """Return some of the peaks."""
        return replace(
            self,
            positions_angstrom=self.positions_angstrom[selected],
            height=self.height[selected],
            sigma_angstrom=self.sigma_angstrom[selected],
            contrast=self.contrast[selected],
        )


@dataclass(frozen=True, kw_only=True)
class TracedAtoms:
    """Atoms refined against projections, with what is known of each; all but positions is NaN where none were.

    Attributes
    ----------
    positions_angstrom : ndarray of shape (atom, 3)
        Positions (x, y, z) from the origin of the tilt series.
    position_sigma_pm : ndarray of shape (atom, 3)
        Standard deviation of each coordinate, from the noise of the images.
    intensity, intensity_sigma : ndarray of shape (atom,)
        Sum of an atom's image, and its standard deviation.
    sigma_angstrom : ndarray of shape (atom,)
        Standard deviation of each atom's image.
    """

    positions_angstrom: Float[np.ndarray, "atom 3"]
    position_sigma_pm: Float[np.ndarray, "atom 3"]
    intensity: Float[np.ndarray, " atom"]
    intensity_sigma: Float[np.ndarray, " atom"]
    sigma_angstrom: Float[np.ndarray, " atom"]

    @classmethod
    def unrefined(cls, positions_angstrom: Float[np.ndarray, "atom 3"]) -> Self:
        """Return atoms of which nothing but the positions is known, as a volume gives them."""
        unknown = np.full(len(positions_angstrom), np.nan)
        return cls(
            positions_angstrom=positions_angstrom,
            position_sigma_pm=np.full_like(positions_angstrom, np.nan),
            intensity=unknown,
            intensity_sigma=unknown,
            sigma_angstrom=unknown,
        )

    def __len__(self) -> int:
        return len(self.positions_angstrom)

    @property
    def is_refined(self) -> bool:
        """Whether the images told how sure the positions are."""
        return not np.isnan(self.position_sigma_pm).any()

    @property
    def sigma_pm(self) -> Float[np.ndarray, " atom"]:
        """Standard deviation of a position, over all three coordinates."""
        return np.sqrt(np.sum(self.position_sigma_pm**2, axis=1))

    @property
    def significance(self) -> Float[np.ndarray, " atom"]:
        """Intensity over its standard deviation."""
        return self.intensity / self.intensity_sigma
