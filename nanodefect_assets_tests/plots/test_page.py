import base64
from html.parser import HTMLParser

import pytest

from nanodefect_assets.plots.page import PagePicture, PageSection, PageTable, build_page

HOSTILE = "<script>alert('x')</script> & \"quoted\""
PNG = b"\x89PNG\r\n\x1a\n123"


class Reader(HTMLParser):
    """Collects tags, their attributes, and text."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    return reader


def test_every_text_is_shown_as_it_was_written_wherever_it_stands():
    section = PageSection(
        heading=HOSTILE,
        paragraphs=(HOSTILE,),
        facts={HOSTILE: HOSTILE},
        tables=(PageTable(header=(HOSTILE,), rows=((HOSTILE,),), caption=HOSTILE),),
        pictures=(PagePicture(png=PNG, caption=HOSTILE),),
    )

    found = read(build_page(HOSTILE, [section], lead=HOSTILE))

    assert "script" not in found.tags
    assert found.text.count(HOSTILE) == 11
    assert (
        "img",
        {"src": f"data:image/png;base64,{base64.b64encode(PNG).decode()}", "alt": HOSTILE},
    ) in found.attributes


def test_a_page_asks_for_nothing_from_elsewhere():
    page = build_page("t", [PageSection(heading="h", pictures=(PagePicture(png=PNG, caption="c"),))])

    addresses = [
        value for _, given in read(page).attributes for name, value in given.items() if name in ("src", "href")
    ]
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert "url(" not in page
    assert "@import" not in page


def test_rows_must_fit_their_header():
    with pytest.raises(ValueError, match="Expected rows of 2 cells"):
        PageTable(header=("a", "b"), rows=(("1",),))


def test_a_folded_table_shows_its_caption_alone_until_it_is_opened():
    table = PageTable(header=("a",), rows=(("1",),), caption="3 that passed", is_folded=True)
    page = build_page("t", [PageSection(heading="h", tables=(table,))])

    before, _, folded = page.partition("<details><summary>3 that passed</summary>")
    assert "<td>1</td>" in folded.partition("</details>")[0]
    assert "<td>" not in before
    assert "<caption>" not in page


def test_a_folded_table_without_a_caption_is_an_error():
    with pytest.raises(ValueError, match="Expected a caption"):
        PageTable(header=("a",), rows=(), is_folded=True)
