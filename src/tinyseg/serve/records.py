"""What crosses the pipe between the front process and a worker: plain records, no arrays."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["json", "png", "jpeg"]
Masks = Literal["rle", "polygons", "none"]

MEDIA: dict[Kind, str] = {"json": "application/json", "png": "image/png", "jpeg": "image/jpeg"}

SCENE_HW = (2710, 3384)
"""Of a rendered street scene."""

STAGES = ("first look", "closer looks", "merging")
"""What is told of a picture on its way, in this order."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a request wants to be looked: a plan's name and a budget in millions of view pixels;
    None for the server's own."""

    plan: str | None = None
    budget_mp: float | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is given: in which form, and which instances of what was found."""

    kind: Kind = "json"
    masks: Masks = "rle"
    min_score: float = 0.0
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A picture's file and what is asked of it. `file_name` is a label for the answer, never a
    path."""

    number: int
    data: bytes
    file_name: str
    camera: str | None
    where: Where
    form: Form

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.file_name.rsplit(".", 1)[0] or self.file_name


@dataclass(frozen=True, slots=True)
class Scene:
    """A street scene to be rendered as a JPEG."""

    number: int
    seed: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Nobody waits for this job any more."""

    number: int


@dataclass(frozen=True, slots=True)
class About:
    """What a worker has loaded; sent once, when it is ready. Jobs of `batch_pixels` together
    may share batches; 0 where none do."""

    classes: tuple[str, ...]
    networks: tuple[dict[str, object], ...]
    plan: object
    device: str
    backend: str
    batch_pixels: int
    licence: str | None = None
    card: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """A worker could not load what it was told to."""

    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A job's stage, and how much of it is done."""

    number: int
    stage: str
    done: int
    of: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A job is done: the body that its client gets, and what it took."""

    number: int
    body: bytes
    kind: Kind
    seconds: dict[str, float] = field(default_factory=dict)
    views: int = 0
    view_pixels: int = 0
    instances: int = 0
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job cannot be done, and why; `kind` is a problem's name (problems.py)."""

    number: int
    kind: str
    rule: str
    expected: str | None = None
    got: str | None = None


Message = About | Failed | Progress | Answer | Refusal
