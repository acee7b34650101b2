"""A connection: calls, and how it ends."""

from __future__ import annotations

import ctypes
import json
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from . import _library
from ._values import Result, as_text, jsonable
from .errors import BY_NAME, Error, UsageError

lib = _library.lib

_NOT_BY_CLASS = ("class", "epochs", "columns")


class Connection:
    """What `Client` is made of, without what the daemon can be asked for."""

    def __init__(
        self,
        address: str | None = None,
        *,
        name: str | None = None,
        time_limit: float = 30.0,
        reconnect: float | None = 60.0,
    ) -> None:
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._handle: ctypes.c_void_p | None = None
        handle = ctypes.c_void_p()
        name = name or f"python (pid {self._pid})"
        again = _library.NO_TIME_LIMIT if reconnect is None else int(reconnect * 1000)
        options = _library.ClientOptions(
            as_text(name, "name"), max(1, int(time_limit * 1000)), again or _library.NO_RECONNECT
        )
        code = lib.evd_connect(
            as_text(address, "address") if address else None, ctypes.byref(options), ctypes.byref(handle)
        )
        self._handle = handle
        if code != 0:
            error = self._error(code)
            self.close()
            raise error
        _clients.add(self)

    def call(self, method: str, **fields: Any) -> Result:
        """Any method of the protocol (proto/PROTOCOL.md) but those of streams.

        Fields that are None are left out. Bytes travel as bytes; NaN in an answer is None.
        """
        given = {key: value for key, value in fields.items() if value is not None}
        text = json.dumps(given, default=jsonable, allow_nan=False)
        result = ctypes.c_void_p()
        with self._use():
            self._check(
                lib.evd_call(self._handle, method.encode(), text.encode(), ctypes.byref(result))
            )
            return json.loads(_library.take_text(result))  # type: ignore[no-any-return]

    @property
    def address(self) -> str:
        """Where the daemon is."""
        with self._use():
            return lib.evd_address(self._handle).decode()  # type: ignore[no-any-return]

    @property
    def usable(self) -> bool:
        """Not closed, and of this process."""
        return self._handle is not None and self._pid == os.getpid()

    @property
    def counters(self) -> dict[str, int]:
        """What happened so far and is no error: reconnects, repeated (batches that came once more),
        late_acks (of steps that were no longer this client's)."""
        raw = _library.Counters()
        with self._use():
            lib.evd_get_counters(self._handle, ctypes.byref(raw))
        return {name: getattr(raw, name) for name, _ in raw._fields_}

    def close(self) -> None:
        """Ends the connection and its streams."""
        with self._lock:
            if self.usable:
                lib.evd_close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    def __reduce__(self) -> Any:
        raise UsageError("a connection cannot be sent to another process: connect there")

    @contextmanager
    def _use(self) -> Iterator[Self]:
        with self._lock:
            if self._handle is None:
                raise UsageError("the connection is closed: call evendraw.connect() again")
            if self._pid != os.getpid():
                raise UsageError(
                    f"this connection belongs to process {self._pid}: call evendraw.connect() in "
                    "the new process"
                )
            yield self

    def _error(self, code: int) -> Error:
        kind = BY_NAME.get(lib.evd_error_name(code).decode(), Error)
        return kind(
            lib.evd_error_message(self._handle).decode(errors="replace"),
            lib.evd_error_detail(self._handle).decode(errors="replace"),
        )

    def _check(self, code: int) -> None:
        if code != 0:
            raise self._error(code)

    def _paged(self, method: str, **fields: Any) -> Result:
        """All pages of an answer by class, as arrays."""
        answer = self.call(method, **fields)
        page = answer
        while len(answer["class"]) < answer["classes"] and page["class"]:
            page = self.call(method, **fields, first=len(answer["class"]))
            for key, value in page.items():
                if isinstance(value, list) and key not in ("epochs", "columns"):
                    answer[key] += value
        n = len(answer["class"])
        for key, value in answer.items():
            if isinstance(value, list) and len(value) == n and key not in _NOT_BY_CLASS:
                answer[key] = np.array([np.nan if v is None else v for v in value])
        return answer

    def _rows(
        self, method: str, key: str, fields: dict[str, Any] | None = None, **after: str
    ) -> list[Result]:
        """All rows of a list that comes in pages. `after`: which keys of the last row are sent as
        which fields to get the next page."""
        fields = dict(fields or {})
        rows: list[Result] = []
        while True:
            answer = self.call(method, **fields)
            page = answer[key]
            rows += page
            if not answer.get("more") or not page:
                return rows
            fields.update({field: page[-1][name] for name, field in after.items()})

    def _abandon(self) -> None:
        """In a forked child: lets go of the parent's socket without a word to the daemon."""
        if self._handle is not None and self._pid != os.getpid():
            fd = lib.evd_fd(self._handle)
            if fd >= 0:
                os.close(fd)
            self._handle = None
            self._lock = threading.RLock()  # another thread may have held it


_clients: weakref.WeakSet[Connection] = weakref.WeakSet()


def _after_fork() -> None:
    for client in list(_clients):
        client._abandon()
    _clients.clear()


os.register_at_fork(after_in_child=_after_fork)
