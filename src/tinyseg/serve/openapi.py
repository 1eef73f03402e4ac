"""What the OpenAPI document says of a prediction beyond its parameters: bodies, with examples."""

from typing import Any

from tinyseg.serve.problems import KINDS, MEDIA_TYPE, SCHEMA

_FILE = {"schema": {"type": "string", "format": "binary"}}

PREDICT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A picture: JPEG, PNG, WebP, BMP, TIFF, AVIF, JPEG 2000 or GIF.",
        "content": {
            "image/jpeg": _FILE,
            "image/png": _FILE,
            "application/octet-stream": _FILE,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}

_ANSWER = {
    "info": {"description": "instances found", "format": "tinyseg predictions", "version": 1},
    "categories": [{"id": 1, "name": "car"}],
    "images": [{"id": 1, "name": "photo", "file_name": "photo.jpg", "width": 3384, "height": 2710}],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "category_name": "car",
            "bbox": [1704.0, 1622.5, 16.0, 14.0],
            "area": 171,
            "segmentation": {"size": [2710, 3384], "counts": "..."},
            "score": 0.81,
        }
    ],
    "views": [
        {"rect": [0, 0, 3384, 2710], "zoom": 0.6643, "pixels": 4046400, "flip": False, "pass": 1}
    ],
    "remarks": [],
    "seconds": {"decoding": 0.06, "first look": 1.7, "closer looks": 4.3, "merging": 0.1},
}

_PROBLEM = {
    "type": "urn:tinyseg:problem:too-large",
    "title": "The picture is too large",
    "status": 413,
    "detail": "a picture has at most 64000000 pixels (got 20000 x 20000)",
    "rule": "a picture has at most 64000000 pixels",
    "got": "20000 x 20000",
}


def _problems() -> dict[int | str, dict[str, Any]]:
    titles: dict[int, list[str]] = {}
    for status, title in KINDS.values():
        titles.setdefault(status, []).append(title)
    return {
        status: {
            "description": "; ".join(several),
            "content": {MEDIA_TYPE: {"schema": SCHEMA, "example": {**_PROBLEM, "status": status}}},
        }
        for status, several in titles.items()
    }


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The instances: JSON, a 16-bit label map (category id * 1000 + number), a "
        "drawn overlay, or server-sent events with the JSON as the last one.",
        "content": {
            "application/json": {"schema": {"type": "object"}, "example": _ANSWER},
            "image/png": _FILE,
            "image/jpeg": _FILE,
            "text/event-stream": {"schema": {"type": "string"}},
        },
    },
    **_problems(),
}
