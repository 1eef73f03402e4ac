"""The queue and the worker processes, as the front process sees them.

In: jobs with the pixels of their pictures. Out: their answers. The queue is counted in pixels: a
job that does not fit is refused with the time after which it is worth to ask again. A worker has
one group of jobs at a time, which may share batches. A worker that dies is replaced; a job that it
had alone is refused with 503, jobs of a group go back into the queue, one by one.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from time import monotonic

from tinyseg.errors import WeightsError
from tinyseg.serve.metrics import Metrics
from tinyseg.serve.problems import Problem
from tinyseg.serve.records import About, Answer, Drop, Failed, Job, Message, Progress, Scene
from tinyseg.serve.settings import Settings

JOBS_AT_ONCE = 8
"""Most pictures of a group."""

STUCK_S = 300.0
"""A worker that is still busy so long after its job's deadline is ended."""

MOST_DELAY_S = 30.0
"""Between two starts of a worker that dies while it loads."""

GUESS_PIXELS_A_SECOND = 1.5e6
"""Before anything was measured, for Retry-After."""

log = logging.getLogger("tinyseg.serve")

Tell = Callable[[str, int, int], None]
"""Told a stage, and how much of it is done."""


@dataclass(slots=True, eq=False)
class _Ticket:
    """A job that somebody waits for."""

    job: Job | Scene
    pixels: int
    tell: Tell
    future: "asyncio.Future[Answer]"
    alone: bool = False
    since: float = field(default_factory=monotonic)


