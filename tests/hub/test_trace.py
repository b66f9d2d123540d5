"""`trace` and `golden`: what became of a record can be told by whoever asks."""

import json
import shutil

import pytest

from hub import reach
from hub.home import Home
from routes import trace
from tests.hub import instance
from tests.hub.instance import Instance


def traced(hub: Instance, what: str, *options: str) -> dict:  # type: ignore[type-arg]
    """The trace as JSON, once its change is delivered."""

    def settled() -> bool:
        found = hub.json("trace", what)
        states = [delivery["state"] for record in found["records"] for change in record["changes"] for delivery in change["deliveries"]]
        return "waiting" not in states

    instance.soon(settled)
    return hub.json("trace", what, *options)  # type: ignore[no-any-return]


def test_a_trace_shows_every_stage_with_the_rule_that_made_each_value(hub: Instance) -> None:
    """Raw, decoded, canonical with file and line, the change, the delivery with its time and what was sent."""
    receipt = hub.send(CUST_ID="T1", CUST_NAME="李雷")["receipt"]
    found = traced(hub, receipt, "--reveal", "--reason", "a test")
    assert (found["message"]["source"], found["message"]["feed"], found["message"]["state"]) == ("crm", "customers", "settled")
    assert "李雷" in found["message"]["raw"]
    [record] = found["records"]
    assert record["decoded"]["CUST_NAME"] == "李雷"
    [canonical] = record["canonical"]
    assert canonical["state"]["name"] == "李雷"
    [rule] = [value for value in canonical["values"] if value["target"] == "name"]
    assert (rule["source"], rule["before"], rule["after"]) == ("CUST_NAME", "李雷", "李雷")
    assert rule["rule"] == "crm/customers.yaml:11"
    [change] = record["changes"]
    assert (change["op"], change["version"], change["entity"]) == ("create", 1, "customer")
    [delivery] = change["deliveries"]
    assert (delivery["subscription"], delivery["state"], delivery["event"]) == ("care", "delivered", "enter")
    assert json.loads(delivery["sent"])["events"][0]["customer"]["name"] == "李雷"
    [attempt] = delivery["attempts"]
    assert found["message"]["received_at"] <= change["at"] <= attempt["started_at"] <= attempt["finished_at"]


def test_personal_values_are_hidden_at_every_stage(hub: Instance) -> None:
    """By their class, in raw text as in the mapped record; what is no personal value stays."""
    receipt = hub.send(CUST_ID="T2", CUST_NAME="韩梅梅", MOBILE="13912345678", CERT_TYPE="01", CERT_NO="330106199003071236")["receipt"]
    shown = json.dumps(traced(hub, receipt), ensure_ascii=False)
    for secret in ("韩梅梅", "13912345678", "330106199003071236", "文三路 90 号", "19900307", "zhang.wei"):
        assert secret not in shown
    assert "韩**" in shown
    assert "浙江分公司" in shown


def test_a_record_that_fails_half_way_hides_as_much(hub: Instance) -> None:
    """The names of the source's fields tell, not how far the mapping came."""
    receipt = hub.send(CUST_ID="T3", CUST_NAME=None, MOBILE="13912345679")["receipt"]
    for shown in (hub.type("trace", receipt).stdout, hub.type("dead", "list").stdout, hub.type("dead", "show", "1").stdout):
        assert "13912345679" not in shown
        assert "文三路 90 号" not in shown


def test_revealing_asks_for_a_reason(hub: Instance) -> None:
    """Without one it is a mistake in the command."""
    done = hub.type("trace", "1", "--reveal")
    assert done.exit_code == 2
    assert "--reason" in done.stderr


@pytest.mark.parametrize("form", ["table", "csv"])
def test_a_trace_is_also_a_text_and_a_list(hub: Instance, form: str) -> None:
    """For people in a terminal, and for spreadsheets."""
    receipt = hub.send(CUST_ID=f"T4-{form}")["receipt"]
    traced(hub, receipt)
    done = hub.type("trace", receipt, "-o", form)
    assert done.exit_code == 0
    assert "care" in done.stdout
    assert "delivered" in done.stdout


