"""The fast check and the reference give the same verdict, on good data and on mutated data, with formats on in both."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import canonical, checks, errors

NAMES = (*canonical.entity_names(), "envelope")
TEXTS = ["", "x", "张伟", "𠮷", "active", "customer", "1\n", "2026-02-30", "2026-01-31", "2026-01-31\n", "0000-01-01", "２０２６-01-01"]
MOMENTS = ["2026-01-31T08:00:00+08:00", "2026-01-31T23:59:60Z", "2026-01-31 08:00:00Z", "2026-01-31T08:00:00", "2026-12-31T08:00:00.123Z"]
JUNK: list[Any] = [
    *TEXTS,
    *MOMENTS,
    "x" * 500,
    None,
    True,
    False,
    0,
    -1,
    1.0,
    1.5,
    10**15,
    10**16,
    2**63,
    1e300,
    [],
    {},
    [1],
    {"x": 1},
    ["a", "a"],
]


def values(root: dict[str, Any], spec: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Data that follows a schema, as far as its own keywords say."""
    if "$ref" in spec:
        return values(root, root["$defs"][spec["$ref"].removeprefix("#/$defs/")])
    if "enum" in spec:
        return st.sampled_from(spec["enum"])
    if "anyOf" in spec:
        return st.one_of([values(root, part) for part in spec["anyOf"]])
    kinds = spec["type"] if isinstance(spec["type"], list) else [spec["type"]]
    return st.one_of([typed(root, spec, kind) for kind in kinds])


def typed(root: dict[str, Any], spec: dict[str, Any], kind: str) -> st.SearchStrategy[Any]:
    """Data of one JSON type."""
    if kind == "object":
        needed = {name: values(root, spec["properties"][name]) for name in spec.get("required", ())}
        others = {name: values(root, part) for name, part in spec.get("properties", {}).items() if name not in needed}
        return st.fixed_dictionaries(needed, optional=others)
    if kind == "array":
        return st.lists(values(root, spec["items"]), max_size=3) if "items" in spec else st.lists(st.integers(), max_size=2)
    if kind == "string":
        return text(spec)
    numbers = {"integer": st.integers(spec.get("minimum", -99), spec.get("maximum", 99)), "number": st.sampled_from([0, 1, 50.5, 100])}
    return {**numbers, "boolean": st.booleans(), "null": st.none()}[kind]


def text(spec: dict[str, Any]) -> st.SearchStrategy[str]:
    """Text that follows length and format."""
    if spec.get("format") == "date":
        return st.dates(min_value=dt.date(1000, 1, 1)).map(str)
    if spec.get("format") == "date-time":
        days = st.dates(min_value=dt.date(1000, 1, 1))
        return st.tuples(days, st.times()).map(lambda moment: f"{moment[0]}T{moment[1]}+08:00")
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=spec.get("minLength", 0), max_size=min(spec.get("maxLength", 20), 20))


