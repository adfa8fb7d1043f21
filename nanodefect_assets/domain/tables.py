"""What a table is: columns with a type, a unit and a meaning, declared once for checks, storage and documents."""

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "int", "float", "bool", "time"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
        Name, with its unit at the end where it has one.
    type : str
        ``text``, ``int`` (64 bits), ``float`` (64 bits), ``bool`` or ``time`` (UTC, microseconds).
    meaning : str
        One sentence for the user who reads the table.
    unit : str
        Unit as it is written, such as ``nm`` or ``px``; empty for what has none.
    is_nullable : bool
        Whether the value may be missing.
    """

    name: str
    type: ColumnType
    meaning: str
    unit: str = ""
    is_nullable: bool = False

    @property
    def comment(self) -> str:
        """Meaning and unit in one line."""
        unit = f" [{self.unit}]" if self.unit else ""
        null = " NULL where not known or not applicable." if self.is_nullable else ""
        return f"{self.meaning}{unit}{null}"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the warehouse and of the Parquet files it is made from.

    Attributes
    ----------
    name : str
        Plural noun.
    meaning : str
        What a row is.
    columns : tuple of Column
        The columns that an asset writes, in order.
    key : tuple of str
        Columns whose values together name one row.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError(f"Expected columns of distinct names in {self.name}. Got {names}.")
        if missing := set(self.key) - set(names):
            raise ValueError(f"Expected the key of {self.name} among its columns. Got {sorted(missing)}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)


def text(name: str, meaning: str, *, null: bool = False) -> Column:
    """Declare a column of text."""
    return Column(name=name, type="text", meaning=meaning, is_nullable=null)


def integer(name: str, meaning: str, unit: str = "", *, null: bool = False) -> Column:
    """Declare a column of whole numbers."""
    return Column(name=name, type="int", meaning=meaning, unit=unit, is_nullable=null)


def number(name: str, meaning: str, unit: str = "", *, null: bool = False) -> Column:
    """Declare a column of real numbers."""
    return Column(name=name, type="float", meaning=meaning, unit=unit, is_nullable=null)


def flag(name: str, meaning: str, *, null: bool = False) -> Column:
    """Declare a column of truth values."""
    return Column(name=name, type="bool", meaning=meaning, is_nullable=null)


def moment(name: str, meaning: str, *, null: bool = False) -> Column:
    """Declare a column of moments in UTC."""
    return Column(name=name, type="time", meaning=meaning, is_nullable=null)
