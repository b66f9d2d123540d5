"""The history checker: judges from clients' logs, receivers' logs and the store whether the hub kept its promise."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from demo import arrivals, intake
from demo.evidence import Attempt, Finding, Received, Rows, Store, Subscription

SHOWN = 5
SETTLED = ("applied", "unchanged", "stale", "dead", "resolved")
FAULTS = {
    "lost": "acknowledged and not stored as it was sent",
    "unexpected": "stored and not sent, or stored after a refusal",
    "skipped": "passed over by apply, with records neither applied nor parked",
    "doubled": "one message id stored more than once",
    "effects": "one record changed one golden record more than once",
    "version_gaps": "versions not 1, 2, 3 ... in the order of the change log",
    "seq_gaps": "positions of the change log not 1, 2, 3 ...",
    "broken": "rows that point at nothing, or do not agree with each other",
    "out_of_order": "first delivered after a later version of its key",
    "missing": "matched and never delivered, with no row that says so",
    "extra": "delivered and not matched",
    "violations": "a conservation law does not add up",
}


@dataclass(frozen=True)
class Report:
    """The verdict. Attempts are counted in messages, `accepted` and `pending` in records, deliveries in changes.

    `effects` is the most changes that one record made to one golden record (at most 1 is right); the other faults are
    numbers of findings. `late_duplicates` are repeats of a delivery, which the promise allows.
    """

    attempted: int = 0
    acknowledged: int = 0
    unknown: int = 0
    stored: int = 0
    recovered: int = 0
    accepted: int = 0
    pending: int = 0
    delivered: int = 0
    late_duplicates: int = 0
    lost: int = 0
    unexpected: int = 0
    skipped: int = 0
    doubled: int = 0
    effects: int = 0
    version_gaps: int = 0
    seq_gaps: int = 0
    broken: int = 0
    out_of_order: int = 0
    missing: int = 0
    extra: int = 0
    violations: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing was found."""
        return not self.findings

    def lines(self) -> list[str]:
        """The verdict in readable lines: the figures, then each kind of fault with its first few places."""
        text = [
            f"attempted {self.attempted}, acknowledged {self.acknowledged}, unknown {self.unknown}",
            f"stored {self.stored}, recovered {self.recovered}",
            f"records accepted {self.accepted}, pending {self.pending}; most effects of one record {self.effects}",
            f"deliveries {self.delivered}, of them repeated {self.late_duplicates}",
        ]
        for kind, why in FAULTS.items():
            places = [found.text for found in self.findings if found.kind == kind]
            if places:
                text.append(f"{kind} {len(places)} ({why}): " + "; ".join(places[:SHOWN]) + (" ..." if len(places) > SHOWN else ""))
        return text


def judge(attempts: Iterable[Attempt], received: Iterable[Received], store: Store) -> Report:
    """Hold what clients and receivers saw against the store; pure, and linear in the size of the three."""
    tries = intake.outcomes(attempts)
    recovered, found = intake.judge(tries, store.inbox)
    delivered, repeats, arrived = arrivals.judge(received, store.subscriptions)
    effects = _effects(store)
    found += [*_repeated(effects), *_versions(store), *_positions(store.changes), *_links(store)]
    found += [*arrived, *_settled(store), *_skipped(store), *_tallies(store), *_delivered(store.subscriptions)]
    counts = Counter(finding.kind for finding in found) | Counter(effects=0)
    accepted = sum(row["records"] for row in store.inbox)
    return Report(
        attempted=len(tries),
        acknowledged=sum(attempt.outcome == "ok" for attempt in tries),
        unknown=sum(attempt.outcome in ("unknown", "invoke") for attempt in tries),
        stored=len(store.inbox),
        recovered=recovered,
        accepted=accepted,
        pending=accepted - sum(_sum(row) for row in store.settled),
        delivered=delivered,
        late_duplicates=repeats,
        effects=max(effects.values(), default=0),
        findings=tuple(found),
        **{kind: counts[kind] for kind in FAULTS if kind != "effects"},
    )


def _effects(store: Store) -> Counter[tuple[object, int, str]]:
    """How often one record changed one golden record. Stored copies of one message id are one record."""
    identity = {row["id"]: (row["source"], row["message_id"]) if row["message_id"] is not None else row["id"] for row in store.inbox}
    caused = [change for change in store.changes if change["message"] is not None]
    return Counter((identity.get(change["message"], change["message"]), change["row"], change["golden_id"]) for change in caused)


def _repeated(effects: Counter[tuple[object, int, str]]) -> Iterator[Finding]:
    for (message, row, golden), times in effects.items():
        if times > 1:
            yield Finding("effects", f"message {message} row {row} changed {golden} {times} times")


