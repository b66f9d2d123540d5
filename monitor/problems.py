"""Errors as HTTP answers: RFC 9457 problem+json, with the place and the remedy."""

from __future__ import annotations

import math

import orjson
from starlette.responses import Response

from schemas import errors

STATUS: dict[type[errors.MastercopyError], int] = {
    errors.TooLarge: 413,
    errors.IdConflict: 409,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.NotAllowed: 405,
    errors.Overloaded: 429,
    errors.Reject: 400,
    errors.Retry: 503,
    errors.Stop: 409,
}


def status(error: errors.MastercopyError) -> int:
    """The status of the error's class, or of the nearest class above it."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(error: errors.MastercopyError) -> Response:
    """The answer to a caller."""
    code = status(error)
    body = {
        "type": f"urn:mastercopy:error:{error.code}",
        "title": error.summary,
        "status": code,
        "detail": error.detail,
        "path": error.place.path,
        "hint": error.hint,
    }
    headers = {}
    if code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.Retry):
        headers["Retry-After"] = str(math.ceil(error.after or 1))
    return Response(orjson.dumps(body), code, headers, media_type="application/problem+json")
