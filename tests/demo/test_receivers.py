"""The receivers check what they get: signatures, order, control files; and keep totals over the newest of each key."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from pathlib import Path
from typing import Any

import kombu
import orjson
import pytest

from adapters import catalogue, http
from demo import billing, books, drops, feeds, journal, queues, webhook
from demo.evidence import Received
from schemas.envelope import Mapped
from transformers import formats, mapping

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
NOW = 1_793_491_200


def change(key: str, version: int, event: str = "update", **state: Any) -> dict[str, Any]:
    state = {"customerNo": "C00000001", "name": "张伟", "kind": "individual", "status": "active"} | state
    return {
        "event": event, "op": "update", "id": f"{key}.{version}", "key": key, "version": version, "entity": "customer", "seq": version,
        "at": "2026-11-01T08:00:00+08:00", "source": "crm", "state": state, "changed": {},
    }  # fmt: skip


def sent(sink: str, *changes: dict[str, Any]) -> bytes:
    """What the hub's own mapping and format make of these changes for a subscriber."""
    name, _, end = sink.partition("/")
    system = catalogue.load([catalogue.PACKAGED]).system(name)
    told = system.manifest.sinks[end]
    rules = mapping.parse(system.files, told.mapping, system=name)
    records: list[Mapped] = [one for each in changes for one in rules.run(each)]
    return formats.build(told.format, system.files).write(records)


