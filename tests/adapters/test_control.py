"""Control totals are read and written in the forms that senders use."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import pytest

from adapters import control
from schemas import errors


@pytest.mark.parametrize(
    ("rules", "body"),
    [
        (control.Control(kind="ctl", fields=("name", "rows", "sum"), column="A"), b"a.txt|3|1,234.50\r\n"),
        (control.Control(kind="ctl", fields=("rows", "-", "name"), delimiter=","), b"\xef\xbb\xbf3,whatever,a.txt\n\n"),
        (control.Control(kind="ctl", pairs=True), b"rows = 3\nname=A.TXT\ndate=20260101\n"),
    ],
)
def test_right_totals_agree(rules: control.Control, body: bytes) -> None:
    """Delimited, with gaps, or as pairs; thousands separators and letter case do not matter; what nobody knows is left alone."""
    control.compare(control.parse(rules, body), {"name": "a.txt", "rows": 3, "sum": Decimal("1234.5"), "bytes": 9})


@pytest.mark.parametrize("body", [b"", b"a|1\nb|2\n", b"a.txt|\n", b"a.txt|many\n", b"\xff\xfe|3\n", b"a.txt|4\n"])
def test_wrong_or_unreadable_totals_differ(body: bytes) -> None:
    """None of them passes for agreement."""
    rules = control.Control(kind="ctl", fields=("name", "rows"))
    with pytest.raises(errors.TotalsDiffer):
        control.compare(control.parse(rules, body), {"name": "a.txt", "rows": 3})


@pytest.mark.parametrize("pairs", [True, False])
def test_what_is_written_can_be_read(pairs: bool) -> None:
    """Our own control files agree with our own check."""
    rules = control.Control(kind="ctl", fields=("name", "rows", "bytes", "sum", "md5", "sha256"), column="A", pairs=pairs)
    body = b"1|2\n3|4\n"
    said = control.parse(rules, control.write(rules, "a.txt", body, control.Counted(2, Decimal(6))))
    control.compare(said, {"name": "a.txt", "rows": 2, "bytes": 8, "sum": Decimal("6.00"), "md5": said["md5"]})
    assert (said["md5"], said["sha256"]) == (hashlib.md5(body).hexdigest(), hashlib.sha256(body).hexdigest())


def test_its_name_is_beside_the_data() -> None:
    """Appended, or in place of the data's suffix."""
    assert control.Control(kind="ctl").beside("a.b.txt") == "a.b.txt.ctl"
    assert control.Control(kind="ctl", replace=True, suffix=".OK").beside("a.b.txt") == "a.b.OK"
