"""Mappings: a file of rules, compiled once, that turns rows into records."""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Callable
from collections.abc import Mapping as Files
from dataclasses import dataclass, field
from typing import Any, NoReturn

from config import marked
from schemas import canonical, errors, personal
from schemas.envelope import Mapped
from transformers import compiler, draft, grammar, lineage, paths, registry, rules

_LONGEST = 2**63


@dataclass(frozen=True)
class Mapping:
    """A compiled mapping. `run` is the hot path; `explain` does the same and records every step.

    `hash` is the SHA-256 (hex) over the mapping and the tables and Python that it uses: `files` are those. `source` is
    the generated Python, as tracebacks show it.
    """

    name: str
    file: str
    system: str
    direction: str
    hash: str
    kinds: tuple[str, ...]
    records: tuple[rules.Record, ...] = field(repr=False, compare=False)
    rules: tuple[rules.Rule, ...]
    files: dict[str, bytes] = field(repr=False)
    source: str = field(repr=False)
    _runs: tuple[Callable[[Any, list[Mapped]], None], ...] = field(repr=False, compare=False)
    _explains: tuple[Callable[[Any], list[lineage.Explained]], ...] = field(repr=False, compare=False)

    def run(self, row: dict[str, Any]) -> list[Mapped]:
        """The records of one row, in the file's order. Raises `MappingFailure` with place (file, line, target), value and hint."""
        out: list[Mapped] = []
        for each in self._runs:
            each(row, out)
        return out

    def explain(self, row: dict[str, Any]) -> list[lineage.Explained]:
        """The same with every step; a failure stands in the answer instead of being raised."""
        return [found for each in self._explains for found in each(row)]

    def __reduce__(self) -> tuple[object, ...]:
        """Mappings cross process borders as their files and are compiled again there."""
        return (_again, (self.files, self.file, self.system))


def parse(files: Files[str, bytes], name: str, *, system: str) -> Mapping:
    """Compile the mapping file `name` of a system's folder. Raises `BadMapping` with file, line, path, hint, and all mistakes."""
    found, wrong = parse_all(files, name, system=system)
    if found is None:
        raise errors.together(wrong)
    return found


def parse_all(files: Files[str, bytes], name: str, *, system: str) -> tuple[Mapping | None, list[errors.BadMapping]]:
    """The compiled mapping, or everything that is wrong with it in the order of the file."""
    if name not in files:
        return None, [errors.BadMapping("there is no such file in the system's folder", place=errors.Place(name))]
    try:
        doc = marked.load(files[name], name)
    except errors.Misconfigured as error:
        return None, [errors.BadMapping(each.detail, place=each.place, value=each.value, hint=_quoting(each)) for each in error.all]
    reader = draft.Draft(files, doc, system)
    title, direction, records = grammar.read(reader)
    if reader.found:
        return None, sorted(reader.found, key=lambda each: (each.place.file != name, each.place.line))
    used = {each: files[each] for each in sorted({name, *reader.uses})}
    return _compiled(title, name, system, direction, reader.numbered, records, used), []


def _quoting(error: errors.Stop) -> str:
    return error.hint or ("Inside { } a path with [ ] stands in quotes" if "',' or '}'" in error.detail else "")


def digest(files: Files[str, bytes]) -> str:
    """SHA-256 (hex) over names and bytes, in the order of the names."""
    found = hashlib.sha256()
    for name in sorted(files):
        found.update(f"{name}\0{len(files[name])}\0".encode())
        found.update(files[name])
    return found.hexdigest()


def _compiled(
    title: str, file: str, system: str, direction: str, found: list[rules.Rule], records: list[rules.Record], files: dict[str, bytes]
) -> Mapping:
    outbound = direction == "outbound"
    names: dict[str, Any] = _runtime(tuple(found), file, [_personal(rule, records, outbound=outbound) for rule in found])
    pieces: list[str] = []
    for number, record in enumerate(records):
        pieces += [compiler.run(record, number, names, outbound=outbound), compiler.explain(record, number, names, outbound=outbound)]
    source = "\n\n".join(pieces)
    shown = f"<mapping {system}/{file} {digest(files)[:12]}>"
    linecache.cache[shown] = (len(source), None, source.splitlines(keepends=True), shown)
    exec(compile(source, shown, "exec"), names)  # noqa: S102 the compiler wrote it; what a file says enters it as constants
    runs = tuple(names[f"record_{number}"] for number in range(len(records)))
    explains = tuple(names[f"explain_{number}"] for number in range(len(records)))
    kinds = tuple(dict.fromkeys(record.kind for record in records))
    return Mapping(title, file, system, direction, digest(files), kinds, tuple(records), tuple(found), files, source, runs, explains)


def _personal(rule: rules.Rule, records: list[rules.Record], *, outbound: bool) -> str:
    """The class of personal values that a rule works on, "" if it has none: where it writes to, or outbound where it reads from."""
    record = records[int(rule.path.removeprefix("records[").partition("]")[0])]
    if not outbound:
        return personal.class_of(record.kind, rule.target)
    entities = [record.of] if record.of else canonical.entity_names()
    classes = (personal.class_of(entity, rule.source.removeprefix("state.")) for entity in entities)
    return next(filter(None, classes), "")


def _runtime(found: tuple[rules.Rule, ...], file: str, classes: list[str]) -> dict[str, Any]:
    """What the generated source calls. `classes` are the rules' classes of personal values."""

    def failure(rule: int, value: object, error: Exception) -> errors.MappingFailure:
        place = errors.Place(file, found[rule].line, found[rule].target)
        if classes[rule] and value is not None:
            value = personal.shape(value)
        if isinstance(error, ValueError):
            return errors.MappingFailure(str(error), place=place, value=value, hint=getattr(error, "hint", ""))
        return errors.MappingFailure(f"{type(error).__name__}: {error}", place=place, value=value)

    return {
        "_Mapped": Mapped,
        "_Explained": lineage.Explained,
        "_Step": lineage.Step,
        "_failure": failure,
        "_missing": _missing,
        "_key": _key,
        "_sequence": _sequence,
        "_text": registry.text,
        "_at_key": paths.key,
        "_at": paths.at,
        "_pick": paths.pick,
        "_every": paths.every,
        "_listed": paths.listed,
        "_item": paths.item,
    }


def _missing() -> NoReturn:
    raise registry.Unfit("a value is required and there is none", "Correct the record, or give the rule a default")


def _key(value: Any) -> str:
    """A key is text or a whole number; outer space is no part of it, else padded files would double records."""
    if type(value) is str:
        key = value.strip()
    elif type(value) is int:
        key = str(value)
    elif value is None:
        key = ""
    else:
        raise registry.Unfit(f"a key is text or a whole number, not {registry.kind(value)}", "Make it text first, with join: or a function")
    if not key:
        raise registry.Unfit("the key is missing", "Correct the record")
    return key


def _sequence(value: Any) -> int | None:
    if value is None or value == "":
        return None
    number = value if type(value) is int else None
    if type(value) is str and value.strip().isascii() and value.strip().isdigit():
        number = int(value)
    if number is None or not -_LONGEST <= number < _LONGEST:
        raise registry.Unfit(
            "a sequence is a whole number of at most 64 bits", "Make one of a time: do: [{datetime: yyyyMMddHHmmss}, micros]"
        )
    return number


def _again(files: dict[str, bytes], name: str, system: str) -> Mapping:
    return parse(files, name, system=system)
