"""What the customers have: the product catalogue, accounts, subscriptions and orders, in the operator's plain terms."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from demo import people

Subscribed = Literal["active", "suspended", "terminated", "pending"]
Ordered = Literal["acknowledged", "inProgress", "completed", "cancelled", "failed", "held", "pending"]


@dataclass(frozen=True, slots=True)
class Product:
    """An offering; `monthly` and `once` in fen, `bundled` the codes of its parts."""

    code: str
    name: str
    monthly: int = 0
    once: int = 0
    bundled: tuple[str, ...] = ()
    channels: tuple[str, ...] = ("shop", "web")
    state: Literal["active", "retired"] = "active"
    since: datetime.date = datetime.date(2024, 1, 1)
    specification: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays and how; `balance` in fen, below zero where money is owed."""

    number: str
    customer: str
    name: str
    method: Literal["bank", "cash", "card", "wallet"]
    cycle: int
    state: Literal["open", "frozen", "closed"]
    balance: int


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is used. `id` is BOSS's, `number` what people dial; owner, user and payer are customers; `accounts` are (number, percent)."""

    id: str
    number: str
    product: str
    owner: str
    user: str
    payer: str
    accounts: tuple[tuple[str, int], ...]
    status: Subscribed
    start: datetime.date
    end: datetime.date | None = None
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order."""

    action: Literal["add", "modify", "delete"]
    product: str
    subscription: str
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class Order:
    """What a customer asked for."""

    number: str
    customer: str
    channel: Literal["shop", "web", "app", "hotline", "manager"]
    at: datetime.datetime
    state: Ordered
    lines: tuple[Line, ...]


CATALOGUE: Sequence[Product] = (
    Product("P5G129", "5G畅享套餐129元", 12900, specification="5G语音500分钟，流量30GB"),
    Product("P5G199", "5G畅享套餐199元", 19900, specification="5G语音1000分钟，流量60GB"),
    Product("P5G299", "5G尊享套餐299元", 29900, specification="5G语音1500分钟，流量100GB"),
    Product("P4G038", "4G飞享套餐38元", 3800, specification="语音50分钟，流量500MB", state="retired", since=datetime.date(2016, 6, 1)),
    Product("P4G058", "4G飞享套餐58元", 5800, specification="语音150分钟，流量1GB", since=datetime.date(2016, 6, 1)),
    Product("P008", "神州行标准资费8元", 800, channels=("shop", "hotline"), since=datetime.date(2012, 1, 1)),
    Product("BB300", "宽带300M", 5900, 10000, specification="光纤到户，下行300Mbps"),
    Product("BB1000", "千兆宽带", 9900, 10000, specification="光纤到户，下行1000Mbps"),
    Product("IPTV", "互动电视", 2000, specification="4K机顶盒一台"),
    Product("FTTR", "全屋WiFi组网", 3900, 29900),
    Product("FAM199", "全家享融合套餐199元", 19900, bundled=("P5G129", "BB300", "IPTV")),
    Product("FAM299", "全家享融合套餐299元", 29900, bundled=("P5G199", "BB1000", "IPTV", "FTTR")),
    Product("ADD10G", "流量加油包10GB", 1000, channels=("web", "app")),
    Product("ADDINT", "国际漫游日包", 0, 3000, channels=("web", "app", "hotline")),
    Product("ADDVID", "视频会员权益“畅看”", 1500, channels=("app",)),
    Product("RBT", "彩铃", 500),
    Product("FIX", "固定电话", 1500, channels=("shop",), since=datetime.date(2010, 1, 1)),
    Product("GVPN", "集团V网", 300, channels=("manager",)),
    Product("GPBX", "云总机", 9800, channels=("manager",)),
    Product("GSMS", "集团短信", 50000, channels=("manager",), specification="每月10000条"),
    Product("GMMS", "企业彩信", 30000, channels=("manager",)),
    Product("GIOT", "物联网卡", 500, channels=("manager",)),
    Product("GLINE", "互联网专线100M", 280000, 100000, channels=("manager",), specification="上下行对称"),
    Product("GMPLS", "MPLS-VPN组网", 350000, 200000, channels=("manager",)),
    Product("GIDC", "IDC机柜租用", 600000, channels=("manager",)),
    Product("GCLOUD", "政企云主机", 45000, channels=("manager",)),
    Product("GALL", "中小企业一站式套餐", 69900, bundled=("GLINE", "GPBX", "GVPN"), channels=("manager",)),
)
_PERSONAL = [product.code for product in CATALOGUE if "manager" not in product.channels]
_GROUP = [product.code for product in CATALOGUE if "manager" in product.channels]
_FIXED = {"BB300", "BB1000", "IPTV", "FTTR", "GLINE", "GMPLS", "GIDC", "GCLOUD", "GALL"}
_CHANNELS: Sequence[Literal["shop", "web", "app", "hotline"]] = ("shop", "web", "app", "hotline")
_STATES: dict[Subscribed, int] = {"active": 88, "suspended": 6, "terminated": 4, "pending": 2}
_PROGRESS: dict[Ordered, int] = {"completed": 70, "inProgress": 12, "acknowledged": 8, "pending": 4, "held": 2, "cancelled": 3, "failed": 1}


def account_number(number: int, index: int = 0) -> str:
    """Accounts are numbered after their customer."""
    return f"A{number + 1:08}{index + 1}"


def accounts(seed: int, number: int, customer: people.Customer) -> tuple[Account, ...]:
    """One for a person, up to three for an organisation."""
    chance = people.rng(seed, "accounts", number)
    count = chance.choice([1, 2, 3]) if customer.kind == "organization" else 1
    return tuple(_account(chance, number, index, customer) for index in range(count))


def _account(chance: Random, number: int, index: int, customer: people.Customer) -> Account:
    return Account(
        account_number(number, index),
        customer.number,
        customer.name if index == 0 else f"{customer.name}（{index + 1}）",
        chance.choice(["bank", "cash", "card", "wallet"]),
        chance.choice([1, 1, 1, 15]),
        "frozen" if chance.random() < 0.02 else "open",
        chance.randrange(-20_000, 200_000),
    )


def subscriptions(seed: int, number: int, customer: people.Customer, owned: Sequence[Account]) -> tuple[Subscription, ...]:
    """One to three; for organisations some are used by a person, and the charge is split between accounts."""
    chance = people.rng(seed, "subscriptions", number)
    count = chance.choices([1, 2, 3], [60, 30, 10])[0]
    return tuple(_subscription(chance, seed, number * 8 + index + 1, customer, owned) for index in range(count))


def _subscription(chance: Random, seed: int, serial: int, customer: people.Customer, owned: Sequence[Account]) -> Subscription:
    group = customer.kind == "organization"
    product = chance.choice(_GROUP if group else _PERSONAL)
    status = chance.choices(list(_STATES), list(_STATES.values()))[0]
    start = people.NOW.date() - datetime.timedelta(days=chance.randrange(1, 3000))
    other = people.customer_number(max(0, serial // 8 - chance.randrange(1, 50)))
    return Subscription(
        f"PI{serial:010}",
        f"{'KD' if product in _FIXED else ''}{people.mobile(seed, serial)}",
        product,
        owner=customer.number,
        user=other if chance.random() < 0.1 else customer.number,
        payer=other if chance.random() < 0.03 else customer.number,
        accounts=_split(chance, owned),
        status=status,
        start=start,
        end=people.NOW.date() - datetime.timedelta(days=chance.randrange(1, 30)) if status == "terminated" else None,
        settings=(("bandwidth", chance.choice(["100M", "300M", "1000M"])),) if product in _FIXED else (("roaming", chance.choice("YN")),),
    )


def _split(chance: Random, owned: Sequence[Account]) -> tuple[tuple[str, int], ...]:
    if len(owned) == 1 or chance.random() < 0.5:
        return ((owned[0].number, 100),)
    share = chance.choice([50, 60, 70, 80])
    return ((owned[0].number, share), (owned[1].number, 100 - share))


def orders(seed: int, number: int, customer: people.Customer, used: Sequence[Subscription]) -> tuple[Order, ...]:
    """Up to two, each with a line or two for the customer's own subscriptions."""
    chance = people.rng(seed, "orders", number)
    return tuple(_order(chance, number, index, customer, used) for index in range(chance.choices([0, 1, 2], [30, 55, 15])[0]))


