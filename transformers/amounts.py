"""Functions on numbers and money: exact, never through binary fractions."""

from __future__ import annotations

import decimal
import re
from typing import Any

from transformers.registry import Call, Unfit, asking, folded, kind, option, plain

_INTEGER = re.compile(r"([+-]?)0*([0-9]{1,19})")
_DECIMAL = re.compile(r"([+-]?)([0-9]{1,15})(?:\.([0-9]{0,12}))?")
_ROUNDINGS = {"refuse": None, "half_up": decimal.ROUND_HALF_UP, "half_even": decimal.ROUND_HALF_EVEN, "down": decimal.ROUND_DOWN}
_TRUE = ["true", "1", "y", "yes", "t", "on", "是"]
_FALSE = ["false", "0", "n", "no", "f", "off", "否"]


@plain("integer", "整数")
def integer(value: Any) -> int:
    """A whole number; leading zeros and full-width digits are read."""
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    found = _INTEGER.fullmatch(folded(value))
    if not found or not -(2**63) <= int(found[1] + found[2]) < 2**63:
        raise Unfit("a whole number is expected", "Correct the value; use decimal or fen for one with a point")
    return int(found[1] + found[2])


@asking("decimal", "小数文本", "how many places, or {places, rounding: refuse|half_up|half_even|down}", optional=True)
def exact(argument: Any) -> Call:
    """A decimal number as exact text; with a number of places, written with just so many."""
    places, mode = _places(argument)

    def read(value: Any) -> str:
        number = _number(value)
        if places is None:
            return f"{number:f}"
        unit = decimal.Decimal(1).scaleb(-places)
        rounded = number.quantize(unit, rounding=mode or decimal.ROUND_DOWN)
        if mode is None and rounded != number:
            raise Unfit(f"it has more than {places} places", "Say a rounding: {decimal: {places: 2, rounding: half_up}}")
        return f"{rounded:f}"

    return read


@plain("number", "数值")
def number(value: Any) -> int | float:
    """A number as JSON has them: whole where it is whole. For shares and counts; money is fen."""
    found = _number(value)
    return int(found) if found == found.to_integral_value() else float(found)


@asking("fen", "元转分", "a rounding for more than two places: refuse, half_up, half_even, down", optional=True)
def fen(argument: Any) -> Call:
    """Yuan in, fen out: 29.85 becomes 2985. More than two places are refused unless a rounding is said."""
    mode = option(argument, _ROUNDINGS, "refuse")

    def read(value: Any) -> int:
        found = _DECIMAL.fullmatch(folded(value)) if type(value) is str else None
        if found is not None and len(places := found[3] or "") <= 2:
            return int(found[1] + found[2] + places.ljust(2, "0"))
        cents = _number(value) * 100
        if mode is None and cents != cents.to_integral_value():
            raise Unfit("an amount in yuan has at most two places", "Correct it, or say a rounding: {fen: half_up}")
        return int(cents.to_integral_value(rounding=mode or decimal.ROUND_DOWN))

    return read


@plain("yuan", "分转元")
def yuan(value: Any) -> str:
    """Fen in, yuan out with two places: 2985 becomes 29.85."""
    amount = integer(value)
    whole, rest = divmod(abs(amount), 100)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:02d}"


@asking("boolean", "是否", "{yes: [words], no: [words]}", optional=True)
def boolean(argument: Any) -> Call:
    """True or false from words: by default true 1 y yes t on 是, and false 0 n no f off 否."""
    chosen = {"yes": _TRUE, "no": _FALSE} if argument is None else argument
    if not isinstance(chosen, dict) or set(chosen) != {"yes", "no"}:
        raise Unfit("the argument has yes and no", "Write {boolean: {yes: [Y], no: [N]}}")
    words = {str(word).lower(): verdict for name, verdict in (("yes", True), ("no", False)) for word in _listed(chosen[name])}

    def read(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        verdict = words.get(folded(value).lower())
        if verdict is None:
            raise Unfit(f"none of the words for true or false: {', '.join(words)}", "Name the word: {boolean: {yes: [...], no: [...]}}")
        return verdict

    return read


def _number(value: Any) -> decimal.Decimal:
    """An exact number. A JSON number with a point is taken by its shortest form, up to 15 digits, where that form is exact."""
    found = folded(value)
    if not _DECIMAL.fullmatch(found):
        raise Unfit(
            f"a decimal number is expected, at most 15 digits before the point, not {kind(value)} like this",
            "Separators go with {replace: [',', '']}",
        )
    result = decimal.Decimal(found)
    if isinstance(value, float) and len(result.as_tuple().digits) > 15:
        raise Unfit("this number has more digits than JSON numbers keep", "Let it be sent as text")
    return result


def _places(argument: Any) -> tuple[int | None, str | None]:
    settings = argument if isinstance(argument, dict) else {"places": argument}
    places = settings.get("places")
    if not set(settings) <= {"places", "rounding"} or (places is not None and (type(places) is not int or not 0 <= places <= 12)):
        raise Unfit("places is a whole number from 0 to 12", "Write {decimal: 2}")
    return places, option(settings.get("rounding"), _ROUNDINGS, "refuse")


def _listed(words: Any) -> list[Any]:
    return words if isinstance(words, list) else [words]
