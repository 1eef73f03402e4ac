"""A worker process: it loads the networks once, then takes pictures from a pipe.

In: lists of Jobs that may share batches, Scenes, and Drops of jobs that nobody waits for. Out: an
About when it is ready, then of each job its Progress and an Answer or a Refusal. A fault in one
job is that job's alone. What was found on the last pictures is kept, so that another form of it
(a label map, an overlay) needs no second look. Signals are left to the front process: when its
end of the pipe closes, this process ends.
"""

import hashlib
import logging
import signal
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from multiprocessing.connection import Connection
from time import perf_counter

from pydantic import TypeAdapter

from tinyseg.allocator import give_back_memory, keep_freed_memory
from tinyseg.api import load
from tinyseg.errors import DeviceError, ImageError, TinysegError
from tinyseg.exporting import is_exported, read_exported
from tinyseg.image import image_from_bytes, jpeg_bytes
from tinyseg.merge import Seen
from tinyseg.predict import Predictor, choose_plan, is_ensemble
from tinyseg.scenes import render_scene
from tinyseg.serve.answers import Answered, Image, body_of
from tinyseg.serve.problems import shortly
from tinyseg.serve.records import (
    SCENE_HW,
    STAGES,
    About,
    Answer,
    Drop,
    Failed,
    Job,
    Message,
    Progress,
    Refusal,
    Scene,
    Where,
)
from tinyseg.serve.settings import Settings
from tinyseg.stored import Notes, find_weights, read_notes
from tinyseg.views import PRIOR_USED, FrameInfo, Plan, View, camera_of

IDLE_S = 5.0
"""After so long without a job, freed memory goes back to the system."""

KEPT_FRAMES, KEPT_BYTES = 32, 64_000_000
"""How much of what was found is kept."""

KEPT_PLANS = 16

Picture = Callable[[], Image]

log = logging.getLogger("tinyseg.serve")


