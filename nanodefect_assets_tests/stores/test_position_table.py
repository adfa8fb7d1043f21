from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tile_position import StatedPosition
from nanodefect_assets.stores.position_table import read_position_table


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "tiles.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_position_table(path)

    return read


@pytest.mark.parametrize(
    "header",
    [
        "file,x_um,y_um",
        "File Name,Stage X (µm),Stage Y (µm)",
        "tile_name;stage_x_um;stage_y_um",
        "image\tX [um]\tY [um]",
        '"filename","x/µm","y/μm"',
        "path,StageX_um,StageY_um",
        "\ufefffile,x_position_micron,y_position_micron",
    ],
)
def test_columns_are_found_whatever_they_are_called(header, read):
    sign = next(sign for sign in "\t;," if sign in header)
    [row] = read(f"{header}\r\n\r\na.tif{sign}1.5{sign}-2\r\n")

    assert (row.name, row.position.x_nm, row.position.y_nm) == ("a.tif", 1500, -2000)


@pytest.mark.parametrize(("unit", "nm"), [("nm", 1), ("um", 1e3), ("mm", 1e6), ("m", 1e9), ("angstrom", 0.1)])
def test_units_are_those_of_the_titles(unit, nm, read):
    [row] = read(f"file,x_{unit},y_mm,z_px\na.tif,0.25,2e-3,7\n")

    assert (row.position.x_nm, row.position.y_nm) == pytest.approx((0.25 * nm, 2000))


@pytest.mark.parametrize(("x", "rounding_nm"), [("12", 500), ("12.3", 50), ("12.345", 0.5), ("1.2e1", 500)])
def test_the_last_digit_tells_the_rounding(x, rounding_nm, read):
    [row] = read(f"file,x_um,y_um\na.tif,{x},1.00000\n")

    assert row.position.rounding_nm == pytest.approx(rounding_nm)


def test_decimal_commas_are_read_where_they_part_no_columns(read):
    rows = read("file;x_um;y_um\na.tif;1,5;-2,25\nb.tif;3;4,0\n")

    assert [(row.position.x_nm, row.position.y_nm) for row in rows] == [(1500, -2250), (3000, 4000)]


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ("", "empty"),
        ("file,x,y\na.tif,1,2\n", "'x'"),
        ("file,x_px,y_px\na.tif,1,2\n", "x_px"),
        ("file,x_um\na.tif,1\n", "file, x_um"),
        ("x_um,y_um\n1,2\n", "x_um, y_um"),
        ("file,x_um,x_mm,y_um\na.tif,1,1,2\n", "x_um, x_mm"),
        ("file,name,x_um,y_um\n", "file, name"),
        (b"file,x_\xb5m,y_\xb5m\na.tif,1,2\n", "0xb5"),
        ("file,x_um,y_um\n".encode("utf-16"), "0xff"),
        (b"file,x_um,y_um\0\n", "zero bytes"),
        ('file,x_um,y_um\n"a.tif,1,2\n', "line"),
        ("file,x_um,y_um\n" + "a" * 200_000 + ",1,2\n", "line 2"),
        ("file,x_um,y_um\n" + "a,1,2\n" * 100_001, "100,00"),
        ("a\n" * 9_000_000, "more"),
    ],
)
def test_what_is_no_table_of_positions_is_refused(content, got, read):
    with pytest.raises(Refusal) as refused:
        read(content)

    assert refused.value.reason == "bad_positions"
    assert got in refused.value.got


@pytest.mark.parametrize(
    "cells", ["nan,1", "1,inf", "1e300,1", "1e9999,1", "1,", "x,1", "1_0,2", "1.5.2,3", "1,5,2,5", "1", "0x1,2", "²,1"]
)
def test_a_bad_row_leaves_the_others_alone(cells, read):
    bad, good = read(f"file,x_um,y_um\na.tif,{cells}\nb.tif,1,2\n")

    assert bad.position.reason == "bad_position"
    assert "line 2" in bad.position.got
    assert isinstance(good.position, StatedPosition)


@pytest.mark.parametrize("cells", ["12,345;1,000", "-1,234;7", "1,234,567;0"])
def test_commas_that_may_part_thousands_are_refused(cells, read):
    with pytest.raises(Refusal, match="one way only"):
        read(f"file;x_nm;y_nm\na.tif;{cells}\n")


@pytest.mark.parametrize("cells", ["12,345;0,123", "1234,567;1,000", "1,25;1,000"])
def test_commas_that_cannot_part_thousands_are_decimal(cells, read):
    x, y = (float(cell.replace(",", ".")) for cell in cells.split(";"))
    (row,) = read(f"file;x_nm;y_nm\na.tif;{cells}\n")

    assert (row.position.x_nm, row.position.y_nm) == (x, y)


@pytest.mark.parametrize("text", [",,,\n", '""\n', "# positions\n;;\n"])
def test_nothing_but_separators_is_no_table(text, read):
    with pytest.raises(Refusal, match="separators"):
        read(text)


def test_thousands_are_not_guessed(read):
    rows = read("file;x_um;y_um\na.tif;1,234.5;2\nb.tif;1,5;2\n")

    assert [row.position.reason for row in rows] == ["bad_position", "bad_position"]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"file,x_um,y_um\n" + content)
    with suppress(Refusal):
        rows = read_position_table(path)
        assert all(abs(row.position.x_nm) <= 1e9 for row in rows if isinstance(row.position, StatedPosition))
