"""Results of a cluster's job without a cluster: parts written by the job's own writer."""

from collections.abc import Sequence
from pathlib import Path

import orjson
import pyarrow as pa
from pyarrow import parquet

from tinyseg.cluster.parts import FORMAT, FRAMES, INSTANCES, ROW, VERSION, split
from tinyseg.cluster.worker import instance_row
from tinyseg.predictions import JOB_NAME, FramePredictions, Predictions, rows_of


def row_of(frame: FramePredictions, classes: Sequence[str]) -> dict[str, object]:
    """What a worker would give for the frame."""
    found = [instance_row(row) for row in rows_of(frame, classes)]
    height, width = frame.hw
    about = {"frame": frame.name, "path": frame.file_name, "height": height, "width": width}
    return {**about, "status": "ok", "attempts": 1, "instances": found}


def write_parts(folder: Path, predictions: Predictions, order: Sequence[int], size: int) -> Path:
    """The frames in this order, so many a part."""
    for part in (FRAMES, INSTANCES):
        (folder / part).mkdir(parents=True)
    job = {"format": FORMAT, "version": VERSION, "classes": predictions.classes}
    (folder / JOB_NAME).write_bytes(orjson.dumps(job))
    for start in range(0, len(order), size):
        own = [predictions.frames[place] for place in order[start : start + size]]
        rows = [row_of(frame, predictions.classes) for frame in own]
        tables = split(pa.Table.from_pylist(rows, schema=ROW), "model", "plan")
        for part, table in zip((FRAMES, INSTANCES), tables, strict=True):
            parquet.write_table(table, folder / part / f"{start:05}.parquet")
    return folder
