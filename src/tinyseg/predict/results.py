"""A folder of finished frames, with which a later call goes on.

    OUT/run.json                what the results follow from: weights, plan, rules
    OUT/frames/<name>.json      one frame, a predictions file of its own
    OUT/predictions.json        all frames of the last call

Each file is written whole. A frame counts as finished where its file is there, can be read, and
was made from a picture of the same size and time of change. A folder of results that follow from
something else is refused.
"""

from collections.abc import Mapping
from itertools import count
from pathlib import Path

import orjson

from tinyseg.data import file_below
from tinyseg.errors import PredictionsError
from tinyseg.files import make_folder, write_whole
from tinyseg.predict.backends import BACKENDS
from tinyseg.predictions import (
    PREDICTIONS_NAME,
    FramePredictions,
    Predictions,
    Tally,
    join_predictions,
    write_predictions,
)

RUN_NAME = "run.json"
FRAMES_NAME = "frames"

DEFAULT_FOLDER = "found"

Settings = Mapping[str, object]
"""What results follow from, in plain values by name."""


class Results:
    """The frames of a call, kept in a folder that may hold some already.

    Raises PredictionsError where the folder's results follow from other settings.
    """

    def __init__(self, folder: Path, settings: Settings, classes: tuple[str, ...]) -> None:
        self.folder, self.classes = folder, classes
        self.before = 0
        """Frames of this call that were finished before it."""
        self._finished: dict[str, bool] = {}
        make_folder(folder)
        make_folder(folder / FRAMES_NAME)
        _check_run(folder / RUN_NAME, _plain(settings, classes))

    def __len__(self) -> int:
        return sum(self._finished.values())

    def meet(self, name: str, mark: str) -> bool:
        """The call's next frame, from a file with this mark: whether it is finished already."""
        done = self._is_there(name, mark)
        self._finished[name] = done
        self.before += done
        return done

    def add(self, frame: FramePredictions, mark: str) -> None:
        """Write a finished frame."""
        file = self._file(frame.name)
        make_folder(file.parent)
        write_predictions(file, Predictions(self.classes, (frame,)), source=mark)
        self._finished[frame.name] = True

    def write_all(self, min_score: float) -> list[Tally]:
        """Put the call's finished frames, in its order, into one predictions file; what each has,
        those that were finished before too, sure from this score."""
        path = self.folder / PREDICTIONS_NAME
        files = [self._file(name) for name, done in self._finished.items() if done]
        return join_predictions(files, path, self.classes, min_score=min_score)

    def _is_there(self, name: str, mark: str) -> bool:
        try:
            info = orjson.loads(self._file(name).read_bytes())["info"]
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
            return False
        return isinstance(info, dict) and info.get("source") == mark

    def _file(self, name: str) -> Path:
        return file_below(self.folder / FRAMES_NAME, name, ".json")


def backend_of(folder: Path) -> str | None:
    """What ran the networks of the folder's results, None where it does not say."""
    known = _known(folder / RUN_NAME)
    named = known.get("backend") if isinstance(known, dict) else None
    return named if named in BACKENDS else None


def folder_for(settings: Settings, classes: tuple[str, ...], beside: Path) -> Path:
    """Where results go that were given no folder: `found` in this one, or `found-2`, `found-3` ...,
    the first that is not there yet or holds results that follow from the same."""
    plain = _plain(settings, classes)
    for number in count(1):
        name = DEFAULT_FOLDER if number == 1 else f"{DEFAULT_FOLDER}-{number}"
        folder = beside / name
        if not folder.exists() or _known(folder / RUN_NAME) == plain:
            return folder
    raise AssertionError("the numbers do not end")


def _plain(settings: Settings, classes: tuple[str, ...]) -> object:
    """The settings as they come back from a file."""
    return orjson.loads(orjson.dumps({**settings, "classes": classes}))


def _known(run: Path) -> object:
    """What the folder's results follow from, None where it does not say."""
    try:
        return orjson.loads(run.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None


def _check_run(run: Path, plain: object) -> None:
    """Write down what the results follow from, or refuse a folder where that is something else."""
    if not run.exists():
        write_whole(run, orjson.dumps(plain, option=orjson.OPT_INDENT_2))
        return
    known = _known(run)
    if known is None:
        raise PredictionsError("cannot be read as JSON", path=run)
    before, now = (tree if isinstance(tree, dict) else {} for tree in (known, plain))
    check_same(before, now, run)


def check_same(before: Mapping[str, object], now: Mapping[str, object], place: Path | str) -> None:
    """Refuses to go on with results that follow from something else than what is asked for now."""
    told = []
    for key in sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k)):
        both = before.get(key), now.get(key)
        short = all(isinstance(one, str | int | float) for one in both)
        values = f" ({both[0]} there, {both[1]} asked for)" if short else ""
        told.append(f"{'other' if key.endswith('s') else 'another'} {key}{values}")
    if told:
        rule = "the folder holds results that follow from something else: name another, or empty it"
        raise PredictionsError(rule, path=place, got=" and ".join(told))
