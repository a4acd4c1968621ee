"""The shared library, loaded once per process, and its functions with their types."""

import ctypes
import functools
import os
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_void_p
from pathlib import Path

from ...errors import BadOption, Missing

VERSION = 1  # of the functions below; as AEC_VERSION in aec.h
FOLDER = Path(__file__).parent
SIZES = "latent hyper anchors prior prior_mid width deep render synthesis_blocks analysis_blocks".split()
FINE, MEMORY, ARGUMENT, MODEL, SIZE, STATE, SHORT, SYMBOL, LONG, FORM = range(10)  # what functions return
TYPES = {"I8": 0, "I16": 1, "I32": 2, "F32": 3}


class Sizes(ctypes.Structure):
    """aec_config."""

    _fields_ = [(name, c_int32) for name in SIZES]


class Tensor(ctypes.Structure):
    """aec_tensor."""

    _fields_ = [
        ("name", c_char_p),
        ("data", c_void_p),
        ("bytes", c_int64),
        ("shape", c_int64 * 4),
        ("dimensions", c_int32),
        ("type", c_int32),
    ]


HALO = c_int32 * 4
_POINTER = c_void_p
_FUNCTIONS = {
    "aec_version": (c_int32, []),
    "aec_use": (c_char_p, [c_char_p]),
    "aec_threads": (c_int32, [c_int32]),
    "aec_load": (c_void_p, [POINTER(Sizes), POINTER(Tensor), c_int64, c_char_p, c_int64]),
    "aec_unload": (None, [c_void_p]),
    "aec_analyse": (c_int32, [c_void_p, c_int32, _POINTER, c_int64, *[c_int32] * 4, HALO, _POINTER]),
    "aec_write": (c_int32, [c_void_p, c_int32, _POINTER, c_int32, c_int32, _POINTER, c_int64, _POINTER, _POINTER]),
    "aec_pack": (c_int32, [c_void_p, c_int32, *[_POINTER] * 2, c_int32, c_int32, _POINTER, c_int64, *[_POINTER] * 2]),
    "aec_filter": (c_int32, [_POINTER, c_int64, c_int64, c_int32, _POINTER]),
    "aec_room": (c_int64, [c_void_p, c_int32, c_int32]),
    "aec_read": (c_int32, [c_void_p, c_int32, _POINTER, c_int64, c_int32, c_int32, *[_POINTER] * 6]),
    "aec_peek": (c_int32, [c_void_p, c_int32, _POINTER, c_int64, c_int32, c_int32, *[_POINTER] * 3]),
    "aec_render": (c_int32, [c_void_p, c_int32, _POINTER, c_int32, c_int32, HALO, *[c_int32] * 4, _POINTER]),
}


def path() -> Path | None:
    """The library's file, or None where the package was installed without a C compiler."""
    named = os.environ.get("AECODEC_LIBRARY")
    if named:
        return Path(named)
    found = (file for file in sorted(FOLDER.glob("_aec*")) if file.suffix in (".so", ".pyd", ".dll", ".dylib"))
    return next(found, None)


@functools.cache
def load() -> ctypes.CDLL:
    """The library, with the instruction set that AECODEC_SIMD names or the best there is, and a thread per processor or
    as many as OMP_NUM_THREADS says.

    Raises Missing, BadOption.
    """
    file = path()
    if file is None:
        raise Missing(
            "the native engine is not built: install the package anew where there is a C compiler, or its extra [torch]"
        )
    try:
        library = ctypes.CDLL(str(file))
    except OSError as error:
        raise Missing(f"the native engine cannot be loaded: {error}") from None
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name, None)
        if function is None or (name == "aec_version" and library.aec_version() != VERSION):
            raise Missing("the native engine was built from other sources: install the package anew")
        function.restype, function.argtypes = result, arguments
    wanted = os.environ.get("AECODEC_SIMD") or None
    if not library.aec_use(wanted and wanted.encode()):
        raise BadOption(f"AECODEC_SIMD asks for {wanted!r}, which this processor or this build does not have")
    threads = os.environ.get("OMP_NUM_THREADS", "")
    library.aec_threads(int(threads) if threads.isdecimal() and 0 < int(threads) < 1 << 16 else processors())
    return library


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
