"""A store at rest as the history checker reads it: its rows, and what each subscription's filter matches, projected anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from demo import parts
from demo.evidence import Store, Subscription
from master import ids
from master.sqlite.store import SqliteStore
from routes.outbound import Outbound
from routes.setup import Setup

INBOX = ("i.id", "l.source || '/' || l.feed", "i.message_id", "i.digest", "i.records", "i.parent", "i.refused OR i.id <= l.mark")
TALLIES = ("accepted", "duplicate", "applied", "unchanged", "stale", "dead", "resolved")


def collect(store: SqliteStore, setup: Setup) -> Store:
    """Reads everything; nobody may write meanwhile."""
    public = {n: ids.unpack(packed) for n, packed in store.views.dump("golden", ("n", "id"))}
    letters = list(_letters(store))
    return Store(
        inbox=list(_inbox(store, setup)),
        changes=list(_changes(store, public)),
        golden=list(_rows(store, "golden", ("id", "entity", "version", "seq"), lambda row: row | {"id": ids.unpack(row["id"])})),
        source_records=list(_sources(store, public)),
        dead=letters,
        settled=list(_settled(store, letters)),
        lanes=list(_rows(store, "lane", ("source || '/' || feed AS source", *TALLIES))),
        subscriptions=tuple(_subscription(store, setup.outbound(name)) for name in setup.routes),
    )


def _rows(store: SqliteStore, table: str, columns: tuple[str, ...], change: Any = dict) -> Iterator[dict[str, Any]]:
    names = [column.rpartition(" AS ")[2] for column in columns]
    for row in store.views.dump(table, columns):
        yield change(dict(zip(names, row, strict=True)))


def _inbox(store: SqliteStore, setup: Setup) -> Iterator[dict[str, Any]]:
    """`passed`: apply has gone beyond the message. Parts of files are named by their file's content."""
    files = _files(store, setup)
    for place, source, message_id, digest, records, parent, passed in store.views.dump("inbox i JOIN lane l ON l.id = i.lane", INBOX):
        prefix, _, number = (message_id or "").rpartition(":")
        shown = f"{files[prefix][:24]}:{number}" if prefix in files else message_id
        yield {
            "id": place, "source": source, "message_id": shown, "digest": digest.hex(), "records": records, "parent": parent,
            "passed": bool(passed),
        }  # fmt: skip


def _files(store: SqliteStore, setup: Setup) -> dict[str, str]:
    over = {feed.path: feed.over for system in setup.systems.values() for feed in system.manifest.feeds.values()}
    columns = ("i.id", "l.source || '/' || l.feed", "i.message_id")
    places = [(place, name) for place, source, name in store.views.dump("inbox i JOIN lane l ON l.id = i.lane", columns)
              if over[source] in ("folder", "sftp") and name is not None]  # fmt: skip
    found = []
    for place, name in sorted(places, key=lambda each: each[1]):
        stored = store.inbox.get(place)
        assert stored is not None
        found.append((name, stored.message.body))
    return parts.names(found)


def _changes(store: SqliteStore, public: dict[int, str]) -> Iterator[dict[str, Any]]:
    columns = ("seq", "entity", "golden", "version", "op", "message", "row")
    return _rows(store, "change", columns, lambda row: row | {"golden_id": public.get(row["golden"], str(row["golden"]))})


def _sources(store: SqliteStore, public: dict[int, str]) -> Iterator[dict[str, Any]]:
    """Tombstones of what was never seen belong to no golden record."""
    columns = ("entity", "source", "key", "golden")
    for row in _rows(store, "source_record", columns):
        if row["golden"]:
            yield row | {"golden_id": public.get(row["golden"])}


def _letters(store: SqliteStore) -> Iterator[dict[str, Any]]:
    states = {"dead": "dead", "waiting": "dead", "resolved": "resolved", "discarded": "resolved"}
    columns = ("id", "stage", "state", "message", "row", "subscription", "records")
    return _rows(store, "dead_letter", columns, lambda row: row | {"state": states[row["state"]]})


def _settled(store: SqliteStore, letters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The table keeps what died; of that, what was resolved since is told by the letters."""
    resolved: Counter[int] = Counter()
    for letter in letters:
        if letter["subscription"] is None and letter["state"] == "resolved":
            resolved[letter["message"]] += letter["records"]
    for row in _rows(store, "settled", ("message", "applied", "unchanged", "stale", "dead")):
        done = resolved[row["message"]]
        yield row | {"dead": row["dead"] - done, "resolved": done}


def _subscription(store: SqliteStore, outbound: Outbound) -> Subscription:
    name = outbound.route.name
    progress = next(each for each in store.subscriptions.all() if each.name == name)
    expected, excused = [], []
    named = _named(store, name)
    after = 0
    while found := store.subscriptions.changes(after, 10_000):
        for golden, change in found:
            after = change.seq
            if outbound.project(golden, change) is not None:
                expected.append((change.golden_id, change.version))
                if change.seq in named or (golden, change.seq) in named:
                    excused.append(expected[-1])
    return Subscription(name, outbound.route.mode, progress.mark, **progress.tallies, expected=expected, excused=excused)


def _named(store: SqliteStore, name: str) -> set[Any]:
    """Positions that were suppressed, and (golden, position) of what stands behind a parked key."""
    found: set[Any] = set()
    for subscription, first, last in store.views.dump("delivery WHERE outcome = 'suppressed'", ("subscription", "first_seq", "last_seq")):
        if subscription == name:
            found.update(range(first, last + 1))
    parked = "dead_letter WHERE subscription IS NOT NULL AND state IN ('waiting', 'dead')"
    for subscription, golden, first, last in store.views.dump(parked, ("subscription", "golden", "from_seq", "last_seq")):
        if subscription == name:
            found.update((golden, seq) for seq in range(first, last + 1))
    return found
