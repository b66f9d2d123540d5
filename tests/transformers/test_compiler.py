"""The compiler: safe source that tracebacks can show, and quick."""

import linecache
import time
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors
from transformers import mapping

INBOUND = """\
mapping: speed
direction: inbound
records:
  - entity: customer
    when: 'row.TYPE == "C"'
    key: CUST_ID
    sequence: {from: UPD, do: [{datetime: yyyyMMddHHmmss}, micros]}
    fields:
      customerNo: CUST_ID
      name: {from: NAME, do: [name], required: true}
      kind: {from: KIND, table: kind, default: individual}
      birthDate: {from: BIRTH, do: [{date: yyyyMMdd}]}
      level: LEVEL
      segment: SEG
      status: {from: STATUS, table: status}
      branch: BRANCH
      identification: [{type: {const: nationalId}, number: {from: CERT, do: [id_number]}}]
      contactMedium: [{type: {const: mobile}, value: {from: MOBILE, do: [msisdn]}}]
      address: {province: PROV, city: CITY, street: ADDR}
"""
FILES = {"m.yaml": INBOUND.encode(), "tables/kind.csv": b"theirs,ours\n1,individual\n", "tables/status.csv": b"theirs,ours\nA,active\n"}
ROW = {
    "TYPE": "C",
    "CUST_ID": "C001",
    "UPD": "20261101080000",
    "NAME": " 张三 ",
    "KIND": "1",
    "BIRTH": "19491231",
    "LEVEL": "gold",
    "SEG": "x",
    "STATUS": "A",
    "BRANCH": "571",
    "CERT": "11010519491231002X",
    "MOBILE": "13812345678",
    "PROV": "浙江",
    "CITY": "杭州",
    "ADDR": "文一路1号",
}


def test_a_record_of_fifteen_fields_takes_microseconds() -> None:
    """About ten on the machine it was made on; the bound here is loose, for shared cores."""
    found = mapping.parse(FILES, "m.yaml", system="crm")
    best = 1.0
    for _ in range(10):
        start = time.perf_counter()
        for _ in range(500):
            found.run(ROW)
        best = min(best, (time.perf_counter() - start) / 500)
    print(f"{best * 1e6:.1f} us a record")
    assert best < 100e-6


def test_the_generated_source_is_kept_and_shown_in_tracebacks() -> None:
    """One can read what ran."""
    found = mapping.parse(FILES, "m.yaml", system="crm")
    assert "def record_0(row, out):" in found.source
    with pytest.raises(errors.MappingFailure) as caught:
        found.run({**ROW, "BIRTH": "x"})
    shown = "".join(traceback.format_exception(caught.value))
    assert "<mapping crm/m.yaml" in shown
    assert "row.get('BIRTH')" in found.source
    name = next(name for name in linecache.cache if name.startswith("<mapping crm/m.yaml"))
    assert linecache.getline(name, 1) == found.source.splitlines(keepends=True)[0]


TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\x85\u2028\u2029\ufeff"), min_size=1, max_size=12)


@given(name=TEXTS, value=TEXTS, field=TEXTS)
def test_no_text_of_a_file_becomes_code(name: str, value: str, field: str) -> None:
    """Names, constants and paths enter the source as constants, whatever they hold."""

    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    target = f"x{name}"  # a name of its own, not a word of the language
    lines = [
        f"      {quoted(target)}: {{const: {quoted(value)}}}",
        f"      y: {{join: [{{const: {quoted(field)}}}], with: {quoted(value)}}}",
    ]
    text = "mapping: m\ndirection: outbound\nrecords:\n  - record: " + quoted(value) + "\n    fields:\n" + "\n".join(lines) + "\n"
    found = mapping.parse({"m.yaml": text.encode()}, "m.yaml", system="s")
    change: dict[str, Any] = {"key": "k", "version": 1}
    [record] = found.run(change)
    assert record.kind == value
    assert record.state == {target: value, "y": field}
    assert [each.mapped for each in found.explain(change)] == [record]


@pytest.mark.parametrize("name", ["'", '"', "\\", "a'] + exit() + row['b", "{x}", "%s", "客户 编号", "a b"])
def test_a_path_may_hold_any_name(name: str) -> None:
    """Columns are named by other people."""
    found = mapping.parse({"m.yaml": mapping_with(name).encode()}, "m.yaml", system="s")
    assert found.run({"key": "k", "version": 1, name: 5})[0].state == {"x": 5}


def mapping_with(name: str) -> str:
    """An outbound mapping that reads one field."""
    quoted = '["' + name + '"]' if '"' not in name else name
    return "mapping: m\ndirection: outbound\nrecords:\n  - record: r\n    fields:\n      x: '" + quoted.replace("'", "''") + "'\n"
