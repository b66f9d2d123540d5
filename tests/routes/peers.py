"""A small system for tests, as files in memory: one feed in, one sink out; and what its other side does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters import catalogue, contract, manifest
from routes import route
from schemas import errors

INBOUND = b"""
mapping: peer-customers
direction: inbound
records:
  - entity: customer
    key: id
    sequence: at
    delete: 'row.op == "D"'
    fields:
      customerNo: {from: id, required: true}
      name: {from: name, required: true}
      kind: {const: individual}
      branch: branch
      level: level
      identification:
        - when: 'row.no != null'
          fields: {type: {const: nationalId}, number: no}
"""
OUTBOUND = b"""
mapping: peer-out
direction: outbound
records:
  - record: customer
    of: customer
    fields: {key: key, version: version, event: event, name: state.name, level: state.level, level2: "state.address.street"}
  - record: account
    of: account
    fields: {key: key, version: version, event: event, customer: state.customer.id}
"""


def system(
    *, feed: Mapping[str, Any] | None = None, inbound: bytes = INBOUND, outbound: bytes = OUTBOUND, **files: bytes
) -> catalogue.System:
    """`peer` with the feeds `peer/in` and `peer/live`, alike, and the sink `peer/out`.

    `feed` are further keys of the feeds, `files` Python by its module's name, and `schema`.
    """
    text = {
        "system": "peer",
        "feeds": {name: {"over": "http", "format": {"kind": "json"}, "mapping": "inbound.yaml", **(feed or {})} for name in ("in", "live")},
        "sinks": {
            "out": {"over": "http", "endpoint": {"url": "https://x.example/"}, "format": {"kind": "json"}, "mapping": "outbound.yaml"}
        },
    }
    named = {"own.schema.json" if name == "schema" else f"{name}.py": content for name, content in files.items()}
    found = {"inbound.yaml": inbound, "outbound.yaml": outbound, **named, "manifest.yaml": json.dumps(text).encode()}
    return catalogue.System("peer", found, manifest.parse(found, "peer"), Path())


def routed(**keys: Any) -> route.Route:
    """A route `peer` to `peer/out`."""
    return route.parse(json.dumps({"route": "peer", "to": "peer/out", **keys}).encode(), "peer")


class Crash(BaseException):
    """The process dies here: nothing may catch it."""


@dataclass
class Receiver:
    """The other side of every lane: keeps what it takes. `answer` may raise instead; it is asked before anything is taken."""

    idempotent: contract.Idempotent = "version"
    taken: list[contract.Item] = field(default_factory=list)
    batches: list[contract.Batch] = field(default_factory=list)
    tried: list[list[int]] = field(default_factory=list)
    answer: Callable[[contract.Batch], None] = lambda batch: None
    afterwards: Callable[[contract.Batch], None] = lambda batch: None

    def send(self, batch: contract.Batch) -> None:
        self.tried.append([item.seq for item in batch.items])
        self.answer(batch)
        self.batches.append(batch)
        self.taken += batch.items
        self.afterwards(batch)

    def ping(self) -> str:
        return "here"

    def close(self) -> None:
        """Nothing is held."""

    @property
    def seqs(self) -> list[int]:
        """Positions in the order of their arrival."""
        return [item.seq for item in self.taken]

    def bodies(self) -> list[dict[str, Any]]:
        """The records as the other side reads them."""
        return [one for batch in self.batches for one in _list(json.loads(batch.body))]

    def refuse(self, *seqs: int) -> None:
        """Refuse every batch that holds one of these positions; with none given any more, take everything."""

        def answer(batch: contract.Batch) -> None:
            if any(item.seq in seqs for item in batch.items):
                raise errors.Refused("not like this")

        self.answer = answer


def _list(found: Any) -> list[dict[str, Any]]:
    return found if isinstance(found, list) else [found]
