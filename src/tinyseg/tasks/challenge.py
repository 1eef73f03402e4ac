"""Predictions -> the challenge's CSV; and what is wrong with such a file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tinyseg.errors import PredictionsError
from tinyseg.exporting import require
from tinyseg.files import check_output
from tinyseg.predictions import Predictions
from tinyseg.submission import (
    FRAME_HW,
    CheckResult,
    Cuts,
    Pictures,
    Written,
    check,
    collect,
    find_pictures,
    write_submission,
)
from tinyseg.tasks.opening import parts_at, read_given
from tinyseg.watch import OnProgress, Watch

ROWS_A_STEP = 1000


@dataclass(frozen=True, slots=True)
class ChallengePictures:
    """What is known of the challenge's test pictures: their folder, its md5 lists (files or their
    folder), and the height and width of pictures that are not in the folder."""

    images: Path | None = None
    mappings: Sequence[Path] = ()
    frame_hw: tuple[int, int] = FRAME_HW

    def find(self) -> Pictures:
        """Their names and sizes."""
        return find_pictures(self.images, self.mappings, frame_hw=self.frame_hw)


@dataclass(frozen=True, slots=True)
class CheckedSubmission:
    """The faults of a file, and how many instances it has."""

    findings: CheckResult
    instances: int


def submit(
    predictions: Path | str | Sequence[Path | str],
    out: Path | str,
    pictures: ChallengePictures | None = None,
    *,
    min_score: float = 0.0,
    exclusive: bool = False,
    on_progress: OnProgress | None = None,
) -> Written:
    """Write the challenge's CSV, an instance a row.

    `predictions` are files and folders of `predict`, or addresses of a cluster's results. What
    scores less than `min_score` is left out; a pixel belongs to one instance, the better one, where
    `exclusive`. Raises PredictionsError or OutputError, and then leaves `out` as it was.

    >>> pictures = tinyseg.ChallengePictures(frame_hw=(256, 320))
    >>> tinyseg.submit("found", "submission.csv", pictures).frames
    2
    """
    paths = [predictions] if isinstance(predictions, Path | str) else predictions
    check_output(Path(out))
    known = (pictures or ChallengePictures()).find()
    given = [_frames_of(str(path)) for path in paths]
    watch = Watch(on_progress=on_progress)
    with watch.stage("writing rows", sum(count for count, _ in given)) as stage:
        frames = chain.from_iterable(some for _, some in given)
        cuts = Cuts(min_score, exclusive)
        return write_submission(Path(out), frames, known, cuts=cuts, meet=stage.advance)


def check_submission(
    path: Path | str,
    pictures: ChallengePictures | None = None,
    *,
    exclusive: bool = False,
    json: Path | None = None,
    on_progress: OnProgress | None = None,
) -> CheckedSubmission:
    """Every fault in a CSV file, in groups; each with its row in the file `json`.

    With `exclusive` masks that overlap are faults too. Row 1 is the header.

    >>> pictures = tinyseg.ChallengePictures(frame_hw=(256, 320))
    >>> written = tinyseg.submit("found", "submission.csv", pictures)
    >>> tinyseg.check_submission("submission.csv", pictures).findings.faults
    0
    """
    path = Path(path)
    check_output(json)
    known = (pictures or ChallengePictures()).find()
    watch = Watch(on_progress=on_progress)
    with watch.stage("checking, thousands of rows", _rows(path) // ROWS_A_STEP) as stage:
        rows = 0

        def meet(row: int) -> None:
            nonlocal rows
            rows = row
            if row % ROWS_A_STEP == 0:
                stage.advance(f"row {row}")

        findings = collect(check(path, known, exclusive=exclusive, meet=meet), json=json)
    return CheckedSubmission(findings, max(rows - 1, 0))


def _rows(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(piece.count(b"\n") for piece in iter(lambda: file.read(2**20), b""))
    except OSError as error:
        raise PredictionsError("cannot be read", path=path, got=error.strerror) from error


def _frames_of(given: str) -> tuple[int, Iterable[Predictions]]:
    """How many frames are given, and they: a cluster's results part by part, a file whole."""
    parts = parts_at(given)
    if parts is None:
        whole = read_given(Path(given))
        return len(whole.frames), [whole]
    require("pyarrow")
    from tinyseg.cluster import classes_of, frames_in, names_in

    classes = classes_of(parts)
    frames = (Predictions(classes, (frame,)) for frame in frames_in(parts))
    return sum(map(len, names_in(parts).values())), frames
