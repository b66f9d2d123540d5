"""The rules of the master copy: which exact key makes two records one, and whose value stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from config import marked
from schemas import errors

FILE = "master.yaml"
PACKAGED = Path(__file__).parent / FILE


@dataclass(frozen=True)
class MasterRules:
    """Per entity: the paths of the match key, and the sources by rank, best first. `text` is the file as it was read."""

    match: Mapping[str, tuple[str, ...]]
    rank: Mapping[str, tuple[str, ...]]
    text: bytes


def load(home: Path | None, entities: Collection[str]) -> MasterRules:
    """The instance's `master.yaml`, or the packaged one. Raises `Misconfigured` with file and line."""
    own = home / FILE if home else None
    file = own if own is not None and own.exists() else PACKAGED
    return parse(file.read_bytes(), file.name, entities)


def parse(text: bytes, name: str, entities: Collection[str]) -> MasterRules:
    """Read the rules; every entity must be known, every value a list of texts."""
    doc = marked.load(text, name)
    if not isinstance(doc.data, dict):
        raise errors.Misconfigured("the rules are a mapping from entity to match and rank", place=doc.place())
    wrong: list[errors.Misconfigured] = []
    for entity, part in doc.data.items():
        if entity not in entities:
            wrong.append(errors.Misconfigured(f"no entity {entity!r}", place=doc.place(entity), hint=_nearest(entity, entities)))
        else:
            wrong += _wrong_in(doc, entity, part)
    missing = [entity for entity in entities if entity not in doc.data]
    if missing:
        wrong.append(errors.Misconfigured(f"no rules for {', '.join(missing)}", place=doc.place(), hint="Add match: [] and rank: []"))
    if wrong:
        raise errors.together(wrong)
    return MasterRules(
        {entity: tuple(part["match"]) for entity, part in doc.data.items()},
        {entity: tuple(part["rank"]) for entity, part in doc.data.items()},
        text,
    )


def _wrong_in(doc: marked.Marked, entity: str, part: object) -> list[errors.Misconfigured]:
    if not isinstance(part, dict) or set(part) != {"match", "rank"}:
        return [errors.Misconfigured("an entity has the keys match and rank, and no others", place=doc.place(entity))]
    return [
        errors.Misconfigured("this is a list of texts", place=doc.place(entity, key), value=value)
        for key, value in part.items()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value)
    ]


def _nearest(word: str, known: Collection[str]) -> str:
    near = get_close_matches(word, list(known), 1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}"
