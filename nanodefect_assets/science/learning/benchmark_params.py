"""Free parameters of the comparison of models on held-out micrographs."""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _check_rising(edges: list[float]) -> list[float]:
    if any(low >= high for low, high in pairwise(edges)) or any(edge <= 0 for edge in edges):
        raise ValueError(f"Expected rising edges above 0. Got {edges}.")
    return edges


Edges = Annotated[list[float], AfterValidator(_check_rising)]


class BenchmarkParams(BaseModel):
    """Free parameters of `score_contenders` and `parts_of`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dose_edges_e_per_nm2: Edges = Field(
        default=[32_000.0], description="Doses that part the grid, such as the middle of the simulated ones."
    )
    pixel_edges_nm: Edges = Field(default=[0.04], description="Pixel sizes that part the grid.")
    n_resamples: int = Field(default=5000, ge=100, le=100_000, description="Times that micrographs are drawn again.")
    benchmark_seed: int = Field(default=2021, ge=0, description="Of drawing micrographs again.")
