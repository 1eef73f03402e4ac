"""The parts of the server that need no network: admission, bodies, queries, guard, slow heads."""

import asyncio
import io
import subprocess
import sys
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import uvicorn
from _png import png_file
from starlette.requests import ClientDisconnect, Request

from tinyseg.serve import app as serving, pool as pooling, run as running
from tinyseg.serve.app import make_app
from tinyseg.serve.asked import accepted, check_once
from tinyseg.serve.body import Body, Room, clean_name, picture_of
from tinyseg.serve.metrics import Metrics
from tinyseg.serve.pool import Pool
from tinyseg.serve.problems import KINDS, MEDIA_TYPE, Problem
from tinyseg.serve.records import About, Answer, Drop, Form, Job, Where
from tinyseg.serve.settings import Settings

NAMES = ("car", "person")


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A PNG that states this size; its pixels are not there unless given."""
    return png_file((height, width), [pixels])


GREY = png(3, 2, zlib.compress(b"\0\1\2\3" * 2))


class FakePool(Pool):
    """A pool without processes: jobs are kept, and answered with their name."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, Metrics())
        self.about = About(NAMES, ({"sha256": "0", "weight": 1.0},), "whole", "cpu", "torch", 0)
        self.jobs: list[Job] = []

    async def run(self, job: Any, pixels: int, tell: Callable[[str, int, int], None]) -> Answer:
        """At once."""
        self.check(pixels)
        self.jobs.append(job)
        tell("merging", 0, 1)
        return Answer(job.number, b'{"name": "%s"}' % job.name.encode(), job.form.kind)


