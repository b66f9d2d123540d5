"""The mapping compiler: rules into plain Python source, one function per record, with or without a trace of every step."""

from __future__ import annotations

from typing import Any

from transformers import paths, rules

_HEAD = "try:"


class Writer:
    """Writes the source of one record's function.

    `names` collects the objects that the source needs, by the names that it uses for them. Everything that comes from
    a mapping file enters the source through `repr` or as such a name, so a file cannot put code into it.
    """

    def __init__(self, number: int, *, outbound: bool, tracing: bool, names: dict[str, Any]) -> None:
        self.number, self.outbound, self.tracing, self.names = number, outbound, tracing, names
        self._lines: list[str] = []
        self._depth = 0
        self._count = 0

    def write(self, record: rules.Record) -> str:
        """The source of `record_N(row, out)`, or of `explain_N(row)` that answers with what it recorded."""
        if self.tracing:
            self.line(f"def explain_{self.number}(row):", 1)
            self.line("out = []")
            self.line("steps = []")
        else:
            self.line(f"def record_{self.number}(row, out):", 1)
        self.line("rule = 0")
        self.line("s = None")
        self.line(_HEAD, 1)
        self.record(record)
        self._depth -= 1
        self.line("except Exception as error:", 1)
        if self.tracing:
            self.line("out.append(_Explained(None, _failure(rule, s, error), tuple(steps)))")
            self._depth -= 1
            self.line("else:", 1)
            self.line("if steps or not out:", 1)
            self.line("out.append(_Explained(None, None, tuple(steps)))")
            self._depth -= 2
            self.line("return out")
        else:
            self.line("raise _failure(rule, s, error) from error")
        return "\n".join(self._lines) + "\n"

    # ---- records

    def record(self, record: rules.Record) -> None:
        """All records that one row gives."""
        start = self._depth
        if record.of:
            self.line(f"if row.get('entity') == {record.of!r}:", 1)
        scope = Scope(("row",), ((),))
        if record.each:
            scope = self.loop(record.each, scope, plain=False)
        if record.when:
            self.line(f"if {self.test(record.when, scope)}:", 1)
        if self.outbound:
            self.outward(record, scope)
        else:
            self.inward(record, scope)
        if self._depth == start:
            return
        self._depth = start

    def inward(self, record: rules.Record, scope: Scope) -> None:
        """Key, sequence, then the state; a delete needs no state."""
        key = self.spare("k")
        sequence = "None"
        if record.key:
            self.value(record.key, scope, key, wrap=False)
            self.rule(record.key.rule)
            self.line(f"{key} = _key({key})")
        if record.sequence:
            sequence = self.spare("q")
            self.value(record.sequence, scope, sequence)
            self.rule(record.sequence.rule)
            self.line(f"{sequence} = _sequence({sequence})")
        depth = self._depth
        if record.delete:
            self.line(f"if {self.test(record.delete, scope)}:", 1)
            self.done(record.kind, key, sequence, "'delete'", "{}")
            self._depth = depth
            self.line("else:", 1)
        state = self.spare("o")
        self.fields(record.fields, scope, state, hit="")
        self.done(record.kind, key, sequence, "'upsert'", state)
        self._depth = depth

    def outward(self, record: rules.Record, scope: Scope) -> None:
        """The change's own key, version and fate. What is required is not asked of a delete: its state may be empty."""
        self.line("op = 'delete' if row.get('op') == 'delete' or row.get('event') == 'leave' else 'upsert'")
        state = self.spare("o")
        self.fields(record.fields, scope, state, hit="")
        self.done(record.kind, "str(row.get('key', ''))", "row.get('version')", "op", state)

    def done(self, kind: str, key: str, sequence: str, op: str, state: str) -> None:
        """One record is finished."""
        mapped = f"_Mapped({kind!r}, {key}, {sequence}, {op}, {state})"
        if self.tracing:
            self.line(f"out.append(_Explained({mapped}, None, tuple(steps)))")
            self.line("steps = []")
        else:
            self.line(f"out.append({mapped})")

    # ---- shapes: each leaves what it makes in `name`, and sets `hit` when something in it came from the data

    def fields(self, node: rules.Object, scope: Scope, name: str, hit: str) -> None:
        """The fields of an object, into the dict `name`."""
        self.line(f"{name} = {{}}")
        for field, child in node.fields:
            self.field(field, child, scope, name, hit)

    def field(self, field: str, node: rules.Node, scope: Scope, name: str, hit: str) -> None:
        """One field of an object. Missing values leave no key."""
        inner = scope.named(f".{field}")
        found = self.spare("v")
        if isinstance(node, rules.Value):
            self.value(node, inner, found, hit=hit)
            self.kept(node, found, f"{name}[{field!r}] = {found}")
            return
        self.shape(node, inner, found, hit)
        self.line(f"if {found}:", 1)
        self.line(f"{name}[{field!r}] = {found}")
        if hit and node.sourced and isinstance(node, rules.Many | rules.Each):
            self.line(f"{hit} = True")
        self._depth -= 1

    def shape(self, node: rules.Node, scope: Scope, name: str, hit: str) -> None:
        """An object or a list."""
        if isinstance(node, rules.Object):
            depth = self._depth
            if node.when:
                self.line(f"{name} = None")
                self.line(f"if {self.test(node.when, scope)}:", 1)
            self.fields(node, scope, name, hit)
            self._depth = depth
        else:
            self.line(f"{name} = []")
            for item in node.items if isinstance(node, rules.Many) else (node,):
                self.item(item, scope, name)

    def item(self, node: rules.Node, scope: Scope, name: str) -> None:
        """One item of a list; one that has nothing from the data vanishes, constants or not."""
        if isinstance(node, rules.Each):
            depth = self._depth
            body = node.body
            inner = self.loop(node, scope, plain=not isinstance(body, rules.Object))
            self.item(body, inner, name)
            self._depth = depth
            return
        here = scope.named("[", f"len({name})", "]")
        found = self.spare("v")
        if isinstance(node, rules.Value):
            self.value(node, here, found)
            self.kept(node, found, f"{name}.append({found})")
            return
        hit = self.spare("h")
        mark = self.spare("m")
        if self.tracing:
            self.line(f"{mark} = len(steps)")
        self.line(f"{hit} = {not node.sourced}")
        self.shape(node, here, found, hit)
        self.line(f"if {found} and {hit}:", 1)
        self.line(f"{name}.append({found})")
        self._depth -= 1
        if self.tracing:
            self.line("else:", 1)
            self.line(f"steps[{mark}:] = [each._replace(after=None) for each in steps[{mark}:]]")
            self._depth -= 1

    def loop(self, node: rules.Each, scope: Scope, *, plain: bool) -> Scope:
        """Open the loop of an `each`; `plain`: its items may be no objects."""
        self.rule(node.rule)
        every = self.spare("e")
        base = scope.up(node.path.up)
        self.line(f"{every} = list(_every({base}, {self.object(node.path.steps, 'p')}))")
        self.line(f"s = {base}")
        if self.tracing:
            self.line(f"steps.append(_Step({node.rule.index}, {node.rule.line}, {self.shown(scope.target, node.rule.target)}, {node.rule.source!r}, None, len({every}) or None))")
        row, at = self.spare("r"), self.spare("i")
        self.line(f"for {at}, {row} in enumerate({every}):" if self.tracing else f"for {row} in {every}:", 1)
        if not plain:
            self.rule(node.rule)
            self.line(f"s = {row}")
            self.line(f"{row} = _item({row})")
        return scope.inside(row, node.path.text.removesuffix("[]"), at)

    # ---- values: each leaves its value in `name`, None or "" where there is none

    def value(self, node: rules.Value, scope: Scope, name: str, hit: str = "", *, wrap: bool = True) -> None:
        """One value: source, functions, Python, table, default."""
        depth = self._depth
        if node.when:
            self.line(f"{name} = None")
            self.line(f"if {self.test(node.when, scope)}:", 1)
        self.source(node, scope, name)
        before = self.spare("b")
        if self.tracing:
            self.line(f"{before} = {name}")
        there = f"if {name} is not None and {name} != '':"
        for step in node.steps:
            self.line(f"{there} {name} = {self.object(step, 'f')}({name})")
        if node.python:
            always = isinstance(node.source, rules.Nothing)
            self.line(f"{'' if always else there + ' '}{name} = {self.object(node.python, 'f')}({name}, {scope.row})")
        if node.table:
            self.line(f"{there} {name} = {self.object(node.table, 'f')}({name})")
        if hit and node.sourced:
            self.line(f"{there} {hit} = True")
        self.ending(node, name)
        if node.reference is not None and wrap:
            self.line(f"{there} {name} = {{'source': {node.reference!r}, 'key': _reference({name})}}")
        if self.tracing:
            target = self.shown(scope.target, node.rule.target) if node.rule.part == "value" else repr(node.rule.target)
            self.line(f"steps.append(_Step({node.rule.index}, {node.rule.line}, {target}, {self.read(node, scope)}, {before}, None if {name} == '' else {name}))")
        self._depth = depth

    def ending(self, node: rules.Value, name: str) -> None:
        """What stands in for a missing value, or the refusal."""
        if node.default is None and not node.required:
            return
        missing = f"if {name} is None or {name} == '':"
        if node.default is not None:
            self.line(f"{missing} {name} = {node.default!r}")
        elif self.outbound:
            self.line(f"if op != 'delete' and ({name} is None or {name} == ''): _missing()")
        else:
            self.line(f"{missing} _missing()")

    def kept(self, node: rules.Value, name: str, keep: str) -> None:
        """Keep a value that is there."""
        surely = node.default is not None and not node.when
        self.line(keep if surely else f"if {name} is not None and {name} != '': {keep}")

    def source(self, node: rules.Value, scope: Scope, name: str) -> None:
        """The value as it comes. `rule` and `s` are what a failure names."""
        source = node.source
        if isinstance(source, rules.Join | rules.First):
            self.parts(source, scope, name)
        self.rule(node.rule)
        if isinstance(source, paths.Path):
            if source.steps[1:]:
                self.line("s = None")
            self.line(f"s = {name} = {self.reading(source, scope)}")
        elif isinstance(source, rules.Const):
            self.line(f"s = {name} = {source.value!r}")
        elif isinstance(source, rules.Nothing):
            self.line(f"s = {name} = None")
        else:
            self.line(f"s = {name}")

    def parts(self, source: rules.Join | rules.First, scope: Scope, name: str) -> None:
        """The parts of a join, or one after the other until one is there."""
        found = self.spare("j")
        self.line(f"{found} = []" if isinstance(source, rules.Join) else f"{name} = None")
        depth = self._depth
        for number, part in enumerate(source.parts):
            if isinstance(source, rules.First):
                if number:
                    self.line(f"if {name} is None or {name} == '':", 1)
                self.value(part, scope, name)
                continue
            each = self.spare("v")
            self.value(part, scope, each)
            self.line(f"if {each} is not None and {each} != '': {found}.append(_text({each}))")
        self._depth = depth
        if isinstance(source, rules.Join):
            self.line(f"{name} = {source.by!r}.join({found})")

    def reading(self, path: paths.Path, scope: Scope) -> str:
        """A path as an expression. The usual case, objects all the way, is plain `get`."""
        found = scope.up(path.up)
        for number, step in enumerate(path.steps):
            if isinstance(step, paths.Key):
                spare = self.spare("t")
                if number == 0 and found == "row":
                    found = f"row.get({step.name!r})"
                elif number == 0:
                    found = f"({found}.get({step.name!r}) if {found}.__class__ is dict else _at_key({found}, {step.name!r}))"
                else:
                    found = f"({spare}.get({step.name!r}) if ({spare} := {found}).__class__ is dict else _at_key({spare}, {step.name!r}))"
            elif isinstance(step, paths.At):
                found = f"_at({found}, {step.index!r})"
            elif isinstance(step, paths.Pick):
                found = f"_pick({found}, {step.field!r}, {step.value!r})"
        return found

    def test(self, when: rules.When, scope: Scope) -> str:
        """A condition as an expression."""
        self.rule(when.rule)
        self.line(f"s = {scope.row}")
        call = f"{self.object(when.condition, 'w')}({scope.row})"
        if not self.tracing:
            return call
        verdict = self.spare("w")
        self.line(f"{verdict} = {call}")
        self.line(f"steps.append(_Step({when.rule.index}, {when.rule.line}, {when.rule.target!r}, {when.rule.source!r}, None, {verdict}))")
        return verdict

    # ---- text

    def read(self, node: rules.Value, scope: Scope) -> str:
        """Where a value was read, as an expression: list places are known only when it runs."""
        if not isinstance(node.source, paths.Path):
            return repr(node.rule.source)
        before = scope.sources[scope.level(node.source.up)]
        own = node.source.text.lstrip("^.") if node.source.steps else ""
        return _expression(_joined(before, (f".{own}" if own and before else own,)))

    def shown(self, target: Text, fallback: str) -> str:
        """Where a value goes, as an expression."""
        return _expression(target) if target else repr(fallback)

    def object(self, value: object, kind: str) -> str:
        """The name of an object that the source uses."""
        for name, known in self.names.items():
            if known is value:
                return name
        name = f"_{kind}{len(self.names)}"
        self.names[name] = value
        return name

    def rule(self, rule: rules.Rule) -> None:
        """From here on a failure is this rule's."""
        self.line(f"rule = {rule.index}")

    def spare(self, letter: str) -> str:
        """A fresh local name."""
        self._count += 1
        return f"{letter}{self._count}"

    def line(self, text: str, indent: int = 0) -> None:
        """One line; `indent` opens a block after it."""
        self._lines.append("    " * self._depth + text)
        self._depth += indent