def mutate(value: Any, chance: random.Random) -> Any:
    """The same value with one thing in it replaced, removed or added."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(sorted(value))
        deed = chance.randrange(4)
        if deed == 0:
            return {key: part for key, part in value.items() if key != name}
        if deed == 1:
            return {**value, "noSuchField": chance.choice(JUNK)}
        return {**value, name: mutate(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        spot = chance.randrange(len(value))
        return [mutate(part, chance) if index == spot else part for index, part in enumerate(value)]
    return chance.choice(JUNK)


def reference_says(check: checks.Check, value: object) -> bool:
    """The slow verdict, without asking the fast one."""
    return bool(check._reference.is_valid(value))


@pytest.mark.parametrize("name", NAMES)
def test_both_accept_generated_data(name: str) -> None:
    """What is made to follow the schema is taken by both."""
    root, check = canonical.schema(name), canonical.validator(name)

    @settings(max_examples=60, deadline=None)
    @given(values(root, root))
    def holds(value: object) -> None:
        assert check.ok(value)
        assert reference_says(check, value)
        assert check.explain(value) == []

    holds()


@pytest.mark.parametrize("name", NAMES)
def test_both_give_the_same_verdict_on_mutated_data(name: str) -> None:
    """One wrong thing somewhere: both see it, or neither; what is refused is explained in one line."""
    root, check = canonical.schema(name), canonical.validator(name)
    verdicts = {True: 0, False: 0}

    @settings(max_examples=150, deadline=None)
    @given(values(root, root), st.randoms(use_true_random=False))
    def holds(value: object, chance: random.Random) -> None:
        broken = mutate(value, chance)
        verdict = check.ok(broken)
        assert verdict == reference_says(check, broken), broken
        verdicts[verdict] += 1
        assert verdict or all("\n" not in finding.line for finding in check.explain(broken))
        assert verdict or check.explain(broken)

    holds()
    assert verdicts[False] > 10


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.sampled_from(TEXTS + MOMENTS), st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]"), st.text(max_size=12)))
def test_both_read_dates_alike(value: str) -> None:
    """`format` is switched on in both, and means the same."""
    check = checks.Check({"type": "string", "format": "date"}, "date")
    assert check.ok(value) == reference_says(check, value)


DAY, CLOCK, ZONE = (
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]",
    r"[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,3})?",
    r"([Zz]|[+-][0-2][0-9]:[0-6][0-9])?",
)
SHAPED = st.from_regex(f"{DAY}[Tt ]{CLOCK}{ZONE}", fullmatch=True)
HOUR, MINUTE = st.integers(0, 23), st.integers(0, 59)
LEAPS = st.builds("2016-12-31T{:02d}:{:02d}:60{}{:02d}:{:02d}".format, HOUR, MINUTE, st.sampled_from("+-"), HOUR, MINUTE)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.sampled_from(TEXTS + MOMENTS), SHAPED, LEAPS))
def test_both_read_times_alike(value: str) -> None:
    """Leap seconds, offsets, missing zones: the same verdict."""
    check = checks.Check({"type": "string", "format": "date-time"}, "time")
    assert check.ok(value) == reference_says(check, value)


def test_an_unknown_format_is_no_check_in_either() -> None:
    """Formats other than date and date-time are words, not rules."""
    check = checks.Check({"type": "string", "format": "x-phone"}, "phone")
    assert check.ok("anything")
    assert reference_says(check, "anything")


@pytest.mark.parametrize("value", ["1\n", "1", "", "x1"])
def test_a_pattern_ends_at_the_very_end_in_both(value: str) -> None:
    """ECMA-262's `$`: a line break after the end does not slip through."""
    check = checks.Check({"type": "string", "pattern": "^[0-9]+$"}, "digits")
    assert check.ok(value) == reference_says(check, value) == (value == "1")


def test_what_json_cannot_hold_is_refused_and_explained() -> None:
    """A Python date is no JSON value; the finding says so."""
    check = checks.Check(True, "anything")
    today = dt.date(2026, 1, 1)
    assert not check.ok(today)
    assert "date" in check.explain(today)[0].got


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "nope"}, "type: expected one of"),
        ({"$ref": "https://example.cn/other.json"}, "leads nowhere"),
        ({"$ref": "#/$defs/nothing"}, "leads nowhere"),
        ({"properties": {"a": {"pattern": "["}}}, "regex"),
        ({"properties": {"a": {"minLength": -1}}}, "properties.a.minLength"),
    ],
)
def test_a_wrong_schema_stops_with_its_place(schema: dict[str, Any], words: str) -> None:
    """The metaschema judges; nothing is fetched from anywhere."""
    with pytest.raises(errors.Misconfigured) as caught:
        checks.Check(schema, "customer.schema.json")
    assert "customer.schema.json" in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_reference_is_the_published_one() -> None:
    """The slow side is jsonschema's own validator for 2020-12, with one keyword mended."""
    assert jsonschema.Draft202012Validator.VALIDATORS.keys() == canonical.validator("order")._reference.VALIDATORS.keys()
