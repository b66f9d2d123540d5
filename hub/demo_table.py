"""The demo in the terminal: rates, backlog, dead letters and lag, each second, with a bar for every file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from master.store import Progress, Store
from routes import receive

_FILES = 4  # bars at once
_STATES = {"active": "active", "paused": "PAUSED", "disabled": "DISABLED"}


@dataclass(frozen=True)
class Feed:
    """One feed: records a second, in all, waiting, dead."""

    name: str
    rate: float
    received: int
    backlog: int
    dead: int


@dataclass(frozen=True)
class Subscriber:
    """One subscription: changes a second, delivered in all, behind the log's head by changes and seconds, behind refused keys, dead."""

    name: str
    state: str
    rate: float
    delivered: int
    lag: int
    age: float
    waiting: int
    dead: int


@dataclass(frozen=True)
class Look:
    """What one look at the store showed; rates are over the time since the look before."""

    feeds: list[Feed]
    subscribers: list[Subscriber]
    files: list[dict[str, Any]]
    changes: int
    backlog: int
    age: float
    letters: dict[str, int]
    alarms: list[str]


class Gauge:
    """Looks at a store again and again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._at = time.monotonic()
        self._before: dict[str, int] = {}

    def look(self) -> Look:
        """How things are now."""
        store, now = self._store, receive.now()
        totals, progress = store.views.totals(), store.subscriptions.all()
        counts = {f"{lane['source']}/{lane['feed']}": lane["accepted"] + lane["duplicate"] for lane in totals["lanes"]}
        counts |= {one.name: one.tallies["delivered"] for one in progress}
        rates = self._rates(counts)
        waiting, oldest = store.inbox.waiting()
        return Look(
            [_feed(lane, rates) for lane in totals["lanes"]],
            [self._subscriber(one, totals["changes"], rates[one.name], now) for one in progress],
            store.files.recent(_FILES),
            totals["changes"],
            waiting,
            _age(oldest, now),
            store.letters.counts(),
            [f"{alarm['place']}: {alarm['reason']}" for alarm in store.alarms.active()],
        )

    def _rates(self, counts: dict[str, int]) -> dict[str, float]:
        seconds, first = max(0.001, time.monotonic() - self._at), not self._before
        rates = {name: (count - self._before.get(name, count if first else 0)) / seconds for name, count in counts.items()}
        self._at, self._before = time.monotonic(), counts
        return rates

    def _subscriber(self, one: Progress, head: int, rate: float, now: int) -> Subscriber:
        first = self._store.subscriptions.changes(one.mark, 1) if one.mark < head else []
        age = _age(first[0][1].at, now) if first else 0.0
        tallies = one.tallies
        state = "waits for the endpoint" if one.state == "active" and one.failures else _STATES[one.state]
        return Subscriber(one.name, state, rate, tallies["delivered"], max(0, head - one.mark), age, tallies["pending"], tallies["dead"])


def _age(at: int | None, now: int) -> float:
    return max(0.0, (now - at) / 1_000_000) if at else 0.0


def _feed(lane: dict[str, Any], rates: dict[str, float]) -> Feed:
    name = f"{lane['source']}/{lane['feed']}"
    settled = sum(lane[outcome] for outcome in ("applied", "unchanged", "stale", "dead", "resolved"))
    return Feed(name, rates[name], lane["accepted"] + lane["duplicate"], lane["accepted"] - settled, lane["dead"])


def painted(look: Look, title: str) -> RenderableType:
    """The look as tables."""
    feeds = _table("feed", "records/s", "received", "backlog", "dead", title=title)
    for feed in look.feeds:
        feeds.add_row(feed.name, f"{feed.rate:,.0f}", f"{feed.received:,}", f"{feed.backlog:,}", _alert(feed.dead))
    feeds.add_section()
    backlog = f"{look.backlog:,} ({look.age:.1f} s)"
    feeds.add_row("master copy", f"{look.changes:,} changes", "", backlog, _alert(look.letters.get("dead", 0)))
    out = _table("subscriber", "changes/s", "delivered", "lag", "age", "retrying", "dead", "state")
    for one in look.subscribers:
        figures = (f"{one.rate:,.0f}", f"{one.delivered:,}", f"{one.lag:,}", f"{one.age:.1f} s", f"{one.waiting:,}", _alert(one.dead))
        out.add_row(one.name, *figures, one.state)
    bars = Table.grid(padding=(0, 2))
    for file in look.files:
        rows, total = file["rows"], file["total"]
        bars.add_row(file["path"], ProgressBar(total=total or 1, completed=rows, width=30), f"{rows:,} of {total:,} rows")
    alarms = (Text(f"! {alarm}", no_wrap=True, overflow="ellipsis") for alarm in look.alarms)
    return Group(feeds, out, bars, *alarms)


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", expand=True)
    for name in columns:
        table.add_column(name, justify="left" if name in (columns[0], "state") else "right", no_wrap=True)
    return table


def _alert(count: int) -> str:
    return f"[bold]{count:,} ![/]" if count else "0"


def line(look: Look) -> str:
    """The look in one line, for a log."""
    rate_in, rate_out = sum(feed.rate for feed in look.feeds), sum(one.rate for one in look.subscribers)
    received = sum(feed.received for feed in look.feeds)
    lags = ", ".join(f"{one.name} {one.lag}" for one in look.subscribers)
    figures = f"received {received} ({rate_in:.0f}/s), backlog {look.backlog} ({look.age:.1f} s), changes {look.changes}"
    return f"{figures}, delivered {rate_out:.0f}/s, lag {lags}, dead letters {look.letters.get('dead', 0)}"


class Screen:
    """Shows the looks: redrawn in place on a terminal, elsewhere as a line now and then."""

    def __init__(self, store: Store, title: str, *, to_stderr: bool, every: float = 5.0) -> None:
        self._gauge = Gauge(store)
        self._title, self._every = title, every
        self._console = Console(stderr=to_stderr)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._shown = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        else:
            self._say(self._title)
        return self

    def __exit__(self, *_: object) -> None:
        self.show(last=True)
        if self._live is not None:
            self._live.stop()

    def show(self, *, last: bool = False) -> None:
        """Look and show, unless that was done just now."""
        pause = 1.0 if self._live is not None else self._every
        if not last and time.monotonic() - self._shown < pause:
            return
        self._shown = time.monotonic()
        look = self._gauge.look()
        if self._live is not None:
            self._live.update(painted(look, self._title), refresh=True)
        else:
            self._say(line(look))

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        self._console.file.flush()
