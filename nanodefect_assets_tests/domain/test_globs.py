import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.globs import check_relative, is_pattern, is_relative, matches
from nanodefect_assets.domain.refusal import Refusal

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/*?[]\\", exclude_categories=["C", "Z"]), min_size=1, max_size=8
)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.tif", "a.tif", True),
        ("*.tif", "8h/a.tif", False),
        ("8h/*.tif", "8h/a.tif", True),
        ("8h/*.tif", "8h/x/a.tif", False),
        ("**/*.tif", "a.tif", True),
        ("**/*.tif", "8h/x/a.tif", True),
        ("8h/**", "8h/x/a.tif", True),
        ("8h/**", "9h/a.tif", False),
        ("8h/**/a.tif", "8h/a.tif", True),
        ("**/x/**/a.tif", "8h/x/y/a.tif", True),
        ("**/x/**/a.tif", "8h/y/a.tif", False),
        ("a?.tif", "ab.tif", True),
        ("a?.tif", "a.tif", False),
        ("[ab].tif", "b.tif", True),
        ("[[]1].tif", "[1].tif", True),
        ("A.tif", "a.tif", False),
    ],
)
def test_patterns_fit_as_in_a_shell(pattern, path, fits):
    assert matches(pattern, path) is fits


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_path_without_wildcards_fits_itself_and_every_folder(parts):
    path = "/".join(parts)

    assert matches(path, path)
    assert matches("**", path)
    assert matches("/".join("*" for _ in parts), path)
    assert not matches("/".join("*" for _ in [*parts, ""]), path)


def test_composed_and_decomposed_letters_are_one_name():
    assert matches("größe/*.tif", unicodedata.normalize("NFD", "größe/a.tif"))


def test_no_pattern_takes_long():
    begun_s = time.monotonic()

    assert not matches("/".join(["**", "*a" * 40] * 20), "/".join(["a" * 250] * 30) + "/b")
    assert time.monotonic() - begun_s < 1


@pytest.mark.parametrize(
    "path", ["8h/a.tif", "./8h/a.tif", " 8h/a .tif ", "größe/a b.tif", "**/*.tif", "...tif", "a..b"]
)
def test_paths_below_the_folder_are_accepted(path):
    assert not check_relative(path).startswith(("/", "./"))


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "",
        ".",
        "..",
        "C:/x",
        "a\\b",
        "a\nb",
        "a\0b",
        "x" * 1025,
        "./../x",
        "a/",
    ],
)
def test_paths_that_could_lead_elsewhere_are_refused(path):
    with pytest.raises(Refusal) as refused:
        check_relative(path)

    assert refused.value.reason == "unsafe_path"


@given(st.text(max_size=40))
def test_a_path_that_is_accepted_stays_inside(path):
    try:
        accepted = check_relative(path)
    except Refusal:
        return
    assert ".." not in accepted.split("/")
    assert not accepted.startswith("/")
    assert check_relative(accepted) == accepted


@pytest.mark.parametrize(
    ("path", "is_so"), [("8h/a.tif", True), ("./a.tif", False), ("a\\b", False), (" a [1].tif", True)]
)
def test_a_file_can_be_named_as_it_stands_or_not(path, is_so):
    assert is_relative(path) is is_so


def test_wildcards_make_a_pattern():
    assert [is_pattern(path) for path in ("a.tif", "*.tif", "a?.tif", "[a].tif")] == [False, True, True, True]
