"""The functions of mappings: what they make of values, and what they refuse."""

import contextlib
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric

from transformers import functions, identities

CHINA = timezone(timedelta(hours=8))
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=3,
)
ARGUMENTS: dict[str, Any] = {
    "split": "|",
    "part": {"by": "-", "at": 1},
    "join": ",",
    "replace": [",", ""],
    "prefix": "86",
    "substring": [0, 3],
    "pad": 8,
    "blank": ["NULL", "00000000"],
    "format": "yyyyMMdd",
    "epoch": "ms",
}


@pytest.mark.parametrize(
    ("name", "argument", "value", "expected"),
    [
        ("trim", None, "\u3000 张三 ", "张三"),
        ("spaces", None, " a  b\tc ", "a b c"),
        ("nospace", None, "1 3 8", "138"),
        ("upper", None, "ab", "AB"),
        ("lower", None, "AB", "ab"),
        ("fold", None, "ＡＢ１２", "AB12"),
        ("name", None, " 阿卜杜拉·\u200b买买提　江 ", "阿卜杜拉·买买提 江"),
        ("name", None, "ＡＢＣ公司", "ＡＢＣ公司"),
        ("text", None, 12, "12"),
        ("split", "|", "a| |b", ["a", "b"]),
        ("part", {"by": "-", "at": 1}, "010-6234", "6234"),
        ("part", {"by": "-", "at": 5}, "010-6234", None),
        ("join", "/", ["a", 1], "a/1"),
        ("replace", [",", ""], "1,234", "1234"),
        ("prefix", "CU-", "7", "CU-7"),
        ("prefix", "CU-", "CU-7", "CU-7"),
        ("substring", [0, 6], "330106199001010000", "330106"),
        ("substring", -4, "33010619900101ABCD", "ABCD"),
        ("pad", 4, 7, "0007"),
        ("pad", {"width": 3, "with": " ", "side": "right"}, "a", "a  "),
        ("blank", ["00000000"], "00000000", None),
        ("blank", ["00000000"], "20260101", "20260101"),
        ("date", "yyyyMMdd", "２０２６１１０１", "2026-11-01"),
        ("date", "yyyy年M月d日", "2026年1月5日", "2026-01-05"),
        ("date", "dd/MM/yyyy", "05/11/2026", "2026-11-05"),
        ("date", ["yyyyMMdd", "yyyy-MM-dd"], "2026-11-01", "2026-11-01"),
        ("date", "yyyyMM", "202611", "2026-11-01"),
        ("date", "yyyyMMddHHmmss", "20261101235959", "2026-11-01"),
        ("date", "yyyyMMdd", 20261101, "2026-11-01"),
        ("date", None, "2026-11-01T23:00:00Z", "2026-11-01"),
        ("datetime", "yyyyMMddHHmmss", "20261101080000", "2026-11-01T08:00:00+08:00"),
        ("datetime", "yyyy-MM-dd HH:mm:ss.SSS", "2026-11-01 08:00:00.120", "2026-11-01T08:00:00.120000+08:00"),
        ("datetime", {"pattern": "yyyyMMdd", "zone": "Asia/Shanghai"}, "20261101", "2026-11-01T00:00:00+08:00"),
        ("datetime", {"pattern": "yyyyMMdd", "zone": "+00:00"}, "20261101", "2026-11-01T00:00:00+00:00"),
        ("datetime", None, "2026-11-01T08:00:00Z", "2026-11-01T08:00:00+00:00"),
        ("datetime", None, "2026-11-01 08:00:00", "2026-11-01T08:00:00+08:00"),
        ("format", "yyyyMMddHHmmss", "2026-11-01T00:00:00Z", "20261101080000"),
        ("format", "yyyy年M月d日", "2026-11-01", "2026年11月1日"),
        ("epoch", "ms", 1793491200000, "2026-11-01T08:00:00+08:00"),
        ("micros", None, "2026-11-01T08:00:00+08:00", 1793491200000000),
        ("integer", None, "００12", 12),
        ("integer", None, "-0", 0),
        ("integer", None, 3.0, 3),
        ("decimal", None, "0012.50", "12.50"),
        ("decimal", 2, "12.5", "12.50"),
        ("decimal", {"places": 1, "rounding": "half_up"}, "0.25", "0.3"),
        ("number", None, "33.5", 33.5),
        ("number", None, "33.0", 33),
        ("boolean", None, "是", True),
        ("boolean", {"yes": ["Z"], "no": ["F"]}, "f", False),
        ("fen", None, "29.85", 2985),
        ("fen", None, " -0.05 ", -5),
        ("fen", None, "１２．５", 1250),
        ("fen", None, 29.85, 2985),
        ("fen", None, "1.", 100),
        ("fen", None, "29.8500", 2985),
        ("fen", "half_up", "0.005", 1),
        ("fen", "down", "0.009", 0),
        ("yuan", None, 2985, "29.85"),
        ("yuan", None, "-5", "-0.05"),
        ("msisdn", None, "138 1234 5678", "+8613812345678"),
        ("msisdn", None, "+86 138-1234-5678", "+8613812345678"),
        ("msisdn", None, "１３８１２３４５６７８", "+8613812345678"),
        ("msisdn", None, "010-62345678", "+861062345678"),
        ("msisdn", None, "+85291234567", "+85291234567"),
        ("msisdn", None, "10000", "10000"),
        ("national_msisdn", None, "+8613812345678", "13812345678"),
        ("national_msisdn", None, "+861062345678", "01062345678"),
        ("national_msisdn", None, "95588", "95588"),
        ("id_number", None, "11010519491231002x", "11010519491231002X"),
        ("id_number", None, "110105491231002", "11010519491231002X"),
        ("id_number", None, "91110000600037341L", "91110000600037341L"),
        ("id_number", "keep", "E12345678", "E12345678"),
        ("id_type", None, "110105491231002", "nationalId"),
        ("id_type", None, "91110000600037341L", "uscc"),
        ("id_type", None, "E12345678", "passport"),
        ("id_type", None, "x", "other"),
    ],
)
def test_a_function_makes_this(name: str, argument: Any, value: Any, expected: Any) -> None:
    """One value in, one value out: the table is the documentation."""
    found = functions.build(name, argument)(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("date", "yyyyMMdd", "20260230"),
        ("date", "yyyyMMdd", "2026W101"),
        ("date", None, "2026-W10-1"),
        ("date", "yyyyMMdd", "00000000"),
        ("date", "yyyyMMdd", "2026-1-1"),
        ("datetime", "yyyyMMddHHmmss", "20261101250000"),
        ("micros", None, "2026-W45-1T08:00:00+08:00"),
        ("integer", None, "12a"),
        ("integer", None, "1_000"),
        ("integer", None, "9223372036854775808"),
        ("integer", None, 1.5),
        ("fen", None, "1.005"),
        ("fen", None, "NaN"),
        ("fen", None, "1e5"),
        ("fen", None, "1,234.50"),
        ("fen", None, 0.1234567890123456),
        ("boolean", None, "perhaps"),
        ("msisdn", None, "12345678901"),
        ("msisdn", None, "no number"),
        ("national_msisdn", None, "+85291234567"),
        ("id_number", None, "110105194912310021"),
        ("id_number", "nationalId", "91110000600037341L"),
        ("id_number", "uscc", "11010519491231002X"),
        ("id_number", None, "110105194913310024"),
        ("trim", None, ["a"]),
        ("epoch", "s", "1793491200000"),
    ],
)
def test_a_function_refuses_this_in_a_sentence(name: str, argument: Any, value: Any) -> None:
    """Nothing is guessed, and the reason is readable."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        functions.build(name, argument)(value)


@pytest.mark.parametrize("name", sorted(functions.REGISTRY))
@given(value=JUNK)
def test_every_function_is_total(name: str, value: Any) -> None:
    """Whatever comes, a value or a ValueError goes."""
    call = functions.build(name, ARGUMENTS.get(name))
    try:
        call(value)
    except ValueError as error:
        said = str(error)
    else:
        said = "a value"
    assert said


@pytest.mark.parametrize("name", sorted(functions.REGISTRY))
def test_every_function_describes_itself(name: str) -> None:
    """An English sentence, a Chinese title, and its argument in words where it has one."""
    function = functions.REGISTRY[name]
    assert function.doc.endswith(".")
    assert any("\u4e00" <= char <= "\u9fff" for char in function.zh)
    assert bool(function.argument) == (name in ARGUMENTS or function.optional)


@pytest.mark.parametrize(
    ("name", "argument", "said"),
    [
        ("trimm", None, "'trim'"),
        ("date", "yyyyMMDD", "yyyy MM dd"),
        ("fen", "half-up", "'half_up'"),
        ("trim", 1, "no argument"),
        ("split", None, "separator"),
        ("datetime", {"pattern": "yyyy", "zone": "Mars/Base"}, "Asia/Shanghai"),
        ("pad", {"wide": 3}, "width"),
        ("part", {"by": "-"}, "by, at"),
        ("id_number", "passport", "keep"),
    ],
)
def test_a_wrong_name_or_argument_is_refused_with_a_hint(name: str, argument: Any, said: str) -> None:
    """At compile time, not at the first record."""
    with pytest.raises(functions.Unfit) as caught:
        functions.build(name, argument)
    assert said in f"{caught.value} {caught.value.hint}"


@given(st.integers(-(10**15), 10**15))
def test_fen_to_yuan_and_back_is_the_same_amount(amount: int) -> None:
    """No amount passes through a binary fraction."""
    assert functions.build("fen")(functions.build("yuan")(amount)) == amount


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_yuan_to_fen_is_exact(amount: Decimal) -> None:
    """It agrees with exact decimals."""
    assert functions.build("fen")(f"{amount:f}") == int(amount.scaleb(2))


@pytest.mark.parametrize("pattern", ["yyyyMMdd", "yyyy-MM-dd", "dd.MM.yyyy", "yyyy年M月d日"])
@given(day=st.dates(min_value=date(1000, 1, 1)))
def test_a_date_survives_writing_and_reading(pattern: str, day: date) -> None:
    """In every pattern."""
    written = functions.build("format", pattern)(day.isoformat())
    assert functions.build("date", pattern)(written) == day.isoformat()


@given(st.integers(86_400, 7_258_118_400).map(lambda second: datetime.fromtimestamp(second, CHINA)))
def test_a_time_survives_writing_and_reading(moment: datetime) -> None:
    """And its microseconds are those since 1970."""
    written = functions.build("format", "yyyyMMddHHmmss")(moment.isoformat())
    read = functions.build("datetime", "yyyyMMddHHmmss")(written)
    assert read == moment.isoformat()
    assert functions.build("micros")(read) == int(moment.timestamp()) * 1_000_000


@given(st.from_regex(r"[1-6][0-9]{5}[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])[0-9]{3}", fullmatch=True))
def test_a_card_of_15_digits_becomes_18_with_the_librarys_check_digit(old: str) -> None:
    """And the result is accepted again, unchanged."""
    new = functions.build("id_number")(old)
    assert (new[:6], new[6:8], new[8:17]) == (old[:6], "19", old[6:])
    assert new[-1] == ric.calc_check_digit(new)
    assert functions.build("id_number")(new) == new


@given(st.from_regex(r"[0-9]{17}[0-9X]", fullmatch=True))
def test_our_card_check_is_the_librarys_without_divisions(number: str) -> None:
    """What the library takes, we take; it fails at some divisions that it does not know."""
    valid = False
    with contextlib.suppress(KeyError):
        valid = ric.is_valid(number)
    assert identities.is_card(number) or not valid


@given(st.from_regex(r"1[0-9]{10}", fullmatch=True))
def test_the_short_way_for_mobiles_agrees_with_the_library(number: str) -> None:
    """Eleven digits are taken without parsing only if the library would take them."""
    import phonenumbers

    call = functions.build("msisdn")
    try:
        parsed = phonenumbers.parse(number, "CN")
    except phonenumbers.NumberParseException:
        parsed = phonenumbers.PhoneNumber()
    if phonenumbers.is_valid_number(parsed):
        assert call(number) == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    else:
        with pytest.raises(ValueError, match="telephone number"):
            call(number)
