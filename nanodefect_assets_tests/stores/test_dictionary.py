import pytest

from nanodefect_assets.domain.schemas import ALL, PROVENANCE
from nanodefect_assets.stores.dictionary import data_dictionary_markdown
from nanodefect_assets.stores.warehouse import describe_tables, load_warehouse


def sections():
    parts = data_dictionary_markdown().split("\n### ")[1:]
    return {part.split("`")[1]: part for part in parts}


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)
def test_every_column_is_there_with_type_unit_and_meaning(table):
    section = sections()[table.name]

    assert table.meaning in section
    for column in table.columns:
        line = next(line for line in section.splitlines() if line.startswith(f"| `{column.name}` |"))
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        assert cells[1:4] == [column.type, column.unit, "may be" if column.is_nullable else ""]
        meaning = cells[4].rstrip("|").strip().replace("&lt;", "<").replace("\\|", "|")
        assert meaning == column.meaning


def test_provenance_is_told_for_what_assets_write():
    assert all(f"`{column.name}`" in sections()["particles"] for column in PROVENANCE)


def test_every_table_and_view_of_a_warehouse_is_in_the_dictionary(home):
    load_warehouse(home)

    assert set(describe_tables(home).column("table").to_pylist()) == set(sections())


def test_it_is_the_same_text_every_time_and_ends_in_one_newline():
    assert data_dictionary_markdown() == data_dictionary_markdown()
    assert data_dictionary_markdown().endswith(".\n")
