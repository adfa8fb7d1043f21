"""Reading batch.yaml: safely, and with errors that say which line, what was expected and what came.

All values stay text until the fields of `BatchSpec` say what they are. So none of YAML's own surprises can happen:
``8:30`` is no number in base 60, ``1e-3`` is a number, a date is text, and ``0012`` as the id of a robot run stays.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nanodefect_assets.domain.batch_spec import AliquotEntry, BatchSpec, ChiralityEntry, FileEntry
from nanodefect_assets.domain.refusal import Refusal, shortened
from nanodefect_assets.stores.landing import BATCH_YAML

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
_MAX_SHOWN = 20
_MAX_LOOKED_AT = 1000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = {"", "~", "null", "Null", "NULL"}
_PARTS: dict[str, type[BaseModel]] = {"files": FileEntry, "aliquots": AliquotEntry, "chirality": ChiralityEntry}
_ADVICE = "Mend batch.yaml and copy it again; `nanodefect new-batch` writes a commented one."
_NONE_ADVICE = "`nanodefect new-batch` looks at the files and writes a commented one."
_QUOTE = "put quotes around text that starts with & * or !, such as '*.tif'"

_FIRST_ENTRY = "; take the # off a line below it and complete it, or write - {path: '*.tif', modality: hrtem}"

Sheet = TypeVar("Sheet", bound=BaseModel)

Loc = tuple[int | str, ...]
"""Way to a field: names of fields and numbers of items, from 0."""


def read_batch_yaml(path: Path) -> tuple[BatchSpec, bytes]:
    """Return what batch.yaml says, and the bytes that say so.

    Raises
    ------
    Refusal
        With every error found in it, each with its line.
    """
    content = _read_bytes(path)
    return parse_batch_yaml(_text_of(content)), content


def parse_batch_yaml(text: str) -> BatchSpec:
    """Return what the text of a batch.yaml says.

    Raises
    ------
    Refusal
        With every error found in it, each with its line.
    """
    spec, root = _parse(text, BatchSpec)
    for at, entry in enumerate(spec.files):
        entry.set_line(line_of(root, ("files", at)))
    return spec


def read_sheet(path: Path, model: type[Sheet]) -> Sheet:
    """Return what another file of the same careful kind says, such as one of corrections.

    Raises
    ------
    Refusal
        With every error found in it, each with its line.
    """
    try:
        return _parse(_text_of(_read_bytes(path)), model)[0]
    except Refusal as refusal:
        advice = "Mend the file and copy it again; the README shows one."
        expected = "fields that can be understood"
        raise Refusal("bad_sheet", expected=expected, got=refusal.got, file=path.name, advice=advice) from refusal


def _parse(text: str, model: type[Sheet]) -> tuple[Sheet, yaml.Node]:
    root = _compose(text)
    problems: list[str] = []
    value = _value_of(root, "", problems)
    if problems:
        raise _refusal(problems)
    try:
        return model.model_validate(value), root
    except ValidationError as error:
        telling = sorted(_telling(error.errors()), key=lambda details: line_of(root, details["loc"]))
        raise _refusal([_describe(root, details) for details in telling]) from error


def _refusal(problems: list[str]) -> Refusal:
    shown = problems[:_MAX_SHOWN]
    if len(problems) > _MAX_SHOWN:
        shown.append(f"and {len(problems) - _MAX_SHOWN} more")
    count = "one error" if len(problems) == 1 else f"{len(problems)} errors"
    return Refusal(
        "bad_batch_yaml",
        expected="fields that can be understood",
        got=f"{count}:\n  " + "\n  ".join(shown),
        file=BATCH_YAML,
        advice=_ADVICE,
    )


def _read_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for without end
            raise Refusal(
                "no_batch_yaml",
                expected="a plain file that can be read",
                got="a folder, a pipe or a device",
                file=path.name,
            )
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        expected = "a batch.yaml in the batch's folder"
        raise Refusal("no_batch_yaml", expected=expected, got="none", advice=_NONE_ADVICE) from error
    except OSError as error:
        got = error.strerror or "an error of the file system"
        raise Refusal("no_batch_yaml", expected="a batch.yaml that can be read", got=got, file=BATCH_YAML) from error
    if len(content) > MAX_BYTES:
        raise _refusal([f"expected at most {MAX_BYTES:,} bytes, got more"])
    return content


def _text_of(content: bytes) -> str:
    if b"\0" in content[:_MAX_LOOKED_AT] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refusal(["expected text in UTF-8, got zero bytes, as text in UTF-16 has; save it as UTF-8"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"the byte 0x{content[error.start]:02x}"
        raise _refusal([f"line {line}: expected text in UTF-8, got {found}; save it as UTF-8"]) from error


def _compose(text: str) -> yaml.Node:
    try:
        _check_events(yaml.parse(text, Loader=_LOADER))
        root = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        if isinstance(error, Refusal):
            raise
        raise _refusal([_describe_syntax(error)]) from error
    if not isinstance(root, yaml.MappingNode):
        got = "nothing" if root is None else "something else"
        raise _refusal([f"line 1: expected fields such as `batch: pd-2021-03`, got {got}"])
    return root


def _check_events(events: Iterable[yaml.Event]) -> None:
    """Refuse what could make a small file grow without bound, before anything is built from it."""
    depth = 0
    n_documents = 0
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refusal([f"line {line}: expected no anchors (&) or aliases (*), got one; {_QUOTE}"])
        if (tag := getattr(event, "tag", None)) not in (None, "!"):
            raise _refusal([f"line {line}: expected no tags, got {tag!r}; {_QUOTE}"])
        n_documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _refusal([f"line {line}: expected at most {MAX_DEPTH} levels of nesting, got more"])
        if n_documents > 1:
            raise _refusal([f"line {line}: expected one document, got a second one after `---`"])


def _describe_syntax(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    is_tab = "'\\t'" in problem or "cannot start any token" in problem
    hint = "; indent with spaces, not tabs, and quote text that starts with % @ or `" if is_tab else ""
    if "alias" in (getattr(error, "context", None) or ""):
        hint = f"; {_QUOTE}"
    if "mapping values are not allowed" in problem:
        hint = "; quote text that has a colon followed by a space"
    return f"{where}expected YAML, got a mistake in its form: {problem}{hint}"


def _value_of(node: yaml.Node, name: str, problems: list[str]) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_value_of(item, name, problems) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        is_plain = getattr(node, "style", None) in (None, "")
        return None if is_plain and node.value in _NULLS else node.value
    value: dict[str, Any] = {}
    for key, item in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            problems.append(f"line {line}: expected the name of a field, got a list or fields; quote text with [ or {{")
        elif key.value in value:
            problems.append(f"line {line}: expected {key.value!r} once, got it twice")
        else:
            value[key.value] = _value_of(item, key.value, problems)
    return value


def _child(node: yaml.Node, step: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    """Return the key and the value under `step`; for an item of a list both are the item."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, item) for key, item in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def line_of(node: yaml.Node, loc: Loc) -> int:
    """Return the line on which `loc` stands below `node`, or what comes nearest to it; from 1."""
    line = node.start_mark.line + 1
    for step in loc:
        found = _child(node, step)
        if found is None:
            return line
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _name_of(loc: Loc) -> str:
    name = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in loc)
    return name.removeprefix(".")


