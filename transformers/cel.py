"""CEL conditions: compiled once, and handed only the fields that they name."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from schemas import errors

if TYPE_CHECKING:
    import cel

_KNOWN = frozenset(
    {
        *("size", "contains", "startsWith", "endsWith", "matches", "has", "all", "exists", "exists_one", "map", "filter"),
        *("int", "uint", "double", "string", "bytes", "type", "dyn", "duration", "timestamp"),
        *("optional", "of", "none", "ofNonZeroValue", "hasValue", "value", "orValue"),
        *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    }
)
_TEXT = r"""[rR]?\"\"\"(?:\\.|[^\\])*?\"\"\" | [rR]?'''(?:\\.|[^\\])*?''' | [rR]?"(?:\\.|[^"\\])*" | [rR]?'(?:\\.|[^'\\])*' | //[^\n]*"""
_FIELD = r"""(?: \s*\.\s*[A-Za-z_]\w*\b (?!\s*\() | \s*\[\s*(?:"[^"\\]*"|'[^'\\]*')\s*\] )"""
_PART = re.compile(r"""\.\s*([A-Za-z_]\w*)|\[\s*["']([^"'\\]*)["']\s*\]""")
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_PRESENT = re.compile(r"""\s*(\w+)\.(\w+)\s*!=\s*null\s*&&\s*\1\.\2\s*!=\s*(?:""|'')\s*""")
_MEMO = 256  # verdicts that one condition remembers; those of codes and flags fit, and nothing grows


def _compiled_part() -> Any:
    """The library without its command line: importing the package whole loads terminal libraries for 0.7 s, in every process."""
    package = importlib.util.find_spec("cel")
    places = package.submodule_search_locations if package else None
    found = importlib.machinery.PathFinder.find_spec("cel.cel", places)
    if found is None or found.loader is None:
        raise ImportError("the library common-expression-language is not installed")
    if found.name not in sys.modules:  # it can be loaded once in a process: whoever imports the package finds it there
        sys.modules[found.name] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules[found.name])
    return sys.modules[found.name]


if not TYPE_CHECKING:
    cel = _compiled_part()

_Names = tuple[str, ...]
_Wanted = dict[str, Any]  # field -> what is wanted inside it; None: all of it


class Condition:
    """A compiled condition. Call it with its variables in order; it answers true or false.

    Raises `ValueError` with a sentence when the values do not fit what the condition does with them.
    """

    def __init__(
        self, text: str, variables: Sequence[str], program: Any, wanted: dict[str, _Wanted | None], tests: list[tuple[str, _Names]]
    ) -> None:
        self.text = text
        self.variables = tuple(variables)
        self._program = program
        self._wanted = wanted
        self._tests = tests
        self._memo: dict[object, bool] = {}
        self._simple = self._single_field()
        present = _PRESENT.fullmatch(text)
        self._present = present[2] if present and self._simple is not None else None

    def reads(self, variable: str) -> frozenset[str]:
        """The fields of a variable that the condition names, without those deeper inside; none where it takes the whole."""
        asked = {path[1] for _, path in self._tests if path[0] == variable and len(path) > 1}
        return frozenset((self._wanted.get(variable) or {}).keys() | asked)

    def _single_field(self) -> tuple[str, str] | None:
        """(variable, field) where the verdict hangs on one field of the only variable: its verdicts can be remembered."""
        [*names] = self._wanted
        fields = self._wanted[names[0]] if len(names) == 1 else None
        if self._tests or len(self.variables) != 1 or not fields or len(fields) != 1:
            return None
        [(field, inside)] = fields.items()
        return None if inside is not None else (names[0], field)

    def __call__(self, *values: Any) -> bool:
        if self._present is not None and type(values[0]) is dict:
            value = values[0].get(self._present)
            if value is None or type(value) is str:  # the usual question of every row, answered without a copy
                return bool(value)
        if self._simple is not None and type(values[0]) is dict:
            return self._remembered(values[0], *self._simple)
        context = {
            name: _cut(value, self._wanted[name]) for name, value in zip(self.variables, values, strict=True) if name in self._wanted
        }
        for name, path in self._tests:
            context[name] = _has(dict(zip(self.variables, values, strict=True)), path)
        return self._decide(context)

    def _remembered(self, row: dict[str, Any], variable: str, field: str) -> bool:
        value = row.get(field)
        if not (value is None or (type(value) is str and len(value) < 64)):
            return self._decide({variable: {field: value}})
        verdict = self._memo.get(value)
        if verdict is None:
            verdict = self._decide({variable: {field: value}})
            if len(self._memo) < _MEMO:
                self._memo[value] = verdict
        return verdict

    def _decide(self, context: dict[str, Any]) -> bool:
        try:
            verdict = self._program.execute(context)
        except Exception as error:  # the library raises many kinds; each means that this row's values do not fit
            raise ValueError(f"the condition {self.text!r} does not fit these values: {_first_sentence(error)}") from error
        if verdict is True or verdict is False:
            return bool(verdict)
        raise ValueError(f"the condition {self.text!r} gives {type(verdict).__name__}, not true or false")


