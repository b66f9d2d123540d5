"""Holds what clients sent against the inbox: lost, recovered, doubled, unexpected."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from demo.evidence import Attempt, Finding, Rows

Key = tuple[str, str]


def outcomes(attempts: Iterable[Attempt]) -> list[Attempt]:
    """The last word on each try: its outcome, or `invoke` where none came."""
    last: dict[str, Attempt] = {}
    for attempt in attempts:
        if attempt.outcome != "invoke" or attempt.id not in last:
            last[attempt.id] = attempt
    return list(last.values())


def judge(tries: Sequence[Attempt], inbox: Rows) -> tuple[int, list[Finding]]:
    """Answers how many unknown tries turned out stored, and the faults. Corrected copies (`parent`) are nobody's try."""
    chunked = {(attempt.source, attempt.message_id) for attempt in tries if attempt.chunked}
    rows = [row for row in inbox if row.get("parent") is None]
    parts = [row for row in rows if (row["source"], _file_of(row)) in chunked]
    whole = [row for row in rows if (row["source"], _file_of(row)) not in chunked]
    taken = {(row["source"], row["message_id"]): row["digest"] for row in whole}
    parked = {attempt.id for attempt in tries if not attempt.chunked and _conflicts(attempt, taken)}
    named = [attempt for attempt in tries if attempt.message_id is not None and not attempt.chunked and attempt.id not in parked]
    nameless = [attempt for attempt in tries if attempt.message_id is None or attempt.id in parked]
    results = [
        _files([attempt for attempt in tries if attempt.chunked], parts),
        _named(named, [row for row in whole if row["message_id"] is not None]),
        _nameless(nameless, [row for row in whole if row["message_id"] is None]),
    ]
    doubled = [Finding("doubled", f"{key} is stored {times} times") for key, times in _keys(rows).items() if times > 1]
    return sum(recovered for recovered, _ in results), [found for _, findings in results for found in findings] + doubled


def _conflicts(attempt: Attempt, taken: dict[tuple[str, Any], str]) -> bool:
    """Its id was used with another body; where nobody could be told (no receipt), it is parked without its id."""
    key = (attempt.source, attempt.message_id)
    told = attempt.outcome == "fail" or attempt.receipt is not None
    return attempt.message_id is not None and not told and taken.get(key, attempt.digest) != attempt.digest


def _file_of(row: dict[str, Any]) -> str | None:
    name, colon, _ = (row["message_id"] or "").rpartition(":")
    return name if colon else None


def _keys(rows: Rows) -> Counter[Key]:
    return Counter((row["source"], row["message_id"]) for row in rows if row["message_id"] is not None)


def _named(tries: Sequence[Attempt], rows: Rows) -> tuple[int, list[Finding]]:
    """With an id: one row for each (source, id), with the body that was acknowledged."""
    stored = {(row["source"], row["message_id"]): row for row in rows}
    sent: dict[Key, set[str]] = defaultdict(set)  # the outcomes of each id and body that is stored
    acknowledged: dict[Key, bool] = {}
    faults: list[Finding] = []
    for attempt in tries:
        key = (attempt.source, str(attempt.message_id))
        row = stored.get(key)
        if row is not None and row["digest"] == attempt.digest:
            sent[key].add(attempt.outcome)
        if attempt.outcome == "ok":
            acknowledged[key] = True
            faults += _acknowledged(attempt, row)
    recovered = sum("ok" not in outcomes and bool(outcomes & {"unknown", "invoke"}) for outcomes in sent.values())
    faults += [Finding("unexpected", f"{key} is stored as {stored[key]['id']}") for key in stored if sent.get(key, set()) <= {"fail"}]
    return recovered, faults


def _acknowledged(attempt: Attempt, row: dict[str, Any] | None) -> Iterator[Finding]:
    """An acknowledged try must stand in the inbox as it was sent, under the receipt that was given."""
    name = f"{attempt.source} {attempt.message_id or attempt.receipt} (try {attempt.id})"
    if row is None:
        yield Finding("lost", f"{name} is not stored")
    elif row["digest"] != attempt.digest:
        yield Finding("lost", f"{name} is stored with another body")
    elif row["records"] != attempt.records:
        yield Finding("lost", f"{name} has {row['records']} of {attempt.records} records")
    elif attempt.receipt is not None and row["id"] != attempt.receipt:
        yield Finding("broken", f"{name} was given receipt {attempt.receipt} and is stored as {row['id']}")


def _nameless(tries: Sequence[Attempt], rows: Rows) -> tuple[int, list[Finding]]:
    """Without an id: a row of its own for every acknowledged copy. Where no receipt was given, copies of one body are counted."""
    by_id = {row["id"]: row for row in rows}
    faults: list[Finding] = []
    claimed: set[int] = set()
    for attempt in tries:
        if attempt.outcome == "ok" and attempt.receipt is not None:
            if attempt.receipt in claimed:
                faults.append(Finding("lost", f"{attempt.source} (try {attempt.id}): another copy has receipt {attempt.receipt} too"))
            claimed.add(attempt.receipt)
            faults += _acknowledged(attempt, by_id.get(attempt.receipt))
    free = Counter((row["source"], row["digest"]) for row in rows if row["id"] not in claimed)
    sure = Counter((a.source, a.digest) for a in tries if a.outcome == "ok" and a.receipt is None)
    maybe = Counter((a.source, a.digest) for a in tries if a.outcome in ("unknown", "invoke"))
    for body, copies in sure.items():
        if free[body] < copies:
            faults += [Finding("lost", f"{body[0]}: {copies - free[body]} of {copies} copies of body {body[1]}")] * (copies - free[body])
    over = free - sure
    faults += [Finding("unexpected", f"{body[0]}: {copies} copies of body {body[1]}") for body, copies in (over - maybe).items()]
    return (over & maybe).total(), faults


def _files(tries: Sequence[Attempt], parts: Rows) -> tuple[int, list[Finding]]:
    """A file: its parts add up to the records that were sent, neither fewer nor more."""
    rows: Counter[Key] = Counter()
    for part in parts:
        rows[(part["source"], str(_file_of(part)))] += part["records"]
    sizes: dict[Key, int] = {}
    outcomes: dict[Key, set[str]] = defaultdict(set)
    for attempt in tries:
        key = (attempt.source, str(attempt.message_id))
        sizes[key] = attempt.records
        outcomes[key].add(attempt.outcome)
    faults = []
    for key, size in sizes.items():
        if "ok" in outcomes[key] and rows[key] < size:
            faults.append(Finding("lost", f"file {key}: {rows[key]} of {size} records are stored"))
        if rows[key] > size or (rows[key] and outcomes[key] == {"fail"}):
            faults.append(Finding("unexpected", f"file {key}: {rows[key]} records are stored, {size} were sent ({outcomes[key]})"))
    return sum(rows[key] > 0 and "ok" not in outcomes[key] and outcomes[key] != {"fail"} for key in sizes), faults
