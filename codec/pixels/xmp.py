"""XMP packets as bytes: the orientation they repeat, and what JPEG files keep apart because a segment is too short for
it.

They are edited as text, so that what is not understood stays as it is; a parser says where the orientation stands.
Whatever a packet says is untrusted.
"""

import hashlib
import re

from .elements import Edit, edited, elements

TIFF = "http://ns.adobe.com/tiff/1.0/"
ORIENTATION = TIFF, "Orientation"
# The packet that stays in a JPEG's first segment when all of it goes into an extension.
EXTENDED = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="%s"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
# No pattern tries more than a few hundred places from where it begins: a hostile packet takes no longer than another.
NAME, GAP = rb"[\w.-]{1,64}", rb"\s{0,99}"
DIGITS = rb"[0-9A-Fa-f]{32}"
NOTE = re.compile(
    rb"""\s%(name)s:HasExtendedXMP%(gap)s=%(gap)s(?P<quote>["'])%(gap)s(?P<attribute>%(digits)s)%(gap)s(?P=quote)"""
    rb"""|<(?P<tag>%(name)s:HasExtendedXMP)(?:\s[^<>]{0,999})?>%(gap)s"""
    rb"""(?P<element>%(digits)s)%(gap)s</(?P=tag)%(gap)s>""" % {b"name": NAME, b"gap": GAP, b"digits": DIGITS}
)
RDF, META = rb"<%s:RDF\b[^<>]*>" % NAME, rb"<%s:(?:xmpmeta|xapmeta)\b[^<>]*>" % NAME
SPACES = re.compile(rb"""\s(xmlns:%s)%s=%s("[^"<>]*"|'[^'<>]*')""" % (NAME, GAP, GAP))
MOST_PREFIXES = 9  # for one namespace
TIFF_PATTERN = re.escape(TIFF).encode()
# What a packet in another of Unicode's encodings begins with, the longer marks first.
ENCODINGS = {
    b"\xff\xfe\0\0": "utf-32-le",
    b"\0\0\xfe\xff": "utf-32-be",
    b"<\0\0\0": "utf-32-le",
    b"\0\0\0<": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}
DECLARED = re.compile(r"""^(<\?xml\s[^<>]{0,99}encoding\s{0,9}=\s{0,9}["'])[\w.-]+""")


def in_utf8(xmp: bytes) -> bytes:
    """The packet in UTF-8, from whichever of Unicode's encodings."""
    name = next((name for mark, name in ENCODINGS.items() if xmp.startswith(mark)), None)
    if name is None:
        return xmp
    try:
        text = xmp.decode(name).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return xmp
    return DECLARED.sub(r"\1UTF-8", text).encode()


def upright(xmp: bytes) -> bytes:
    """The packet with the orientation 1 wherever it says one, as an attribute or as an element, under any prefix."""
    places = _orientations(xmp)
    return _upright_by_pattern(xmp) if places is None else edited(xmp, places)


def _orientations(xmp: bytes) -> list[Edit] | None:
    """Edits that say 1 in place of every orientation; None of what is no XML, or more than an XMP may be."""
    try:
        tags, whole = elements(xmp, {"tiff": TIFF})
    except ValueError:
        return None
    found: list[Edit] = []
    done = 0  # where the last orientation ends that is an element
    for tag in tags:
        if tag.start < done:
            continue
        if tag.full(tag.name) == ORIENTATION:
            done = tag.stop
            if tag.plain and not any(key.endswith(":value") for key in tag.attributes):
                found.append((tag.content, tag.close, _one(xmp[tag.content : tag.close])))
                continue
            prefix = tag.name.rpartition(":")[0]
            space = f"xmlns:{prefix}" if prefix else "xmlns"
            found.append((tag.start, tag.stop, f'<{tag.name} {space}="{TIFF}">1</{tag.name}>'.encode()))
        elif any(tag.full(key, prefixed=True) == ORIENTATION for key in tag.attributes):
            for attribute in tag.spelled(xmp):
                if tag.full(attribute["name"].decode(), prefixed=True) == ORIENTATION:
                    found.append((*attribute.span("value"), _one(attribute["value"])))
    return found if found or whole else None


