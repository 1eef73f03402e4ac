"""A job from an object store into it, over a server that fails and is slow now and then."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra [ray] is not installed")
pytest.importorskip("moto", reason="moto, the S3 server of tests, is not installed")

from _jobs import (
    QUIET,
    Killer,
    engine,
    expected,
    local_cluster,
    tiny_weights,
    write_pictures,
)
from _s3 import Flaky, s3_server
from pyarrow import fs, parquet

from tinyseg.cluster import find_frames, is_parts, predict_on_cluster, read_parts
from tinyseg.errors import DataError
from tinyseg.predictions import rows_of

pytestmark = QUIET

LONG = os.environ.get("TINYSEG_KILLS", "0") != "0"
FRAMES, DELAY_S = (60, 0.05) if LONG else (6, 0.005)
SECRET = "do-not-tell"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Flaky, str]]:
    with s3_server(share=0.05, delay_s=DELAY_S) as made:
        yield made


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with local_cluster():
        yield


def address(server: tuple[Flaky, str], prefix: str) -> str:
    return f"s3://key:{SECRET}@bucket/{prefix}{server[1]}"


@pytest.fixture(scope="module")
def store(server: tuple[Flaky, str]) -> fs.FileSystem:
    words = f"{address(server, '')}&allow_bucket_creation=true"
    store, _ = fs.FileSystem.from_uri(words)
    store.create_dir("bucket")
    return store


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, store: fs.FileSystem) -> Path:
    folder = write_pictures(tmp_path_factory.mktemp("pictures"), FRAMES)
    for path in folder.iterdir():
        with store.open_output_stream(f"bucket/fleet/day/{path.name}") as file:
            file.write(path.read_bytes())
    return folder


def listed(store: fs.FileSystem, part: str) -> dict[str, int]:
    infos = store.get_file_info(fs.FileSelector(f"bucket/found/{part}"))
    return {info.path: info.mtime_ns for info in infos if info.path.endswith(".parquet")}


def test_nothing_is_lost_and_nothing_comes_twice(
    cluster: None,
    server: tuple[Flaky, str],
    store: fs.FileSystem,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """5 of 100 requests fail, half of these after they were done; the long form kills workers."""
    weights = tiny_weights(tmp_path)
    source, out = address(server, "fleet"), address(server, "found")
    killer = Killer(2 if LONG else 0)
    killer.start()
    done = predict_on_cluster(find_frames([source]), engine(weights), out, workers=1)
    killer.over.set()
    killer.join()
    assert (done.frames, done.failed) == (FRAMES, 0)
    rows = [parquet.read_table(store.open_input_file(path)) for path in listed(store, "frames")]
    counts = Counter(name for table in rows for name in table["frame"].to_pylist())
    assert counts == {path.stem: 1 for path in pictures.iterdir()}
    found = read_parts(out)
    assert {f.name: rows_of(f, found.classes) for f in found.frames} == expected(weights, pictures)

    # A part that is gone is made anew, and no other one.
    before = listed(store, "frames")
    lost = next(iter(before))
    store.delete_file(lost)
    again = predict_on_cluster(find_frames([source]), engine(weights), out, workers=1)
    assert (again.before, again.frames) == (FRAMES - again.frames, len(rows[0]))
    after = listed(store, "frames")
    assert before.items() - after.items() == {(lost, before[lost])}
    assert len(after) >= len(before)
    assert server[0].failed > 0
    with store.open_input_stream("bucket/found/job.json") as file:
        assert SECRET.encode() not in file.read()
    if LONG:
        with capsys.disabled():
            told = f"{server[0].failed} of {server[0].requests} requests failed"
            print(f"\n{FRAMES} frames over S3, each once; {told}, {killer.killed} workers killed")


def test_a_store_that_is_not_there_is_named_without_its_key(server: tuple[Flaky, str]) -> None:
    with pytest.raises(DataError, match=r"s3://nowhere/a: cannot be reached") as told:
        find_frames([f"s3://key:{SECRET}@nowhere/a{server[1]}"])
    assert SECRET not in str(told.value)
    assert not is_parts(address(server, "empty"))
