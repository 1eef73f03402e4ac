"""Frames in, their instances out: through the views of a plan, networks, and a merger.

predictor.py    Predictor: one frame, or several together
batches.py      which views go through a network together, in bounded memory
backends.py     torch, or an exported graph in a runtime
members.py      a network with its weight and calibration    ensemble.py   several in one file
detector_network.py  our own detector as a `tinyseg.network.Network`
plan_choice.py  what a file or the command line says -> a plan
sources.py      paths, lists and videos -> frames            ahead.py      work done in a thread
stream.py       many frames: decoding, networks and merging at the same time
results.py      a folder of finished frames, which a later call goes on with
"""

from tinyseg.predict.backends import Backend, choose_backend
from tinyseg.predict.batches import BatchLimits
from tinyseg.predict.ensemble import (
    EnsembleFile,
    MemberFile,
    is_ensemble,
    load,
    load_members,
    read_ensemble,
    write_ensemble,
)
from tinyseg.predict.members import Member, load_adapted, load_member, member_of
from tinyseg.predict.plan_choice import choose_plan, default_plan, named_plan
from tinyseg.predict.predictor import Predictor, load_predictor
from tinyseg.predict.results import Results, backend_of, folder_for
from tinyseg.predict.sources import Shot, Source, find_sources, read_shots
from tinyseg.predict.stream import stream

__all__ = [
    "Backend",
    "BatchLimits",
    "EnsembleFile",
    "Member",
    "MemberFile",
    "Predictor",
    "Results",
    "Shot",
    "Source",
    "backend_of",
    "choose_backend",
    "choose_plan",
    "default_plan",
    "find_sources",
    "folder_for",
    "is_ensemble",
    "load",
    "load_adapted",
    "load_member",
    "load_members",
    "load_predictor",
    "member_of",
    "named_plan",
    "read_ensemble",
    "read_shots",
    "stream",
    "write_ensemble",
]
