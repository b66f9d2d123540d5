"""The status page: plain HTML without scripts, in two languages, light and dark; nothing on it comes from elsewhere."""

from __future__ import annotations

import base64
import datetime
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from monitor import about, words

_HERE = Path(__file__).parent / "templates"
_STYLE = (_HERE / "status.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}


class Page:
    """Renders what the overview says."""

    def __init__(self) -> None:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters |= {"time": _time, "utc": _utc, "age": age, "count": _count}
        self._template = environment.get_template("status.html")

    def render(self, request: Request, found: dict[str, Any]) -> Response:
        """The page in the language that ?lang= or the browser asks for."""
        language = words.choose(request.query_params.get("lang"), request.headers.get("accept-language", ""))
        html = self._template.render(
            found=found, style=_STYLE, version=about.version(), language=language, _=lambda word: words.say(str(word), language)
        )
        return HTMLResponse(html, headers=HEADERS)


def age(seconds: float) -> str:
    """How long ago, in the two largest units: `2 d 3 h`, `41 s`."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    parts = []
    rest = int(seconds)
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def _count(number: int) -> str:
    return f"{number:,}"


def _time(at: int) -> str:
    return _moment(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _utc(at: int) -> str:
    return _moment(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(at: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at / 1_000_000, datetime.UTC)
