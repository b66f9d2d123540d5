"""The demo's home: a folder with the hub's own files, pointed at the small operator that works inside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from hub.home import Home
from routes import setup
from schemas import errors

FOLDER = Path(".demo")  # where it is made when nobody says otherwise, fresh each time
_MARK = "# Written by `mastercopy demo`, anew at each start."
_ROUTES: dict[str, Any] = {
    "ods": {"retry": {"first": "200ms", "longest": "2s", "give_up": "72h"}},
    "care": {"retry": {"first": "300ms", "longest": "1s", "give_up": "4s"}},  # so that what care refuses is a dead letter soon
    "billing": {"retry": {"first": "200ms", "longest": "2s", "give_up": "72h"}},
}


def make(folder: Path, *, fresh: bool) -> Home:
    """The folder, emptied if it is to be fresh. Raises `Misconfigured` where it is somebody else's, `HomeLocked` when one runs there."""
    home = Home(folder)
    config = home.folder / setup.FILE
    if config.exists() and not config.read_text(encoding="utf-8").startswith(_MARK):
        raise errors.Misconfigured(f"{folder} is the home of a hub that is no demo", hint="Choose another --home")
    if home.folder.exists():
        if not config.exists() and any(home.folder.iterdir()):
            raise errors.Misconfigured(f"{folder} holds something else", hint="Choose another --home")
        with home.locked():
            if fresh:
                shutil.rmtree(home.folder)
    home.prepare()
    point(home, {})
    return home


def point(home: Home, systems: dict[str, Any]) -> None:
    """Say where the operator's systems are."""
    told = {"systems": {"crm": {}, "boss": {}, "ods": {}} | systems, "routes": _ROUTES}
    (home.folder / setup.FILE).write_text(f"{_MARK}\n{json.dumps(told, indent=2)}\n", encoding="utf-8")
