"""Generated histories: few keys and few values, so that everything meets everything."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from schemas.envelope import Candidate
from tests.master.desk import record

SOURCES = st.sampled_from(["crm", "billing"])
SEQUENCES = st.none() | st.integers(1, 6)


def _customer(source: str, key: str, state: dict[str, Any] | None, sequence: int | None) -> Candidate:
    return record(key, state, source=source, sequence=sequence, match=state.get("branch") if state else None)


def _account(source: str, key: str, state: dict[str, Any] | None, sequence: int | None, target: tuple[str, str] | None) -> Candidate:
    if state is not None and target is not None:
        state = {**state, "customer": {"source": target[0], "key": target[1]}}
    return record(key, state, source=source, entity="account", sequence=sequence)


KEYS = st.sampled_from("123")
STATES = st.none() | st.fixed_dictionaries(
    {}, optional={"name": st.sampled_from("ab"), "level": st.sampled_from("xy"), "branch": st.sampled_from("MN")}
)
CUSTOMERS = st.builds(_customer, SOURCES, KEYS, STATES, SEQUENCES)
ACCOUNTS = st.builds(_account, SOURCES, KEYS, STATES, SEQUENCES, st.none() | st.tuples(SOURCES, KEYS))
ROWS = st.lists(st.lists(CUSTOMERS | ACCOUNTS, min_size=1, max_size=2), min_size=1, max_size=30)
