"""Rows of the warehouse's tables that a manifest holds."""

from typing import Any

import pandas as pd

from nanodefect_assets.domain.keys import aliquot_label, growth_time_s, replicate_of
from nanodefect_assets.domain.manifest import Manifest, ManifestFile
from nanodefect_assets.domain.schemas import ALIQUOTS, BATCHES, CONDITIONS, FILES, REFUSED
from nanodefect_assets.domain.tables import Table

INTAKE = "samples/intake"
_PANDAS_TYPES = {"text": "str", "int": "Int64", "float": "float64", "bool": "bool"}


def _frame(table: Table, rows: list[dict[str, Any]]) -> pd.DataFrame:
    types = {column.name: _PANDAS_TYPES[column.type] for column in table.columns}
    return pd.DataFrame(rows, columns=list(table.names)).astype(types)


def batch_rows(manifest: Manifest) -> pd.DataFrame:
    """Return the row of `BATCHES`."""
    row = {
        "synthesis_batch": manifest.batch,
        "revision": manifest.revision,
        "material": manifest.material,
        "operator": manifest.operator,
        "robot_run_id": manifest.robot_run_id,
        "note": manifest.note,
        "is_simulated": all(file.is_simulated for file in manifest.files),
        "n_aliquots": len(manifest.cells()),
        "n_files": len(manifest.files),
        "n_refused": len(manifest.refused),
        "size_bytes": sum(file.size_bytes for file in manifest.files),
    }
    return _frame(BATCHES, [row])


def aliquot_rows(manifest: Manifest) -> pd.DataFrame:
    """Return the rows of `ALIQUOTS`: those declared, also where nothing of them was accepted."""
    rows = [
        {
            "synthesis_batch": manifest.batch,
            "aliquot_time": aliquot,
            "aliquot_label": aliquot_label(aliquot),
            "growth_time_s": growth_time_s(aliquot),
            "replicate": replicate_of(aliquot),
            "n_files": len(manifest.files_of(aliquot)),
        }
        for aliquot in manifest.aliquots
    ]
    return _frame(ALIQUOTS, rows)


def condition_rows(manifest: Manifest) -> pd.DataFrame:
    """Return the rows of `CONDITIONS`."""
    rows = [
        {
            "synthesis_batch": manifest.batch,
            "aliquot_time": condition.aliquot,
            "name": condition.name,
            "value": condition.value,
            "unit": condition.unit,
            "text_value": condition.text_value,
        }
        for condition in manifest.conditions
    ]
    return _frame(CONDITIONS, rows)


def file_rows(manifest: Manifest) -> pd.DataFrame:
    """Return the rows of `FILES`."""
    return _frame(FILES, [_file_row(manifest.batch, file) for file in manifest.files])


def _file_row(batch: str, file: ManifestFile) -> dict[str, Any]:
    return {
        "file_id": f"{batch}/{file.aliquot}/{file.path}",
        "synthesis_batch": batch,
        "aliquot_time": file.aliquot,
        "path": file.path,
        "sha256": file.sha256,
        "size_bytes": file.size_bytes,
        "modality": file.modality,
        "label_of": file.label_of,
        "revision": file.since_revision,
        "is_simulated": file.is_simulated,
    }


def refused_rows(manifest: Manifest) -> pd.DataFrame:
    """Return the rows of `REFUSED`."""
    rows = [{"asset": INTAKE, "item": file.path, **file.model_dump(exclude={"path"})} for file in manifest.refused]
    return _frame(REFUSED, rows)
