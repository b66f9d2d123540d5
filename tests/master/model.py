"""An independent model of the master copy: a few dictionaries, everything recomputed after every record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from master.records import Row
from schemas.envelope import Candidate

Id = tuple[str, str, str]
RANK = {"crm": 0, "billing": 1}


@dataclass
class Source:
    """The last record of one source."""

    op: str
    state: dict[str, Any]
    match: str | None
    order: int
    sequenced: bool
    golden: int | None


@dataclass
class Model:
    """`versions` of each golden record, in the order of their making: (op, state); references are resolved to golden indexes."""

    sources: dict[Id, Source] = field(default_factory=dict)
    versions: list[list[tuple[str, dict[str, Any]]]] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)
    tallies: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("applied", "unchanged", "stale"), 0))

    def take(self, row: Row) -> None:
        """One record; of what became of its candidates the strongest counts."""
        outcomes = {self._take(candidate, row.order) for candidate in row.candidates}
        self.tallies[next((one for one in ("applied", "stale") if one in outcomes), "unchanged")] += 1

    def _take(self, new: Candidate, arrival: int) -> str:
        source_id = (new.entity, new.source, new.key)
        old = self.sources.get(source_id)
        order, sequenced = (arrival, False) if new.sequence is None else (new.sequence, True)
        if old and old.sequenced and not sequenced and new.op == "delete":
            order, sequenced = old.order, True
        if old and old.sequenced == sequenced and order < old.order:
            return "stale"
        state = orjson.loads(new.state) if new.op == "upsert" else {}
        golden = old.golden if old else None
        if golden is None and new.op == "upsert":
            golden = self._found(new)
            if golden is None:
                golden = len(self.versions)
                self.versions.append([])
                self.entities.append(new.entity)
        self.sources[source_id] = Source(new.op, state, new.match_key, order, sequenced, golden)
        before = sum(map(len, self.versions))
        self._recompute()
        return "applied" if sum(map(len, self.versions)) > before else "unchanged"

    def _found(self, new: Candidate) -> int | None:
        """The oldest golden record that somebody with the same match key belongs to now."""
        same = [
            source.golden
            for (entity, _, _), source in self.sources.items()
            if new.match_key and entity == new.entity and source.match == new.match_key and source.op == "upsert"
        ]
        return min((golden for golden in same if golden is not None), default=None)

    def _recompute(self) -> None:
        for golden, versions in enumerate(self.versions):
            state = self._state(golden)
            live = bool(versions) and versions[-1][0] != "delete"
            if state is None:
                if live:
                    versions.append(("delete", versions[-1][1]))
            elif not live:
                versions.append(("create", state))
            elif state != versions[-1][1]:
                versions.append(("update", state))

    def _state(self, golden: int) -> dict[str, Any] | None:
        members = [(one, source) for one, source in self.sources.items() if source.golden == golden and source.op == "upsert"]
        if not members:
            return None
        state: dict[str, Any] = {}
        for _, source in sorted(members, key=lambda each: (RANK[each[0][1]], each[0][2]), reverse=True):
            state |= source.state
        if "customer" in state:
            wanted = self.sources.get(("customer", state["customer"]["source"], state["customer"]["key"]))
            if wanted and wanted.golden is not None:
                state = {**state, "customer": {**state["customer"], "golden": wanted.golden}}
        return state
