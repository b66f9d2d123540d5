"""Billing's own words: account and catalogue files in GB18030 with their control files, names with period and sequence."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo import crm, feeds, people, portfolio

ENCODING = "gb18030"
ACCOUNTS = "out/accounts"
PRODUCTS = "out/products"
_METHOD = {"cash": "XJ", "bank": "TS", "card": "KK", "wallet": "DZ"}
_STATE = {"open": "1", "frozen": "2", "closed": "9"}
_CHANNEL = {"shop": "YYT", "web": "WT", "app": "APP", "hotline": "RX", "manager": "KHJL"}
_BALANCE = 6
_PRODUCT_COLUMNS = "OFFER_ID|OFFER_NAME|BUNDLE_FLAG|PARTS|MONTHLY_FEN|ONCE_FEN|STATUS|CHANNELS|EFF_DATE|EXP_DATE|SPEC"


@dataclass(frozen=True, slots=True)
class File:
    """A data file and its control file; `source` is the feed that takes it, `folder` where billing lays it out."""

    source: str
    folder: str
    name: str
    body: bytes
    control: bytes
    rows: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def lay_out(self, root: Path) -> Path:
        """Write it under `root` as a careful sender does: under another name first, the control file last."""
        target = root / self.folder
        target.mkdir(parents=True, exist_ok=True)
        for name, body in ((self.name, self.body), (f"{self.name}.ctl", self.control)):
            part = target / f".{name}.part"
            part.write_bytes(body)
            part.rename(target / name)
        return target / self.name


def account(one: portfolio.Account, turn: int, operation: str = "A") -> list[str]:
    """A row of the account file; the balance in fen."""
    when = crm.stamp(feeds.at(turn))
    day = f"{one.cycle:02}"
    return [one.number, one.customer, one.name, _METHOD[one.method], day, _STATE[one.state], str(one.balance), when, operation]


def product(one: portfolio.Product) -> list[str]:
    """A row of the catalogue file."""
    state = "1" if one.state == "active" else "0"
    flag = "Y" if one.bundled else "N"
    prices = [str(one.monthly), str(one.once)]
    parts, channels = ",".join(one.bundled), ";".join(_CHANNEL[channel] for channel in one.channels)
    return [one.code, one.name, flag, parts, *prices, state, channels, f"{one.since:%Y%m%d}", "20991231", one.specification]


def account_file(rows: Sequence[Sequence[str]], name: str) -> File:
    """Rows without a header; the control file says name|rows|bytes|sum of balances|md5."""
    return raw_account_file(["|".join(row).encode(ENCODING) for row in rows], name, sum(int(row[_BALANCE]) for row in rows))


def raw_account_file(lines: Sequence[bytes], name: str, total: object) -> File:
    """The same of lines as they are, with the sum that the control file is to say."""
    body = b"".join(line + b"\r\n" for line in lines)
    return File("billing/accounts", ACCOUNTS, name, body, control(name, len(lines), len(body), total, _md5(body)), len(lines))


def product_file(rows: Sequence[Sequence[str]], name: str) -> File:
    """Rows under a header; the control file says name|rows|bytes|md5."""
    body = "".join(f"{line}\n" for line in (_PRODUCT_COLUMNS, *map("|".join, rows))).encode(ENCODING)
    return File("billing/products", PRODUCTS, name, body, control(name, len(rows), len(body), _md5(body)), len(rows))


def control(*values: object) -> bytes:
    """A control file: one line of values with | between."""
    return ("|".join(map(str, values)) + "\n").encode()


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def catalogue(turn: int = 0) -> File:
    """The product catalogue, whole."""
    return product_file([product(one) for one in portfolio.CATALOGUE], f"PROD_{feeds.at(turn):%Y%m%d}_{turn + 1:04}.txt")


def accounts(seed: int, count: int, turn: int = 0) -> File:
    """In turn 0 every account, later those whose balance moved: one customer in three."""
    rows = list(_balances(seed, count, turn))
    return account_file(rows, f"ACCT_{seed % 1000:03}_{feeds.at(turn):%Y%m%d}_{turn + 1:04}.txt")


def _balances(seed: int, count: int, turn: int) -> Iterator[list[str]]:
    for number in range(count):
        chance = people.rng(seed, f"balance/{turn}", number)
        if turn == 0 or chance.random() < 1 / 3:
            for one in portfolio.accounts(seed, number, people.customer(seed, number)):
                moved = dataclasses.replace(one, balance=one.balance + (chance.randrange(-9000, 30000) if turn else 0))
                yield account(moved, turn, "M" if turn else "A")
