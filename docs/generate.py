"""Writes the reference pages that the product says of itself: `make docs`. A test holds that they are up to date."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from hub import rulebook
from schemas import canonical
from transformers import functions

CANONICAL = """# The canonical model

What every system's records become. Money is integer fen, dates are `YYYY-MM-DD`, times RFC 3339 with their offset. A reference
is `{source, key}` on the way in, and carries the golden `id` as soon as that is known. Personal data is classed, so that it can
be masked. A star marks what is required.
"""

FUNCTIONS = """# Functions

What `do` in a [mapping](mapping.md) may call, as `name` or `{name: argument}`. A value that a function cannot take makes the
record a dead letter, with mapping file, line, field and value.
"""

CHECK = """# What `mastercopy check` finds

`mastercopy check` reads the packaged systems and routes, or with `--home DIR` those that an instance uses, and tells every mistake at
once: file, line, the path of keys in it, a sentence, and what to do. An *error* keeps the hub from starting or records from passing; a
*warning* is likely a mistake. It ends with 3 where there are errors, with 1 where there are warnings alone, with 0 where there is neither.
`-o json` gives `{"findings": [{"rule", "level", "file", "line", "field", "message", "hint"}], "errors", "warnings"}`.

Files and fields are named as they stand in the folder that holds `adapters/` and `routes/`; line 0 means the file as a whole. What a
mistake makes impossible is not told as another one: where a manifest is wrong, its mappings are looked at all the same, its samples are
not replayed.
"""

SECTIONS = {
    "MC0": "Files and hub.yaml",
    "MC1": "Manifests, formats, schemas",
    "MC2": "Mappings and code tables",
    "MC3": "Routes",
    "MC4": "The master copy",
    "MC5": "Samples",
}

SHAPES = {("one", "one"): "", ("one", "list"): "gives a list", ("list", "one"): "takes a list", ("list", "list"): "list to list"}


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in line) + " |\n" for line in lines)


def canonical_page() -> str:
    """The canonical model, entity by entity."""
    return CANONICAL + "".join(_entity(entity) for entity in canonical.entity_names())


def _entity(entity: str) -> str:
    head = ["field", "type", "what", "中文", "from", "personal"]
    fields = table(head, [_field(field) for field in canonical.fields(entity)])
    return f"\n## {entity}\n\n{canonical.schema(entity)['description']}\n\n{fields}"


def _field(field: canonical.Field) -> list[str]:
    kind = f"→ {field.ref}" if field.ref else ", ".join(field.types)
    personal = "" if field.personal == "none" else field.personal
    name = f"`{field.path}`" + (" *" if field.required else "")
    return [name, kind, f"**{field.title}**: {field.description}", field.title_zh, field.source, personal]


def functions_page() -> str:
    """The functions that a mapping may call."""
    rows = [_function(function) for _, function in sorted(functions.REGISTRY.items())]
    return FUNCTIONS + "\n" + table(["function", "argument", "what it does", "中文", ""], rows)


def _function(function: functions.Function) -> list[str]:
    argument = function.argument + (" (optional)" if function.optional else "")
    return [f"`{function.name}`", argument, function.doc, function.zh, SHAPES[function.takes, function.gives]]


def check_page() -> str:
    """The rules of `mastercopy check`."""
    head = ["rule", "level", "what", "中文", "why", "what to do"]
    page = CHECK
    for prefix, title in SECTIONS.items():
        found = [rule for rule in rulebook.RULES if rule.id.startswith(prefix)]
        page += f"\n## {title}\n\n" + table(head, [[rule.id, rule.level, rule.en, rule.zh, rule.why, rule.remedy] for rule in found])
    return page


PAGES = {
    HERE / "reference" / "canonical.md": canonical_page,
    HERE / "reference" / "functions.md": functions_page,
    HERE / "reference" / "check.md": check_page,
}


if __name__ == "__main__":
    for path, page in PAGES.items():
        path.write_text(page(), encoding="utf-8")
