"""The mapping language: values and conditions, from YAML into rules."""

from __future__ import annotations

from typing import Any

from schemas import errors
from transformers import cel, codetables, functions, paths, rules, scripts, targets
from transformers.draft import At, Draft

_BELONGS = {"with": "join", "source": "ref"}


def value(draft: Draft, data: Any, at: At, target: str, part: rules.Part) -> rules.Value:
    """One value: a path, or a rule's words."""
    reference = isinstance(data, dict) and "ref" in data
    if part == "value":
        draft.checked(draft.target.value(target, reference=reference) if draft.target else None, at)
    if not isinstance(data, dict):
        read = path(draft, data, at)
        return rules.Value(draft.rule(at, target, read.text, part), read)
    draft.known(data, at, rules.WORDS)
    _consistent(draft, data, at)
    found = rules.Value(
        draft.rule(at, target, _described(data), part),
        _source(draft, data, at, target),
        _chain(draft, data["do"], (*at, "do")) if "do" in data else (),
        _python(draft, data["call"], (*at, "call")) if "call" in data else None,
        _lookup(draft, data["table"], (*at, "table"), strict="default" not in data) if "table" in data else None,
        data.get("default"),
        data.get("required") is True,
        str(data.get("source") or draft.system) if reference else None,
        condition(draft, data["when"], (*at, "when"), target) if "when" in data else None,
    )
    if draft.target and part == "value":
        _held(draft, draft.target, data, at, target)
    return found


def _held(draft: Draft, into: targets.Target, data: dict[str, Any], at: At, target: str) -> None:
    """What stands in the mapping itself, and in its tables, must be a value that the field may have."""
    worked = any(word in data for word in ("do", "call", "table"))
    for word in ("default",) if worked else ("default", "const"):
        if word in data:
            draft.checked(into.holds(target, data[word]), (*at, word))
    table = draft.tables.get(str(data.get("table")))
    for code, line in table.lines.items() if table else ():
        objection = into.holds(target, code)
        if objection and table:
            draft.found.append(errors.BadMapping(objection[0], place=errors.Place(table.file, line), hint=objection[1]))


def condition(draft: Draft, text: Any, at: At, target: str, *, part: rules.Part = "when") -> rules.When | None:
    """A condition over `row`."""
    if not isinstance(text, str):
        draft.wrong(at, "a condition is a text in CEL", "Write when: 'row.TYPE == \"C\"'", value=text)
        return None
    try:
        compiled = cel.compile(text, ("row",), place=draft.doc.place(*at), error=errors.BadMapping)
    except errors.BadMapping as error:
        draft.found.append(error)
        return None
    return rules.When(draft.rule(at, target, text, part), compiled)


def path(draft: Draft, text: Any, at: At, *, repeats: bool = False) -> paths.Path:
    """A path; what is none is noted."""
    try:
        if not isinstance(text, str) and type(text) is not int:
            raise ValueError("a path is a text")
        found = paths.parse(str(text))
        if found.repeats and not repeats:
            raise ValueError("this path has many values; repeat with each:, or name one with [0]")
        if found.up and not draft.repeated(at):
            raise ValueError("^ leaves an each:, and there is none around this rule")
    except ValueError as error:
        draft.wrong(at, str(error), "Paths look like CUST.NAME, items[0].code, media[type=mobile].value", value=text)
        return paths.Path(str(text), 0, ())
    return found


def _consistent(draft: Draft, data: dict[str, Any], at: At) -> None:
    """The words of a rule go together."""
    said = [word for word in rules.SOURCES if word in data and word != "call"]
    if len(said) > 1:
        draft.wrong((*at, said[1]), f"a rule has one source; this one says {' and '.join(said)}")
    if not said and "call" not in data:
        draft.wrong(at, "the rule does not say where its value comes from", "Add from: PATH, or const: VALUE")
    for word, needs in _BELONGS.items():
        if word in data and needs not in data:
            draft.wrong((*at, word), f"{word} belongs to {needs}", f"Add {needs}:")
    if "required" in data and not isinstance(data["required"], bool):
        draft.wrong((*at, "required"), "required is true or false", value=data["required"])
    if isinstance(data.get("default"), dict | list):
        draft.wrong((*at, "default"), "a default is one plain value", "Use first: for another path")


