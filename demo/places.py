"""Where people live: China's divisions, with post codes and area codes."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from random import Random

FOLDER = Path(__file__).parent / "data" / "divisions"

# Province code: first digits of its post codes, area code of its capital, digits of a number there.
_POST = {
    "11": "10", "12": "30", "13": "05", "14": "03", "15": "01", "21": "11", "22": "13", "23": "15", "31": "20", "32": "21", "33": "31",
    "34": "23", "35": "35", "36": "33", "37": "25", "41": "45", "42": "43", "43": "41", "44": "51", "45": "53", "46": "57", "50": "40",
    "51": "61", "52": "55", "53": "65", "54": "85", "61": "71", "62": "73", "63": "81", "64": "75", "65": "83",
}  # fmt: skip
_AREA_CODES = {
    "11": "010", "12": "022", "13": "0311", "21": "024", "22": "0431", "23": "0451", "31": "021", "32": "025", "33": "0571", "34": "0551",
    "35": "0591", "36": "0791", "37": "0531", "41": "0371", "42": "027", "43": "0731", "44": "020", "46": "0898", "50": "023", "51": "028",
    "61": "029",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Division:
    """A county or district with the names above it; `code` has six digits."""

    code: str
    province: str
    city: str
    district: str

    @property
    def short(self) -> str:
        """The province as people say it."""
        for ending in ("维吾尔自治区", "壮族自治区", "回族自治区", "自治区", "省", "市"):
            if self.province.endswith(ending):
                return self.province.removesuffix(ending)
        return self.province


@functools.cache
def divisions() -> tuple[Division, ...]:
    """All of them, in the order of their codes."""
    provinces = {row["code"]: row["name"] for row in _rows("provinces")}
    cities = {row["code"]: row["name"] for row in _rows("cities")}
    found = []
    for row in _rows("areas"):
        province = provinces[row["provinceCode"]]
        city = cities[row["cityCode"]]
        plain = city in ("市辖区", "县") or "直辖县级" in city
        found.append(Division(row["code"], province, province if plain else city, row["name"]))
    return tuple(found)


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def postcode(rng: Random, division: Division) -> str:
    """Six digits that begin as the province's do."""
    return f"{_POST[division.code[:2]]}{rng.randrange(10000):04}"


def landline(rng: Random, division: Division) -> str:
    """A fixed line in the province's capital; where its numbers have seven digits, in Beijing."""
    return f"{_AREA_CODES.get(division.code[:2], '010')}-{rng.randrange(60_000_000, 79_999_999)}"
