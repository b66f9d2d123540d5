"""One message's way: as it came, what each stage made of it and by which rule, what it changed, and who received that."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from master.store import Letter, Store
from routes import absence, hiding
from routes.archive import Archive, Made
from routes.arrivals import Arrivals
from routes.inbound import Inbound, Step
from schemas import canonical, errors, personal
from schemas.envelope import Change, Message, Stored
from transformers import lineage

ROWS = 20  # records of a message that are shown unless one is asked for
_RAW = 20_000  # characters of a body that are shown


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: a message, perhaps one row of it, and the other messages that the search also means."""

    message: int
    row: int | None = None
    others: tuple[int, ...] = ()


class Trace:
    """Reads the store and recomputes; writes nothing."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self._store, self._archive = store, archive
        self._arrivals = Arrivals(store, archive)

    def find(self, text: str) -> Found:
        """By receipt, by the caller's message id, by golden id, or by a source's own key, in this order. Raises `NotFound`."""
        if text.isascii() and text.isdigit() and len(text) < 19 and self._store.inbox.get(int(text)) is not None:
            return Found(int(text))
        ids = self._store.inbox.find(text)
        if ids:
            return Found(ids[0], None, tuple(ids[1:]))
        golden = self._golden(text)
        causes = [(change.message, change.row) for each in golden for change in self._store.views.history(each)]
        if not causes:
            hint = "Give a receipt, a message id, a golden id, or a source's own key"
            raise errors.NotFound(f"nothing is known by {text!r}", hint=hint)
        causes.sort(reverse=True)
        return Found(*causes[0], tuple(dict.fromkeys(message for message, _ in causes[1:] if message != causes[0][0])))

    def _golden(self, text: str) -> list[str]:
        try:
            if self._store.views.golden(text) is not None:
                return [text]
        except errors.NotFound:
            pass  # it does not look like a golden id
        return [found for entity in canonical.entity_names() for found in self._store.views.find_golden(text, entity)]

    def message(self, found: Found, *, rows: int = ROWS, reveal: bool = False) -> dict[str, Any]:
        """Everything about a message, as plain JSON. Personal values are hidden by their class unless `reveal`. Raises `NotFound`."""
        stored = self._store.inbox.get(found.message)
        if stored is None:
            raise errors.NotFound(f"no message {found.message}", hint="Its number stands in the receipt")
        veil = personal.Clear() if reveal else personal.Veil()
        changes = self._store.views.message_changes(stored.id)
        letters = self._store.letters.of_message(stored.id)
        revision = next((self._store.views.revision_of(change.seq) for change in changes), None) or 0
        records: list[dict[str, Any]] = []
        made = Made(revision, "", current=False)
        encoding = "utf-8"
        try:
            inbound, made = self._archive.inbound(f"{stored.message.source}/{stored.message.feed}", revision)
            encoding = str(inbound.feed.format.get("encoding", "utf-8"))
            wanted = range(rows) if found.row is None else range(found.row, found.row + 1)
            steps = _steps(inbound, stored.message, wanted)
            records = [self._record(inbound, step, changes, letters, veil, stored.message) for step in steps]
        except errors.NotFound as error:
            made = dataclasses.replace(made, note=str(error))
        for change in changes:
            veil.state(change.entity, change.state)
        trace = {
            "message": self._head(stored, encoding),
            "others": [str(other) for other in found.others],
            "parent": self._parent(stored),
            "children": [{"letter": letter.id, "receipt": str(letter.resolved_by)} for letter in letters if letter.resolved_by],
            "revision": dataclasses.asdict(made),
            "records": records,
            "letters": [letter_row(letter) for letter in letters if not records or letter.row is None],
        }
        hidden: dict[str, Any] = veil.tree(trace)
        return hidden

    def payload(self, letter: Letter, veil: personal.Veil) -> str:
        """A letter's payload as text, with what is known to be personal hidden."""
        body, encoding = letter.payload or b"", "utf-8"
        try:
            if letter.subscription is not None:
                encoding = str(self._archive.outbound(letter.subscription)[0].sink.format.get("encoding", "utf-8"))
                golden = self._store.views.golden(letter.golden_id or "")
                if golden is not None:
                    veil.state(golden["entity"], golden["state"])
            else:
                inbound, _ = self._archive.inbound(f"{letter.source}/{letter.feed}")
                encoding = str(inbound.feed.format.get("encoding", "utf-8"))
                for step in inbound.steps(body):
                    hiding.learn(inbound, step.row, veil)
        except errors.NotFound:
            pass  # what is not configured any more cannot say which values are personal
        return veil.text(_text(body, encoding))

    def _head(self, stored: Stored, encoding: str) -> dict[str, Any]:
        message = stored.message
        settled = self._store.views.settled(stored.id)
        counts = {name: settled[name] for name in ("applied", "unchanged", "stale", "dead")} if settled else {}
        done = sum(counts.values())
        return {
            "receipt": str(stored.id), "source": message.source, "feed": message.feed, "message_id": message.message_id,
            "received_at": stored.received_at, "content_type": message.content_type, "bytes": len(message.body), "records": message.records,
            "state": "settled" if done >= message.records else "being applied" if done else "waiting",
            "settled_at": settled["at"] if settled else None, "outcome": counts, "raw": _text(message.body, encoding),
        }  # fmt: skip

    def _parent(self, stored: Stored) -> dict[str, Any] | None:
        if stored.message.parent is None:
            return None
        letter = self._store.letters.get(stored.message.parent)
        return {"letter": stored.message.parent, "receipt": str(letter.message) if letter else None}

    def _record(
        self, inbound: Inbound, step: Step, changes: list[Change], letters: list[Letter], veil: personal.Veil, message: Message
    ) -> dict[str, Any]:
        hiding.learn(inbound, step.row, veil)
        mine = [change for change in changes if change.row == step.number]
        absent = absence.is_one(message)
        mapped = not absent and step.row is not None and not (step.failure and step.failure.stage == "check")
        explained = inbound.mapping.explain(step.row) if mapped and step.row is not None else []
        made = [_explained(inbound, each, veil) for each in explained]
        if absent and step.row is not None:
            made = [{**step.row, "op": "delete", "sequence": None, "state": {}, "values": []}]
        return {
            "row": step.number,
            "place": _place(message, step),
            "decoded": step.row,
            "canonical": [each for each in made if each is not None],
            "failure": _failure(step),
            "changes": [self._change(change, veil) for change in mine],
            "letters": [letter_row(letter) for letter in letters if letter.row == step.number],
        }

    def _change(self, change: Change, veil: personal.Veil) -> dict[str, Any]:
        veil.state(change.entity, change.state)
        veil.state(change.entity, {name: old for name, (old, _) in (change.changed or {}).items()})
        return {
            "seq": change.seq, "entity": change.entity, "id": change.golden_id, "version": change.version, "op": change.op,
            "at": change.at, "changed": change.changed, "state": change.state, "deliveries": self._arrivals.of(change),
        }  # fmt: skip


