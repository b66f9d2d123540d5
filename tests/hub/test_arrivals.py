"""A trace tells of every subscriber why it has a change, or why it has it not."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.hub import instance
from tests.hub.instance import Instance


@pytest.fixture(scope="module")
def latest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A hub whose subscriber takes the newest state of gold customers alone."""
    route = """mode: latest, filter: {customer: 'new.level == "gold"'}"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARE_WEBHOOK_SECRET", instance.SECRET)
        with instance.running(tmp_path_factory.mktemp("latest") / "home", route) as found:
            yield found


def arrivals(hub: Instance, receipt: str) -> list[dict[str, Any]]:
    """How the changes of a message fared."""
    found = hub.json("trace", receipt)
    return [delivery for record in found["records"] for change in record["changes"] for delivery in change["deliveries"]]


def test_what_a_newer_version_overtook_is_superseded(latest: Instance) -> None:
    """It waits while the subscription is paused, with the reason; then the newest is delivered, as the record's entering."""
    latest.json("sub", "pause", "care", "--reason", "closed on Sundays")
    instance.soon(lambda: latest.hub.flow.readers["care"].state == "paused")
    receipts = [
        latest.send(CUST_ID="A1", CUST_NAME=f"Version {number}", UPD_TIME=f"2026110108300{number}")["receipt"] for number in range(3)
    ]
    [waiting] = arrivals(latest, receipts[0])
    assert (waiting["state"], waiting["reason"]) == ("waiting", "closed on Sundays")
    latest.json("sub", "resume", "care")
    instance.soon(lambda: arrivals(latest, receipts[2])[0]["state"] == "delivered")
    assert [arrivals(latest, receipt)[0]["state"] for receipt in receipts] == ["superseded", "superseded", "delivered"]
    assert latest.subscriber.names() == ["Version 2"]


def test_what_the_route_does_not_ask_for_is_not_matched(latest: Instance) -> None:
    """No attempt is told of it."""
    [delivery] = arrivals(latest, latest.send(CUST_ID="A2", CUST_LEVEL="01")["receipt"])
    assert (delivery["state"], delivery["attempts"]) == ("not matched", [])


def test_a_change_behind_a_refused_key_is_told_with_its_letter(latest: Instance) -> None:
    """Parked, with the reason and when it is tried again; discarded once somebody gave it up."""
    latest.subscriber.refuses = {"Nobody wants"}
    receipt = latest.send(CUST_ID="A3", CUST_NAME="Nobody wants")["receipt"]
    [parked] = instance.soon(lambda: [each for each in arrivals(latest, receipt) if each["state"] == "parked"])
    assert parked["tried_again_at"] is not None
    assert "422" in parked["reason"]
    assert parked["attempts"][0]["outcome"] == "refused"
    latest.json("dead", "discard", str(parked["letter"]), "--reason", "a test")
    assert arrivals(latest, receipt)[0]["state"] == "discarded"
