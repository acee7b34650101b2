"""What can go wrong: one class for every error name of the protocol.

All derive from `Error`, and from a builtin where one fits, so that `except LookupError` or
`except ConnectionError` work as well. The text says what is wrong and what to do next.
"""

from __future__ import annotations


class Error(Exception):
    """Any error of evendraw.

    Attributes:
        name: as in the protocol, e.g. ``"not_found"``.
        detail: the field, class, job, ... it is about, or ``""``.
    """

    name = "error"

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class ProtocolError(Error):
    """The other side did not speak the protocol."""

    name = "protocol"


class HelloRequired(Error):
    name = "hello_required"


class VersionError(Error):
    """Library and daemon have no version of the protocol in common."""

    name = "version"


class UnknownMethod(Error, AttributeError):
    """The daemon does not have that method: perhaps it is older than this package."""

    name = "unknown_method"


class UnknownField(Error, TypeError):
    """A field or a strategy's parameter that does not exist: often a misspelling."""

    name = "unknown_field"


class MissingField(Error, TypeError):
    name = "missing_field"


class BadType(Error, TypeError):
    name = "bad_type"


class BadValue(Error, ValueError):
    """The right type, an impossible value."""

    name = "bad_value"


class LimitError(Error, ValueError):
    """More than a limit of the daemon allows."""

    name = "limit"


class NotFound(Error, LookupError):
    """No such dataset, job or class."""

    name = "not_found"


class Exists(Error):
    """The name is taken."""

    name = "exists"


class Conflict(Error):
    """Not now: in use, attached, or being changed."""

    name = "conflict"


class StrategyError(Error, ValueError):
    """The strategy cannot be used with this dataset or job."""

    name = "strategy"


class Busy(Error):
    """At this moment there is no room for it (connections, heavy requests, writes, backups, jobs,
    datasets), or the job it names is being created or dropped: ask again."""

    name = "busy"


class StoreError(Error):
    """The daemon's database could not be written or read."""

    name = "store"


class NoMemory(Error, MemoryError):
    name = "no_memory"


class ShuttingDown(Error, ConnectionError):
    """The daemon is stopping."""

    name = "shutting_down"


class InternalError(Error):
    """A defect of evendraw: please report it."""

    name = "internal"


class Denied(Error, PermissionError):
    """This client may not do that: server.backup by TCP or as another user than the daemon's, without --backup-dir."""

    name = "denied"


class ConnectError(Error, ConnectionError):
    """No daemon at that address."""

    name = "connect"


class Closed(Error, ConnectionError):
    """The connection ended."""

    name = "closed"


class Timeout(Error, TimeoutError):
    """Nothing came within the time limit."""

    name = "timeout"


class UsageError(Error, ValueError):
    """Called wrongly."""

    name = "usage"


BY_NAME: dict[str, type[Error]] = {cls.name: cls for cls in Error.__subclasses__()}
