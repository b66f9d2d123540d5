"""The status page: readable by anyone who may look, in both languages, and inert."""

import ast
import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

import monitor
from monitor import page, words
from schemas import errors

TEMPLATES = Path(monitor.__file__).parent / "templates"
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"


def request(query: str = "", language: str = "en") -> Request:
    """A request for the page."""
    headers = [(b"accept-language", language.encode()), (b"host", b"127.0.0.1")]
    return Request({"type": "http", "method": "GET", "path": "/status", "query_string": query.encode(), "headers": headers})


def found(text: str = HOSTILE) -> dict[str, Any]:
    """An overview in which everything that others name is this text."""
    counts = dict.fromkeys(("accepted", "duplicate", "applied", "unchanged", "stale", "dead", "resolved", "waiting"), 1234)
    tallies = dict.fromkeys(("delivered", "superseded", "suppressed", "pending", "dead", "matched"), 5)
    file = {"system": text, "path": text, "state": "loading", "rows": 3, "total": 9, "claimed_at": 1, "finished_at": None, "size": 1}
    group = {"place": text, "code": text, "path": text, "reason": text, "stage": "map", "state": "dead", "records": 1}
    reader = {"name": text, "reason": text, "state": "paused", "lag": 3, "lag_seconds": 5.0, "breaker": "open", "retry_at": 1}
    return {
        "at": 1_795_300_000_000_000,
        "state": "needs attention",
        "backlog": {"records": 12345, "oldest_seconds": 93784.0},
        "rate": {"received": 12.5, "applied": 11.0},
        "golden": 7,
        "changes": 8,
        "feeds": [{"feed": text, "over": text, **counts}],
        "files": [file],
        "dead": {"records": 1, "refused": 2, "groups": [{**group, "first_at": 1, "last_at": 2}]},
        "subscriptions": [{**reader, **tallies}],
        "alarms": [{"kind": text, "place": text, "reason": text, "raised_at": 1}],
    }


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def html(text: str = HOSTILE, **values: str) -> str:
    """The page."""
    return bytes(page.Page().render(request(**values), found(text)).body).decode()


def test_hostile_names_are_text() -> None:
    """Names of files, reasons, systems: nothing of them becomes markup, in text or in attributes."""
    shown = html()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "{{7*7}}" in shown
    assert {tag for tag, _ in Tags(shown).tags} == {tag for tag, _ in Tags(html("plain")).tags}


def test_nothing_comes_from_elsewhere() -> None:
    """No script, image, font, frame or style from another address; links lead to the page itself."""
    for tag, attributes in Tags(html("plain")).tags:
        assert tag not in ("script", "img", "iframe", "link", "object", "embed", "form"), tag
        assert not {name for name in attributes if name.startswith("on")}
        assert "style" not in attributes
        assert attributes.get("href", "?").startswith("?")  # type: ignore[union-attr]
    assert "url(" not in (TEMPLATES / "status.css").read_text(encoding="utf-8")
    assert "@import" not in (TEMPLATES / "status.css").read_text(encoding="utf-8")


def test_the_policy_allows_its_own_style_and_nothing_else() -> None:
    """The hash in the header is that of the style in the page."""
    answer = page.Page().render(request(), found())
    [style] = re.findall(r"<style>(.*?)</style>", bytes(answer.body).decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert "unsafe" not in policy


def test_it_says_what_stands_in_the_overview() -> None:
    """Backlog with its age, rate, lag, breaker, when it is tried again, progress of files."""
    shown = html("plain")
    for said in ("12,345", "1 d 2 h", "12.5", "▲ paused", "▲ open", 'max="9" value="3"', "tries again", "needs attention"):
        assert said in shown, said


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "en-GB,zh;q=0.5", "en"),
        ("", "en;q=0.3, zh;q=0.9", "zh"),
        ("", "fr", "en"),
        ("", "", "en"),
        ("", "zh;q=x", "zh"),
        ("lang=zh", "en", "zh"),
        ("lang=en", "zh", "en"),
        ("lang=%3Cscript%3E", "zh", "en"),
    ],
)
def test_it_speaks_the_language_that_is_asked_for(query: str, header: str, language: str) -> None:
    """By the address first, by the browser else."""
    shown = html("plain", query=query, language=header)
    assert ('<html lang="zh-Hans">' in shown, "下游订阅" in shown) == (language == "zh",) * 2


def test_every_word_has_a_translation() -> None:
    """Those of the page, the states and stages that it shows, and the columns of commands."""
    text = (TEMPLATES / "status.html").read_text(encoding="utf-8")
    used = set(re.findall(r"_\('([^']+)'\)", text))
    used |= {"all quiet", "needs attention", "active", "paused", "disabled", "open", "closed", "dead", "waiting", "loading", "done"}
    used |= {"receive", "decode", "check", "map", "canonical", "apply", "deliver", "delivered", "superseded", "suppressed", "not matched"}
    for name in ("cli_look", "cli_dead", "cli_run", "journey"):
        tree = ast.parse((TEMPLATES.parents[1] / f"hub/{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
                used |= {each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    plain = {word for word in used if re.fullmatch(r"[a-z_ ]+", word)}
    assert plain - set(words.ZH) == {"from"} & plain


def test_ages_are_told_in_two_units() -> None:
    """As people say them."""
    assert [page.age(seconds) for seconds in (0.04, 41, 61, 7300, 93784)] == ["0.0 s", "41 s", "1 min 1 s", "2 h 1 min", "1 d 2 h"]


def test_the_errors_known_to_the_page_have_one_sentence() -> None:
    """What people read of an error is its class's own sentence."""
    assert errors.StillWrong("x").summary == "The copy of a dead letter would fail again"
