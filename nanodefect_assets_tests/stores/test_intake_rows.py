import pytest

from nanodefect_assets.domain.manifest import Condition, Manifest, ManifestFile, RefusedFile
from nanodefect_assets.domain.schemas import ALIQUOTS, BATCHES, CONDITIONS, FILES, REFUSED
from nanodefect_assets.stores.intake_rows import aliquot_rows, batch_rows, condition_rows, file_rows, refused_rows
from nanodefect_assets.stores.rows import RowsWriter, read_rows


def file(path, aliquot, **given):
    known = {"sha256": "5ea1", "size_bytes": 10, "modality": "hrtem", "since_revision": "r0001"}
    return ManifestFile(path=path, aliquot=aliquot, **{**known, **given})


FULL = Manifest(
    batch="pd-1",
    revision="r0002",
    fingerprint="f",
    material="Pd",
    conditions=(
        Condition(name="temperature", value=90, unit="degC"),
        Condition(name="light", text_value="dark", aliquot="end"),
    ),
    aliquots=("end", "t0028800-r2", "t0057600"),
    files=(
        file("a.tif", "end", is_simulated=True),
        file("b.tif", "t0028800-r2", is_simulated=True),
        file("b.png", "t0028800-r2", modality="labels", label_of="b.tif", is_simulated=True),
    ),
    refused=(RefusedFile(path="c.tif", reason="blank_image", expected="x", got="y"),),
)
EMPTY = Manifest(batch="pd-1", revision="r0001", fingerprint="f")
MAKERS = [
    (BATCHES, batch_rows),
    (ALIQUOTS, aliquot_rows),
    (CONDITIONS, condition_rows),
    (FILES, file_rows),
    (REFUSED, refused_rows),
]


@pytest.mark.parametrize("manifest", [FULL, EMPTY], ids=["full", "empty"])
@pytest.mark.parametrize(("table", "make"), MAKERS, ids=lambda value: getattr(value, "name", ""))
def test_rows_are_those_of_their_table_and_come_back(tmp_path, table, make, manifest):
    rows = make(manifest)
    writer = RowsWriter(tmp_path / "rows.parquet", table)
    writer.add(rows)
    writer.close()

    assert len(read_rows(tmp_path / "rows.parquet", table)) == len(rows)
    assert list(rows.columns) == list(table.names)


def test_a_batch_is_counted():
    [row] = batch_rows(FULL).to_dict("records")

    assert (row["n_aliquots"], row["n_files"], row["n_refused"], row["size_bytes"]) == (2, 3, 1, 30)
    assert row["is_simulated"] is True
    assert not batch_rows(FULL.model_copy(update={"files": (*FULL.files, file("d", "end"))}))["is_simulated"][0]


def test_aliquots_without_files_are_rows_too():
    rows = aliquot_rows(FULL).set_index("aliquot_time")

    assert rows["n_files"].to_dict() == {"end": 1, "t0028800-r2": 2, "t0057600": 0}
    assert rows["aliquot_label"].to_dict() == {"end": "end", "t0028800-r2": "8 h r2", "t0057600": "16 h"}
    assert rows["growth_time_s"].dropna().to_dict() == {"t0028800-r2": 28800, "t0057600": 57600}
    assert rows["replicate"].to_dict() == {"end": 1, "t0028800-r2": 2, "t0057600": 1}


def test_conditions_are_numbers_with_units_or_text():
    rows = condition_rows(FULL)

    assert rows["value"].isna().tolist() == [False, True]
    assert rows["text_value"].isna().tolist() == [True, False]
    assert rows["aliquot_time"].isna().tolist() == [True, False]


def test_files_are_named_by_batch_aliquot_and_path():
    rows = file_rows(FULL).set_index("file_id")

    assert rows.loc["pd-1/t0028800-r2/b.png", "label_of"] == "b.tif"
    assert refused_rows(FULL)["asset"].tolist() == ["samples/intake"]
