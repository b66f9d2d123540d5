"""What the tests of formats share: how to build one, records, and the parsing suites of others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.envelope import Mapped
from transformers import formats

DATA = Path(__file__).resolve().parents[1] / "data"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def build(files: Mapping[str, bytes] | None = None, /, **spec: Any) -> formats.Format:
    """A format of these keys."""
    return formats.build(spec, files or {})


def mapped(*states: dict[str, Any], kind: str = "customer") -> list[Mapped]:
    """Records as an outbound mapping makes them."""
    return [Mapped(kind, "k", None, "upsert", state) for state in states]


def rows(form: formats.Format, body: bytes) -> list[dict[str, Any]]:
    """The data of all records, which must be good, and as many as the door counted."""
    found = list(form.read(body))
    assert [row for row in found if isinstance(row, formats.Bad)] == []
    assert form.inspect(body) == len(found)
    return [row.data for row in found if isinstance(row, formats.Row)]


def bads(found: Sequence[formats.Row | formats.Bad]) -> list[formats.Bad]:
    """The bad ones."""
    return [row for row in found if isinstance(row, formats.Bad)]


def json_suite() -> Iterator[tuple[str, bytes]]:
    """JSON parsing cases (tests/data/json, MIT): `y_` must be accepted, `n_` refused, `i_` either."""
    for name, case in json.loads((DATA / "json" / "cases.json").read_text(encoding="utf-8")).items():
        text = case if isinstance(case, str) else case[0] * case[1] + case[2]
        yield name, text.encode("latin-1")


def naughty() -> list[str]:
    """Strings that break text fields (tests/data/text, MIT)."""
    return list(json.loads((DATA / "text" / "blns.json").read_text(encoding="utf-8")))
