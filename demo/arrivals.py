"""Holds what receivers got against what each filter matches: out of order, missing, extra, repeated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from demo.evidence import Finding, Pair, Received, Subscription


def judge(received: Iterable[Received], subscriptions: Sequence[Subscription]) -> tuple[int, int, list[Finding]]:
    """Answers the number of deliveries, how many of them were repeats, and the faults."""
    logs: dict[str, list[Received]] = defaultdict(list)
    for arrival in received:
        logs[arrival.subscription].append(arrival)
    names = {subscription.name for subscription in subscriptions}
    faults = [Finding("extra", f"{name}: {len(logs[name])} deliveries, and no such subscription") for name in logs if name not in names]
    repeats = 0
    for subscription in subscriptions:
        log = logs.get(subscription.name, [])
        repeats += len(log) - len({(arrival.golden_id, arrival.version) for arrival in log})
        faults += [*_order(log), *_complete(subscription, {(arrival.golden_id, arrival.version) for arrival in log})]
    return sum(map(len, logs.values())), repeats, faults


def _order(log: Sequence[Received]) -> Iterator[Finding]:
    """First deliveries of a key go upwards, and a version has one event id however often it comes."""
    events: dict[Pair, str] = {}
    highest: dict[str, int] = {}
    for arrival in log:
        pair = (arrival.golden_id, arrival.version)
        if pair in events:
            if events[pair] != arrival.event_id:
                yield Finding("broken", f"{arrival.subscription}: {pair} came as event {events[pair]} and as {arrival.event_id}")
            continue
        events[pair] = arrival.event_id
        if arrival.version < highest.get(arrival.golden_id, 0):
            yield Finding("out_of_order", f"{arrival.subscription}: {pair} came after version {highest[arrival.golden_id]}")
        highest[arrival.golden_id] = max(arrival.version, highest.get(arrival.golden_id, 0))


def _complete(subscription: Subscription, got: set[Pair]) -> Iterator[Finding]:
    """All that matched came, or is excused by a row; in `latest` mode the newest of each key is enough."""
    expected = set(subscription.expected)
    wanted = expected if subscription.mode == "history" else _newest(expected)
    yield from (Finding("missing", f"{subscription.name}: {pair}") for pair in sorted(wanted - got - set(subscription.excused)))
    yield from (Finding("extra", f"{subscription.name}: {pair}") for pair in sorted(got - expected))
    if subscription.matched != len(expected):
        yield Finding("violations", f"{subscription.name}: matched says {subscription.matched}, its filter matches {len(expected)}")
    if subscription.delivered > len(expected & got):
        yield Finding("missing", f"{subscription.name}: delivered says {subscription.delivered}, {len(expected & got)} came")


def _newest(pairs: Iterable[Pair]) -> set[Pair]:
    newest: dict[str, int] = {}
    for golden_id, version in pairs:
        newest[golden_id] = max(version, newest.get(golden_id, 0))
    return set(newest.items())
