"""Dead letters on the command line: found, corrected, sent in again, tried again, discarded."""

import json
import time

import pytest

from routes import apply
from tests.hub import instance
from tests.hub.instance import Instance


def dead(hub: Instance, **values: object) -> int:
    """The number of the letter that this customer becomes."""
    [failure] = hub.send(**values)["failures"]
    return int(failure["letter"])


def test_a_corrected_copy_is_delivered(hub: Instance) -> None:
    """The letter is resolved by it; each of the two messages names the other."""
    letter = dead(hub, CUST_ID="D1", CUST_NAME=None)
    [listed] = [each for each in hub.json("dead", "list") if each["id"] == letter]
    assert listed["stage"] == "check"
    assert "CUST_NAME: expected a value (required)" in listed["reason"]
    payload = hub.type("dead", "show", str(letter), "--payload").stdout
    corrected = json.dumps(json.loads(payload) | {"CUST_NAME": "Corrected One"}).encode()
    answer = hub.json("dead", "replay", str(letter), "--body", "-", stdin=corrected)
    assert answer["action"] == "sent in again"
    instance.soon(lambda: "Corrected One" in hub.subscriber.names())
    found = hub.json("dead", "show", str(letter))
    assert (found["state"], str(found["resolved_by"])) == ("resolved", answer["receipt"])
    assert hub.json("trace", answer["receipt"])["parent"] == {"letter": letter, "receipt": str(listed["message"])}
    assert hub.json("trace", str(listed["message"]))["children"] == [{"letter": letter, "receipt": answer["receipt"]}]


def test_a_copy_that_would_fail_again_is_refused_with_the_reason(hub: Instance) -> None:
    """Nothing is stored, the letter stays; so at the door as beyond it."""
    letter = dead(hub, CUST_ID="D2", CUST_NAME=None)
    before = hub.hub.store.views.totals()["lanes"]
    for body, reason in (
        (None, "CUST_NAME"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b"[]", "0 records"),
        (b'[{"a":1},{"b":1}]', "CUST"),
    ):
        done = hub.type("dead", "replay", str(letter), *(["--body", "-"] if body else []), stdin=body or b"")
        assert (done.exit_code, reason in done.stderr) == (5, True), done.output
    assert hub.hub.store.views.totals()["lanes"] == before
    assert hub.json("dead", "show", str(letter))["state"] == "dead"


def test_a_copy_keeps_the_place_of_its_original(hub: Instance) -> None:
    """In the order of arrival; and what was newer by the source's own sequence stays on top: the copy is stale."""
    letter = dead(hub, CUST_ID="D3", CUST_NAME=None, UPD_TIME="20261101083000")
    hub.send(CUST_ID="D3", CUST_NAME="Newer", UPD_TIME="20261101083001")
    copy = instance.customer(CUST_ID="D3", CUST_NAME="Older", UPD_TIME="20261101083000")
    receipt = hub.json("dead", "replay", str(letter), "--body", "-", stdin=copy)["receipt"]
    instance.soon(lambda: hub.json("trace", receipt)["message"]["outcome"])
    assert hub.json("trace", receipt)["message"]["outcome"]["stale"] == 1
    stored, first = hub.hub.store.inbox.get(int(receipt)), hub.hub.store.letters.get(letter)
    assert stored is not None
    assert first is not None
    assert stored.message.order == (first.message or 0) * apply.ROWS_PER_MESSAGE
    assert hub.json("golden", "show", "D3", "--reveal", "--reason", "test")["state"]["name"] == "Newer"


def test_a_letter_is_settled_once(hub: Instance) -> None:
    """What is resolved or discarded can be neither again."""
    letter = dead(hub, CUST_ID="D4", CUST_NAME=None)
    assert hub.json("dead", "discard", str(letter), "--reason", "not ours")["action"] == "discarded"
    for verb in ("replay", "discard"):
        done = hub.type("dead", verb, str(letter), "--reason", "again")
        assert done.exit_code == 5
        assert "discarded already" in done.stderr
    found = hub.json("dead", "show", str(letter))
    assert (found["state"], found["note"]) == ("discarded", "not ours")


def test_discarding_asks_for_a_reason(hub: Instance) -> None:
    """A record is given up: somebody says why."""
    assert hub.type("dead", "discard", "1").exit_code == 2


