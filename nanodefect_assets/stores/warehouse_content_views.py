"""Views of the warehouse whose text depends on what it holds."""

import re
from collections.abc import Sequence
from itertools import count

from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.tables import Column, number, text
from nanodefect_assets.stores.warehouse_sql import sql_name, sql_text
from nanodefect_assets.stores.warehouse_views import View, declared


def measured_particles(*, is_all_simulated: bool) -> View:
    """Return the view that statistics start from: simulated rows count only where the warehouse has no others."""
    return View(
        name="measured_particles",
        meaning="Particles of measured micrographs, each once; those of simulated ones only if the whole warehouse is "
        "simulated.",
        columns=(*schemas.provenance_of(schemas.PARTICLES), *schemas.PARTICLES.columns),
        sql=f"SELECT * FROM particles WHERE duplicate_of IS NULL{'' if is_all_simulated else ' AND NOT is_simulated'}",
    )


def aliquot_conditions(conditions: Sequence[tuple[str, str | None, bool]]) -> View:
    """Return the view that has a column for every synthesis condition.

    Parameters
    ----------
    conditions : sequence of tuple
        Name and unit of each, and whether its value is a number.
    """
    fixed = (
        *declared(schemas.ALIQUOTS, "synthesis_batch", "aliquot_time", "aliquot_label", "growth_time_s"),
        text("material", "Material, as written in batch.yaml.", null=True),
    )
    taken = {column.name for column in fixed}
    columns, expressions = [], []
    for name, unit, is_number in conditions:
        column = _condition_column(name, unit, is_number=is_number, taken=taken)
        columns.append(column)
        expressions.append(f", {_condition_sql(name, unit, is_number=is_number)} AS {sql_name(column.name)}")
    return View(
        name="aliquot_conditions",
        meaning="Synthesis conditions of one aliquot, a column each: its own, or else those of its batch.",
        columns=(*fixed, *columns),
        sql=f"""
SELECT aliquots.synthesis_batch, aliquots.aliquot_time, any_value(aliquots.aliquot_label) AS aliquot_label,
       any_value(aliquots.growth_time_s) AS growth_time_s, any_value(batches.material) AS material{"".join(expressions)}
FROM aliquots
LEFT JOIN batches USING (synthesis_batch)
LEFT JOIN conditions ON conditions.synthesis_batch = aliquots.synthesis_batch
    AND (conditions.aliquot_time IS NULL OR conditions.aliquot_time = aliquots.aliquot_time)
GROUP BY aliquots.synthesis_batch, aliquots.aliquot_time
""",
    )


def _condition_column(name: str, unit: str | None, *, is_number: bool, taken: set[str]) -> Column:
    """Declare the column of one condition under a name that needs no quotes and is not `taken`, and take it."""
    words = f"{name} {(unit or '').replace('/', ' per ').replace('%', ' percent ')}"
    slug = re.sub(r"[^0-9a-z]+", "_", words.lower()).strip("_") or "condition"
    candidates = (slug if n == 1 else f"{slug}_{n}" for n in count(1))
    free = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(free)
    meaning = f"Condition {name}, as written in batch.yaml."
    return number(free, meaning, unit or "", null=True) if is_number else text(free, meaning, null=True)


def _condition_sql(name: str, unit: str | None, *, is_number: bool) -> str:
    value = "conditions.value" if is_number else "conditions.text_value"
    has_unit = f"conditions.unit IS NOT DISTINCT FROM {'NULL' if unit is None else sql_text(unit)}"
    matches = f"conditions.name = {sql_text(name)} AND {has_unit} AND {value} IS NOT NULL"
    own = f"any_value({value}) FILTER (WHERE {matches} AND conditions.aliquot_time IS NOT NULL)"
    shared = f"any_value({value}) FILTER (WHERE {matches} AND conditions.aliquot_time IS NULL)"
    return f"coalesce({own}, {shared})"
