"""Free parameters of reconstruction."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Method = Literal["fasta", "sirt", "fbp"]
Backend = Literal["auto", "matrix", "splat", "fourier", "cuda"]


class FastaParams(BaseModel):
    """Free parameters of `fasta`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_iterations: int = Field(default=60, ge=1, le=100_000, description="Iterations at the finest grid, at most.")
    tolerance: float = Field(
        default=1e-3, ge=0, lt=1, description="Ends when the step's residual falls below this share of its largest."
    )
    sparsity: float = Field(
        default=0.0, ge=0, description="Weight of the sum of absolute values, in the images' units; 0 for none."
    )
    is_accelerated: bool = Field(
        default=True, description="Whether steps carry momentum, restarted where it points uphill; else steps adapt."
    )
    window: int = Field(default=10, ge=1, description="Past values that the misfit may rise to again.")
    max_backtracks: int = Field(default=20, ge=0, description="How often a step may be halved.")

    @classmethod
    def thesis(cls) -> Self:
        """Return the settings of the published reconstruction at full size."""
        return cls(n_iterations=300, tolerance=1e-6, sparsity=5.0)

    @classmethod
    def thesis_angles(cls) -> Self:
        """Return the settings of the published reconstructions while angles are refined."""
        return cls(n_iterations=50, tolerance=1e-5, sparsity=0.25)


class ReconstructionParams(FastaParams):
    """Free parameters of `reconstruct`."""

    compares_halves: bool = Field(
        default=True, description="Whether the even and the odd images are also reconstructed alone, and compared."
    )
    method: Method = Field(
        default="fasta", description="fasta, or for comparison sirt or fbp (filtered back-projection)."
    )
    backend: Backend = Field(
        default="auto",
        description="Projector. matrix: tilts about one axis; splat, fourier: any angles; cuda: on a GPU. auto: matrix "
        "where the angles allow it, else fourier.",
    )
    n_levels: int = Field(
        default=3, ge=1, le=5, description="Grids, each half as fine as the next; the first iterations see the coarse."
    )
    depth_px: int | None = Field(
        default=None, ge=1, le=4096, description="Voxels along the beam. None: as many as columns."
    )
    padding: float = Field(
        default=0.0, ge=0, le=1, description="Voxels added round the images' frame, as a share of it; published: 1/3."
    )
    background: Literal["none", "border"] = Field(
        default="none",
        description="What is taken from each image first. border: the median of its outermost pixels, for a particle "
        "that stands alone; none: nothing, for a film that fills the frame.",
    )
    support: Literal["everywhere", "shadow"] = Field(
        default="everywhere",
        description="Where the sample may be. shadow: only where no image is empty, by a margin of some pixels, for a "
        "particle that stands alone.",
    )
    max_memory_gb: float | None = Field(
        default=None, gt=0, description="Refuse what would need more. None: what the machine has free."
    )

    @classmethod
    def thesis(cls) -> Self:
        """Return the settings of the published reconstruction at full size."""
        return cls(**FastaParams.thesis().model_dump(), n_levels=1, padding=1 / 3, backend="splat")