def _one(value: bytes) -> bytes:
    """1 in place of a number, between the same spaces, and of anything else."""
    spaced = re.fullmatch(rb"(\s{0,99})[0-9]{1,9}(\s{0,99})", value)
    return b"1".join(spaced.groups()) if spaced else b"1"


def _upright_by_pattern(xmp: bytes) -> bytes:
    """The same of a packet that is no XML, as far as it goes."""
    named = re.findall(rb"""xmlns:(%s)%s=%s["']%s""" % (NAME, GAP, GAP, GAP) + TIFF_PATTERN, xmp)
    prefixes = rb"|".join(re.escape(name) + b":" for name in [b"tiff", *dict.fromkeys(named)][:MOST_PREFIXES])
    if re.search(rb"""xmlns%s=%s["']%s""" % (GAP, GAP, GAP) + TIFF_PATTERN, xmp):
        prefixes += b"|"
    values = {b"names": prefixes, b"gap": GAP}
    attribute = rb"""([\s<"'](?:%(names)s)Orientation%(gap)s=%(gap)s["']%(gap)s)[0-9]{1,9}(?=%(gap)s["'])""" % values
    element = rb"""(<(?:%(names)s)Orientation(?:\s[^<>]{0,999})?>%(gap)s)[0-9]{1,9}(?=%(gap)s<)""" % values
    return re.sub(element, rb"\g<1>1", re.sub(attribute, rb"\g<1>1", xmp))


def extension(xmp: bytes) -> str:
    """The 32 hexadecimal digits that name a packet's extension in a JPEG, "" if it has none."""
    found = NOTE.search(xmp)
    return (found["attribute"] or found["element"]).decode().upper() if found else ""


def without_note(xmp: bytes) -> bytes:
    """The packet that names no extension."""
    return NOTE.sub(b"", xmp)


def merged(xmp: bytes, more: bytes) -> bytes:
    """A packet with what its extension says; the extension alone where the packet says nothing else."""
    if xmp == EXTENDED % extension(xmp).encode():
        return more
    xmp = without_note(xmp)
    start, end = _inside(more)
    outer = re.findall(RDF + b"|" + META, more[:start])
    spaces = {name: value for tag in outer for name, value in SPACES.findall(tag)}
    place, close = _inside(xmp)
    opening = xmp[max(0, xmp.rfind(b"<", 0, place)) : place]
    if opening.endswith(b">") and not opening.endswith(b"/>"):
        missing = b"".join(b" %s=%s" % space for space in spaces.items() if not _declares(opening, space[0]))
        xmp, close = xmp[: place - 1] + missing + xmp[place - 1 :], close + len(missing)
    return xmp[:close] + more[start:end] + xmp[close:]


def split(xmp: bytes) -> tuple[bytes, bytes]:
    """(packet for a JPEG's first segment, name of the extension that is all of `xmp`)."""
    name = hashlib.md5(xmp, usedforsecurity=False).hexdigest().upper().encode()
    return EXTENDED % name, name


def _inside(xmp: bytes) -> tuple[int, int]:
    """Where the content of a packet's RDF begins and ends, of its outermost element where there is none."""
    for opening, closing in ((RDF, rb"</%s:RDF>"), (META, rb"</%s:(?:xmpmeta|xapmeta)>")):
        closing = closing % NAME
        first, ends = re.search(opening, xmp), [match.start() for match in re.finditer(closing, xmp)]
        if first and ends and first.end() <= ends[-1]:
            return first.end(), ends[-1]
    return 0, len(xmp)


def _declares(tag: bytes, name: bytes) -> bool:
    return any(found == name for found, _ in SPACES.findall(tag))
