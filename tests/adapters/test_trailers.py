"""Files with head, details and trailer in the formats of the house: what the trailer says is checked before a row is taken."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

import pytest

from adapters import files, protocols
from tests.adapters.doors import MemoryDoor
from tests.conformance import kits
from transformers import formats

FORMAT = {
    "kind": "delimited",
    "encoding": "gb18030",
    "delimiter": "|",
    "columns": ["kind", "id", "fee", "name"],
    "types": {"column": 0, "H": "head", "D": "detail", "T": "trailer"},
}
CONTROL = {"kind": "trailer", "fields": ["-", "rows", "sum"], "column": "fee"}


@pytest.mark.parametrize(("trailer", "loaded"), [("T|3|60", True), ("T|2|60", False), ("T|3|61", False)])
def test_a_trailer_is_compared_with_the_rows(tmp_path: Path, trailer: str, loaded: bool) -> None:
    """Rows and sum; head and trailer are no rows of their own."""
    folder = tmp_path / "in"
    folder.mkdir()
    text = f"H|20260101\nD|1|10|张三\nD|2|20|李四\nD|3|30|王五\n{trailer}\n"
    (folder / "a.txt").write_bytes(text.encode("gb18030"))
    os.utime(folder / "a.txt", (1, 1))
    system = kits.system("folder", {"path": str(folder), "settle": "1s"}, None, chunk=2, control=CONTROL)
    source = protocols.source(system, "in", formats.build(FORMAT, {}), tmp_path / "spool")
    assert isinstance(source, files.FileSource)
    door = MemoryDoor()
    ticks = itertools.count()
    source._clock = lambda: float(next(ticks))
    for _ in range(3):
        source._poll(door, threading.Event())
    rows = [body.decode("gb18030").splitlines() for body in door.bodies]
    assert rows == ([["D|1|10|张三", "D|2|20|李四"], ["D|3|30|王五"]] if loaded else [])
    assert bool(door.claims.alarms) is not loaded