def _source(draft: Draft, data: dict[str, Any], at: At, target: str) -> rules.Source:
    """Where a rule takes its value from."""
    word = next((word for word in rules.SOURCES if word in data), "call")
    said = data.get(word)
    if word == "call":
        return rules.Nothing()
    if word == "const":
        return rules.Const(said)
    if word in ("join", "first"):
        if not isinstance(said, list) or not said:
            draft.wrong((*at, word), f"{word} is a list of paths or rules")
            return rules.Nothing()
        parts = tuple(value(draft, each, (*at, word, number), target, "part") for number, each in enumerate(said))
        return rules.Join(parts, str(data.get("with") or "")) if word == "join" else rules.First(parts)
    if isinstance(said, dict):
        return rules.First((value(draft, said, (*at, word), target, "part"),))
    return path(draft, said, (*at, word))


def _chain(draft: Draft, data: Any, at: At) -> tuple[functions.Call, ...]:
    """The functions of `do`. After one that gives a list, those for one value work on each of it."""
    found: list[functions.Call] = []
    many = False
    for number, each in enumerate(data if isinstance(data, list) else [data]):
        spot = (*at, number) if isinstance(data, list) else at
        name, argument = next(iter(each.items())) if isinstance(each, dict) and len(each) == 1 else (each, None)
        call = _function(draft, name, argument, spot)
        if call is None:
            continue
        function = functions.REGISTRY.get(name)
        single = function is None or function.takes == "one"
        found.append(_on_each(call) if many and single else call)
        many = (function is not None and function.gives == "list") or (many and single)
    return tuple(found)


def _function(draft: Draft, name: Any, argument: Any, at: At) -> functions.Call | None:
    """One function of a chain, its argument checked; `lookup` is the code tables'."""
    if not isinstance(name, str):
        draft.wrong(at, "a function is its name, or {name: argument}", "Write do: [trim, {date: yyyyMMdd}]")
        return None
    if name == "lookup":
        return _lookup(draft, argument, at, strict=True)
    try:
        return functions.build(name, argument)
    except functions.Unfit as error:
        draft.wrong(at, str(error), error.hint)
        return None


def _lookup(draft: Draft, name: Any, at: At, *, strict: bool) -> functions.Call | None:
    """The code table of this name as a function."""
    try:
        if str(name) not in draft.tables:
            draft.tables[str(name)] = codetables.load(draft.files, str(name), place=draft.doc.place(*at))
    except errors.BadMapping as error:
        draft.found += [each for each in error.all if isinstance(each, errors.BadMapping)]
        return None
    draft.uses.add(draft.tables[str(name)].file)
    return draft.tables[str(name)].lookup(outwards=draft.outbound, strict=strict)


def _python(draft: Draft, name: Any, at: At) -> scripts.Script | None:
    """The Python function `module:function` of the system's folder."""
    try:
        found = scripts.load(draft.files, str(name), system=draft.system, loaded=draft.modules, place=draft.doc.place(*at))
    except errors.BadMapping as error:
        draft.found.append(error)
        return None
    draft.uses.add(scripts.file_of(str(name)))
    return found


def _on_each(call: functions.Call) -> functions.Call:
    """A function for one value, on each of a list; what becomes missing leaves the list."""

    def run(values: Any) -> list[Any]:
        found = [call(each) for each in (values if isinstance(values, list) else [values])]
        return [each for each in found if each is not None and each != ""]

    return run


def _described(data: dict[str, Any]) -> str:
    """Where a rule's value comes from, in words."""
    word = next((word for word in rules.SOURCES if word in data), "")
    said = data.get(word)
    return said if word in ("from", "ref") and isinstance(said, str) else f"{word} {said}".strip()
