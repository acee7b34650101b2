"""Class-balanced batches of sample indices, drawn by the daemon evendrawd.

    import evendraw
    client = evendraw.connect()
    client.create_dataset("pets", ["cat", "dog", "cat", None])
    client.create_job("train", "pets", batch_size=2, strategy="weighted")
    with client.open("train") as stream:
        for batch in stream:              # one epoch
            print(batch.step, batch.tolist())

For PyTorch see `evendraw.torch`. A thin layer over libevendraw, which must be installed (or named by
the environment variable EVENDRAW_LIBRARY).
"""

from . import errors
from ._library import lib as _lib
from ._select import select
from ._synthesise import synthesise
from ._thresholds import thresholds
from ._values import Result, Strategy
from .client import Client, connect
from .errors import (
    BadType,
    BadValue,
    Busy,
    Closed,
    Conflict,
    ConnectError,
    Denied,
    Error,
    Exists,
    HelloRequired,
    InternalError,
    LimitError,
    MissingField,
    NoMemory,
    NotFound,
    ProtocolError,
    ShuttingDown,
    StoreError,
    StrategyError,
    Timeout,
    UnknownField,
    UnknownMethod,
    UsageError,
    VersionError,
)
from .labels import encode, labels_of
from .stream import Batch, Stream, StreamInfo

__version__: str = _lib.evd_version().decode()

__all__ = [
    "Batch",
    "Client",
    "Result",
    "Strategy",
    "Stream",
    "StreamInfo",
    "connect",
    "encode",
    "errors",
    "labels_of",
    "select",
    "synthesise",
    "thresholds",
    *(kind.__name__ for kind in (Error, *Error.__subclasses__())),
]