def _order(chance: Random, number: int, index: int, customer: people.Customer, used: Sequence[Subscription]) -> Order:
    one = chance.choice(used)
    lines = [Line("add", one.product, one.id)]
    if chance.random() < 0.3:
        lines.append(
            Line(
                chance.choice(["add", "modify"]),
                "GVPN" if customer.kind == "organization" else "ADD10G",
                one.id,
                chance.choice([1, 1, 2]),
            )
        )
    return Order(
        f"O{number + 1:08}{index + 1}",
        customer.number,
        "manager" if customer.kind == "organization" else chance.choice(_CHANNELS),
        people.NOW - datetime.timedelta(minutes=chance.randrange(1, 90 * 1440)),
        chance.choices(list(_PROGRESS), list(_PROGRESS.values()))[0],
        tuple(lines),
    )


@dataclass(frozen=True, slots=True)
class Holding:
    """One customer with all that belongs to it."""

    customer: people.Customer
    accounts: tuple[Account, ...]
    subscriptions: tuple[Subscription, ...]
    orders: tuple[Order, ...]


def holding(seed: int, number: int) -> Holding:
    """The customer with this number, from 0, and what it has."""
    customer = people.customer(seed, number)
    owned = accounts(seed, number, customer)
    used = subscriptions(seed, number, customer, owned)
    return Holding(customer, owned, used, orders(seed, number, customer, used))
