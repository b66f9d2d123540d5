"""XML: hostile documents refused, records as plain values, XSD and XSLT, long documents as streams."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors
from tests.transformers.format_cases import bads, build, mapped, naughty, rows
from transformers import formats

LIST = {"kind": "xml", "records": "customers/customer"}

BILLION = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + at, b"&%c;" % (97 + at) * 10) for at in range(9))
    + b"]><customers><customer>&j;</customer></customers>"
)
HOSTILE = {
    "billion laughs": BILLION,
    "doctype": b"<!DOCTYPE customers><customers/>",
    "doctype after comments": b"<?xml version='1.0'?>\n<!-- x -->\n<?p x?> <!DOCTYPE customers SYSTEM 'http://127.0.0.1/x.dtd'><customers/>",
    "external entity": b'<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/passwd">]><customers><customer>&x;</customer></customers>',
    "parameter entity": b'<!DOCTYPE c [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><customers/>',
    "utf-16 doctype": "<!DOCTYPE customers><customers/>".encode("utf-16"),
    "huge depth": b"<customers>" + b"<customer>" * 100_000,
    "closed huge depth": b"<customers>" + b"<a>" * 1000 + b"</a>" * 1000 + b"</customers>",
}
BROKEN = {
    "undeclared entity": b"<customers><customer>&x;</customer></customers>",
    "cut off": b"<customers><customer>",
    "nothing": b"",
    "text": b"hello",
    "two roots": b"<customers/><customers/>",
    "control character": b"<customers>\x01</customers>",
    "NUL": b"<customers>\0</customers>",
    "NUL reference": b"<customers>&#0;</customers>",
    "lone surrogate": b"<customers>&#xD800;</customers>",
    "wrong bytes": b"<customers>\xff\xfe</customers>",
    "wrong GB18030 bytes": b"<?xml version='1.0' encoding='GB18030'?><customers>\xff</customers>",
    "unknown encoding": b"<?xml version='1.0' encoding='UTF-7'?><customers/>",
    "unbound prefix": b"<customers><x:customer/></customers>",
    "doubled attribute": b"<customers a='1' a='2'/>",
    "another root": b"<orders/>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_refused(name: str) -> None:
    """At once, by the door, as unsafe; and read, they are one bad record."""
    form = build(**LIST)
    started = time.monotonic()
    with pytest.raises(errors.Unsafe):
        form.inspect(HOSTILE[name])
    assert [row.number for row in bads(list(form.read(HOSTILE[name])))] == [0]
    with pytest.raises(errors.Reject):
        form.totals(io.BytesIO(HOSTILE[name]))
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("name", BROKEN)
def test_broken_documents_are_refused(name: str) -> None:
    """With a reason and a place."""
    form = build(**LIST)
    with pytest.raises(errors.Reject) as refused:
        form.inspect(BROKEN[name])
    assert refused.value.detail
    assert len(bads(list(form.read(BROKEN[name])))) == 1
    with pytest.raises(errors.Reject):
        form.totals(io.BytesIO(BROKEN[name]))


@pytest.mark.parametrize("name", [*HOSTILE, *BROKEN])
def test_large_bad_documents_are_refused_too(name: str) -> None:
    """The stream of a large document is as strict as the tree of a small one."""
    form = build(**LIST)
    body = {**HOSTILE, **BROKEN}[name] + b" " * 1_100_000
    with pytest.raises(errors.Reject):
        form.inspect(body)
    assert len(bads(list(form.read(body)))) == 1


@given(body=st.binary(max_size=80) | st.text("<>/&;!-[]?a =\"'", max_size=60).map(str.encode))
def test_no_bytes_break_the_door(body: bytes) -> None:
    """Only refusals leave it."""
    form = build(kind="xml")
    try:
        count = form.inspect(body)
    except errors.Reject:
        return
    assert len(list(form.read(body))) == count


def test_the_line_of_a_fault_is_named() -> None:
    """As line and column."""
    with pytest.raises(errors.Undecodable) as refused:
        build(**LIST).inspect(b"<customers>\n<customer>\n</customers>")
    assert refused.value.place.path.startswith("line 3 column ")


def test_elements_become_plain_values() -> None:
    """Local names, lists, attributes, text, mixed text, nil; comments and instructions are nothing."""
    body = b"""<?xml version="1.0"?>
    <c:customers xmlns:c="urn:crm" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:crm x.xsd">
      <c:customer no="7" c:kind="P"><!-- a comment -->
        <c:name>Zhang<![CDATA[ & Li]]></c:name><c:phone>1</c:phone><c:phone type="home">2</c:phone>
        <c:empty/><c:gone xsi:nil="true"/><c:space> x </c:space><?pi x?>
        <c:mixed>a<c:b>1</c:b>z</c:mixed>
      </c:customer>
    </c:customers>"""
    assert rows(build(**LIST), body) == [
        {
            "@no": "7",
            "@kind": "P",
            "name": "Zhang & Li",
            "phone": ["1", {"@type": "home", "#text": "2"}],
            "empty": "",
            "gone": None,
            "space": " x ",
            "mixed": {"b": "1", "#text": "az"},
        }
    ]


def test_lists_can_be_declared() -> None:
    """So that one is a list too."""
    assert rows(build(**LIST, lists=["phone"]), b"<customers><customer><phone>1</phone></customer></customers>") == [{"phone": ["1"]}]


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,4}", fullmatch=True)
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from("\t\n\r<>&\"' 张𠮷\ue78d"),
    max_size=8,
)
LEAF = TEXT.filter(lambda text: "\ue816" not in text)
TREE = st.dictionaries(
    NAMES, LEAF | st.lists(LEAF, min_size=2, max_size=3) | st.dictionaries(NAMES, LEAF, min_size=1, max_size=3), min_size=1, max_size=4
)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "gbk"])
@given(records=st.lists(TREE, max_size=4), size=st.integers(1, 3), data=st.data())
def test_what_is_written_is_read_and_cut(encoding: str, records: list[dict[str, Any]], size: int, data: st.DataObject) -> None:
    """In every encoding: what one lacks is written as a character reference."""
    records = [{key: item for key, item in record.items() if item is not None} for record in records]
    for path in ("customers/customer", "message/body/list/item"):
        form = build(kind="xml", records=path, encoding=encoding, namespace="urn:x" if encoding == "gbk" else "")
        body = form.write(mapped(*records))
        assert f'encoding="{encoding}"'.encode() in body
        assert rows(form, body) == records
        chunks = [rows(form, chunk) for chunk, *_ in form.split(io.BytesIO(body), size)]
        assert [row for chunk in chunks for row in chunk] == records
        assert all(0 < len(chunk) <= size for chunk in chunks)
        if records:
            number = data.draw(st.integers(0, len(records) - 1))
            assert rows(form, form.excerpt(body, number)) == [records[number]]


def test_the_root_can_be_the_record() -> None:
    """Then a document holds one, named by its kind."""
    form = build(kind="xml")
    body = form.write(mapped({"name": "张伟", "@no": 1}, kind="cust"))
    assert body == '<?xml version="1.0" encoding="utf-8"?>\n<cust no="1"><name>张伟</name></cust>'.encode()
    assert list(form.read(body)) == [formats.Row(0, "/cust", {"@no": "1", "name": "张伟"})]
    with pytest.raises(errors.Misconfigured):
        form.write(mapped({}, {}))


def test_records_of_several_names() -> None:
    """`*` takes them all and `#name` tells them apart."""
    form = build(kind="xml", records="batch/*")
    body = form.write([*mapped({"no": "1"}, kind="customer"), *mapped({"no": "9"}, kind="account")])
    assert rows(form, body) == [{"no": "1", "#name": "customer"}, {"no": "9", "#name": "account"}]
    assert [row.place for row in form.read(body) if isinstance(row, formats.Row)] == ["/batch/customer[1]", "/batch/account[2]"]
    assert [form.inspect(chunk) for chunk, *_ in form.split(io.BytesIO(body), 1)] == [1, 1]


def test_what_xml_cannot_hold_is_refused() -> None:
    """Control characters and what is no name; the path is named."""
    form = build(**LIST)
    for state in ({"name": "a\0"}, {"name": "\x01"}, {"two words": "x"}, {"name": "\ud800"}):
        with pytest.raises(errors.Unencodable) as refused:
            form.write(mapped(state))
        assert refused.value.place.path.startswith("/customer[1]")


def test_gb18030_documents_follow_the_new_standard() -> None:
    """Whatever the XML library knows of it; GB2312 and GBK are read as the superset that senders mean."""
    for name in ("GB18030", "gbk", "GB2312"):
        body = (
            f"<?xml version='1.0' encoding='{name}'?><customers><customer><n>张".encode("gb18030")
            + b"\xfe\x59\xa6\xd9</n></customer></customers>"
        )
        assert rows(build(**LIST), body) == [{"n": "张\u9fb4\ufe10"}]
        assert rows(build(**LIST), body.replace(b"<n>", b"<n>" + b" " * 1_000_000))[0]["n"].strip() == "张\u9fb4\ufe10"


XSD = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:include schemaLocation="types.xsd"/>
  <xs:element name="customer"><xs:complexType><xs:sequence>
    <xs:element name="name" type="xs:string"/><xs:element name="age" type="Age"/>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>"""
