"""The server's application without a network: a "model" that finds what a scene's labels say.

For tests and benchmarks of the page; served by uvicorn in a thread.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import uvicorn
from jaxtyping import UInt8

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.image import image_from_bytes, jpeg_bytes
from tinyseg.labels import WAD_CLASSES
from tinyseg.masks import CropMasks
from tinyseg.scenes import render_scene
from tinyseg.serve.answers import Answered, body_of
from tinyseg.serve.app import make_app
from tinyseg.serve.metrics import Metrics
from tinyseg.serve.pool import Pool
from tinyseg.serve.records import About, Answer, Job, Scene
from tinyseg.serve.settings import Settings
from tinyseg.views import View

Image = UInt8[np.ndarray, "_h _w 3"]


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture, and what stands on it."""

    image: Image
    found: Instances

    @property
    def file(self) -> bytes:
        """As a JPEG."""
        return jpeg_bytes(self.image)


def photo(hw: tuple[int, int], count: int, seed: int = 3, rough: float = 0.06) -> Photo:
    """A rendered scene with `count` made instances, a third of them under 16 pixels; `rough` is the
    noise of their borders, as a share of their size."""
    rng = np.random.default_rng(seed)
    image = render_scene(seed=seed, index=0, height=hw[0], width=hw[1]).image
    origins, grids = [], []
    for index in range(count):
        side = int(rng.integers(5, 14) if index % 3 == 0 else rng.integers(20, max(hw[0] // 9, 24)))
        y, x = (int(rng.integers(0, length - side)) for length in hw)
        far = np.hypot(*np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j])
        noise = rng.normal(0, rough, (side, side))
        origins.append((x, y))
        grids.append(np.where(far + noise < 1, np.uint8(255), np.uint8(0)))
    masks = mask_ops.tighten(CropMasks.pack_pixels(origins, grids))
    labels = np.arange(count) % 4
    scores = np.linspace(0.99, 0.06, count)
    return Photo(image, Instances(masks.boxes, masks, labels.astype(np.int64), scores))


class ScenePool(Pool):
    """Answers every picture with what stands on one photo; `whole` finds every second of it."""

    def __init__(self, photo: Photo, pause_s: float = 0.05) -> None:
        super().__init__(Settings(), Metrics())
        self.about = About(
            WAD_CLASSES, (), "focus", "cpu", "torch", 0, card={"name": "a test's model"}
        )
        self.photo, self.pause_s = photo, pause_s

    async def run(
        self, job: Job | Scene, pixels: int, tell: Callable[[str, int, int], None]
    ) -> Answer:
        """In stages, as a worker does."""
        if isinstance(job, Scene):
            return Answer(job.number, self.photo.file, "jpeg")
        for stage, done, of in (("first look", 1, 1), ("closer looks", 1, 3), ("merging", 0, 1)):
            tell(stage, done, of)
            await asyncio.sleep(self.pause_s)
        height, width = self.photo.image.shape[:2]
        found = self.photo.found
        if job.where.plan == "whole":
            found = found.select(np.arange(0, len(found), 2))
        first = View((0.0, 0.0, float(width), float(height)), (height // 2, width // 2))
        closer = tuple(
            View((x, height * 0.4, x + width / 3, height * 0.7), (height // 2, width // 2))
            for x in (0.0, width / 3, width * 2 / 3)
        )
        views = ((first,), () if job.where.plan == "whole" else closer)
        whole = Answered((height, width), found, views, (), {"first look": 1.5, "merging": 0.1})
        body = body_of(whole, job, WAD_CLASSES, lambda: image_from_bytes(job.data))
        return Answer(job.number, body, job.form.kind)


@contextmanager
def serving(pool: Pool) -> Iterator[str]:
    """The application at an address of this machine."""
    config = uvicorn.Config(
        make_app(pool), port=0, lifespan="off", log_config=None, ws="none", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = server.force_exit = True
    thread.join(timeout=10)
