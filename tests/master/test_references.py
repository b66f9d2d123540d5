"""References are found by the paths of the schema, given golden ids, and given back as they came."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from master import references
from schemas import canonical

PATHS = canonical.refs("subscription")


def reference(key: str) -> dict[str, Any]:
    return {"source": "crm", "key": key}


def test_references_are_found_wherever_the_schema_has_them() -> None:
    """Plain, in lists, in lists of objects; each target once."""
    state = {
        "productOffering": reference("p"), "customer": reference("1"), "account": [{"account": reference("a")}, {"share": 5}],
        "relatedParty": [{"customer": reference("1")}, {"name": "x"}],
    }  # fmt: skip
    assert set(references.targets(PATHS, state)) == {("product", "crm", "p"), ("customer", "crm", "1"), ("account", "crm", "a")}


def test_known_targets_get_ids_and_others_are_told() -> None:
    """An id that does not hold any more is taken away."""
    state = {"customer": {**reference("1"), "id": "old"}, "productOffering": reference("p")}
    missing = references.resolve(PATHS, state, {("product", "crm", "p"): "id-p"}.get)
    assert missing == [("customer", "crm", "1")]
    assert state == {"customer": reference("1"), "productOffering": {**reference("p"), "id": "id-p"}}


@given(keys=st.lists(st.sampled_from("123"), max_size=3))
def test_stripping_undoes_resolving(keys: list[str]) -> None:
    """The source's own words remain."""
    state: dict[str, Any] = {"customer": reference("1"), "account": [{"account": reference(key)} for key in keys]}
    before = copy.deepcopy(state)
    references.resolve(PATHS, state, lambda wanted: f"id-{wanted[2]}")
    assert references.strip(PATHS, state) == before
