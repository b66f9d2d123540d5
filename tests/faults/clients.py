"""Clients outside the hub: each writes down every try and what became of it, and never repeats what has no id."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from demo import boss, crm, feeds, people, portfolio
from demo.evidence import Attempt, Outcome
from demo.feeds import Push
from tests import services

HEADER = (
    "customerID,gender,SeniorCitizen,Partner,Dependents,tenure,PhoneService,MultipleLines,InternetService,OnlineSecurity,OnlineBackup,"
    "DeviceProtection,TechSupport,StreamingTV,StreamingMovies,Contract,PaperlessBilling,PaymentMethod,MonthlyCharges,TotalCharges,Churn"
)
PHONE = "Yes,No,No" + ",No internet service" * 6
NOBODY, CUT = -1, 0  # instead of a status: nobody listens, so nothing was sent; or the connection broke, so nobody knows
_numbers = itertools.count(1)


def attempt(push: Push) -> Attempt:
    """A new try, before it is sent."""
    return Attempt(f"c{next(_numbers)}", push.source, push.message_id, push.digest, push.records, "invoke")


class Client:
    """One connection to the HTTP door."""

    def __init__(self, port: int, key: str, log: list[Attempt]) -> None:
        self._port, self._key, self._log = port, key, log
        self._connection: http.client.HTTPConnection | None = None
        self.statuses: Counter[int] = Counter()

    def send(self, push: Push) -> Outcome:
        """Until it is stored or refused for good. What has no id is not sent again once nobody knows what became of it."""
        while True:
            outcome, again = self._once(push)
            if outcome == "ok" or (not again and outcome == "fail"):
                return outcome
            if push.message_id is None and outcome == "unknown":
                return outcome
            time.sleep(0.02)

    def _once(self, push: Push) -> tuple[Outcome, bool]:
        begun = attempt(push)
        self._log.append(begun)
        status, answer = self._exchange(push)
        self.statuses[status] += 1
        if status in (200, 202):
            receipt = int(json.loads(answer)["receipt"])
            self._log.append(begun._replace(outcome="ok", receipt=receipt))
            return "ok", False
        outcome: Outcome = "fail" if status == NOBODY or 400 <= status < 500 else "unknown"
        self._log.append(begun._replace(outcome=outcome))
        return outcome, status in (NOBODY, CUT, 429, 503)

    def _exchange(self, push: Push) -> tuple[int, bytes]:
        """Status and body, or `NOBODY`, or `CUT`."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                self._connection.connect()
        except OSError:
            self._connection = None
            return NOBODY, b""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": push.content_type}
        if push.message_id is not None:
            headers["Idempotency-Key"] = push.message_id
        try:
            self._connection.request("POST", f"/in/{push.source}", push.body, headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return CUT, b""

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None


def later(seconds: int) -> str:
    """A time as CRM writes it, so many seconds after the beginning."""
    return crm.stamp(feeds.at(1, seconds))


def customer(number: int, second: int) -> dict[str, Any]:
    """A customer at a moment: each moment has a street of its own."""
    return crm.load_customer(number, second, later(second))


def account(number: int, second: int) -> dict[str, Any]:
    """An account of the customer with the same number."""
    one = portfolio.Account(f"A{number:06}", f"L{number:09}", f"账户{second}", "bank", 1, "open", 100 * second)
    return crm.account(one, feeds.at(1, second))


def order(number: int, second: int) -> dict[str, Any]:
    """An order of the customer with the same number; it may come before its customer."""
    line = portfolio.Line("add", "P1", f"S{number}", 1)
    one = portfolio.Order(f"O{number:06}", f"L{number:09}", "web", people.NOW, "inProgress", (line,))
    return crm.order(one, feeds.at(1, second)) | {"ORDER_STATE": "1" if second % 2 else "2"}


def stream(seed: int, keys: int, name: str = "n") -> Iterator[Push]:
    """Named messages without an end: single records and lists, of three feeds, shuffled within a hundred, three in ten sent again."""
    chance = random.Random(seed)
    makers = (("customers", customer), ("accounts", account), ("orders", order))
    number = itertools.count()
    while True:
        block = []
        for _ in range(70):
            feed, make = makers[chance.choices((0, 1, 2), (6, 2, 2))[0]]
            place = next(number)
            records = [make(chance.randrange(keys), place) for _ in range(chance.choice((1, 1, 1, 1, 5)))]
            block.append(crm.push(feed, records, f"{name}{seed}-{place}"))
        block += chance.sample(block, 30)
        chance.shuffle(block)
        yield from block


def nameless(seed: int, keys: int) -> Iterator[Push]:
    """The same without ids."""
    for push in stream(seed, keys):
        yield Push(push.source, push.body, push.content_type, None, push.records)


def poison(seed: int) -> Iterator[Push]:
    """Customers of an unknown type: each is stored and parked."""
    for number in itertools.count():
        yield crm.push("customers", [customer(900_000 + number, 1) | {"CUST_TYPE": "9"}], f"p{seed}-{number}")


def instances(seed: int, keys: int) -> Iterator[Push]:
    """BOSS's messages, each with an id: over AMQP what is not acknowledged in time comes again."""
    chance = random.Random(seed)
    for place in itertools.count(1):
        number = chance.randrange(keys)
        one = portfolio.Subscription(
            id=f"S{number}", number=f"1380000{number:04}", product="P1", owner=f"L{number:09}", user=f"L{number:09}", payer=f"L{number:09}",
            accounts=(), status=chance.choice(("active", "suspended")), start=people.NOW.date(), end=None, settings=(("n", str(place)),),
        )  # fmt: skip
        yield boss.push([boss.instance(one, place, "MOD")], f"b{seed}-{place}")


def rows(first: int, count: int, charge: int) -> list[str]:
    """Rows of the telco file; `charge` in yuan makes them say something new."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def name(number: int) -> str:
        return "".join(letters[number // 26**place % 26] for place in range(5))

    return [
        f"{n % 10000:04}-{name(n)},Female,0,Yes,No,1,{PHONE},Two year,No,Mailed check,{charge}.50,{charge}.50,No"
        for n in range(first, first + count)
    ]


def drop(folder: Path, name: str, lines: Iterable[str], log: list[Attempt]) -> Attempt:
    """Lay a file out, whole from the first look on; acknowledged when it is moved away."""
    text = "\n".join([HEADER, *lines]) + "\n"
    body = text.encode()
    part = folder / f".{name}.part"
    part.write_bytes(body)
    attempt = Attempt(f"f{next(_numbers)}", "telco/customers", hashlib.sha256(body).hexdigest()[:24], "", text.count("\n") - 1, "invoke",
                      chunked=True)  # fmt: skip
    log.append(attempt)
    part.rename(folder / name)
    return attempt


def told(folder: Path, name: str, attempt: Attempt, log: list[Attempt]) -> bool:
    """Whether the file was moved away; written down once it was."""
    if (folder / name).exists():
        return False
    log.append(attempt._replace(outcome="ok"))
    return True


class Load:
    """Several clients at once, until told to stop; `pause` is what each waits between two messages, in seconds."""

    def __init__(self, port: int, key: str, log: list[Attempt], pause: float = 0.004) -> None:
        self._port, self._key, self._log, self._pause = port, key, log, pause
        self.stop_now = threading.Event()
        self._threads: list[threading.Thread] = []
        self.clients: list[Client] = []

    def run(self, pushes: Iterable[Push]) -> None:
        """One more client with these messages."""
        client = Client(self._port, self._key, self._log)
        self.clients.append(client)

        def work() -> None:
            for push in pushes:
                client.send(push)
                if self.stop_now.wait(self._pause):
                    break
            client.close()

        self._start(work)

    def files(self, folder: Path, rows_each: int, every: float) -> None:
        """One file after the other, each some rows of the last changed and some new ones."""

        def work() -> None:
            for number in itertools.count():
                name = f"base-{number}.csv"
                attempt = drop(folder, name, rows(number * rows_each // 2, rows_each, number + 1), self._log)
                while not told(folder, name, attempt, self._log):
                    time.sleep(0.02)
                if self.stop_now.wait(every):
                    break

        self._start(work)

    def start(self, work: Callable[[threading.Event], None]) -> None:
        """Something else that ends when the event is set."""
        self._start(lambda: work(self.stop_now))

    def _start(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def answers(self, *statuses: int) -> int:
        """How many answers of these statuses came."""
        return sum(client.statuses[status] for client in self.clients for status in statuses)

    def more(self, messages: int) -> None:
        """Wait until so many more are acknowledged."""
        enough = self.answers(202) + messages
        services.wait_for(lambda: self.answers(202) >= enough, 60, f"load of {messages} messages more")

    def join(self, seconds: float = 60.0) -> None:
        """Wait until everybody has sent everything."""
        for thread in self._threads:
            thread.join(seconds)
            assert not thread.is_alive(), "a client did not come to its end"

    def stop(self, seconds: float = 60.0) -> None:
        """Let everybody finish what is begun: what is unknown and has an id is sent until it is known. The hub must be up."""
        self.stop_now.set()
        self.join(seconds)
