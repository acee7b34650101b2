"""libevendraw by ctypes: its structs and functions as the public headers declare them.

The structs are compared with those of the library when it is loaded, and one that differs is refused.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, Structure, c_char, c_char_p, c_double, c_int, c_size_t, c_uint, c_uint32, c_uint64
from ctypes import c_void_p

EPOCH_END = -1
NO_TIME_LIMIT = -1
NO_RECONNECT = -2
MANUAL_ACK = 1
EARLY_END = 2
EXCLUSIVE = 4
ACK_THROUGH = 1
ACK_CONFIRM = 2
NO_LABEL = 0xFFFFFFFF

COLUMNS = {
    "label": 1 << 1,
    "probability": 1 << 2,
    "repeat": 1 << 3,
    "augment_seed": 1 << 4,
    "augment_strength": 1 << 5,
    "mix_index": 1 << 6,
    "mix_label": 1 << 7,
    "mix_lambda": 1 << 8,
    "mix_label_lambda": 1 << 9,
}


class ClientOptions(Structure):
    _fields_ = [
        ("client_name", c_char_p),
        ("time_limit_ms", c_int),
        ("reconnect_ms", c_int),
    ]


class Counters(Structure):
    _fields_ = [("reconnects", c_uint64), ("repeated", c_uint64), ("late_acks", c_uint64)]


class StreamOptions(Structure):
    _fields_ = [
        ("job", c_char_p),
        ("rank", c_int),
        ("world_size", c_uint32),
        ("window", c_uint32),
        ("columns", c_uint32),
        ("flags", c_uint32),
    ]


class StreamInfo(Structure):
    _fields_ = [
        ("job", c_char_p),
        ("dataset", c_char_p),
        ("version", c_uint32),
        ("classes", c_uint32),
        ("samples", c_uint64),
        ("batch_size", c_uint32),
        ("rank", c_int),
        ("world_size", c_uint32),
        ("window", c_uint32),
        ("generation", c_uint32),
        ("revision", c_uint32),
        ("epoch", c_uint64),
        ("step", c_uint64),
        ("steps", c_uint64),
        ("seed", c_uint64),
        ("announced_revision", c_uint32),
        ("announced_epoch", c_uint64),
        ("announced_step", c_uint64),
        ("ended", c_uint64),
        ("first_epoch", c_uint64),
        ("first_step", c_uint64),
    ]


class Batch(Structure):
    _fields_ = [
        ("epoch", c_uint64),
        ("step", c_uint64),
        ("generation", c_uint32),
        ("revision", c_uint32),
        ("redelivered", c_int),
        ("n", c_uint32),
        ("index", c_void_p),
        ("label", c_void_p),
        ("probability", c_void_p),
        ("repeat", c_void_p),
        ("augment_seed", c_void_p),
        ("augment_strength", c_void_p),
        ("mix_index", c_void_p),
        ("mix_label", c_void_p),
        ("mix_lambda", c_void_p),
        ("mix_label_lambda", c_void_p),
    ]


PROGRESS = ctypes.CFUNCTYPE(None, c_void_p, c_uint64, c_uint64)


class NeighboursOptions(Structure):
    _fields_ = [
        ("features", c_void_p),
        ("labels", c_void_p),
        ("n", c_uint64),
        ("d", c_uint32),
        ("k", c_uint32),
        ("type", c_int),
        ("metric", c_int),
        ("scope", c_int),
        ("of_class", c_uint32),
        ("threads", c_uint32),
        ("progress", PROGRESS),
        ("arg", c_void_p),
        ("cancel", POINTER(c_int)),
        ("partial", c_char_p),
    ]


class NeighboursResult(Structure):
    _fields_ = [
        ("message", c_char * 384),
        ("memory", c_uint64),
        ("features", c_uint64),
        ("samples", c_uint64),
        ("doubtful", c_uint64),
        ("short_classes", c_uint32),
        ("short_class", c_uint32),
        ("short_members", c_uint32),
        ("resumed", c_uint32),
    ]


class SelectOptions(Structure):
    _fields_ = [
        ("features", c_void_p),
        ("labels", c_void_p),
        ("n", c_uint64),
        ("d", c_uint32),
        ("classes", c_uint32),
        ("type", c_int),
        ("metric", c_int),
        ("method", c_int),
        ("targets", c_int),
        ("target_list", c_void_p),
        ("target_counts", c_void_p),
        ("target_count", c_uint32),
        ("k", c_uint32),
        ("vote", c_int),
        ("max_iterations", c_uint32),
        ("allow_minority", c_int),
        ("candidates", c_uint32),
        ("threshold", c_double),
        ("first", c_void_p),
        ("first_count", c_uint64),
        ("seed", c_uint64),
        ("seeds", c_uint32),
        ("threads", c_uint32),
        ("probabilities", c_void_p),
        ("class_names", POINTER(c_char_p)),
        ("progress", PROGRESS),
        ("arg", c_void_p),
        ("cancel", POINTER(c_int)),
    ]


class SelectResult(Structure):
    _fields_ = [
        ("message", c_char * 384),
        ("warning", c_char * 384),
        ("samples", c_uint64),
        ("kept", c_uint64),
        ("smallest", c_uint32),
        ("iterations", c_uint32),
        ("searches", c_uint32),
    ]


_PROTOTYPES: dict[str, tuple[object, list[object]]] = {
    "evd_version": (c_char_p, []),
    "evd_connect": (c_int, [c_char_p, POINTER(ClientOptions), POINTER(c_void_p)]),
    "evd_close": (None, [c_void_p]),
    "evd_address": (c_char_p, [c_void_p]),
    "evd_error_message": (c_char_p, [c_void_p]),
    "evd_error_detail": (c_char_p, [c_void_p]),
    "evd_error_name": (c_char_p, [c_int]),
    "evd_call": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(c_void_p)]),
    "evd_free": (None, [c_void_p]),
    "evd_dataset_begin": (
        c_int,
        [c_void_p, c_char_p, POINTER(c_char_p), c_size_t, POINTER(c_void_p)],
    ),
    "evd_dataset_begin_owned": (
        c_int,
        [c_void_p, c_char_p, POINTER(c_char_p), c_size_t, POINTER(c_void_p)],
    ),
    "evd_dataset_append": (c_int, [c_void_p, c_void_p, c_size_t]),
    "evd_dataset_weights": (c_int, [c_void_p, c_char_p, c_void_p, c_size_t]),
    "evd_dataset_commit": (c_int, [c_void_p, POINTER(c_void_p)]),
    "evd_dataset_abort": (None, [c_void_p]),
    "evd_dataset_labels": (
        c_int,
        [c_void_p, c_char_p, c_uint32, c_uint64, c_void_p, c_size_t],
    ),
    "evd_attachment_begin": (c_int, [c_void_p, c_char_p, POINTER(c_void_p)]),
    "evd_attachment_append": (c_int, [c_void_p, c_void_p, c_size_t, c_void_p, c_size_t]),
    "evd_attachment_commit": (c_int, [c_void_p, POINTER(c_void_p)]),
    "evd_attachment_abort": (None, [c_void_p]),
    "evd_attachment_find": (c_int, [c_void_p, c_char_p, POINTER(c_void_p)]),
    "evd_attachment_read": (
        c_int,
        [
            c_void_p,
            c_char_p,
            c_uint32,
            c_char_p,
            c_uint64,
            c_void_p,
            c_size_t,
            c_void_p,
            c_size_t,
        ],
    ),
    "evd_stream_open": (c_int, [c_void_p, POINTER(StreamOptions), POINTER(c_void_p)]),
    "evd_stream_close": (None, [c_void_p]),
    "evd_stream_get_info": (POINTER(StreamInfo), [c_void_p]),
    "evd_next": (c_int, [c_void_p, c_int, POINTER(POINTER(Batch))]),
    "evd_ack": (c_int, [c_void_p, c_uint64, c_uint64, c_uint]),
    "evd_release": (c_int, [c_void_p, c_uint64, c_uint64]),
    "evd_touch": (c_int, [c_void_p]),
    "evd_get_counters": (None, [c_void_p, POINTER(Counters)]),
    "evd_fd": (c_int, [c_void_p]),
    "evd_neighbours": (
        c_int,
        [POINTER(NeighboursOptions), c_void_p, c_void_p, POINTER(NeighboursResult)],
    ),
    "evd_select": (
        c_int,
        [POINTER(SelectOptions), c_void_p, c_void_p, POINTER(SelectResult)],
    ),
    "evd_neighbours_check": (c_int, [POINTER(NeighboursOptions), POINTER(NeighboursResult)]),
    "evd_neighbours_terms": (c_void_p, [POINTER(NeighboursOptions)]),
    "evd_select_word": (c_char_p, [c_char_p, c_int]),
    "evd_select_takes": (c_int, [c_int, c_char_p]),
    "evd_select_terms": (c_void_p, [POINTER(SelectOptions)]),
    "evd_features_digest": (c_uint64, [POINTER(NeighboursOptions)]),
    "evd_layout": (c_char_p, [c_size_t, POINTER(c_size_t), POINTER(c_size_t)]),
}

_STRUCTS: dict[str, type[Structure]] = {
    "evd_client_options": ClientOptions,
    "evd_counters": Counters,
    "evd_stream_options": StreamOptions,
    "evd_stream_info": StreamInfo,
    "evd_batch": Batch,
    "evd_neighbours_options": NeighboursOptions,
    "evd_neighbours_result": NeighboursResult,
    "evd_select_options": SelectOptions,
    "evd_select_result": SelectResult,
}


_Layout = dict[str, tuple[int, int]]  # of structs and members: offset and size in bytes


def _layout_here(structs: dict[str, type[Structure]]) -> _Layout:
    layout: _Layout = {}
    for name, struct in structs.items():
        layout[name] = (0, ctypes.sizeof(struct))
        for member, *_ in struct._fields_:
            field = getattr(struct, member)
            layout[f"{name}.{member}"] = (field.offset, field.size)
    return layout


def _layout_there(library: ctypes.CDLL) -> _Layout:
    layout: _Layout = {}
    offset, size = c_size_t(), c_size_t()
    while name := library.evd_layout(len(layout), offset, size):
        layout[name.decode()] = (offset.value, size.value)
    return layout


def _check(library: ctypes.CDLL, structs: dict[str, type[Structure]]) -> None:
    """ImportError if the library's structs are not these."""
    here, there = _layout_here(structs), _layout_there(library)
    for name in here | there:
        if here.get(name) != there.get(name):
            raise ImportError(
                f"libevendraw {library.evd_version().decode()} and this package are not of the "
                f"same version ({name} is at offset, size {there.get(name)} in the library and "
                f"{here.get(name)} here): install both from the same release"
            )


def _load() -> ctypes.CDLL:
    """The library named by EVENDRAW_LIBRARY, or else the one the dynamic linker finds."""
    path = os.environ.get("EVENDRAW_LIBRARY", "libevendraw.so.0")
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"cannot load libevendraw ({error}): install it (cmake --install), or set "
            "EVENDRAW_LIBRARY to the path of libevendraw.so"
        ) from error
    for name, (result, arguments) in _PROTOTYPES.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise ImportError(
                f"libevendraw ({path}) is older than this package, it has no {name}: install both "
                "from the same release"
            ) from error
        function.restype = result
        function.argtypes = arguments
    _check(library, _STRUCTS)
    return library


lib = _load()


def take_text(pointer: c_void_p | int | None) -> str:
    """The text that the library returned, which is freed."""
    if not pointer:
        raise MemoryError
    try:
        return ctypes.string_at(pointer).decode()
    finally:
        lib.evd_free(pointer)