def _telling(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out *list too short* where the items have errors of their own and were therefore not counted."""
    locs = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(len(loc) > len(error["loc"]) and loc[: len(error["loc"])] == error["loc"] for loc in locs)
    ]


def _describe(root: yaml.Node, error: ErrorDetails) -> str:
    loc = error["loc"]
    return f"line {line_of(root, loc)}, {_name_of(loc) or 'the whole'}: {_expectation(error)}"


def _expectation(error: ErrorDetails) -> str:
    loc: Loc = error["loc"]
    context = error.get("ctx", {})
    cause = context.get("error")
    got = _shown(error["input"])
    match error["type"]:
        case "missing":
            return "expected this field, got none"
        case "extra_forbidden":
            return f"expected a known field, got {_name_of(loc[-1:])!r}; {_nearest_field(loc)}"
        case "literal_error":
            return f"expected {context['expected']}, got {got}"
        case "too_short":
            return f"expected at least one entry, got none{_FIRST_ENTRY if loc == ('files',) else ''}"
        case "tuple_type" if loc == ("files",) and error["input"] is None:
            return f"expected at least one entry, got none{_FIRST_ENTRY}"
        case "string_too_short":
            return f"expected at least {context['min_length']} characters, got {got}"
        case "string_too_long":
            return f"expected at most {context['max_length']} characters, got {got}"
        case "tuple_type":
            return f"expected a list such as [a, b], got {got}"
        case "spec":
            return error["msg"]
        case "value_error" if isinstance(cause, Refusal):
            return str(cause)
    expected = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if expected.startswith("Expected ") and ". Got " in expected:
        return f"e{expected[1:].replace('. Got ', ', got ')}".rstrip(".")
    return f"expected {expected.partition(', unable')[0]}, got {got}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "fields"
    if isinstance(value, list | tuple):
        return "a list"
    return "nothing" if value is None else shortened(repr(value), 80)


def _nearest_field(loc: Loc) -> str:
    *_, name = loc
    part = _PARTS.get(str(loc[0])) if len(loc) > 1 else BatchSpec
    known = list(part.model_fields) if part is not None and len(loc) <= 3 else []
    near = get_close_matches(str(name), known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(known)}" if known else "leave it out"
