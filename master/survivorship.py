"""Which source's value stands in the golden record: a pure function of the source records and the ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Ranks = Mapping[str, Sequence[str]]  # entity -> sources, best first


class Voice(NamedTuple):
    """One source's own record as survivorship sees it."""

    source: str
    key: str
    state: dict[str, Any]


class Why(NamedTuple):
    """Why a field has its value."""

    source: str
    key: str
    rule: str
    losers: tuple[str, ...]


def order(entity: str, voices: Sequence[Voice], ranks: Ranks) -> list[Voice]:
    """Best first: by the source's rank, then by key. A source without a rank comes after all that have one."""
    rank = {source: place for place, source in enumerate(ranks.get(entity, ()))}
    return sorted(voices, key=lambda voice: (rank.get(voice.source, len(rank)), voice.source, voice.key))


def survive(entity: str, voices: Sequence[Voice], ranks: Ranks) -> dict[str, Any]:
    """The golden state: each field from the best source that has it."""
    state: dict[str, Any] = {}
    for voice in reversed(order(entity, voices, ranks)):
        state.update(voice.state)
    return state


def why(entity: str, voices: Sequence[Voice], ranks: Ranks) -> dict[str, Why]:
    """For each field: the winner, the rule, and who else had a value."""
    reasons: dict[str, Why] = {}
    ordered = order(entity, voices, ranks)
    for voice in ordered:
        for name in voice.state:
            if name not in reasons:
                others = tuple(other.source for other in ordered if other is not voice and name in other.state)
                reasons[name] = Why(voice.source, voice.key, "rank" if others else "only source", others)
    return reasons
