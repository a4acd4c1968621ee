"""XMP names no gain map, video or depth map that a picture no longer has beside it; the rest stays as it is written."""

import base64
import io
import itertools
import re
import time
from xml.etree import ElementTree

import numpy as np
import pytest
from image_files import ramps
from PIL import Image

import codec
from codec.pixels import companions
from codec.pixels.companions import AND_XMP, DEPTH_MAP, GAIN_MAP, PICTURES, VIDEO
from codec.pixels.formats import avif, jpeg
from codec.pixels.picture import Picture
from codec.pixels.read import load
from codec.pixels.write import save

HEAD = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
)
TAIL = b'\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
GAIN, CAMERA = "http://ns.adobe.com/hdr-gain-map/1.0/", "http://ns.google.com/photos/1.0/camera/"
CONTAINER, ITEM = "http://ns.google.com/photos/1.0/container/", "http://ns.google.com/photos/1.0/container/item/"
DEPTH, DEVICE = "http://ns.google.com/photos/1.0/depthmap/", "http://ns.google.com/photos/dd/1.0/device/"
DIRECTORY = (
    b'<C:Directory xmlns:C="%s" xmlns:I="%s"><rdf:Seq><rdf:li rdf:parseType="Resource"><C:Item I:Semantic="Primary"/>'
    b'</rdf:li><rdf:li rdf:parseType="Resource"><C:Item I:Semantic="GainMap" I:Length="7"/></rdf:li></rdf:Seq>'
    b"</C:Directory>" % (CONTAINER.encode(), ITEM.encode())
)
# One rdf:Description in many spellings: what goes is between ~, and # is the namespace of gain maps.
SPELLINGS = {
    "attributes": '<rdf:Description rdf:about=""~ xmlns:hdrgm="#"~ xmlns:dc="d:" ~hdrgm:Version="1.0" ~dc:a="b"/>',
    "elements": '<rdf:Description xmlns:a="d:"~ xmlns:h="#"~><a:b>c</a:b>~\n <h:GainMapMax>3.1</h:GainMapMax>'
    "<h:Gamma><rdf:Seq><rdf:li>1</rdf:li></rdf:Seq></h:Gamma>~</rdf:Description>",
    "declared on the property": '<rdf:Description>~<p:V xmlns:p="#">1.0</p:V>~</rdf:Description>',
    "without a prefix": '<rdf:Description>~<V xmlns="#"/>~<dc:t xmlns:dc="d:">x</dc:t></rdf:Description>',
    "single quotes": "<rdf:Description~\n\txmlns:x = '#'\n  x:Version = '>\"1.0'~ />",
    "numbered characters": '<rdf:Description~ xmlns:x="http&#58;//ns.adobe.com/hdr-gain-map/1.0/" x:V="&#49;"~/>',
    "never declared": '<rdf:Description~ hdrgm:Version="1.0"~>text</rdf:Description>',
    "comments and CDATA": '<rdf:Description><!-- hdrgm:V="1" -->~<h:V xmlns:h="#"><![CDATA[</h:V>]]></h:V>~'
    "<?a <h:b/>?></rdf:Description>",
    "in a structure": '<rdf:Description><a:b xmlns:a="d:" rdf:parseType="Resource">~<h:V xmlns:h="#">1</h:V>~<a:c/>'
    "</a:b></rdf:Description>",
}


def packet(inside):
    return HEAD + inside + TAIL


