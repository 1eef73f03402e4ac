"""Options of the verbs that score predictions, those of `tinyseg evaluate --breakdown` among
them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.data import Place
from tinyseg.errors import DataError
from tinyseg.scoring import RESAMPLES
from tinyseg.tasks import Resampling, clips_of


class Rule(StrEnum):
    """By which rules predictions are scored."""

    coco = "coco"
    wad = "wad"


class Draw(StrEnum):
    """What a resample draws: frames one by one, or whole clips."""

    frames = "frames"
    clips = "clips"


RuleOption = Annotated[
    Rule,
    typer.Option(
        "--rule", help="wad: also by the WAD challenge's rule, with a sweep over score cuts."
    ),
]
IntervalsOption = Annotated[
    bool, typer.Option("--intervals", help="Also 95 % intervals, from resampled frames.")
]
ClipsOption = Annotated[
    Path | None,
    typer.Option(
        "--clips",
        help="Which clip each frame is from: a list of a video's frames, or a folder of lists.",
    ),
]
ClipPatternOption = Annotated[
    str | None,
    typer.Option(
        "--clip-pattern",
        help="A regular expression instead: what its groups match in a frame's name is the clip.",
    ),
]
ResamplesOption = Annotated[
    int | None, typer.Option("--resamples", min=1, help="Number of resamples; default: 1000.")
]
DrawOption = Annotated[
    Draw,
    typer.Option(
        "--draw", help="What is resampled: frames, or whole clips, whose frames are alike."
    ),
]

SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, help="Seed of the resamples; the same seed gives the same intervals."
    ),
]
MissingOption = Annotated[
    bool,
    typer.Option(
        "--allow-missing",
        help="Frames without predictions count as frames where nothing was found.",
    ),
]
BoxesOption = Annotated[
    bool, typer.Option("--boxes", help="Score boxes instead of masks, by COCO's rules.")
]
DetectionsOption = Annotated[
    int,
    typer.Option("--detections", min=1, help="Most detections of a class that count on a frame."),
]


def resampling_of(
    place: Place,
    draw: Draw,
    clips: Path | None,
    pattern: str | None,
    *,
    count: int | None,
    seed: int | None,
) -> Resampling:
    """What the options say of resamples; DataError where clips are to be drawn and not known."""
    if draw is Draw.frames:
        return Resampling(count or RESAMPLES, seed or 0)
    clip_of = clips_of(place, clips, pattern)
    if clip_of is None:
        rule = "to draw clips it must be known which clip a frame is from"
        raise DataError(rule, where="--draw clips", expected="--clips or --clip-pattern")
    return Resampling(count or RESAMPLES, seed or 0, clip_of)


Buckets = dict[str, tuple[float, float]]

BucketOption = Annotated[
    list[str] | None,
    typer.Option(
        help="With --breakdown: your own size range, NAME=LOW:HIGH, sides in pixels: pole=4:12."
    ),
]
PrecisionOption = Annotated[
    float | None, typer.Option(help="With --breakdown: the precision at which recall is reported.")
]
BoundaryOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="With --breakdown: least boundary width in pixels; it is .02 of the diagonal."
    ),
]
SeamsOption = Annotated[
    str | None,
    typer.Option(
        help="With --breakdown: whole, tiles or a plan's YAML file, to recognise errors at its "
        "views' borders."
    ),
]


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
