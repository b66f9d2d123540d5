"""Bad records of every kind, each with what the hub must say of it and, where there is one, its corrected copy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from demo import billing, boss, crm, feeds, people, portfolio

Stage = Literal["receive", "decode", "check", "map", ""]
FIRST = 9_000_000  # customers with these numbers are not among the good ones


@dataclass(frozen=True, slots=True)
class Bad:
    """One push whose record number `row` is bad; the others in it are good.

    `stage` and `code` are where and as what it ends: `receive` is a refusal at the door (over AMQP, where nobody can be
    told, a dead letter); "" is none at all, since what it points at may still come. `before` is sent first; `corrected` is a
    body with that one record put right.
    """

    label: str
    push: feeds.Push
    stage: Stage
    code: str
    row: int = 0
    corrected: bytes | None = None
    before: feeds.Push | None = None

    @property
    def dead(self) -> int:
        """How many dead letters it leaves: refusals over HTTP are told to the sender and leave none."""
        return int(bool(self.stage) and not (self.stage == "receive" and self.push.source.startswith("crm/")))


@dataclass(frozen=True, slots=True)
class BadRow:
    """One bad row of `account_rows`."""

    label: str
    row: int
    stage: Stage
    code: str
    corrected: bytes | None


@dataclass(frozen=True, slots=True)
class Untouched:
    """A file that the hub must leave where it is, with an alarm that holds `words`."""

    label: str
    file: billing.File
    words: str


def _good(number: int) -> crm.Record:
    return crm.customer(people.customer(0, FIRST + number), feeds.at(0))


def _named(label: str, feed: str, body: bytes, records: int = 1) -> feeds.Push:
    return feeds.Push(f"crm/{feed}", body, crm.JSON, f"bad-{label.replace(' ', '-')}", records)


def _json(label: str, number: int, **wrong: object) -> tuple[feeds.Push, bytes]:
    """A customer with these fields instead, None leaving one out; and the customer as it should be."""
    good = _good(number)
    bad = {name: value for name, value in (good | wrong).items() if value is not None}
    return _named(label, "customers", orjson.dumps(bad)), orjson.dumps(good)


def _field(label: str, number: int, stage: Stage, code: str, **wrong: object) -> Bad:
    push, corrected = _json(label, number, **wrong)
    return Bad(label, push, stage, code, corrected=corrected)


def over_http() -> list[Bad]:
    """What CRM gets wrong."""
    text = orjson.dumps(_good(0)).decode()
    name = text.index('"CUST_NAME":"') + len('"CUST_NAME":"')
    card = str(_good(20)["CERT_NO"]) if _good(20)["CERT_TYPE"] == "01" else people.card(0, FIRST + 20)[1]
    mistyped = card[:-1] + ("1" if card[-1] == "0" else "0")
    twice = _good(5)
    return [
        _refused("broken JSON", text[:-20].encode(), "Undecodable"),
        _refused("doubled key", text.replace("{", '{"CUST_ID":"C0",', 1).encode(), "Unsafe"),
        _refused("NaN", text.replace("{", '{"CREDIT":NaN,', 1).encode(), "Unsafe"),
        _refused("NUL in a text", (text[:name] + "\\u0000" + text[name:]).encode(), "Unsafe"),
        _refused("lone surrogate", (text[:name] + "\\ud800" + text[name:]).encode(), "Unsafe"),
        _refused("GBK instead of UTF-8", text.encode("gb18030"), "Undecodable"),
        _refused("nested 100 deep", text.replace("{", '{"DEEP":' + "[" * 100 + "]" * 100 + ",", 1).encode(), "Unsafe"),
        _refused("integer of 30 digits", text.replace("{", '{"CREDIT":' + "9" * 30 + ",", 1).encode(), "Unsafe"),
        _field("name is a number", 1, "check", "SchemaViolation", CUST_NAME=12345),
        _field("no name", 2, "check", "SchemaViolation", CUST_NAME=None),
        _field("time in another form", 3, "check", "SchemaViolation", UPD_TIME="2026-11-01 08:00:00"),
        _field("unknown customer type", 4, "map", "MappingFailure", CUST_TYPE="9"),
        _field("wrong check digit", 20, "map", "MappingFailure", CERT_TYPE="01", CERT_NO=mistyped),
        _field("30 February", 6, "map", "MappingFailure", BIRTHDAY="19900230"),
        _one_of_three(),
        Bad(
            "same id other body",
            _named("same id", "customers", orjson.dumps(twice | {"CUST_LEVEL": "04", "STREET": "人民路1号"})),
            "receive",
            "IdConflict",
            before=_named("same id", "customers", orjson.dumps(twice)),
        ),
        *_of_orders(),
        _of_accounts(),
    ]


def _refused(label: str, body: bytes, code: str) -> Bad:
    return Bad(label, _named(label, "customers", body), "receive", code)


def _one_of_three() -> Bad:
    first, bad, last = _good(7), _good(8), _good(9)
    body = orjson.dumps([first, bad | {"CUST_ID": ""}, last])
    return Bad("one bad of three", _named("one of three", "customers", body, 3), "check", "SchemaViolation", 1, orjson.dumps(bad))


def _of_orders() -> list[Bad]:
    line = portfolio.Line("add", "P5G129", f"PI{FIRST * 8 + 1:010}")
    customer = people.customer_number(FIRST)
    model = crm.order(portfolio.Order(f"O{FIRST}1", customer, "web", people.NOW, "completed", (line,)), feeds.at(0))

    def wrong(label: str, stage: Stage, code: str, **fields: object) -> Bad:
        body = orjson.dumps(model | {"ORDER_ID": f"O{FIRST}-{label}"[:32]} | fields)
        right = orjson.dumps(model | {"ORDER_ID": f"O{FIRST}-{label}"[:32]}) if stage else None
        return Bad(label, _named(label, "orders", body), stage, code, corrected=right)

    return [
        wrong("unknown channel", "map", "MappingFailure", CHANNEL_ID="999"),
        wrong("no lines", "check", "SchemaViolation", ITEMS=[]),
        wrong("month 13", "map", "MappingFailure", ORDER_TIME="20261301090000"),
        wrong("dangling reference", "", "", CUST_ID="C99999999"),
    ]


def _of_accounts() -> Bad:
    label = "amount with three places"
    good = {"ACCT_ID": f"A{FIRST}1", "CUST_ID": people.customer_number(FIRST), "BALANCE": "128.50", "UPD_TIME": crm.stamp(feeds.at(0))}
    body = orjson.dumps(good | {"BALANCE": "128.505"})
    return Bad(label, _named(label, "accounts", body), "map", "MappingFailure", corrected=orjson.dumps(good))


def over_amqp() -> list[Bad]:
    """What BOSS gets wrong."""
    held = portfolio.holding(0, FIRST)
    one = held.subscriptions[0]
    other = dataclasses.replace(one, id=f"{one.id}X", number=f"{one.number}9")
    good = boss.push([boss.instance(one, 1)], None).body
    two = boss.push([boss.instance(one, 1), boss.instance(other, 1).replace("<Status>", "<Status>9")], "bad-unknown-status")
    right = boss.push([boss.instance(other, 1)], None).body

    def wrong(label: str, stage: Stage, code: str, body: bytes, corrected: bytes | None = good) -> Bad:
        push = feeds.Push(boss.SOURCE, body, boss.XML, f"bad-{label.replace(' ', '-')}", 1)
        return Bad(label, push, stage, code, corrected=corrected)

    doctype = good.replace(b"<InstanceSync", b'<!DOCTYPE InstanceSync [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<InstanceSync', 1)
    customer = f"<CustId>{one.owner}</CustId>".encode()
    same = feeds.Push(boss.SOURCE, good.replace(b">100<", b">110<"), boss.XML, "bad-same-serial", 1)
    return [
        wrong("DOCTYPE", "receive", "Unsafe", doctype),
        wrong("XML cut off", "receive", "Undecodable", good[:-30]),
        wrong("not what the XSD says", "check", "SchemaViolation", good.replace(customer, b"", 1)),
        wrong("unknown role", "map", "MappingFailure", good.replace(b'role="PAYER"', b'role="GUEST"')),
        Bad("unknown status beside a good record", two, "map", "MappingFailure", 1, right),
        Bad(
            "same serial other body",
            dataclasses.replace(same, body=good.replace(b"<Seq>1<", b"<Seq>2<")),
            "receive",
            "IdConflict",
            before=dataclasses.replace(same, body=good),
        ),
    ]


_ROWS: Sequence[tuple[str, Stage, str, bytes, bytes]] = (
    ("byte of no encoding", "decode", "Undecodable", b"|\xd5\xc5\xff\xff|", "|张伟|".encode(billing.ENCODING)),
    ("a delimiter inside a name", "decode", "Undecodable", "|张|伟|".encode(billing.ENCODING), "|张伟|".encode(billing.ENCODING)),
    ("unknown way to pay", "check", "SchemaViolation", b"|ZZ|", b"|TS|"),
    ("amount in words", "check", "SchemaViolation", "|一百|".encode(billing.ENCODING), b"|0|"),
    ("unknown bill day", "map", "MappingFailure", b"|31|", b"|01|"),
)


def account_rows() -> tuple[billing.File, list[BadRow]]:
    """A file with a bad row of each kind between two good ones; its control file agrees with it."""

    def line(number: int) -> bytes:
        stamp = crm.stamp(feeds.at(0))
        return f"A{FIRST + number}1|{people.customer_number(FIRST)}|张伟|TS|01|1|0|{stamp}|A".encode(billing.ENCODING)

    lines, bad = [line(100)], []
    for row, (label, stage, code, wrong, right) in enumerate(_ROWS, 1):
        good = line(100 + row)
        lines.append(good.replace(right, wrong, 1))
        bad.append(BadRow(label, row, stage, code, good + b"\r\n"))
    return billing.raw_account_file([*lines, line(199)], "ACCT_999_20261101_9001.txt", 0), bad


def files() -> list[Untouched]:
    """Files that are not to be trusted."""
    row = billing.account(portfolio.Account(f"A{FIRST + 300}1", people.customer_number(FIRST), "张伟", "bank", 1, "open", 100), 0)
    good = billing.account_file([row], "ACCT_999_20261101_9101.txt")
    short = billing.account_file([row, row], "ACCT_999_20261101_9102.txt")
    return [
        Untouched("control file says other rows", dataclasses.replace(good, control=good.control.replace(b"|1|", b"|2|", 1)), "rows"),
        Untouched("file was cut short", dataclasses.replace(short, body=good.body), "rows"),
    ]
