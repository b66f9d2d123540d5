"""What the history checker is given of a store: its rows, and what each subscription's filter matches in the change log."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from demo import evidence, parts
from demo.evidence import Pair
from master import ids
from master.store import Progress, Store
from routes.outbound import Outbound

_PART = re.compile(r"[0-9a-f]{24}:\d{6}")  # the id of a file's part
_PAGE = 2_000

Row = dict[str, Any]


def collect(store: Store, subscriptions: Iterable[Outbound] = ()) -> evidence.Store:
    """The whole store as rows, for `demo.history.judge`; `subscriptions` as configured now. Reads everything."""
    lanes = list(_rows(store, "lane", "id source feed mark accepted applied unchanged stale dead resolved"))
    names = {row[0]: ids.unpack(row[1]) for row in store.views.dump("golden", ("n", "id"))}
    letters = _letters(store)
    places = {lane["id"]: (f"{lane['source']}/{lane['feed']}", lane["mark"]) for lane in lanes}
    sources = _rows(store, "source_record", "entity source key golden")
    changes = _rows(store, "change", "seq entity golden version op message row")
    return evidence.Store(
        inbox=_inbox(store, places),
        changes=[row | {"golden_id": names.get(row["golden"], "")} for row in changes],
        golden=[row | {"id": ids.unpack(row["id"])} for row in _rows(store, "golden", "id entity version seq")],
        source_records=[row | {"golden_id": names.get(row["golden"], "")} for row in sources if row["golden"]],  # else it was never seen
        dead=letters,
        settled=_settled(store, letters),
        lanes=[lane | {"source": places[lane["id"]][0]} for lane in lanes],
        subscriptions=_subscriptions(store, list(subscriptions)),
    )


def _rows(store: Store, table: str, columns: str) -> Iterator[Row]:
    names = columns.split()
    return (dict(zip(names, values, strict=True)) for values in store.views.dump(table, names))


def _inbox(store: Store, lanes: dict[int, tuple[str, int]]) -> list[Row]:
    """Parts of files are named by the file's own digest, as the client's log knows it. `passed`: apply has gone beyond the message."""
    rows = []
    for row in _rows(store, "inbox", "id lane message_id digest records parent refused"):
        source, mark = lanes[row["lane"]]
        rows.append(row | {"source": source, "digest": row["digest"].hex(), "passed": bool(row["refused"]) or row["id"] <= mark})
    chunks = [row for row in rows if row["parent"] is None and _PART.fullmatch(row["message_id"] or "")]
    chunks.sort(key=lambda row: row["message_id"])
    bodies = ((row["message_id"], stored.message.body) for row in chunks if (stored := store.inbox.get(row["id"])) is not None)
    files = parts.names(bodies)
    for row in chunks:
        prefix, _, number = row["message_id"].rpartition(":")
        row["message_id"] = f"{files[prefix][:24]}:{number}"
    return rows


def _letters(store: Store) -> list[Row]:
    """Discarded counts as resolved, a key that is still tried as waiting."""
    found = list(_rows(store, "dead_letter", "id stage state message row subscription records"))
    return [row | {"state": "resolved" if row["state"] == "discarded" else row["state"]} for row in found]


def _settled(store: Store, letters: Iterable[Row]) -> list[Row]:
    """The store keeps what was dead once; what was resolved since stands in the letters."""
    resolved = Counter[int]()
    for letter in letters:
        if letter["subscription"] is None and letter["state"] == "resolved":
            resolved[letter["message"]] += letter["records"]
    rows = _rows(store, "settled", "message applied unchanged stale dead")
    return [row | {"dead": row["dead"] - resolved[row["message"]], "resolved": resolved[row["message"]]} for row in rows]


def _subscriptions(store: Store, outbounds: Sequence[Outbound]) -> list[evidence.Subscription]:
    """With what each filter matches, counted again over the whole log."""
    matched: dict[str, dict[int, tuple[int, Pair]]] = {outbound.route.name: {} for outbound in outbounds}
    after = 0
    while page := store.subscriptions.changes(after, _PAGE):
        for (golden, change), outbound in itertools.product(page, outbounds):
            if outbound.project(golden, change) is not None:
                matched[outbound.route.name][change.seq] = (golden, (change.golden_id, change.version))
        after = page[-1][1].seq
    progress = {one.name: one for one in store.subscriptions.all()}
    modes = {outbound.route.name: outbound.route.mode for outbound in outbounds}
    return [
        evidence.Subscription(
            name, modes[name], progress[name].mark, **progress[name].tallies,
            expected={pair for _, pair in pairs.values()}, excused=_excused(store, progress[name], pairs),
        )
        for name, pairs in matched.items() if name in progress
    ]  # fmt: skip


def _excused(store: Store, progress: Progress, matched: dict[int, tuple[int, Pair]]) -> set[Pair]:
    """What a row names as dead, waiting or suppressed, and what the reader has not come to yet."""
    parked: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in _rows(store, "dead_letter", "subscription golden from_seq last_seq state"):
        if row["subscription"] == progress.name and row["state"] != "resolved":
            parked[row["golden"]].append((row["from_seq"], row["last_seq"]))
    suppressed = set[int]()
    for row in _rows(store, "delivery", "subscription first_seq last_seq outcome"):
        if row["subscription"] == progress.name and row["outcome"] == "suppressed":
            suppressed.update(range(row["first_seq"], row["last_seq"] + 1))
    found = set()
    for seq, (golden, pair) in matched.items():
        ahead = seq > progress.mark and not any(first <= seq <= last for first, last in progress.settled)
        if ahead or seq in suppressed or any(first <= seq <= last for first, last in parked[golden]):
            found.add(pair)
    return found
