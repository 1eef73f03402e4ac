"""`tinyseg serve` as its clients have it: a process of its own, asked over HTTP."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import orjson
import pytest
from _server import Served, scene_file

import tinyseg
from tinyseg import Detections, Model, masks as mask_ops
from tinyseg.client import AsyncClient, Client
from tinyseg.errors import DataError, ServerError
from tinyseg.exchange import to_label_map
from tinyseg.predict import Predictor
from tinyseg.predictions import FramePredictions, Predictions, from_document, to_document
from tinyseg.serve.records import Answer, Form, Job, Where
from tinyseg.serve.settings import Settings
from tinyseg.serve.worker import Bench

WHOLE = {"plan": "whole"}
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("serve") / "log")
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as client:
        yield client


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("pictures")
    return [scene_file(folder, seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def ears() -> Iterator[tuple[Connection, Connection]]:
    """Both ends of a worker's pipe."""
    ours, theirs = Pipe()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture(scope="module")
def bench(ears: tuple[Connection, Connection]) -> Bench:
    """A worker's networks in this process."""
    return Bench(ears[1], Settings(plan="whole", share_batches=True, threads=1))


@pytest.fixture(scope="module")
def model(bench: Bench) -> Model:
    return bench.model


@pytest.fixture(scope="module")
def expected(model: Model, pictures: list[bytes]) -> list[Detections]:
    found = model(pictures)
    assert isinstance(found, list)
    assert all(len(one) > 3 for one in found)
    return found


def rows_of(found: Detections) -> Any:
    """The annotations that `tinyseg predict` writes."""
    frame = FramePredictions("picture", "picture", found.hw, found.instances)
    document = orjson.dumps(
        to_document(Predictions(found.names, (frame,))), option=orjson.OPT_SERIALIZE_NUMPY
    )
    return orjson.loads(document)["annotations"]


def test_requests_at_once_get_what_predict_finds(
    client: httpx.Client, pictures: list[bytes], expected: list[Detections]
) -> None:
    """Whatever shares their batches: 12 requests of 3 pictures, each in another turn."""

    def ask(turn: int) -> Any:
        # A trailing byte makes it another file of the same picture, so that nothing is kept.
        content = pictures[turn % 3] + bytes([turn])
        return client.post("/v1/predict", params=WHOLE, content=content).json()

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(ask, range(12)))
    for turn, answer in enumerate(answers):
        assert answer["annotations"] == rows_of(expected[turn % 3])
    assert from_document(answers[0]).frames[0].hw == (240, 320)