def _versions(store: Store) -> Iterator[Finding]:
    newest: dict[str, tuple[int, int]] = {}
    for change in sorted(store.changes, key=lambda row: row["seq"]):  # a dump comes sorted: one pass
        last = newest.get(change["golden_id"], (0, 0))[0]
        if change["version"] != last + 1:
            yield Finding("version_gaps", f"{change['golden_id']}: {change['version']} follows {last} at position {change['seq']}")
        newest[change["golden_id"]] = (change["version"], change["seq"])
    for row in store.golden:
        said, logged = (row["version"], row["seq"]), newest.get(row["id"])
        if said != logged:
            yield Finding("version_gaps", f"{row['id']}: golden says version and position {said}, the change log {logged}")
    for alone in newest.keys() - {row["id"] for row in store.golden}:
        yield Finding("broken", f"{alone} has changes and is no golden record")


def _positions(changes: Rows) -> Iterator[Finding]:
    last = 0
    for seq in sorted(change["seq"] for change in changes):
        if seq != last + 1:
            yield Finding("seq_gaps", f"{seq} follows {last}")
        last = seq


def _links(store: Store) -> Iterator[Finding]:
    golden = {row["id"] for row in store.golden}
    messages = {row["id"] for row in store.inbox}
    keys = Counter((row["entity"], row["source"], row["key"]) for row in store.source_records)
    yield from (Finding("broken", f"source record {key} stands {times} times") for key, times in keys.items() if times > 1)
    for row in store.source_records:
        if row["golden_id"] not in golden:
            yield Finding("broken", f"source record {(row['entity'], row['source'], row['key'])} points at no golden record")
    for alone in golden - {row["golden_id"] for row in store.source_records}:
        yield Finding("broken", f"golden record {alone} has no source record")
    for change in store.changes:
        if change["message"] is not None and change["message"] not in messages:
            yield Finding("broken", f"position {change['seq']} was caused by message {change['message']}, which is not stored")


def _sum(row: dict[str, int]) -> int:
    return sum(row[what] for what in SETTLED)


def _settled(store: Store) -> Iterator[Finding]:
    """accepted = applied + unchanged + stale + dead + resolved + pending, message by message, with a row behind each figure."""
    size = {row["id"]: row["records"] for row in store.inbox}
    changed: dict[int, set[int]] = defaultdict(set)
    for change in store.changes:
        if change["message"] is not None:
            changed[change["message"]].add(change["row"])
    letters: Counter[tuple[int, str]] = Counter()
    for letter in store.dead:
        if letter["subscription"] is None:
            letters[(letter["message"], letter["state"])] += letter["records"]
    settled = {row["message"]: row for row in store.settled}
    if len(settled) < len(store.settled):
        yield Finding("violations", f"{len(store.settled) - len(settled)} messages are settled twice")
    none = dict.fromkeys(SETTLED, 0)
    for message in size.keys() | settled.keys() | changed.keys() | {message for message, _ in letters}:
        row = settled.get(message, none)
        if _sum(row) > size.get(message, 0):
            yield Finding("violations", f"message {message}: {_sum(row)} of {size.get(message, 0)} records settled")
        facts = {"applied": len(changed[message]), "dead": letters[(message, "dead")], "resolved": letters[(message, "resolved")]}
        for what, count in facts.items():
            if row[what] != count:
                yield Finding("violations", f"message {message}: {what} says {row[what]}, the rows {count}")


def _skipped(store: Store) -> Iterator[Finding]:
    """Where apply has been, nothing is left behind."""
    settled = {row["message"]: _sum(row) for row in store.settled}
    for row in store.inbox:
        done = settled.get(row["id"], 0)
        if row.get("passed") and done < row["records"]:
            yield Finding("skipped", f"message {row['id']} of {row['source']}: {done} of {row['records']} records settled")


def _tallies(store: Store) -> Iterator[Finding]:
    """What each feed's figures say is what its rows add up to."""
    source = {row["id"]: row["source"] for row in store.inbox}
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for row in store.inbox:
        sums[row["source"]]["accepted"] += row["records"]
    for row in store.settled:
        sums[source.get(row["message"], "")].update({what: row[what] for what in SETTLED})
    for lane in store.lanes:
        for what in ("accepted", *SETTLED):
            if lane[what] != sums[lane["source"]][what]:
                yield Finding("violations", f"{lane['source']}: {what} says {lane[what]}, the rows {sums[lane['source']][what]}")


def _delivered(subscriptions: Iterable[Subscription]) -> Iterator[Finding]:
    """matched = delivered + superseded + suppressed + dead + pending, for each subscription."""
    for one in subscriptions:
        total = one.delivered + one.superseded + one.suppressed + one.dead + one.pending
        if one.matched != total:
            yield Finding("violations", f"{one.name}: matched {one.matched}, accounted for {total}")
