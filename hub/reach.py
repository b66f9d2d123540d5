"""How a command reaches a hub: it reads the store directly, and changes things through the hub that runs, or itself where none does."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.home import Control, Home
from master.sqlite.store import SqliteStore
from routes import receive, setup
from routes.archive import Archive
from routes.desk import Desk
from routes.revisions import Revisions
from schemas import errors

_TIMEOUT = 300.0
ACTIONS = {  # action of the desk -> its place in the API
    "replay": ("POST", "/dead/{letter}/replay"),
    "discard": ("POST", "/dead/{letter}/discard"),
    "bulk": ("POST", "/dead/{action}"),
    "pause": ("POST", "/subscriptions/{name}/pause"),
    "resume": ("POST", "/subscriptions/{name}/resume"),
    "make_key": ("POST", "/keys"),
    "revoke_key": ("DELETE", "/keys/{prefix}"),
    "push": ("POST", "/feeds/{source}/{feed}/messages"),
    "reload": ("POST", "/reload"),
    "restore": ("POST", "/revisions/{revision}/restore"),
    "withdraw": ("POST", "/feeds/{source}/{feed}/withdraw"),
}


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[SqliteStore]:
    """The store of a home, for looking only. Raises `NotFound` where no hub has worked."""
    store = Home(folder).open_store(read_only=True)
    try:
        yield store
    finally:
        store.close()


def archive(store: SqliteStore, folder: Path) -> Archive:
    """What is, and was, configured in a home."""
    home = Home(folder).folder
    return Archive(store, functools.cache(lambda: setup.load(home)))


def act(folder: Path, action: str, /, **values: Any) -> dict[str, Any]:
    """Carry out one action of the desk. Raises what the hub, or the desk, raises; `EndpointDown` when the hub does not answer."""
    home = Home(folder)
    control = home.control()
    if control is not None:
        method, path = ACTIONS[action]
        body = {name: value for name, value in values.items() if "{" + name + "}" not in path}
        quoted = {name: urllib.parse.quote(str(value), safe="") for name, value in values.items()}
        return call(control, method, path.format(**quoted), body)
    with home.locked(), alone(home) as desk:
        answer: dict[str, Any] = getattr(desk, action)(**values)
        return answer


def revisions(folder: Path) -> list[dict[str, Any]]:
    """Every revision, as the hub that runs sees them; where none runs, as the next one will."""
    control = Home(folder).control()
    if control is not None:
        found: Any = call(control, "GET", "/revisions")
        return list(found)
    with reading(folder) as store:
        return Revisions(store, folder, lambda: archive(store, folder).setup).all()


@contextlib.contextmanager
def alone(home: Home) -> Iterator[Desk]:
    """The desk over a store that no hub works on; what is put in waits for the next one."""
    store = home.open_store()
    group = receive.GroupCommit(store, lambda: None)
    try:
        found = archive(store, home.folder)
        door = receive.Door(store, lambda source, feed: found.inbound(f"{source}/{feed}")[0], group, lambda: None)
        yield Desk(store, door, found, lambda _: None, lambda: _read_again(home), home.folder)
    finally:
        group.close()
        store.close()


def _read_again(home: Home) -> None:
    """Where no hub runs there is nothing to reload: the next one must find it right."""
    setup.load(home.folder)


def call(control: Control, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One call to the API of a running hub."""
    plain = {name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in (body or {}).items()}
    text = json.dumps(plain).encode() if body is not None and method != "GET" else None
    headers = {"Authorization": f"Bearer {control.token}", "Content-Type": "application/json"}
    answer: dict[str, Any] = json.loads(request(control.url, method, f"/api/v1{path}", text, headers))
    return answer


def request(url: str, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    """One request; a problem in the answer is raised as the error that it was."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise errors.Misconfigured(f"{url!r} is no address of a hub", hint="For example: http://127.0.0.1:8080")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise errors.EndpointDown(f"no hub answers at {url}: {error}", hint="Is it running? `mastercopy up` starts it") from error
    finally:
        connection.close()
    if answer.status >= 400:
        raise _problem(answer.status, content)
    return content


def _problem(status: int, content: bytes) -> errors.MastercopyError:
    try:
        said = json.loads(content)
        kind = getattr(errors, str(said["type"]).rpartition(":")[2])
        place = errors.Place(path=said.get("path", ""))
        found: errors.MastercopyError = kind(said.get("detail", ""), place=place, hint=said.get("hint", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return errors.EndpointDown(f"the hub answered {status}: {content[:200].decode('utf-8', 'replace')}")
    return found


def prepare(folder: Path) -> None:
    """Make the home and its store where there is none yet."""
    home = Home(folder)
    if not home.exists():
        home.prepare()
        SqliteStore(home.store).close()
