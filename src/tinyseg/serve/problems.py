"""Errors as a client gets them: problem details by RFC 9457, with the rule that was broken.

{"type": "urn:tinyseg:problem:too-large", "title": "The picture is too large", "status": 413,
 "detail": "a picture has at most 64000000 pixels (got 90000000)", "rule": ..., "got": ...}
"""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from tinyseg.errors import TinysegError

MEDIA_TYPE = "application/problem+json"

KINDS: dict[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be read"),
    "no-token": (401, "A token is needed"),
    "foreign-page": (403, "Pages of other sites may not ask this server"),
    "no-such-address": (404, "There is nothing at this address"),
    "wrong-method": (405, "This address does not take this method"),
    "not-acceptable": (406, "No form of the answer is acceptable"),
    "too-slow": (408, "The body came too slowly"),
    "too-large": (413, "The picture is too large"),
    "no-picture": (415, "This is no picture"),
    "bad-parameter": (422, "A parameter is wrong"),
    "bad-picture": (422, "The picture is damaged"),
    "fault": (500, "A fault of the server"),
    "busy": (503, "The server is busy"),
    "late": (503, "The request could not be answered in time"),
    "worker-lost": (503, "The worker process was lost"),
    "no-memory": (503, "The device's memory does not hold this"),
}
"""Status and title of each kind of problem."""

STATUSES = {404: "no-such-address", 405: "wrong-method", 413: "too-large", 422: "bad-parameter"}


class Problem(Exception):  # noqa: N818
    """A request that is not answered as it hoped; `rule` says in a sentence why."""

    def __init__(
        self,
        kind: str,
        rule: str,
        *,
        where: str | None = None,
        expected: object = None,
        got: object = None,
        retry_s: float | None = None,
    ) -> None:
        super().__init__(rule)
        self.kind, self.rule, self.where = kind, rule, where
        self.expected, self.got, self.retry_s = expected, got, retry_s

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.kind][0]

    def to_json(self) -> dict[str, Any]:
        """The members of the problem's document."""
        parts = {"where": self.where, "expected": self.expected, "got": self.got}
        told = TinysegError(self.rule, where=self.where, expected=self.expected, got=self.got)
        return {
            "type": f"urn:tinyseg:problem:{self.kind}",
            "title": KINDS[self.kind][1],
            "status": self.status,
            "detail": told.reason,
            "rule": self.rule,
            **{name: str(value) for name, value in parts.items() if value is not None},
        }

    def to_response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The answer to the request."""
        more = dict(headers or {})
        if self.retry_s is not None:
            more["Retry-After"] = str(max(round(self.retry_s), 1))
        if self.kind == "no-token":
            more["WWW-Authenticate"] = "Bearer"
        if self.kind == "too-slow":
            more["Connection"] = "close"
        return Response(orjson.dumps(self.to_json()), self.status, more, MEDIA_TYPE)


def shortly(value: object, most: int = 80) -> str:
    """What came, for an error: printable and short."""
    text = value if isinstance(value, str) else repr(value)
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: most + 1])
    return plain if len(plain) <= most else plain[:most] + "\N{HORIZONTAL ELLIPSIS}"


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "rule"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "rule": {"type": "string"},
        "where": {"type": "string"},
        "expected": {"type": "string"},
        "got": {"type": "string"},
    },
}
"""For the OpenAPI document."""
