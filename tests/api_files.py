"""Files for the tests of the library."""

from conftest import photograph


def file(coder):
    return coder.encode(photograph(56, 72), 60)
