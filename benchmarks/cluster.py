"""Jobs on a cluster: what they cost beside `predict`, how they grow, and a fleet on paper.

    python benchmarks/cluster.py overhead [--pictures DIR] [--frames N] [--plan NAME] [--side PX]
    python benchmarks/cluster.py rows [--counts N,N,...] [--scored N]
    python benchmarks/cluster.py evaluate [--frames N] [--instances N]
    python benchmarks/cluster.py simulate [--look SECONDS] [--read SECONDS] ...

overhead  `predict` and a cluster of this machine look at N and at 3 N frames, pictures of the
          folder (rendered ones of 640 x 512 without one): the difference of the two times is the
          rate without the start, and the rest is the start.
rows      results made up, all else real: writing parts, resuming over them and scoring so many
          frames, each by a process of its own; `job` makes the parts on a cluster instead.
evaluate  scores of so many frames with so many instances each, in parts, here and by workers.
simulate  1 to 1,000 nodes, from a frame's measured stages and the one process that counts them all.
"""

import argparse
import heapq
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _report import machine, table
from _watched import Watched, watched

TIMES = 3
"""The longer job has so many times the frames of the shorter."""

SMALL_HW = (64, 64)
BANK = 100
"""Different made-up frames; the others are like one of these."""

MODULE = [sys.executable, "-m", "tinyseg"]


def copies(pictures: Sequence[Path], folder: Path, count: int, tail: str = "") -> Path:
    """So many links to the pictures under names of their own."""
    folder.mkdir(parents=True)
    links = 50_000 * len(pictures)  # a file of ext4 has 65,000 names at most
    for number in range(count):
        if number % links == 0:
            pictures = [Path(shutil.copy(one, f"{one}.{number}{one.suffix}")) for one in pictures]
        source = pictures[number % len(pictures)]
        os.link(source, folder / f"{number:06}_Camera_5{tail}{source.suffix}")
    return folder


# What a cluster costs beside one process.


def overhead(asked: argparse.Namespace, root: Path) -> None:
    """Frames a second, processor seconds a frame, and memory."""
    cores = str(asked.cores)
    ways = {
        "predict": ["--threads", cores],
        "cluster, a worker a core": ["--cluster", "local", "--workers", cores, "--threads", "1"],
        "cluster, one worker": ["--cluster", "local", "--workers", "1", "--threads", cores],
    }
    known = _pictures(asked.pictures, root, TIMES * asked.frames)
    plan = asked.plan
    if asked.side:
        plan = root / "plan.yaml"
        sides = f"{{short_side: {asked.side}, longest_side: {2 * asked.side}}}"
        plan.write_text(f"parts: [{{whole: {sides}}}]\n")
    counts = asked.frames, TIMES * asked.frames
    folders = {count: copies(known, root / str(count), count) for count in counts}
    rows, first = [], (0.0, 0.0, 0.0)
    for name in list(ways)[: asked.ways]:
        words = [*ways[name], "--plan", str(plan), "--backend", asked.backend]
        out = root / name.replace(" ", "-")
        few, many = (
            _predict(folders[count], out / str(count), asked.cores, words) for count in counts
        )
        more = counts[1] - counts[0]
        rate = more / max(many.seconds - few.seconds, 1e-9)
        cpu = (many.processor_s - few.processor_s) / more
        memory = max(many.own_mb.values())
        first = first if first[0] else (rate, cpu, memory)
        start = few.seconds - counts[0] / rate
        cells = [rate, rate / first[0], cpu, first[1] / cpu, memory, memory / first[2], start]
        rows.append((name, *(f"{value:.3g}" for value in cells)))
    print(f"{machine()}; {asked.cores} cores, {counts[0]} and {counts[1]} frames, plan")
    print(f"{asked.plan}, short side {asked.side or 'its own'}")
    heads = ("", "frames/s", "of predict", "processor s a frame", "predict's of it")
    print(table((*heads, "MB of the largest process", "of predict's", "start, s"), rows))


