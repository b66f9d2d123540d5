"""Functions on dates and times: patterns in, RFC 3339 inside, patterns out."""

from __future__ import annotations

import operator
import re
import zoneinfo
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any

from transformers.registry import Call, Unfit, asking, folded, plain

CHINA = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORDS = re.compile(r"yyyy|MM|M|dd|d|HH|H|mm|ss|SSS")
_DIGITS = {"yyyy": "[0-9]{4}", "SSS": "[0-9]{3}", "M": "[0-9]{1,2}", "d": "[0-9]{1,2}", "H": "[0-9]{1,2}"}
_WRITTEN = {
    "y": "{0.year:04d}",
    "M": "{0.month:0%dd}",
    "d": "{0.day:0%dd}",
    "H": "{0.hour:0%dd}",
    "m": "{0.minute:02d}",
    "s": "{0.second:02d}",
    "S": "{1:03d}",
}
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?)?")
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}

Reader = Callable[[str], str | None]
Parts = Callable[[str], tuple[str, ...] | None]


@asking("date", "日期", "a pattern such as yyyyMMdd, or a list of patterns", optional=True)
def read_date(argument: Any) -> Call:
    """Read a date, by pattern or RFC 3339, into YYYY-MM-DD."""
    patterns, zone = _settings(argument)
    return _reading(patterns, [_reader(pattern, zone, day=True) for pattern in patterns] or [_iso_day])


@asking("datetime", "日期时间", "a pattern such as yyyyMMddHHmmss, a list of them, or {pattern, zone}", optional=True)
def read_datetime(argument: Any) -> Call:
    """Read a time, by pattern or RFC 3339, into RFC 3339 with its offset; +08:00 where none is said."""
    patterns, zone = _settings(argument)
    return _reading(patterns, [_reader(pattern, zone, day=False) for pattern in patterns] or [lambda found: _iso_text(found, zone)])


