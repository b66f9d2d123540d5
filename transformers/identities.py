"""Functions on identity numbers: resident cards and unified social credit codes, by their check digits."""

from __future__ import annotations

import re
from typing import Any

from stdnum import exceptions
from stdnum.cn import ric, uscc

from transformers import times
from transformers.registry import Call, Unfit, asking, folded, option, plain

_OLD = re.compile("[0-9]{15}")
_CARD = re.compile("[0-9]{17}[0-9X]")
_CODE = re.compile("[0-9A-HJ-NP-RTUW-Y]{18}")
_PASSPORT = re.compile("[A-Z]{1,2}[0-9]{7,8}")
_KINDS = {"any": "any", "nationalId": "nationalId", "uscc": "uscc", "keep": "keep"}


@asking("id_number", "证件号码", "nationalId, uscc, any (either of them), keep (others stay as they are)", optional=True)
def id_number(argument: Any) -> Call:
    """An identity number with its check digit proved; a card of 15 digits becomes 18. `keep` lets passports through."""
    wanted = option(argument, _KINDS, "any")

    def read(value: Any) -> str:
        found = _compact(value)
        if wanted != "uscc":
            if _OLD.fullmatch(found):
                found = lengthened(found)
            if _CARD.fullmatch(found) and is_card(found):
                return found
        if wanted != "nationalId" and _CODE.fullmatch(found) and is_code(found):
            return found
        if wanted == "keep" and len(found) != 18:
            return found
        raise Unfit(_reason(found, wanted), "Look for a mistyped digit")

    return read


@plain("id_type", "证件类型")
def id_type(value: Any) -> str:
    """What an identity number is, by its form: nationalId, uscc, passport or other."""
    found = _compact(value)
    if (_CARD.fullmatch(found) and is_card(found)) or (_OLD.fullmatch(found) and is_card(lengthened(found))):
        return "nationalId"
    if _CODE.fullmatch(found) and is_code(found):
        return "uscc"
    return "passport" if _PASSPORT.fullmatch(found) else "other"


def is_card(found: str) -> bool:
    """18 characters: the check digit agrees and the birth date exists.

    The library's own validate() also asks its list of divisions, which lacks new ones and costs five times the rest.
    """
    return bool(found[-1] == ric.calc_check_digit(found)) and times.is_date(f"{found[6:10]}-{found[10:12]}-{found[12:14]}")


def is_code(found: str) -> bool:
    """18 characters: a unified social credit code by GB 32100."""
    try:
        return bool(uscc.validate(found))
    except exceptions.ValidationError:
        return False


def lengthened(found: str) -> str:
    """A card of 15 digits as one of 18: the century 19, and the check digit (GB 11643)."""
    longer = f"{found[:6]}19{found[6:]}"
    return longer + str(ric.calc_check_digit(longer + "0"))


def _compact(value: Any) -> str:
    return "".join(folded(value).upper().split()).replace("-", "")


def _reason(found: str, wanted: str) -> str:
    if len(found) not in (15, 18):
        return f"an identity number has 18 characters (old cards 15), not {len(found)}"
    names = {"nationalId": "a resident card", "uscc": "a unified social credit code"}
    return f"the check digit or birth date is not that of {names.get(wanted, 'a resident card or a unified social credit code')}"
