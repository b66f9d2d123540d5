"""The mark, and the settled ranges beyond it: as a naive set of positions would say, across restarts."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from routes.ledger import Ledger, Trail

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.lists(st.booleans(), min_size=1, max_size=8)),  # which of the next positions match
        st.tuples(st.just("settle"), st.lists(st.integers(1, 60), max_size=5)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_the_ledger_is_a_set_of_positions(steps: list[tuple[str, list[int] | None]]) -> None:
    """The mark is the end of the settled beginning; the ranges are the rest of what is settled, and survive a restart."""
    ledger = Ledger(0, [])
    matches: dict[int, bool] = {}  # every position of the log that was ever read
    settled: set[int] = set()
    stored: tuple[int, list[tuple[int, int]]] = (0, [])
    for step, values in steps:
        if step == "read":
            first = ledger.head + 1
            for seq, match in enumerate(values or [], first):
                matches.setdefault(seq, bool(match))
            read = range(first, first + len(values or []))
            ledger.read(read[-1], [seq for seq in read if matches[seq] and not ledger.settled_before(seq)])
        elif step == "settle":
            taken = [seq for seq in values or [] if matches.get(seq) and seq <= ledger.head]
            settled.update(taken)
            stored = ledger.settle(taken)
        else:
            ledger = Ledger(*stored)
        mark, ranges = ledger.settle([])
        if step == "settle":
            done = settled | {seq for seq, match in matches.items() if not match}
            inside = {seq for a, b in ranges for seq in range(a, b + 1)}
            assert {seq for seq in range(1, mark + 1) if seq not in done} == set()
            assert inside <= done
            assert {seq for seq in settled if seq > mark} <= inside
            assert all(a <= b for a, b in ranges)
            assert all(b < c for (_, b), (c, _) in itertools.pairwise(ranges))
        assert len(ledger) == len([seq for seq in range(1, ledger.head + 1) if matches[seq] and seq > mark and seq not in settled]) or (
            step == "restart"
        )


def test_ranges_beyond_the_head_are_kept_until_they_are_reached() -> None:
    """A restart reads on from the mark; what it has not reached yet is not forgotten by the next settlement."""
    ledger = Ledger(2, [(4, 6), (9, 9)])
    ledger.read(5, [3])
    assert ledger.settle([]) == (2, [(4, 5), (6, 6), (9, 9)])
    assert [seq for seq in range(1, 11) if ledger.settled_before(seq)] == [4, 5, 6, 9]
    assert ledger.settle([3]) == (5, [(6, 6), (9, 9)])
    ledger.read(10, [7, 8, 10])
    assert ledger.settle([7]) == (7, [(9, 9)])


def test_the_trail_knows_what_was_settled_when() -> None:
    """And denies what it cannot know: before it began, and while the mark stood still."""
    trail = Trail(100, 5)
    trail.note(200, 7)
    trail.note(150, 9)  # a clock that jumps back
    trail.note(300, 9)
    assert trail.settled(5, 101)
    assert not trail.settled(5, 100)
    assert not trail.settled(6, 200)
    assert trail.settled(7, 201)
    assert trail.settled(9, 201)
    assert not trail.settled(10, 999)


def test_the_trail_forgets_its_oldest_half() -> None:
    """Memory is bounded; what is forgotten is denied."""
    trail = Trail(0, 0)
    for step in range(1, 30_001):
        trail.note(step, step)
    assert len(trail._times) <= 20_000
    assert not trail.settled(1, 3)
    assert trail.settled(29_000, 29_001)
