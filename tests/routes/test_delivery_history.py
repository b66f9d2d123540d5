"""Whatever the other side does and wherever the process dies: nothing is skipped, nothing overtakes, the counts always add up."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import contract
from master.store import Fence, Settlement
from schemas import errors
from tests.routes.peers import Crash
from tests.routes.yard import Yard

ANSWERS = ["take"] * 5 + ["refuse"] * 3 + ["down"] * 2 + ["die before", "die after"]


def deeds(dice: random.Random) -> list[tuple[str, Any]]:
    """A history: bursts of changes of few keys, and what happens between them."""
    found: list[tuple[str, Any]] = []
    for _ in range(dice.randint(3, 25)):
        found += [("change", dice.choice("1234")) for _ in range(dice.randint(0, 6))]
        found.append(
            dice.choice(
                [("work", 0), ("work", 1), ("work", 5), ("work", 60), ("restart", None), ("person", "retry"), ("person", "discard")]
            )
        )
    return found


def route(dice: random.Random) -> dict[str, Any]:
    """Both modes, any batch, one lane or three, patient or not."""
    return {
        "mode": dice.choice(["history", "latest"]),
        "batch": dice.choice([1, 3, 50]),
        "concurrency": dice.choice([1, 3]),
        "retry": dice.choice([{"first": "2s", "longest": "4s", "give_up": "8s"}, {"first": "1s", "longest": "1s", "give_up": "72h"}]),
    }


class World:
    """A yard whose other side follows a script, and whose every settlement is checked."""

    def __init__(self, folder: str, dice: random.Random) -> None:
        self.mode = (keys := route(dice))["mode"]
        self.yard = Yard(Path(folder), **keys)
        self.answers = dice.choices(ANSWERS, k=dice.randint(0, 40))
        self.yard.dice = dice.random
        self.yard.receiver.answer = self.answer
        self.yard.receiver.afterwards = self.afterwards
        self.after: str | None = None
        self.crashes = 0
        self.names = iter(range(10_000))
        self._settle = self.yard.store.subscriptions.settle
        self.yard.store.subscriptions.settle = self.settle  # type: ignore[method-assign]

    def answer(self, batch: contract.Batch) -> None:
        said = self.answers.pop(0) if self.answers else "take"
        self.after = said
        if said == "refuse":
            raise errors.Refused("no")
        if said == "down":
            raise errors.EndpointDown("down")
        if said == "die before":
            raise Crash

    def afterwards(self, batch: contract.Batch) -> None:
        if self.after == "die after":
            raise Crash

    def settle(self, name: str, fence: Fence, settlement: Settlement) -> None:
        self._settle(name, fence, settlement)
        self.check()

    def check(self) -> None:
        """The law of conservation, and pending and dead as the letters say."""
        [progress] = self.yard.store.subscriptions.all()
        found = dict(progress.tallies)
        matched = found.pop("matched")
        assert matched == sum(found.values())
        assert all(count >= 0 for count in found.values())
        parked = self.yard.store.views.audit()["parked"]
        assert found["pending"] == parked["waiting"].get("peer", 0)
        assert found["dead"] == parked["dead"].get("peer", 0) + parked["discarded"].get("peer", 0)

    def do(self, deed: str, value: Any) -> None:
        if deed == "change":
            self.yard.change(value, name=str(next(self.names)))
        elif deed == "restart":
            self.yard.start()
        elif deed == "person":
            self.person(value)
        else:
            self.yard.now += value * 1_000_000
            self.work()

    def person(self, deed: str) -> None:
        for letter in self.yard.store.letters.select(state=None, filters={}, limit=99):
            if letter.state in ("waiting", "dead"):
                if deed == "retry":
                    self.yard.store.letters.retry(letter.id, "", self.yard.now)
                else:
                    self.yard.store.letters.discard(letter.id, "", self.yard.now)
                self.check()
                return

    def work(self) -> None:
        """As the hub does: what dies is begun again."""
        try:
            self.yard.work()
        except Crash:
            self.crashes += 1
            self.yard.start()
        except errors.NotFound:
            self.yard.start()

    def quiet(self) -> None:
        """The other side takes everything from now on."""
        self.answers.clear()
        for _ in range(6):
            self.yard.store.subscriptions.set_state("peer", "active", "")
            for letter in self.yard.store.letters.select(state="dead", filters={}, limit=99):
                self.yard.store.letters.retry(letter.id, "", self.yard.now)
            self.yard.now += 100_000_000
            self.work()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_nothing_is_skipped_and_everything_adds_up(seed: int) -> None:
    """Refusals, failures, crashes around sends, restarts and people at work, in any order."""
    with tempfile.TemporaryDirectory() as folder:
        dice = random.Random(seed)
        world = World(folder, dice)
        for deed, value in deeds(dice):
            world.do(deed, value)
        world.quiet()
        changes = world.yard.desk.changes()
        discarded = world.yard.store.views.audit()["parked"]["discarded"].get("peer", 0)
        tallies, letters = world.yard.tallies(), world.yard.letters()
        progress = world.yard.progress()
        world.yard.store.close()
    taken = world.yard.receiver.taken
    assert letters == []
    assert progress == (len(changes), [])
    assert tallies.get("matched", 0) == len(changes)
    assert tallies.get("dead", 0) == discarded
    versions: dict[str, list[int]] = {}
    for item in taken:
        if item.version not in versions.setdefault(item.key, []):
            versions[item.key].append(item.version)
    assert all(found == sorted(found) for found in versions.values()), "a later version overtook"
    if not world.crashes:
        assert len({item.seq for item in taken}) == len(taken), "something came twice without a crash"
    if not discarded:
        assert {item.seq for item in taken} >= wanted(changes, world.mode)
        assert len({item.seq for item in taken}) >= len(changes) - tallies.get("superseded", 0)


def wanted(changes: list[Any], mode: str) -> set[int]:
    """Every change, or the newest of each key."""
    newest = {change.golden_id: change.seq for change in changes}
    return set(newest.values()) if mode == "latest" else {change.seq for change in changes}