def split(spelling):
    """(a packet, that without what is between §)."""
    text = re.sub("(?<!&)#", GAIN, spelling)
    return packet(text.replace("~", "").encode()), packet(re.sub("~[^~]*~", "", text).encode())


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_gain_map_in_every_spelling(name):
    before, after = split(SPELLINGS[name])
    found, named = companions.without(before)
    if name != "never declared":
        ElementTree.fromstring(found)
    assert re.sub(rb"\s+", b" ", found) == re.sub(rb"\s+", b" ", after) and named == [GAIN_MAP]
    assert companions.without(found) == (found, [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32"])
def test_every_encoding(encoding):
    before, after = split(SPELLINGS["attributes"])
    file = io.BytesIO()
    Image.fromarray(ramps()).save(file, "PNG", pnginfo=None)
    picture = Image.open(file)
    picture.info["xmp"] = before.decode().encode(encoding)
    found = load(picture)
    assert b"hdr" not in found.xmp and b'dc:a="b"' in found.xmp and len(found.notes) == 1
    assert found.xmp.decode().partition("<rdf:D")[0].lstrip("\ufeff") == after.decode().partition("<rdf:D")[0]


def described(*pieces):
    return packet(b'<rdf:Description rdf:about="">' + b"".join(pieces) + b"</rdf:Description>")


@pytest.mark.parametrize(
    ("pieces", "named"),
    [
        ([DIRECTORY], [PICTURES]),
        ([DIRECTORY, b'<h:Version xmlns:h="%s">1</h:Version>' % GAIN.encode()], [GAIN_MAP, PICTURES]),
        ([b'<g:MicroVideo xmlns:g="%s">1</g:MicroVideo>' % CAMERA.encode()], [VIDEO]),
        ([DIRECTORY, b'<g:MotionPhoto xmlns:g="%s">1</g:MotionPhoto>' % CAMERA.encode()], [VIDEO, PICTURES]),
        ([b'<d:Profiles xmlns:d="%s"><rdf:Seq/></d:Profiles>' % DEVICE.encode()], [DEPTH_MAP]),
        ([b'<d:Near xmlns:d="%s">1</d:Near>' % DEPTH.encode()], [DEPTH_MAP]),
    ],
)
def test_siblings(pieces, named):
    kept = b'<dc:title xmlns:dc="http://purl.org/dc/elements/1.1/">a</dc:title>'
    assert companions.without(described(kept, *pieces)) == (described(kept), named)
    assert companions.without(described(*pieces, kept)) == (described(kept), named)


@pytest.mark.parametrize(
    "kept",
    [
        b'<g:BurstID xmlns:g="%s">a</g:BurstID>' % CAMERA.encode(),
        b'<d:Near xmlns:d="%(depth)s">1</d:Near><d:Data xmlns:d="%(depth)s">QUJD</d:Data>' % {b"depth": DEPTH.encode()},
        b'<p:ProjectionType xmlns:p="http://ns.google.com/photos/1.0/panorama/">a</p:ProjectionType>',
        b'<a:b xmlns:a="d:">hdrgm:Version GCamera:MotionPhoto Container:Directory &#49;</a:b>',
    ],
)
def test_what_stays_to_the_byte(kept):
    same, named = companions.without(described(kept))
    assert same == described(kept) and named == []


def test_a_name_that_is_still_used_stays_declared():
    some = b'<rdf:Description xmlns:g="%s" g:BurstID="a" g:MotionPhoto="1"/>' % CAMERA.encode()
    assert companions.without(packet(some)) == (packet(some.replace(b' g:MotionPhoto="1"', b"")), [VIDEO])


def test_a_broken_packet_that_names_one_goes_as_a_whole():
    broken = described(DIRECTORY)[:-30]
    assert companions.without(broken) == (b"", [companions.BROKEN])
    assert companions.without(described()[:-30]) == (described()[:-30], [])


def test_hostile_packets_take_no_longer():
    start = time.process_time()
    for inside in (
        b"<rdf:Description " + b" " * 400_000 + b'xmlns:hdrgm="%s" hdrgm:a="1"/>' % GAIN.encode(),
        b"<rdf:Description>" + b'<h:V xmlns:h="%s">1</h:V>' % GAIN.encode() * 20_000 + b"</rdf:Description>",
        b"<a " + b"".join(b'xmlns:p%d="d:" ' % i for i in range(20_000)) + b'hdrgm:a="1"/>',
        b"<a hdrgm:b='1'>" * 20_000,
    ):
        companions.without(packet(inside))
    assert time.process_time() - start < 6


ANDROID = """<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 5.1.2">
  <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <rdf:Description~
     xmlns:Container="http://ns.google.com/photos/1.0/container/"
     xmlns:Item="http://ns.google.com/photos/1.0/container/item/"
     xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"
     hdrgm:Version="1.0"~>~
      <Container:Directory>
        <rdf:Seq>
          <rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>
          <rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Length="915"/></rdf:li>
        </rdf:Seq>
      </Container:Directory>~
    </rdf:Description>
  </rdf:RDF>
</x:xmpmeta>
"""


def test_an_ultra_hdr_jpeg_there_and_back():
    """With what Android says, and what ISO 21496-1 says beside it."""
    codecs = pytest.importorskip("imagecodecs")
    samples = np.dstack([ramps() / np.float16(64), np.ones((40, 56), np.float16)]).astype(np.float16)
    data = codecs.ultrahdr_encode(samples)
    words = jpeg.STANDARD + ANDROID.replace("~", "").encode()
    data = data[:2] + b"\xff\xe1" + (len(words) + 2).to_bytes(2, "big") + words + data[2:]
    picture = load(data)
    assert picture.notes == (GAIN_MAP + AND_XMP,)
    assert picture.xmp == re.sub("~[^~]*~", "", ANDROID).encode()
    file = io.BytesIO()
    save(codec.Codec().decode_picture(codec.compress(data, quality=20)), file, "jpeg")
    again = load(file.getvalue())
    assert again.notes == () and b"MPF" not in file.getvalue()


def test_of_a_file_without_it_only_the_words_are_lost():
    file = io.BytesIO()
    words = described(DIRECTORY, b'<h:Version xmlns:h="%s">1</h:Version>' % GAIN.encode())
    Image.fromarray(ramps()).save(file, "JPEG", xmp=words)
    for source in (file.getvalue(), Image.open(file)):
        picture = load(source)
        assert picture.notes == ("what its XMP says of a gain map",) and picture.xmp == described()


@pytest.mark.parametrize("mark", [True, False])
def test_a_motion_photo(mark):
    file, words = io.BytesIO(), described(b'<g:MicroVideo xmlns:g="%s">1</g:MicroVideo>' % CAMERA.encode())
    Image.fromarray(ramps()).save(file, "JPEG", xmp=b"" if mark else words)
    data = file.getvalue() + (b"MotionPhoto_Data" if mark else b"") + b"\0\0\0\x18ftypmp42"
    assert load(data).notes == (VIDEO if mark else VIDEO + AND_XMP,)


def test_a_depth_map_in_an_extension():
    """Of which all is there, or a segment lacks."""
    data = base64.b64encode(np.random.default_rng(1).bytes(90_000)).decode()
    words = f'<d:Near xmlns:d="{DEPTH}">1</d:Near><d:Data xmlns:d="{DEPTH}">{data}</d:Data>'
    words = described(words.encode())
    file = io.BytesIO()
    Image.fromarray(ramps()).save(file, "JPEG")
    whole = jpeg.with_long_xmp(file.getvalue(), words)
    assert load(whole).xmp == words and load(whole).notes == ()
    lacking = whole.replace(b"xmp/extension", b"xmp/extinction", 1)
    assert load(lacking).notes == ("a part of its XMP that is not in the file",)
    assert b"HasExtendedXMP" not in (load(Image.open(io.BytesIO(whole))).xmp or b"")


@pytest.mark.parametrize(
    ("urn", "notes"),
    [
        (b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth", (DEPTH_MAP,)),
        (b"urn:com:apple:photo:2020:aux:hdrgainmap", (GAIN_MAP,)),
        (b"urn:example:other", (PICTURES,)),
    ],
)
def test_auxiliary_pictures_of_an_avif(urn, notes):
    rgba = np.dstack([ramps(), ramps()[..., :1]])
    file = io.BytesIO()
    Image.fromarray(rgba).save(file, "AVIF")
    data = file.getvalue()
    usual = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
    assert load(data).notes == () and data.count(usual) == 1
    assert tuple(avif.described(data.replace(usual, urn.ljust(len(usual), b"\0")))[2]) == notes


def test_notes_are_said_once():
    for order in itertools.permutations([GAIN_MAP, VIDEO]):
        assert companions.noted(order, [GAIN_MAP, VIDEO, PICTURES]) == [name + AND_XMP for name in order]
    assert companions.noted([], [PICTURES]) == ["what its XMP says of other pictures"]
    picture = Picture(ramps(), xmp=described())
    assert load(picture) is picture
