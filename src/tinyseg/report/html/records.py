"""What a page shows, as plain records: `gather` fills them, `page` writes them.

All places are native frame pixels, boxes half open. Several runs on the same labels share one page:
whatever a run decides is a tuple with an entry for each run, in the page's order of runs.
"""

import math
from dataclasses import dataclass

from tinyseg.report.html.pictures import Picture
from tinyseg.scoring import ErrorKind

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an item, and its IoU with its counterpart, or with the nearest one."""

    kind: ErrorKind
    iou: float


@dataclass(frozen=True, slots=True)
class Outlined:
    """An instance as the page draws it: class, box around its pixels, their number, SVG path."""

    label: int
    box: Box
    area: int
    path: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled instance, and what became of it in each run."""

    shape: Outlined
    fates: tuple[Fate, ...]


@dataclass(frozen=True, slots=True)
class Detected:
    """A detection of one run, with its score 0 ... 1, and what it is."""

    shape: Outlined
    score: float
    fate: Fate


@dataclass(frozen=True, slots=True)
class Sheet:
    """One frame: its pixels, labels, each run's detections, and the path of what is not judged."""

    name: str
    hw: tuple[int, int]
    picture: Picture
    ignored: str
    truth: tuple[Labelled, ...]
    found: tuple[tuple[Detected, ...], ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval; nan where there is nothing to measure it on."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the first table; with two runs, B less A, and the probability that B is better."""

    name: str
    note: str
    count: int
    runs: tuple[Estimate, ...]
    difference: Estimate | None = None
    better: float | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a bar chart: a name, how many it stands for, and a figure for each run."""

    name: str
    count: int | None
    runs: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points, left to right, with optional lower and upper limits; nan breaks it."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart with its heading and what to know when reading it."""

    title: str
    note: str
    svg: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A kind of fault of the data set: how bad, how many, what to do, and the first of them."""

    severity: str
    title: str
    count: int
    advice: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page but its look.

    `facts` is the line under the title, `words` say what the figures mean, `small_charts` are one
    a class. The viewer's slider begins at score `cut`; the gallery leaves out detections under
    `floor`. `frames_note` says which frames are shown,
    `footer` how the figures were made, `findings` and `advice` are about the data set.
    """

    title: str
    facts: str
    runs: tuple[str, ...]
    classes: tuple[str, ...]
    words: tuple[str, ...]
    headline: tuple[Row, ...]
    charts: tuple[Chart, ...]
    small_charts: tuple[Chart, ...]
    sheets: tuple[Sheet, ...]
    cut: float
    floor: float
    frames_note: str
    footer: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    advice: tuple[str, ...] = ()
