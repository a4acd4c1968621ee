"""Names of files, and what went wrong with them, as one line of text."""

from .. import loading
from ..errors import CodecError


def shown(name: str) -> str:
    """A file name as one line of text: control characters and bytes that are no UTF-8 are written as Python escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def text(name: str) -> str:
    """A file name for tables and files that hold UTF-8 only: as it is, but for bytes that are none, as Python
    escapes.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def reason(name: str, error: Exception) -> str:
    """One sentence, without the name of the file it is about."""
    if isinstance(error, CodecError):
        return shown(str(error))
    if isinstance(error, OSError) and error.strerror:
        said = error.strerror[0].lower() + error.strerror[1:]
        return said if error.filename in (None, name) else f"{shown(str(error.filename))}: {said}"
    if isinstance(error, UnicodeError) and name != text(name):
        return "its name holds bytes that are no UTF-8, which cannot be"
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    if isinstance(error, ImportError) and (sentence := loading.sentence(error)):
        return shown(sentence)
    summary = (str(error).splitlines() or ["no message"])[0]
    return f"unexpected {type(error).__name__}: {shown(summary)} (-v shows where)"
