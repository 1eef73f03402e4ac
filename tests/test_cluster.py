"""Jobs on a cluster: what they list, write and read back, and that each frame is there once."""

import errno
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from _tiny_network import picture
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.errors import DataError, OutputError, PredictionsError
from tinyseg.image import write_jpeg, write_png

pytest.importorskip("ray", reason="the extra [ray] is not installed")
pa = pytest.importorskip("pyarrow")

from _jobs import (  # noqa: E402
    QUIET,
    Killer,
    Paper,
    engine,
    expected,
    local_cluster,
    tiny_weights,
    write_pictures,
    written,
)
from pyarrow import csv, fs, parquet  # noqa: E402
from ray.exceptions import RaySystemError, RayTaskError  # noqa: E402

from tinyseg.cluster import find_frames, is_parts, predict_on_cluster, read_parts  # noqa: E402
from tinyseg.cluster.connect import reached  # noqa: E402
from tinyseg.cluster.job import plain  # noqa: E402
from tinyseg.cluster.parts import FORMAT, VERSION, put  # noqa: E402
from tinyseg.cluster.resume import claim, is_ours  # noqa: E402
from tinyseg.cluster.worker import TRIES, Worker  # noqa: E402

pytestmark = QUIET

FRAMES = 12
KILLS = int(os.environ.get("TINYSEG_KILLS", "0"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"), FRAMES)


# What a job looks at


def test_frames_of_folders_addresses_and_tables_are_called_alike(
    tmp_path: Path, pictures: Path
) -> None:
    names = [path.name for path in sorted(pictures.iterdir())]
    rows = {"path": names, "camera": ["5"] * FRAMES}
    table = pa.table(rows)
    parquet.write_table(table, pictures.parent / "a.parquet")
    places = pa.table({"uri": [f"file://{pictures}/{name}" for name in names]})
    csv.write_csv(places, tmp_path / "b.csv")
    parquet.write_table(pa.table({"path": names}), tmp_path / "beside.parquet")
    for name in names:
        (tmp_path / name).symlink_to(pictures / name)
    words = [str(pictures), f"file://{pictures}", str(tmp_path / "b.csv")]
    listings = [find_frames([word]) for word in [*words, str(tmp_path / "beside.parquet")]]
    stems = [Path(name).stem for name in names]
    assert [one.table["frame"].to_pylist() for one in listings] == [stems] * 4
    assert listings[0].digest == listings[1].digest != listings[3].digest


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda root: write_text(root / "a.csv", "place\nb.jpg\n"), "no column of paths"),
        (lambda root: write_text(root / "a.parquet", "no table"), "is no table"),
        (lambda root: write_text(root / "a.csv", "path\n"), "names no file"),
        (lambda root: root / "gone.csv", "is not there"),
        (lambda root: f"file://{root}/gone", "no picture|cannot be reached"),
        (lambda root: f"file://{root}", "no picture at this address"),
        (lambda root: "nowhere://bucket/a", "no file system of this address"),
        (lambda root: write_text(root / "a.csv", "path,frame\nb.jpg,x\nc.jpg,x\n"), "comes once"),
    ],
)
def test_what_names_no_frames_is_refused(tmp_path: Path, make: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        find_frames([str(make(tmp_path))])


def write_text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# One worker, without a cluster


def test_a_worker_finds_what_one_process_finds(weights: Path, pictures: Path) -> None:
    listing = find_frames([str(pictures)])
    paper = Paper()
    rows = Worker(engine(weights), listing.stores, paper)(listing.table).to_pylist()
    whole = expected(weights, pictures)
    assert sum(map(len, whole.values())) > FRAMES
    for row in rows:
        assert (row["status"], row["attempts"], row["camera"]) == ("ok", 1, "5")
        own = [(one["category_id"], one["score"], one["area"]) for one in whole[row["frame"]]]
        assert [(i["class_id"], i["score"], i["area"]) for i in row["instances"]] == own
    assert paper.ended.keys() == whole.keys()


def test_frames_that_fail_are_rows_that_say_why(tmp_path: Path, weights: Path) -> None:
    write_jpeg(tmp_path / "good.jpg", picture(1))
    write_text(tmp_path / "bad.jpg", "nothing")
    (tmp_path / "gone.jpg").write_bytes((tmp_path / "good.jpg").read_bytes())
    (tmp_path / "poison.jpg").write_bytes((tmp_path / "good.jpg").read_bytes())
    listing = find_frames([str(tmp_path)])
    (tmp_path / "gone.jpg").unlink()
    paper = Paper({"poison": TRIES})
    rows = Worker(engine(weights), listing.stores, paper)(listing.table).to_pylist()
    told = {row["frame"]: (row["status"], row["attempts"], row["error"]) for row in rows}
    assert told["good"] == ("ok", 1, None)
    assert told["bad"][:2] == told["gone"][:2] == told["poison"][:2] == ("error", TRIES)
    assert "a picture is JPEG" in told["bad"][2]
    assert told["gone"][2] == "cannot be read (got FileNotFoundError)"
    assert told["poison"][2] == "its worker died 3 times"


# What the system refuses


def test_a_file_that_a_full_disk_refuses_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        put(fs.LocalFileSystem(), f"{tmp_path}/a", b"anything")
    assert not list(tmp_path.iterdir())


def test_what_a_worker_was_refused_is_told_as_ours() -> None:
    task_error: Any = RayTaskError
    system_error: Any = RaySystemError
    cause = OSError(errno.ENOSPC, "anything")
    inner = task_error("write", "its trace", cause)
    told = plain(task_error("write", "its trace", inner), "s3://out")
    assert isinstance(told, OutputError)
    assert str(told).startswith("s3://out: cannot be written: mend that and call again")
    assert os.strerror(errno.ENOSPC) in str(told)
    lost = plain(system_error("anything"), "s3://out")
    assert "call again, which goes on" in str(lost)
    bug = task_error("look", "its trace", TypeError("ours"))
    assert plain(bug, "s3://out") is bug


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_place_that_is_no_folder_is_refused_before_a_cluster_starts(
    name: str, weights: Path, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    listing = find_frames([str(pictures)])
    with pytest.raises(OutputError, match="cannot be written"):
        predict_on_cluster(listing, engine(weights), str(tmp_path / name), cluster="nowhere:1")


def test_a_cluster_that_does_not_answer_leaves_nothing(
    weights: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match="no cluster answers there"):
        predict_on_cluster(
            find_frames([str(pictures)]), engine(weights), str(out), cluster="127.0.0.1:1"
        )
    assert not out.exists()


def test_a_folder_that_another_job_claims_meanwhile_is_refused(tmp_path: Path) -> None:
    """While the cluster started."""
    store, folder = fs.LocalFileSystem(), str(tmp_path / "out")
    theirs = {"format": FORMAT, "version": VERSION, "plan": "whole"}
    assert not is_ours(store, folder, theirs, folder)
    claim(store, folder, theirs, folder)
    assert is_ours(store, folder, theirs, folder)
    claim(store, folder, theirs, folder)
    with pytest.raises(PredictionsError, match="another plan"):
        claim(store, folder, {**theirs, "plan": "focus"}, folder)


# A cluster of this machine


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with local_cluster():
        yield


@pytest.fixture(scope="module")
def done(
    cluster: None, weights: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The results of a job whose worker was killed on its way."""
    out = tmp_path_factory.mktemp("job") / "out"
    killer = Killer()
    killer.start()
    summary = predict_on_cluster(find_frames([str(pictures)]), engine(weights), str(out), workers=1)
    killer.over.set()
    killer.join()
    assert killer.killed == 1
    assert (summary.frames, summary.before, summary.failed) == (FRAMES, 0, 0)
    return out


def test_each_frame_is_there_once_and_as_one_process_finds_it(
    done: Path, weights: Path, pictures: Path
) -> None:
    assert is_parts(str(done))
    assert written(done) == expected(weights, pictures)
    frames = parquet.read_table(done / "frames").to_pydict()
    assert sorted(frames["frame"]) == sorted(path.stem for path in pictures.iterdir())
    instances = parquet.read_table(done / "instances")
    assert Counter(instances["frame"].to_pylist()) == {
        name: count for name, count in zip(frames["frame"], frames["count"], strict=True) if count
    }


def test_the_same_call_again_makes_what_is_missing_alone(
    done: Path, weights: Path, pictures: Path
) -> None:
    before = written(done)
    lost, damaged = sorted((done / "frames").glob("*.parquet"))[:2]
    kept = {path: path.stat().st_mtime_ns for path in (done / "frames").glob("*.parquet")}
    frames = [parquet.read_table(path)["frame"].to_pylist() for path in (lost, damaged)]
    lost.unlink()
    damaged.write_bytes(b"half a part")
    (done / "instances/stranger.parquet").write_bytes(b"not noted anywhere")
    (done / "frames/half.parquet.part").write_bytes(b"its writer was killed")
    summary = predict_on_cluster(
        find_frames([str(pictures)]), engine(weights), str(done), workers=1
    )
    assert summary.frames == sum(map(len, frames))
    assert summary.before == FRAMES - summary.frames
    assert written(done) == before
    for path, time_of_change in kept.items():
        if path not in (lost, damaged):
            assert path.stat().st_mtime_ns == time_of_change
    again = predict_on_cluster(find_frames([str(pictures)]), engine(weights), str(done))
    assert (again.frames, again.before) == (0, FRAMES)
    assert not (done / "frames/half.parquet.part").exists()


def test_results_of_something_else_are_refused(
    done: Path, weights: Path, pictures: Path, tmp_path: Path
) -> None:
    listing = find_frames([str(pictures)])
    with pytest.raises(PredictionsError, match="another plan"):
        predict_on_cluster(listing, engine(weights, side=96), str(done))
    write_png(tmp_path / "other.png", picture(99))
    with pytest.raises(PredictionsError, match="other frames"):
        predict_on_cluster(find_frames([str(tmp_path)]), engine(weights), str(done))


def test_a_part_without_its_other_half_is_refused(done: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    next((copy / "instances").glob("*.parquet")).unlink()
    with pytest.raises(PredictionsError, match="a part has two files"):
        read_parts(str(copy))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere.invalid:9"])
def test_a_cluster_that_does_not_answer_is_named(address: str) -> None:
    with pytest.raises(DataError, match="no cluster answers there"):
        reached(address)


def test_from_the_command_line_to_scores(
    done: Path, weights: Path, pictures: Path, tmp_path: Path
) -> None:
    """By the cluster that is there; the results are judged as any others are."""
    words = ["--weights", str(weights), "--plan", "whole", "--backend", "torch"]
    words += ["--cluster", "auto", "--workers", "1"]
    said = run("predict", str(pictures), "--out", str(tmp_path / "o"), *words)
    assert f"{FRAMES} frames in" in said
    said = run("predict", str(pictures), "--out", str(tmp_path / "o"), *words)
    assert f"{FRAMES} finished before" in said
    root = tmp_path / "s"
    for path in pictures.iterdir():
        (root / "train_color").mkdir(parents=True, exist_ok=True)
        (root / "train_label").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / "train_color")
        label = np.full((200, 300), 255, np.uint16)
        label[20:60, 30:90] = 33000
        write_png(root / "train_label" / f"{path.stem}_instanceIds.png", label)
    scored = ["evaluate", str(tmp_path / "o"), "--data", str(root), "--json"]
    assert f"{FRAMES} frames" in run(*scored, str(tmp_path / "here.json"))
    run(*scored, str(tmp_path / "there.json"), "--cluster", "auto", "--workers", "2")
    assert (tmp_path / "here.json").read_bytes() == (tmp_path / "there.json").read_bytes()


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "2"], "no effect without another"),
        (["--cluster", "local"], "to a place that is named"),
        (["--cluster", "local", "--out", "o", "--overlay"], "to a place that is named"),
    ],
)
def test_words_that_do_not_fit_a_cluster(pictures: Path, words: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        CliRunner().invoke(app, ["predict", str(pictures), *words], catch_exceptions=False)


TARGETS = ("caller", "raylet", "_Looking", "ray::")
DRIVER = """
import sys
from pathlib import Path
from _jobs import engine
from tinyseg.cluster import find_frames, predict_on_cluster
predict_on_cluster(find_frames([sys.argv[1]]), engine(Path(sys.argv[2])), sys.argv[3],
                   cluster="local", workers=2)
"""


@pytest.mark.skipif(KILLS == 0, reason="a storm of kills takes long: make cluster-storm")
def test_whatever_is_killed_each_frame_is_there_once(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Worker, node (its raylet), any process of the cluster, or the caller, at random times."""
    (tmp_path / "pictures").mkdir()
    pictures = write_pictures(tmp_path / "pictures", 60)
    rng, killed, calls = np.random.default_rng(0), Counter[str](), 0
    place = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    words = [sys.executable, "-c", DRIVER, str(pictures), str(weights), str(tmp_path / "out")]
    done = False
    while not done or killed.total() < KILLS:
        if done:  # all is written: a part is lost, and the kills go on
            next((tmp_path / "out/frames").glob("*.parquet")).unlink()
        calls += 1
        driver = subprocess.Popen(words, env=place, stderr=subprocess.DEVNULL)
        target = TARGETS[int(rng.integers(len(TARGETS)))]
        while driver.poll() is None and not own_processes(driver, "_Looking"):
            time.sleep(0.2)  # until a worker begins to load the network
        over = time.monotonic() + float(rng.uniform(0, 20))
        while driver.poll() is None and time.monotonic() < over:
            time.sleep(0.1)
        left: list[psutil.Process] = []
        if driver.poll() is None and killed.total() < KILLS:
            left = psutil.Process(driver.pid).children(recursive=True)
            killed[target] += kill(driver, target)
        done = driver.wait(600) == 0
        for one in left:  # what a killed caller left behind
            with suppress(psutil.Error):
                one.kill()
        with capsys.disabled():
            parts = len(list((tmp_path / "out/frames").glob("*.parquet")))
            print(f"call {calls}: {target}, {parts} parts, {dict(killed)}", flush=True)
    assert written(tmp_path / "out") == expected(weights, pictures)
    next((tmp_path / "out/frames").glob("*.parquet")).unlink()  # a part is lost
    with pytest.raises(PredictionsError, match="a part has two files"):
        written(tmp_path / "out")
    subprocess.run(words, env=place, stderr=subprocess.DEVNULL, check=True)
    assert written(tmp_path / "out") == expected(weights, pictures)
    with capsys.disabled():
        print(f"\n{killed.total()} kills in {calls} calls: {dict(killed)}; 60 frames, each once")


def kill(driver: subprocess.Popen[bytes], target: str) -> bool:
    """The caller itself, or one process of its cluster that is called so."""
    if target == "caller":
        driver.kill()
        return True
    for one in own_processes(driver, target):
        with suppress(psutil.Error):
            one.kill()
            return True
    return False


def own_processes(driver: subprocess.Popen[bytes], called: str) -> list[psutil.Process]:
    """The processes of its cluster that are called so."""
    found = []
    with suppress(psutil.Error):
        for one in psutil.Process(driver.pid).children(recursive=True):
            with suppress(psutil.Error):
                if called in one.name() or called in " ".join(one.cmdline()):
                    found.append(one)
    return found
