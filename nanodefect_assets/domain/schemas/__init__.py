"""Every table of the warehouse, declared once.

From these come the Parquet schema, the checks, the DuckDB tables with their comments and the README's data dictionary.
The loader puts `PROVENANCE` in front of every row: where it belongs and the generation that holds it.
"""

from nanodefect_assets.domain.schemas.atoms import (
    ATOM_CANDIDATES,
    ATOM_GRAINS,
    ATOM_ORDERS,
    ATOMIC_MODELS,
    ATOMS,
    DISLOCATIONS,
    EVIDENCE,
    GRAINS,
    PARTICLE_READINGS,
    PLANES,
)
from nanodefect_assets.domain.schemas.hrtem import (
    FAULT_SCORES,
    LABEL_AUDIT,
    MAP_TILES,
    MASK_SCORES,
    MASKS,
    PARTICLE_CLASSES,
    PARTICLES,
    TRAINING_MICROGRAPHS,
    TRAINING_REGIONS,
)
from nanodefect_assets.domain.schemas.models import (
    ARCHITECTURE_SCORES,
    BENCHMARK_SCORES,
    CHAMPIONS,
    MODEL_SCORES,
    STUDIES,
    THRESHOLD_SCORES,
    TRAININGS,
)
from nanodefect_assets.domain.schemas.population import (
    DEFECT_RATES,
    HANDEDNESS_FRACTIONS,
    SIZE_DISTRIBUTIONS,
    SIZE_HISTOGRAMS,
)
from nanodefect_assets.domain.schemas.samples import (
    ALIQUOTS,
    BATCHES,
    CONDITIONS,
    COORDINATES,
    CORRECTIONS,
    FILES,
    MICROGRAPHS,
    PARTICLE_LABELS,
    REFUSED,
    STRUCTURES,
    TILT_SERIES,
    TILTS,
)
from nanodefect_assets.domain.schemas.sem import HANDEDNESS, HANDEDNESS_MODELS, SEM_CROPS
from nanodefect_assets.domain.schemas.store import GENERATION_INPUTS, GENERATIONS, RUNS
from nanodefect_assets.domain.schemas.tomography import (
    ALIGNED_SERIES,
    ALIGNMENTS,
    DENOISED_TILTS,
    RECONSTRUCTED_TILTS,
    RECONSTRUCTIONS,
    REFINEMENT_ROUNDS,
    REFINEMENTS,
    SCAN_DISTORTIONS,
)
from nanodefect_assets.domain.tables import Column, Table, text

PROVENANCE: tuple[Column, ...] = (
    text("sample", "<batch>/<aliquot> of the row; _ stands for all, and _/_<cell> for a cell of a study."),
    text("synthesis_batch", "Key of the synthesis batch.", null=True),
    text("aliquot_time", "Key of the aliquot: t and the growth time in whole seconds, or end.", null=True),
    text("generation", "Generation of the asset that holds the row; see generations."),
    text("run_size", "Size in which the asset was made: fast, study or full."),
    text("params_hash", "First 12 hexadecimal digits of the SHA-256 of the asset's parameters."),
    text("code_version", "Version of the asset's science."),
)


def provenance_of(table: Table) -> tuple[Column, ...]:
    """Return the columns that the loader puts in front of a table: those of `PROVENANCE` that it does not declare."""
    return tuple(column for column in PROVENANCE if column.name not in table.names)


WRITTEN: tuple[Table, ...] = (
    BATCHES,
    ALIQUOTS,
    CONDITIONS,
    FILES,
    REFUSED,
    CORRECTIONS,
    MICROGRAPHS,
    TILT_SERIES,
    TILTS,
    DENOISED_TILTS,
    ALIGNED_SERIES,
    ALIGNMENTS,
    SCAN_DISTORTIONS,
    RECONSTRUCTIONS,
    RECONSTRUCTED_TILTS,
    REFINEMENTS,
    REFINEMENT_ROUNDS,
    STRUCTURES,
    COORDINATES,
    PARTICLE_LABELS,
    ATOM_CANDIDATES,
    ATOMIC_MODELS,
    ATOMS,
    ATOM_ORDERS,
    ATOM_GRAINS,
    GRAINS,
    PLANES,
    DISLOCATIONS,
    PARTICLE_READINGS,
    EVIDENCE,
    MASKS,
    MASK_SCORES,
    TRAINING_MICROGRAPHS,
    PARTICLES,
    MAP_TILES,
    TRAININGS,
    MODEL_SCORES,
    BENCHMARK_SCORES,
    THRESHOLD_SCORES,
    ARCHITECTURE_SCORES,
    CHAMPIONS,
    TRAINING_REGIONS,
    FAULT_SCORES,
    PARTICLE_CLASSES,
    LABEL_AUDIT,
    DEFECT_RATES,
    SIZE_DISTRIBUTIONS,
    SIZE_HISTOGRAMS,
    SEM_CROPS,
    STUDIES,
    HANDEDNESS_MODELS,
    HANDEDNESS,
    HANDEDNESS_FRACTIONS,
)
"""Tables that assets write as Parquet into their generations."""

DERIVED: tuple[Table, ...] = (GENERATIONS, GENERATION_INPUTS, RUNS)
"""Tables that the loader makes from the generations' own records."""

ALL: tuple[Table, ...] = WRITTEN + DERIVED

__all__ = [
    "ALIGNED_SERIES",
    "ALIGNMENTS",
    "ALIQUOTS",
    "ALL",
    "ARCHITECTURE_SCORES",
    "ATOMIC_MODELS",
    "ATOMS",
    "ATOM_CANDIDATES",
    "ATOM_GRAINS",
    "ATOM_ORDERS",
    "BATCHES",
    "BENCHMARK_SCORES",
    "CHAMPIONS",
    "CONDITIONS",
    "COORDINATES",
    "CORRECTIONS",
    "DEFECT_RATES",
    "DENOISED_TILTS",
    "DERIVED",
    "DISLOCATIONS",
    "EVIDENCE",
    "FAULT_SCORES",
    "FILES",
    "GENERATIONS",
    "GENERATION_INPUTS",
    "GRAINS",
    "HANDEDNESS",
    "HANDEDNESS_FRACTIONS",
    "HANDEDNESS_MODELS",
    "LABEL_AUDIT",
    "MAP_TILES",
    "MASKS",
    "MASK_SCORES",
    "MICROGRAPHS",
    "MODEL_SCORES",
    "PARTICLES",
    "PARTICLE_CLASSES",
    "PARTICLE_LABELS",
    "PARTICLE_READINGS",
    "PLANES",
    "PROVENANCE",
    "RECONSTRUCTED_TILTS",
    "RECONSTRUCTIONS",
    "REFINEMENTS",
    "REFINEMENT_ROUNDS",
    "REFUSED",
    "RUNS",
    "SCAN_DISTORTIONS",
    "SEM_CROPS",
    "SIZE_DISTRIBUTIONS",
    "SIZE_HISTOGRAMS",
    "STRUCTURES",
    "STUDIES",
    "THRESHOLD_SCORES",
    "TILTS",
    "TILT_SERIES",
    "TRAININGS",
    "TRAINING_MICROGRAPHS",
    "TRAINING_REGIONS",
    "WRITTEN",
    "provenance_of",
]
