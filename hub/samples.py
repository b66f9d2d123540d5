"""The samples are the tests: finds every pair of a system, replays it, and says which mapping rules they use.

A pair stands in `samples/FEED/` or `samples/SINK/`: `NAME.in.*` with `NAME.out.json` (the records that it becomes),
`NAME.bad.*` with `NAME.error.json` (the failures that it gives), `NAME.change.json` with `NAME.sent.*` (what is sent).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from adapters import catalogue, fields
from config import rules
from hub import differences
from routes.inbound import Inbound
from routes.outbound import Outbound
from routes.route import Route
from schemas import canonical, errors
from schemas.envelope import Failure, Mapped
from transformers import lineage

Kind = Literal["in", "bad", "change"]

_NAME = re.compile(r"samples/(?P<end>[a-z0-9_-]+)/(?P<name>[^/]+)\.(?P<part>in|out|bad|error|change|sent)\.\w+")
_PARTNER: dict[str, tuple[Kind, str]] = {"in": ("in", "out"), "bad": ("bad", "error"), "change": ("change", "sent")}
_HINT = "Names: samples/FEED/NAME.in.json, .out.json, .bad.json, .error.json, samples/SINK/NAME.change.json, .sent.json"


@dataclass(frozen=True, slots=True)
class Pair:
    """What goes in, and what must come out: names of files in the system's folder. `end` is the feed or sink."""

    system: str
    end: str
    kind: Kind
    given: str
    wanted: str

    @property
    def id(self) -> str:
        """`crm/customers/person.in.json`, as reports show it."""
        return f"{self.system}/{self.given.removeprefix('samples/')}"


@dataclass(frozen=True, slots=True)
class Result:
    """What a replay gave. `difference` is "" where all is as wanted; `actual` is what the wanted file would have to hold."""

    pair: Pair
    difference: str
    actual: bytes = field(repr=False)
    rows: tuple[dict[str, Any], ...] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return not self.difference


@dataclass(frozen=True, slots=True)
class Covered:
    """How the good samples of a system use the rules of one mapping file."""

    system: str
    file: str
    used: tuple[lineage.Used, ...]

    @property
    def unused(self) -> tuple[lineage.Used, ...]:
        """The rules that no sample makes give a value."""
        return tuple(used for used in self.used if not used.hits)

    @property
    def share(self) -> float:
        """The part of the rules that is used, 0 to 1."""
        return 1 - len(self.unused) / len(self.used) if self.used else 1.0


def find(system: catalogue.System) -> list[Pair]:
    """Every pair of a system, in the order of its files. Raises `BadManifest` for samples that stand alone or nowhere."""
    pairs, wrong = find_all(system)
    if wrong:
        raise errors.together(wrong)
    return pairs


def find_all(system: catalogue.System) -> tuple[list[Pair], list[errors.BadManifest]]:
    """The pairs, and every sample that stands alone or nowhere."""
    names = [name for name in sorted(system.files) if name.startswith("samples/")]
    wrong: list[errors.BadManifest] = []
    pairs = [pair for name in names if (pair := fields.noted(wrong, functools.partial(_pair, system, name)))]
    known = {name for pair in pairs for name in (pair.given, pair.wanted)} | {error.place.file.partition("/")[2] for error in wrong}
    alone = [name for name in names if name not in known]
    return pairs, wrong + [_wrong(system, name, "a result without its sample", "Add the .in, .bad or .change file") for name in alone]


def replay(system: catalogue.System, pairs: Sequence[Pair] | None = None) -> list[Result]:
    """The results of these pairs of a system, or of all. Raises `Stop` when its manifest, schemas or mappings are wrong."""
    pairs = find(system) if pairs is None else pairs
    ends = {name: _compiled(system, name) for name in dict.fromkeys(pair.end for pair in pairs)}
    return [_replayed(system, ends[pair.end], pair) for pair in pairs]


def coverage(system: catalogue.System, results: Sequence[Result], only: Sequence[str] | None = None) -> list[Covered]:
    """For each mapping file of these feeds and sinks, or of all, how often the good samples use its rules; in the order of the files."""
    names = (*system.manifest.feeds, *system.manifest.sinks) if only is None else only
    ends = {name: _compiled(system, name) for name in names}
    compiled = {end.mapping.file: end.mapping for end in ends.values()}
    files = {name: end.mapping.file for name, end in ends.items()}
    rows: dict[str, list[dict[str, Any]]] = {file: [] for file in compiled}
    for result in results:
        if result.pair.kind != "bad":
            rows[files[result.pair.end]].extend(result.rows)
    return [Covered(system.name, file, lineage.coverage(compiled[file], found)) for file, found in sorted(rows.items())]


