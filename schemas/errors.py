"""Every error of the hub, sorted by what happens next: retry, reject, stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

StopKind = TypeVar("StopKind", bound="Stop")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error points: a file with its line, a path inside a payload, or both. Lines and columns count from 1."""

    file: str = ""
    line: int = 0
    path: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return " ".join(part for part in (where, self.path) if part)


class MastercopyError(Exception):
    """The hub could not go on with this."""

    def __init__(self, detail: str = "", *, place: Place | None = None, value: object = None, hint: str = "") -> None:
        self.detail = detail
        self.place = place or Place()
        self.value = value
        self.hint = hint
        super().__init__(detail)

    @property
    def code(self) -> str:
        """The name that groups, metrics and the dead-letter list use."""
        return type(self).__name__

    @property
    def summary(self) -> str:
        """The class's own sentence."""
        return (type(self).__doc__ or "").split("\n", 1)[0].rstrip(".")

    def __str__(self) -> str:
        """One readable line: place, sentence, detail, value, hint."""
        line = f"{self.summary}: {self.detail}" if self.detail else self.summary
        if str(self.place):
            line = f"{self.place}: {line}"
        if self.value is not None:
            line += f" (got {str(self.value)[:200]!r})"
        return f"{line}. {self.hint}" if self.hint else line

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders whole: the decode pool sends them back."""
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[MastercopyError], state: dict[str, object]) -> MastercopyError:
    error = kind.__new__(kind)
    Exception.__init__(error, state.get("detail", ""))
    error.__dict__.update(state)
    return error


class Retry(MastercopyError):
    """It may work later, unchanged."""

    def __init__(
        self, detail: str = "", *, after: float | None = None, place: Place | None = None, value: object = None, hint: str = ""
    ) -> None:
        super().__init__(detail, place=place, value=value, hint=hint)
        self.after = after  # seconds that the other side asked for


class EndpointDown(Retry):
    """The other side cannot be reached or answers with a failure of its own."""


class Throttled(Retry):
    """The other side asks to wait."""


class Overloaded(Retry):
    """The hub has more waiting than it may hold."""


class UnknownOutcome(Retry):
    """It is not known whether this was carried out."""


class Reject(MastercopyError):
    """This content will never be taken as it is."""


class TooLarge(Reject):
    """The body is longer than this feed allows."""


class Undecodable(Reject):
    """The bytes are not what the format says."""


class Unencodable(Reject):
    """The subscriber's format cannot hold this value."""


class Unsafe(Reject):
    """The content holds something that the hub does not take in."""


class SchemaViolation(Reject):
    """The record does not follow its own system's schema."""


class MappingFailure(Reject):
    """A mapping rule could not be carried out."""


class NotCanonical(Reject):
    """The mapped record does not follow the canonical schema."""


class IdConflict(Reject):
    """The same message id was sent before with another body."""


class PoisonRecord(Reject):
    """Working on this record ended the process."""


class StillWrong(Reject):
    """The copy of a dead letter would fail again."""


class Refused(Reject):
    """The subscriber refuses this content."""


class TotalsDiffer(Reject):
    """The file does not agree with its control file or trailer."""


class Stop(MastercopyError):
    """Somebody has to change something first."""

    also: tuple[Stop, ...] = ()  # what else was found wrong in the same look

    @property
    def all(self) -> tuple[Stop, ...]:
        """This one and all that were found with it."""
        return (self, *self.also)


def together(found: Sequence[StopKind]) -> StopKind:
    """Several mistakes as one error: the first, which carries the others."""
    first, *others = dict.fromkeys(each for error in found for each in error.all)
    first.also = tuple(others)
    for each in others:
        each.also = ()
    return first  # type: ignore[return-value]


class Misconfigured(Stop):
    """The configuration is wrong."""


class BadManifest(Stop):
    """The manifest is wrong."""


class BadMapping(Stop):
    """The mapping file is wrong."""


class BadRoute(Stop):
    """The route file is wrong."""


class HomeLocked(Stop):
    """Another hub works in this home."""


class FenceLost(Stop):
    """Another process has taken over this work."""


class Gone(Stop):
    """The subscriber says that it does not exist any more."""


class Unauthorized(Stop):
    """Nobody is known by these credentials."""


class Forbidden(Stop):
    """The credentials do not allow this."""


class NotAllowed(Stop):
    """This cannot be done here."""


class NotFound(Stop):
    """There is no such thing."""
