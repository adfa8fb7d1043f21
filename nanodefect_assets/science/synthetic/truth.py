"""What is known of a simulated micrograph."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.science.synthetic.zones import SeenCrystal

FAULT, NO_FAULT = "stacking fault visible", "no stacking fault"
MISORIENTED, AGGLOMERATION = "misoriented", "agglomeration"
_AGGLOMERATED_FRACTION = 0.05


@dataclass(frozen=True, kw_only=True)
class PlantedParticle:
    """One particle of a simulated micrograph.

    Attributes
    ----------
    label : int
        Its number in the label image.
    material : str
        What it is made of.
    kind : str
        Kind of its structure, such as ``single_crystal`` or ``faulted``.
    n_atoms : int
        Atoms.
    diameter_nm : float
        Diameter of a disc of the area of its whole silhouette.
    row_px, col_px : float
        Where the mean of its atoms lies.
    area_px : int
        Pixels of the frame that it covers, whether or not others lie over them.
    touches_edge : bool
        Whether the frame cuts it.
    overlapped_fraction : float
        Share of these pixels that another particle covers too.
    crystal : SeenCrystal
        How it lies under the beam.
    is_fault_visible : bool
        Whether geometry lets a planar fault show; not whether there is one.
    class_name : str
        What an expert should call it: one of the classes of chapter 3.
    """

    label: int
    material: str
    kind: str
    n_atoms: int
    diameter_nm: float
    row_px: float
    col_px: float
    area_px: int
    touches_edge: bool
    overlapped_fraction: float
    crystal: SeenCrystal
    is_fault_visible: bool
    class_name: str


@dataclass(frozen=True, kw_only=True)
class SimulatedField:
    """A simulated micrograph and everything that is in it.

    Attributes
    ----------
    micrograph : Micrograph
        The image; `is_simulated` is true.
    labels : ndarray of shape (row, col)
        Number of the uppermost particle of each pixel, 0 for none.
    overlap : ndarray of shape (row, col)
        Where two or more lie over one another.
    particles : tuple of PlantedParticle
        Those of which the frame shows at least a pixel, by their labels.
    """

    micrograph: Micrograph
    labels: Int[np.ndarray, "row col"]
    overlap: Bool[np.ndarray, "row col"]
    particles: tuple[PlantedParticle, ...]

    def labelled(self) -> LabelledMicrograph:
        """Return the micrograph with its labels, as segmentation takes and gives them."""
        return LabelledMicrograph(micrograph=self.micrograph, labels=self.labels)


def class_of(crystal: SeenCrystal, overlapped_fraction: float, visible_tilt_deg: float) -> str:
    """Return what an expert should call a particle; overlap goes first, and nothing shows without columns."""
    if overlapped_fraction > _AGGLOMERATED_FRACTION:
        return AGGLOMERATION
    if not crystal.shows_columns(visible_tilt_deg):
        return MISORIENTED
    return FAULT if crystal.shows_fault(visible_tilt_deg) else NO_FAULT
