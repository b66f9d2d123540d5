"""The canonical schemas are JSON Schema 2020-12, and every field says what it is, in two languages, whence, and how personal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import canonical, errors

NAMES = (*canonical.entity_names(), "envelope")
PERSONAL = {"none", "name", "idNumber", "phone", "email", "address", "bankAccount", "birthDate"}
TMF = Path(__file__).parents[3] / "shared/data/tmf"
CHINESE = re.compile("[\u4e00-\u9fff]")


def every_field(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each property of a schema at any depth, those of $defs included."""
    if isinstance(node, dict):
        for name, spec in (node.get("properties") or {}).items() if isinstance(node.get("properties"), dict) else ():
            yield f"{path}.{name}", spec
        for key, child in node.items():
            yield from every_field(child, f"{path}.{key}" if key != "properties" else path)
    if isinstance(node, list):
        for child in node:
            yield from every_field(child, path)


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_follows_the_metaschema_and_refuses_unknown_fields(name: str) -> None:
    """Building the check holds the schema to the metaschema; a field of no name is named in the finding."""
    check = canonical.validator(name)
    assert canonical.schema(name)["additionalProperties"] is False
    assert "noSuchField" in {finding.path for finding in check.explain({"noSuchField": 1})}


@pytest.mark.parametrize("name", NAMES)
def test_every_field_has_two_languages_a_source_and_a_class(name: str) -> None:
    """Title and description in English and Chinese, x-source, x-personal: none may be missing or empty."""
    found = list(every_field(canonical.schema(name)))
    assert found
    for path, spec in found:
        zh = spec["x-zh"]
        assert spec["title"].isascii(), path
        assert spec["description"].strip(), path
        assert CHINESE.search(zh["title"]), path
        assert CHINESE.search(zh["description"]), path
        assert re.fullmatch(r"TMF\d{3} \w+\.\w+", spec["x-source"]), path
        assert spec["x-personal"] in PERSONAL, path


@pytest.mark.parametrize("name", NAMES)
def test_every_source_stands_in_the_tm_forum_files(name: str) -> None:
    """`TMF629 Customer.name` is a property of a definition in that API's published file."""
    if not TMF.is_dir():
        pytest.skip("the TM Forum files (../shared/data/tmf) are not here")
    for path, spec in every_field(canonical.schema(name)):
        api, definition, prop = re.split(r"[ .]", spec["x-source"])
        swagger = json.loads(next(TMF.glob(f"{api}-*.json")).read_text(encoding="utf-8"))
        assert prop in swagger["definitions"][definition]["properties"], path


def test_personal_fields_are_classed() -> None:
    """What the console must mask is known by class."""
    classes = {f"{name}.{field.path}": field.personal for name in canonical.entity_names() for field in canonical.fields(name)}
    assert classes["customer.name"] == "name"
    assert classes["customer.birthDate"] == "birthDate"
    assert classes["customer.identification[].number"] == "idNumber"
    assert classes["customer.contactMedium[].value"] == "phone"
    assert classes["customer.address.street"] == "address"
    assert classes["subscription.serviceNumber"] == "phone"
    assert classes["customer.customerNo"] == "none"


def test_paths_reach_into_lists_and_references() -> None:
    """Mapping targets and outbound paths are checked against these."""
    paths = canonical.property_paths("subscription")
    assert {"account[].account.key", "account[].share", "customer.id", "validFor.start", "characteristic[].name"} <= paths
    assert {"identification[].number", "address.city"} <= canonical.property_paths("customer")
    assert "bundled[]" in canonical.property_paths("product")


def test_references_say_whom_they_point_to() -> None:
    """The resolver finds every reference by path and target."""
    assert canonical.refs("customer") == ()
    assert canonical.refs("account") == (("customer", "customer"),)
    assert ("account[].account", "account") in canonical.refs("subscription")
    assert canonical.refs("product") == (("bundled[]", "product"),)
    assert ("items[].subscription", "subscription") in canonical.refs("order")


def test_required_fields_are_few() -> None:
    """Accept leniently: only what gives a record its identity is required of everybody."""
    needed = {name: {f.path for f in canonical.fields(name) if f.required and "." not in f.path} for name in canonical.entity_names()}
    assert needed == {
        "customer": {"customerNo", "name", "kind"},
        "account": {"accountNo", "customer"},
        "subscription": {"serviceNumber", "productOffering", "customer"},
        "product": {"code", "name"},
        "order": {"orderNo", "customer"},
    }


def test_an_unknown_entity_is_no_schema() -> None:
    """Names are looked up, never turned into file names."""
    with pytest.raises(KeyError):
        canonical.schema("../errors")


def test_findings_are_one_readable_line_with_path_expected_and_got() -> None:
    """What a person needs to mend the record, without the value where it is personal."""
    record = {
        "customerNo": "1",
        "nam": "张伟",
        "kind": "robot",
        "identification": [{"type": "nationalId", "number": "1" * 99}],
        "birthDate": "1990-02-30",
    }
    assert [finding.line for finding in canonical.validator("customer").explain(record)] == [
        "birthDate: expected a date YYYY-MM-DD, got 10 characters (personal, not shown)",
        "identification[0].number: expected at most 64 characters, got 99 characters (personal, not shown)",
        "kind: expected one of individual, organization, got 'robot'",
        "nam: expected no such field (nearest: name), got a value",
        "name: expected a value (required), got nothing",
    ]


def test_raise_for_names_the_first_path_and_counts_the_rest() -> None:
    """The error of the caller's choice carries place and line."""
    with pytest.raises(errors.NotCanonical, match=r"customerNo: expected a value \(required\), got nothing \(and 2 more\)") as caught:
        canonical.validator("customer").raise_for({}, errors.NotCanonical)
    assert caught.value.place == errors.Place("customer", path="customerNo")
    canonical.validator("customer").raise_for({"customerNo": "1", "name": "张伟", "kind": "individual"}, errors.NotCanonical)
