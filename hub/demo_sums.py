"""What the demo adds up: the sums of a store in records, and everything that must hold of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from demo import badness, history, telco
from hub import evidence
from hub.showcase import Showcase
from master.store import Store
from schemas import canonical

_OUTCOMES = ("applied", "unchanged", "stale", "dead", "resolved", "pending")
_SHOWN = 3


@dataclass(frozen=True)
class Sums:
    """`sums` as told to the outside; `unequal` are the laws of conservation that do not hold, `wrong` whatever else went wrong."""

    sums: dict[str, Any]
    unequal: list[str]
    wrong: list[str]

    @property
    def faults(self) -> list[str]:
        """Everything that is not as it should be."""
        return self.unequal + self.wrong


def take(show: Showcase, seconds: float) -> Sums:
    """Add up and hold it against what everybody outside saw. Reads everything."""
    store = show.store
    audit = store.views.audit()
    outbounds = [show.setup.outbound(name) for name in show.setup.routes]
    report = history.judge(show.operator.attempts(), show.operator.received(), evidence.collect(store, outbounds))
    told = show.operator.progress()
    unequal = [*laws(store, audit), *(f"{found.kind}: {found.text}" for found in report.findings[:20])]
    wrong = [*_telco(told), *_receivers(told), *_badness(store, told)]
    checked = {
        "messages": report.stored,
        "deliveries": report.delivered,
        "repeated_deliveries": report.late_duplicates,
        "refused_at_the_door": len(told["refusals"]),
        "dead_letters": store.letters.counts(),
        "telco": {name: {"customers": told[name]["charged"], "monthly_fen": told[name]["monthly_fen"]} for name in show.setup.routes},
    }
    return Sums(summary(store, audit) | {"conserved": not unequal, "checked": checked, "seconds": round(seconds, 1)}, unequal, wrong)


def summary(store: Store, audit: dict[str, Any]) -> dict[str, Any]:
    """The sums, in records: received = duplicate + accepted, accepted = applied + unchanged + stale + dead + resolved + pending."""
    records, totals = audit["records"], store.views.totals()
    duplicate = sum(lane["duplicate"] for lane in totals["lanes"])
    return {
        "received": records["accepted"] + duplicate,
        "duplicate": duplicate,
        "accepted": records["accepted"],
        **{name: records[name] for name in _OUTCOMES},
        "golden": dict.fromkeys(canonical.entity_names(), 0) | store.views.golden_counts(),
        "changes": totals["changes"],
        "subscriptions": {one.name: one.tallies for one in store.subscriptions.all()},
    }


def laws(store: Store, audit: dict[str, Any]) -> Iterator[str]:
    """The laws of conservation: over the rows themselves, and between the rows and the tallies that are kept of them."""
    records = audit["records"]
    settled = sum(records[name] for name in _OUTCOMES)
    if settled != records["accepted"]:
        yield f"{records['accepted']} records were accepted, {settled} are accounted for"
    if records["dead"] + records["resolved"] + records["applied"] + records["unchanged"] + records["stale"] > records["accepted"]:
        yield "more records are settled than were accepted"
    lanes = store.views.totals()["lanes"]
    for name in ("accepted", "applied", "unchanged", "stale", "dead", "resolved"):
        tally = sum(lane[name] for lane in lanes)
        if tally != records[name]:
            yield f"{name}: the tally says {tally}, the rows {records[name]}"
    if audit["version_gaps"]:
        yield f"{audit['version_gaps']} golden records have a gap in their versions"
    if not audit["log_dense"]:
        yield "the change log has a gap"
    yield from _subscriptions(store, audit["parked"])


def _subscriptions(store: Store, parked: dict[str, dict[str, int]]) -> Iterator[str]:
    for one in store.subscriptions.all():
        tallies = one.tallies
        total = sum(tallies[name] for name in ("delivered", "superseded", "suppressed", "dead", "pending"))
        if total != tallies["matched"]:
            yield f"{one.name}: {tallies['matched']} changes matched, {total} are accounted for"
        waiting = parked["waiting"].get(one.name, 0)
        if waiting != tallies["pending"]:
            yield f"{one.name}: pending says {tallies['pending']}, the letters {waiting}"
        dead = parked["dead"].get(one.name, 0) + parked["discarded"].get(one.name, 0)
        if dead != tallies["dead"]:
            yield f"{one.name}: dead says {tallies['dead']}, the letters {dead}"


def _telco(told: dict[str, Any]) -> Iterator[str]:
    """The bought-up operator's file arrived whole wherever customers go."""
    figures = telco.figures()
    for name in ("ods", "care", "billing"):
        found = told[name]["charged"], told[name]["monthly_fen"]
        if found != (figures.rows, figures.monthly_fen):
            yield f"{name} has {found[0]} customers of telco that pay {found[1]} fen a month, not {figures.rows} and {figures.monthly_fen}"


def _receivers(told: dict[str, Any]) -> Iterator[str]:
    for who in ("failed", "trouble"):
        if told[who]:
            yield f"the operator had trouble: {told[who]}"
    if told["forged"]:
        yield f"care got {told['forged']} deliveries with a wrong signature"
    for name, problem in list(told["billing"]["problems"].items())[:_SHOWN]:
        yield f"billing complains about {name}: {problem}"


def _badness(store: Store, told: dict[str, Any]) -> Iterator[str]:
    """Every bad record of the demo was refused, or stands among the dead letters."""
    http, amqp, (_, rows) = badness.over_http(), badness.over_amqp(), badness.account_rows()
    wanted = sum(one.dead for one in [*http, *amqp]) + len(rows)
    counts = store.letters.counts()
    letters = sum(1 for row in store.views.dump("dead_letter", ("message",)) if row[0] is not None)
    if letters < wanted:
        yield f"{wanted} bad records were sent, {letters} dead letters hold one ({counts})"
    refusals = sum(one.stage == "receive" for one in http)
    if len(told["refusals"]) < refusals:
        yield f"{refusals} bad messages were posted, {len(told['refusals'])} were refused"
