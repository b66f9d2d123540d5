"""From a manifest's word to the code that speaks it."""

from __future__ import annotations

from pathlib import Path

from adapters import catalogue, chunks, contract, endpoints, fields
from schemas import errors


def source(system: catalogue.System, feed: str, cutter: chunks.Cutter | None, spool: Path) -> contract.Source | None:
    """What works a feed; None for one that comes to the hub's own HTTP door. `cutter` is needed for file feeds."""
    found = system.manifest.feeds.get(feed)
    if found is None:
        raise errors.NotFound(f"{system.name} has no feed {feed!r}", hint=fields.nearest(feed, system.manifest.feeds))
    match found.endpoint:
        case endpoints.AmqpIn():
            from adapters import amqp

            return amqp.source(found, found.endpoint)
        case endpoints.SftpIn():
            from adapters import sftp

            return sftp.source(found, found.endpoint, _needed(cutter, found.path), spool)
        case endpoints.FolderIn():
            from adapters import folder

            return folder.source(found, found.endpoint, _needed(cutter, found.path), spool)
        case endpoints.HttpIn():
            return None


def sink(system: catalogue.System, sink: str, cutter: chunks.Cutter | None = None) -> contract.Sink:
    """What carries batches to a sink. `cutter` counts rows and sums for control files."""
    found = system.manifest.sinks.get(sink)
    if found is None:
        raise errors.NotFound(f"{system.name} has no sink {sink!r}", hint=fields.nearest(sink, system.manifest.sinks))
    match found.endpoint:
        case endpoints.AmqpOut():
            from adapters import amqp

            return amqp.sink(found, found.endpoint)
        case endpoints.SftpOut():
            from adapters import sftp

            return sftp.sink(found, found.endpoint, cutter)
        case endpoints.FolderOut():
            from adapters import folder

            return folder.sink(found, found.endpoint, cutter)
        case endpoints.HttpOut():
            from adapters import http

            return http.sink(found, found.endpoint)


def _needed(cutter: chunks.Cutter | None, path: str) -> chunks.Cutter:
    if cutter is None:
        raise errors.Misconfigured(f"{path}: its format cannot be cut into chunks", hint="Files are delimited, fixed, JSON lines or XML")
    return cutter
