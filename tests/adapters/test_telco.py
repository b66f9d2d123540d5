"""The real file of 7,043 customers arrives whole, without Python in its mapping."""

from __future__ import annotations

import csv
import io
from collections import Counter
from decimal import Decimal
from pathlib import Path

from adapters import catalogue
from config import rules
from routes.inbound import Inbound
from schemas import canonical

SYSTEM = catalogue.load([catalogue.PACKAGED]).system("telco")
FEED = Inbound(SYSTEM, "customers", rules.load(None, canonical.entity_names()))
FILE = (Path(__file__).parents[2] / "demo/data/telco/Telco-Customer-Churn.csv").read_bytes()


def test_every_customer_and_the_control_figure_are_found_again() -> None:
    """7,043 customers, one account each, and the sum of the monthly charges in fen, each on exactly one record."""
    rows = list(csv.DictReader(io.StringIO(FILE.decode())))
    steps = list(FEED.steps(FILE))
    assert [step.failure for step in steps if step.failure] == []
    records = [record for step in steps for record in step.mapped]
    kinds = Counter(record.kind for record in records)
    assert (kinds["customer"], kinds["account"]) == (len(rows), len(rows)) == (7043, 7043)
    phones = sum(row["PhoneService"] == "Yes" for row in rows)
    lines = sum(row["InternetService"] != "No" for row in rows)
    assert kinds["subscription"] == phones + lines
    charges = [
        (record.key, entry["value"])
        for record in records
        for entry in record.state.get("characteristic", [])
        if entry["name"] == "monthlyCharge"
    ]
    assert len({key for key, _ in charges}) == len(charges) == 7043
    assert sum(value for _, value in charges) == sum(Decimal(row["MonthlyCharges"]) for row in rows) * 100


def test_the_products_are_the_same_from_every_row() -> None:
    """A product that thousands of rows name is one record, and a repeat of it changes nothing."""
    products = {(record.key, str(record.state)) for step in FEED.steps(FILE) for record in step.mapped if record.kind == "product"}
    assert sorted(key for key, _ in products) == ["TELCO-NET-DSL", "TELCO-NET-FIBRE", "TELCO-PHONE-1", "TELCO-PHONE-N"]


def test_no_python_is_in_the_folder() -> None:
    """The mapping says it all."""
    assert [name for name in SYSTEM.files if name.endswith(".py")] == []