def letter_row(letter: Letter) -> dict[str, Any]:
    """A dead letter as JSON, its payload left out."""
    row = {name: getattr(letter, name) for name in Letter.__slots__ if name != "payload"}
    return row | {"bytes": len(letter.payload or b"")}


def _place(message: Message, step: Step) -> str:
    """In its file, where the message is a part of one."""
    if message.part is None or absence.is_one(message):
        return step.place
    return f"{message.part.file} {message.part.told(step.number, step.place)}"


def _steps(inbound: Inbound, message: Message, wanted: range) -> Iterator[Step]:
    for step in absence.steps(message) if absence.is_one(message) else inbound.steps(message.body):
        if step.number >= wanted.stop:
            return
        if step.number in wanted:
            yield step


def _failure(step: Step) -> dict[str, Any] | None:
    failure = step.failure
    return None if failure is None else {"stage": failure.stage, "code": failure.code, "path": failure.path, "reason": failure.reason}


def _explained(inbound: Inbound, found: lineage.Explained, veil: personal.Veil) -> dict[str, Any] | None:
    """One canonical record, each value with the rule that made it; None where a condition said no."""
    if found.mapped is None and found.error is None:
        return None
    kinds = [found.mapped.kind] if found.mapped else list(inbound.mapping.kinds)
    for step in found.steps:
        for kind in kinds:
            veil.value(personal.class_of(kind, step.target), step.before)
            veil.value(personal.class_of(kind, step.target), step.after)
    file = f"{inbound.source}/{inbound.mapping.file}"
    values = [
        {"target": step.target, "rule": f"{file}:{step.line}", "source": step.source, "before": step.before, "after": step.after}
        for step in found.steps
    ]
    if found.mapped is None:
        return {"error": str(found.error), "values": values}
    veil.state(found.mapped.kind, found.mapped.state)
    head = {"entity": found.mapped.kind, "key": found.mapped.key, "op": found.mapped.op, "sequence": found.mapped.sequence}
    return {**head, "state": found.mapped.state, "values": values}


def _text(body: bytes, encoding: str) -> str:
    return body[: _RAW * 4].decode(encoding, "replace")[:_RAW]
