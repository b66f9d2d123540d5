"""The whole flow: way in, leader, readers and sources over one store, started and stopped together."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from adapters import contract, endpoints, protocols
from master.store import Fence, Store
from routes import receive
from routes.ahead import Projecting
from routes.apply import Apply
from routes.delivery import Reader, Tools
from routes.front import Front, Limits
from routes.inbound import Inbound
from routes.outbound import Outbound
from routes.pool import DecodePool
from routes.projecting import ProjectPool
from routes.projection import Projector
from routes.setup import Setup
from routes.withdrawals import Withdrawals
from schemas import errors

log = structlog.get_logger("flow")

_LEASE = 10.0  # seconds; renewed at a third of it
_AGAIN = (0.2, 5.0)  # seconds between two starts of work that failed


class Waits:
    """Callers that wait for the outcome of a message (`Prefer: wait`)."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[Callable[[], None]]] = {}
        self._lock = threading.Lock()

    def expect(self, message: int, tell: Callable[[], None]) -> None:
        """Call `tell` once apply has touched the message. Look whether it has been applied already afterwards, not before."""
        with self._lock:
            self._waiting.setdefault(message, []).append(tell)

    def forget(self, message: int) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._waiting.pop(message, None)

    def touched(self, messages: Iterable[int]) -> None:
        """A commit has touched these messages."""
        if not self._waiting:
            return
        with self._lock:
            tells = [tell for message in messages for tell in self._waiting.get(message, ())]
        for tell in tells:
            tell()


