"""The operator's customers: people and organisations, the n-th always the same for a seed."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from random import Random
from typing import Literal

from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

from demo import names, places

Kind = Literal["individual", "organization"]
LEVELS = {"standard": 70, "silver": 18, "gold": 9, "diamond": 3}
NOW = datetime.datetime(2026, 11, 1, 8, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=8)))
_PREFIXES = ("134", "135", "136", "137", "138", "139", "150", "151", "152", "157", "158", "159", "182", "183", "187", "188", "198")
_FIRST_BIRTH = datetime.date(1950, 1, 1).toordinal()
_DAYS = 20_000  # up to 2004
_SPREAD = 7_919_993  # shares no factor with the ranges below: consecutive numbers land far apart and never twice


@dataclass(frozen=True, slots=True)
class Address:
    """Where a customer is; `code` is the division's."""

    province: str
    city: str
    district: str
    street: str
    postcode: str
    code: str


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who acts for the customer, or the operator's manager for it (then with a staff number)."""

    name: str
    phone: str
    staff: str = ""


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer in the operator's plain terms. `id_number` is a resident id card's or a social credit code."""

    number: str
    name: str
    kind: Kind
    birth: datetime.date | None
    id_number: str
    mobile: str
    phone: str
    email: str
    level: str
    segment: str
    branch: str
    address: Address
    manager: Party | None
    contact: Party | None
    status: str = "active"


def rng(seed: int, what: str, number: int) -> Random:
    """Chance of its own for every thing, so that one more customer changes none of the others."""
    return Random(f"{seed}/{what}/{number}")


def customer(seed: int, number: int) -> Customer:
    """The customer with this number, from 0; about one in eight is an organisation. Numbers up to ten million differ in id and phone."""
    chance = rng(seed, "customer", number)
    home = chance.choice(places.divisions())
    organization = chance.random() < 1 / 8
    level = chance.choices(list(LEVELS), list(LEVELS.values()))[0]
    birth, id_number, male = _citizen(chance, number, seed)
    name = names.organization(chance, home.short, number) if organization else names.person(chance, male)
    return Customer(
        number=customer_number(number),
        name=name,
        kind="organization" if organization else "individual",
        birth=None if organization else birth,
        id_number=_credit_code(home.code, number, seed) if organization else id_number,
        mobile=mobile(seed, number * 8),
        phone=places.landline(chance, home) if organization or chance.random() < 0.2 else "",
        email=f"u{number + 1}@example.cn" if chance.random() < 0.6 else "",
        level=level,
        segment=chance.choice(["business", "business", "government"]) if organization else "public",
        branch=f"{home.short}分公司",
        address=address(chance, home),
        manager=Party(names.person(chance, male), mobile(seed, number * 8 + 7), f"S{number % 400:05}")
        if organization or level == "diamond"
        else None,
        contact=Party(names.person(chance, not male), mobile(seed, number * 8 + 6)) if organization else None,
    )


def customer_number(number: int) -> str:
    """What the customer with this number, from 0, is known by."""
    return f"C{number + 1:08}"


def address(chance: Random, division: places.Division) -> Address:
    """A place to live in this division."""
    return Address(
        division.province, division.city, division.district, names.street(chance), places.postcode(chance, division), division.code
    )


def mobile(seed: int, number: int) -> str:
    """A mobile number that no other `number` has."""
    tail = (number * _SPREAD + seed * 104_729) % 10**8
    return f"{_PREFIXES[number % len(_PREFIXES)]}{tail:08}"


def _citizen(chance: Random, number: int, seed: int) -> tuple[datetime.date, str, bool]:
    """Birth date, 18-digit id and sex. The division in it is one that existed in the year of birth."""
    birth, order = _born(seed, number)
    for _ in range(20):
        found = _checked(f"{chance.choice(places.divisions()).code}{birth:%Y%m%d}{order:03}")
        if _existed(found):
            return birth, found, order % 2 == 1
    return *card(seed, number), order % 2 == 1


def card(seed: int, number: int) -> tuple[datetime.date, str]:
    """Birth date and 18-digit id of somebody born in the middle of Beijing; no other `number` has it."""
    birth, order = _born(seed, number)
    return birth, _checked(f"110101{birth:%Y%m%d}{order:03}")


def _born(seed: int, number: int) -> tuple[datetime.date, int]:
    serial = (number * _SPREAD + seed * 15_485_863) % (_DAYS * 1000)
    return datetime.date.fromordinal(_FIRST_BIRTH + serial // 1000), serial % 1000


def _existed(card: str) -> bool:
    try:
        return bool(ric.validate(card))
    except (ValidationError, KeyError):  # KeyError: python-stdnum knows the province and no such county
        return False


def _checked(digits: str) -> str:
    return digits + ric.calc_check_digit(f"{digits}0")


def _credit_code(division: str, number: int, seed: int) -> str:
    body = f"91{division}{(number * _SPREAD + seed) % 10**9:09}"
    return body + uscc.calc_check_digit(body)
