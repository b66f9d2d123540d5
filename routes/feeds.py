"""The feeds of one configuration, compiled on first use and kept."""

from __future__ import annotations

from adapters import fields
from routes.inbound import Inbound
from routes.setup import Setup
from schemas import errors


class Feeds:
    """Safe to ask from several threads: at worst a feed is compiled twice."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._known = frozenset(f"{system}/{feed}" for system, found in setup.systems.items() for feed in found.manifest.feeds)
        self._compiled: dict[str, Inbound] = {}

    def inbound(self, feed: str) -> Inbound:
        """The feed `system/feed`. Raises `NotFound`."""
        found = self._compiled.get(feed)
        if found is None:
            if feed not in self._known:
                raise errors.NotFound(f"no feed {feed!r}", hint=fields.nearest(feed, self._known))
            found = self._compiled[feed] = self.setup.inbound(feed)
        return found
