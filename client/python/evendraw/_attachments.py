"""Attachments of a dataset version: neighbours, selections and folds, sent, looked for and read back.

For the modules that compute them; what users call is built on these.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _library
from ._values import Result, as_text
from .errors import BadValue, Error, Exists

if TYPE_CHECKING:
    from ._connection import Connection

lib = _library.lib

_ROWS: dict[str, Any] = {"neighbours": np.uint32, "selection": np.uint8, "folds": np.uint16}


def attach(
    client: Connection, rows: NDArray[Any], distances: NDArray[np.float32] | None = None, **fields: Any
) -> Result:
    """Sends an attachment. The same under the same name is no error.

    Args:
        rows: neighbours of shape (samples, k), uint32, all ones where there is none; a selection of
            shape (samples,), bool; folds of shape (samples,), 65535 without a label.
        distances: of neighbours, of the same shape, infinite where there is none.
        fields: of attachment.create: dataset, version, name, kind, and what belongs to the kind.

    Raises:
        Exists: there is another one of that name.
    """
    kind = fields.get("kind", "")
    if kind == "neighbours" and (distances is None or np.shape(distances) != np.shape(rows)):
        raise BadValue("neighbours need distances of the same shape", "distances")
    sent = np.ascontiguousarray(rows, dtype=_ROWS.get(kind))
    far = None if distances is None else np.ascontiguousarray(distances, dtype=np.float32)
    params = json.dumps({key: value for key, value in fields.items() if value is not None})
    handle, result = ctypes.c_void_p(), ctypes.c_void_p()
    with client._use():
        client._check(
            lib.evd_attachment_begin(
                client._handle, as_text(params, "terms"), ctypes.byref(handle)
            )
        )
        try:
            client._check(
                lib.evd_attachment_append(
                    handle,
                    sent.ctypes.data,
                    sent.strides[0],
                    None if far is None else far.ctypes.data,
                    len(sent),
                )
            )
        except Error:
            lib.evd_attachment_abort(handle)
            raise
        client._check(lib.evd_attachment_commit(handle, ctypes.byref(result)))
        return json.loads(_library.take_text(result))  # type: ignore[no-any-return]


def find(client: Connection, fields: Result) -> Result | None:
    """What is described by these fields of attachment.create, if it is there already; None also if
    that cannot be known.

    Raises:
        Exists: there is another one of that name.
    """
    result = ctypes.c_void_p()
    with client._use():
        try:
            client._check(
                lib.evd_attachment_find(
                    client._handle, as_text(json.dumps(fields), "terms"), ctypes.byref(result)
                )
            )
        except Exists as error:
            dataset, name = fields["dataset"], fields["name"]
            raise Exists(
                f"{dataset}, version {fields['version']}, has another attachment {name!r} already, "
                f"which differs in {error.detail}: give this one another name=, or remove that one "
                f"by client.detach({dataset!r}, {name!r}, {fields['version']})",
                name,
            ) from None
        return json.loads(_library.take_text(result)) if result else None


Rows = tuple[NDArray[Any], NDArray[np.float32] | None]


def attach_new(client: Connection, fields: Result, compute: Callable[[], Rows]) -> Result:
    """Attaches the rows and distances that `compute` returns, unless they are there already; then it
    is not called."""
    if (there := find(client, fields)) is not None:
        return there
    rows, distances = compute()
    # It may have taken long: asking once more connects again where the daemon was restarted.
    if (there := find(client, fields)) is not None:
        return there
    return attach(client, rows, distances, **fields)


def labels(client: Connection, info: Result) -> NDArray[np.uint32]:
    """Class numbers of the samples of a version, as dataset.info describes it."""
    found = np.empty(info["samples"], dtype=np.uint32)
    with client._use():
        client._check(
            lib.evd_dataset_labels(
                client._handle,
                as_text(info["dataset"], "dataset"),
                info["version"],
                0,
                found.ctypes.data,
                len(found),
            )
        )
    return found


def attachments(client: Connection, dataset: str, version: int | None = None) -> list[Result]:
    """Those of a version, by name; version None: the newest."""
    answer = client.call("attachment.list", dataset=dataset, version=version)
    return answer["attachments"]  # type: ignore[no-any-return]


def read(client: Connection, info: Result, *, distances: bool = False) -> Rows:
    """Rows, and distances if they are wanted, of one that `attachments` lists."""
    kind, samples = info["kind"], info["samples"]
    shape = (samples, info["k"]) if kind == "neighbours" else (samples,)
    rows = np.empty(shape, dtype=_ROWS[kind])
    far = np.empty(shape, dtype=np.float32) if distances else None
    with client._use():
        client._check(
            lib.evd_attachment_read(
                client._handle,
                as_text(info["dataset"], "dataset"),
                info["version"],
                as_text(info["name"], "name"),
                0,
                rows.ctypes.data,
                rows.nbytes // samples,
                None if far is None else far.ctypes.data,
                samples,
            )
        )
    return rows, far
