"""YAML that remembers its lines, so that a finding can name its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from schemas import errors

Path = tuple[str | int, ...]
_Twice = Callable[[Path, int], None]

_BOOLS = {"true": True, "True": True, "false": False, "False": False}


@dataclass(frozen=True)
class Marked:
    """Parsed YAML with the line of every value. `lines` maps the path of keys and indexes to the line, from 1."""

    file: str
    data: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def place(self, *path: str | int) -> errors.Place:
        """The place of a path, or of its nearest ancestor that stands in the file."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return errors.Place(self.file, self.lines[path[:end]], dotted(path))
        return errors.Place(self.file, 1, dotted(path))


def dotted(path: Path) -> str:
    """A path as people write it: `records[0].fields.name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def load(text: bytes | str, file: str) -> Marked:
    """Parse one YAML document.

    Only true, false, null, integers and decimals are more than text: `no`, `on`, `010` and dates stay what was written.
    Raises `Misconfigured` with file and line for what is not YAML, for doubled keys and for anchors' misuse.
    """
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise errors.Misconfigured(_why(error), place=_spot(error, file)) from error
    lines: dict[Path, int] = {}
    doubled: list[errors.Misconfigured] = []
    data = _value(root, (), lines, lambda path, line: doubled.append(_doubled(file, path, line))) if root is not None else None
    if doubled:
        raise errors.together(doubled)
    return Marked(file, data, lines)


def _doubled(file: str, path: Path, line: int) -> errors.Misconfigured:
    place = errors.Place(file, line, dotted(path))
    return errors.Misconfigured(f"the key {str(path[-1])!r} stands twice", place=place, hint="Remove one of them")


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], twice: _Twice) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, twice)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, index), lines, twice) for index, child in enumerate(node.value)]
    return _scalar(node)


def _mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int], twice: _Twice) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, child in node.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key in found:
            twice((*path, key), line)
        lines[(*path, key)] = line
        found[key] = _value(child, (*path, key), lines, twice)
    return found


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    if getattr(node, "style", None) in ("'", '"', "|", ">"):
        return text
    if text in ("", "~", "null"):
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    return _number(text)


def _number(text: str) -> Any:
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0"):
        return int(text)
    whole, dot, part = digits.partition(".")
    if dot and whole.isascii() and whole.isdigit() and part.isascii() and part.isdigit():
        return float(text)
    return text


def _why(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error).replace("\n", " ")


def _spot(error: yaml.YAMLError, file: str) -> errors.Place:
    mark = getattr(error, "problem_mark", None)
    return errors.Place(file, mark.line + 1 if mark else 1)
