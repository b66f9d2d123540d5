"""Values as Python source: reading a path, the chain of functions, what stands in for a missing value."""

from __future__ import annotations

from contextlib import ExitStack

from transformers import paths, rules
from transformers.source import Page, Scope, expression, joined


def there(name: str) -> str:
    """The test that a value is not missing; for most, one look at its truth is enough."""
    return f"{name} or ({name} is not None and {name} != '')"


def kept(page: Page, node: rules.Value, scope: Scope, name: str, keep: tuple[str, ...], hit: str = "") -> None:
    """Make a value and run the lines `keep` where there is one. `hit` is set where it came from the data."""
    if isinstance(node.source, rules.Const) and node.plain and not page.tracing:
        page.line(f"{name} = {node.source.value!r}")
        for line in keep:
            page.line(line)
        return
    if hit and node.sourced and node.default is None:
        keep, hit = (*keep, f"{hit} = True"), ""
    if node.when or node.default is not None or node.required or page.tracing:
        made(page, node, scope, name, hit)
        with page.block(f"if {there(name)}:"):
            for line in keep:
                page.line(line)
        return
    _source(page, node, scope, name)
    with ExitStack() as inside:
        for call in _calls(page, node, scope, name):
            if not call.endswith(_OWN):
                inside.enter_context(page.block(f"if {there(name)}:"))
            page.line(f"{name} = {call}")
        inside.enter_context(page.block(f"if {there(name)}:"))
        for line in keep:
            page.line(line)


def made(page: Page, node: rules.Value, scope: Scope, name: str, hit: str = "") -> None:
    """Leave a value in `name`: None or "" where there is none, or where its condition says no."""
    test = ""
    if node.when:
        page.line(f"{name} = None")
        test = condition(page, node.when, scope)
    with page.maybe(test):
        _source(page, node, scope, name)
        before = page.spare("b")
        if page.tracing:
            page.line(f"{before} = {name}")
        for call in _calls(page, node, scope, name):
            page.line(f"{name} = {call}" if call.endswith(_OWN) else f"if {there(name)}: {name} = {call}")
        if hit and node.sourced:
            page.line(f"if {there(name)}: {hit} = True")
        _stand_in(page, node, name)
        target = expression(scope.target) if node.rule.part == "value" and scope.target else repr(node.rule.target)
        page.step(node.rule, target, _read(node, scope), before, f"None if {name} == '' else {name}")


def condition(page: Page, when: rules.When, scope: Scope) -> str:
    """A condition as an expression."""
    page.rule(when.rule, "None")  # not the row: it would go into the message, with all that it holds of a person
    call = f"{page.object(when.condition, 'w')}({scope.row})"
    if not page.tracing:
        return call
    verdict = page.spare("w")
    page.line(f"{verdict} = {call}")
    page.step(when.rule, repr(when.rule.target), repr(when.rule.source), "None", verdict)
    return verdict


def reading(page: Page, path: paths.Path, scope: Scope) -> str:
    """A path as an expression; `[]` at its end is left to the loop. Objects all the way, the usual case, is plain `get`."""
    level = scope.level(path.up)
    found, sure, steps = level.row, level.sure, path.steps
    if page.outbound and level.row == "row" and len(steps) > 1 and steps[0] == paths.Key("state"):
        found, steps = "state", steps[1:]
    for step in steps:
        found = _one(page, step, found, sure=sure)
        sure = False
    return found


_OWN = ")  # whatever comes"  # a Python function without a source makes its value from the row


def _source(page: Page, node: rules.Value, scope: Scope, name: str) -> None:
    """The value as it comes, and `rule` and `s`, which a failure names."""
    source = node.source
    if isinstance(source, rules.Join):
        _join(page, source, scope, name)
    elif isinstance(source, rules.First):
        _first(page, source, scope, name)
    page.rule(node.rule)
    if isinstance(source, paths.Path):
        if len(source.steps) > 1:
            page.line("s = None")
        page.line(f"s = {name} = {reading(page, source, scope)}")
    elif isinstance(source, rules.Const):
        page.line(f"s = {name} = {source.value!r}")
    else:
        page.line(f"s = {name} = None" if isinstance(source, rules.Nothing) else f"s = {name}")


def _join(page: Page, source: rules.Join, scope: Scope, name: str) -> None:
    found = page.spare("j")
    page.line(f"{found} = []")
    for part in source.parts:
        one = page.spare("v")
        kept(page, part, scope, one, (f"{found}.append(_text({one}))",))
    page.line(f"{name} = {source.by!r}.join({found})")


def _first(page: Page, source: rules.First, scope: Scope, name: str) -> None:
    with ExitStack() as inside:
        for number, part in enumerate(source.parts):
            if number:
                inside.enter_context(page.block(f"if {name} is None or {name} == '':"))
            made(page, part, scope, name)


def _calls(page: Page, node: rules.Value, scope: Scope, name: str) -> list[str]:
    """What is done with the value, call by call."""
    calls = [f"{page.object(step, 'f')}({name})" for step in node.steps]
    if node.python:
        own = isinstance(node.source, rules.Nothing)
        calls.append(f"{page.object(node.python, 'f')}({name}, {scope.row}{_OWN if own else ')'}")
    if node.table:
        calls.append(f"{page.object(node.table, 'f')}({name})")
    if node.reference is not None:
        calls.append(f"{{'source': {node.reference!r}, 'key': _key({name})}}")
    return calls


def _stand_in(page: Page, node: rules.Value, name: str) -> None:
    """The default, or the refusal. What is required is not asked of an outbound delete: its state may be empty."""
    if node.default is not None:
        page.line(f"if {name} is None or {name} == '': {name} = {node.default!r}")
    elif node.required:
        asked = "op != 'delete' and " if page.outbound else ""
        page.line(f"if {asked}({name} is None or {name} == ''): _missing()")


def _one(page: Page, step: paths.Step, found: str, *, sure: bool) -> str:
    """One step of a path as an expression over another."""
    if isinstance(step, paths.Key):
        if sure:
            return f"{found}.get({step.name!r})"
        spare = page.spare("t")
        return f"({spare}.get({step.name!r}) if ({spare} := {found}).__class__ is dict else _at_key({spare}, {step.name!r}))"
    if isinstance(step, paths.At):
        return f"_at({found}, {step.number!r})"
    if isinstance(step, paths.Pick):
        return f"_pick({found}, {step.field!r}, {step.value!r})"
    return found


def _read(node: rules.Value, scope: Scope) -> str:
    """Where a value was read, as an expression."""
    if not isinstance(node.source, paths.Path):
        return repr(node.rule.source)
    before = scope.level(node.source.up).read
    own = node.source.text.lstrip("^.") if node.source.steps else ""
    return expression(joined(before, (f".{own}" if own and before else own,)))
