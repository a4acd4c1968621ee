"""What a file holds beside its picture, and no Picture has: gain maps, videos, depth maps, other views; what a note
calls them, and their names in XMP, which would lie about a file without them. Used by `metadata` and `formats`.

Properties that hold their data themselves, as a depth map in Base64, stay.
"""

import re
from collections.abc import Iterable

from .elements import Edit, Element, edited, elements

GAIN_MAP = "its gain map (what HDR displays add to it)"
VIDEO = "its video (it is a motion photo)"
DEPTH_MAP = "its depth map"
PICTURES = "the other pictures in it"
SOUND = "its sound"
AND_XMP, XMP = ", and what its XMP says of that", "what its XMP says of "
BROKEN = "its XMP (which is broken, and names what is not kept beside a picture)"
GOOGLE, APPLE = "http://ns.google.com/photos/", "http://ns.apple.com/"
ANY = ""
# By namespace what the names of some properties begin with, and what they speak of.
NAMED: dict[str, tuple[tuple[str, ...], str]] = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": ((ANY,), GAIN_MAP),
    f"{APPLE}HDRGainMap/1.0/": ((ANY,), GAIN_MAP),
    f"{APPLE}pixeldatainfo/1.0/": ((ANY,), GAIN_MAP),
    f"{APPLE}depthData/1.0/": ((ANY,), DEPTH_MAP),
    f"{APPLE}depthBlurEffect/1.0/": ((ANY,), DEPTH_MAP),
    f"{APPLE}portraitEffectsMatte/1.0/": ((ANY,), PICTURES),
    f"{APPLE}semanticSegmentationMatte/1.0/": ((ANY,), PICTURES),
    f"{GOOGLE}1.0/container/": ((ANY,), PICTURES),
    f"{GOOGLE}1.0/container/item/": ((ANY,), PICTURES),
    f"{GOOGLE}1.0/camera/": (("MicroVideo", "MotionPhoto"), VIDEO),
    "http://ns.oplus.com/photos/1.0/camera/": (("MotionPhoto", "OLivePhoto", "VideoLength"), VIDEO),
    "http://ns.xiaomi.com/photos/1.0/camera/": (("MicroVideo", "MotionPhoto", "VideoLength"), VIDEO),
    f"{GOOGLE}dd/1.0/device/": (("Container", "Profile", "Camera", "Plane"), DEPTH_MAP),
    f"{GOOGLE}dd/1.0/container/": ((ANY,), PICTURES),
    f"{GOOGLE}dd/1.0/item/": ((ANY,), PICTURES),
    f"{GOOGLE}1.0/depthmap/": ((ANY,), DEPTH_MAP),
    f"{GOOGLE}1.0/image/": ((ANY,), PICTURES),
    f"{GOOGLE}1.0/audio/": ((ANY,), SOUND),
}
# Namespaces whose properties stay where one of them, Data, holds what they speak of.
HOLDING = {f"{GOOGLE}1.0/depthmap/", f"{GOOGLE}1.0/image/", f"{GOOGLE}1.0/audio/"}
DATA = "Data"
# Prefixes that are usual, should somebody have forgotten to declare them.
USUAL = {
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "HDRGainMap": f"{APPLE}HDRGainMap/1.0/",
    "Container": f"{GOOGLE}1.0/container/",
    "Item": f"{GOOGLE}1.0/container/item/",
    "GCamera": f"{GOOGLE}1.0/camera/",
    "GDepth": f"{GOOGLE}1.0/depthmap/",
}
# What a packet has to hold to be looked at: a namespace, a usual prefix, or a character written as a number.
SUSPECT = re.compile(b"|".join([*(re.escape(word).encode() for word in (*NAMED, *USUAL)), rb"&#"]))


def noted(notes: Iterable[str], named: Iterable[str]) -> list[str]:
    """Notes of what is lost, with those of what an XMP no longer names."""
    notes = list(notes)
    for name in named:
        if name in notes:
            notes[notes.index(name)] += AND_XMP
        elif name == BROKEN:
            notes.append(name)
        elif name != PICTURES:
            notes.append(XMP + "a " + name.removeprefix("its ").partition(" (")[0])
        elif not any(XMP in note for note in notes):  # else it was the list of what more has been said of
            notes.append(XMP + "other pictures")
    return notes


def without(packet: bytes) -> tuple[bytes, list[str]]:
    """(the packet without properties that name what no Picture has, what these were, by its names above); the very
    packet where there are none.
    """
    if not SUSPECT.search(packet):
        return packet, []
    try:
        tags, _ = elements(packet, USUAL)
    except ValueError:
        return b"", [BROKEN]
    whole = {space for space in HOLDING if any((space, DATA) in _names(tag) for tag in tags)}
    named: dict[str, None] = {}
    gone: list[tuple[int, int]] = []
    kept: list[Element] = []
    done = 0  # where the last element ends that goes
    for tag in tags:
        if tag.start < done:
            continue
        if tag.parent and (what := _spoken(tag.full(tag.name), whole)):
            named[what], done = None, tag.stop
            gone.append((tag.start, tag.stop))
            continue
        kept.append(tag)
        for name in tag.attributes:
            if what := _spoken(tag.full(name, prefixed=True), whole):
                named[what] = None
    if not named:
        return packet, []
    used = {_prefix(tag, name) for tag in kept for name in (tag.name, *tag.attributes) if _stays(tag, name, whole)}
    for tag in kept:
        for attribute in tag.spelled(packet):
            name = attribute["name"].decode()
            space = tag.attributes[name] if name.startswith("xmlns:") else ""
            if space in NAMED and (name[6:], space) not in used or not _stays(tag, name, whole):
                gone.append(attribute.span())
    edits: list[Edit] = [(_with_space(packet, start), stop, b"") for start, stop in sorted(gone)]
    return edited(packet, edits), _in_order(named)


def _in_order(named: Iterable[str]) -> list[str]:
    """The list of all pictures comes last, as more may be said of each."""
    return sorted(named, key=lambda name: name == PICTURES)


def _names(tag: Element) -> list[tuple[str, str]]:
    return [tag.full(tag.name), *(tag.full(name, prefixed=True) for name in tag.attributes)]


def _prefix(tag: Element, name: str) -> tuple[str, str]:
    """That of an element or attribute, with what it stands for there."""
    prefix = name.rpartition(":")[0]
    return prefix, tag.spaces.get(prefix, "")


def _spoken(name: tuple[str, str], whole: set[str]) -> str:
    """What the property of a name speaks of that is not there, "" for all others."""
    space, local = name
    beginnings, what = NAMED.get(space, ((), ""))
    return what if space not in whole and local.startswith(beginnings) else ""


def _stays(tag: Element, name: str, whole: set[str]) -> bool:
    """Whether an element or attribute that is not inside of what goes stays."""
    return name == tag.name or not _spoken(tag.full(name, prefixed=True), whole)


def _with_space(packet: bytes, start: int) -> int:
    """Where the space before a place begins."""
    while packet[start - 1 : start].isspace():
        start -= 1
    return start
