"""What a reader has read, and what of it is settled: the mark, and the settled ranges beyond it."""

from __future__ import annotations

import bisect
import heapq
import threading
from collections.abc import Iterable

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
    """Safe to use from the reader and its lanes. Positions that do not match are settled by being read."""

    def __init__(self, mark: int, settled: Iterable[tuple[int, int]]) -> None:
        self._lock = threading.Lock()
        self._head = mark
        self._open: set[int] = set()
        self._heap: list[int] = []
        self._restored = sorted(settled)

    @property
    def head(self) -> int:
        """The last position that was read."""
        return self._head

    def __len__(self) -> int:
        """How many matched changes are not settled."""
        return len(self._open)

    def settled_before(self, seq: int) -> bool:
        """Whether the position was settled by the reader before this one."""
        return any(first <= seq <= last for first, last in self._restored)

    def read(self, head: int, matched: Iterable[int]) -> None:
        """The log is read up to `head`; `matched` of it wait to be settled."""
        with self._lock:
            for seq in matched:
                self._open.add(seq)
                heapq.heappush(self._heap, seq)
            self._head = head

    def settle(self, seqs: Iterable[int]) -> tuple[int, list[tuple[int, int]]]:
        """Strike positions out; answers the new mark and the settled ranges beyond it."""
        with self._lock:
            self._open.difference_update(seqs)
            while self._heap and self._heap[0] not in self._open:
                heapq.heappop(self._heap)
            mark = self._heap[0] - 1 if self._heap else self._head
            self._restored = [(first, last) for first, last in self._restored if last > mark]
            return mark, self._ranges(mark)

    def _ranges(self, mark: int) -> list[tuple[int, int]]:
        """The gaps between open positions up to the head; before the head is reached again, the restored ones beyond it."""
        found = []
        start = mark + 1
        for seq in sorted(self._open):
            if seq > start:
                found.append((start, seq - 1))
            start = seq + 1
        if self._open and start <= self._head:
            found.append((start, self._head))
        return found + [(max(first, self._head + 1), last) for first, last in self._restored if last > self._head]
