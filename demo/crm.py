"""The CRM's own words: customers, accounts and orders as it posts them, one record or a list in a body."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from demo import feeds, people, portfolio

JSON = "application/json"
_LEVEL = {"standard": "01", "silver": "02", "gold": "03", "diamond": "04"}
_SEGMENT = {"public": "10", "business": "20", "government": "30"}
_METHOD = {"cash": "1", "bank": "2", "card": "3", "wallet": "4"}
_CHANNEL = {"shop": "101", "web": "102", "app": "103", "hotline": "104", "manager": "105"}
_ACTION = {"add": "A", "modify": "M", "delete": "D"}
_ACCOUNT = {"open": "10A", "frozen": "10B", "closed": "10X"}
_ORDER = {"acknowledged": "0", "inProgress": "1", "completed": "2", "cancelled": "3", "failed": "4", "held": "5", "pending": "6"}

Record = dict[str, Any]


def stamp(when: datetime.datetime) -> str:
    """A time as CRM and billing write it."""
    return f"{when:%Y%m%d%H%M%S}"


def customer(one: people.Customer, when: datetime.datetime) -> Record:
    """A row of CRM's customer table."""
    person = one.kind == "individual"
    return {
        "CUST_ID": one.number,
        "CUST_NAME": one.name,
        "CUST_TYPE": "1" if person else "2",
        "CERT_TYPE": "01" if person else "02",
        "CERT_NO": one.id_number,
        "BIRTHDAY": f"{one.birth:%Y%m%d}" if one.birth else "",
        "MOBILE": one.mobile,
        "TEL": one.phone,
        "EMAIL": one.email,
        "CUST_LEVEL": _LEVEL[one.level],
        "CUST_SEGMENT": _SEGMENT[one.segment],
        "CUST_STATE": "1",
        "BRANCH_NAME": one.branch,
        "PROVINCE": one.address.province,
        "CITY": one.address.city,
        "DISTRICT": one.address.district,
        "STREET": one.address.street,
        "POSTCODE": one.address.postcode,
        "DIVISION_CODE": one.address.code,
        "PARTIES": [_party(role, party) for role, party in (("M", one.manager), ("C", one.contact)) if party is not None],
        "UPD_TIME": stamp(when),
        "OP_TYPE": "U",
    }


def _party(role: str, party: people.Party) -> Record:
    found = {"PARTY_ROLE": role, "PARTY_NAME": party.name, "PARTY_PHONE": party.phone}
    return found | {"STAFF_ID": party.staff} if party.staff else found


def account(one: portfolio.Account, when: datetime.datetime) -> Record:
    """A row of CRM's account table; amounts in yuan. The balance is billing's to say."""
    return {
        "ACCT_ID": one.number,
        "CUST_ID": one.customer,
        "ACCT_NAME": one.name,
        "PAY_TYPE": _METHOD[one.method],
        "BILL_CYCLE": f"{one.cycle:02}",
        "ACCT_STATE": _ACCOUNT[one.state],
        "BALANCE": f"{one.balance / 100:.2f}",
        "UPD_TIME": stamp(when),
        "OP_TYPE": "U",
    }


def order(one: portfolio.Order, when: datetime.datetime) -> Record:
    """An order with its lines."""
    return {
        "ORDER_ID": one.number,
        "CUST_ID": one.customer,
        "CHANNEL_ID": _CHANNEL[one.channel],
        "ORDER_TIME": stamp(one.at),
        "ORDER_STATE": _ORDER[one.state],
        "ITEMS": [
            {"ACTION": _ACTION[line.action], "OFFER_ID": line.product, "PROD_INST_ID": line.subscription, "QTY": line.quantity}
            for line in one.lines
        ],
        "UPD_TIME": stamp(when),
    }


def push(feed: str, records: Sequence[Record], message_id: str | None, lane: int | None = None) -> feeds.Push:
    """A message: one record as an object, more as a list."""
    body = orjson.dumps(records[0] if len(records) == 1 else list(records))
    return feeds.Push(f"crm/{feed}", body, JSON, message_id, len(records), lane)


def pushes(seed: int, count: int, turn: int = 0) -> Iterator[feeds.Push]:
    """All that CRM sends in a turn: in turn 0 everything it has, later the customers that moved.

    Of the moves, every tenth is sent twice under its id, every tenth without an id, twice, and every tenth with the older
    address arriving after the newer one.
    """
    if turn:
        yield from _moves(seed, count, turn)
        return
    when = feeds.at(0)
    kept = list(feeds.holdings(seed, count))
    yield from _all("customers", (customer(held.customer, when) for held in kept), seed)
    yield from _all("accounts", (account(one, when) for held in kept for one in held.accounts), seed)
    yield from _all("orders", (order(one, when) for held in kept for one in held.orders), seed)


def _all(feed: str, records: Iterable[Record], seed: int) -> Iterator[feeds.Push]:
    for number, batch in enumerate(feeds.batched(records, seed, feed)):
        yield push(feed, batch, f"crm-{seed}-{feed}-{number}")


def _moves(seed: int, count: int, turn: int) -> Iterator[feeds.Push]:
    movers = [number for number in range(count) if feeds.moved(seed, number, turn)]
    for place, number in enumerate(movers):
        now = customer(feeds.customer(seed, number, turn), feeds.at(turn))
        name = f"crm-{seed}-move-{turn}-{number}"
        match place % 10:
            case 3:
                yield from [push("customers", [now], name, number)] * 2
            case 5:
                yield from [push("customers", [now], None, number)] * 2
            case 7:
                before = customer(feeds.customer(seed, number, turn - 1), feeds.at(turn, -1))
                yield push("customers", [now], name, number)
                yield push("customers", [before], f"{name}-late", number)
            case _:
                yield push("customers", [now], name, number)


@functools.cache
def _models() -> list[Record]:
    people_only = [one for one in (people.customer(0, number) for number in range(400)) if one.kind == "individual"]
    return [customer(one, people.NOW) for one in people_only]


def load_bodies(first: int, count: int, size: int, turn: int) -> list[bytes]:
    """Bodies of `size` customers each for a load test: whole records, each with an id card, a phone and, by turn, a street of its own."""
    numbers = iter(range(first, first + count * size))
    when = stamp(feeds.at(turn))
    bodies = []
    for _ in range(count):
        records = [load_customer(next(numbers), turn, when) for _ in range(size)]
        bodies.append(orjson.dumps(records[0] if size == 1 else records))
    return bodies


def load_customer(number: int, turn: int, when: str) -> Record:
    """One customer of a load test."""
    models = _models()
    birth, card = people.card(0, number)
    return models[number % len(models)] | {
        "CUST_ID": f"L{number:09}",
        "CERT_NO": card,
        "BIRTHDAY": f"{birth:%Y%m%d}",
        "MOBILE": people.mobile(0, number),
        "STREET": f"人民路{number}号{turn + 1}栋",
        "UPD_TIME": when,
    }