def headers(body: bytes, secret: str = SECRET, when: int = NOW) -> dict[str, str]:
    """Signed by the hub's own hand."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return {"webhook-id": "m1", "webhook-timestamp": str(when), "webhook-signature": http.sign(key, "m1", str(when), body)}


CHARGE = [{"name": "monthlyCharge", "value": 2985}]


def test_care_takes_what_is_signed_and_nothing_else() -> None:
    """A wrong secret, an old signature and an altered body are 401 and stand in no book."""
    kept = books.Books("care")
    care = webhook.Webhook(kept, SECRET)
    body = sent("care/webhook", change("A", 1, "enter", characteristic=CHARGE), change("B", 1, "enter", customerNo="C00000002"))
    other = "whsec_" + base64.b64encode(b"another secret").decode()
    assert care.judge(headers(body, other), body, NOW)[0] == 401
    assert care.judge(headers(body, when=NOW - 900), body, NOW)[0] == 401
    assert care.judge(headers(body), body + b" ", NOW)[0] == 401
    assert care.judge({}, body, NOW)[0] == 401
    assert kept.log == []
    assert care.judge(headers(body), body, NOW)[0] == 204
    assert kept.log == [Received("care", "A", 1, "A.1"), Received("care", "B", 1, "B.1")]
    assert kept.totals()["has"] == {"customer": 2}
    assert (kept.totals()["charged"], kept.totals()["monthly_fen"], care.forged) == (1, 2985, 4)


def test_care_refuses_chosen_records_and_can_be_down() -> None:
    """422 for a delivery with a refused record in it, 503 while it is down; neither is taken."""
    kept = books.Books("care")
    care = webhook.Webhook(kept, SECRET)
    body = sent("care/webhook", change("A", 1, "enter"))
    care.refuse = {"C00000001"}
    assert care.judge(headers(body), body, NOW) == (422, "care refuses C00000001")
    care.refuse, care.down = set(), True
    assert care.judge(headers(body), body, NOW)[0] == 503
    care.down = False
    assert kept.log == []
    assert care.judge(headers(body), body, NOW)[0] == 204
    assert care.judge(headers(b"[]"), b"[]", NOW)[0] == 400


def test_books_keep_the_newest_and_tell_repeats_from_disorder(tmp_path: Path) -> None:
    """An older version that comes late is disorder when it is new, a repeat when it came before; neither changes what is kept."""
    file = tmp_path / "log"
    kept = books.Books("x", file)
    kept.take([books.Arrival("customer", "A", version, f"e{version}", monthly=version * 100) for version in (1, 3, 3, 2)])
    assert (kept.repeats, kept.disordered) == (1, ["A: version 2 after 3"])
    assert kept.totals()["monthly_fen"] == 300
    kept.take([books.Arrival("customer", "A", 4, "e4", gone=True)])
    assert kept.totals()["has"] == {}
    kept.close()
    assert [one.version for one in books.read(file)] == [1, 3, 3, 2, 4]
    assert books.Books("x", file).totals() == kept.totals()


def drop(folder: Path, name: str, body: bytes, rows: int | None = None) -> None:
    (folder / name).write_bytes(body)
    count = len(body.splitlines()) if rows is None else rows
    (folder / f"{name}.ctl").write_text(f"{name}|{count}|{len(body)}|{hashlib.md5(body).hexdigest()}\n")


def test_billing_takes_files_that_agree_with_their_control_files(tmp_path: Path) -> None:
    """Once each, over restarts too; one whose control file differs is a problem until it is replaced."""
    body = sent("billing/drop", change("A", 1, "enter", characteristic=CHARGE), change("B", 1, "enter", name="王㛃"))
    kept = books.Books("billing")
    billing_side = drops.Drops(tmp_path, kept, tmp_path / "read")
    (tmp_path / "MASTER_0.txt").write_bytes(body)
    billing_side.look()
    assert kept.log == []
    drop(tmp_path, "MASTER_1.txt", body)
    drop(tmp_path, "MASTER_2.txt", sent("billing/drop", change("A", 2)), rows=5)
    for _ in range(6):
        billing_side.look()
    assert [(one.golden_id, one.version) for one in kept.log] == [("A", 1), ("B", 1)]
    assert kept.totals()["monthly_fen"] == 2985
    assert billing_side.problems == {"MASTER_2.txt": "rows 1 announced as 5"}
    drop(tmp_path, "MASTER_2.txt", sent("billing/drop", change("A", 2)))
    billing_side.look()
    assert (len(kept.log), billing_side.problems, billing_side.files) == (3, {}, 2)
    again = drops.Drops(tmp_path, kept, tmp_path / "read")
    again.look()
    assert len(kept.log) == 3


def test_a_row_that_billing_cannot_read_is_a_problem(tmp_path: Path) -> None:
    """Not a loss that nobody sees."""
    billing_side = drops.Drops(tmp_path, books.Books("billing"))
    drop(tmp_path, "MASTER_1.txt", "CUST|A|G|1|C1\n".encode(billing.ENCODING))
    billing_side.look()
    assert "5 columns" in billing_side.problems["MASTER_1.txt"]


def test_ods_consumes_its_queue_in_order(tmp_path: Path) -> None:
    """From a thread of its own, acknowledging after its books are written."""
    kept = books.Books("ods", tmp_path / "ods")
    ods = queues.Ods("memory://", "ods.test", kept)
    body = sent("ods/changes", *(change("A", version, characteristic=CHARGE) for version in (1, 2, 3)))
    with kombu.Connection("memory://") as connection:
        connection.Producer().publish(body, exchange="", routing_key="ods.test", content_type="application/json", content_encoding="binary")
        ods.start()
        wait_for(lambda: len(kept.log) == 3)
    ods.stop()
    assert [(one.golden_id, one.version, one.event_id) for one in kept.log] == [("A", 1, "A.1"), ("A", 2, "A.2"), ("A", 3, "A.3")]
    assert kept.totals()["monthly_fen"] == 2985


def test_boss_publishes_with_and_without_ids_and_logs_each_try(tmp_path: Path) -> None:
    """The journal says invoke, then ok."""
    log = journal.Journal(tmp_path / "log", "boss")
    pushes = [feeds.Push("boss/instances", b"<a/>", "application/xml", name, 1) for name in ("m1", None)]
    assert queues.publish("memory://", "boss.test", pushes, log, stop=threading.Event()) == 2
    log.close()
    assert [(one.message_id, one.outcome) for one in journal.read(tmp_path / "log")] == [
        ("m1", "invoke"), ("m1", "ok"), (None, "invoke"), (None, "ok"),
    ]  # fmt: skip
    with kombu.Connection("memory://") as connection:
        simple = connection.SimpleQueue("boss.test")
        first, second = simple.get(timeout=1), simple.get(timeout=1)
        assert (first.body, first.properties.get("message_id"), first.content_type) == (b"<a/>", "m1", "application/xml")
        assert second.properties.get("message_id") is None
        first.ack(), second.ack()


def wait_for(done: Any, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


@pytest.mark.parametrize("body", [b"", b"{", orjson.dumps({"events": [{"type": "x"}]})])
def test_care_answers_nonsense_with_a_reason(body: bytes) -> None:
    """Signed nonsense too is no failure of the server."""
    assert webhook.Webhook(books.Books("care"), SECRET).judge(headers(body), body, NOW)[0] == 400
