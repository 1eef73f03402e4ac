"""A client of `tinyseg serve`: a picture in, its instances out, as if the model were here.

    from tinyseg.client import Client

    with Client("http://localhost:8080") as client:
        found = client("photo.jpg", min_score=0.5)

In: paths, the bytes of a picture's file, or RGB arrays, which travel as PNG. Out: Instances in the
picture's own pixels, equal to those of `tinyseg predict`. A busy server is asked again, after the
time that it names. Refused: what the server refuses, as ServerError with the rule that it names.
Needs httpx (`pip install 'tinyseg[serve]'`), neither torch nor the server's packages.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import numpy as np
import orjson
from jaxtyping import UInt8

from tinyseg.errors import DataError, ServerError
from tinyseg.frame import Instances
from tinyseg.image import png_bytes
from tinyseg.predictions import from_document

Picture = str | Path | bytes | UInt8[np.ndarray, "_height _width 3"]

RETRIED = frozenset({429, 503})
LONGEST_WAIT_S = 60.0
FIRST_WAIT_S = 1.0


class Client:
    """The model behind an address; call it with a picture.

    `token` is the server's, if it asks for one; `retries` is how often a busy server is asked
    again.
    """

    def __init__(
        self, url: str, *, token: str | None = None, timeout_s: float = 300.0, retries: int = 5
    ) -> None:
        self._http, self._retries = httpx.Client(**_options(url, token, timeout_s)), retries

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __call__(
        self,
        picture: Picture,
        *,
        min_score: float = 0.0,
        classes: tuple[str, ...] | None = None,
        plan: str | None = None,
        budget_mp: float | None = None,
    ) -> Instances:
        """The instances of a picture, best first; labels are indices into `classes()`."""
        request = _request(picture, _asked(min_score, classes, plan, budget_mp))
        turns = _Turns(self._retries)
        with _named():
            while turns.go_on(answer := self._http.post("v1/predict", **request)):
                time.sleep(turns.wait_s)
            return _instances(answer)

    def classes(self) -> tuple[str, ...]:
        """The class list of the server's model."""
        with _named():
            return _class_list(self._http.get("v1/model"))


class AsyncClient:
    """The same for asyncio: `await client(picture)`."""

    def __init__(
        self, url: str, *, token: str | None = None, timeout_s: float = 300.0, retries: int = 5
    ) -> None:
        self._http, self._retries = httpx.AsyncClient(**_options(url, token, timeout_s)), retries

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __call__(
        self,
        picture: Picture,
        *,
        min_score: float = 0.0,
        classes: tuple[str, ...] | None = None,
        plan: str | None = None,
        budget_mp: float | None = None,
    ) -> Instances:
        """The instances of a picture, best first; labels are indices into `classes()`."""
        asked = _asked(min_score, classes, plan, budget_mp)
        request = await asyncio.to_thread(_request, picture, asked)
        turns = _Turns(self._retries)
        with _named():
            while turns.go_on(answer := await self._http.post("v1/predict", **request)):
                await asyncio.sleep(turns.wait_s)
            return _instances(answer)

    async def classes(self) -> tuple[str, ...]:
        """The class list of the server's model."""
        with _named():
            return _class_list(await self._http.get("v1/model"))


def _options(url: str, token: str | None, timeout_s: float) -> dict[str, Any]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return {"base_url": url.rstrip("/") + "/", "timeout": timeout_s, "headers": headers}


@dataclass(slots=True)
class _Turns:
    """How often a busy server is still asked again, and after which time."""

    left: int
    wait_s: float = 0.0
    own_s: float = FIRST_WAIT_S

    def go_on(self, answer: httpx.Response) -> bool:
        """Whether to ask again after this answer, when `wait_s` is over."""
        if answer.status_code not in RETRIED or self.left < 1:
            return False
        named = answer.headers.get("Retry-After", "")
        self.wait_s = min(float(named) if named.isdigit() else self.own_s, LONGEST_WAIT_S)
        self.left, self.own_s = self.left - 1, 2 * self.own_s
        return True


@contextmanager
def _named() -> Iterator[None]:
    """A server that cannot be reached, or takes too long, as an error that names it."""
    try:
        yield
    except httpx.HTTPError as error:
        late = isinstance(error, httpx.TimeoutException)
        rule = "the server took too long" if late else "the server cannot be reached"
        raise ServerError(rule, path=_place(error.request)) from None


def _request(picture: Picture, asked: Mapping[str, object]) -> dict[str, Any]:
    """The form and the query of a request."""
    name, content = _file_of(picture)
    params = {key: str(value) for key, value in asked.items() if value is not None}
    return {"files": {"image": (name, content)}, "params": params}


def _asked(
    min_score: float, classes: tuple[str, ...] | None, plan: str | None, budget_mp: float | None
) -> dict[str, object]:
    named = None if classes is None else ",".join(classes)
    return {"min_score": min_score, "classes": named, "plan": plan, "budget": budget_mp}


def _file_of(picture: Picture) -> tuple[str, bytes]:
    """A file's name and bytes."""
    if isinstance(picture, bytes):
        return "picture", picture
    if isinstance(picture, np.ndarray):
        return "picture.png", png_bytes(picture)
    path = Path(picture)
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise DataError("cannot be read", path=path, got=error.strerror) from None


def _instances(answer: httpx.Response) -> Instances:
    frames = from_document(_checked(answer)).frames
    if len(frames) != 1:
        raise ServerError("an answer is of one picture", path=_place(answer), got=len(frames))
    return frames[0].instances


def _class_list(answer: httpx.Response) -> tuple[str, ...]:
    names = _checked(answer).get("classes")
    if not isinstance(names, list):
        raise ServerError("a model has a list of classes", path=_place(answer), got=names)
    return tuple(map(str, names))


def _checked(answer: httpx.Response) -> dict[str, Any]:
    """The answer's JSON object; raises ServerError for any other, and any status but 200."""
    try:
        document = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        document = None
    if answer.status_code == 200 and isinstance(document, dict):
        return document
    problem = document if isinstance(document, dict) else {}
    rule = str(problem.get("rule", "the server did not answer as tinyseg does"))
    known = {key: problem.get(key) for key in ("where", "expected")}
    got = problem.get("got", f"status {answer.status_code}" if not problem else None)
    raise ServerError(rule, path=_place(answer), got=got, **known)


def _place(about: httpx.Response | httpx.Request) -> str:
    return str(about.url.copy_with(query=None))
