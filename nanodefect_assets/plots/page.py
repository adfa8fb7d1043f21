"""A web page that needs nothing else: tables and pictures under headings, to be kept, mailed and printed."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jinja2 import Environment, StrictUndefined


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """A table of a page.

    Attributes
    ----------
    header : tuple of str
        Names of the columns, with their units.
    rows : tuple of tuple of str
        Cells as they are shown.
    caption : str
        What it shows; empty for none.
    is_folded : bool
        Whether its caption alone is seen until the reader opens it.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    is_folded: bool = False

    def __post_init__(self) -> None:
        if self.is_folded and not self.caption:
            raise ValueError("Expected a caption of a folded table, which is all that is seen of it. Got none.")
        if odd := [row for row in self.rows if len(row) != len(self.header)]:
            raise ValueError(f"Expected rows of {len(self.header)} cells. Got one of {len(odd[0])}: {odd[0]}.")


@dataclass(frozen=True, kw_only=True)
class PagePicture:
    """A picture of a page: a PNG and what it shows."""

    png: bytes
    caption: str


@dataclass(frozen=True, kw_only=True)
class PageSection:
    """A heading, what has to be said under it, and its tables and pictures."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[PageTable, ...] = ()
    pictures: tuple[PagePicture, ...] = ()


def build_page(title: str, sections: Sequence[PageSection], *, lead: str = "") -> str:
    """Return a page as HTML in which every text is escaped, wherever it came from.

    Parameters
    ----------
    title : str
        Heading of the page.
    sections : sequence of PageSection
        In the order in which they are read.
    lead : str
        What to know first.
    """
    return _TEMPLATE.render(title=title, lead=lead, sections=sections)


def _data_address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


_SOURCE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<style>
  body { margin: 2em auto; max-width: 62em; padding: 0 1em; font: 15px/1.5 system-ui, sans-serif; color: #222; }
  h1 { font-size: 1.6em; margin-bottom: .2em; }
  h2 { font-size: 1.2em; margin-top: 2em; border-bottom: 1px solid #ddd; }
  .lead { font-size: 1.05em; }
  .wide { overflow-x: auto; }
  table { border-collapse: collapse; font-size: .9em; margin: .8em 0; }
  caption { text-align: left; color: #555; }
  th, td { text-align: left; padding: .2em .8em .2em 0; border-bottom: 1px solid #eee; vertical-align: top; }
  td { overflow-wrap: break-word; max-width: 26em; }
  summary { color: #555; cursor: pointer; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1em; }
  dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
  figure { margin: 1em 0; } img { max-width: 100%; } figcaption { color: #555; font-size: .9em; }
  @media print { h2, figure, tr { break-inside: avoid; } }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% if lead %}<p class="lead">{{ lead }}</p>{% endif %}
{% for section in sections %}
<h2>{{ section.heading }}</h2>
{% for paragraph in section.paragraphs %}<p>{{ paragraph }}</p>
{% endfor %}
{% if section.facts %}<dl>
{% for name, value in section.facts.items() %}<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}</dl>{% endif %}
{% for table in section.tables %}{% if table.is_folded %}<details><summary>{{ table.caption }}</summary>{% endif %}
<div class="wide"><table>
{% if table.caption and not table.is_folded %}<caption>{{ table.caption }}</caption>{% endif %}
<thead><tr>{% for name in table.header %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}
</tbody></table></div>
{% if table.is_folded %}</details>{% endif %}
{% endfor %}
{% for picture in section.pictures %}<figure>
<img src="{{ picture.png | data_address }}" alt="{{ picture.caption }}">
<figcaption>{{ picture.caption }}</figcaption>
</figure>
{% endfor %}
{% endfor %}
</body>
</html>
"""

_ENVIRONMENT = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
_ENVIRONMENT.filters["data_address"] = _data_address
_TEMPLATE = _ENVIRONMENT.from_string(_SOURCE)
