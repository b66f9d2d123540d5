"""Who may see and change what over HTTP, and what is answered to those who may not."""

import asyncio
import base64
import http.client
import json
from typing import Any

import pytest
from starlette.routing import Route

from monitor import api as api_
from monitor import gate, overview, push
from routes import access, archive, desk, receive
from tests.hub import instance
from tests.hub.instance import Instance

OPEN = ("/healthz", "/readyz", "/version")


def ask(hub: Instance, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request; headers with _ for -."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.hub.port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    text = json.dumps(body).encode() if body is not None else None
    connection.request(method, path, text, {"Content-Type": "application/json", **named})
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


def api(hub: Instance, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """One request with the control token."""
    status, _, content = ask(hub, method, f"/api/v1{path}", body, Authorization=f"Bearer {hub.hub.control.token}", **headers)
    return status, json.loads(content)


def routes(hub: Instance) -> list[tuple[str, str]]:
    """(method, path) of every route of the API."""
    front = hub.hub.flow.front
    found = archive.Archive(front.store, lambda: front.setup)
    counter = desk.Desk(front.store, front.door, found, lambda _: None, lambda: None)
    app = api_.application(counter, overview.Overview(front), gate.Gate("token"), api_.Workers(1))
    return [(method, each.path) for each in app.routes if isinstance(each, Route) for method in each.methods or ()]


def test_pushing_stands_first(hub: Instance) -> None:
    """It is what is asked most: it is answered before anything else of the application is asked."""
    sent: list[Any] = []

    async def nothing_else(*_: Any) -> None:
        raise AssertionError("the push was handed on")

    async def receive_() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/in/crm/customers",
        "raw_path": b"/in/crm/customers",
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(push.PushDoor(hub.hub.flow.front).before(nothing_else)(scope, receive_, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 401


def test_every_route_of_the_api_asks_for_the_token(hub: Instance) -> None:
    """Without it, and with a wrong one; the description of the API itself too. The one for looking is open to this machine."""
    found = routes(hub)
    assert len(found) > 15
    for method, path in found:
        real = path.replace("{letter:int}", "1").replace("{", "").replace("}", "")
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic d3Jvbmc6d3Jvbmc="}):
            status, answered, content = ask(hub, method, f"/api/v1{real}", **headers, X_Forwarded_For="203.0.113.9")
            assert status == 401, (method, path)
            assert answered["content-type"] == "application/problem+json"
            if method != "HEAD":
                assert json.loads(content)["hint"]


def test_a_source_s_key_is_no_control_token(hub: Instance) -> None:
    """It pushes, and nothing else."""
    key = access.make(hub.hub.store.keys, "crm", receive.now())
    assert ask(hub, "GET", "/api/v1/dead", Authorization=f"Bearer {key}")[0] == 401


@pytest.mark.parametrize("path", ["/status", "/api/v1/status"])
def test_looking_is_open_to_this_machine_only(hub: Instance, path: str) -> None:
    """Not to what a proxy passes on, and not to a web page elsewhere that claims a name for this address."""
    assert ask(hub, "GET", path)[0] == 200
    assert ask(hub, "GET", path, Host="localhost:1")[0] == 200
    for headers in (
        {"Host": "evil.example"},
        {"X_Forwarded_For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Host": "127.0.0.1.evil.example"},
    ):
        assert ask(hub, "GET", path, **headers)[0] == 401
        assert ask(hub, "GET", path, **headers, Authorization=f"Bearer {hub.hub.control.token}")[0] == 200


def test_browsers_may_give_the_token_as_a_password(hub: Instance) -> None:
    """They are asked for it."""
    status, headers, _ = ask(hub, "GET", "/status", Host="hub.example")
    assert (status, headers["www-authenticate"].startswith("Basic")) == (401, True)
    basic = base64.b64encode(f"any:{hub.hub.control.token}".encode()).decode()
    assert ask(hub, "GET", "/status", Host="hub.example", Authorization=f"Basic {basic}")[0] == 200


def test_health_is_open_and_says_what_is_wrong(hub: Instance) -> None:
    """Each check by its name."""
    answers = {path: ask(hub, "GET", path) for path in OPEN}
    assert {status for status, _, _ in answers.values()} == {200}
    assert json.loads(answers["/readyz"][2])["checks"] == {"store": "ok", "migrations": "ok", "flow": "ok", "doors": "ok"}
    assert json.loads(answers["/version"][2])["version"]


def test_a_hub_whose_work_was_taken_over_is_not_ready(hub: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, so that nobody sends it anything."""
    from monitor import health

    found = health.Health(hub.hub.flow.front)
    monkeypatch.setattr(hub.hub.flow, "ended", lambda: ["apply"])
    assert found.checks()["flow"] == "ended: apply"


def test_what_is_not_there_is_a_problem_too(hub: Instance) -> None:
    """Unknown addresses and methods answer as every refusal does."""
    for method, path, status in (("GET", "/nowhere", 404), ("GET", "/in/crm/customers", 405), ("POST", "/status", 405)):
        found, headers, _ = ask(hub, method, path)
        assert (found, headers["content-type"]) == (status, "application/problem+json")
    assert api(hub, "GET", "/nowhere")[0] == 404
    assert api(hub, "GET", "/dead/999999")[0] == 404
    assert api(hub, "GET", "/golden/nonsense")[0] == 404
    assert api(hub, "GET", "/messages/nonsense/trace")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/dead?limit=0", None),
        ("POST", "/dead/1/discard", {"reason": 7}),
        ("POST", "/dead/replay", {"filters": {"colour": "red"}}),
        ("POST", "/dead/replay", {"state": "resolved"}),
        ("POST", "/dead/replay", {"limit": "all"}),
        ("POST", "/dead/discard", {"filters": {}}),
        ("POST", "/feeds/crm/customers/messages", {"body": "no base64!"}),
        ("POST", "/subscriptions/care/pause", {"reason": " "}),
    ],
)
def test_a_wrong_question_is_answered_with_its_place(hub: Instance, method: str, path: str, body: Any) -> None:
    """400, as problem+json."""
    status, answer = api(hub, method, path, body)
    assert (status, answer["status"]) == (400, 400)
    assert answer["path"]


def test_a_letter_is_found_corrected_and_sent_in_again(hub: Instance) -> None:
    """List, show, dry run, replay; with the same Idempotency-Key the copy is stored once."""
    bad = base64.b64encode(instance.customer(CUST_ID="W1", CUST_NAME=None)).decode()
    assert api(hub, "POST", "/feeds/crm/customers/messages", {"body": bad, "message_id": "w-1"})[1]["duplicate"] is False
    assert api(hub, "POST", "/feeds/crm/customers/messages", {"body": bad, "message_id": "w-1"})[1]["duplicate"] is True
    [letter] = instance.soon(lambda: api(hub, "GET", "/dead?source=crm")[1]["letters"])
    assert "payload" not in letter
    assert "W1" in api(hub, "GET", f"/dead/{letter['id']}")[1]["payload"]
    assert api(hub, "GET", "/dead/groups")[1][0]["fingerprint"] == letter["fingerprint"]
    good = base64.b64encode(instance.customer(CUST_ID="W1", CUST_NAME="Web One")).decode()
    path = f"/dead/{letter['id']}/replay"
    assert api(hub, "POST", path, {"body": bad})[1]["type"] == "urn:mastercopy:error:StillWrong"
    assert api(hub, "POST", path, {"body": good, "dry_run": True})[1]["action"] == "would be sent in again"
    status, first = api(hub, "POST", path, {"body": good, "reason": "x"}, Idempotency_Key="once")
    assert status == 200
    again = api(hub, "POST", path, {"body": good, "reason": "x"}, Idempotency_Key="once")
    assert again[0] == 403 or again[1]["duplicate"] is True
    instance.soon(lambda: "Web One" in hub.subscriber.names())
    trace = api(hub, "GET", f"/messages/{first['receipt']}/trace")[1]
    assert trace["parent"]["letter"] == letter["id"]
    assert "Web One" not in json.dumps(trace)
    golden = api(hub, "GET", "/golden?key=W1&entity=customer")[1][0]
    assert api(hub, "GET", f"/golden/{golden}")[1]["version"] == 1
    assert [each["version"] for each in api(hub, "GET", f"/golden/{golden}/history")[1]] == [1]


def test_subscriptions_feeds_and_keys_are_listed(hub: Instance) -> None:
    """Keys without their secrets."""
    assert [each["name"] for each in api(hub, "GET", "/subscriptions")[1]] == ["care"]
    assert "crm/customers" in [each["feed"] for each in api(hub, "GET", "/feeds")[1]]
    made = api(hub, "POST", "/keys", {"source": "crm"})[1]
    assert made["key"] not in json.dumps(api(hub, "GET", "/keys")[1])
    assert api(hub, "DELETE", f"/keys/{made['prefix']}")[0] == 200
    assert api(hub, "DELETE", f"/keys/{made['prefix']}")[0] == 404


def test_a_reload_with_a_mistake_changes_nothing(hub: Instance) -> None:
    """The answer says where it is; the hub goes on as it was."""
    config = hub.home / "hub.yaml"
    good = config.read_text(encoding="utf-8")
    config.write_text("systms: {}\n", encoding="utf-8")
    status, answer = api(hub, "POST", "/reload")
    assert (status, "systms" in answer["detail"]) == (409, True)
    assert hub.send(CUST_ID="W2")["outcome"]["applied"] == 1
    config.write_text(good, encoding="utf-8")
    assert api(hub, "POST", "/reload")[0] == 200


def test_many_who_look_cost_as_much_as_one(hub: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer holds for half a second; what reads all open letters is asked the less the longer it takes."""
    now = [100.0]
    found = overview.Overview(hub.hub.flow.front, lambda: now[0])
    asked: list[int] = []

    def slow(limit: int) -> list[dict[str, Any]]:
        asked.append(limit)
        now[0] += 1.0
        return []

    monkeypatch.setattr(hub.hub.store.letters, "groups", slow)
    monkeypatch.setattr(overview.Overview, "_parked", staticmethod(lambda _: 1))
    for _ in range(50):
        found.look()
    assert len(asked) == 1
    now[0] += 60
    found.look()
    assert len(asked) == 1
    now[0] += 60
    found.look()
    assert len(asked) == 2


def test_the_rate_is_of_the_last_minute(hub: Instance) -> None:
    """Nothing is told at the first look."""
    now = [100.0]
    found = overview.Overview(hub.hub.flow.front, lambda: now[0])
    assert found.look()["rate"] == {"received": None, "applied": None}
    for number in range(4):
        hub.send(CUST_ID=f"R{number}")
    now[0] += 2
    assert found.look()["rate"] == {"received": 2.0, "applied": 2.0}
