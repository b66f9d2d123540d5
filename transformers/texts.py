"""Functions on text: spaces, case, width, parts, names."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from transformers.registry import Call, Unfit, asking, kind, plain, text

_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]")  # controls and marks without width


@plain("trim", "去首尾空白")
def trim(value: Any) -> str:
    """Take white space off both ends, full-width spaces too."""
    return value.strip() if type(value) is str else text(value)


@plain("spaces", "合并空白")
def spaces(value: Any) -> str:
    """Make every run of white space one space, and none at the ends."""
    return " ".join(text(value).split())


@plain("nospace", "去除全部空白")
def nospace(value: Any) -> str:
    """Take out all white space."""
    return "".join(text(value).split())


@plain("upper", "转大写")
def upper(value: Any) -> str:
    """Capital letters."""
    return text(value).upper()


@plain("lower", "转小写")
def lower(value: Any) -> str:
    """Small letters."""
    return text(value).lower()


@plain("fold", "全角转半角")
def fold(value: Any) -> str:
    """Full width to half width (Unicode NFKC): for codes and numbers, not for names."""
    return unicodedata.normalize("NFKC", text(value))


@plain("name", "姓名或名称")
def name(value: Any) -> str:
    """A name as it shall be kept: outer space off, inner runs to one space, invisible marks out; no character is changed."""
    return " ".join(_UNSEEN.sub("", text(value)).split())


@plain("text", "转为文本")
def as_text(value: Any) -> str:
    """Text; a number by its digits."""
    return text(value)


@asking("split", "按分隔符拆分为列表", "the separator", gives="list")
def split(argument: Any) -> Call:
    """Cut at a separator into a list; outer space of the parts goes, and empty parts vanish."""
    by = _word(argument)
    return lambda value: [part for each in text(value).split(by) if (part := each.strip())]


@asking("part", "取第几段", "{by: separator, at: number from 0}")
def part(argument: Any) -> Call:
    """One part of a text that is cut at a separator; nothing where there is no such part. `at: -1` is the last."""
    by, at = _settings(argument, "by", "at")
    index, separator = _index(at), _word(by)

    def take(value: Any) -> str | None:
        parts = text(value).split(separator)
        return parts[index].strip() if -len(parts) <= index < len(parts) else None

    return take


@asking("join", "列表合并为文本", "the separator", takes="list")
def join(argument: Any) -> Call:
    """Put a list together into one text."""
    by = _word(argument)
    return lambda value: by.join(text(each) for each in (value if isinstance(value, list) else [value]))


@asking("replace", "替换", "[what, by what]")
def replace(argument: Any) -> Call:
    """Put one text in place of another, wherever it stands."""
    if not isinstance(argument, list) or len(argument) != 2 or argument[0] in ("", None):
        raise Unfit("replace needs two texts", 'Write {replace: [",", ""]}')
    old, new = str(argument[0]), "" if argument[1] is None else str(argument[1])
    return lambda value: text(value).replace(old, new)


@asking("prefix", "加前缀", "the text that goes in front")
def prefix(argument: Any) -> Call:
    """Put a text in front, unless it stands there already."""
    front = _word(argument)

    def put(value: Any) -> str:
        found = text(value)
        return found if found.startswith(front) else front + found

    return put


@asking("substring", "截取", "[start from 0, length] or the start")
def substring(argument: Any) -> Call:
    """A piece of a text by characters; what is not there is left out. A negative start counts from the end."""
    start, length = argument if isinstance(argument, list) and len(argument) == 2 else (argument, None)
    begin = _index(start)
    size = None if length is None else _index(length)
    if size is not None and size < 0:
        raise Unfit("the length is 0 or more")

    def cut(value: Any) -> str:
        rest = text(value)[begin:]
        return rest if size is None else rest[:size]

    return cut


@asking("pad", "补位", "{width: characters, with: one character, side: left|right}")
def pad(argument: Any) -> Call:
    """Fill up to a width; by default with zeros on the left. Longer text stays whole."""
    settings = {"with": "0", "side": "left", **argument} if isinstance(argument, dict) else {"width": argument, "with": "0", "side": "left"}
    width, fill, side = _settings(settings, "width", "with", "side")
    if len(str(fill)) != 1 or side not in ("left", "right"):
        raise Unfit("pad fills with one character on the left or right", "Write {pad: {width: 8, with: '0', side: left}}")
    size, char = _index(width), str(fill)
    return (lambda value: text(value).rjust(size, char)) if side == "left" else (lambda value: text(value).ljust(size, char))


@asking("blank", "视为空值", "the words that mean nothing")
def blank(argument: Any) -> Call:
    """Count these words as missing, such as 00000000 or NULL."""
    words = {str(word) for word in (argument if isinstance(argument, list) else [argument])}
    return lambda value: None if type(value) in (str, int) and str(value).strip() in words else value


def _word(argument: Any) -> str:
    if not isinstance(argument, str | int) or isinstance(argument, bool) or argument == "":
        raise Unfit("the argument is a text")
    return str(argument)


def _index(argument: Any) -> int:
    if not isinstance(argument, int) or isinstance(argument, bool):
        raise Unfit(f"an integer is expected, not {kind(argument)}")
    return argument


def _settings(argument: Any, *names: str) -> tuple[Any, ...]:
    if not isinstance(argument, dict) or set(argument) != set(names):
        raise Unfit(f"the argument has {', '.join(names)}")
    return tuple(argument[name] for name in names)