class _Worker:
    """One process, its pipe, and the jobs that it has."""

    def __init__(self, pool: "Pool") -> None:
        context = get_context("spawn")
        self.pipe: Connection
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(theirs, pool.settings), name="tinyseg worker", daemon=True
        )
        self.process.start()
        theirs.close()
        self.group: list[_Ticket] = []
        self.about: About | None = None
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="to worker")
        loop = asyncio.get_running_loop()
        Thread(target=self._listen, args=(pool, loop), daemon=True).start()

    def _listen(self, pool: "Pool", loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: what the process says, until it is gone."""
        with contextlib.suppress(RuntimeError):  # the loop may end first
            try:
                while True:
                    loop.call_soon_threadsafe(pool.hear, self, self.pipe.recv())
            except (EOFError, OSError):
                self.process.join(timeout=10)
                loop.call_soon_threadsafe(pool.lost, self)

    def send(self, message: object) -> None:
        """Without waiting; a process that is gone is noticed by who listens."""

        def push() -> None:
            with contextlib.suppress(OSError):
                self.pipe.send(message)

        self._sender.submit(push)

    def end(self) -> None:
        """The process is killed: it holds nothing that has to be written."""
        self.process.kill()
        self.process.join(timeout=10)
        self._sender.shutdown(wait=False, cancel_futures=True)
        self.pipe.close()


def _work(pipe: Connection, settings: Settings) -> None:
    from tinyseg.serve.worker import work  # in the new process: it loads torch

    work(pipe, settings)


class Pool:
    """Worker processes behind one queue; `async with` starts and ends them.

    Raises WeightsError where the first worker cannot load what it is told to.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.about: About | None = None
        self.pixels = 0
        self._workers: list[_Worker] = []
        self._waiting: deque[_Ticket] = deque()
        self._numbers = count(1)
        self._failed: str | None = None
        self._news = asyncio.Event()
        self._ending = False
        self._delay = 0.0
        self._rate = GUESS_PIXELS_A_SECOND * settings.workers

    async def __aenter__(self) -> "Pool":
        self._workers = [_Worker(self) for _ in range(self.settings.workers)]
        try:
            while not self.ready:
                await self._news.wait()
                self._news.clear()
                if self._failed is not None:
                    raise WeightsError(self._failed)
                if not self._workers:
                    raise WeightsError("the worker process ended while it loaded the weights")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending = True
        for ticket in [*self._waiting, *(t for w in self._workers for t in w.group)]:
            _refuse(ticket, Problem("busy", "the server is shutting down", retry_s=10.0))
        workers, self._workers = self._workers, []
        await asyncio.gather(*(asyncio.to_thread(worker.end) for worker in workers))

    @property
    def ready(self) -> bool:
        """Whether a worker can take jobs."""
        return any(worker.about is not None for worker in self._workers)

    @property
    def requests(self) -> int:
        """Jobs that wait or are at hand."""
        return len(self._waiting) + sum(len(worker.group) for worker in self._workers)

    @property
    def wait_s(self) -> float:
        """How long what is here will take, as far as can be said."""
        return self.pixels / self._rate

    def number(self) -> int:
        """A number for a job."""
        return next(self._numbers)

    def check(self, pixels: int) -> None:
        """Raise Problem where a job of so many pixels does not fit into the queue."""
        if self.pixels and self.pixels + pixels > self.settings.queue_pixels:
            rule = (
                f"pictures in the queue have at most {self.settings.queue_pixels} pixels together"
            )
            got = f"{self.pixels} pixels waiting"
            raise Problem("busy", rule, got=got, retry_s=self.wait_s)

    async def run(self, job: Job | Scene, pixels: int, tell: Tell) -> Answer:
        """The job's answer; raises Problem. Where the caller is cancelled the job is dropped."""
        self.check(pixels)
        ticket = _Ticket(job, pixels, tell, asyncio.get_running_loop().create_future())
        self._waiting.append(ticket)
        self.pixels += pixels
        self._feed()
        try:
            async with asyncio.timeout(self.settings.deadline_s):
                return await ticket.future
        except TimeoutError:
            rule = "an answer is given within its time"
            expected = f"{self.settings.deadline_s:g} s"
            raise Problem("late", rule, expected=expected, retry_s=self.wait_s) from None
        finally:
            self.pixels -= pixels
            self._drop(ticket)

    def _drop(self, ticket: _Ticket) -> None:
        """Nobody waits for this ticket any more."""
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        for worker in self._workers:
            if ticket in worker.group:
                worker.send(Drop(ticket.job.number))
                loop = asyncio.get_running_loop()
                loop.call_later(STUCK_S, self._end_if_stuck, worker, ticket)

    def _end_if_stuck(self, worker: _Worker, ticket: _Ticket) -> None:
        if ticket in worker.group and worker in self._workers:
            log.error("a worker is stuck and is ended")
            worker.process.kill()

    def _feed(self) -> None:
        """Give jobs to workers that have none."""
        for worker in self._workers:
            if self._waiting and worker.about is not None and not worker.group:
                worker.group = self._next_group(worker.about)
                jobs = [t.job for t in worker.group]
                worker.send(jobs[0] if isinstance(jobs[0], Scene) else jobs)
        self.metrics.queue(self.requests, self.pixels)

    def _next_group(self, about: About) -> list[_Ticket]:
        """The first job, and those behind it that may share its batches."""
        group = [self._waiting.popleft()]
        while self._waiting and len(group) < JOBS_AT_ONCE:
            one, other = group[0], self._waiting[0]
            pixels = sum(ticket.pixels for ticket in group) + other.pixels
            if one.alone or other.alone or pixels > about.batch_pixels:
                break
            if not (isinstance(one.job, Job) and isinstance(other.job, Job)):
                break
            if one.job.where != other.job.where:
                break
            group.append(self._waiting.popleft())
        now = monotonic()
        for ticket in group:
            self.metrics.second("queue", now - ticket.since)
        return group

    # What workers say, in the loop's thread.

    def hear(self, worker: _Worker, message: Message) -> None:
        """A worker's message."""
        if isinstance(message, About):
            worker.about = self.about = message
            self._delay = 0.0
            self._news.set()
        elif isinstance(message, Failed):
            self._failed = message.reason
            self._news.set()
        else:
            ticket = next((t for t in worker.group if t.job.number == message.number), None)
            if ticket is not None:
                self._hear_of(worker, ticket, message)
        self._feed()

    def _hear_of(self, worker: _Worker, ticket: _Ticket, message: Message) -> None:
        if isinstance(message, Progress):
            ticket.tell(message.stage, message.done, message.of)
            return
        worker.group = [t for t in worker.group if t is not ticket]
        if isinstance(message, Answer):
            self.metrics.answer(message)
            spent = sum(message.seconds.values())
            if spent > 0 and not message.kept:
                now = ticket.pixels / spent * self.settings.workers
                self._rate = 0.8 * self._rate + 0.2 * now
            if not ticket.future.done():
                ticket.future.set_result(message)
        elif not isinstance(message, About | Failed):
            got, expected = message.got, message.expected
            _refuse(ticket, Problem(message.kind, message.rule, expected=expected, got=got))

    def lost(self, worker: _Worker) -> None:
        """A worker's process is gone."""
        if self._ending or worker not in self._workers:
            return
        self._workers.remove(worker)
        worker.pipe.close()
        self._news.set()
        group, worker.group = worker.group, []
        log.error("a worker was lost (exit code %s) with %d", worker.process.exitcode, len(group))
        self.metrics.lost_workers.inc()
        if len(group) == 1:
            rule = "the process that looked at the picture ended; ask again"
            _refuse(group[0], Problem("worker-lost", rule, retry_s=5.0))
        else:
            for ticket in reversed(group):
                if not ticket.future.done():
                    ticket.alone = True
                    self._waiting.appendleft(ticket)
        self._feed()
        if self.about is None and not self._workers:
            return  # none has begun: whoever waits for the first is told
        asyncio.get_running_loop().call_later(self._delay, self._start_another)
        self._delay = 0.0 if worker.about is not None else min(self._delay * 2 + 1, MOST_DELAY_S)

    def _start_another(self) -> None:
        if not self._ending:
            self._workers.append(_Worker(self))


def _refuse(ticket: _Ticket, problem: Problem) -> None:
    if not ticket.future.done():
        ticket.future.set_exception(problem)
        ticket.future.exception()  # whoever waited may be gone
