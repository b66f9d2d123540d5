"""The apply leader's desk for tests: rows of candidates in, the master copy out, cut into slices as one likes."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import orjson

from master import ids, loading, references
from master.merge import Merge, Rules
from master.records import Effects, Row
from master.store import Store
from schemas import canonical
from schemas.envelope import Candidate, Change, Failure, Message, Receipt

REFS = {entity: canonical.refs(entity) for entity in canonical.entity_names()}
RULES = Rules(dict.fromkeys(canonical.entity_names(), ("crm", "billing")), REFS)
SOON = 10**15


def record(
    key: str,
    state: dict[str, Any] | None,
    *,
    source: str = "crm",
    entity: str = "customer",
    sequence: int | None = None,
    match: str | None = None,
) -> Candidate:
    """A canonical record; without a state it is a delete."""
    if state is None:
        return Candidate(entity, source, key, sequence, "delete", b"", b"delete", None, ())
    body = orjson.dumps(state, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.blake2b(body, digest_size=16).digest()
    return Candidate(entity, source, key, sequence, "upsert", body, digest, match, references.targets(REFS[entity], state))


def failed(reason: str = "it is wrong", payload: bytes = b"{}") -> Failure:
    """Why a record could not be used."""
    return Failure("map", "MappingFailure", "$[0] name", reason, payload)


class Desk:
    """Gives each call of `message` a message of its own; golden ids count up, so that two desks can be compared."""

    def __init__(self, store: Store, rules: Rules = RULES) -> None:
        self.store = store
        self.rules = rules
        self.at = 1_000
        self._count = itertools.count(1)
        fence = store.leases.take("apply", "the tests", 0, SOON, force=True)
        assert fence is not None
        self.fence = fence

    def message(self, records: int, *, source: str = "crm", feed: str = "customers", **more: Any) -> int:
        """A message in the inbox; answers its place."""
        answer = self.store.inbox.append([Message(source, feed, None, b"{}", "", records, **more)], self.at)[0]
        assert isinstance(answer, Receipt)
        return answer.id

    def apply(self, *content: Candidate | Failure | Sequence[Candidate], cut: int = 10_000, **more: Any) -> int:
        """One message with these rows, merged in slices of at most `cut` rows; answers its place."""
        message = self.message(len(content), **more)
        self.merge([self.row(message, number, each) for number, each in enumerate(content)], cut=cut)
        return message

    @staticmethod
    def row(message: int, number: int, content: Candidate | Failure | Sequence[Candidate], order: int | None = None) -> Row:
        """One row; its place of arrival is its message's unless told otherwise."""
        place = message * 1000 + number if order is None else order
        if isinstance(content, Failure):
            return Row(message, number, place, (), content)
        candidates = (content,) if isinstance(content, Candidate) else tuple(content)
        return Row(message, number, place, candidates)

    def merge(self, rows: Sequence[Row], cut: int = 10_000) -> list[Effects]:
        """Merge rows of one lane, slice by slice."""
        return [self._slice(rows[start : start + cut]) for start in range(0, len(rows), cut)]

    def slices(self, slices: Sequence[Sequence[Row]]) -> None:
        """Merge slices that are cut already."""
        for rows in slices:
            self._slice(rows)

    def _slice(self, rows: Sequence[Row]) -> Effects:
        self.at += 1
        known = loading.load(self.store.leader.reads(), rows, self.rules)
        effects = Merge(known, self.rules, lambda: ids.uuid7(1, next(self._count))).run(rows)
        stored = self.store.inbox.get(rows[-1].message) if rows else None
        lanes = {lane.feed: lane.id for lane in self.store.inbox.lanes()}
        marks = {lanes[stored.message.feed]: (stored.id, 0)} if stored and stored.message.feed in lanes else {}
        self.store.leader.write(self.fence, effects, marks, {row.message: 7 for row in rows}, self.at)
        return effects

    def changes(self) -> list[Change]:
        """The whole change log."""
        return [change for _, change in self.store.subscriptions.changes(0, 100_000)]

    def id_of(self, key: str, entity: str = "customer") -> str:
        """The golden id behind a source's key."""
        [number] = [
            row[2] for row in self.store.views.dump("source_record", ("entity", "key", "golden")) if (row[0], row[1]) == (entity, key)
        ]
        return {each: change.golden_id for each, change in self.store.subscriptions.changes(0, 100_000)}[number]

    def states(self, key: str, *, entity: str = "customer") -> list[tuple[int, str, dict[str, Any]]]:
        """(version, op, state) of the golden record behind a source's key, oldest first."""
        return [(each.version, each.op, each.state) for each in reversed(self.store.views.history(self.id_of(key, entity)))]

    def golden(self, key: str, entity: str = "customer") -> dict[str, Any]:
        """The golden record behind a source's key."""
        golden = self.store.views.golden(self.id_of(key, entity))
        assert golden is not None
        return golden
