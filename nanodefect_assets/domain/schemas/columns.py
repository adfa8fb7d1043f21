"""Columns that many tables have."""

from nanodefect_assets.domain.tables import flag, text

BATCH = text("synthesis_batch", "Key of the synthesis batch.")
ALIQUOT = text("aliquot_time", "Key of the aliquot: t and the growth time in whole seconds, or end.")
MICROGRAPH = text("micrograph_id", "The micrograph: <batch>/<aliquot>/<path below the batch>.")
SIMULATED = flag("is_simulated", "Whether a computer made the image.")
UNIT = text("length_unit", "nm, or px for micrographs that were declared uncalibrated.")
