import pyarrow as pa
import pytest

from nanodefect_assets.cli.query import table_text, write_csv


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["fcc", "hcp", None], "order_class,n\nfcc,1\nhcp,2\n,3\n"),
        (
            ["fcc", 'an "odd", one', None],
            '"order_class","n"\n"fcc",1\n"an ""odd"", one",2\n,3\n',
        ),
    ],
)
def test_csv_has_quotes_only_where_a_value_needs_them(names, text, tmp_path):
    path = tmp_path / "rows.csv"
    write_csv(pa.table({"order_class": names, "n": [1, 2, 3]}), path)

    assert path.read_text() == text


def test_a_join_may_have_two_columns_of_one_name():
    rows = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["sample", "sample"])

    assert table_text(rows) == "sample  sample\n------  ------\na       b\n(1 rows)"
