"""The whole flow: way in, leader, readers and sources over one store, started and stopped together."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from adapters import contract, endpoints, protocols
from master.store import Fence, Store
from routes import receive
from routes.ahead import Projecting
from routes.apply import Apply
from routes.delivery import Reader, Tools
from routes.front import Front, Limits
from routes.inbound import Inbound
from routes.jobs import Jobs
from routes.outbound import Outbound
from routes.pool import DecodePool
from routes.projecting import ProjectPool
from routes.projection import Projector
from routes.setup import Setup
from routes.withdrawals import Withdrawals
from schemas import errors

_LEASE = 10.0  # seconds; renewed at a third of it


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
        self._jobs = Jobs()
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
            store,
            lambda: self._pool,
            self._revision,
            lambda: self._merge_rules,
            self._applied,
            lambda: self.group.last_live,
            self.group.crowded,
            receive.now,
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
        self._jobs.start("apply", self.apply.run)
        for name in self.setup.routes:
            self._read(name)
        for feed in self.setup.feeds():
            self._source(feed)
        withdrawals = Withdrawals(self.store, lambda messages: receive.append(self.group, messages), self._compiled)
        self._jobs.start("withdrawals", withdrawals.run)
        self._jobs.start("leases", self._renew)

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

    def _renew(self, stop: threading.Event) -> None:
        while not stop.wait(_LEASE / 3):
            now = receive.now()
            for name in ["apply", *(f"reader:{reader}" for reader in list(self.readers))]:
                self.store.leases.take(name, self._holder, now, now + int(_LEASE * 1_000_000))

    def _pressed(self) -> bool:
        return self.apply.pressed

    def _read(self, name: str) -> None:
        outbound = self.setup.outbound(name)
        system, sink = outbound.route.to.split("/", 1)
        sinks = [protocols.sink(self.setup.systems[system], sink, outbound.format) for _ in range(outbound.route.concurrency)]
        fence = self._lease(f"reader:{name}")
        tools = Tools(self.store, Projecting(self._projector, lambda: self._project_pool), receive.now, random.random, self._pressed)

        def work(stop: threading.Event) -> None:
            reader = self.readers[name] = Reader(self.setup.outbound(name), sinks, fence, self._revision(outbound), tools)
            try:
                reader.run(stop)
            finally:
                for each in sinks:
                    each.close()

        self.readers[name] = Reader(outbound, sinks, fence, self._revision(outbound), tools)
        self._jobs.start(f"reader-{name}", work)

    def _source(self, feed: str) -> None:
        system, name = feed.split("/", 1)
        found = self.setup.systems[system]
        if isinstance(found.manifest.feeds[name].endpoint, endpoints.HttpIn):
            return
        spool = self.home / "spool"
        spool.mkdir(parents=True, exist_ok=True)

        def work(stop: threading.Event) -> None:
            source = protocols.source(found, name, self.front.feeds.inbound(feed).format, spool)
            if source is None:
                return
            self.sources[feed] = source
            try:
                source.run(self.front.door, stop)
                self.store.alarms.clear("feed", feed)
            except errors.MastercopyError as error:
                self.store.alarms.raise_("feed", feed, str(error), receive.now())
                raise
            finally:
                source.close()

        self._jobs.start(f"feed-{feed}", work)

    def ended(self) -> list[str]:
        """Which work has ended though nobody stopped it: another process took over."""
        return self._jobs.ended()

    def stop(self) -> None:
        """Drain: what was received is committed, what is being sent is finished and settled; then everything ends."""
        self._jobs.stop(*self._jobs.names(), wake=self._wake)
        self._pool.close()
        self._project_pool.close()

    def _wake(self) -> None:
        self.apply.ring()
        for reader in self.readers.values():
            reader.ring()
        self.group.close()

    def _projecting_pool(self) -> ProjectPool:
        outbounds = {name: self.setup.outbound(name) for name in self.setup.routes}
        return ProjectPool(self._reading, outbounds, self._projector, 1)

    def use(self, setup: Setup) -> None:
        """Go on with another configuration: what is new begins, what is gone ends, what reads or writes elsewhere begins again."""
        before, self.setup, self._merge_rules = self.setup, setup, setup.merge_rules
        old, self._pool = self._pool, DecodePool(self.front.feeds, self.limits.workers)
        old_projecting, self._project_pool = self._project_pool, self._projecting_pool()
        self.apply.forget_soon()
        self._use_routes(before, setup)
        self._use_feeds(before, setup)
        self.warm()
        old.close()
        old_projecting.close()

    def _use_routes(self, before: Setup, setup: Setup) -> None:
        for name in {**before.routes, **setup.routes}:
            same = name in before.routes and name in setup.routes and before.line_out(name) == setup.line_out(name)
            if same and (reader := self.readers.get(name)):
                outbound = setup.outbound(name)
                reader.replace(outbound, self._revision(outbound))
                continue
            gone = self.readers.pop(name, None)
            self._jobs.stop(f"reader-{name}", wake=gone.ring if gone else lambda: None)
            if name in setup.routes:
                self._read(name)

    def _use_feeds(self, before: Setup, setup: Setup) -> None:
        feeds = {feed: setup.line_in(feed) for feed in setup.feeds()}
        for feed in before.feeds():
            if feeds.get(feed) == before.line_in(feed):
                del feeds[feed]
            else:
                self._jobs.stop(f"feed-{feed}")
                self.sources.pop(feed, None)
        for feed in feeds:
            self._source(feed)
