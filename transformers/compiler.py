"""The mapping compiler: rules into plain Python source, one function per record, with or without a trace of every step."""

from __future__ import annotations

from typing import Any

from transformers import expressions, paths, rules
from transformers.source import Level, Page, Scope


def run(record: rules.Record, number: int, names: dict[str, Any], *, outbound: bool) -> str:
    """The source of `record_N(row, out)`: it appends the records of one row."""
    page = Page(names, tracing=False, outbound=outbound)
    with page.block(f"def record_{number}(row, out):"):
        page.line("rule, s = 0, None")
        with page.block("try:"):
            _record(page, record)
        with page.block("except Exception as error:"):
            page.line("raise _failure(rule, s, error) from error")
    return page.text()


def explain(record: rules.Record, number: int, names: dict[str, Any], *, outbound: bool) -> str:
    """The source of `explain_N(row)`: it answers with the records, or the error, and the steps of each."""
    page = Page(names, tracing=True, outbound=outbound)
    with page.block(f"def explain_{number}(row):"):
        page.line("rule, s, out, steps = 0, None, [], []")
        with page.block("try:"):
            _record(page, record)
        with page.block("except Exception as error:"):
            page.line("out.append(_Explained(None, _failure(rule, s, error), tuple(steps)))")
            page.line("return out")
        with page.block("if steps or not out:"):
            page.line("out.append(_Explained(None, None, tuple(steps)))")
        page.line("return out")
    return page.text()


def _record(page: Page, record: rules.Record) -> None:
    """All records that one row gives."""
    scope = Scope((Level("row"),))
    if page.outbound:
        page.line("op = 'delete' if row.get('op') == 'delete' or row.get('event') == 'leave' else 'upsert'")
        page.line("state = row.get('state')")
    with page.maybe(f"row.get('entity') == {record.of!r}" if record.of else ""):
        if record.each:
            _loop(page, record.each, scope, lambda inner: _chosen(page, record, inner), sure=True)
        else:
            _chosen(page, record, scope)


def _chosen(page: Page, record: rules.Record, scope: Scope) -> None:
    """One record, where its condition says yes."""
    with page.maybe(expressions.condition(page, record.when, scope) if record.when else ""):
        if page.outbound:
            _object(page, record.fields, scope, "o")
            _done(page, record, "str(row.get('key', ''))", "row.get('version')", "op", "o")
        else:
            _inbound(page, record, scope)


def _inbound(page: Page, record: rules.Record, scope: Scope) -> None:
    """Key, sequence, then the state; a delete needs no state."""
    if record.key:
        expressions.made(page, record.key, scope, "k")
        page.rule(record.key.rule, "k")
        page.line("k = _key(k)")
    page.line("q = None")
    if record.sequence:
        expressions.made(page, record.sequence, scope, "q")
        page.rule(record.sequence.rule, "q")
        page.line("q = _sequence(q)")
    if record.delete:
        with page.block(f"if {expressions.condition(page, record.delete, scope)}:"):
            _done(page, record, "k", "q", "'delete'", "{}")
    with page.maybe("") if not record.delete else page.block("else:"):
        _object(page, record.fields, scope, "o")
        _done(page, record, "k", "q", "'upsert'", "o")


def _done(page: Page, record: rules.Record, key: str, sequence: str, op: str, state: str) -> None:
    mapped = f"_Mapped({record.kind!r}, {key}, {sequence}, {op}, {state})"
    page.line(f"out.append(_Explained({mapped}, None, tuple(steps)))" if page.tracing else f"out.append({mapped})")
    if page.tracing:
        page.line("steps = []")


def _object(page: Page, node: rules.Object, scope: Scope, name: str, hit: str = "") -> None:
    """An object into `name`, field by field. Missing values leave no key; `hit` is set when one came from the data."""
    page.line(f"{name} = {{}}")
    for field, child in node.fields:
        inner, found = scope.named(f".{field}"), page.spare("v")
        keep = f"{name}[{field!r}] = {found}"
        if isinstance(child, rules.Value):
            expressions.kept(page, child, inner, found, (keep,), hit)
            continue
        _shape(page, child, inner, found, hit)
        with page.block(f"if {found}:"):
            page.line(keep)
            if hit and child.sourced and not isinstance(child, rules.Object):
                page.line(f"{hit} = True")


def _shape(page: Page, node: rules.Object | rules.Many | rules.Each, scope: Scope, name: str, hit: str = "") -> None:
    """An object or a list into `name`."""
    if isinstance(node, rules.Object):
        if node.when:
            page.line(f"{name} = None")
        with page.maybe(expressions.condition(page, node.when, scope) if node.when else ""):
            _object(page, node, scope, name, hit)
        return
    page.line(f"{name} = []")
    for item in node.items if isinstance(node, rules.Many) else (node,):
        _item(page, item, scope, name)


def _item(page: Page, node: rules.Node, scope: Scope, name: str) -> None:
    """Append one item to the list `name`, or those of a loop."""
    if isinstance(node, rules.Each):
        body = node.body
        _loop(page, node, scope, lambda inner: _item(page, body, inner, name), sure=isinstance(body, rules.Object))
        return
    here, found = scope.named("[", f"len({name})", "]"), page.spare("v")
    if isinstance(node, rules.Value):
        expressions.kept(page, node, here, found, (f"{name}.append({found})",))
        return
    hit, mark = page.spare("h"), page.spare("m")
    if page.tracing:
        page.line(f"{mark} = len(steps)")
    page.line(f"{hit} = {not node.sourced}")  # an item that has nothing from the data vanishes, its constants with it
    _shape(page, node, here, found, hit)
    with page.block(f"if {found} and {hit}:"):
        page.line(f"{name}.append({found})")
    if page.tracing:
        with page.block("else:"):
            page.line(f"steps[{mark}:] = [each._replace(after=None) for each in steps[{mark}:]]")


def _loop(page: Page, node: rules.Each, scope: Scope, body: Any, *, sure: bool) -> None:
    """Repeat over what a path finds. `sure`: its items are objects."""
    page.rule(node.rule, "None")
    every, row, at = page.spare("e"), page.spare("r"), page.spare("i")
    once = not any(isinstance(step, paths.All) for step in node.path.steps[:-1])
    if once:
        page.line(f"{every} = _listed({expressions.reading(page, node.path, scope)})")
    else:
        page.line(f"{every} = list(_every({scope.level(node.path.up).row}, {page.object(node.path.steps, 'p')}))")
    page.step(node.rule, repr(node.rule.target), repr(node.rule.source), "None", f"len({every}) or None")
    with page.block(f"for {at}, {row} in enumerate({every}):" if page.tracing else f"for {row} in {every}:"):
        if sure:
            page.rule(node.rule, row)
            page.line(f"{row} = _item({row})")
        body(scope.inside(row, node.path.text.lstrip("^.").removesuffix("[]"), at, sure=sure))
