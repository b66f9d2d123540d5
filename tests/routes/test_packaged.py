"""From the CRM's push to the call centre's event, through the packaged mappings, without a network."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from routes import receive, setup
from routes.ahead import Projecting
from routes.apply import Apply
from routes.delivery import Reader, Tools
from routes.feeds import Feeds
from routes.pool import DecodePool
from routes.projection import Projector
from schemas.envelope import Message, Receipt
from tests.master import engines
from tests.master.desk import SOON
from tests.routes.peers import Receiver

CUSTOMER = {"CUST_ID": "C1", "CUST_NAME": "王伟", "CUST_TYPE": "1", "CUST_STATE": "1", "UPD_TIME": "20261121120000"}


def test_a_customer_goes_all_the_way(tmp_path: Path) -> None:
    """Received, applied, delivered; a broken copy is a dead letter; a repeat writes nothing."""
    (tmp_path / "hub.yaml").write_text("systems: {crm: {}, care: {}}\nroutes: [care]\n")
    found = setup.load(tmp_path)
    store, pool = engines.sqlite(tmp_path), DecodePool(Feeds(found), 1)
    group = receive.GroupCommit(store, lambda: None)
    door = receive.Door(store, lambda source, feed: pool.inbound(f"{source}/{feed}"), group, lambda: None)
    idle = lambda messages: None, lambda: 0.0, lambda: False
    leader = Apply(store, lambda: pool, lambda inbound: 1, lambda: found.merge_rules, *idle, receive.now)
    leader.fence = store.leases.take("apply", "test", 0, SOON, force=True)

    def push(*records: dict[str, Any]) -> Receipt:
        [answer] = door.receive([Message("crm", "customers", None, json.dumps(records).encode())])
        assert isinstance(answer, Receipt)
        while leader.step() is not None:
            pass
        return answer

    push(CUSTOMER, {**CUSTOMER, "CUST_ID": "C2"})
    push(CUSTOMER)
    bad = push({"CUST_ID": "C3"})
    push({**CUSTOMER, "CUST_NAME": "王伟明", "UPD_TIME": "20261121130000"})
    receiver, fence = Receiver(), store.leases.take("reader:care", "test", 0, SOON)
    assert fence is not None
    outbound = found.outbound("care")
    tools = Tools(store, Projecting(Projector(store.subscriptions), lambda: None), receive.now, lambda: 1.0)
    reader = Reader(outbound, [receiver] * outbound.route.concurrency, fence, 1, tools)
    stop = threading.Event()
    thread = threading.Thread(target=reader.run, args=(stop,))
    thread.start()
    while store.subscriptions.all()[0].mark < store.subscriptions.head():
        stop.wait(0.01)
    stop.set()
    reader.ring()
    thread.join(10)
    events = [event for batch in receiver.batches for event in json.loads(batch.body)["events"]]
    assert sorted((event["customer"]["no"], event["customer"]["name"], event["version"]) for event in events) == [
        ("C1", "王伟明", 2), ("C2", "王伟", 1),
    ]  # fmt: skip
    assert [letter.stage for letter in store.letters.of_message(bad.id)] == ["check"]
    records = store.views.audit()["records"]
    assert {name: count for name, count in records.items() if count} == {"accepted": 5, "applied": 3, "unchanged": 1, "dead": 1}
    [progress] = store.subscriptions.all()
    assert (progress.tallies["matched"], progress.tallies["delivered"], progress.tallies["superseded"]) == (3, 2, 1)
    group.close()
    pool.close()
    store.close()
