"""A full extract: what it lacks is withdrawn after its last row, through the log, and never more than was agreed."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.hub import filehub, instance

ALL = "complete: {withdraw_at_most: 50%}"
FOUR = ("a|Ann|on", "b|Bob|on", "c|Cid|on", "d|Dan|on")


def test_what_a_file_lacks_is_withdrawn_and_traced(tmp_path: Path) -> None:
    """Each withdrawn key is a record of a message behind the file's own, and the books balance."""
    filehub.written(tmp_path / "home", ALL)
    with filehub.running(tmp_path / "home") as hub:
        hub.load("1.txt", *FOUR)
        hub.load("2.txt", "a|Ann|on", "c|Cid|off")
        assert hub.live() == ["a", "c"]
        gone = hub.golden("b")
        assert (gone["live"], gone["version"], gone["members"][0]["op"]) == (False, 2, "delete")
        trace = hub.json("trace", "b")
        assert trace["message"]["outcome"]["applied"] == trace["message"]["records"] == 2
        [record] = [each for each in trace["records"] if each["decoded"]["key"] == "b"]
        assert (record["place"], record["canonical"][0]["op"], record["changes"][0]["op"]) == ("not in 2.txt", "delete", "delete")
        books = hub.hub.store.views.audit()["records"]
        assert books == {"accepted": 8, "applied": 7, "unchanged": 1, "stale": 0, "dead": 0, "resolved": 0, "pending": 0}
        hub.load("3.txt", *FOUR[:3])
        assert hub.live() == ["a", "b", "c"]
        assert hub.golden("b")["version"] == 3


def test_an_extract_that_lacks_too_much_withdraws_nothing_until_somebody_confirms(tmp_path: Path) -> None:
    """The alarm names the counts; a dry run looks at it; confirming needs a reason."""
    filehub.written(tmp_path / "home", ALL)
    with filehub.running(tmp_path / "home") as hub:
        hub.load("1.txt", *FOUR)
        hub.load("2.txt", "a|Ann|on")
        assert hub.live() == ["a", "b", "c", "d"]
        [alarm] = hub.alarms("complete")
        assert "2.txt: 3 of 4 live account keys are absent, more than 50 %" in alarm
        told = hub.json("withdraw", "bank/accounts", "--dry-run")
        assert (told["absent"], told["entities"], told["action"]) == (3, {"account": {"live": 4, "absent": 3}}, "would be withdrawn")
        assert hub.type("withdraw", "bank/accounts").exit_code != 0
        assert hub.live() == ["a", "b", "c", "d"]
        hub.json("withdraw", "bank/accounts", "--reason", "the branch was sold")
        instance.soon(lambda: hub.live() == ["a"])
        instance.soon(lambda: hub.alarms("complete") == [])
        assert hub.type("withdraw", "bank/accounts", "--dry-run").exit_code == 4


def test_raising_the_limit_lets_a_blocked_extract_go_on(tmp_path: Path) -> None:
    """At the reload, without a restart."""
    home = tmp_path / "home"
    filehub.written(home, ALL)
    with filehub.running(home) as hub:
        hub.load("1.txt", *FOUR)
        hub.load("2.txt", "a|Ann|on")
        assert hub.live() == ["a", "b", "c", "d"]
        filehub.written(home, "complete: {withdraw_at_most: 80%}")
        hub.hub.reload()
        instance.soon(lambda: hub.live() == ["a"])
        instance.soon(lambda: hub.alarms("complete") == [])


def test_rows_that_failed_may_hold_any_key(tmp_path: Path) -> None:
    """Nothing is withdrawn until they are replayed; a key that came by the copy is not absent."""
    filehub.written(tmp_path / "home", "complete: true")
    with filehub.running(tmp_path / "home") as hub:
        hub.load("1.txt", *FOUR, "e|Eve|on", "f|Fay|on")
        hub.load("2.txt", *FOUR, "e||on")
        assert hub.live() == ["a", "b", "c", "d", "e", "f"]
        assert "1 of its 5 rows failed" in hub.alarms("complete")[0]
        [letter] = hub.json("dead", "list")
        assert letter["path"].startswith("2.txt line 5")
        hub.json("dead", "replay", str(letter["id"]), "--body", "-", stdin=b"e|Eva|on\n")
        instance.soon(lambda: hub.live() == ["a", "b", "c", "d", "e"])
        instance.soon(lambda: hub.alarms("complete") == [])
        assert hub.names()["e"] == "Eva"


def test_what_the_source_said_after_the_file_was_written_stands(tmp_path: Path) -> None:
    """A key that came live while the extract was on its way is not in it, and stays."""
    filehub.written(tmp_path / "home", ALL)
    with filehub.running(tmp_path / "home") as hub:
        hub.load("1.txt", *FOUR)
        time.sleep(1.1)
        written = time.time()
        time.sleep(1.1)
        assert hub.type("send", "bank/live", "--wait", "10", stdin=b"new|Neo|on\nb|Bob|on\n").exit_code == 0
        hub.load("2.txt", "a|Ann|on", "c|Cid|on", at=written)
        assert hub.live() == ["a", "b", "c", "new"]


def test_a_stop_at_any_point_withdraws_each_key_once(tmp_path: Path) -> None:
    """What is left to do stands in the store: the next hub goes on with it."""
    home = tmp_path / "home"
    filehub.written(home, "complete: {withdraw_at_most: 100%}")
    many = [f"{number:04d}|N{number}|on" for number in range(400)]
    with filehub.running(home) as hub:
        hub.load("1.txt", *many)
    with filehub.running(home) as hub:
        hub.put("2.txt", *many[:100])
        instance.soon(lambda: hub.hub.store.files.recent(1)[0]["path"] == "accounts/2.txt")
    for _ in range(3):
        with filehub.running(home) as hub:
            time.sleep(0.2)
    with filehub.running(home) as hub:
        instance.soon(lambda: len(hub.live()) == 100)
        instance.soon(hub.quiet)
        deletes = [op for (op,) in hub.hub.store.views.dump("change", ("op",)) if op == "delete"]
        assert len(deletes) == 300
        audit = hub.hub.store.views.audit()
        assert (audit["records"]["pending"], audit["version_gaps"], audit["log_dense"]) == (0, 0, True)


def test_an_entity_that_the_mapping_does_not_make_is_refused(tmp_path: Path) -> None:
    """With file and line, before anything starts."""
    home = tmp_path / "home"
    filehub.written(home, "complete: {entities: [order]}")
    done = instance.command(home, "check", "--home", str(home), "-o", "json")
    found = json.loads(done.stdout)["findings"]
    assert [each["field"] for each in found if each["level"] == "error"] == ["feeds.accounts.complete.entities[0]"]