Text = tuple[str, ...]  # plain text, expression, plain text, ...: an odd number of them, or none


class Scope:
    """Where the writer stands: the row of each level of `each`, and the texts that name source and target."""

    def __init__(self, rows: tuple[str, ...], sources: tuple[Text, ...], target: Text = ()) -> None:
        self.rows, self.sources, self.target = rows, sources, target

    @property
    def row(self) -> str:
        """The innermost row or item."""
        return self.rows[-1]

    def level(self, up: int) -> int:
        """That many levels out; the outermost at most."""
        return max(0, len(self.rows) - 1 - up)

    def up(self, levels: int) -> str:
        """The row that many levels out."""
        return self.rows[self.level(levels)]

    def named(self, *text: str) -> Scope:
        """One step further in the target."""
        first = text[0] if self.target else text[0].removeprefix(".")
        return Scope(self.rows, self.sources, _joined(self.target, (first, *text[1:])))

    def inside(self, row: str, path: str, at: str) -> Scope:
        """Inside a loop."""
        before = self.sources[-1]
        dot = "." if before else ""
        return Scope((*self.rows, row), (*self.sources, _joined(before, (f"{dot}{path}[", at, "]"))), self.target)


def _joined(before: Text, after: Text) -> Text:
    return (*before[:-1], before[-1] + after[0], *after[1:]) if before else after


def _expression(text: Text) -> str:
    return " + ".join(f"str({part})" if odd % 2 else repr(part) for odd, part in enumerate(text)) or "''"
