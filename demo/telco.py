"""The customer base of a bought-up operator: a real file, 7,043 rows, published by IBM, and its control figures."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

FILE = Path(__file__).parent / "data" / "telco" / "Telco-Customer-Churn.csv"
SOURCE = "telco/customers"


@dataclass(frozen=True)
class Figures:
    """What must arrive: the rows, and the sum of their monthly charges in fen."""

    rows: int
    monthly_fen: int
    sha256: str


def figures() -> Figures:
    """Counted from the file itself."""
    with FILE.open(encoding="utf-8", newline="") as file:
        charges = [Decimal(row["MonthlyCharges"]) for row in csv.DictReader(file)]
    return Figures(len(charges), int(sum(charges) * 100), hashlib.sha256(FILE.read_bytes()).hexdigest())


def lay_out(folder: Path) -> Path:
    """Put it into the folder that the feed watches, under its final name only when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{FILE.name}.part"
    part.write_bytes(FILE.read_bytes())
    return part.rename(folder / FILE.name)
