"""Files out: each batch becomes one file under its final name only when it is whole, its control file last."""

from __future__ import annotations

import io
import re
from typing import Protocol

from adapters import control
from adapters.chunks import Cutter
from adapters.contract import Batch, Idempotent
from adapters.endpoints import FolderOut, SftpOut
from adapters.lanes import Lanes
from adapters.manifest import Sink
from schemas import errors


class Target(Protocol):
    """A folder to drop into; one thread uses it at a time. Raises `OSError` or `EndpointDown`."""

    def put(self, name: str, body: bytes) -> None:
        """Write under a hidden name, check what arrived, give it its name; one that is there already is replaced."""

    def ping(self) -> str: ...

    def close(self) -> None: ...


class FileSink:
    """One file sink. A batch that is sent again replaces its file."""

    def __init__(self, lanes: Lanes[Target], sink: Sink, cutter: Cutter | None) -> None:
        endpoint = sink.endpoint
        if not isinstance(endpoint, SftpOut | FolderOut):
            raise errors.Misconfigured(f"{sink.path} is not a file sink")
        self.idempotent: Idempotent = sink.idempotent or "name"
        self._lanes, self._sink, self._cutter, self._endpoint = lanes, sink, cutter, endpoint

    def send(self, batch: Batch) -> None:
        """Raises `EndpointDown` for everything: a folder refuses no content."""
        name = self._name(batch)
        files = [(name, batch.body)]
        if self._sink.control:
            files.append((self._sink.control.beside(name), control.write(self._sink.control, name, batch.body, self._totals(batch))))
        try:
            for one, body in files:
                self._lanes.here().put(one, body)
        except OSError as error:
            self._lanes.drop()
            raise errors.EndpointDown(f"{self._sink.path}: {name} cannot be written: {error}") from error
        except errors.Retry:
            self._lanes.drop()
            raise

    def ping(self) -> str:
        """Reaches the folder and leaves nothing there."""
        try:
            return self._lanes.here().ping()
        except OSError as error:
            self._lanes.drop()
            raise errors.EndpointDown(f"{self._sink.path}: {error}") from error
        except errors.Retry:
            self._lanes.drop()
            raise

    def close(self) -> None:
        """Let go of all connections."""
        self._lanes.close()

    def _name(self, batch: Batch) -> str:
        seqs = [item.seq for item in batch.items] or [0]
        values = {"name": batch.name, "subscription": batch.subscription, "first": seqs[0], "last": seqs[-1], "count": len(batch.items)}
        return re.sub(r"[^\w.+-]|^[.-]", "_", self._endpoint.name.format_map(values))

    def _totals(self, batch: Batch) -> control.Totals:
        if self._cutter is None or self._sink.control is None:
            return control.Counted(len(batch.items))
        return self._cutter.totals(io.BytesIO(batch.body), self._sink.control.column)
