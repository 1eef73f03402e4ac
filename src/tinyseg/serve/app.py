"""The addresses of the server, as an ASGI application; workers are behind the pool.

POST /v1/predict    a picture -> its instances         GET /healthz, /readyz    for orchestrators
GET  /v1/model      what the server has loaded         GET /metrics             for Prometheus
GET  /v1/scene/{n}  a rendered street scene            GET /                    the page
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from importlib.metadata import version
from math import prod
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tinyseg.serve import metrics as prometheus
from tinyseg.serve.asked import STREAM, Asked, accepted, check_once
from tinyseg.serve.body import Body, Room
from tinyseg.serve.guard import Guard
from tinyseg.serve.openapi import PREDICT, RESPONSES
from tinyseg.serve.page import add_page
from tinyseg.serve.pool import Pool
from tinyseg.serve.problems import STATUSES, Problem, shortly
from tinyseg.serve.records import MEDIA, SCENE_HW, About, Answer, Job, Scene

SCENES = 4

GONE = Response(status_code=499)
"""For a client that is not there to read it."""


def make_app(pool: Pool) -> Guard:
    """The application in front of these workers."""
    settings = pool.settings
    app = FastAPI(
        title="tinyseg",
        version=version("tinyseg"),
        summary="Instances of tiny road users, and of every larger one too.",
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    _add_problems(app)
    _add_prediction(app, pool)
    _add_state(app, pool)
    add_page(app)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return Guard(app, settings, pool.metrics)


def _add_prediction(app: FastAPI, pool: Pool) -> None:
    room = Room(pool.settings.queue_bytes)

    @app.post("/v1/predict", openapi_extra=PREDICT, responses=RESPONSES, response_model=None)
    async def predict(request: Request, asked: Annotated[Asked, Query()]) -> Response:
        """Find the instances of a picture.

        The body is the picture's file, or a multipart form with it as the one part. Boxes, masks
        and scores are those of `tinyseg predict`, whatever else the server does meanwhile.
        """
        check_once(request.query_params.multi_items())
        kind = accepted(request.headers.get("accept"))
        form = asked.form("json" if kind == "stream" else kind, _about(pool).classes)
        where = asked.where()
        body = Body(room, pool.settings)
        try:
            uploaded = await body.read(request)
            pool.check(uploaded.pixels)
            job = Job(pool.number(), uploaded.data, uploaded.file_name, asked.camera, where, form)
            if kind == "stream":
                events = _Events(_events(pool, job, uploaded.pixels), body)
                body = Body(room, pool.settings)  # the stream closes its own
                return events
            work = pool.run(job, uploaded.pixels, _quietly)
            return _answer(await _unless_gone(request, work))
        except ClientDisconnect:
            return GONE
        finally:
            body.close()

    @app.get("/v1/scene/{number}", responses=RESPONSES, response_model=None)
    async def scene(request: Request, number: int) -> Response:
        """A rendered street scene, to try the model on; numbers count from 1."""
        if not 1 <= number <= SCENES:
            rule = f"scenes have the numbers 1 ... {SCENES}"
            raise Problem("no-such-address", rule, got=number)
        job = Scene(pool.number(), number)
        with contextlib.suppress(ClientDisconnect):
            return _answer(await _unless_gone(request, pool.run(job, prod(SCENE_HW), _quietly)))
        return GONE


def _add_state(app: FastAPI, pool: Pool) -> None:
    settings = pool.settings

    told: dict[int | str, dict[str, Any]] = {code: RESPONSES[code] for code in (401, 403, 503)}

    @app.get("/v1/model", responses=told)
    async def model() -> dict[str, Any]:
        """What the server has loaded, and its limits."""
        about = _about(pool)
        return {
            "tinyseg": version("tinyseg"),
            "classes": about.classes,
            "networks": about.networks,
            "plan": about.plan,
            "device": about.device,
            "backend": about.backend,
            "card": about.card,
            "licence": about.licence,
            "limits": {
                "bytes": settings.max_bytes,
                "pixels": settings.max_pixels,
                "side": settings.max_side,
                "queue_pixels": settings.queue_pixels,
                "deadline_s": settings.deadline_s,
            },
        }

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The front process lives."""
        return {"status": "alive"}

    @app.get("/readyz", responses=told)
    async def readyz() -> dict[str, str]:
        """A worker can take pictures."""
        if not pool.ready:
            raise Problem("busy", "no worker process is ready yet", retry_s=5.0)
        return {"status": "ready"}

    text: dict[int | str, dict[str, Any]] = {
        200: {"content": {prometheus.MEDIA_TYPE: {"schema": {"type": "string"}}}}
    }

    @app.get("/metrics", response_class=Response, responses=told | text)
    async def metrics() -> Response:
        """For Prometheus."""
        pool.metrics.queue(pool.requests, pool.pixels)
        return Response(pool.metrics.to_text(), media_type=prometheus.MEDIA_TYPE)


def _about(pool: Pool) -> About:
    if pool.about is None:
        raise Problem("busy", "no worker process is ready yet", retry_s=5.0)
    return pool.about


def _quietly(stage: str, done: int, of: int) -> None:
    """Nobody wants to know."""


def _answer(answer: Answer) -> Response:
    times = ", ".join(f"{s.replace(' ', '-')};dur={v * 1e3:.0f}" for s, v in answer.seconds.items())
    headers = {"Server-Timing": times} if times else {}
    return Response(answer.body, media_type=MEDIA[answer.kind], headers=headers)


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """The work's result; where the client goes away first, the work is dropped."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        leaving.cancel()
        working.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Events(StreamingResponse):
    """A stream that gives the body's room back at its end, also where it never began."""

    def __init__(self, events: AsyncIterator[bytes], body: Body) -> None:
        super().__init__(events, media_type=STREAM)
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer, to its end or the client's."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._body.close()


async def _events(pool: Pool, job: Job, pixels: int) -> AsyncIterator[bytes]:
    """Server-sent events: each stage, then the result or the problem."""
    news: asyncio.Queue[bytes] = asyncio.Queue()

    def tell(stage: str, done: int, of: int) -> None:
        news.put_nowait(_event("stage", orjson.dumps({"stage": stage, "done": done, "of": of})))

    work = asyncio.ensure_future(pool.run(job, pixels, tell))
    work.add_done_callback(lambda _: news.put_nowait(b""))
    try:
        yield _event("stage", orjson.dumps({"stage": "waiting", "done": 0, "of": 1}))
        while event := await news.get():
            yield event
        yield _event("result", work.result().body)
    except Problem as problem:
        yield _event("problem", orjson.dumps(problem.to_json()))
    finally:
        work.cancel()


def _event(name: str, line: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), line)


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return error.to_response()

    @app.exception_handler(RequestValidationError)
    async def parameter(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = " ".join(shortly(str(part)) for part in first["loc"])
        rule = str(first["msg"]).removeprefix("Input should be ")
        got = None if first.get("input") is None else shortly(str(first["input"]))
        return Problem("bad-parameter", rule, where=where, got=got).to_response()

    @app.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> Response:
        kind = STATUSES.get(error.status_code, "bad-request")
        rule = "addresses and methods are those of /v1/openapi.json"
        return Problem(kind, rule).to_response(error.headers)

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> Response:
        return Problem("fault", "this should not have happened; the log says more").to_response()
