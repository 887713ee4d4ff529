"""Defines the fields that mark a file as a synthetic image, and recognises them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

MARK = ("Synthetic", "true")  # key and text in a PNG file
XMP = "XML:com.adobe.xmp"  # key of the XMP packet in a PNG file
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
# IPTC's property for how an image was made. The packet is fixed, so that every file gets the same bytes.
XMP_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
# The property as an attribute, as an element with text, or as an element with a resource.
_PROPERTY = re.compile(
    rb"DigitalSourceType\s*(?:=\s*[\"']|>|rdf:resource\s*=\s*[\"'])\s*"
    rb"https?://cv\.iptc\.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia\b"
)


def png_marks(texts: Mapping[str, str] | None = None) -> PngInfo:
    """Returns the metadata that mark a PNG file as synthetic, together with the text fields in ``texts``."""
    from PIL.PngImagePlugin import PngInfo

    fields = PngInfo()
    for name, text in {**dict([MARK]), **(texts or {})}.items():
        fields.add_text(name, text)
    fields.add_itxt(XMP, XMP_PACKET)
    return fields


def is_marked(info: Mapping[Any, Any]) -> bool:
    """Returns whether the metadata of an image say that it is synthetic.

    There are two marks. One is the text field that the exports of this package write into PNG files. The other is
    ``trainedAlgorithmicMedia``, IPTC's digital source type for images from a trained model, in a file's XMP metadata.

    Args:
        info (mapping): Metadata of the image, as in ``PIL.Image.Image.info``.

    Example:
        >>> is_marked({"Synthetic": "true"}), is_marked({"Software": "a camera"})
        (True, False)
    """
    if info.get(MARK[0]) == MARK[1]:
        return True
    packets = (info.get(key) for key in (XMP, "xmp"))  # the second is Pillow's key for other formats
    return any(_PROPERTY.search(_as_bytes(packet)) is not None for packet in packets if packet)


def _as_bytes(packet: Any) -> bytes:
    if isinstance(packet, str):
        return packet.encode("utf-8", "surrogateescape")
    return packet if isinstance(packet, bytes) else b""
