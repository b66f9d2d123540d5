"""Gathers what the store knows of everything that a slice touches, in a few set-based reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import orjson

from master import references
from master.merge import Rules
from master.records import Golden, Known, Row, SourceId, SourceRecord


class Reads(Protocol):
    """The reads that an engine answers inside the leader's transaction."""

    def counters(self) -> tuple[int, int]:
        """The next golden number and the next sequence number."""

    def sources(self, ids: Iterable[SourceId]) -> Sequence[tuple[SourceRecord, Golden | None]]:
        """The source records of these ids with their golden records, bodies left out."""

    def matches(self, keys: Iterable[tuple[str, str]]) -> Sequence[tuple[SourceId, str, Golden]]:
        """Every source record that carries one of these (entity, match key): its id, the key, its golden record."""

    def waiting(self, ids: Iterable[SourceId]) -> Sequence[tuple[SourceId, Golden]]:
        """Who points to these ids without having found them."""

    def members(self, goldens: Iterable[int]) -> Sequence[SourceRecord]:
        """Every source record of these golden records."""

    def bodies(self, goldens: Iterable[Golden]) -> None:
        """Fill in `body` from each one's newest change."""


def load(reads: Reads, rows: Sequence[Row], rules: Rules) -> Known:
    """What must be known to work these rows through."""
    known = Known()
    known.next_golden, known.next_seq = reads.counters()
    candidates = [candidate for row in rows for candidate in row.candidates]
    wanted = dict.fromkeys((c.entity, c.source, c.key) for c in candidates)
    for candidate in candidates:
        if candidate.refs:
            wanted.update(dict.fromkeys(candidate.refs))
    _sources(known, reads, wanted)
    touched: dict[int, Golden] = {}
    strangers: dict[SourceId, None] = {}
    keys: dict[tuple[str, str], None] = {}
    for candidate in candidates:
        source_id = (candidate.entity, candidate.source, candidate.key)
        record = known.sources.get(source_id)
        if record is not None and record.golden:
            if record.digest != candidate.digest:
                touched[record.golden] = known.goldens[record.golden]
        else:
            strangers[source_id] = None
            if candidate.match_key:
                keys[candidate.entity, candidate.match_key] = None
    matched: list[int] = []
    if keys:
        for source_id, key, golden in reads.matches(keys):
            known.matches.setdefault((source_id[0], key), {})[source_id] = golden.n
            touched[golden.n] = known.goldens.setdefault(golden.n, golden)
            matched.append(golden.n)
    if strangers:
        for source_id, golden in reads.waiting(strangers):
            known.waiting.setdefault(source_id, set()).add(golden.n)
            touched[golden.n] = known.goldens.setdefault(golden.n, golden)
    _details(known, reads, touched, matched, rules)
    return known


def _sources(known: Known, reads: Reads, ids: Iterable[SourceId]) -> None:
    for record, golden in reads.sources(ids):
        if golden is not None:
            known.goldens.setdefault(golden.n, golden)
            if golden.members == 1:
                known.members.setdefault(golden.n, {})[record.id] = record
        known.sources[record.id] = record


def _details(known: Known, reads: Reads, touched: dict[int, Golden], matched: Sequence[int], rules: Rules) -> None:
    """Bodies and members of all that may change, and whatever their own references point to."""
    if not touched:
        return
    reads.bodies(touched.values())
    several = [n for n in dict.fromkeys([*matched, *touched]) if known.goldens[n].members > 1 or n not in known.members]
    for record in reads.members(several):
        known.members.setdefault(record.golden, {})[record.id] = known.sources.setdefault(record.id, record)
    more: dict[SourceId, None] = {}
    for golden in touched.values():
        paths = rules.refs[golden.entity]
        if not paths:
            continue
        states = [golden.body, *(member.state for member in known.members.get(golden.n, {}).values())]
        for state in states:
            if state is not None:
                more.update(dict.fromkeys(references.targets(paths, orjson.loads(state))))
    _sources(known, reads, [wanted for wanted in more if wanted not in known.sources])
