"""Which cluster: one that is there, or one of this machine's own, ended behind the work.

In: a word of the command line. Out: how many workers fit. Refused: a cluster that does not answer
within ANSWER_S, and a machine on which Ray does not start.
"""

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import ray

from tinyseg.errors import DataError

ANSWER_S = 5.0
"""A cluster answers within so many seconds, or is not there."""

_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


@contextlib.contextmanager
def connected(
    cluster: str, workers: int | None, *, threads: int = 1, device: str = "cpu"
) -> Iterator[int]:
    """A cluster to work on, and how many workers of so many threads, or of a GPU, it gets; one of
    this machine's own is ended behind it. Raises DataError where none answers or starts."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    was_connected = ray.is_initialized()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if not was_connected and not reached(cluster):
            workers = workers or max(1, (os.cpu_count() or 1) // threads)
            # Light tasks are given cores of their own: workers take all that there are.
            _start(workers * threads + 2)
        total: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        if workers is None and device == "cpu":
            workers = max(1, int((total.get("CPU", 1) - 1) // threads))
        yield workers or max(1, int(total.get("GPU", 1)))
    finally:
        if not was_connected:
            ray.shutdown()
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)  # Ray leaves its own


def reached(cluster: str) -> bool:
    """Whether a cluster is connected to; False where one of this machine's own is to be started."""
    if cluster == "local":
        return False
    address = os.environ.get("RAY_ADDRESS", "auto") if cluster == "auto" else cluster
    try:
        if address != "auto":
            place = urlsplit(address if "://" in address else f"ray://{address}")
            # Ray itself tries for minutes.
            socket.create_connection((place.hostname, place.port or 10001), ANSWER_S).close()
        ray.init(address=address, **_QUIET)
    except (OSError, ValueError, RuntimeError):
        if address == "auto":
            return False
        rule = "no cluster answers there: start it, or name another, or local"
        raise DataError(rule, where="cluster", got=address) from None
    return True


def _start(cores: int) -> None:
    """A cluster of this machine, of so many cores."""
    try:
        with _niceness():
            ray.init(address="local", num_cpus=cores, include_dashboard=False, **_QUIET)
    except Exception:  # Ray has no class of its own for it
        rule = "Ray does not start here: call again on a less busy machine, or name a cluster"
        expected = "memory, processes and room in /tmp and /dev/shm; /tmp/ray holds Ray's logs"
        raise DataError(rule, where="cluster", expected=expected) from None


@contextlib.contextmanager
def _niceness() -> Iterator[None]:
    """Workers that start run as `predict` does; Ray's own way lets everything else run first."""
    name = "RAY_worker_niceness"
    known = os.environ.get(name)
    os.environ[name] = known or "0"
    try:
        yield
    finally:
        if known is None:
            del os.environ[name]
