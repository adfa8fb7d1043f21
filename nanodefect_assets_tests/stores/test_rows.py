from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanodefect_assets.domain.schemas import WRITTEN
from nanodefect_assets.domain.tables import Table, flag, integer, moment, number, text
from nanodefect_assets.stores.rows import RowsWriter, SchemaError, arrow_schema, check_rows, read_rows

REFERENCES = Path(__file__).parents[1] / "references"
THINGS = Table(
    name="things",
    meaning="A thing.",
    columns=(
        text("thing_id", "Name."),
        integer("n_parts", "Parts."),
        number("size_nm", "Size.", "nm", null=True),
        flag("is_round", "Whether it is round."),
        moment("made_at", "When."),
        text("note", "Note.", null=True),
    ),
    key=("thing_id",),
)


def write_rows(path, table, frame):
    writer = RowsWriter(path, table)
    writer.add(frame)
    writer.close()


def things(n=3, **columns):
    rows = {
        "thing_id": [f"t{i}" for i in range(n)],
        "n_parts": list(range(n)),
        "size_nm": [i / 3 for i in range(n)],
        "is_round": [i % 2 == 0 for i in range(n)],
        "made_at": pd.to_datetime(["2021-03-01T12:00:00.123456Z"] * n, utc=True),
        "note": ["ä|b"] * n,
    }
    return pd.DataFrame(rows | columns)


def test_rows_come_back_as_they_were(tmp_path):
    write_rows(tmp_path / "things.parquet", THINGS, things(note=["a", None, "c"]))
    found = read_rows(tmp_path / "things.parquet", THINGS)

    assert found["size_nm"].tolist() == things()["size_nm"].tolist()
    assert found["note"].isna().tolist() == [False, True, False]
    assert found["made_at"].tolist() == things()["made_at"].tolist()
    assert [str(dtype) for dtype in found.dtypes[1:4]] == ["int64", "float64", "bool"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        unique_by=lambda row: row[0],
        max_size=20,
    )
)
def test_any_values_survive(tmp_path, values):
    ids, counts, sizes = zip(*values, strict=True) if values else ((), (), ())
    frame = things(len(values), thing_id=list(ids), n_parts=pd.Series(counts, dtype="int64"), size_nm=list(sizes))
    write_rows(tmp_path / "things.parquet", THINGS, frame)
    found = read_rows(tmp_path / "things.parquet", THINGS)

    assert found["thing_id"].tolist() == list(ids)
    assert found["n_parts"].tolist() == list(counts)
    assert found["size_nm"].tolist() == list(sizes)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (things().drop(columns="size_nm"), "Missing: ['size_nm']"),
        (things().assign(extra=1), "Unknown: ['extra']"),
        (things(n_parts=["one", "two", "three"]), "things.n_parts"),
        (things(n_parts=[1.5, 2.0, 3.0]), "things.n_parts"),
        (things(size_nm=["1", "x", "3"]), "things.size_nm"),
        (things(is_round=["yes", "no", "no"]), "things.is_round"),
        (things(thing_id=[1, 2, 3]), "things.thing_id"),
        (things(made_at=["today"] * 3), "things.made_at"),
        (things(thing_id=["a", None, "c"]), "every row of things.thing_id. Missing: 1"),
        (things(is_round=[True, None, None]), "every row of things.is_round. Missing: 2"),
        (things(size_nm=[1.0, np.inf, 2.0]), "Got infinity"),
        (things(size_nm=[1.0, -np.inf, 2.0]), "Got infinity"),
        (things(thing_id=["a", "b", "a"]), "distinct"),
    ],
)
def test_rows_that_are_not_as_declared_are_refused(tmp_path, frame, message):
    with pytest.raises(SchemaError) as caught:
        write_rows(tmp_path / "things.parquet", THINGS, frame)

    assert message in str(caught.value)


def test_not_a_number_in_a_column_that_may_be_missing_is_missing():
    assert check_rows(THINGS, things(size_nm=[1.0, np.nan, 2.0])).column("size_nm").to_pylist() == [1.0, None, 2.0]


def test_columns_are_put_in_the_declared_order():
    frame = things()[list(reversed(THINGS.names))]

    assert tuple(check_rows(THINGS, frame).column_names) == THINGS.names


@pytest.mark.parametrize("table", WRITTEN, ids=lambda table: table.name)
def test_the_file_says_what_it_is(tmp_path, table):
    RowsWriter(tmp_path / "rows.parquet", table).close()
    schema = pq.read_schema(tmp_path / "rows.parquet")

    assert schema.equals(arrow_schema(table), check_metadata=True)
    for column in table.columns:
        field = schema.field(column.name)
        assert (field.metadata[b"unit"].decode(), field.nullable) == (column.unit, column.is_nullable)
    assert len(read_rows(tmp_path / "rows.parquet", table)) == 0


def test_many_small_additions_make_few_row_groups(tmp_path):
    writer = RowsWriter(tmp_path / "things.parquet", THINGS)
    for n in range(100):
        writer.add(things(thing_id=[f"{n}-{i}" for i in range(3)]))
    writer.close()

    assert pq.ParquetFile(tmp_path / "things.parquet").metadata.num_row_groups == 1
    assert writer.n_rows == len(read_rows(tmp_path / "things.parquet", THINGS)) == 300


def test_more_rows_than_a_row_group_holds_keep_their_order(tmp_path):
    writer = RowsWriter(tmp_path / "things.parquet", THINGS)
    ids = [f"{n:06d}" for n in range(130_000)]
    for part in (ids[:90_000], ids[90_000:]):
        writer.add(things(len(part), thing_id=part))
    writer.close()

    assert read_rows(tmp_path / "things.parquet", THINGS)["thing_id"].tolist() == ids
    assert pq.ParquetFile(tmp_path / "things.parquet").metadata.num_row_groups == 2


def test_rows_of_another_table_are_refused(tmp_path):
    write_rows(tmp_path / "things.parquet", THINGS, things())
    other = Table(name="others", meaning="Another.", columns=THINGS.columns, key=THINGS.key)
    with pytest.raises(SchemaError, match="nanodefect/others"):
        read_rows(tmp_path / "things.parquet", other)


def test_rows_of_a_version_to_come_are_refused(tmp_path):
    rows = check_rows(THINGS, things())
    pq.write_table(rows.replace_schema_metadata({"kind": "nanodefect/things", "version": "2"}), tmp_path / "t.parquet")
    with pytest.raises(SchemaError, match="'2'"):
        read_rows(tmp_path / "t.parquet", THINGS)


def test_rows_of_version_1_are_still_read():
    found = read_rows(REFERENCES / "generation-v1" / "things.parquet", THINGS)

    assert found.drop(columns=["made_at", "note"]).to_dict("records") == [
        {"thing_id": "t0", "n_parts": 0, "size_nm": 0.0, "is_round": True},
        {"thing_id": "t1", "n_parts": 1, "size_nm": 0.5, "is_round": False},
    ]
    assert found["note"].isna().tolist() == [False, True]
    assert found["made_at"].tolist() == things(2)["made_at"].tolist()
