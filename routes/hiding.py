"""Which values of a source's own record are personal: those that its mapping brings into a personal field, wherever they stand."""

from __future__ import annotations

import re
from typing import Any

from routes.inbound import Inbound
from schemas import personal

_NAME = re.compile(r"[^.\[\]^]+")


def learn(inbound: Inbound, row: Any, veil: personal.Veil) -> None:
    """Tell the veil. It goes by the names of fields, so that a record that fails half-way hides as much as one that is mapped."""
    _walk(row, _fields(inbound), veil)


def _fields(inbound: Inbound) -> dict[str, str]:
    """Name of a field in the source's record to the class of what it holds."""
    found: dict[str, str] = {}
    for rule in inbound.mapping.rules:
        if rule.part in ("value", "part"):
            kind = next(filter(None, (personal.class_of(entity, rule.target) for entity in inbound.mapping.kinds)), "")
            names = _NAME.findall(rule.source)
            if kind and names:
                found[names[-1]] = kind
    return found


def _walk(value: Any, fields: dict[str, str], veil: personal.Veil, kind: str = "") -> None:
    if isinstance(value, dict):
        for name, each in value.items():
            _walk(each, fields, veil, fields.get(name, kind if name == "#text" else ""))
    elif isinstance(value, list):
        for each in value:
            _walk(each, fields, veil, kind)
    else:
        veil.value(kind, value)
