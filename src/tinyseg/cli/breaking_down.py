"""The breakdown's options, and its section of what `tinyseg evaluate` tells."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from tinyseg.errors import DataError, RecipeError
from tinyseg.progress import progress_bar
from tinyseg.scoring.breakdown import breakdown
from tinyseg.scoring.breakdown_table import breakdown_tables, breakdown_to_json
from tinyseg.scoring.errors import Rects
from tinyseg.scoring.pairs import FramePairs
from tinyseg.scoring.shapes import ShapeRules
from tinyseg.scoring.slices import slice_count
from tinyseg.views import FrameInfo, read_plan

Buckets = dict[str, tuple[float, float]]

BucketOption = Annotated[
    list[str] | None,
    typer.Option(help="With --breakdown: an own range of sides in px, such as pole=4:12."),
]
PrecisionOption = Annotated[
    float, typer.Option(help="With --breakdown: the precision at which recall is told.")
]
BoundaryOption = Annotated[
    int, typer.Option(min=1, help="With --breakdown: least width of boundaries, .02 diagonal.")
]
SeamsOption = Annotated[
    Path | None,
    typer.Option(help="With --breakdown: the plan's YAML file, so that its seams are known."),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a breakdown: own buckets, precision, boundaries, and a plan's file."""

    buckets: Buckets
    precision: float
    shapes: ShapeRules
    plan: Path | None


def breakdown_section(
    pairs: list[FramePairs], classes: tuple[str, ...], asked: Asked, max_detections: int
) -> tuple[dict[str, object], list[Table]]:
    """Figures for JSON, and the tables that show them; a bar runs meanwhile."""
    views = None if asked.plan is None else views_of(asked.plan, pairs)
    with progress_bar("breaking down", slice_count(asked.buckets)) as bar:
        result = breakdown(
            pairs,
            classes,
            buckets=asked.buckets,
            precision=asked.precision,
            shapes=asked.shapes,
            views=views,
            max_detections=max_detections,
            tick=bar.advance,
        )
    return breakdown_to_json(result, pairs), breakdown_tables(result)


def read_buckets(texts: list[str]) -> Buckets:
    """Ranges of sides in pixels written as NAME=LOW:HIGH; an end left out is 0 or no end."""
    buckets: Buckets = {}
    for text in texts:
        name, _, ends = text.partition("=")
        low, colon, high = ends.partition(":")
        try:
            buckets[name] = float(low or 0), float(high or 1e5)
        except ValueError:
            colon = ""
        if not name or not colon:
            rule = "a bucket is written NAME=LOW:HIGH, sides in pixels"
            raise DataError(rule, where="--bucket", expected="pole=4:12", got=text)
    return buckets


def views_of(path: Path, pairs: list[FramePairs]) -> dict[str, Rects]:
    """What the plan of a YAML file looks at on each frame; RecipeError if finds decide that."""
    plan = read_plan(path)
    if any(part.focus is not None for part in plan.parts):
        rule = "seams are known for plans of whole frames and tiles"
        raise RecipeError(rule, path=path, got="a plan that focuses")
    views = {frame.name: plan.first(FrameInfo.named(frame.name, frame.hw)) for frame in pairs}
    return {
        name: np.array([p.view.rect for p in own]).reshape(-1, 4) for name, own in views.items()
    }