TYPES = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:simpleType name="Age"><xs:restriction base="xs:integer"><xs:maxInclusive value="150"/></xs:restriction></xs:simpleType>
</xs:schema>"""
WHOLE = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:element name="customers"><xs:complexType><xs:sequence>
    <xs:element name="customer" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="name" type="xs:string"/><xs:element name="age" type="xs:integer"/>
    </xs:sequence></xs:complexType></xs:element>
  </xs:sequence><xs:attribute name="day" type="xs:date"/></xs:complexType></xs:element>
</xs:schema>"""
PEOPLE = b"""<customers>
<customer><name>a</name><age>1</age></customer>
<customer><name>b</name><age>old</age></customer>
<customer><name>c</name><age>3</age></customer>
</customers>"""


@pytest.mark.parametrize("files", [{"a.xsd": XSD, "types.xsd": TYPES}, {"a.xsd": WHOLE}])
def test_a_schema_violation_names_path_and_line(files: dict[str, bytes]) -> None:
    """And concerns its record alone, whether the schema describes the record or the document."""
    form = build(files, **LIST, xsd="a.xsd")
    found = list(form.read(PEOPLE))
    assert form.inspect(PEOPLE) == 3
    assert [row.data["name"] for row in found if isinstance(row, formats.Row)] == ["a", "c"]
    (wrong,) = bads(found)
    assert (wrong.number, wrong.failure.stage, wrong.failure.code) == (1, "check", "SchemaViolation")
    assert wrong.failure.path.startswith("/customers/customer[2] ")
    assert wrong.failure.path.endswith("age line 3")
    assert "'old'" in wrong.failure.reason
    (again,) = list(form.read(wrong.failure.payload))
    assert isinstance(again, formats.Bad)


