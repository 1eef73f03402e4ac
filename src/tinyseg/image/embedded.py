"""A picture inside a label file: LabelMe keeps one in its .json as `imageData`, in base64."""

import base64
import binascii

import orjson

from tinyseg.errors import ImageError

ENDING = ".json"
"""Of the files in which a picture is looked for."""


def embedded_picture(data: bytes) -> bytes:
    """The picture's own bytes; raises ImageError where the file holds none."""
    try:
        document = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        document = None
    text = document.get("imageData") if isinstance(document, dict) else None
    if not isinstance(text, str) or not text:
        raise ImageError("a .json is no picture and holds none as imageData")
    try:
        return base64.b64decode(text.rpartition(",")[2], validate=False)  # may be a data: address
    except (binascii.Error, ValueError):
        raise ImageError("imageData is a picture in base64") from None