def work(pipe: Connection, settings: Settings) -> None:
    """The process: until the other end of the pipe is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    keep_freed_memory()
    try:
        bench = Bench(pipe, settings)
        about = bench.about()
    except TinysegError as error:
        pipe.send(Failed(str(error)))
        return
    except Exception:
        log.exception("a fault while the worker loads the weights")
        pipe.send(Failed("a fault while the worker loads the weights: the log says more"))
        return
    try:
        pipe.send(about)
        while True:
            if not pipe.poll(IDLE_S):
                give_back_memory()
            message = pipe.recv()
            if isinstance(message, Scene):
                bench.render(message)
            elif not isinstance(message, Drop):
                bench.answer(message)
    except (EOFError, ConnectionError):
        return


class _Dropped(Exception):  # noqa: N818
    """Nobody waits for any of the jobs at hand."""


@dataclass(slots=True, eq=False)
class _Bound:
    """A job at hand: its picture, and when its stages began."""

    job: Job
    key: tuple[bytes, Where, str | None]
    image: Image
    info: FrameInfo
    seconds: dict[str, float] = field(default_factory=dict)


class Bench:
    """The networks, and what they do with jobs."""

    def __init__(self, pipe: Connection, settings: Settings) -> None:
        self._pipe, self._shares = pipe, settings.share_batches
        self._path = find_weights(settings.weights, on_progress=lambda done, total: None)
        self.model = load(
            self._path,
            settings.plan,
            budget_mp=settings.budget_mp,
            device=settings.device,
            backend=settings.backend,
            threads=settings.threads,
        )
        members = self.model.predictor.members
        if settings.threads is not None and any(one.backend == "torch" for one in members):
            import torch  # a runtime needs none

            torch.set_num_threads(settings.threads)
        self._plans: OrderedDict[Where, Predictor] = OrderedDict()
        self._kept: OrderedDict[tuple[bytes, Where, str | None], Answered] = OrderedDict()
        self._gone: set[int] = set()

    def about(self) -> About:
        """What was loaded."""
        predictor = self.model.predictor
        path, notes = self._path, None
        if is_exported(path):
            notes = Notes.of(read_exported(path).notes, path)
        elif not is_ensemble(path) and path.suffix != ".pth":
            notes = read_notes(path)
        networks = tuple({"sha256": m.sha256, "weight": m.weight} for m in predictor.members)
        return About(
            classes=self.model.names,
            networks=networks,
            plan=_told(predictor),
            device=str(predictor.device),
            backend=", ".join(dict.fromkeys(m.backend for m in predictor.members)),
            batch_pixels=predictor.sizes.limits.pixels if self._shares else 0,
            licence=None if notes is None else notes.licence,
            card={} if notes is None else dict(notes.card),
        )

    def render(self, scene: Scene) -> None:
        """A rendered street scene, as a JPEG."""
        height, width = SCENE_HW
        picture = render_scene(seed=scene.seed, index=0, height=height, width=width).image
        self._send(Answer(scene.number, jpeg_bytes(picture), "jpeg"))

    def answer(self, jobs: Sequence[Job]) -> None:
        """Answer or refuse each job."""
        self._gone.clear()
        bound = [one for job in jobs for one in self._begin(job)]
        while bound:
            group, kind = bound[:1], "bad-parameter"
            try:
                predictor = self._predictor(bound[0].job.where)
                most = predictor.frames_at_once(bound[0].info)
                group = next([*own] for _, own in groupby(bound[:most], lambda one: one.job.where))
                kind = "bad-picture"
                self._look(group, predictor)
            except _Dropped:  # said all the same: the front process waits to hear of each job
                for one in group:
                    self._send(Refusal(one.job.number, "late", "nobody waits for this job"))
            except TinysegError as error:
                for one in group:
                    lacks = isinstance(error, DeviceError)
                    self._refuse(one.job, "no-memory" if lacks else kind, error)
            except (EOFError, ConnectionError):  # the other end of the pipe is closed
                raise
            except Exception:
                log.exception("a fault in a look")
                for one in group:
                    self._send(_fault(one.job))
            bound = bound[len(group) :]

    def _begin(self, job: Job) -> Iterator[_Bound]:
        """The job with its picture; nothing where it is answered already."""
        key = hashlib.sha256(job.data).digest(), job.where, job.camera or camera_of(job.file_name)
        known = self._kept.get(key)
        start = perf_counter()
        try:
            if known is not None:
                self._kept.move_to_end(key)
                self._finish(job, known, lambda: image_from_bytes(job.data), kept=True)
                return
            image = image_from_bytes(job.data)
        except ImageError as error:
            self._refuse(job, "bad-picture", error)
            return
        except (EOFError, ConnectionError):
            raise
        except Exception:
            log.exception("a fault in a picture")
            self._send(_fault(job))
            return
        info = FrameInfo((image.shape[0], image.shape[1]), key[2])
        yield _Bound(job, key, image, info, {"decoding": perf_counter() - start})

    def _look(self, group: list[_Bound], predictor: Predictor) -> None:
        """Look at the pictures together, and answer one after the other."""
        marks = [0.0, 0.0]
        start = perf_counter()

        def tell(turn: int, done: int, total: int) -> None:
            marks[turn] = perf_counter()
            while self._pipe.poll():  # which jobs nobody waits for
                message = self._pipe.recv()
                if isinstance(message, Drop):
                    self._gone.add(message.number)
            if all(one.job.number in self._gone for one in group):
                raise _Dropped
            for one in group:
                self._send(Progress(one.job.number, STAGES[turn], done, total))

        looked = predictor.look([g.image for g in group], [g.info for g in group], tell)
        for one, seen in zip(group, looked, strict=True):
            self._send(Progress(one.job.number, STAGES[2], 0, 1))
            began = perf_counter()
            instances = predictor.merge(seen, one.info.hw)
            one.seconds[STAGES[0]] = (marks[0] - start) / len(group)
            one.seconds[STAGES[1]] = (marks[1] - marks[0]) / len(group)
            one.seconds[STAGES[2]] = perf_counter() - began
            remarks = predictor.plan.remarks(one.info)
            told = tuple(r for r in remarks if not r.startswith(PRIOR_USED))
            views = _by_pass(seen, predictor, one.info)
            found = Answered(one.info.hw, instances, views, told, one.seconds)
            self._kept[one.key] = found
            size = sum(kept.instances.masks.coverage.nbytes for kept in self._kept.values())
            while len(self._kept) > 1 and (len(self._kept) > KEPT_FRAMES or size > KEPT_BYTES):
                _, old = self._kept.popitem(last=False)
                size -= old.instances.masks.coverage.nbytes
            image = one.image
            self._finish(one.job, found, lambda image=image: image, kept=False)  # type: ignore[misc]

    def _finish(self, job: Job, found: Answered, picture: Picture, *, kept: bool) -> None:
        start = perf_counter()
        try:
            body = body_of(found, job, self.model.names, picture)
        except TinysegError as error:
            self._refuse(job, "bad-parameter", error)
            return
        seconds = {} if kept else dict(found.seconds)
        seconds["answering"] = perf_counter() - start
        count = 0 if kept else sum(map(len, found.views))
        pixels = 0 if kept else found.view_pixels
        kind = job.form.kind
        self._send(
            Answer(job.number, body, kind, seconds, count, pixels, len(found.instances), kept)
        )

    def _predictor(self, where: Where) -> Predictor:
        """The networks with the plan that was asked for."""
        own = self.model.predictor
        if where == Where():
            return own
        if where not in self._plans:
            plan = own.plan if isinstance(own.plan, Plan) else None
            chosen = choose_plan(
                own.members[0].predict, plan, plan=where.plan, budget_mp=where.budget_mp
            )
            self._plans[where] = Predictor(
                own.members, chosen, device=own.device, limits=own.sizes.limits, rules=own.rules
            )
            if len(self._plans) > KEPT_PLANS:
                self._plans.popitem(last=False)
        return self._plans[where]

    def _send(self, message: Message) -> None:
        self._pipe.send(message)

    def _refuse(self, job: Job, kind: str, error: TinysegError) -> None:
        got = None if error.got is None else shortly(str(error.got))
        expected = None if error.expected is None else str(error.expected)
        self._send(Refusal(job.number, kind, error.rule, expected, got))


def _fault(job: Job) -> Refusal:
    return Refusal(job.number, "fault", "this should not have happened; the log says more")


def _by_pass(
    seen: Sequence[Seen], predictor: Predictor, info: FrameInfo
) -> tuple[tuple[View, ...], tuple[View, ...]]:
    """The views that were looked at, of the first and of the second pass, each once."""
    first = {planned.view for planned in predictor.plan.first(info)}
    views = list(dict.fromkeys(one.view for one in seen))
    return (
        tuple(view for view in views if view in first),
        tuple(view for view in views if view not in first),
    )


def _told(predictor: Predictor) -> object:
    """The plan as a file has it, without the prior's tables."""
    plan = predictor.plan
    if not isinstance(plan, Plan):
        return type(plan).__name__
    bare = plan.with_focus(lambda focus: replace(focus, prior=None))
    return TypeAdapter(Plan).dump_python(bare, mode="json", exclude_none=True)
