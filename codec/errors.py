"""Everything the codec refuses, as one family of exceptions. Beside these only the OSError of a file reaches a caller.

Each carries exactly one sentence that names the reason, without the file name: who opened the file (the command line)
adds it.
"""


class CodecError(Exception):
    """The codec refused; `str(error)` is one sentence for the person in front of it."""


class NotAec(CodecError):
    """The bytes do not begin with the signature of an .aec file."""


class Truncated(CodecError):
    """The file ends too early; the sentence names the bytes expected and the bytes there."""


class Corrupt(CodecError):
    """A checksum, a range or a rule of the format does not hold."""


class UnsupportedVersion(CodecError):
    """The file needs a newer format than this package reads."""


class UnknownModel(CodecError):
    """The model a file or an option names is not among the installed ones."""


class TooLarge(CodecError):
    """The picture has more pixels than --max-pixels allows."""


class BadImage(CodecError):
    """A picture that cannot be read, or cannot be written in the format asked for."""


class BadWeights(CodecError):
    """A weight file that is broken or does not describe a model of this codec."""


class BadOption(CodecError, ValueError):
    """An argument outside its range or unknown; a ValueError too, as callers of a library expect."""


class BadData(CodecError, ValueError):
    """An array or table that cannot be learned from or does not fit what was learned; a ValueError too, as scikit-learn
    expects.
    """


class Missing(CodecError, ImportError):
    """A package that the codec needs is not there, or cannot be loaded."""
