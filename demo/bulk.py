"""Large account files for `bench file`: as many distinct rows as wanted, written as a stream, with their control file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from demo import billing, crm, feeds, names, people

_LINES = 20_000  # rows that are encoded and written at a time


def write(root: Path, name: str, rows: int, *, first: int = 0, turn: int = 0) -> Path:
    """Write `rows` accounts under `root` as billing lays its files out; each turn gives every account another balance.

    About 90 bytes a row, in flat memory; answers the data file's path. The customers it points at need not exist.
    """
    folder = root / billing.ACCOUNTS
    folder.mkdir(parents=True, exist_ok=True)
    part, digest, size, total = folder / f".{name}.part", hashlib.md5(usedforsecurity=False), 0, 0
    owners = [names.person(people.rng(0, "bulk", number), number % 2 == 0) for number in range(997)]
    stamp = crm.stamp(feeds.at(turn))
    with part.open("wb") as file:
        for start in range(first, first + rows, _LINES):
            numbers = range(start, min(start + _LINES, first + rows))
            block = "".join(_row(number, owners[number % len(owners)], turn, stamp) for number in numbers).encode(billing.ENCODING)
            total += sum(_balance(number, turn) for number in numbers)
            size += len(block)
            digest.update(block)
            file.write(block)
    part.rename(folder / name)
    (folder / f".{name}.ctl.part").write_bytes(billing.control(name, rows, size, total, digest.hexdigest()))
    (folder / f".{name}.ctl.part").rename(folder / f"{name}.ctl")
    return folder / name


def _balance(number: int, turn: int) -> int:
    return number * 37 % 100_000 + turn + 1


def _row(number: int, owner: str, turn: int, stamp: str) -> str:
    return f"F{number:010}|K{number:010}|{owner}|TS|01|1|{_balance(number, turn)}|{stamp}|{'M' if turn else 'A'}\r\n"
