"""The only place where bytes become pixels: pictures of the types in ENDINGS, and label maps.

In: a path. Out: RGB uint8 pictures, upright, or uint16 label maps as stored. Refused, always as
ImageError: files that are missing, empty, damaged or cut short, of another type, or over
MAX_FILE_BYTES or MAX_PIXELS; both limits are checked before anything is decoded.

header.py   what a file says of itself    exif.py       how a camera was held
decode.py   bytes -> pixels               files.py      files in and out, pictures in label files
"""

from tinyseg.image.exif import Turn
from tinyseg.image.files import (
    EMPTY,
    MAX_FILE_BYTES,
    PlainFile,
    image_from_bytes,
    image_hw,
    jpeg_bytes,
    plain_file,
    png_bytes,
    read_channels,
    read_header,
    read_image,
    read_label,
    write_jpeg,
    write_png,
)
from tinyseg.image.header import ENDINGS, FOREIGN, MAX_PIXELS, Header, is_picture, parse_header

__all__ = [
    "EMPTY",
    "ENDINGS",
    "FOREIGN",
    "MAX_FILE_BYTES",
    "MAX_PIXELS",
    "Header",
    "PlainFile",
    "Turn",
    "image_from_bytes",
    "image_hw",
    "is_picture",
    "jpeg_bytes",
    "parse_header",
    "plain_file",
    "png_bytes",
    "read_channels",
    "read_header",
    "read_image",
    "read_label",
    "write_jpeg",
    "write_png",
]
