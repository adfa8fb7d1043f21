"""Sections of a batch's page about shares: what is oriented and faulted, and which hand is rarer."""

import pandas as pd

from nanodefect_assets.domain.keys import aliquot_label
from nanodefect_assets.domain.schemas import DEFECT_RATES, HANDEDNESS_FRACTIONS
from nanodefect_assets.plots.page import PagePicture, PageSection, PageTable
from nanodefect_assets.plots.png import figure_png
from nanodefect_assets.plots.rates import plot_rates
from nanodefect_assets.stores.generations import StoredGeneration

_PICTURE_BYTES = 100_000
_ENDS = {"value": "", "low": "_low", "high": "_high"}
_RATES = {"oriented": "show columns, of single particles", "faulted": "show a fault, of those that show columns"}
_FAULTS_SAY = (
    "Classes say what is visible along the beam. Corrected: for what the classifier confused on its held-out regions. "
    "Intervals are of 95 %, clustered by micrograph; those of corrected shares hold the uncertainty of the confusion."
)
_HANDS_SAY = "As the model calls them, not corrected for its errors. Intervals are of 95 %, clustered by micrograph."


def faults_section(found: StoredGeneration | None) -> PageSection | None:
    """Return the shares of oriented and faulted particles; None if there are none."""
    if found is None or (rows := found.rows(DEFECT_RATES)).empty:
        return None
    header = ("aliquot", "share of", "particles", "micrographs", "counted", "95 %", "corrected", "95 %", "classifier")
    table = PageTable(header=header, rows=tuple(_faults_row(row) for row in rows.to_dict("records")))
    refused = rows[rows["refused"].notna()]
    said = [f"{_aliquot(row)}, {row['rate']}: no share. {row['refused']}" for row in refused.to_dict("records")]
    pictures = tuple(
        _picture(f"Particles that {meaning}", rows[(rows["rate"] == rate) & rows["refused"].isna()])
        for rate, meaning in _RATES.items()
        if ((rows["rate"] == rate) & rows["refused"].isna()).any()
    )
    return PageSection(heading="Faults", paragraphs=(_FAULTS_SAY, *said), tables=(table,), pictures=pictures)


def hands_section(found: StoredGeneration | None) -> PageSection | None:
    """Return the share of the rarer hand; None if there is none."""
    if found is None or (rows := found.rows(HANDEDNESS_FRACTIONS)).empty:
        return None
    header = ("aliquot", "particles", "micrographs", "of the rarer hand", "share", "95 %", "left-handed")
    table = PageTable(header=header, rows=tuple(_hands_row(row) for row in rows.to_dict("records")))
    shares = rows.rename(columns={f"minority_fraction{end}": f"value{end}" for end in ("", "_low", "_high")})
    picture = _drawn("Share of the rarer hand.", shares, {"counted": "value"})
    return PageSection(heading="Handedness", paragraphs=(_HANDS_SAY,), tables=(table,), pictures=(picture,))


def _aliquot(row: dict) -> str:
    key = row["aliquot_time"]
    name = "whole batch" if pd.isna(key) else aliquot_label(str(key))
    return f"{name}, simulated" if row["is_simulated"] else name


def _faults_row(row: dict) -> tuple[str, ...]:
    shares = (_share(row["raw"]), _interval(row, "raw"), _share(row["corrected"]), _interval(row, "corrected"))
    version = "" if pd.isna(row["model_version"]) else str(row["model_version"])
    return (_aliquot(row), str(row["rate"]), str(row["n_particles"]), str(row["n_micrographs"]), *shares, version)


def _hands_row(row: dict) -> tuple[str, ...]:
    counted = (str(row["n_particles"]), str(row["n_micrographs"]), str(row["n_minority"]))
    share = (_share(row["minority_fraction"]), _interval(row, "minority_fraction"))
    return (_aliquot(row), *counted, *share, _share(row["left_fraction"]))


def _share(value: float) -> str:
    return "not known" if pd.isna(value) else f"{value:.3f}"


def _interval(row: dict, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "not known" if pd.isna(low) else f"{low:.3f} to {high:.3f}"


def _picture(caption: str, rows: pd.DataFrame) -> PagePicture:
    return _drawn(f"{caption}.", rows, {"counted": "raw", "corrected": "corrected"})


def _drawn(caption: str, rows: pd.DataFrame, kinds: dict[str, str]) -> PagePicture:
    labels = [_aliquot(row) for row in rows.to_dict("records")]
    shown = {
        kind: pd.DataFrame({part: rows[f"{name}{end}"] for part, end in _ENDS.items()}) for kind, name in kinds.items()
    }
    return PagePicture(png=figure_png(plot_rates(labels, shown, title=caption), _PICTURE_BYTES), caption=caption)
