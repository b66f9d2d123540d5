"""A feed, compiled: bytes to candidates, every failure with its stage and its place."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from config import rules
from routes.inbound import Decoded, Inbound
from schemas import canonical, errors
from tests.routes.peers import system

MASTER = rules.load(None, canonical.entity_names())
SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def inbound(**more: Any) -> Inbound:
    return Inbound(system(**more), "in", MASTER)


def decoded(one: Inbound, *records: dict[str, Any]) -> list[Decoded]:
    return one.decode(json.dumps(list(records)).encode())


def test_a_record_becomes_a_candidate_with_all_that_the_leader_needs() -> None:
    """Entity, source, key, sequence, state with sorted keys and its digest, match key, references."""
    [found] = decoded(inbound(), {"id": "1", "name": "王", "at": 5, "no": "11010119800101123X"})
    [candidate] = found.candidates
    identified = '"identification":[{"number":"11010119800101123X","type":"nationalId"}]'
    state = f'{{"customerNo":"1",{identified},"kind":"individual","name":"王"}}'.encode()
    assert (candidate.entity, candidate.source, candidate.key, candidate.sequence, candidate.op) == ("customer", "peer", "1", 5, "upsert")
    assert (candidate.state, candidate.match_key) == (state, "11010119800101123X")
    assert candidate.digest == hashlib.blake2b(state, digest_size=16).digest()


def test_a_delete_has_no_state() -> None:
    """Nor a match key."""
    [found] = decoded(inbound(), {"id": "1", "op": "D", "at": 5})
    assert found.candidates == (("customer", "peer", "1", 5, "delete", b"", b"delete", None, ()),)


@pytest.mark.parametrize(
    ("record", "stage", "code"),
    [
        ({"name": "a"}, "check", "SchemaViolation"),
        ({"id": "1"}, "map", "MappingFailure"),
        ({"id": "1", "name": "a", "branch": {}}, "canonical", "NotCanonical"),
    ],
)
def test_a_failure_names_its_stage(record: dict[str, Any], stage: str, code: str) -> None:
    """Their own schema, the mapping, the canonical schema; the payload is that record alone, its neighbours are decoded."""
    one = inbound(feed={"schema": "own.schema.json"}, schema=json.dumps(SCHEMA).encode())
    good = {"id": "9", "name": "z"}
    before, bad, after = decoded(one, good, record, good)
    assert before.failure is None
    assert after.failure is None
    assert bad.failure is not None
    assert (bad.failure.stage, bad.failure.code) == (stage, code)
    assert bad.failure.path.startswith("$[1]")
    assert json.loads(bad.failure.payload) == [record]


@pytest.mark.parametrize("value", ["\ud800", 2**64, -(2**63) - 1], ids=["half a pair", "huge", "deep"])
def test_what_json_cannot_hold_is_a_failure_of_its_record(value: object) -> None:
    """Python of a folder may give anything back."""
    python = f"def twist(value, row):\n    return {value!r} if row['name'] == 'odd' else 'x'\n".encode()
    mapping = b"""
mapping: odd
direction: inbound
records:
  - entity: customer
    key: id
    fields: {customerNo: id, kind: {const: individual}, name: {from: name, call: "odd:twist"}}
"""
    good, bad = decoded(inbound(inbound=mapping, odd=python), {"id": "1", "name": "a"}, {"id": "2", "name": "odd"})
    assert good.failure is None
    assert bad.failure is not None


def test_a_format_that_breaks_fails_its_body_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours: a dead letter with the whole body, and the leader goes on."""
    one = inbound()

    def broken(body: bytes) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(one, "format", type("Broken", (), {"read": staticmethod(broken)}))
    [found] = one.decode(b"[]")
    assert found.failure is not None
    assert (found.failure.stage, found.failure.code, found.failure.payload) == ("decode", "ZeroDivisionError", b"[]")


def test_the_trace_shows_what_a_record_looked_like_on_its_way() -> None:
    """Row, what the mapping made of it, or why not."""
    first, second = inbound().steps(json.dumps([{"id": "1", "name": "a"}, {"id": "2"}]).encode())
    assert (first.place, first.row, first.mapped[0].state["name"], first.failure) == ("$[0]", {"id": "1", "name": "a"}, "a", None)
    assert second.failure is not None


def test_a_feeds_revision_is_known_by_all_that_it_is_made_of() -> None:
    """Mapping, manifest, the rules of the master copy."""
    other = rules.parse(MASTER.text.replace(b"rank: [crm", b"rank: [boss, crm", 1), "master.yaml", canonical.entity_names())
    assert inbound().hash == inbound().hash
    assert len({inbound().hash, inbound(feed={"limit": "1MB"}).hash, Inbound(system(), "in", other).hash}) == 3


def test_a_schema_that_is_no_json_is_refused() -> None:
    """With its file."""
    with pytest.raises(errors.BadManifest, match=r"own\.schema\.json"):
        inbound(feed={"schema": "own.schema.json"}, schema=b"{")
