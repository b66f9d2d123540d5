"""A hub with a subscriber of its own, for tests that look at it and steer it from outside."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer.testing

from config.settings import Settings
from hub import cli, run

SAMPLES = Path(__file__).resolve().parents[2] / "adapters/crm/samples/customers"
SECRET = "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
HUB = """\
systems:
  crm: {{}}
  care:
    sinks: {{webhook: {{endpoint: {{url: "http://127.0.0.1:{port}/hook", secret: env:CARE_WEBHOOK_SECRET, allow_loopback: true}}}}}}
routes:
  care: {{batch: 1, concurrency: 1, retry: {{first: 60s, longest: 60s, give_up: 72h}}, {route}}}
"""


class Subscriber:
    """Takes webhooks; refuses the content of those that hold one of `refuses`."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.refuses: set[str] = set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                refused = any(word in body for word in outer.refuses)
                if not refused:
                    outer.got += json.loads(body)["events"]
                self.send_response(422 if refused else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def names(self) -> list[str]:
        """Of the customers that it was told of, in order."""
        return [event["customer"]["name"] for event in self.got]


class Instance:
    """A running hub, its home, its subscriber, and commands typed beside it."""

    def __init__(self, hub: run.Hub, home: Path, subscriber: Subscriber) -> None:
        self.hub, self.home, self.subscriber = hub, home, subscriber

    def type(self, *words: str, stdin: bytes = b"") -> typer.testing.Result:
        """One command."""
        return command(self.home, *words, stdin=stdin)

    def json(self, *words: str, stdin: bytes = b"") -> Any:
        """One command that ends well and prints JSON."""
        done = self.type(*words, "-o", "json", stdin=stdin)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def send(self, **values: Any) -> dict[str, Any]:
        """A customer through the door, applied; `None` leaves a field out."""
        done = self.type("send", "crm/customers", "--wait", "10", "-o", "json", stdin=customer(**values))
        assert done.exit_code in (0, 1), done.output
        answer: dict[str, Any] = json.loads(done.stdout)
        assert "outcome" in answer
        return answer


def customer(**values: Any) -> bytes:
    """The sample person with other values, and without the identity that would make them all one."""
    data = json.loads((SAMPLES / "person.in.json").read_text(encoding="utf-8")) | {"CERT_TYPE": None, "CERT_NO": None} | values
    return json.dumps({name: value for name, value in data.items() if value is not None}, ensure_ascii=False).encode()


def command(home: Path, *words: str, stdin: bytes = b"") -> typer.testing.Result:
    """One command in a home."""
    return typer.testing.CliRunner().invoke(cli.app, list(words), input=stdin, env={"MASTERCOPY_HOME": str(home)})


def soon(true: Callable[[], Any], seconds: float = 15.0) -> Any:
    """What it answers once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def running(home: Path, route: str = "mode: history") -> Iterator[Instance]:
    """A hub in this process."""
    subscriber = Subscriber()
    home.mkdir(parents=True, exist_ok=True)
    (home / "hub.yaml").write_text(HUB.format(port=subscriber.port, route=route), encoding="utf-8")
    try:
        with run.Hub(Settings(home=home, port=0, workers=1, free_limit=0)) as hub:
            yield Instance(hub, home, subscriber)
    finally:
        subscriber.server.shutdown()
        subscriber.server.server_close()