def test_shared_batches_move_scores_in_their_last_digits_alone(
    bench: Bench,
    ears: tuple[Connection, Connection],
    pictures: list[bytes],
    expected: list[Detections],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together: list[int] = []
    look = Predictor.look

    def spied(own: Predictor, images: Any, *rest: Any) -> Any:
        together.append(len(images))
        return look(own, images, *rest)

    monkeypatch.setattr(Predictor, "look", spied)
    jobs = [Job(n, data, "p", None, Where(), Form()) for n, data in enumerate(pictures)]
    with ThreadPoolExecutor(1) as thread:  # a pipe that nobody reads from holds little
        heard = thread.submit(answers_of, ears[0], len(jobs))
        bench.answer(jobs)
        answers, told = heard.result(timeout=60)
    assert together == [3]
    assert set(answers) == told == {0, 1, 2}
    for number, alone in enumerate(expected):
        rows, own = orjson.loads(answers[number].body)["annotations"], rows_of(alone)
        scores, wanted = ([row["score"] for row in each] for each in (rows, own))
        np.testing.assert_allclose(scores, wanted, rtol=1e-4)


def answers_of(pipe: Connection, count: int) -> tuple[dict[int, Answer], set[int]]:
    """So many answers, and the jobs of which progress was told."""
    answers: dict[int, Answer] = {}
    told: set[int] = set()
    while len(answers) < count:
        assert pipe.poll(60), "the worker says nothing more"
        message = pipe.recv()
        if isinstance(message, Answer):
            answers[message.number] = message
        else:
            told.add(message.number)
    return answers, told


def test_another_form_of_a_picture_needs_no_second_look(
    client: httpx.Client, pictures: list[bytes], expected: list[Detections]
) -> None:
    def looked() -> float:
        lines = client.get("/metrics").text.splitlines()
        return float(next(v for v in lines if v.startswith("tinyseg_views_total")).split()[1])

    asked: dict[str, str | float] = {**WHOLE, "min_score": 0.4, "classes": "car,person"}
    client.post("/v1/predict", params=asked, content=pictures[0])
    before = looked()
    wanted = expected[0].of("car", "person").above(0.4)
    found = client.post("/v1/predict", params=asked, content=pictures[0]).json()
    assert found["annotations"] == rows_of(wanted)
    assert 0 < len(found["annotations"]) < len(expected[0])
    png = client.post(
        "/v1/predict", params=asked, content=pictures[0], headers={"Accept": "image/png"}
    )
    label = cv2.imdecode(np.frombuffer(png.content, np.uint8), cv2.IMREAD_UNCHANGED)
    ids = range(1, len(wanted.names) + 1)
    np.testing.assert_array_equal(
        label, to_label_map(wanted.instances, wanted.hw, ids, background=0)
    )
    jpeg = client.post(
        "/v1/predict", params=asked, content=pictures[0], headers={"Accept": "image/jpeg"}
    )
    drawn = tinyseg.image.image_from_bytes(jpeg.content)
    plotted = wanted.plot(min_score=0.0)
    assert drawn.shape == plotted.shape
    assert np.abs(drawn.astype(int) - plotted).mean() < 6  # but for JPEG
    assert looked() == before


def test_polygons_hold_the_masks_pixels(client: httpx.Client, pictures: list[bytes]) -> None:
    """Of small masks, exactly: the middle of a pixel lies inside an odd number of rings."""

    def ask(masks: str) -> Any:
        params = {**WHOLE, "masks": masks}
        return client.post("/v1/predict", params=params, content=pictures[1]).json()["annotations"]

    ringed, coded, bare = ask("polygons"), ask("rle"), ask("none")
    checked = 0
    for polygon, code, plain in zip(ringed, coded, bare, strict=True):
        assert "segmentation" not in plain
        if plain["area"] > 2000:
            continue
        mask = mask_ops.from_coco_rle([code["segmentation"]["counts"]], (240, 320))
        exact = mask_ops.paint(mask, (240, 320)) > 0
        lines = [np.array(ring) for ring in polygon["segmentation"]]
        np.testing.assert_array_equal(_inside(lines, (240, 320)), exact)
        checked += 1
    assert checked > 3


def _inside(rings: list[Any], hw: tuple[int, int]) -> Any:
    """Which pixels' middles lie inside an odd number of rings, by counting edges to the left."""
    crossings = np.zeros((hw[0], hw[1] + 1), int)
    for ring in rings:
        points = ring.reshape(-1, 2).astype(int)
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            if x0 == x1:
                crossings[min(y0, y1) : max(y0, y1), x0] += 1
            else:
                assert y0 == y1, "corners of small masks are joined by level and upright lines"
    return crossings[:, :-1].cumsum(axis=1) % 2 == 1


def test_a_form_gives_the_picture_its_name(client: httpx.Client, pictures: list[bytes]) -> None:
    files = {"image": ("../../etc/170908_Camera_5.jpg", pictures[0])}
    answer = client.post("/v1/predict", params=WHOLE, files=files).json()
    image = answer["images"][0]
    assert (image["name"], image["file_name"]) == ("170908_Camera_5", "170908_Camera_5.jpg")
    assert len(answer["annotations"]) > 3


def test_stages_are_told_as_they_come(client: httpx.Client, pictures: list[bytes]) -> None:
    headers = {"Accept": "text/event-stream"}
    content = pictures[2] + b"events"
    with client.stream(
        "POST", "/v1/predict", params=WHOLE, content=content, headers=headers
    ) as answer:
        events = [block.split("\n") for block in answer.read().decode().strip().split("\n\n")]
    stages = [
        orjson.loads(line.removeprefix("data: "))["stage"]
        for name, line in events
        if name == "event: stage"
    ]
    assert list(dict.fromkeys(stages)) == ["waiting", "first look", "closer looks", "merging"]
    assert events[-1][0] == "event: result"
    last = orjson.loads(events[-1][1].removeprefix("data: "))
    assert [view["rect"] for view in last["views"]] == [[0, 0, 320, 240]]


def test_what_the_server_says_of_itself(client: httpx.Client, model: Model) -> None:
    about = client.get("/v1/model").json()
    assert tuple(about["classes"]) == model.names
    assert "not for commercial use" in about["licence"]
    assert about["card"]["name"] == "tinyseg-lite"
    assert about["limits"]["pixels"] == 64_000_000
    assert client.get("/readyz").json() == {"status": "ready"}
    paths = client.get("/v1/openapi.json").json()["paths"]
    assert paths["/v1/predict"]["post"]["requestBody"]["required"] is True


def test_a_bad_picture_costs_the_others_nothing(
    client: httpx.Client, pictures: list[bytes], expected: list[Detections]
) -> None:
    def ask(turn: int) -> httpx.Response:
        whole = pictures[turn % 3]
        content = whole[: len(whole) // 2] if turn % 2 else whole + bytes([turn, turn])
        return client.post("/v1/predict", params=WHOLE, content=content)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    for turn, answer in enumerate(answers):
        if turn % 2:
            assert answer.status_code == 422, answer.text
            assert answer.json()["type"] == "urn:tinyseg:problem:bad-picture"
        else:
            assert answer.json()["annotations"] == rows_of(expected[turn % 3])


def test_who_goes_away_is_dropped(served: Served, client: httpx.Client) -> None:
    rng = np.random.default_rng(0)
    noise = cv2.imencode(".png", rng.integers(0, 255, (240, 1200, 3), np.uint8))[1].tobytes()
    impatient = httpx.Client(base_url=served.url, timeout=0.4, trust_env=False)
    for turn in range(3):
        with pytest.raises(httpx.ReadTimeout):
            impatient.post("/v1/predict", content=noise + bytes([turn]))
    impatient.close()
    for _ in range(600):
        lines = client.get("/metrics").text.splitlines()
        if "tinyseg_queue_requests 0.0" in lines and "tinyseg_queue_pixels 0.0" in lines:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("pictures that nobody waits for are still there")
    assert "POST /v1/predict 499 " in served.log()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Served]:
    """A server with room for one picture, and a token."""
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    server = Served(tmp_path / "log", ["--queue", "0.1MP", "--token-file", str(token)])
    yield server
    server.stop()


def test_kills_full_queues_and_the_end(small: Served, tmp_path: Path) -> None:
    headers = {"Authorization": "Bearer 0123456789abcdef"}
    content = scene_file(tmp_path, 4, (600, 800))
    with small.client() as client, ThreadPoolExecutor(4) as threads:
        assert client.post("/v1/predict", content=content).status_code == 401
        assert client.get("/readyz").status_code == 200

        def ask(turn: int) -> httpx.Response:
            picture = content + bytes([turn])
            return client.post("/v1/predict", content=picture, headers=headers)

        def until_looked_at() -> None:
            for _ in range(600):
                lines = client.get("/metrics", headers=headers).text.splitlines()
                if "tinyseg_queue_requests 1.0" in lines:
                    return
                time.sleep(0.02)
            raise AssertionError("nothing is looked at")

        # A second picture does not fit beside the first; the worker of the first is killed.
        first = threads.submit(ask, 1)
        until_looked_at()
        refused = ask(2)
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:tinyseg:problem:busy"
        assert int(refused.headers["Retry-After"]) >= 1
        (worker,) = small.workers()
        os.kill(worker, signal.SIGKILL)
        lost = first.result()
        assert (lost.status_code, lost.json()["type"]) == (503, "urn:tinyseg:problem:worker-lost")
        while client.get("/readyz").status_code != 200:
            time.sleep(0.1)
        # What was accepted is answered before the server ends, and nothing after it.
        last = threads.submit(ask, 3)
        until_looked_at()
        (worker,) = small.workers()
        small.process.send_signal(signal.SIGTERM)
        assert last.result().status_code == 200
    assert small.process.wait(timeout=60) == 0
    assert not Path(f"/proc/{worker}").exists()
    with small.client() as client, pytest.raises(httpx.ConnectError):
        client.get("/healthz")


def test_the_client_gives_what_the_model_gives(
    served: Served, pictures: list[bytes], expected: list[Detections], tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(pictures[0])
    with Client(served.url) as client:
        found = client(path, plan="whole", min_score=0.3, classes=("car",))
        assert client.classes() == expected[0].names
    wanted = expected[0].of("car").above(0.3)
    np.testing.assert_array_equal(found.scores, wanted.scores)
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-4)  # as files have them
    np.testing.assert_array_equal(mask_ops.area(found.masks), wanted.areas)

    async def ask() -> Any:
        image = tinyseg.image.image_from_bytes(pictures[1])
        async with AsyncClient(served.url) as client:
            one, two = client(image, plan="whole"), client(pictures[2], plan="whole")
            return await asyncio.gather(one, two, client.classes())

    one, two, names = asyncio.run(ask())
    np.testing.assert_array_equal(one.scores, expected[1].scores)
    np.testing.assert_array_equal(two.scores, expected[2].scores)
    assert names == expected[0].names


def test_the_client_tells_what_the_server_refuses(served: Served, tmp_path: Path) -> None:
    with Client(served.url) as client:
        with pytest.raises(ServerError, match=r"predict: a picture is JPEG.*got first bytes"):
            client(b"no picture")
        with pytest.raises(ServerError, match=r"query classes: no such class.*car.*got lorry"):
            client(b"", classes=("lorry",))
        with pytest.raises(DataError, match=r"nothing\.jpg: cannot be read"):
            client(tmp_path / "nothing.jpg")
    with Client("http://127.0.0.1:9") as client, pytest.raises(ServerError, match="be reached"):
        client(b"x")


def test_weights_that_are_not_there_end_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"error: .*nothing\.safetensors"):
        Served(tmp_path / "log", ["--weights", str(tmp_path / "nothing.safetensors")])
