"""Frames with what stands on them, or with the views of a plan, as pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray

from tinyseg.data import Names, Place, apart, class_ids, file_below, names_of
from tinyseg.errors import DataError, TinysegError
from tinyseg.files import check_folder, make_folder
from tinyseg.frame import Instances
from tinyseg.image import read_image, write_jpeg
from tinyseg.predict import choose_plan, load_member
from tinyseg.predictions import Predictions
from tinyseg.recipes import find_recipe
from tinyseg.report import DRAWN_FROM, draw_overlay, draw_plan
from tinyseg.stored import find_weights
from tinyseg.tasks.opening import open_given, open_with, place_of, read_given
from tinyseg.views import FrameInfo, PlanLike, resolved
from tinyseg.watch import OnError, OnProgress, OnRemark, Watch

Image = UInt8[ndarray, "_height _width 3"]


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """A plan as for `predict_folder`: `weights` say whose plan, sizes and prior count (None: none,
    and the plan is focus); `camera` is the frames', where their names do not tell it."""

    weights: Path | str | None = None
    plan: str | None = None
    budget_mp: float | None = None
    prior: Path | None = None
    camera: str | None = None

    def resolved(self, watch: Watch) -> PlanLike:
        """The plan, with its prior."""
        limits, own, name = find_recipe("lite").predict, None, self.plan
        if self.weights is None:
            name = name or "focus"
        else:
            with watch.fetching(str(self.weights)) as tell:
                member = load_member(find_weights(str(self.weights), on_progress=tell))
            limits, own = member.predict, member.prior
        return resolved(
            choose_plan(limits, plan=name, budget_mp=self.budget_mp, prior=self.prior), own
        )

    def info(self, name: str, image: Image) -> FrameInfo:
        """What the plan goes by."""
        info = FrameInfo.named(name, (image.shape[0], image.shape[1]))
        return info if self.camera is None else FrameInfo(info.hw, self.camera)


def show(
    data: Path | str | Place,
    out: Path | str,
    *,
    predictions: Path | str | None = None,
    count: int | None = None,
    min_score: float = DRAWN_FROM,
    on_error: OnError | str = OnError.stop,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> int:
    """Draw labels, or predictions, over the frames of a data set, with a strip that magnifies the
    horizon: at most `count` frames, scores from `min_score`. Returns how many pictures there are.

    >>> tinyseg.show("scenes", "seen", count=1)
    1
    """
    out = Path(out)
    check_folder(out)
    place, watch = place_of(data), Watch(on_error, on_progress, on_remark)
    by_name: dict[str, Instances] | None = None
    if predictions is None:
        dataset = open_with(place, tuple(class_ids(place.path, place.format)), watch=watch)
    else:
        (given,), dataset = open_given([Path(predictions)], place, watch, classes=tuple)
        by_name = {frame.name: frame.instances for frame in given.frames}
    items = dataset.items[:count]
    names = apart([item.name for item in items])
    make_folder(out)
    with watch.stage("drawing", len(items)) as stage:
        for item, name in zip(items, names, strict=True):
            try:
                frame = item.read()
            except TinysegError as error:
                watch(item.name, error)
                continue
            shown = frame.instances
            if by_name is not None:
                shown = by_name.get(item.name, Instances.empty())
            picture = draw_overlay(
                frame.image, shown, dataset.classes, ignore=frame.ignore, min_score=min_score
            )
            _write(out, name, "_overlay.jpg", picture)
            stage.advance(item.name)
    watch.report()
    return len(items) - len(watch.frames)


def show_plan(
    pictures: Sequence[Path | str],
    out: Path | str,
    choice: PlanChoice | None = None,
    *,
    predictions: Path | str | None = None,
    on_views: Callable[[str], None] | None = None,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> int:
    """Draw the views of a plan on pictures: where is looked at, how closely, at what cost.

    `predictions` are what a first pass found, for the second one; `on_views` is told of each
    picture in a sentence. Returns how many pictures there are.
    """
    paths, out, chosen = [Path(path) for path in pictures], Path(out), choice or PlanChoice()
    make_folder(out)
    watch = Watch(on_progress=on_progress, on_remark=on_remark)
    plan = chosen.resolved(watch)
    given = None if predictions is None else read_given(Path(predictions))
    with watch.stage("drawing", len(paths)) as stage:
        for path, name in zip(paths, names_of(paths), strict=True):
            image = read_image(path)
            info = chosen.info(path.name, image)
            found = Instances.empty() if given is None else _found(given, path, info.hw)
            first, then = plan.first(info), plan.then(info, found)
            remarks = plan.remarks(info)
            picture = draw_plan(image, first, then, found=found.boxes, remarks=remarks)
            _write(out, name, "_views.jpg", picture)
            stage.advance(path.name)
            pixels = sum(p.view.out_hw[0] * p.view.out_hw[1] for p in [*first, *then])
            counts = f"{len(first)} views, then {len(then)}, {pixels / 1e6:.1f} MP in all"
            if on_views is not None:
                on_views("; ".join([f"{path.name}: {counts}", *remarks]))
    return len(paths)


def _write(out: Path, name: str, ending: str, picture: Image) -> None:
    file = file_below(out, name, ending)
    make_folder(file.parent)
    write_jpeg(file, picture)


def _found(given: Predictions, path: Path, hw: tuple[int, int]) -> Instances:
    """What the file holds for this picture."""
    name = Names(frame.name for frame in given.frames).one(path.as_posix())
    own = [frame for frame in given.frames if frame.name == name]
    if not own:
        raise DataError("the predictions do not hold this frame", path=path)
    if own[0].hw != hw:
        rule = "predictions and picture need one size (height, width)"
        raise DataError(rule, path=path, expected=hw, got=own[0].hw)
    return own[0].instances
