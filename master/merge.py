"""Identify, merge and version: what a slice of decoded records does to the master copy, as a function over what is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson

from master import ids, references, survivorship
from master.records import Effects, Golden, Known, NewChange, Row, SourceId, SourceRecord, Tally
from schemas.envelope import Candidate, ChangeOp

APPLIED, UNCHANGED, STALE, DEAD = "applied", "unchanged", "stale", "dead"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the merge follows: the sources' ranks per entity, and where each entity's references stand."""

    ranks: survivorship.Ranks
    refs: references.Paths


class Origin(NamedTuple):
    """The record that causes what happens."""

    source: str
    message: int
    row: int


class Merge:
    """Works one slice through, record by record, in the order of arrival. `known` is kept up to date on the way."""

    def __init__(self, known: Known, rules: Rules, new_id: Callable[[], bytes]) -> None:
        self.known = known
        self.rules = rules
        self.new_id = new_id
        self.effects = Effects()

    def run(self, rows: Iterable[Row]) -> Effects:
        """Take every row in turn and answer with what must be written."""
        for row in rows:
            self._row(row)
        return self.effects

    def _row(self, row: Row) -> None:
        if row.failure is not None:
            self.effects.letters.append((row, row.failure))
            outcome = DEAD
        else:
            before = len(self.effects.changes)
            outcomes = [self._candidate(candidate, row) for candidate in row.candidates]
            outcome = outcomes[0] if len(outcomes) == 1 else _strongest(outcomes)
            if len(self.effects.changes) > before:
                outcome = APPLIED  # unchanged in itself, it gave another its golden id
        tally = self.effects.tallies.get(row.message)
        if tally is None:
            tally = self.effects.tallies[row.message] = Tally()
        setattr(tally, outcome, getattr(tally, outcome) + row.records)

    def _candidate(self, new: Candidate, row: Row) -> str:
        """One canonical record: guard the order, find its golden record, recompute it."""
        source_id = (new.entity, new.source, new.key)
        sequenced = new.sequence is not None
        sequence = new.sequence if new.sequence is not None else row.order
        old = self.known.sources.get(source_id)
        if new.op == "withdraw":
            return self._absent(new, old, row)
        if old is not None:
            old.seen = max(old.seen, row.message)
            if new.op == "delete" and not sequenced and old.sequenced:
                sequence, sequenced = old.sequence, True  # so that an update from before the delete stays out
            if sequenced == old.sequenced and sequence < old.sequence:
                self.effects.sources[source_id] = old
                return STALE
            if old.digest == new.digest:
                old.sequence, old.sequenced = sequence, sequenced
                self.effects.sources[source_id] = old
                return UNCHANGED
        origin = Origin(new.source, row.message, row.number)
        golden = old.golden if old is not None else 0
        seen = max(row.message, old.seen if old is not None else 0)
        record = SourceRecord(
            source_id, golden, sequence, sequenced, new.op, new.digest, new.match_key, row.message, row.number, None, seen
        )  # fmt: skip
        if new.op == "delete":
            return self._withdraw(record, origin)
        return self._take_in(record, new, origin)

    def _absent(self, new: Candidate, old: SourceRecord | None, row: Row) -> str:
        """A full extract does not hold the key: withdrawn, unless its source has spoken of it since."""
        if old is None or old.op == "delete":
            return UNCHANGED
        if old.seen >= (new.sequence or 0):
            return STALE
        record = replace(old, op="delete", digest=new.digest, message=row.message, row=row.number, state=None)
        return self._withdraw(record, Origin(new.source, row.message, row.number))

    def _keep(self, record: SourceRecord) -> None:
        before = self.known.sources.get(record.id)
        if before is None or before.match_key != record.match_key:
            self._carry(record, before)
        self.known.sources[record.id] = record
        self.effects.sources[record.id] = record
        if record.golden:
            members = self.known.members.get(record.golden)
            if members is None:
                self.known.members[record.golden] = {record.id: record}
            else:
                members[record.id] = record

    def _carry(self, record: SourceRecord, before: SourceRecord | None) -> None:
        """The record has another match key than before: who comes later is matched by the new one alone."""
        entity = record.id[0]
        if before is not None and before.match_key:
            self.known.matches.get((entity, before.match_key), {}).pop(record.id, None)
        if record.match_key:
            carriers = self.known.matches.get((entity, record.match_key))
            if carriers is None:
                self.known.matches[entity, record.match_key] = {record.id: record.golden}
            else:
                carriers[record.id] = record.golden

    def _withdraw(self, record: SourceRecord, origin: Origin) -> str:
        """A delete keeps a sequenced tombstone, so that a late update does not resurrect."""
        record.match_key = None
        self._keep(record)
        if not record.golden:
            return UNCHANGED
        golden = self.known.goldens[record.golden]
        return self._recompute(golden, origin) if golden.live else UNCHANGED

    def _take_in(self, record: SourceRecord, new: Candidate, origin: Origin) -> str:
        new_here = not record.golden
        golden = self._identify(record)
        if golden.version == 0 or (golden.members == 1 and not new_here):
            self._keep(record)
            outcome = self._changed(golden, new.state, new.refs, origin)
        else:
            if new_here:
                self._join(golden)
            record.state = new.state
            self._keep(record)
            outcome = self._recompute(golden, origin)
        if new_here:
            self._arrived(record.id, origin)
        return outcome

    def _identify(self, record: SourceRecord) -> Golden:
        """By cross-reference first, then by the exact match key; else it is somebody new."""
        if record.golden:
            return self.known.goldens[record.golden]
        carriers = self.known.matches.get((record.id[0], record.match_key)) if record.match_key else None
        if not carriers:
            golden = Golden(self.known.next_golden, self.new_id(), record.id[0], 0, 0, 1, live=False)
            self.known.next_golden += 1
            self.known.goldens[golden.n] = golden
        else:
            golden = self.known.goldens[min(carriers.values())]  # the oldest
        record.golden = golden.n
        return golden

    def _join(self, golden: Golden) -> None:
        """One member more: from now on every member keeps its own state."""
        for member in self.known.members[golden.n].values():
            if member.state is None and member.op == "upsert" and golden.body is not None:
                own = references.strip(self.rules.refs[golden.entity], orjson.loads(golden.body))
                member.state = orjson.dumps(own, option=orjson.OPT_SORT_KEYS)
                self.effects.sources[member.id] = member
        golden.members += 1
        self.effects.goldens[golden.n] = golden

    def _recompute(self, golden: Golden, origin: Origin) -> str:
        voices = [
            survivorship.Voice(member.id[1], member.id[2], orjson.loads(member.state))
            for member in self.known.members[golden.n].values()
            if member.op == "upsert" and member.state is not None
        ]
        if not voices:
            return self._version(golden, "delete", None, golden.body or b"{}", origin)
        state = survivorship.survive(golden.entity, voices, self.rules.ranks)
        return self._changed(golden, orjson.dumps(state, option=orjson.OPT_SORT_KEYS), None, origin)

    def _changed(self, golden: Golden, own: bytes, refs: Sequence[SourceId] | None, origin: Origin) -> str:
        """A new version if the state, with its references resolved, differs from the newest. `refs`: what it points to, if known."""
        body = self._resolved(golden, own, refs)
        if not golden.live:
            return self._version(golden, "create", None, body, origin)
        if golden.body == body:
            return UNCHANGED
        changed = difference(orjson.loads(golden.body or b"{}"), orjson.loads(body))
        return self._version(golden, "update", changed, body, origin) if changed else UNCHANGED

    def _resolved(self, golden: Golden, own: bytes, refs: Sequence[SourceId] | None) -> bytes:
        paths = self.rules.refs[golden.entity]
        if not paths:
            return own
        if refs is not None and b'"id"' not in own and not any(map(self._golden_id, refs)):
            self._dangle(golden, refs)
            return own  # without being read: nothing in it is to be changed
        state = orjson.loads(own)
        self._dangle(golden, references.resolve(paths, state, self._golden_id))
        return orjson.dumps(state, option=orjson.OPT_SORT_KEYS)

    def _dangle(self, golden: Golden, missing: Iterable[SourceId]) -> None:
        for wanted in missing:
            self.effects.dangling.add((wanted, golden.n))
            self.known.waiting.setdefault(wanted, set()).add(golden.n)

    def _golden_id(self, wanted: SourceId) -> str | None:
        record = self.known.sources.get(wanted)
        return ids.unpack(self.known.goldens[record.golden].id) if record is not None and record.golden else None

    def _version(self, golden: Golden, op: ChangeOp, changed: dict[str, list[Any]] | None, body: bytes, origin: Origin) -> str:
        golden.version += 1
        golden.seq = self.known.next_seq
        golden.live = op != "delete"
        golden.body = body
        self.known.next_seq += 1
        self.effects.goldens[golden.n] = golden
        change = NewChange(golden.seq, golden, golden.version, op, origin.source, origin.message, origin.row, changed, body)
        self.effects.changes.append(change)
        return APPLIED

    def _arrived(self, source_id: SourceId, origin: Origin) -> None:
        """Something that others already point to is here: each of them gets its golden id, and a version that says so."""
        waiting = self.known.waiting.pop(source_id, None)
        if not waiting:
            return
        self.effects.arrived.add(source_id)
        for number in sorted(waiting):
            self.effects.dangling.discard((source_id, number))
            golden = self.known.goldens[number]
            if golden.live and golden.body is not None:
                self._changed(golden, golden.body, None, origin)


def difference(old: dict[str, Any], new: dict[str, Any]) -> dict[str, list[Any]]:
    """The fields that differ: {field: [old, new]}, None where one side has none."""
    return {name: [old.get(name), new.get(name)] for name in {**old, **new} if old.get(name) != new.get(name)}


def _strongest(outcomes: list[str]) -> str:
    return APPLIED if APPLIED in outcomes else STALE if STALE in outcomes else UNCHANGED
