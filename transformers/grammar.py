"""The mapping language: YAML into rules, with everything that is wrong and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from config import marked
from schemas import canonical, errors
from transformers import cel, codetables, functions, paths, rules, scripts, targets

_TOP = ("mapping", "direction", "records")
_INBOUND = ("entity", "each", "when", "key", "sequence", "delete", "fields")
_OUTBOUND = ("record", "of", "each", "when", "fields")
_MISSING = object()

At = tuple[str | int, ...]


@dataclass
class Reader:
    """Reads one mapping file. `findings` collects; `uses` names the files of the system that the mapping needs."""

    files: Mapping[str, bytes]
    doc: marked.Marked
    system: str
    findings: rules.Findings = field(default_factory=rules.Findings)
    rules: list[rules.Rule] = field(default_factory=list)
    uses: set[str] = field(default_factory=set)
    outbound: bool = False
    target: targets.Target | None = None
    tables: dict[str, codetables.Table] = field(default_factory=dict)
    modules: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def read(self) -> tuple[str, str, list[rules.Record]]:
        """(name, direction, records); what is wrong stands in `findings`."""
        data = self.doc.data
        if not isinstance(data, dict):
            self.wrong((), "a mapping file has mapping, direction and records", "See an inbound.yaml beside it")
            return "", "", []
        self.known(data, (), _TOP, required=_TOP)
        direction = data.get("direction")
        if direction not in ("inbound", "outbound") and "direction" in data:
            self.wrong(("direction",), f"the direction is inbound or outbound, not {direction!r}")
        self.outbound = direction == "outbound"
        records = data.get("records")
        if not isinstance(records, list) or not records:
            if "records" in data:
                self.wrong(("records",), "records is a list with at least one record", "Write - entity: ..." if not self.outbound else "Write - record: ...")
            return "", "", []
        found = [self.record(each, ("records", number)) for number, each in enumerate(records)]
        return str(data.get("mapping") or ""), str(direction), [each for each in found if each]

    # ---- records

    def record(self, data: Any, at: At) -> rules.Record | None:
        """One entry of `records`."""
        if not isinstance(data, dict):
            self.wrong(at, f"a record has its own keys, not {functions.registry.kind(data)}")
            return None
        words, required = (_OUTBOUND, ("record", "fields")) if self.outbound else (_INBOUND, ("entity", "key", "fields"))
        self.known(data, at, words, required=required)
        kind, of = str(data.get("record" if self.outbound else "entity", "")), str(data.get("of") or "")
        self.target = None
        for name, entity in (("of", of), ("entity", "" if self.outbound else kind)):
            if entity and entity not in canonical.entity_names():
                self.wrong((*at, name), f"there is no entity {entity!r}", self.nearest(entity, canonical.entity_names()))
            elif entity and name == "entity":
                self.target = targets.Target(entity)
        each = self.repeat(data, at, "") if "each" in data else None
        fields = data.get("fields")
        if not isinstance(fields, dict) and "fields" in data:
            self.wrong((*at, "fields"), "fields is an object: what is written, and by which rule")
        record = rules.Record(
            kind,
            of,
            each,
            self.when(data.get("when"), (*at, "when"), "when") if "when" in data else None,
            self.inner(data["key"], (*at, "key"), "key") if "key" in data else None,
            self.inner(data["sequence"], (*at, "sequence"), "sequence") if "sequence" in data else None,
            self.when(data.get("delete"), (*at, "delete"), "delete") if "delete" in data else None,
            self.object(fields if isinstance(fields, dict) else {}, (*at, "fields"), ""),
        )
        lacking = self.target.missing(set(fields)) if self.target and isinstance(fields, dict) else []
        if lacking:
            self.wrong((*at, "fields"), f"{kind} requires {', '.join(lacking)}, and no rule writes it", f"Add {lacking[0]}: PATH")
        return record

    # ---- shapes

    def node(self, data: Any, at: At, target: str) -> rules.Node:
        """What writes `target`: a path, a rule, an object or a list."""
        if isinstance(data, list):
            self.checked(self.target and self.target.list(target), at)
            return rules.Many(tuple(self.node(each, (*at, number), f"{target}[]") for number, each in enumerate(data)))
        if not isinstance(data, dict):
            return self.value(data, at, target, "value")
        words = [word for word in data if word in rules.WORDS]
        if not words:
            return self.object(data, at, target)
        if "each" in words:
            return self.each(data, at, target)
        if "fields" in words:
            return self.shape(data, at, target)
        return self.value(data, at, target, "value")

    def object(self, data: dict[str, Any], at: At, target: str, when: rules.When | None = None) -> rules.Object:
        """An object, field by field."""
        self.checked(self.target and self.target.object(target), at)
        before = f"{target}." if target else ""
        return rules.Object(tuple((name, self.node(each, (*at, name), before + name)) for name, each in data.items()), when)

    def shape(self, data: dict[str, Any], at: At, target: str) -> rules.Object:
        """An object written with `fields:`, and perhaps `when:`."""
        self.known(data, at, ("fields", "when"))
        if not isinstance(data["fields"], dict):
            self.wrong((*at, "fields"), "fields is an object: what is written, and by which rule")
            return rules.Object(())
        when = self.when(data["when"], (*at, "when"), target) if "when" in data else None
        return self.object(data["fields"], (*at, "fields"), target, when)

    def each(self, data: dict[str, Any], at: At, target: str) -> rules.Each:
        """A rule that repeats over a list. Inside a YAML list its items join that list."""
        if not target.endswith("[]"):
            self.checked(self.target and self.target.list(target), at)
            target = f"{target}[]"
        repeat = self.repeat(data, at, target)
        rest = {name: value for name, value in data.items() if name != "each"}
        return replace(repeat, body=self.node(rest or {"from": "."}, at, target))

    def repeat(self, data: dict[str, Any], at: At, target: str) -> rules.Each:
        path = self.path(data["each"], (*at, "each"), repeats=True)
        return rules.Each(self.rule((*at, "each"), target, path.text, "each"), path, rules.Object(()))

    # ---- values

    def value(self, data: Any, at: At, target: str, part: rules.Part) -> rules.Value:
        """One value: a path, or a rule's words."""
        reference = isinstance(data, dict) and "ref" in data
        if part == "value":
            self.checked(self.target and self.target.value(target, reference=reference), at)
        if not isinstance(data, dict):
            path = self.path(data, at)
            return rules.Value(self.rule(at, target, path.text, part), path)
        self.known(data, at, rules.WORDS)
        rule = self.rule(at, target, self.described(data), part)
        source = self.source(data, at, target)
        for word, needs in (("with", "join"), ("source", "ref")):
            if word in data and needs not in data:
                self.wrong((*at, word), f"{word} belongs to {needs}")
        if "required" in data and not isinstance(data["required"], bool):
            self.wrong((*at, "required"), "required is true or false", value=data["required"])
        if isinstance(data.get("default"), dict | list):
            self.wrong((*at, "default"), "a default is one plain value", "Use first: for another path")
        steps = self.steps(data["do"], (*at, "do")) if "do" in data else ()
        return rules.Value(
            rule,
            source,
            steps,
            self.python(data["call"], (*at, "call")) if "call" in data else None,
            self.lookup(data["table"], (*at, "table"), strict="default" not in data) if "table" in data else None,
            data.get("default"),
            data.get("required") is True,
            str(data.get("source") or self.system) if reference else None,
            self.when(data["when"], (*at, "when"), target) if "when" in data else None,
        )

    def inner(self, data: Any, at: At, part: rules.Part) -> rules.Value:
        """A value that is not a field: a key, a sequence, a part of a join."""
        return self.value(data, at, part, part)

    def source(self, data: dict[str, Any], at: At, target: str) -> rules.Source:
        """Where a rule takes its value from: exactly one of the words says it."""
        said = [word for word in rules.SOURCES if word in data and word != "call"]
        if len(said) > 1:
            self.wrong((*at, said[1]), f"a rule has one source; this one says {' and '.join(said)}")
        if not said:
            if "call" not in data:
                self.wrong(at, "the rule does not say where its value comes from", "Add from: PATH, or const: VALUE")
            return rules.Nothing()
        word = said[0]
        if word == "const":
            return rules.Const(data["const"])
        if word in ("join", "first"):
            if not isinstance(data[word], list) or not data[word]:
                self.wrong((*at, word), f"{word} is a list of paths or rules")
                return rules.Nothing()
            parts = tuple(self.value(each, (*at, word, number), target, "part") for number, each in enumerate(data[word]))
            return rules.Join(parts, str(data.get("with") or "")) if word == "join" else rules.First(parts)
        if isinstance(data[word], dict):
            return rules.First((self.value(data[word], (*at, word), target, "part"),))
        return self.path(data[word], (*at, word))

    def steps(self, data: Any, at: At) -> tuple[functions.Call, ...]:
        """The chain of `do`. After a function that gives a list, those for one value work on each of it."""
        found: list[functions.Call] = []
        many = False
        for number, each in enumerate(data if isinstance(data, list) else [data]):
            spot = (*at, number) if isinstance(data, list) else at
            name, argument = next(iter(each.items())) if isinstance(each, dict) and len(each) == 1 else (each, None)
            if not isinstance(name, str):
                self.wrong(spot, "a function is its name, or {name: argument}", "Write do: [trim, {date: yyyyMMdd}]")
                continue
            if name == "lookup":
                call, takes, gives = self.lookup(argument, spot, strict=True), "one", "one"
            else:
                try:
                    call = functions.build(name, argument)
                    takes, gives = functions.REGISTRY[name].takes, functions.REGISTRY[name].gives
                except ValueError as error:
                    self.wrong(spot, str(error), getattr(error, "hint", ""))
                    continue
            if call is not None:
                found.append(_on_each(call) if many and takes == "one" else call)
                many = gives == "list" or (many and takes == "one")
        return tuple(found)

    def lookup(self, name: Any, at: At, *, strict: bool) -> functions.Call | None:
        """The code table of this name as a function."""
        try:
            if str(name) not in self.tables:
                self.tables[str(name)] = codetables.load(self.files, str(name), place=self.doc.place(*at))
        except errors.BadMapping as error:
            self.findings.found.append(error)
            return None
        self.uses.add(self.tables[str(name)].file)
        return self.tables[str(name)].lookup(outwards=self.outbound, strict=strict)

    def python(self, name: Any, at: At) -> Any:
        """The Python function `module:function` of the system's folder."""
        try:
            found = scripts.load(self.files, str(name), system=self.system, loaded=self.modules, place=self.doc.place(*at))
        except errors.BadMapping as error:
            self.findings.found.append(error)
            return None
        self.uses.add(f"{str(name).partition(':')[0]}.py")
        return found

    def when(self, text: Any, at: At, target: str) -> rules.When | None:
        """A condition."""
        if not isinstance(text, str):
            self.wrong(at, "a condition is a text in CEL", "Write when: 'row.TYPE == \"C\"'", value=text)
            return None
        try:
            condition = cel.compile(text, ("row",), place=self.doc.place(*at), error=errors.BadMapping)
        except errors.BadMapping as error:
            self.findings.found.append(error)
            return None
        part: rules.Part = "delete" if target == "delete" else "when"
        return rules.When(self.rule(at, target, text, part), condition)

    def path(self, text: Any, at: At, *, repeats: bool = False) -> paths.Path:
        """A path; what is no path is noted."""
        try:
            if not isinstance(text, str) and type(text) is not int:
                raise ValueError("a path is a text")
            found = paths.parse(str(text))
            if found.repeats and not repeats:
                raise ValueError(f"the path {text!r} has many values; repeat with each:, or name one with [0]")
            if found.up > 0 and not self.inside_each(at):
                raise ValueError("^ leaves an each: and there is none around this rule")
            return found
        except ValueError as error:
            self.wrong(at, str(error), "Paths look like CUST.NAME, items[0].code, media[type=mobile].value", value=text)
            return paths.Path(str(text), 0, ())

    def inside_each(self, at: At) -> bool:
        """Some level around this place repeats."""
        data: Any = self.doc.data
        for part in at[:-1]:
            data = data[part]
            if isinstance(data, dict) and "each" in data:
                return True
        return False

    # ---- findings

    def rule(self, at: At, target: str, source: str, part: rules.Part) -> rules.Rule:
        """Number a rule."""
        place = self.doc.place(*at)
        self.rules.append(rules.Rule(len(self.rules), place.line, place.path, target, source, part))
        return self.rules[-1]

    def known(self, data: dict[str, Any], at: At, words: tuple[str, ...], required: tuple[str, ...] = ()) -> None:
        """Every key is one of these words, and the required are there."""
        for key in data:
            if key not in words:
                self.wrong((*at, key), f"{key!r} is not known here", self.nearest(key, words))
        for key in required:
            if key not in data:
                self.wrong(at, f"{key!r} is missing", f"Add {key}:")

    def nearest(self, name: str, known: tuple[str, ...]) -> str:
        """A hint with the nearest valid name."""
        near = get_close_matches(name, known, 1, 0.5)
        return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}"

    def checked(self, wrong: tuple[str, str] | None, at: At) -> None:
        """Note what a target has against a rule."""
        if wrong:
            self.wrong(at, *wrong)

    def wrong(self, at: At, detail: str, hint: str = "", value: object = None) -> None:
        """Note a finding."""
        self.findings.add(detail, self.doc.place(*at), hint, value)

    @staticmethod
    def described(data: dict[str, Any]) -> str:
        """Where a rule's value comes from, in words."""
        for word in rules.SOURCES:
            if word in data:
                found = data[word]
                return str(found) if word in ("from", "ref") and isinstance(found, str) else f"{word} {found}"
        return ""


def _on_each(call: functions.Call) -> functions.Call:
    """A function for one value, on each of a list; what becomes missing leaves the list."""

    def run(values: Any) -> Any:
        found = [call(each) for each in values] if isinstance(values, list) else [call(values)]
        return [each for each in found if each is not None and each != ""]

    return run