def test_a_message_is_found_by_whatever_is_at_hand(hub: Instance) -> None:
    """Receipt, caller's id, golden id, the source's own key."""
    done = hub.type("send", "crm/customers", "--id", "my-id-7", "--wait", "10", "-o", "json", stdin=instance.customer(CUST_ID="T5"))
    answer = json.loads(done.stdout)
    for what in (answer["receipt"], "my-id-7", answer["golden"][0]["id"], "T5"):
        assert hub.json("trace", what)["message"]["receipt"] == answer["receipt"]


def test_a_trace_by_key_names_the_other_messages_of_the_record(hub: Instance) -> None:
    """The newest is shown, the others are named."""
    first = hub.send(CUST_ID="T6", CUST_LEVEL="01", UPD_TIME="20261101083000")["receipt"]
    second = hub.send(CUST_ID="T6", CUST_LEVEL="03", UPD_TIME="20261101083001")["receipt"]
    found = hub.json("trace", "T6")
    assert (found["message"]["receipt"], found["others"]) == (second, [first])


def test_an_unchanged_record_has_a_trace_without_changes(hub: Instance) -> None:
    """What did not change anything is told as such."""
    hub.send(CUST_ID="T7")
    found = hub.json("trace", hub.send(CUST_ID="T7")["receipt"])
    assert found["message"]["outcome"]["unchanged"] == 1
    assert found["records"][0]["changes"] == []
    assert found["records"][0]["canonical"][0]["key"] == "T7"


def test_an_old_message_is_shown_by_the_mapping_of_then(hub: Instance) -> None:
    """After a reload, what the old mapping made is made by the old mapping again."""
    old = hub.send(CUST_ID="T8")
    own = hub.home / "adapters/crm"
    shutil.copytree(instance.SAMPLES.parents[1], own)
    text = (own / "customers.yaml").read_text(encoding="utf-8")
    (own / "customers.yaml").write_text(
        "# one line more\n" + text.replace("customerNo: CUST_ID", "customerNo: CUST_NAME"), encoding="utf-8"
    )
    try:
        hub.hub.reload()
        found = traced(hub, old["receipt"])
        assert found["records"][0]["canonical"][0]["state"]["customerNo"] == "T8"
        assert not found["revision"]["current"]
        assert found["revision"]["note"] == ""
        new = traced(hub, hub.send(CUST_ID="T9", CUST_NAME="Nine")["receipt"])
        assert new["revision"]["current"]
        assert {value["rule"] for value in new["records"][0]["canonical"][0]["values"] if value["target"] == "name"} == {
            "crm/customers.yaml:12"
        }
    finally:
        shutil.rmtree(own)
        hub.hub.reload()


def test_a_golden_record_shows_what_each_source_says(hub: Instance) -> None:
    """By key with its entity, by key alone, by golden id."""
    answer = hub.send(CUST_ID="T10", CUST_NAME="赵云")
    record = hub.json("golden", "show", "customer", "T10", "--reveal", "--reason", "a test")
    assert record["id"] == answer["golden"][0]["id"]
    assert record["state"]["name"] == record["members"][0]["state"]["name"] == "赵云"
    assert hub.json("golden", "show", "T10")["state"]["name"] == "赵*"
    assert hub.json("golden", "show", record["id"])["version"] == 1
    assert "赵*" in hub.type("golden", "show", "T10").stdout


def test_the_history_of_a_golden_record_says_what_changed_and_by_which_message(hub: Instance) -> None:
    """Newest first, old and new value of each field."""
    hub.send(CUST_ID="T11", CUST_LEVEL="01", UPD_TIME="20261101083000")
    second = hub.send(CUST_ID="T11", CUST_LEVEL="03", UPD_TIME="20261101083001")["receipt"]
    newest, oldest = hub.json("golden", "history", "T11")
    assert (newest["version"], oldest["version"]) == (2, 1)
    assert newest["changed"] == {"level": ["standard", "gold"]}
    assert str(newest["message"]) == second


def test_looking_writes_nothing(hub: Instance) -> None:
    """The store is opened so that it cannot be written, nor checkpointed."""
    with reach.reading(hub.home) as store:
        database = store._database
        for connection in (database.read(), database._writer):
            assert connection.execute("SELECT count(*) FROM inbox").fetchone()[0] > 0
            with pytest.raises(Exception, match="readonly"):
                connection.execute("DELETE FROM inbox")
        found = trace.Trace(store, reach.archive(store, Home(hub.home).folder))
        assert found.find("1").message == 1
