"""What the operator's systems send: pushes, and how the operator's life goes on from turn to turn."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from demo import people, places, portfolio

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Push:
    """One message on its way to the hub; `source` is system/feed, `message_id` None where the system gives none.

    Pushes of one `lane` are sent one after the other; those without one in any order.
    """

    source: str
    body: bytes
    content_type: str
    message_id: str | None
    records: int = 1
    lane: int | None = None

    @property
    def digest(self) -> str:
        """What the attempts' log keeps of the body: 16 bytes of BLAKE2b in hex, as the inbox keeps it."""
        return hashlib.blake2b(self.body, digest_size=16).hexdigest()


def at(turn: int, seconds: int = 0) -> datetime.datetime:
    """When things of this turn happen: turns are an hour apart, and later than everything that was there before."""
    return people.NOW + datetime.timedelta(hours=turn, seconds=seconds)


def moved(seed: int, number: int, turn: int) -> bool:
    """One in five customers moves in a turn; nobody does in turn 0."""
    return turn > 0 and people.rng(seed, f"moves/{turn}", number).random() < 0.2


def customer(seed: int, number: int, turn: int) -> people.Customer:
    """The customer as it is in this turn, after all its moves."""
    now = people.customer(seed, number)
    for past in range(1, turn + 1):
        if moved(seed, number, past):
            chance = people.rng(seed, f"home/{past}", number)
            now = dataclasses.replace(now, address=people.address(chance, chance.choice(places.divisions())))
    return now


def interrupted(seed: int, number: int, turn: int) -> bool:
    """One customer in ten does not pay in a turn: its first subscription is suspended, and active again in the same hour."""
    return turn > 0 and people.rng(seed, f"pays/{turn}", number).random() < 0.1


def holdings(seed: int, count: int) -> Iterator[portfolio.Holding]:
    """All customers with all they have, as they are in turn 0."""
    return (portfolio.holding(seed, number) for number in range(count))


def batched(things: Iterable[T], seed: int, what: str) -> Iterator[list[T]]:
    """Cut into what goes in one message: every third alone, the others in lists of up to forty."""
    chance = people.rng(seed, f"batches/{what}", 0)
    batch: list[T] = []
    size = 1
    for thing in things:
        batch.append(thing)
        if len(batch) >= size:
            yield batch
            batch, size = [], 1 if chance.random() < 1 / 3 else chance.randrange(2, 41)
    if batch:
        yield batch