def test_a_violation_outside_the_records_is_of_the_whole() -> None:
    """One bad record for the body."""
    found = list(build({"a.xsd": WHOLE}, **LIST, xsd="a.xsd").read(PEOPLE.replace(b"<customers>", b"<customers day='x'>")))
    assert [row.number for row in bads(found)] == [0]
    assert len(found) == 1


XSLT = b"""<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="/"><row>
    <day><xsl:value-of select="/customers/head/day"/></day><name><xsl:value-of select="/customers/customer/n"/></name>
    <count><xsl:value-of select="count(/customers/customer)"/></count>
  </row></xsl:template>
</xsl:stylesheet>"""


def test_an_xslt_step_comes_before_the_mapping() -> None:
    """It sees the document with one record alone, so that what stands around the records can be moved into each."""
    form = build({"a.xslt": XSLT}, **LIST, xslt="a.xslt")
    body = b"<customers><head><day>1</day></head><customer><n>a</n></customer><customer><n>b</n></customer></customers>"
    expected = [{"day": "1", "name": "a", "count": "1"}, {"day": "1", "name": "b", "count": "1"}]
    assert rows(form, body) == expected
    assert rows(form, form.excerpt(body, 1)) == expected[1:]
    assert [row for chunk, *_ in form.split(io.BytesIO(body), 1) for row in rows(form, chunk)] == expected


def test_a_style_sheet_reads_no_other_document() -> None:
    """Neither files nor addresses."""
    sheet = XSLT.replace(b"/customers/head/day", b"document('file:///etc/passwd')")
    (wrong,) = list(build({"a.xslt": sheet}, **LIST, xslt="a.xslt").read(b"<customers><customer/></customers>"))
    assert isinstance(wrong, formats.Bad) or "root" not in str(wrong.data)


def test_mistakes_in_the_manifest_are_named() -> None:
    """A missing file with the nearest name, a schema that is none, an include that leads out of the folder."""
    for files, word in (
        ({"customer.xsd": XSD}, "customer.xsd"),
        ({"customers.xsd": b"<x/>"}, "cannot be used"),
        ({"customers.xsd": XSD}, "types.xsd"),
        ({"customers.xsd": b"<!DOCTYPE x><x/>"}, "DOCTYPE"),
    ):
        with pytest.raises(errors.BadManifest) as refused:
            build(files, **LIST, xsd="customers.xsd")
        assert refused.value.place.path == "xsd"
        assert word in f"{refused.value.detail} {refused.value.hint}"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is looked up in /proc, which is not here")
def test_long_documents_are_read_in_flat_memory() -> None:
    """Counted, added up and cut while they come in."""
    form = build(kind="xml", records="m/list/c")

    record = b"<c><n>1</n><pad>" + b"x" * 900 + b"</pad></c>\n"

    class Long(io.BytesIO):
        parts = iter([b"<m><head/><list kind='x'>", *[record] * 60_000, b"</list></m>"])

        def read(self, size: int | None = -1) -> bytes:
            return next(self.parts, b"")

    counts, sizes = [], []
    for chunk, *_ in form.split(Long(), 1000):
        counts.append(form.inspect(chunk))
        sizes.append(int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096)
    assert counts == [1000] * 60
    assert sizes[-1] - sizes[5] < 20_000_000


def test_many_bad_records_take_time_in_proportion() -> None:
    """Each is told apart without looking at the whole document again."""
    form = build({"a.xsd": XSD, "types.xsd": TYPES}, **LIST, xsd="a.xsd")
    body = b"<customers>" + b"<customer><n/></customer>" * 20_000 + b"</customers>"
    started = time.monotonic()
    assert len(bads(list(form.read(body)))) == 20_000
    assert len(bads(list(form.read(body + b" " * 1_000_000)))) == 20_000
    assert time.monotonic() - started < 20


def test_naughty_strings_survive_or_are_refused() -> None:
    """What XML can hold comes back as it was; the rest is refused by name."""
    form = build(**LIST)
    for text in naughty():
        try:
            body = form.write(mapped({"name": text, "x": "1"}))
        except errors.Unencodable as refused:
            assert refused.place.path == "/customer[1]/name"  # noqa: PT017
            continue
        assert rows(form, body) == [{"name": text, "x": "1"}]
