"""What a reader has read, and what of it is settled: the mark, and the settled ranges beyond it."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterable, Sequence

_STEPS = 20_000


class Trail:
    """Where the mark stood, and since when: tells whether something was settled before a moment."""

    def __init__(self, at: int, mark: int) -> None:
        self._times, self._marks = [at], [mark]

    def note(self, at: int, mark: int) -> None:
        """The mark stands here now."""
        if mark <= self._marks[-1]:
            return
        if len(self._times) >= _STEPS:
            del self._times[: _STEPS // 2], self._marks[: _STEPS // 2]
        self._times.append(max(at, self._times[-1]))
        self._marks.append(mark)

    def settled(self, seq: int, before: int) -> bool:
        """Surely settled before that moment. What was is denied where it is not known."""
        place = bisect.bisect_left(self._times, before) - 1
        return place >= 0 and self._marks[place] >= seq


class Ledger:
    """Safe to use from the reader and its lanes. Positions that do not match are settled by being read.

    The matched positions stand in order, each with a byte that says whether it is settled: runs of them are found without looking at
    every one.
    """

    def __init__(self, mark: int, settled: Iterable[tuple[int, int]]) -> None:
        self._lock = threading.Lock()
        self._head = mark
        self._seqs: list[int] = []
        self._done = bytearray()
        self._first = 0  # where the first open position stands
        self._open = 0
        self._restored = sorted(settled)

    @property
    def head(self) -> int:
        """The last position that was read."""
        return self._head

    def __len__(self) -> int:
        """How many matched changes are not settled."""
        return self._open

    def settled_before(self, seq: int) -> bool:
        """Whether the position was settled by the reader before this one."""
        return any(first <= seq <= last for first, last in self._restored)

    def read(self, head: int, matched: Sequence[int]) -> None:
        """The log is read up to `head`; `matched` of it wait to be settled."""
        with self._lock:
            before = [max(first, self._head + 1) for first, last in self._restored if first <= head and last > self._head]
            if before:  # one settled position stands for the range around it
                added = dict.fromkeys(matched, 0) | dict.fromkeys(before, 1)
                self._seqs += sorted(added)
                self._done += bytes(added[seq] for seq in sorted(added))
            else:
                self._seqs += matched
                self._done += bytes(len(matched))
            self._open += len(matched)
            self._head = head

    def settle(self, seqs: Iterable[int]) -> tuple[int, list[tuple[int, int]]]:
        """Strike positions out; answers the new mark and the settled ranges beyond it."""
        with self._lock:
            for seq in seqs:
                self._strike(seq)
            first = self._done.find(0, self._first)
            self._first = len(self._done) if first < 0 else first
            mark = self._head if first < 0 else self._seqs[first] - 1
            if self._first >= _STEPS:
                del self._seqs[: self._first], self._done[: self._first]
                self._first = 0
            self._restored = [(first, last) for first, last in self._restored if last > mark]
            return mark, self._ranges(mark)

    def _strike(self, seq: int) -> None:
        at = bisect.bisect_left(self._seqs, seq, self._first)
        if at < len(self._seqs) and self._seqs[at] == seq and not self._done[at]:
            self._done[at] = 1
            self._open -= 1

    def _ranges(self, _mark: int) -> list[tuple[int, int]]:
        """What lies between open positions and holds a settled one; what is restored beyond the head is kept until it is reached."""
        found = []
        at = self._first
        while (one := self._done.find(1, at)) >= 0:
            at = self._done.find(0, one)
            found.append((self._seqs[one - 1] + 1, self._seqs[at] - 1 if at >= 0 else self._head))
            if at < 0:
                break
        return found + [(max(first, self._head + 1), last) for first, last in self._restored if last > self._head]
