from .frames import Listing as Listing, find_frames as find_frames
from .job import Summary as Summary, predict_on_cluster as predict_on_cluster
from .judging import (
    Judge as Judge,
    Shard as Shard,
    Verdict as Verdict,
    judge_on_cluster as judge_on_cluster,
    shards_of as shards_of,
)
from .parts import (
    classes_of as classes_of,
    frames_in as frames_in,
    is_parts as is_parts,
    names_in as names_in,
    read_parts as read_parts,
)
from .worker import Engine as Engine
