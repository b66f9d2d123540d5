"""Who may see and change what over HTTP: the control token, or a look from the same machine."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress

from starlette.requests import Request

from schemas import errors

_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class Gate:
    """Holds the token of this run."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def opens(self, request: Request) -> bool:
        """The request carries the token: as bearer, or as the password of basic credentials, which browsers can ask for."""
        kind, _, rest = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                rest = base64.b64decode(rest, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return False
        elif kind.lower() != "bearer":
            return False
        return hmac.compare_digest(rest.strip().encode(), self._token)

    def check(self, request: Request) -> None:
        """Raises `Unauthorized`."""
        if not self.opens(request):
            raise errors.Unauthorized(
                "this needs the hub's control token", hint="It stands in control.json in the hub's home: Authorization: Bearer TOKEN"
            )

    def check_look(self, request: Request) -> None:
        """For looking only: the token, or a request from this machine that nobody passed on. Raises `Unauthorized`."""
        if not is_local(request):
            self.check(request)


def is_local(request: Request) -> bool:
    """From a loopback address, for a loopback name (a web page elsewhere cannot claim that), through no proxy."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    host = request.headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    try:
        return name in _LOCAL_NAMES and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