def _pair(system: catalogue.System, name: str) -> Pair | None:
    match = _NAME.fullmatch(name)
    if not match:
        raise _wrong(system, name, "this is not the name of a sample", _HINT)
    outward = match["part"] in ("change", "sent")
    ends = list(system.manifest.sinks if outward else system.manifest.feeds)
    if match["end"] not in ends:
        word = "sink" if outward else "feed"
        raise _wrong(system, name, f"the system has no {word} {match['end']!r}", f"Its {word}s: {', '.join(ends) or 'none'}")
    if match["part"] not in _PARTNER:
        return None
    kind, part = _PARTNER[match["part"]]
    stem = f"samples/{match['end']}/{match['name']}.{part}."
    wanted = next((other for other in sorted(system.files) if other.startswith(stem)), None)
    if wanted is None:
        raise _wrong(system, name, f"a sample without its .{part} file", f"Add {stem}json")
    return Pair(system.name, match["end"], kind, name, wanted)


def _wrong(system: catalogue.System, name: str, detail: str, hint: str) -> errors.BadManifest:
    return errors.BadManifest(detail, place=errors.Place(f"{system.name}/{name}"), hint=hint)


@functools.cache
def _rules() -> rules.MasterRules:
    return rules.load(None, canonical.entity_names())  # who is merged with whom is no matter of samples


def _compiled(system: catalogue.System, name: str) -> Inbound | Outbound:
    """A feed or a sink as the hub itself runs it; the sink as a route would reach it that holds nothing back."""
    if name in system.manifest.feeds:
        return Inbound(system, name, _rules())
    return Outbound(Route(name=name, text=b"", route=name, to=f"{system.name}/{name}"), system, name)


def _replayed(system: catalogue.System, end: Inbound | Outbound, pair: Pair) -> Result:
    given, wanted = system.files[pair.given], system.files[pair.wanted]
    found, failed, rows = _received(end, given) if isinstance(end, Inbound) else ([], [], ())
    try:
        told = json.loads(wanted if isinstance(end, Inbound) else given)
    except ValueError as error:
        return Result(pair, f"{pair.wanted if isinstance(end, Inbound) else pair.given} is not JSON: {error}", b"", rows)
    if isinstance(end, Outbound):
        return _outward(end, pair, told, wanted)
    failures = [
        {"record": number, "stage": each.stage, "code": each.code, "path": each.path, "reason": each.reason} for number, each in failed
    ]
    if pair.kind == "bad":
        return Result(pair, differences.of_failures(told, failures), differences.pretty(failures), rows)
    records = [{"entity": one.kind, "key": one.key, "sequence": one.sequence, "op": one.op, "state": one.state} for one in found]
    trouble = "\n".join(f"record {each['record']} failed at {each['stage']}: {each['reason']}" for each in failures)
    return Result(pair, trouble or differences.of_values(told, records), differences.pretty(records), rows)


def _received(end: Inbound, body: bytes) -> tuple[list[Mapped], list[tuple[int, Failure]], tuple[dict[str, Any], ...]]:
    """A body's way from the door on: its records, failures by record number, and the rows."""
    try:
        end.inspect(body)
    except errors.Reject as error:
        return [], [(0, Failure("receive", error.code, error.place.path, str(error), b""))], ()
    steps = list(end.steps(body))
    return (
        [record for step in steps for record in step.mapped],
        [(step.number, step.failure) for step in steps if step.failure],
        tuple(step.row for step in steps if step.row is not None),
    )


def _outward(end: Outbound, pair: Pair, given: Any, wanted: bytes) -> Result:
    changes: list[dict[str, Any]] = given if isinstance(given, list) else [given]
    trouble = "\n".join(f"change {number}: {line}" for number, change in enumerate(changes) for line in _uncanonical(change))
    if trouble:
        return Result(pair, trouble, b"", ())
    try:
        sent = end.format.write([record for change in changes for record in end.mapping.run(change)])
    except errors.Reject as error:
        return Result(pair, str(error), b"", tuple(changes))
    encoding = str(end.sink.format.get("encoding", "utf-8"))
    return Result(pair, differences.of_bytes(wanted, sent, encoding), sent, tuple(changes))


def _uncanonical(change: dict[str, Any]) -> Iterator[str]:
    """What a change has against the envelope and its entity's schema; the state of what was deleted may be empty."""
    found = canonical.validator("envelope").explain(change)
    yield from (each.line for each in found)
    if not found and change["state"]:
        yield from (f"state.{each.line}" for each in canonical.validator(change["entity"]).explain(change["state"]))