def test_a_refused_key_is_tried_again_at_once(hub: Instance) -> None:
    """The subscriber takes it now: it is delivered and the letter resolved. There is no copy to correct."""
    hub.subscriber.refuses = {"Refused One"}
    hub.send(CUST_ID="D5", CUST_NAME="Refused One")
    [letter] = instance.soon(lambda: hub.json("dead", "list", "--state", "waiting", "--subscription", "care"))
    assert letter["code"] == "Refused"
    [delivery] = hub.json("trace", "D5")["records"][0]["changes"][0]["deliveries"]
    assert (delivery["state"], delivery["letter"]) == ("parked", letter["id"])
    done = hub.type("dead", "replay", str(letter["id"]), "--body", "-", stdin=b"{}")
    assert (done.exit_code, "master copy" in done.stderr) == (5, True)
    hub.subscriber.refuses = set()
    assert hub.json("dead", "replay", str(letter["id"]), "--reason", "they took it")["action"] == "tried again"
    instance.soon(lambda: "Refused One" in hub.subscriber.names())
    instance.soon(lambda: hub.json("dead", "show", str(letter["id"]))["state"] == "resolved")


def test_everything_that_matches_is_counted_before_and_settled_after(hub: Instance) -> None:
    """A dry run says exactly how many can be settled and why the others cannot; then they are, and the books balance."""
    letters = [dead(hub, CUST_ID=f"D6-{number}", CUST_NAME=None) for number in range(5)]
    kind = hub.json("dead", "show", str(letters[0]))["fingerprint"]
    count = len(hub.json("dead", "list", "--state", "dead", "--fingerprint", kind, "--limit", "1000"))
    assert count >= 5
    planned = hub.json("dead", "replay", "--fingerprint", kind, "--dry-run")
    assert (planned["matched"], planned["eligible"]) == (count, 0)
    assert planned["not_eligible"] == {"StillWrong: The copy of a dead letter would fail again": count}
    done = hub.type("dead", "replay", "--fingerprint", kind, "-o", "json")
    assert done.exit_code == 1
    planned = hub.json("dead", "discard", "--fingerprint", kind, "--reason", "a test", "--limit", "2", "--dry-run")
    assert planned["eligible"] == 2
    assert len(hub.json("dead", "list", "--state", "dead", "--fingerprint", kind, "--limit", "1000")) == count
    assert hub.json("dead", "discard", "--fingerprint", kind, "--reason", "a test", "--limit", "2")["eligible"] == 2
    assert hub.json("dead", "discard", "--fingerprint", kind, "--reason", "a test")["eligible"] == count - 2
    assert hub.json("dead", "list", "--state", "dead", "--fingerprint", kind) == []
    records = hub.hub.store.views.audit()["records"]
    assert records["accepted"] == sum(records[name] for name in ("applied", "unchanged", "stale", "dead", "resolved", "pending"))


def test_a_rate_is_kept(hub: Instance) -> None:
    """So many letters a second and no more: who receives them has a say."""
    for number in range(6):
        dead(hub, CUST_ID=f"D7-{number}", CUST_NAME=None, BRANCH_NAME="rate")
    started = time.monotonic()
    done = hub.type("dead", "discard", "--stage", "check", "--reason", "a test", "--limit", "6", "--rate", "10", "-o", "json")
    assert json.loads(done.stdout)["eligible"] == 6
    assert time.monotonic() - started > 0.4


@pytest.mark.parametrize("words", [("dead", "replay"), ("dead", "discard", "--reason", "x"), ("dead", "replay", "--all", "--body", "-")])
def test_everything_is_never_meant_by_accident(hub: Instance, words: tuple[str, ...]) -> None:
    """A number, a filter or --all; and one copy answers one letter."""
    assert hub.type(*words).exit_code == 2


def test_filters_that_nothing_knows_are_refused(hub: Instance) -> None:
    """A state or a letter that is not there is not taken for an empty answer."""
    assert hub.type("dead", "replay", "--all", "--state", "resolved").exit_code == 5
    assert hub.type("dead", "show", "99999").exit_code == 4
    assert hub.type("dead", "replay", "99999").exit_code == 4