class Flow:
    """Everything between the edges. `start` and `stop` once; `use` any time."""

    def __init__(
        self, store: Store, setup: Setup, home: Path, limits: Limits, holder: str, reading: Callable[[], Store], reload: Callable[[], None]
    ) -> None:
        """`reading` opens the store for reading in another process; `reload` reads the configuration again and calls `use`."""
        self.store, self.setup, self.home, self.limits = store, setup, home, limits
        self._holder, self._reading, self.reload = holder, reading, reload
        self._stop = threading.Event()
        self._drained = threading.Event()
        self._threads: list[threading.Thread] = []
        self._revisions: dict[str, int] = {}
        self._waits = Waits()
        self._projector = Projector(store.subscriptions)
        self._project_pool = self._projecting_pool()
        self.readers: dict[str, Reader] = {}
        self.sources: dict[str, contract.Source] = {}
        self.group = receive.GroupCommit(store, self._appended)
        self.front = Front(store, lambda: self.setup, home, limits, self.group, self)
        self._pool = DecodePool(self.front.feeds, limits.workers)
        self.apply = Apply(
            store, lambda: self._pool, self._revision, lambda: self._merge_rules, self._applied, lambda: self.group.last_live, receive.now
        )
        self._merge_rules = setup.merge_rules

    # -- what the parts ask for

    def _appended(self) -> None:
        self.apply.ring()

    def _applied(self, messages: Iterable[int]) -> None:
        self._waits.touched(messages)
        for reader in self.readers.values():
            reader.ring()

    def ring(self, name: str) -> None:
        """Wake a subscription's reader: somebody changed a state."""
        reader = self.readers.get(name)
        if reader is not None:
            reader.ring()

    def expect(self, message: int, tell: Callable[[], None]) -> None:
        """See `Waits`."""
        self._waits.expect(message, tell)

    def forget(self, message: int) -> None:
        """See `Waits`."""
        self._waits.forget(message)

    def _revision(self, inbound: Inbound | Outbound) -> int:
        found = self._revisions.get(inbound.hash)
        if found is None:
            name = inbound.feed.path if isinstance(inbound, Inbound) else inbound.route.name
            found = self._revisions[inbound.hash] = self.store.revisions.keep(name, inbound.hash, inbound.files, receive.now())
        return found

    def _compiled(self, feed: str) -> Inbound:
        return self.front.feeds.inbound(feed)

    # -- life

    def start(self) -> None:
        """Take the leases and begin."""
        self.apply.fence = self._lease("apply")
        self._thread("apply", lambda: self.apply.run(self._stop))
        for name in self.setup.routes:
            self._read(name)
        for feed in self.setup.feeds():
            self._source(feed)
        withdrawals = Withdrawals(self.store, lambda messages: receive.append(self.group, messages), self._compiled)
        self._thread("withdrawals", lambda: withdrawals.run(self._stop))
        self._thread("leases", self._renew)

    def warm(self) -> None:
        """Start the workers: what comes first then need not wait for them. Not a part of `start`, since the doors may open before."""
        self._pool.warm()
        self._project_pool.warm()

    def _lease(self, name: str) -> Fence:
        now = receive.now()
        fence = self.store.leases.take(name, self._holder, now, now + int(_LEASE * 1_000_000), force=True)
        if fence is None:
            raise errors.FenceLost(f"{name} is led by another process")
        return fence

    def _renew(self) -> None:
        while not self._stop.wait(_LEASE / 3):
            now = receive.now()
            for name in ["apply", *(f"reader:{reader}" for reader in self.readers)]:
                self.store.leases.take(name, self._holder, now, now + int(_LEASE * 1_000_000))

    def _read(self, name: str) -> None:
        outbound = self.setup.outbound(name)
        system, sink = outbound.route.to.split("/", 1)
        sinks = [protocols.sink(self.setup.systems[system], sink, outbound.format) for _ in range(outbound.route.concurrency)]
        fence = self._lease(f"reader:{name}")
        tools = Tools(self.store, Projecting(self._projector, lambda: self._project_pool), receive.now, random.random)

        def work() -> None:
            reader = self.readers[name] = Reader(outbound, sinks, fence, self._revision(outbound), tools)
            try:
                reader.run(self._stop)
            finally:
                for each in sinks:
                    each.close()

        self.readers[name] = Reader(outbound, sinks, fence, self._revision(outbound), tools)
        self._thread(f"reader-{name}", work)

    def _source(self, feed: str) -> None:
        system, name = feed.split("/", 1)
        found = self.setup.systems[system]
        if isinstance(found.manifest.feeds[name].endpoint, endpoints.HttpIn):
            return
        spool = self.home / "spool"
        spool.mkdir(parents=True, exist_ok=True)

        def work() -> None:
            source = protocols.source(found, name, self.front.feeds.inbound(feed).format, spool)
            if source is None:
                return
            self.sources[feed] = source
            try:
                source.run(self.front.door, self._stop)
                self.store.alarms.clear("feed", feed)
            except errors.MastercopyError as error:
                self.store.alarms.raise_("feed", feed, str(error), receive.now())
                raise
            finally:
                source.close()

        self._thread(f"feed-{feed}", work)

    def _thread(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._keep_working, args=(name, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _keep_working(self, name: str, work: Callable[[], None]) -> None:
        """Until told to stop: what fails is begun again, after a pause that grows."""
        pause = _AGAIN[0]
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                work()
            except errors.FenceLost:
                log.exception("another process has taken over", work=name)
                return
            except errors.MastercopyError as error:
                log.warning("work failed, it begins again", work=name, reason=str(error))
            except Exception:
                log.exception("work broke, it begins again", work=name)
            pause = _AGAIN[0] if time.monotonic() - began > 30 else min(pause * 2, _AGAIN[1])
            self._stop.wait(pause)

    def ended(self) -> list[str]:
        """Which work has ended though nobody stopped it: another process took over."""
        return [thread.name for thread in self._threads if not thread.is_alive() and not self._stop.is_set()]

    def stop(self) -> None:
        """Drain: what was received is committed, what is being sent is finished and settled; then everything ends."""
        self._stop.set()
        self.apply.ring()
        for reader in self.readers.values():
            reader.ring()
        self.group.close()
        for thread in self._threads:
            thread.join(timeout=20)
        self._pool.close()
        self._project_pool.close()

    def _projecting_pool(self) -> ProjectPool:
        outbounds = {name: self.setup.outbound(name) for name in self.setup.routes}
        return ProjectPool(self._reading, outbounds, self._projector, 1)

    def use(self, setup: Setup) -> None:
        """Go on with other mappings, filters and rules. Systems and routes that are new or gone need a restart."""
        self.setup, self._merge_rules = setup, setup.merge_rules
        old, self._pool = self._pool, DecodePool(self.front.feeds, self.limits.workers)
        self.apply.forget_soon()
        old_projecting, self._project_pool = self._project_pool, self._projecting_pool()
        for name, reader in self.readers.items():
            if name in setup.routes:
                outbound = setup.outbound(name)
                reader.replace(outbound, self._revision(outbound))
        self.warm()
        old.close()
        old_projecting.close()


