"""A server process for tests: started with options, its address, its end."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
from jaxtyping import UInt8

from tinyseg.image import write_jpeg
from tinyseg.scenes import render_scene

START_S = 180.0


class Served:
    """`tinyseg serve` as a process of its own, at a free port."""

    def __init__(self, log: Path, options: Sequence[str] = (), env: dict[str, str] | None = None):
        command = [sys.executable, "-m", "tinyseg", "serve", "--port", "0", "--threads", "1"]
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [*command, *options], stderr=file, stdout=file, env={**os.environ, **(env or {})}
            )
        self.url = self._find_url()

    def _find_url(self) -> str:
        for _ in range(int(START_S / 0.1)):
            found = re.search(r"serving on (http://\S+)", self._log.read_text())
            if found is not None:
                return found.group(1)
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.kill()
        raise AssertionError(f"the server did not start: {self._log.read_text()}")

    def client(self) -> httpx.Client:
        """Without proxies, patient."""
        return httpx.Client(base_url=self.url, timeout=300, trust_env=False)

    def workers(self) -> list[int]:
        """Process ids of the workers: children that were started by spawn."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        lines = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in children.split()}
        return [int(pid) for pid, line in lines.items() if "spawn_main" in line]

    def log(self) -> str:
        """What the server said."""
        return self._log.read_text()

    def stop(self) -> int:
        """Ends the server; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=60)
        finally:
            self.process.kill()


def scene(seed: int, hw: tuple[int, int] = (240, 320)) -> UInt8[np.ndarray, "h w 3"]:
    """A small street scene."""
    return render_scene(seed=seed, index=0, height=hw[0], width=hw[1]).image


def scene_file(folder: Path, seed: int, hw: tuple[int, int] = (240, 320)) -> bytes:
    """The same as a JPEG's bytes."""
    path = folder / f"scene{seed}.jpg"
    write_jpeg(path, scene(seed, hw))
    return path.read_bytes()
