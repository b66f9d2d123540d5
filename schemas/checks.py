"""JSON Schema both ways: a fast verdict for every record, and a slow reference that explains in one line."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema
import jsonschema_rs
import referencing

from schemas import errors, findings
from schemas.findings import Finding

Schema = Mapping[str, Any] | bool

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?([Zz]|[+-]([0-9]{2}):([0-9]{2}))")
_FORMATS = jsonschema.FormatChecker(formats=())


class Check:
    """One compiled schema. `ok` is the hot path; `explain` is the reference and may take its time."""

    def __init__(self, schema: Schema, name: str) -> None:
        """Raises `Misconfigured` for what is not a JSON Schema 2020-12, or points outside itself."""
        check_schema(schema, errors.Place(name))
        self.name = name
        self._schema = schema if isinstance(schema, bool) else dict(schema)
        self._reference = _Reference(self._schema, format_checker=_FORMATS, registry=referencing.Registry())
        self._valid: Callable[[Any], bool] = _fast(self._schema, name)

    def ok(self, value: object) -> bool:
        """Whether the value follows the schema. What JSON cannot hold does not."""
        try:
            return self._valid(value)
        except ValueError:
            return False

    def explain(self, value: object) -> list[Finding]:
        """Everything that is wrong, by path; empty when nothing is. Text classed by `x-personal` is not shown."""
        if self.ok(value):
            return []
        found = {finding for problem in self._reference.iter_errors(value) for finding in self._findings(problem)}
        return sorted(found) or [Finding("$", "what JSON can hold", _refusal(self._valid, value))]

    def raise_for(self, value: object, error_class: type[errors.Reject]) -> None:
        """Raise `error_class` with the first finding's line and path and the number of the others, or return."""
        found = self.explain(value)
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise error_class(found[0].line + more, place=errors.Place(self.name, path=found[0].path))

    def _findings(self, problem: jsonschema.ValidationError) -> Iterator[Finding]:
        path = tuple(problem.absolute_path)
        if problem.validator == "required":
            yield from (Finding(findings.dotted((*path, name)), "a value (required)", "nothing") for name in _missing(problem))
        elif problem.validator == "additionalProperties" and problem.validator_value is False:
            yield from _strangers(problem, path)
        else:
            yield Finding(findings.dotted(path), _expected(problem), findings.got(problem.instance, personal=self._is_personal(problem)))

    def _is_personal(self, problem: jsonschema.ValidationError) -> bool:
        """Whether a field on the way is classed. The class may stand beside a `$ref`, so the way is walked from the root."""
        node: Any = self._schema
        for step in problem.absolute_schema_path:
            if step not in node:  # the path leaves out "$ref"
                node = _definition(self._schema, node["$ref"])
            node = node[step]
            if isinstance(node, Mapping) and node.get("x-personal", "none") != "none" and node.get("type") not in ("object", "array"):
                return True
        return False


def check_schema(schema: Schema, place: errors.Place) -> None:
    """Hold a schema to the metaschema of JSON Schema 2020-12. Raises `Misconfigured` at `place` with the path inside."""
    problem = jsonschema.exceptions.best_match(_META.iter_errors(schema))
    if problem is not None:
        inside = findings.dotted(problem.absolute_path)
        line = Finding(inside, _expected(problem), findings.got(problem.instance, personal=False)).line
        raise errors.Misconfigured(f"not a JSON Schema: {line}", place=errors.Place(place.file, place.line, inside))
    for reference in _references(schema):
        if not _resolves(schema, reference):
            detail = f"$ref {reference!r} leads nowhere in the schema"
            raise errors.Misconfigured(detail, place=place, hint="Copy the definition into $defs")


def _references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _references(child)


def _resolves(schema: Schema, reference: str) -> bool:
    try:
        return reference.startswith("#") and _definition(schema, reference) is not None
    except (KeyError, IndexError, TypeError):
        return False


def _definition(schema: Any, reference: str) -> Any:
    for part in reference.removeprefix("#").split("/")[1:]:
        schema = schema[part.replace("~1", "/").replace("~0", "~")]
    return schema


def _fast(schema: dict[str, Any] | bool, name: str) -> Callable[[Any], bool]:
    try:
        return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True).is_valid
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise errors.Misconfigured(f"not a JSON Schema: {str(error).splitlines()[0]}", place=errors.Place(name)) from error


def _refusal(valid: Callable[[Any], bool], value: object) -> str:
    try:
        valid(value)
    except ValueError as error:
        return str(error)
    return "a value that the fast check refuses"


@_FORMATS.checks("date")
def _is_date(value: object) -> bool:
    """RFC 3339 full-date, as the fast check reads it."""
    return not isinstance(value, str) or (_DATE.fullmatch(value) is not None and _is_day(value))


@_FORMATS.checks("date-time")
def _is_time(value: object) -> bool:
    """RFC 3339 date-time, a leap second only at the end of a UTC day, as the fast check reads it."""
    if not isinstance(value, str):
        return True
    match = _TIME.fullmatch(value)
    if match is None or not _is_day(match[1]):
        return False
    hour, minute, second, away_hours, away_minutes = (int(part or 0) for part in match.group(2, 3, 4, 7, 8))
    if hour > 23 or minute > 59 or second > 60 or away_hours > 23 or away_minutes > 59:
        return False
    offset = (away_hours * 60 + away_minutes) * (-1 if match[6].startswith("-") else 1)
    return second < 60 or (hour * 60 + minute - offset) % 1440 == 1439


def _is_day(text: str) -> bool:
    # Python's calendar starts at year 1; RFC 3339 and the fast check know a year 0, which leaps like 2000.
    try:
        dt.date.fromisoformat("2000" + text[4:] if text.startswith("0000") else text)
    except ValueError:
        return False
    return True


def _pattern(_: object, pattern: str, value: object, __: object) -> Iterator[jsonschema.ValidationError]:
    # ECMA-262's $ is the very end; Python's would let a line break pass.
    if isinstance(value, str) and not re.search(re.sub(r"(?<!\\)\$$", r"\\Z", pattern), value):
        yield jsonschema.ValidationError(f"does not match {pattern}")


_Reference = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
_META = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)


def _missing(problem: jsonschema.ValidationError) -> list[str]:
    # jsonschema yields one error per missing name and keeps the name in its message only.
    instance: Any = problem.instance
    names: Any = problem.validator_value
    return [name for name in names if name not in instance]


def _strangers(problem: jsonschema.ValidationError, path: tuple[str | int, ...]) -> Iterator[Finding]:
    schema: Any = problem.schema
    instance: Any = problem.instance
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in instance:
        if name not in known and not any(re.search(pattern, name) for pattern in patterns):
            near = difflib.get_close_matches(name, known, 1)
            yield Finding(findings.dotted((*path, name)), f"no such field (nearest: {near[0]})" if near else "no such field", "a value")


def _expected(problem: jsonschema.ValidationError) -> str:
    if problem.validator in ("anyOf", "oneOf") and problem.context:
        return " or ".join(dict.fromkeys(_expected(part) for part in problem.context))
    schema: Any = problem.schema
    if problem.validator == "pattern" and "format" in schema:
        return findings.expected("format", schema["format"])
    return findings.expected(str(problem.validator), problem.validator_value)