def ask(pool: Pool, method: str, path: str, **more: Any) -> httpx.Response:
    """One request to the application itself."""

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(make_app(pool), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://own") as client:
            return await client.request(method, path, **more)

    return asyncio.run(go())


@pytest.fixture
def pool() -> FakePool:
    return FakePool(Settings(max_bytes=4000, max_pixels=10_000, max_side=200, queue_pixels=9_000))


TWO_PARTS = {"a": ("a.png", GREY), "b": ("b.png", GREY)}
BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no body": ({"content": b""}, "no-picture", "picture's file"),
    "text": ({"content": b"hello"}, "no-picture", "a picture is JPEG"),
    "a web page": ({"content": b"<html>"}, "no-picture", "a picture is JPEG"),
    "cut short": ({"content": GREY[:20]}, "no-picture", "header of 33 bytes"),
    "many bytes": ({"content": bytes(4001)}, "too-large", "at most 4000 bytes"),
    "many pixels": ({"content": png(120, 120)}, "too-large", "at most 10000 pixels"),
    "a bomb": ({"content": png(60_000, 60_000)}, "no-picture", "an image has 1 ..."),
    "a long side": ({"content": png(201, 2)}, "too-large", "sides have at most 200"),
    "no plan": ({"params": {"plan": "/etc/passwd"}}, "bad-parameter", "'whole', 'focus'"),
    "no masks": ({"params": {"masks": "png"}}, "bad-parameter", "'rle', 'polygons'"),
    "no class": ({"params": {"classes": "car,lorry"}}, "bad-parameter", "no such class"),
    "a score": ({"params": {"min_score": "1.5"}}, "bad-parameter", "less than or equal"),
    "no score": ({"params": {"min_score": "nan"}}, "bad-parameter", "finite"),
    "a budget": ({"params": {"budget": "1e3"}}, "bad-parameter", "pattern"),
    "a large budget": ({"params": {"budget": "65MP"}}, "bad-parameter", "out of range"),
    "a budget of whole": (
        {"params": {"budget": "5MP", "plan": "whole"}},
        "bad-parameter",
        "belongs to the plan focus",
    ),
    "unknown": ({"params": {"url": "http://169.254.169.254/"}}, "bad-parameter", "not permitted"),
    "twice": ({"params": [("plan", "whole"), ("plan", "tiles")]}, "bad-parameter", "comes once"),
    "no form": ({"headers": {"Accept": "text/html"}}, "not-acceptable", "one of these forms"),
    "two parts": ({"files": TWO_PARTS}, "bad-request", "one part"),
    "no boundary": (
        {"headers": {"Content-Type": "multipart/form-data"}},
        "bad-request",
        "names its boundary",
    ),
    "a cut form": (
        {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        "bad-request",
        "damaged or cut short",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_told_the_rule(pool: FakePool, name: str) -> None:
    request, kind, rule = BAD[name]
    content = {} if "files" in request else {"content": GREY}
    answer = ask(pool, "POST", "/v1/predict", **{**content, **request})
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:tinyseg:problem:{kind}"
    assert problem["status"] == answer.status_code == KINDS[kind][0]
    assert rule in problem["rule"]
    assert problem["rule"] in problem["detail"]
    assert pool.jobs == []


def test_a_good_request_becomes_a_job(pool: FakePool) -> None:
    files = {"image": ("C:\\x\\..\\photo.png", GREY)}
    params = {"plan": "focus", "budget": "2.5MP", "classes": "car", "min_score": "0.25"}
    answer = ask(pool, "POST", "/v1/predict", files=files, params=params)
    assert answer.json() == {"name": "photo"}
    (job,) = pool.jobs
    assert (job.data, job.file_name, job.where) == (GREY, "photo.png", Where("focus", 2.5))
    assert (job.form.classes, job.form.min_score, job.form.kind) == (("car",), 0.25, "json")


def test_a_full_queue_says_when_to_come_back(pool: FakePool) -> None:
    pool.pixels = 8_995
    answer = ask(pool, "POST", "/v1/predict", content=GREY)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "9000 pixels" in answer.json()["rule"]
    pool.pixels = 8_994
    assert ask(pool, "POST", "/v1/predict", content=GREY).status_code == 200


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/v1/predict", 405)])
def test_other_addresses(pool: FakePool, path: str, status: int) -> None:
    answer = ask(pool, "GET", path)
    assert answer.json()["status"] == answer.status_code == status


def test_headers_let_a_page_load_nothing_from_elsewhere(pool: FakePool) -> None:
    for path in ("/", "/healthz", "/nothing"):
        headers = ask(pool, "GET", path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "http" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_the_token_is_asked_for() -> None:
    pool = FakePool(Settings(token="0123456789abcdef"))

    def status(path: str, given: str | None = None) -> int:
        headers = {} if given is None else {"Authorization": given}
        return ask(pool, "GET", path, headers=headers).status_code

    assert [status(path) for path in ("/", "/healthz", "/readyz")] == [200, 200, 503]
    assert [status(path) for path in ("/v1/model", "/metrics", "/v1/openapi.json")] == [401] * 3
    for wrong in (
        "Bearer",
        "Bearer 0123456789abcdeg",
        "0123456789abcdef",
        "bearer 0123456789abcdef",
    ):
        assert status("/v1/model", wrong) == 401
    assert status("/v1/model", "Bearer 0123456789abcdef") == 200
    assert ask(pool, "GET", "/v1/model").headers["www-authenticate"] == "Bearer"


def test_pages_of_other_sites_may_not_ask_unless_they_are_named() -> None:
    own, named = FakePool(Settings()), FakePool(Settings(origins=("https://a.example",)))

    def status(pool: Pool, **headers: str) -> int:
        return ask(pool, "POST", "/v1/predict", content=GREY, headers=headers).status_code

    assert status(own, Origin="http://own") == 200
    assert status(own, Origin="https://a.example") == 403
    assert status(own, Origin="null") == 403
    assert status(own, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert status(named, Origin="https://a.example") == 200
    assert status(named, Origin="https://b.example") == 403
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    allowed = ask(named, "OPTIONS", "/v1/predict", headers=asked)
    assert allowed.headers["access-control-allow-origin"] == "https://a.example"


def test_a_fault_is_told_without_its_text(pool: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> Answer:
        raise RuntimeError("secret")

    monkeypatch.setattr(pool, "run", broken)
    answer = ask(pool, "POST", "/v1/predict", content=GREY)
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:tinyseg:problem:fault"
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (None, "json"),
        ("*/*", "json"),
        ("image/*", "png"),
        ("image/jpeg", "jpeg"),
        ("text/html,image/png;q=0.5,image/jpeg;q=.9", "jpeg"),
        ("text/event-stream", "stream"),
    ],
)
def test_the_accepted_form(header: str | None, kind: str) -> None:
    assert accepted(header) == kind


@pytest.mark.parametrize("header", ["text/html", "image/png;q=0", "", ";", "image/png;q=x"])
def test_no_accepted_form(header: str) -> None:
    if header == "":
        assert accepted(header) == "json"
        return
    with pytest.raises(Problem):
        accepted(header)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\\b\0c.jpg", "bc.jpg"),
        (None, "picture"),
        ("/", "picture"),
        ("x" * 300 + ".jpg", "x" * 116 + ".jpg"),
    ],
)
def test_a_name_is_a_label(given: str | None, name: str) -> None:
    assert clean_name(given) == name


class FakeWorker(pooling._Worker):
    """A worker without a process: what it is sent, and whether it was killed."""

    def __init__(self, batch_pixels: int) -> None:
        self.about = About(NAMES, (), "whole", "cpu", "torch", batch_pixels)
        self.group: list[Any] = []
        self.sent: list[Any] = []
        self.process, self.pipe = self, self  # type: ignore[assignment]
        self.killed, self.exitcode = False, -9

    def send(self, message: Any) -> None:
        """Kept."""
        self.sent.append(message)

    def kill(self) -> None:
        """Noted."""
        self.killed = True

    def close(self) -> None:
        """A pipe's end."""


def jobs_at(pool: Pool, worker: FakeWorker, plans: str) -> list["asyncio.Task[Answer]"]:
    """Jobs of 100 pixels, one for each letter's plan, that wait for this worker."""
    pool._workers = [worker]
    return [
        asyncio.create_task(pool.run(Job(n, b"", "p", None, Where(plan), Form()), 100, _silent))
        for n, plan in enumerate(plans)
    ]


def _silent(stage: str, done: int, of: int) -> None:
    """Nobody wants to know."""


def numbers(worker: FakeWorker) -> list[list[int]]:
    """The groups that the worker was sent."""
    return [[job.number for job in group] for group in worker.sent if isinstance(group, list)]


def test_groups_are_jobs_of_one_plan_as_many_as_fit() -> None:
    async def go() -> None:
        pool, worker = Pool(Settings(), Metrics()), FakeWorker(250)
        tasks = jobs_at(pool, worker, "aaaba")
        for group in ([0], [1, 2], [3], [4]):  # the first one meets an idle worker
            await asyncio.sleep(0)
            assert numbers(worker)[-1] == group
            for number in group:
                pool.hear(worker, Answer(number, b"%d" % number, "json"))
        assert [(await task).body for task in tasks] == [b"0", b"1", b"2", b"3", b"4"]
        assert (pool.requests, pool.pixels) == (0, 0)

    asyncio.run(go())


def test_without_sharing_each_job_is_alone() -> None:
    async def go() -> None:
        pool, worker = Pool(Settings(), Metrics()), FakeWorker(0)
        tasks = jobs_at(pool, worker, "aaa")
        for number in range(3):
            await asyncio.sleep(0)
            pool.hear(worker, Answer(number, b"", "json"))
        await asyncio.gather(*tasks)
        assert numbers(worker) == [[0], [1], [2]]

    asyncio.run(go())


def test_a_lost_group_is_tried_one_by_one_and_the_guilty_one_is_told() -> None:
    async def go() -> None:
        pool, worker = Pool(Settings(), Metrics()), FakeWorker(1000)
        pool._ending = True  # no process takes the place of a lost one
        tasks = jobs_at(pool, worker, "aaa")
        await asyncio.sleep(0)
        pool.hear(worker, Answer(0, b"", "json"))
        assert numbers(worker)[-1] == [1, 2]
        pool._ending = False
        pool.lost(worker)
        pool._ending = True
        second = FakeWorker(1000)
        pool._workers = [second]
        pool._feed()
        assert numbers(second) == [[1]]
        pool._ending = False
        pool.lost(second)
        pool._ending = True
        with pytest.raises(Problem, match="ask again"):
            await tasks[1]
        third = FakeWorker(1000)
        pool._workers = [third]
        pool._feed()
        pool.hear(third, Answer(2, b"", "json"))
        await tasks[2]

    asyncio.run(go())


@pytest.mark.parametrize("answers", [False, True])
def test_a_worker_that_is_stuck_long_after_the_deadline_is_ended(
    answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "STUCK_S", 0.05)

    async def go() -> bool:
        pool, worker = Pool(Settings(deadline_s=0.02), Metrics()), FakeWorker(0)
        (task,) = jobs_at(pool, worker, "a")
        with pytest.raises(Problem, match="within its time"):
            await task
        assert worker.sent[-1] == Drop(0)
        assert not worker.killed
        if answers:  # late, but it lives
            pool.hear(worker, Answer(0, b"", "json"))
        await asyncio.sleep(0.1)
        return worker.killed

    assert asyncio.run(go()) is not answers


def test_a_stream_that_never_begins_gives_its_room_back(
    pool: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is gone before the answer's first byte."""
    rooms: list[Room] = []

    class Watched(Room):
        def __init__(self, most: int) -> None:
            super().__init__(most)
            rooms.append(self)

    monkeypatch.setattr(serving, "Room", Watched)
    held: list[int] = []

    async def send(message: Any) -> None:
        held.append(rooms[0].taken)
        raise OSError

    bodies = [GREY]

    async def receive() -> Any:
        if not bodies:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": bodies.pop(), "more_body": False}

    headers = [(b"accept", b"text/event-stream"), (b"host", b"own")]
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/v1/predict"}
    scope |= {"headers": headers}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "server": ("own", 80)}
    with pytest.raises((OSError, ClientDisconnect)):
        asyncio.run(make_app(pool)({**scope, "root_path": "", "client": None}, receive, send))
    assert held
    assert held[0] == len(GREY)
    assert rooms[0].taken == 0


def test_every_problem_has_an_example_of_its_own_status(pool: FakePool) -> None:
    document = ask(pool, "GET", "/v1/openapi.json").json()
    answers = document["paths"]["/v1/predict"]["post"]["responses"]
    seen = set()
    for status, answer in answers.items():
        for kind, example in answer["content"].get(MEDIA_TYPE, {}).get("examples", {}).items():
            assert example["value"]["status"] == KINDS[kind][0] == int(status)
            assert example["value"]["type"].endswith(kind)
            seen.add(kind)
    assert seen == set(KINDS)


def test_names_come_once() -> None:
    check_once([("a", "1"), ("b", "1")])
    with pytest.raises(Problem, match="comes once"):
        check_once([("a", "1"), ("a", "1")])


def test_a_body_that_is_no_form_is_the_file() -> None:
    assert picture_of(b"abc", "image/jpeg") == (b"abc", None)
    assert picture_of(b"abc", None) == (b"abc", None)


Receive = Callable[[], Awaitable[Any]]


def read(room: Room, receive: Receive, settings: Settings) -> Any:
    """The body of a request whose messages these are."""
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}

    async def go() -> Any:
        body = Body(room, settings)
        try:
            return await body.read(Request(scope, receive))
        finally:
            body.close()

    return asyncio.run(go())


def test_a_slow_body_is_cut_off_and_its_room_is_free_again() -> None:
    room = Room(1000)

    async def pausing() -> Any:
        if room.taken:
            await asyncio.sleep(5)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def dripping() -> Any:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    for receive, settings in (
        (pausing, Settings(pause_s=0.05)),
        (dripping, Settings(body_s=0.2)),
    ):
        with pytest.raises(Problem, match="within its time") as caught:
            read(room, receive, settings)
        assert caught.value.status == 408
        assert room.taken == 0


def test_bodies_of_all_requests_share_a_room() -> None:
    async def large() -> Any:
        return {"type": "http.request", "body": bytes(600), "more_body": True}

    room = Room(1000)
    with pytest.raises(Problem, match="no more room"):
        read(room, large, Settings())
    assert room.taken == 0


def test_a_client_that_leaves_while_it_sends() -> None:
    async def leaving() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        read(Room(1000), leaving, Settings())


def test_a_slow_head_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "HEAD_S", 0.2)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.5)  # an answer may take longer than a head
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def go() -> tuple[bytes, bytes]:
        config = uvicorn.Config(
            app, port=0, http=running.PatientProtocol, lifespan="off", log_config=None, ws="none"
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]

        async def say(words: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(words)
            try:
                return await asyncio.wait_for(reader.read(), 8)
            except ConnectionError:
                return b""
            finally:
                writer.close()

        whole = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answers = await say(b"GET / HTTP/1.1\r\nHost:"), await say(whole)
        server.should_exit = True
        await task
        return answers

    cut, answered = asyncio.run(go())
    assert cut == b""
    assert answered.startswith(b"HTTP/1.1 204")


def test_the_front_process_loads_no_network() -> None:
    code = "import sys, tinyseg.serve.run, tinyseg.client\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    top = {name.partition(".")[0] for name in done.stdout.split()}
    assert not top & {"torch", "torchvision", "timm"}


def test_the_body_is_decoded_nowhere_in_front(pool: FakePool) -> None:
    """A PNG whose pixels are damaged passes: only its header is read here."""
    damaged = io.BytesIO(png(4, 4, b"damage")).getvalue()
    assert ask(pool, "POST", "/v1/predict", content=damaged).status_code == 200
