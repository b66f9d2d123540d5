"""Delivery: reads the change log for one subscription and brings every change that its route matches to its sink, in order for each key."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from adapters.contract import Sink
from master.store import Fence, Settlement, Store
from routes import pace
from routes.ahead import Ahead, Projecting
from routes.lane import Lane
from routes.ledger import Ledger, Trail
from routes.outbound import Outbound
from schemas import errors

log = structlog.get_logger("delivery")

WINDOW = 10_000  # matched changes that may be read ahead of the oldest unsettled one
_READ = 1_000  # changes in one round that are followed by the next at once
_RANGES = 500  # settled ranges beyond the mark with which nothing more is read ahead
_REST = 0.200  # seconds between rounds under load
_SHARES = 8  # parts of the time that are left to apply while it is behind
_LOOK = 1.0  # seconds after which a reader looks by itself: a bell may be lost
_REFUSED, _OF = 20, 100  # more refusals than this among the last deliveries pause the subscription


@dataclass(frozen=True, slots=True)
class Tools:
    """What a reader works with; clock in microseconds since 1970, `random` between 0 and 1, `pressed` tells that apply cannot keep up."""

    store: Store
    projecting: Projecting
    clock: Callable[[], int]
    random: Callable[[], float]
    pressed: Callable[[], bool] = lambda: False


class Reader:
    """One active reader per subscription. `run` works until told to stop; lanes beyond the first have threads of their own."""

    def __init__(self, outbound: Outbound, sinks: Sequence[Sink], fence: Fence, revision: int, tools: Tools) -> None:
        """One sink for each lane of the route."""
        self.name = outbound.route.name
        self.outbound = outbound
        self.route = outbound.route
        self.revision = revision
        self.tools = tools
        self._fence = fence
        progress = tools.store.subscriptions.join(self.name, revision)
        self.state, self.reason = progress.state, progress.reason
        self.ledger = Ledger(progress.mark, progress.settled)
        self.failures, self.retry_at = progress.failures, progress.retry_at
        self.trail = Trail(tools.clock(), progress.mark)
        self._stored_mark = progress.mark
        self._scattered = False
        self._recent: deque[bool] = deque(maxlen=_OF)
        self._bell = threading.Event()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self.ahead = Ahead(tools.projecting, lambda: self.outbound, self.ring)
        self.lanes = [Lane(self, sink, number, len(sinks)) for number, sink in enumerate(sinks)]

    def ring(self) -> None:
        """The log has grown, or somebody changed a state."""
        self._bell.set()

    def replace(self, outbound: Outbound, revision: int) -> None:
        """Go on with another revision of the route, mapping or format; the number of lanes stays."""
        self.outbound, self.route, self.revision = outbound, outbound.route, revision

    def run(self, stop: threading.Event) -> None:
        """Read and deliver. Raises `FenceLost` when another reader has taken over."""
        threads = [threading.Thread(target=self._lane, args=(lane, stop), name=f"{self.name}-lane", daemon=True) for lane in self.lanes[1:]]
        for thread in threads:
            thread.start()
        try:
            while not stop.is_set() and self._error is None:
                self._bell.clear()
                before, began = self.ledger.head, time.monotonic()
                if not self._round():
                    self._bell.wait(self._pause())
                elif self.tools.pressed():
                    pace.stand_back(time.monotonic() - began, _SHARES, stop)
                elif (read := self.ledger.head - before) < _READ:
                    pace.rest(read, time.monotonic() - began, _REST, stop)
            if self._error is not None:
                raise self._error
        except BaseException as error:
            self._error = error  # the lanes end as well
            raise
        finally:
            for lane in self.lanes:
                lane.ring()
            for thread in threads:
                thread.join()

    def _round(self) -> bool:
        """Read on and let the first lane work; False when there was nothing to do."""
        self._look()
        if self.state != "active":
            return False
        read = self._fill()
        worked = self.lanes[0].step()
        self._note_mark()
        return read or worked

    def _lane(self, lane: Lane, stop: threading.Event) -> None:
        try:
            while not stop.is_set() and self._error is None:
                lane.clear()
                if self.state != "active" or not lane.step():
                    lane.wait(self._pause())
        except BaseException as error:
            self._error = error
            self.ring()

    def _pause(self) -> float:
        """Until when there is nothing to do, in seconds."""
        until_retry = (self.retry_at - self.tools.clock()) / 1_000_000
        return min(_LOOK, until_retry) if until_retry > 0.005 else min(_LOOK, max(0.005, self.route.every or _LOOK))

    _looked = 0.0

    def _look(self) -> None:
        """Once a second: what people and the replay changed in the store."""
        if time.monotonic() - self._looked < _LOOK:
            return
        self._looked = time.monotonic()
        for progress in self.tools.store.subscriptions.all():
            if progress.name == self.name:
                self.state, self.reason = progress.state, progress.reason
                if not progress.retry_at:
                    self.failures, self.retry_at = 0, 0
        for lane in self.lanes:
            lane.look_again()

    def _fill(self) -> bool:
        """Read ahead, as far as the window goes."""
        if len(self.ledger) >= WINDOW or self._scattered or self.waiting_for_endpoint():
            return False
        after = self.ledger.head
        block = self.ahead.take(after, self.tools.store.subscriptions.head())
        if block is None or block.head == after:
            return False
        matched = [each for each in block.matched if not self.ledger.settled_before(each.item.seq)]
        self.ledger.read(block.head, [each.item.seq for each in matched])
        for each in matched:
            self.lanes[each.golden % len(self.lanes)].put(each)
        for lane in self.lanes[1:]:
            lane.ring()
        return True

    def _note_mark(self) -> None:
        """The mark also moves over changes that match nothing; that is stored now and then, and when all is quiet."""
        mark, beyond = self.ledger.settle(())
        if mark - self._stored_mark >= WINDOW or (mark > self._stored_mark and not len(self.ledger) and not self._more()):
            self.settle((), Settlement(self.tools.clock(), mark, beyond, {}))

    def _more(self) -> bool:
        return self.tools.store.subscriptions.head() > self.ledger.head

    def settle(self, seqs: Sequence[int], settlement: Settlement) -> None:
        """Write a step of a lane; `seqs` are the positions that it settles. The mark is filled in here."""
        with self._lock:  # marks must not overtake each other on their way to the store
            if self._error is not None:  # positions were struck out that the store has not: no mark may pass over them
                raise self._error
            settlement.mark, settlement.settled = self.ledger.settle(seqs)
            try:
                self.tools.store.subscriptions.settle(self.name, self._fence, settlement)
            except BaseException as error:
                self._error = error
                raise
            self._stored_mark = settlement.mark
            self._scatter(len(settlement.settled))
            self.trail.note(self.tools.clock(), settlement.mark)

    def _scatter(self, ranges: int) -> None:
        """One lane lags: every step writes the settled ranges beyond it, so there must not be many of them."""
        before, self._scattered = self._scattered, ranges > _RANGES
        if before and not self._scattered:
            self.ring()

    def waiting_for_endpoint(self) -> bool:
        """The breaker is open."""
        return self.retry_at > self.tools.clock()

    def endpoint_failed(self, error: errors.Retry) -> None:
        """Open the breaker: nothing is parked, everything waits, with full jitter between the tries."""
        if self.waiting_for_endpoint():
            return  # another lane has met the same failure
        self.failures += 1
        longest = min(self.route.retry.longest, self.route.retry.first * 2 ** min(self.failures - 1, 30))
        pause = error.after if error.after is not None else longest * max(0.1, self.tools.random())
        self.retry_at = self.tools.clock() + int(pause * 1_000_000)
        log.warning("endpoint failed", subscription=self.name, failures=self.failures, pause=round(pause, 1), reason=str(error))
        self.tools.store.subscriptions.breaker(self.name, self.failures, self.retry_at, str(error))
        self.tools.store.alarms.raise_("subscriber", self.name, str(error), self.tools.clock())

    def endpoint_works(self) -> None:
        """Close the breaker."""
        if self.failures:
            self.failures, self.retry_at = 0, 0
            self.tools.store.subscriptions.breaker(self.name, 0, 0, "")
            self.tools.store.alarms.clear("subscriber", self.name)

    def disable(self, error: errors.Stop) -> None:
        """Somebody has to change something first."""
        state = "disabled" if isinstance(error, errors.Gone) else "paused"
        self.halt(state, str(error))

    def halt(self, state: str, reason: str) -> None:
        """Stop delivering until a person resumes it."""
        self.state, self.reason = state, reason
        log.error("subscription halted", subscription=self.name, state=state, reason=reason)
        self.tools.store.subscriptions.set_state(self.name, state, reason)
        self.tools.store.alarms.raise_("subscriber", self.name, reason, self.tools.clock())

    def count(self, delivered: int, refused: int) -> None:
        """Too many refusals of content mean that something is wrong at large: pause instead of parking everything."""
        with self._lock:
            self._recent.extend([False] * min(delivered, _OF))
            self._recent.extend([True] * refused)
            too_many = len(self._recent) == _OF and sum(self._recent) > _REFUSED
            if too_many:
                self._recent.clear()
        if too_many:
            self.halt("paused", f"more than {_REFUSED} of the last {_OF} records were refused")
