"""Dead letters settled by people: a record is sent in again, corrected or not; a refused key is tried again; or it is discarded."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from master.store import Letter, Store
from routes.apply import ROWS_PER_MESSAGE
from routes.archive import Archive
from routes.receive import Door
from schemas import errors
from schemas.envelope import Message, Receipt

FILTERS = ("stage", "code", "source", "feed", "subscription", "fingerprint")
OPEN = ("dead", "waiting")
_PAGE = 200  # letters that are looked at together
Action = Literal["replay", "discard"]


@dataclass(frozen=True)
class Selection:
    """Which open letters: in this state, with these values, older than `before`."""

    state: str = "dead"
    filters: Mapping[str, str] = field(default_factory=dict)
    before: int | None = None

    def __post_init__(self) -> None:
        for name in self.filters:
            if name not in FILTERS:
                raise errors.Undecodable(f"no filter {name!r}", place=errors.Place(path=name), hint=f"Known: {', '.join(FILTERS)}")
        if self.state not in OPEN:
            place = errors.Place(path="state")
            raise errors.Undecodable(f"letters that are {self.state} are settled", place=place, hint="Open: dead, waiting")


class Replay:
    """Works on letters one by one or by selection. `ring` wakes the reader of a subscription."""

    def __init__(self, store: Store, door: Door, archive: Archive, ring: Callable[[str], None], clock: Callable[[], int]) -> None:
        self._store, self._door, self._archive, self._ring, self._clock = store, door, archive, ring, clock

    def letter(self, number: int) -> Letter:
        """Raises `NotFound`."""
        found = self._store.letters.get(number)
        if found is None:
            raise errors.NotFound(f"no dead letter {number}", hint="`mastercopy dead list` shows them")
        return found

    def again(self, number: int, reason: str, body: bytes | None = None, *, key: str = "", dry_run: bool = False) -> dict[str, Any]:
        """Send a record in again, as it was or corrected; or try a refused key again.

        With the same `key` the same copy is stored once. Raises `NotFound`, `Forbidden` when the letter is settled, and the `Reject`
        that the content would meet again: then nothing is stored.
        """
        letter = self.letter(number)
        _open(letter)
        if letter.subscription is not None:
            if body is not None:
                hint = "Correct the record at its source, or the mapping; then replay"
                raise errors.Undecodable("what a subscriber refused is made from the master copy: there is no copy to correct", hint=hint)
            return self._try_key(letter, reason, dry_run)
        copy = self._copy(letter, body, key or str(self._clock()))
        return {"letter": number, "action": "would be sent in again"} if dry_run else self._sent(letter, copy)

    def discard(self, number: int, reason: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Settle a letter without its content; its row stays. Raises `NotFound`, `Forbidden`."""
        letter = self.letter(number)
        _open(letter)
        if not reason.strip():
            raise errors.Undecodable("a letter is discarded for a reason", place=errors.Place(path="reason"), hint="Say why: --reason")
        if not dry_run:
            self._store.letters.discard(number, reason, self._clock())
            self._ring_for(letter)
        return {"letter": number, "action": "would be discarded" if dry_run else "discarded"}

    def bulk(
        self, action: Action, selection: Selection, reason: str, *, limit: int = 0, rate: float = 0.0, dry_run: bool = False
    ) -> dict[str, Any]:
        """Everything that matches, newest first: exact counts, and a result for each letter that could not be settled.

        At most `limit` letters are settled, at most `rate` a second; 0 is no limit. `next`: the `before` that goes on where this stopped.
        """
        settled = matched = 0
        refused: Counter[str] = Counter()
        failures: list[dict[str, Any]] = []
        following: int | None = None
        started = time.monotonic()
        for letter in self._letters(selection):
            if limit and settled >= limit:
                following = letter.id + 1
                break
            matched += 1
            if rate and not dry_run and (ahead := settled / rate - (time.monotonic() - started)) > 0:
                time.sleep(ahead)
            try:
                self._one(action, letter.id, reason, dry_run)
                settled += 1
            except (errors.Reject, errors.NotFound, errors.Forbidden) as error:
                refused[f"{error.code}: {error.summary}"] += 1
                if len(failures) < _PAGE:
                    failures.append({"letter": letter.id, "code": error.code, "reason": str(error)})
        return {
            "action": action, "dry_run": dry_run, "matched": matched, "eligible": settled, "not_eligible": dict(refused),
            "failures": failures, "next": following,
        }  # fmt: skip

    def _one(self, action: Action, number: int, reason: str, dry_run: bool) -> None:
        if action == "replay":
            self.again(number, reason, dry_run=dry_run)
        else:
            self.discard(number, reason, dry_run=dry_run)

    def _letters(self, selection: Selection) -> Iterator[Letter]:
        """The open letters of a selection, newest first, as they were when their page was read."""
        before = selection.before
        while page := self._store.letters.select(state=selection.state, filters=selection.filters, limit=_PAGE, before=before):
            yield from page
            before = page[-1].id

    def _try_key(self, letter: Letter, reason: str, dry_run: bool) -> dict[str, Any]:
        if not dry_run:
            self._store.letters.retry(letter.id, reason, self._clock())
            self._ring_for(letter)
        return {"letter": letter.id, "action": "would be tried again" if dry_run else "tried again", "subscription": letter.subscription}

    def _copy(self, letter: Letter, body: bytes | None, key: str) -> Message:
        """The corrected copy, checked: it takes the place of its original in the order of arrival."""
        content = letter.payload if body is None else body
        original = self._store.inbox.get(letter.message) if letter.message is not None else None
        if not content or original is None:
            raise errors.NotFound(f"dead letter {letter.id} has no payload any more", hint="Send the record again from its source")
        start = original.message.order if original.message.order is not None else original.id * ROWS_PER_MESSAGE
        copy = Message(
            letter.source, letter.feed, f"replay:{letter.id}:{key}", content, original.message.content_type,
            parent=letter.id, order=start + (letter.row or 0),
        )  # fmt: skip
        copy = self._door.checked(copy)
        if copy.records < 1 or (copy.records > 1 and original.message.records > 1):
            raise errors.Undecodable(f"the copy holds {copy.records} records", hint="A letter of one record is answered with one record")
        self._fits(letter, copy)
        return copy

    def _fits(self, letter: Letter, copy: Message) -> None:
        """Raises the `Reject` that the copy would meet after the door. What ends a process is not tried here."""
        if letter.code == errors.PoisonRecord.__name__:
            return
        inbound, _ = self._archive.inbound(f"{copy.source}/{copy.feed}")
        failures = [decoded.failure for decoded in inbound.decode(copy.body) if decoded.failure is not None]
        if failures and len(failures) == copy.records:
            hint = "Nothing was stored: correct the copy, or the mapping"
            raise errors.StillWrong(failures[0].reason, hint=hint)

    def _sent(self, letter: Letter, copy: Message) -> dict[str, Any]:
        answer = self._door.receive([copy])[0]
        if not isinstance(answer, Receipt):
            raise answer
        return {"letter": letter.id, "action": "sent in again", "receipt": str(answer.id), "duplicate": answer.duplicate}

    def _ring_for(self, letter: Letter) -> None:
        if letter.subscription is not None:
            self._ring(letter.subscription)


def _open(letter: Letter) -> None:
    if letter.state not in OPEN:
        by = f" by message {letter.resolved_by}" if letter.resolved_by else ""
        raise errors.Forbidden(f"dead letter {letter.id} is {letter.state} already{by}", hint="Nothing is left to do")
