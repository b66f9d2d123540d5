"""Lineage: every value says which rule made it, and coverage says which rules were used."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors
from transformers import lineage, mapping

TEXT = """\
mapping: crm
direction: inbound
records:
  - entity: customer
    when: 'row.T != "x"'
    key: ID
    delete: 'row.OP == "D"'
    fields:
      customerNo: ID
      name: {from: N, do: [name], required: true}
      kind: {from: K, default: individual}
      birthDate: {from: B, do: [{date: yyyyMMdd}]}
      identification:
        - {type: {const: passport}, number: P}
        - {type: {const: nationalId}, number: {from: C, do: [trim]}}
      relatedParty: {each: ms, fields: {role: {const: contact}, name: n, phone: {first: [m, ^.M]}}}
  - entity: account
    each: as
    key: no
    fields:
      accountNo: no
      customer: {ref: ^.ID}
"""
CRM = mapping.parse({"m.yaml": TEXT.encode()}, "m.yaml", system="crm")
FULL: dict[str, Any] = {
    "ID": "1",
    "N": " 张三 ",
    "B": "19900101",
    "C": " 9 ",
    "ms": [{"n": "a"}, {"n": "b", "m": "2"}],
    "as": [{"no": "7"}, {"no": "8"}],
    "M": "1",
}


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every value of a state by its path; a reference is one value."""
    if isinstance(value, dict) and set(value) != {"source", "key"}:
        return {found: leaf for name, each in value.items() for found, leaf in leaves(each, f"{path}.{name}" if path else name).items()}
    if isinstance(value, list):
        return {found: leaf for number, each in enumerate(value) for found, leaf in leaves(each, f"{path}[{number}]").items()}
    return {path: value}


def test_a_value_says_rule_line_source_before_and_after() -> None:
    """Also inside lists, by place: an item that vanished leaves its place to the next."""
    customer, *accounts = CRM.explain(FULL)
    assert lineage.origin(customer, "name") == lineage.Step(4, 10, "name", "N", " 张三 ", "张三")
    number = lineage.origin(customer, "identification[0].number")
    assert number is not None
    assert (number.line, number.source, number.before, number.after) == (15, "C", " 9 ", "9")
    second = lineage.origin(customer, "relatedParty[1].name")
    assert second is not None
    assert (second.source, CRM.rules[second.rule].target) == ("ms[1].n", "relatedParty[].name")
    phone = lineage.origin(customer, "relatedParty[0].phone")
    assert phone is not None
    assert phone.after == "1"
    reference = lineage.origin(accounts[1], "customer")
    assert reference is not None
    assert (reference.source, reference.after) == ("ID", {"source": "crm", "key": "1"})


ROWS = st.fixed_dictionaries(
    {"ID": st.sampled_from(["1", ""]), "N": st.sampled_from(["n", " ", None])},
    optional={
        "T": st.sampled_from(["x", "y"]),
        "OP": st.sampled_from(["D", ""]),
        "K": st.sampled_from(["organization", ""]),
        "B": st.sampled_from(["19900101", "x"]),
        "C": st.text(max_size=2),
        "P": st.text(max_size=2),
        "ms": st.lists(st.dictionaries(st.sampled_from("nm"), st.sampled_from(["a", "", None]))),
        "as": st.lists(st.dictionaries(st.just("no"), st.sampled_from(["1", ""]))),
    },
)


@given(ROWS)
def test_explain_and_run_agree(row: dict[str, Any]) -> None:
    """The same records or the same failure; and every value of a record has the step that wrote it."""
    explained = CRM.explain(row)
    failures = [each.error for each in explained if each.error]
    if failures:
        with pytest.raises(errors.MappingFailure) as caught:
            CRM.run(row)
        assert str(caught.value) == str(failures[0])
        return
    records = CRM.run(row)
    assert [each.mapped for each in explained if each.mapped] == records
    for each in explained:
        for path, leaf in leaves(each.mapped.state if each.mapped else {}).items():
            step = lineage.origin(each, path)
            assert step is not None
            assert step.after == leaf


def test_a_failure_stands_in_the_answer_with_the_steps_before_it() -> None:
    """The other records of the row are explained all the same."""
    broken, *accounts = CRM.explain({**FULL, "B": "x"})
    assert broken.mapped is None
    assert broken.error is not None
    assert broken.error.place == errors.Place("m.yaml", 12, "birthDate")
    assert broken.steps[-1].target == "kind"
    assert [each.mapped.key for each in accounts if each.mapped] == ["7", "8"]


def test_a_condition_that_says_no_is_a_step_too() -> None:
    """So that one sees why there is no record."""
    skipped = CRM.explain({**FULL, "T": "x", "as": []})[0]
    assert (skipped.mapped, skipped.error) == (None, None)
    assert [(step.source, step.after) for step in skipped.steps] == [('row.T != "x"', False)]


def test_coverage_counts_runs_and_hits() -> None:
    """Over samples: a rule that never gave a value is not proved by them."""
    used = {
        (each.rule.line, each.rule.target): (each.runs, each.hits)
        for each in lineage.coverage(CRM, [FULL, {**FULL, "B": ""}, {**FULL, "OP": "D"}])
    }
    assert used[5, ""] == (3, 3)
    assert used[7, ""] == (3, 1)
    assert used[12, "birthDate"] == (2, 1)
    assert used[14, "identification[].number"] == (2, 0)
    assert used[14, "identification[].type"] == (2, 0)
    assert used[21, "accountNo"] == (6, 6)
    assert len(used) <= len(CRM.rules)
