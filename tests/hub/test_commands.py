"""What every command keeps to: exit codes, forms of output, one readable line for an error, work without a hub."""

import csv
import io
import json
import socket
from pathlib import Path

import pytest

from hub import output
from hub.home import Home
from schemas import errors
from tests.hub import instance
from tests.hub.instance import Instance


def test_each_kind_of_refusal_has_its_exit_code(hub: Instance, tmp_path: Path) -> None:
    """2 usage, 3 configuration, 4 not found, 5 refused, 6 unreachable: always one line with what to do, never a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "hub.yaml").write_text("systms: {}\n", encoding="utf-8")
    cases = [
        (2, hub.home, ("send", "crm")),
        (2, hub.home, ("nonsense",)),
        (2, hub.home, ("golden", "show", "robot", "X")),
        (2, hub.home, ("up", "--log-level", "loud")),
        (3, broken, ("up", "--port", "0")),
        (3, broken, ("key", "create", "crm")),
        (4, hub.home, ("trace", "nothing-like-it")),
        (4, hub.home, ("golden", "show", "customer", "nobody")),
        (4, hub.home, ("sub", "pause", "nobody", "--reason", "x")),
        (4, hub.home, ("key", "create", "crn")),
        (4, hub.home, ("key", "revoke", "mk_nobody00")),
        (4, hub.home, ("send", "crm/customers", "no-such-file.json")),
        (4, tmp_path / "empty", ("dead", "list")),
        (5, hub.home, ("send", "crm/customers", str(instance.SAMPLES / "doubled-key.bad.json"))),
        (5, hub.home, ("send", "crm/customers", str(instance.SAMPLES / "person.in.json"), "--key", "mk_wrong")),
        (5, hub.home, ("up", "--port", "0")),
        (
            6,
            hub.home,
            ("send", "crm/customers", str(instance.SAMPLES / "person.in.json"), "--key", "k", "--url", f"http://127.0.0.1:{port}"),
        ),
    ]
    for code, home, words in cases:
        done = instance.command(home, *words)
        assert done.exit_code == code, (words, done.output)
        assert "Traceback" not in done.output
        assert done.stderr.strip(), words
    assert "did you mean" in instance.command(hub.home, "key", "create", "crn").stderr.lower()


def test_every_error_has_an_exit_code() -> None:
    """Of its own or of its kind."""
    for name in dir(errors):
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, errors.MastercopyError):
            assert output.exit_code(kind("x")) in range(1, 8), name


def test_records_that_could_not_be_used_end_a_send_with_1(hub: Instance) -> None:
    """Stored, and answered with a receipt; but not everything went well."""
    done = hub.type("send", "crm/customers", "--wait", "10", stdin=instance.customer(CUST_ID="C1", CUST_NAME=None))
    assert done.exit_code == 1
    assert "dead letter" in done.stderr


def test_send_pushes_with_a_key_as_a_source_does(hub: Instance) -> None:
    """Through the HTTP door, with id and outcome; a revoked key is refused."""
    key = hub.json("key", "create", "crm")
    words = ("send", "crm/customers", "--key", key["key"], "--id", "k-1", "--wait", "10")
    assert hub.json(*words, stdin=instance.customer(CUST_ID="C2"))["outcome"]["applied"] == 1
    assert hub.json(*words, stdin=instance.customer(CUST_ID="C2"))["duplicate"] is True
    assert key["prefix"] in [each["prefix"] for each in hub.json("key", "list")]
    assert key["key"] not in hub.type("key", "list", "-o", "json").stdout
    hub.json("key", "revoke", key["prefix"])
    instance.soon(lambda: hub.type(*words, stdin=instance.customer(CUST_ID="C2")).exit_code == 5)


def test_a_paused_subscription_waits_until_it_is_resumed(hub: Instance) -> None:
    """What changes meanwhile is delivered then; the list says why it stands."""
    hub.json("sub", "pause", "care", "--reason", "they move house")
    instance.soon(lambda: hub.hub.flow.readers["care"].state == "paused")
    hub.send(CUST_ID="C3", CUST_NAME="Waiting One")
    [row] = hub.json("sub", "list")
    assert (row["state"], row["reason"], row["lag"]) == ("paused", "they move house", 1)
    assert "Waiting One" not in hub.subscriber.names()
    hub.json("sub", "resume", "care")
    instance.soon(lambda: "Waiting One" in hub.subscriber.names())
    instance.soon(lambda: hub.json("sub", "list")[0]["lag"] == 0)


def test_tables_speak_both_languages(hub: Instance) -> None:
    """Headings and states; data is data."""
    assert "subscription" not in hub.type("sub", "list", "--lang", "zh").stdout
    assert "运行中" in hub.type("sub", "list", "--lang", "zh").stdout
    assert "active" in hub.type("sub", "list").stdout


def test_csv_holds_no_formulas_and_tables_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """What others wrote must neither calculate in a spreadsheet nor steer a terminal."""
    hostile = [{"name": "=HYPERLINK(1)", "reason": "\x1b[31mred\u202e", "count": -5}]
    output.rows(hostile, ("name", "reason", "count"), output.Form.csv, output.Lang.en)
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["name"] == "'=HYPERLINK(1)"
    assert row["count"] == "-5"
    output.rows(hostile, ("name", "reason", "count"), output.Form.table, output.Lang.en)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_without_a_hub_commands_work_on_the_store_itself(tmp_path: Path) -> None:
    """What is put in waits for the next hub; the home is locked while it happens."""
    home = tmp_path / "home"
    assert instance.command(home, "key", "create", "crm").exit_code == 0
    sent = instance.command(home, "send", "crm/customers", "-o", "json", stdin=instance.customer(CUST_ID="C4"))
    assert json.loads(sent.stdout) == {"receipt": "1", "duplicate": False, "records": 1}
    found = json.loads(instance.command(home, "trace", "1", "-o", "json").stdout)
    assert found["message"]["state"] == "waiting"
    assert found["records"][0]["canonical"][0]["key"] == "C4"
    with Home(home).locked():
        assert instance.command(home, "send", "crm/customers", stdin=instance.customer(CUST_ID="C5")).exit_code == 5


def test_the_version_is_told(hub: Instance) -> None:
    """With what it runs on."""
    assert hub.json("version")["version"]
    assert "Mastercopy" in hub.type("version").stdout
