"""Jobs of a small network on a small cluster, and what kills its processes."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from _tiny_network import network, picture

from tinyseg.cluster import Engine, read_parts
from tinyseg.image import read_image, write_png
from tinyseg.networks import save_weights
from tinyseg.predict import MemberFile, Predictor, load_members
from tinyseg.predictions import FramePredictions, rows_of
from tinyseg.views import Plan, Whole

QUIET = [
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("DeprecationWarning", "FutureWarning", "ResourceWarning", "UserWarning")
]
"""Ray warns of itself."""


def tiny_weights(folder: Path) -> Path:
    path = folder / "weights.safetensors"
    save_weights(path, *network(3))
    return path


def write_pictures(folder: Path, count: int) -> Path:
    for seed in range(count):
        write_png(folder / f"{seed:02}_Camera_5.png", picture(seed))
    return folder


def engine(weights: Path, *, side: int = 128, **how: Any) -> Engine:
    members, _ = load_members(weights)
    predictor = Predictor(members, Plan.of(Whole(side, 192)))
    settings = {"networks": [members[0].sha256], "plan": str(side)}
    return Engine.of(predictor, [MemberFile(weights=weights)], settings, **how)


def expected(weights: Path, pictures: Path) -> dict[str, list[dict[str, object]]]:
    """What one process finds, as it is written."""
    predictor = engine(weights).predictor()
    found = {}
    for path in sorted(pictures.iterdir()):
        image = read_image(path)
        instances = predictor(image)
        frame = FramePredictions(path.stem, path.name, image.shape[:2], instances)
        found[path.stem] = rows_of(frame, predictor.classes)
    return found


def written(out: Path) -> dict[str, list[dict[str, object]]]:
    """What the parts hold, by frame; each frame once."""
    predictions = read_parts(str(out))
    return {frame.name: rows_of(frame, predictions.classes) for frame in predictions.frames}


class Paper:
    """A ledger without a cluster."""

    def __init__(self, tries: Mapping[str, int] | None = None) -> None:
        self.tries, self.ended = Counter(tries), dict[str, Mapping[str, Any]]()

    def begin(self, frame: str) -> int:
        self.tries[frame] += 1
        return self.tries[frame]

    def end(self, frame: str, told: Mapping[str, Any]) -> None:
        self.ended[frame] = told


@contextmanager
def local_cluster(cores: int = 4) -> Iterator[None]:
    """A cluster of this machine, ended whatever happens."""
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_worker_niceness", "0")  # else starved by whatever runs beside
        try:
            ray.init(
                num_cpus=cores,
                include_dashboard=False,
                log_to_driver=False,
                object_store_memory=100 * 2**20,
                runtime_env={"env_vars": {"OMP_NUM_THREADS": "1"}},
            )
            yield
        finally:
            ray.shutdown()
            signal.signal(signal.SIGTERM, handler)  # Ray leaves its own


def workers() -> Iterator[psutil.Process]:
    """The processes that hold the networks and look."""
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "_Looking" in " ".join(one.cmdline()) and one.cpu_times().user > 2:
                yield one


class Killer(threading.Thread):
    """Kills a worker as soon as the first frame is done."""

    def __init__(self, counts: int = 1) -> None:
        super().__init__(daemon=True)
        self.counts, self.killed, self.over = counts, 0, threading.Event()

    def run(self) -> None:
        """Until it is over, or enough are killed."""
        while not self.over.wait(0.05) and self.killed < self.counts:
            for one in workers():
                with suppress(psutil.Error):
                    one.send_signal(signal.SIGKILL)
                    self.killed += 1
                break
