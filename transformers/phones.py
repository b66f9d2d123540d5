"""Functions on telephone numbers, by the library's numbering plans, region CN."""

from __future__ import annotations

import re
from typing import Any

import phonenumbers

from transformers.registry import Unfit, folded, plain

_E164 = phonenumbers.PhoneNumberFormat.E164
_SHORT = re.compile(r"[0-9]{3,6}")  # 10000, 95588: service numbers, valid by nobody's plan
_PLAN = phonenumbers.PhoneMetadata.metadata_for_region("CN")
_MOBILE = re.compile((_PLAN and _PLAN.mobile and _PLAN.mobile.national_number_pattern) or "(?!)")  # the plan's own words: 15 us saved


@plain("msisdn", "电话号码(国际格式)")
def msisdn(value: Any) -> str:
    """A telephone number as E.164: 138 1234 5678 becomes +8613812345678. Short codes such as 10000 stay as they are."""
    found = folded(value)
    if len(found) == 11 and _MOBILE.fullmatch(found):
        return "+86" + found
    if _SHORT.fullmatch(found):
        return found
    return str(phonenumbers.format_number(_parsed(found), _E164))


@plain("national_msisdn", "电话号码(国内格式)")
def national(value: Any) -> str:
    """A telephone number as China writes it, digits only: +8613812345678 becomes 13812345678, +861062345678 01062345678."""
    found = folded(value)
    if _SHORT.fullmatch(found):
        return found
    if found.startswith("+86") and _MOBILE.fullmatch(found, 3):
        return found[3:]
    number = _parsed(found)
    if number.country_code != 86:
        raise Unfit("this number is not of China", "Use msisdn for numbers of other countries")
    return re.sub("[^0-9]", "", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))


def _parsed(found: str) -> phonenumbers.PhoneNumber:
    try:
        number = phonenumbers.parse(found, "CN")
    except phonenumbers.NumberParseException as error:
        raise Unfit("this is no telephone number", "Correct it, or leave the value out") from error
    if not phonenumbers.is_valid_number(number):
        raise Unfit("there is no such telephone number in the numbering plan", "Look for a missing or doubled digit")
    return number
