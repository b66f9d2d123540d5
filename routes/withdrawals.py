"""Full extracts: what a file lacks is withdrawn once all its rows are applied, by messages of its own feed; too much of it is not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from master.store import Ending, Store
from routes import absence, receive
from routes.archive import Archive
from routes.inbound import Inbound
from schemas import errors
from schemas.envelope import Message, Receipt

log = structlog.get_logger("withdrawals")

_KEYS = 5000  # in one message
_PAUSE = 0.5  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an extract would withdraw: per entity its live keys and those that it lacks; `reason` says why it may not, empty if it may."""

    entities: dict[str, tuple[int, int]]
    before: int
    failed: int
    reason: str

    @property
    def absent(self) -> int:
        """All keys that would go."""
        return sum(absent for _, absent in self.entities.values())


class Withdrawals:
    """Works in one thread. What it has left to do stands in the store, so that a crash loses nothing.

    Whether a key is absent is judged twice: here, to make the messages, and by the merge when it applies them, so that what the source says
    meanwhile wins.
    """

    def __init__(self, store: Store, append: Callable[[Sequence[Message]], Sequence[object]], inbound: Callable[[str], Inbound]) -> None:
        self._store, self._append, self._inbound = store, append, inbound
        self._judged: dict[int, tuple[object, int]] = {}  # blocked ones are counted again only when something has changed for them

    def run(self, stop: threading.Event) -> None:
        """Look at the ends of files until `stop` is set."""
        while not stop.wait(_PAUSE):
            self.look()

    def look(self) -> None:
        """Judge the newest extract of each feed, and withdraw what it lacks; it takes the place of those before it."""
        newest: dict[tuple[str, str], Ending] = {}
        for ending in waiting(self._store):
            feed = (ending.file.system, ending.file.feed)
            if feed in newest:
                self._store.endings.settle(newest[feed].id, absent="superseded", note=f"{ending.file.name} came after it")
            newest[feed] = ending
        for ending in newest.values():
            if self._store.endings.applied(ending):
                self._settle(ending)

    def _settle(self, ending: Ending) -> None:
        try:
            inbound = self._inbound(f"{ending.file.system}/{ending.file.feed}")
        except errors.NotFound:
            return  # its system is gone for now
        state = (inbound.feed.complete, self._store.endings.failed(ending))
        if ending.absent == "blocked" and self._judged.get(ending.id) == state:
            return
        self._judged[ending.id] = state
        verdict = judge(self._store, ending, inbound)
        if verdict.reason and ending.absent != "confirmed":
            self._block(ending, verdict)
            return
        for message in self._messages(ending, verdict):
            for answer in self._append([message]):
                if not isinstance(answer, Receipt):
                    raise answer if isinstance(answer, errors.MastercopyError) else errors.UnknownOutcome(str(answer))
        note = ending.note if ending.absent == "confirmed" else ""
        self._store.alarms.clear("complete", _place(ending))
        self._store.endings.settle(ending.id, absent="withdrawn", note=note)
        log.info("extract is complete", feed=_place(ending), file=ending.file.name, withdrawn=verdict.absent)

    def _block(self, ending: Ending, verdict: Verdict) -> None:
        hint = f"Nothing was withdrawn; `mastercopy withdraw {_place(ending)}` looks at it and confirms it"
        self._store.alarms.raise_("complete", _place(ending), f"{ending.file.name}: {verdict.reason}. {hint}", receive.now())
        self._store.endings.settle(ending.id, absent="blocked", note=verdict.reason)
        log.warning("extract withdraws nothing", feed=_place(ending), file=ending.file.name, reason=verdict.reason)

    def _messages(self, ending: Ending, verdict: Verdict) -> Iterator[Message]:
        """Some thousand keys each. After a crash, keys that were withdrawn live no more, and ids go on behind the stored ones."""
        file, number = ending.file, 0
        for entity in verdict.entities:
            last = ""
            while keys := self._store.endings.absent_keys(entity, file.system, verdict.before, last, _KEYS):
                while self._store.inbox.known(file.system, file.feed, [_id(ending, number)]):
                    number += 1
                yield absence.message(file.system, file.feed, _id(ending, number), file.name, entity, verdict.before, keys)
                last = keys[-1]


def waiting(store: Store) -> list[Ending]:
    """The extracts whose absent keys are still to be withdrawn, in their order."""
    return [ending for ending in store.endings.open() if ending.absent in ("waiting", "blocked", "confirmed")]


def judge(store: Store, ending: Ending, inbound: Inbound) -> Verdict:
    """What an extract lacks, and whether that may be withdrawn. Reads every key of the source.

    A key counts as absent if its source last spoke of it before the file was written, and before its first row came in.
    """
    complete = inbound.feed.complete
    rows, first = store.endings.stored(ending)
    before = store.endings.since(ending.file.mtime * 1_000_000)
    if first is not None:
        before = min(before, first)
    failed = store.endings.failed(ending)
    if complete is None:
        return Verdict({}, before, failed, "the manifest does not say any more that the feed's files are complete")
    entities = {entity: store.endings.absent(entity, ending.file.system, before) for entity in complete.entities or inbound.mapping.kinds}
    return Verdict(entities, before, failed, _reason(ending, entities, complete.withdraw_at_most, rows, failed))


def confirm(store: Store, archive: Archive, source: str, feed: str, reason: str, *, dry_run: bool) -> dict[str, Any]:
    """Let the feed's last extract withdraw what it lacks. Raises `NotFound` where none waits, `Forbidden` while its rows are applied."""
    mine = [each for each in waiting(store) if (each.file.system, each.file.feed) == (source, feed)]
    if not mine:
        raise errors.NotFound(f"no full extract of {source}/{feed} waits to be confirmed", hint="It was withdrawn, or none was loaded")
    ending = mine[-1]
    if not store.endings.applied(ending):
        raise errors.Forbidden(f"{ending.file.name} is still being applied", hint="Ask again later")
    verdict = judge(store, ending, archive.inbound(f"{source}/{feed}")[0])
    if not dry_run:
        store.endings.settle(ending.id, absent="confirmed", note=reason)
    counts = {entity: {"live": live, "absent": absent} for entity, (live, absent) in verdict.entities.items()}
    return {
        "feed": f"{source}/{feed}", "file": ending.file.name, "action": "would be withdrawn" if dry_run else "confirmed",
        "absent": verdict.absent, "failed": verdict.failed, "entities": counts, "reason": verdict.reason,
    }  # fmt: skip


def _reason(ending: Ending, entities: dict[str, tuple[int, int]], at_most: float, rows: int, failed: int) -> str:
    if not any(absent for _, absent in entities.values()):
        return ""
    if failed:
        return f"{failed} of its {ending.rows} rows failed, so the keys in them are not known; replay them corrected, or confirm"
    if rows != ending.rows:
        return f"it has {ending.rows} rows, {rows} of them were taken in"
    for entity, (live, absent) in entities.items():
        if absent * 100 > at_most * live:
            return f"{absent} of {live} live {entity} keys are absent, more than {at_most:g} %"
    return ""


def _id(ending: Ending, number: int) -> str:
    return f"{ending.messages}:absent:{number:06d}"


def _place(ending: Ending) -> str:
    return f"{ending.file.system}/{ending.file.feed}"
