"""Elements of an XMP packet, and where they stand in its bytes, which are edited as text; used by `xmp` and
`companions`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

START_TAG = re.compile(rb"""<[^\s/>]+(?:\s+[^\s=/>]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""")
ATTRIBUTE = re.compile(rb"""\s(?P<name>[^\s=/>]+)\s*=\s*(?P<quote>["'])(?P<value>.*?)(?P=quote)""", re.DOTALL)
MOST_PREFIXES = 256  # in force at one place
Edit = tuple[int, int, bytes]  # where bytes begin and end, and what takes their place


@dataclass(eq=False, slots=True)
class Element:
    """spaces: namespaces by prefix, "" for none, as they hold there; parent: the element around it, None for the
    outermost; places: where its start tag begins, where that ends, where its end tag begins, and where that ends.
    """

    name: str
    attributes: dict[str, str]
    spaces: dict[str, str]
    parent: "Element | None"
    start: int
    content: int
    close: int = 0
    stop: int = 0
    plain: bool = True  # whether it holds nothing but text

    def full(self, name: str, prefixed: bool = False) -> tuple[str, str]:
        """(namespace, local name) of a name of its own; prefixed: of an attribute, which is in none without a
        prefix.
        """
        prefix, _, local = name.rpartition(":")
        return ("" if prefixed and not prefix else self.spaces.get(prefix, "")), local

    def spelled(self, packet: bytes) -> Iterator[re.Match[bytes]]:
        """Its attributes as they are written, with the groups name and value."""
        return ATTRIBUTE.finditer(packet, self.start, self.content)


def elements(packet: bytes, usual: dict[str, str]) -> tuple[list[Element], bool]:
    """(all elements in the order in which they begin, whether the packet is XML to its end).

    usual: namespaces of prefixes that somebody forgot to declare. Raises ValueError where an element does not end, and
    for what is in no XMP.
    """
    from xml.parsers import expat  # a millisecond, which most pictures do not need

    found: list[Element] = []
    opened: list[Element] = []
    parser = expat.ParserCreate("UTF-8")

    def begin(name: str, attributes: dict[str, str]) -> None:
        spaces, tag = opened[-1].spaces if opened else usual, START_TAG.match(packet, parser.CurrentByteIndex)
        own = {key[6:]: uri for key, uri in attributes.items() if key == "xmlns" or key.startswith("xmlns:")}
        if own:
            spaces = spaces | own
        if len(spaces) > MOST_PREFIXES or not tag:
            raise ValueError("more prefixes than anybody needs, or a tag that is none")
        if opened:
            opened[-1].plain = False
        opened.append(Element(name, attributes, spaces, opened[-1] if opened else None, *tag.span()))
        found.append(opened[-1])

    def end(_: str) -> None:
        element, place = opened.pop(), parser.CurrentByteIndex
        if packet[element.content - 2 : element.content] == b"/>":
            element.close = element.stop = element.content
            element.plain = False
        else:
            element.close, element.stop = place, packet.index(b">", place) + 1

    def refuse(*_: object) -> None:
        raise ValueError("a document type, which no XMP has")

    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = begin, end, refuse
    try:
        parser.Parse(packet, True)
    except (expat.ExpatError, ValueError) as error:
        if opened or not found:  # what comes behind the packet is nobody's business
            raise ValueError("the packet is broken") from error
        return found, False
    return found, True


def edited(packet: bytes, edits: Iterable[Edit]) -> bytes:
    """The packet after edits, which are in order and apart."""
    parts, done = [], 0
    for start, stop, instead in edits:
        parts += [packet[done:start], instead]
        done = stop
    return b"".join([*parts, packet[done:]])
