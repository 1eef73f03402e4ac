"""The client of `tinyseg serve` against answers by hand: retries, and what it says of failures."""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import httpx
import pytest

from tinyseg import client as own
from tinyseg.client import AsyncClient, Client
from tinyseg.errors import ServerError
from tinyseg.predictions import Predictions, to_document

EMPTY = to_document(Predictions(("car",), ()))
IMAGE = {"id": 1, "name": "a", "file_name": "a.png", "width": 4, "height": 3}
GOOD = httpx.Response(200, json={**EMPTY, "images": [IMAGE]})


def busy(named: str | None = None, status: int = 503) -> httpx.Response:
    headers = {} if named is None else {"Retry-After": named}
    return httpx.Response(status, json={"rule": "the queue is full"}, headers=headers)


Ask = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Calls a client that gets these answers in turn; how many it took, what it waited, and what
    became of it."""

    def go(answers: Iterable[httpx.Response | Exception], **options: Any) -> Any:
        waits: list[float] = []
        left, requests = iter(answers), []

        def handle(asked: httpx.Request) -> httpx.Response:
            requests.append(asked)
            answer = next(left)
            if isinstance(answer, Exception):
                raise answer
            return httpx.Response(
                answer.status_code, headers=answer.headers, content=answer.content
            )

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        transport = httpx.MockTransport(handle)
        for name in ("Client", "AsyncClient"):
            monkeypatch.setattr(httpx, name, partial(getattr(httpx, name), transport=transport))
        monkeypatch.setattr(time, "sleep", waits.append)
        monkeypatch.setattr(asyncio, "sleep", sleep)

        async def later() -> Any:
            async with AsyncClient("http://server/", **options) as client:
                return await client(b"picture", min_score=0.5)

        error = None
        try:
            if request.param == "async":
                found = asyncio.run(later())
            else:
                with Client("http://server/", **options) as client:
                    found = client(b"picture", min_score=0.5)
            assert len(found) == 0
        except ServerError as raised:
            error = str(raised)
        return requests, waits, error

    return go


def test_a_busy_server_is_asked_again_after_the_time_that_it_names(ask: Ask) -> None:
    requests, waits, error = ask([busy("7"), busy("3", 429), GOOD], token="secret")
    assert error is None
    assert waits == [7, 3]
    assert len(requests) == 3
    for asked in requests:
        assert b"picture" in asked.content
        assert asked.url.params["min_score"] == "0.5"
        assert asked.headers["Authorization"] == "Bearer secret"


def test_without_a_time_each_wait_is_twice_the_one_before(ask: Ask) -> None:
    _, waits, error = ask([busy(), busy("soon"), busy(), GOOD])
    assert error is None
    assert waits == [1, 2, 4]


def test_no_wait_is_longer_than_a_minute(ask: Ask) -> None:
    assert ask([busy("86400"), GOOD])[1] == [own.LONGEST_WAIT_S] == [60]


@pytest.mark.parametrize("retries", [0, 2])
def test_retries_end_and_the_rule_is_told(ask: Ask, retries: int) -> None:
    requests, waits, error = ask([busy("1")] * 9, retries=retries)
    assert len(requests) == retries + 1 == len(waits) + 1
    assert "http://server/v1/predict: the queue is full" in error


@pytest.mark.parametrize("status", [400, 401, 413, 422, 500, 502])
def test_other_refusals_are_told_at_once(ask: Ask, status: int) -> None:
    requests, waits, error = ask([busy(status=status), GOOD])
    assert (len(requests), waits) == (1, [])
    assert "the queue is full" in error


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (httpx.ConnectError("no"), "the server cannot be reached"),
        (httpx.ReadTimeout("no"), "the server took too long"),
    ],
)
def test_a_server_that_is_not_there(ask: Ask, failure: Exception, told: str) -> None:
    requests, _, error = ask([failure, GOOD])
    assert len(requests) == 1
    assert error == f"http://server/v1/predict: {told}"


@pytest.mark.parametrize("content", [b"<html>", b"[]"])
def test_an_answer_of_something_else(ask: Ask, content: bytes) -> None:
    _, _, error = ask([httpx.Response(200, content=content)])
    assert "the server did not answer as tinyseg does" in error
