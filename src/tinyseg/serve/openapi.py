"""What the OpenAPI document says of a prediction beyond its parameters: bodies, with examples."""

from typing import Any

from tinyseg.serve.problems import KINDS, MEDIA_TYPE, SCHEMA, Problem

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

_EXAMPLES = {
    "bad-request": Problem("bad-request", "a form has one part: the picture's file", got="2 parts"),
    "no-token": Problem("no-token", "the header Authorization bears the server's token"),
    "foreign-page": Problem("foreign-page", "requests of pages come from a named origin"),
    "no-such-address": Problem("no-such-address", "scenes have the numbers 1 ... 4", got=5),
    "wrong-method": Problem("wrong-method", "addresses and methods are those of /v1/openapi.json"),
    "not-acceptable": Problem(
        "not-acceptable", "an answer has one of these forms", expected="image/png", got="text/html"
    ),
    "too-slow": Problem(
        "too-slow", "the body comes within its time, without long pauses", expected="60 s"
    ),
    "too-large": Problem("too-large", "a picture has at most 64000000 pixels", got="20000 x 20000"),
    "no-picture": Problem("no-picture", "a picture is JPEG, PNG ...", got="a web page or XML"),
    "bad-parameter": Problem(
        "bad-parameter", "no such class", where="query classes", expected="car", got="lorry"
    ),
    "bad-picture": Problem("bad-picture", "the picture is damaged or cut short"),
    "fault": Problem("fault", "this should not have happened; the log says more"),
    "busy": Problem(
        "busy",
        "pictures in the queue have at most 120000000 pixels together",
        got="119215000 pixels waiting",
    ),
    "late": Problem("late", "an answer is given within its time", expected="120 s"),
    "worker-lost": Problem(
        "worker-lost", "the process that looked at the picture ended; ask again"
    ),
    "no-memory": Problem("no-memory", "the device's memory does not hold a single view"),
}
"""One of each kind; of 503 too, whose answers have Retry-After unless memory is what lacks."""


def _problems() -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {}
    for kind, (status, title) in KINDS.items():
        known = found.setdefault(
            status, {"description": "", "content": {MEDIA_TYPE: {"schema": SCHEMA, "examples": {}}}}
        )
        known["description"] = "; ".join(part for part in (known["description"], title) if part)
        example = {"summary": title, "value": _EXAMPLES[kind].to_json()}
        known["content"][MEDIA_TYPE]["examples"][kind] = example
    return found


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
