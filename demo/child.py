"""A process of the demo's own: started with `python -m`, spoken to in lines of JSON over its standard input and output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from schemas import errors

ROOT = Path(__file__).resolve().parent.parent


class Child:
    """One child process. It ends when its input closes, so it never outlives the one that started it.

    `ask` raises `EndpointDown` when the child is gone and `Misconfigured` with the child's own words when it could not do it.
    """

    def __init__(self, module: str) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )  # fmt: skip
        self._turn = threading.Lock()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, do: str, **values: Any) -> Any:
        """Say one thing and wait for its answer. Safe to call from any thread; one question at a time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            try:
                self._process.stdin.write(json.dumps({"do": do} | values) + "\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except (OSError, ValueError) as error:
                raise errors.EndpointDown(f"the demo's process is gone: {error}") from error
        if not line:
            raise errors.EndpointDown(f"the demo's process ended with {self._process.wait(10)}")
        answer = json.loads(line)
        if "error" in answer:
            raise errors.Misconfigured(answer["error"])
        return answer["answer"]

    def stop(self, timeout: float = 10.0) -> None:
        """Let it end, and end it after `timeout` seconds. May be called twice."""
        if self._process.poll() is not None:
            return
        assert self._process.stdin is not None
        with self._turn:
            self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