def compile(
    expression: str,
    variables: Sequence[str] = ("row",),
    *,
    place: errors.Place | None = None,
    error: type[errors.Stop] = errors.Misconfigured,
) -> Condition:
    """Compile a condition over these variables, each an object or None.

    A field that is absent is null, so that `row.X == "C"` is false; `has(row.X)` is false for it. Raises `error`
    (a `Stop`) with place and reason for what is not CEL, unknown variables and unknown functions.
    """
    tests: list[tuple[str, _Names]] = []
    wanted: dict[str, _Wanted | None] = {}
    text = _rewritten(expression, variables, tests, wanted)
    try:
        program = cel.compile(text)
    except ValueError as reason:
        raise error(
            f"the condition cannot be read: {_first_sentence(reason)}",
            place=place,
            value=expression,
            hint='It is CEL, for example: row.TYPE == "C"',
        ) from reason
    _check_names(program, expression, variables, tests, place, error)
    return Condition(expression, variables, program, wanted, tests)


def _rewritten(expression: str, variables: Sequence[str], tests: list[tuple[str, _Names]], wanted: dict[str, _Wanted | None]) -> str:
    """Note every field that is read, and put a variable of its own in place of every `has()` of ours."""
    roots = "|".join(map(re.escape, variables))
    pattern = re.compile(
        rf"(?P<text>{_TEXT}) | \bhas\s*\(\s*(?P<asked>{roots})(?P<inside>{_FIELD}+)\s*\)"
        rf"| (?<![\w.])(?P<root>{roots})\b(?P<fields>{_FIELD}*)",
        re.VERBOSE,
    )

    def note(found: re.Match[str]) -> str:
        if found["asked"]:
            tests.append((f"has_{len(tests)}_", (found["asked"], *_names(found["inside"]))))
            return tests[-1][0]
        if found["root"]:
            _want(wanted, (found["root"], *_names(found["fields"])))
        return found[0]

    return pattern.sub(note, expression)


def _names(fields: str) -> _Names:
    return tuple(dotted or quoted for dotted, quoted in _PART.findall(fields))


def _want(wanted: dict[str, Any], path: _Names) -> None:
    """Add a path to the tree of what is read; a node that is read whole stays whole."""
    node = wanted
    for name in path[:-1]:
        inside = node.setdefault(name, {})
        if inside is None:
            return
        node = inside
    node[path[-1]] = None


def _cut(value: Any, wanted: _Wanted | None) -> Any:
    """The value with the wanted fields alone, null where they are absent: the library copies what it is given."""
    if wanted is None:
        return value
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        return value
    return {name: _cut(value.get(name), inside) for name, inside in wanted.items()}


def _has(values: Any, path: _Names) -> bool:
    for name in path:
        if not isinstance(values, Mapping) or name not in values:
            return False
        values = values[name]
    return True


def _check_names(
    program: Any,
    expression: str,
    variables: Sequence[str],
    tests: list[tuple[str, _Names]],
    place: errors.Place | None,
    error: type[errors.Stop],
) -> None:
    bound = set(_BOUND.findall(expression))
    allowed = {*variables, "optional", *bound, *(name for name, _ in tests)}
    functions = (name for name in program.functions() if name[0].isalpha())
    for kind, unknown, known in (
        ("variable", [name for name in program.variables() if name not in allowed], variables),
        ("function", [name for name in functions if name not in _KNOWN], sorted(_KNOWN)),
        ("variable", [f"{name} (bound again)" for name in bound & set(variables)], ()),
    ):
        if unknown:
            near = get_close_matches(unknown[0], known, 1, 0.5)
            hint = (
                f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}" if known else "Give the inner variable another name"
            )
            raise error(f"the condition names an unknown {kind} {unknown[0]!r}", place=place, value=expression, hint=hint)


def _first_sentence(error: BaseException) -> str:
    lines = str(error).split("\n", 1)[0]
    return re.split(r"(?<=[a-z])[.:] (?=[A-Z])", lines.removeprefix("Failed to parse expression "))[0].rstrip(".")