@asking("format", "按格式输出日期时间", "a pattern such as yyyyMMdd or yyyy-MM-dd HH:mm:ss, or {pattern, zone}")
def write(argument: Any) -> Call:
    """Write a date or an RFC 3339 time in a pattern, in the zone +08:00 unless another is said."""
    patterns, zone = _settings(argument)
    if len(patterns) != 1:
        raise Unfit("format writes one pattern", "Write {format: yyyyMMdd}")
    template = "".join(
        _written(piece) if odd % 2 else piece.replace("{", "{{").replace("}", "}}") for odd, piece in enumerate(_pieces(patterns[0]))
    )

    def put(value: Any) -> str:
        moment = _moment(value, zone)
        if moment is None:
            raise Unfit("this is no date or time of RFC 3339", "Read it with date or datetime first")
        local = moment.astimezone(zone)
        return template.format(local, local.microsecond // 1000)

    return put


@plain("micros", "转为 1970 年以来的微秒数")
def micros(value: Any) -> int:
    """Microseconds since 1970 of an RFC 3339 time; a sequence is made so."""
    moment = _moment(value, CHINA)
    if moment is None:
        raise Unfit("this is no time of RFC 3339", "Read it with datetime first")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@asking("epoch", "由时间戳读取", "s, ms or us")
def epoch(argument: Any) -> Call:
    """Read a count of seconds, milliseconds or microseconds since 1970 into RFC 3339, +08:00."""
    unit = _UNITS.get(str(argument))
    if unit is None:
        raise Unfit(f"{argument!r} is not s, ms or us")

    def read(value: Any) -> str:
        digits = folded(value)
        if not re.fullmatch(r"-?[0-9]{1,17}", digits):
            raise Unfit("a whole count since 1970 is expected")
        try:
            return (_EPOCH + timedelta(microseconds=int(digits) * unit)).astimezone(CHINA).isoformat()
        except OverflowError:
            raise Unfit("this count lies outside the years 1 to 9999", "Is it in milliseconds?") from None

    return read


def is_date(found: str) -> bool:
    """It is a day that exists, written YYYY-MM-DD."""
    try:
        return len(found) == 10 and found[5] != "W" and bool(date.fromisoformat(found))
    except ValueError:
        return False


def _reading(patterns: list[str], readers: list[Reader]) -> Call:
    """What reads by any of these readers."""
    shown = " or ".join(patterns) or "in RFC 3339 (2026-11-01 or 2026-11-01T08:00:00+08:00)"

    def read(value: Any) -> str:
        found = folded(value)
        for reader in readers:
            text = reader(found)
            if text is not None:
                return text
        raise Unfit(f"this is not a date or time written {shown}", "Correct the value, or name its pattern")

    return read


def _settings(argument: Any) -> tuple[list[str], tzinfo]:
    """(patterns, zone) of an argument: a pattern, a list of patterns, or {pattern, zone}."""
    zone: tzinfo = CHINA
    if isinstance(argument, dict):
        if not set(argument) <= {"pattern", "zone"}:
            raise Unfit("the argument has pattern and zone")
        zone = _zone(str(argument.get("zone", "+08:00")))
        argument = argument.get("pattern")
    patterns = [] if argument is None else argument if isinstance(argument, list) else [argument]
    if not all(isinstance(pattern, str) and pattern for pattern in patterns):
        raise Unfit("a pattern is a text such as yyyyMMdd")
    return patterns, zone


def _zone(name: str) -> tzinfo:
    found = re.fullmatch(r"([+-])([01][0-9]):([0-5][0-9])", name)
    if found:
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(-offset if found[1] == "-" else offset)
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Unfit(f"there is no time zone {name!r}", "Write +08:00 or Asia/Shanghai") from error


def _pieces(pattern: str) -> list[str]:
    """A pattern as texts (even places) and the words between them (odd places)."""
    pieces: list[str] = []
    end = 0
    for found in _WORDS.finditer(pattern):
        pieces += [pattern[end : found.start()], found[0]]
        end = found.end()
    pieces.append(pattern[end:])
    letters = [word[0] for word in pieces[1::2]]
    if "y" not in letters or len(set(letters)) != len(letters) or re.search("[A-SU-Za-z]", "".join(pieces[::2])):
        raise Unfit(
            f"{pattern!r} is no pattern of a date or time", "It is made of yyyy MM dd HH mm ss SSS (M d H: one digit or two), each once"
        )
    return pieces


def _reader(pattern: str, zone: tzinfo, *, day: bool) -> Reader:
    """A reader of one pattern into a day, or into a time with offset; None for what is written otherwise or does not exist."""
    pieces = _pieces(folded(pattern))
    letters = [word[0] for word in pieces[1::2]]
    parts_of = _fixed(pieces) if all(len(word) > 1 for word in pieces[1::2]) else _varying(pieces)
    whole = [letters.index(letter) if letter in letters else -1 for letter in "yMdHmsS"]
    template = _template(whole, day=day)
    offset = zone.utcoffset(None)
    suffix = "" if day or offset is None else datetime(2000, 1, 1, tzinfo=zone).isoformat()[19:]
    proved = date.fromisoformat if day else datetime.fromisoformat

    def read(found: str) -> str | None:
        parts = parts_of(found)
        if parts is None:
            return None
        text = template.format(*parts) + suffix
        try:
            proved(text)
        except ValueError:
            return None
        return text if day or suffix else datetime.fromisoformat(text).replace(tzinfo=zone).isoformat()

    return read


def _template(whole: list[int], *, day: bool) -> str:
    """How the parts of a pattern, by their places (-1: none), become RFC 3339 without offset."""
    year, month, date_, hour, minute, second, milli = ("" if place < 0 else f"{{{place}:0>2}}" for place in whole)
    text = f"{year}-{month or '01'}-{date_ or '01'}"
    if day:
        return text
    return f"{text}T{hour or '00'}:{minute or '00'}:{second or '00'}" + (f".{milli}000" if milli else "")


def _fixed(pieces: list[str]) -> Parts:
    """Cut at fixed places: faster than a regular expression, and nearly every pattern allows it."""
    cuts: list[slice] = []
    width = 0
    for piece in pieces:
        cuts.append(slice(width, width + len(piece)))
        width += len(piece)
    words = operator.itemgetter(*cuts[1::2], slice(0, 0))  # one more, so that it always answers with a tuple
    texts = [(cut, piece) for cut, piece in zip(cuts[::2], pieces[::2], strict=True) if piece]

    def parts(found: str) -> tuple[str, ...] | None:
        if len(found) != width:
            return None
        for cut, piece in texts:
            if found[cut] != piece:
                return None
        cut_out: tuple[str, ...] = words(found)
        return cut_out if (digits := "".join(cut_out)).isdigit() and digits.isascii() else None

    return parts


def _varying(pieces: list[str]) -> Parts:
    shape = re.compile("".join(f"({_DIGITS.get(piece, '[0-9]{2}')})" if odd % 2 else re.escape(piece) for odd, piece in enumerate(pieces)))

    def parts(found: str) -> tuple[str, ...] | None:
        match = shape.fullmatch(found)
        return match.groups() if match else None

    return parts


def _moment(value: Any, zone: tzinfo) -> datetime | None:
    if type(value) is str and len(value) == 25 and value[4] == value[7] == "-" and value[10] == "T" and value[5] != "W":
        try:
            return datetime.fromisoformat(value)  # how the hub writes times itself
        except ValueError:
            return None
    return _iso(folded(value), zone)


def _iso(found: str, zone: tzinfo) -> datetime | None:
    """A date or time of RFC 3339; `zone` where it says none. More than six decimals of a second are cut."""
    shape = _ISO.fullmatch(found)
    if shape is None:
        return None
    if shape[1] and len(shape[1]) > 7:
        found = found.replace(shape[1], shape[1][:7])
    try:
        moment = datetime.fromisoformat(found.upper())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _iso_day(found: str) -> str | None:
    if is_date(found) and found[4] == "-":
        return found
    moment = _iso(found, CHINA)
    return moment.date().isoformat() if moment else None


def _iso_text(found: str, zone: tzinfo) -> str | None:
    moment = _iso(found, zone)
    return moment.isoformat() if moment else None


def _written(word: str) -> str:
    written = _WRITTEN[word[0]]
    return written % len(word) if "%" in written else written