def _pictures(folder: Path | None, root: Path, most: int) -> list[Path]:
    """So many at most of the folder's pictures, from all of it, or rendered ones."""
    if folder is None:
        words = ["--frames", "8", "--size", "640x512", "--zoom", "3", "--out", str(root / "s")]
        subprocess.run([*MODULE, "synth", *words], check=True, capture_output=True)
        folder = root / "s" / "train_color"
    own = root / "pictures"  # on this file system, so that they can be linked
    own.mkdir()
    found = sorted(path for path in folder.iterdir() if path.suffix != ".txt")
    return [Path(shutil.copy(path, own)) for path in found[:: -(-len(found) // most)]]


def _predict(folder: Path, out: Path, cores: int, words: Sequence[str]) -> Watched:
    have = sorted(os.sched_getaffinity(0))[:cores]
    call = [*MODULE, "predict", str(folder), "--out", str(out), *words]
    return watched(call, preexec_fn=lambda: os.sched_setaffinity(0, have))


# Made-up results, so that what is measured is all but the network.


class MadeUp:
    """In an Engine's place: finds what it is told to on every frame."""

    classes = ("car", "person")
    settings: dict[str, object] = {"networks": ["made up"], "plan": "made up"}  # noqa: RUF012
    threads, device = 1, "cpu"

    def __init__(self, instances: int) -> None:
        self.instances = instances

    def predictor(self) -> "MadeUp":
        """Itself."""
        from tinyseg.frame import Instances
        from tinyseg.masks import CropMasks

        rng = np.random.default_rng(0)
        self.found = []
        for _ in range(BANK):
            corners = rng.integers(0, 50, (self.instances, 2)).tolist()
            sides = rng.integers(3, 14, (self.instances, 2)).tolist()
            grids = [np.full(side, 255, np.uint8) for side in sides]
            masks = CropMasks.pack_pixels([(x, y) for x, y in corners], grids)
            labels = rng.integers(0, 2, self.instances)
            scores = rng.integers(1, 1000, self.instances) / 1000
            self.found.append(Instances(masks.boxes, masks, labels.astype(np.int64), scores))
        self.turn = 0
        return self

    def look(self, images: list[Any], infos: list[Any]) -> list[list[Any]]:
        """No views."""
        return [[] for _ in images]

    def merge(self, seen: list[Any], hw: tuple[int, int]) -> Any:
        """The next in turn."""
        self.turn += 1
        return self.found[self.turn % BANK]


def _labelled(root: Path, count: int) -> Path:
    """So many small frames in the WAD's layout."""
    from tinyseg.image import write_png

    bank = root / "bank"
    if not bank.exists():
        bank.mkdir()
        rng = np.random.default_rng(1)
        write_png(bank / "picture.png", np.zeros((*SMALL_HW, 3), np.uint8))
        for number in range(BANK):
            label = np.full(SMALL_HW, 255, np.uint16)
            for one in range(8):
                x, y = 16 * (one % 4), 32 * (one // 4)
                height, width = rng.integers(4, 15, 2).tolist()
                label[y : y + height, x : x + width] = rng.choice((33, 36)) * 1000 + one
            write_png(bank / f"label{number:03}.png", label)
    data = root / f"data{count}"
    copies([bank / "picture.png"], data / "train_color", count)
    labels = sorted(bank.glob("label???.png"))
    copies(labels, data / "train_label", count, "_instanceIds")
    return data


def rows(asked: argparse.Namespace, root: Path) -> None:
    """Each count in processes of its own."""
    told = []
    for count in map(int, asked.counts.split(",")):
        data, out = _labelled(root, count), root / f"out{count}"
        words = ["--pictures", str(data / "train_color"), "--out", str(out)]
        words += ["--instances", str(asked.instances)]
        write, again = (watched([sys.executable, __file__, what, *words]) for what in STAGES)
        score = watched(_evaluate(out, data)) if count <= asked.scored else None
        sizes = [path.stat().st_size for path in out.rglob("*.parquet")]
        cells = [f"{len(sizes) // 3:,}", f"{sum(sizes) / count:.0f}"]
        for one in (write, again, score):
            figures = one and (one.processor_s, one.own_mb["call"])
            cells += [f"{value:.1f}" for value in figures or ()] or ["-", "-"]
        told.append((f"{count:,}", *cells))
        shutil.rmtree(data)
        shutil.rmtree(out)
        heads = [f"{name}, {unit}" for name in ("write", "resume", "evaluate") for unit in UNITS]
        print(table(("frames", "parts", "bytes a frame", *heads), told), flush=True)
    print(machine())


STAGES, UNITS = ("made", "job"), ("processor s", "MB")


def made(asked: argparse.Namespace) -> None:
    """Parts of made-up results, by the writer of jobs, noted as done as by Ray's checkpoint."""
    from typing import cast

    from tinyseg.cluster import Engine, find_frames
    from tinyseg.cluster.job import key_of
    from tinyseg.cluster.parts import part_size
    from tinyseg.cluster.resume import claim

    listing, engine = find_frames([str(asked.pictures)]), MadeUp(asked.instances)
    store, names = listing.stores[0], listing.table["frame"].to_pylist()
    folder, key = str(asked.out), key_of(cast(Engine, engine), listing)
    claim(store, folder, key, folder)
    write_parts(store, asked.out, names, engine, part_size(len(names), 1))


def write_parts(store: Any, out: Path, names: list[str], engine: MadeUp, size: int) -> int:
    """Three files a part; how many instances are in them."""
    import pyarrow as pa

    from tinyseg.cluster.parts import CHECKPOINT, FRAMES, INSTANCES, ROW, split, write_table
    from tinyseg.cluster.worker import instance_row
    from tinyseg.predictions import FramePredictions, rows_of

    known = []
    for found in engine.predictor().found:
        frame = FramePredictions("", "", SMALL_HW, found)
        known.append([instance_row(row) for row in rows_of(frame, engine.classes)])
    look = {"status": "ok", "height": SMALL_HW[0], "width": SMALL_HW[1], "attempts": 1}
    total = 0
    for start in range(0, len(names), size):
        own = []
        for number, name in enumerate(names[start : start + size], start):
            instances = known[number * 7 % BANK]
            total += len(instances)
            own.append({"frame": name, "path": name, "instances": instances, **look})
        frames, instances = split(pa.Table.from_pylist(own, schema=ROW), "made up", "made up")
        parts = {INSTANCES: instances, FRAMES: frames, CHECKPOINT: frames.select(["frame"])}
        for part, one in parts.items():
            write_table(store, f"{out}/{part}/{start:08}.parquet", one)
    return total


def job(asked: argparse.Namespace) -> None:
    """A job of made-up results, in a process of its own."""
    from typing import cast

    from tinyseg.cluster import Engine, find_frames, predict_on_cluster

    engine, listing = cast(Engine, MadeUp(asked.instances)), find_frames([str(asked.pictures)])
    print(predict_on_cluster(listing, engine, str(asked.out), cluster="local", workers=1))


def _evaluate(parts: Path, data: Path, *words: str) -> list[str]:
    return [*MODULE, "evaluate", str(parts), "--data", str(data), *words]


def evaluate(asked: argparse.Namespace, root: Path) -> None:
    """The same scores here and by workers."""
    from pyarrow import fs

    from tinyseg.cluster.parts import FORMAT, VERSION
    from tinyseg.files import write_whole

    data, out = _labelled(root, asked.frames), root / "parts"
    for part in ("frames", "instances", "checkpoint"):
        (out / part).mkdir(parents=True)
    engine = MadeUp(asked.instances)
    about = {"format": FORMAT, "version": VERSION, "classes": engine.classes}
    write_whole(out / "job.json", json.dumps(about).encode())
    names = [f"{number:06}_Camera_5" for number in range(asked.frames)]
    total = write_parts(fs.LocalFileSystem(), out, names, engine, 20)
    told, figures = [], set()
    ways = {"one process": [], "2 workers": ["--cluster", "local", "--workers", "2"]}
    for name, words in ways.items():
        scores = root / "scores.json"
        one = watched(_evaluate(out, data, "--json", str(scores), *words))
        figures.add(scores.read_text())
        most = max(one.own_mb.values())
        cells = (one.seconds, one.processor_s, one.own_mb["call"], most)
        told.append((name, *(f"{value:.0f}" for value in cells)))
        print(f"{asked.frames:,} frames, {total:,} predictions; {machine()}")
        heads = ("", "s", "processor s", "caller, MB", "largest process, MB")
        print(table(heads, told), flush=True)
    print(f"figures alike to the last digit: {len(figures) == 1}")


# A fleet on paper.


def simulate(asked: argparse.Namespace) -> None:
    """A million frames on 1 to 1,000 nodes: workers take blocks as they are free, one process
    counts each frame, the store gives so many bytes a second to all together."""
    from tinyseg.cluster.parts import part_size

    told = []
    rng = np.random.default_rng(0)
    for nodes in (1, 3, 10, 30, 100, 300, 1000):
        workers = nodes * asked.cores
        size = part_size(asked.frames, workers)
        blocks = -(-asked.frames // size)
        mine = asked.read + asked.decode + asked.look + asked.merge
        # A frame's time varies by a third; a block's sum by that over the root of its frames.
        spread = rng.normal(1, 1 / 3 / np.sqrt(size), blocks)
        free = [asked.start] * min(workers, blocks)
        heapq.heapify(free)
        counted = bytes_at = end = 0.0
        for block in range(blocks):
            begun = heapq.heappop(free)
            bytes_at = max(bytes_at, begun) + size * asked.megabytes / asked.store
            done = max(begun + size * mine * max(float(spread[block]), 0.1), bytes_at)
            counted = max(counted, begun) + size * asked.count_us / 1e6
            done = max(done, counted)
            heapq.heappush(free, done)
            end = max(end, done)
        busy = asked.frames * mine / (workers * end)
        a_day = asked.frames / end * 86400
        hours = f"{end / 3600:.1f}"
        told.append(
            (f"{nodes:,}", f"{workers:,}", f"{size}", hours, f"{a_day:,.0f}", f"{busy:.2f}")
        )
    print(f"{asked.frames:,} frames; a frame: {vars(asked)}")
    print(table(("nodes", "workers", "frames a part", "hours", "frames a day", "busy"), told))


def main() -> None:
    """Parse, and run one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=("overhead", "rows", "evaluate", "simulate", *STAGES))
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--cores", type=int)
    parser.add_argument("--plan", default="whole")
    parser.add_argument("--side", type=int, help="whole frames at this short side instead")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--ways", type=int, default=3, help="how many of the three")
    parser.add_argument("--counts", default="12500,25000,50000,100000")
    parser.add_argument("--scored", type=int, default=10**6, help="score counts up to this one")
    parser.add_argument("--instances", type=int, default=10)
    for name, value, words in (
        ("read", 0.05, "seconds to fetch a frame"),
        ("decode", 0.06, "seconds"),
        ("look", 11.0, "seconds of one core"),
        ("merge", 0.2, "seconds"),
        ("count-us", 1000.0, "microseconds of the counting process a frame"),
        ("megabytes", 2.0, "of a frame's file"),
        ("store", 5000.0, "megabytes a second that the store gives to all"),
        ("start", 30.0, "seconds until workers are ready"),
    ):
        parser.add_argument(f"--{name}", type=float, default=value, help=words)
    asked = parser.parse_args()
    sizes = {"overhead": 40, "evaluate": 40_000, "simulate": 1_000_000}
    asked.frames = asked.frames or sizes.get(asked.what)
    asked.cores = asked.cores or (8 if asked.what == "simulate" else os.cpu_count() or 1)
    alone = {"simulate": simulate, "made": made, "job": job}
    if asked.what in alone:
        alone[asked.what](asked)
        return
    with tempfile.TemporaryDirectory() as root:
        {"overhead": overhead, "rows": rows, "evaluate": evaluate}[asked.what](asked, Path(root))


if __name__ == "__main__":
    main()
