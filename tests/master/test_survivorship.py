"""Which value stands: the best source's that has one; the order of arrival has no say."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from master import survivorship
from master.survivorship import Voice, Why

RANKS = {"customer": ("crm", "boss")}
VOICES = st.lists(
    st.builds(Voice, st.sampled_from(["crm", "boss", "telco"]), st.sampled_from("12"), st.dictionaries(st.sampled_from("abc"), st.just(0))),
    max_size=5, unique_by=lambda voice: voice[:2],
)  # fmt: skip


def test_each_field_comes_from_the_best_source_that_has_it() -> None:
    """By rank; a source without a rank comes last; ties by key."""
    voices = [
        Voice("telco", "1", {"a": 1, "b": 1, "c": 1}),
        Voice("boss", "2", {"a": 2, "b": 2}),
        Voice("crm", "3", {"a": 3}),
        Voice("boss", "1", {"b": 4}),
    ]
    assert survivorship.survive("customer", voices, RANKS) == {"a": 3, "b": 4, "c": 1}


def test_every_value_says_why_it_stands() -> None:
    """Winner, rule, and who else had one."""
    voices = [Voice("boss", "2", {"a": 2, "b": 2}), Voice("crm", "3", {"a": 3})]
    assert survivorship.why("customer", voices, RANKS) == {
        "a": Why("crm", "3", "rank", ("boss",)),
        "b": Why("boss", "2", "only source", ()),
    }


@given(voices=VOICES, seed=st.integers(0, 99))
def test_the_order_of_arrival_has_no_say(voices: list[Voice], seed: int) -> None:
    """Any order gives the same values, each from the winner that `why` names."""
    shuffled = random.Random(seed).sample(voices, len(voices))
    state = survivorship.survive("customer", voices, RANKS)
    assert survivorship.survive("customer", shuffled, RANKS) == state
    reasons = survivorship.why("customer", shuffled, RANKS)
    own = {(voice.source, voice.key): voice.state for voice in voices}
    assert {name: own[why.source, why.key][name] for name, why in reasons.items()} == state
