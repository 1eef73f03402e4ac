"""Prediction of very many frames on a Ray cluster, or on this machine's cores by the same engine.

frames.py   folders, prefixes of object stores, tables of paths -> the frames of a job
worker.py   one worker: networks in memory, frames in, rows out
parts.py    the results: Parquet parts, written once, and read back without Ray
judging.py  the results and labels -> scores, shard by shard
job.py      the whole: a job's key, resuming, progress, summary

Ray Data does the scheduling, the back-pressure and the checkpoints (extra `ray`). A worker holds
the networks once; frames are read by workers, wherever they run. Each part is written under a
two-phase commit, so that a frame appears once whatever is killed, and the same call again goes on
with what is missing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyseg.cluster.frames import Listing, find_frames
    from tinyseg.cluster.job import Summary, predict_on_cluster
    from tinyseg.cluster.judging import Judge, Shard, Verdict, judge_on_cluster, shards_of
    from tinyseg.cluster.parts import classes_of, frames_in, is_parts, names_in, read_parts
    from tinyseg.cluster.worker import Engine

_ROOMS = {
    "frames": ("Listing", "find_frames"),
    "job": ("Summary", "predict_on_cluster"),
    "judging": ("Judge", "Shard", "Verdict", "judge_on_cluster", "shards_of"),
    "parts": ("classes_of", "frames_in", "is_parts", "names_in", "read_parts"),
    "worker": ("Engine",),
}

__all__ = [
    "Engine",
    "Judge",
    "Listing",
    "Shard",
    "Summary",
    "Verdict",
    "classes_of",
    "find_frames",
    "frames_in",
    "is_parts",
    "judge_on_cluster",
    "names_in",
    "predict_on_cluster",
    "read_parts",
    "shards_of",
]


def __getattr__(name: str) -> object:
    """Results are read without Ray and without networks: each is imported on first use."""
    room = next((room for room, names in _ROOMS.items() if name in names), None)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{room}"), name)
