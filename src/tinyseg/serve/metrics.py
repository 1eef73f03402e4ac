"""What Prometheus reads: requests, queue, seconds by stage, views, instances, lost workers."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tinyseg.serve.records import Answer

SECONDS = (0.005, 0.02, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self._requests = Counter(
            "tinyseg_requests",
            "Requests by address and status.",
            ["address", "status"],
            registry=own,
        )
        self._seconds = Histogram(
            "tinyseg_seconds",
            "Seconds of a picture by stage.",
            ["stage"],
            buckets=SECONDS,
            registry=own,
        )
        self._queued = Gauge("tinyseg_queue_requests", "Pictures here.", registry=own)
        self._pixels = Gauge("tinyseg_queue_pixels", "Pixels of pictures here.", registry=own)
        self._views = Counter("tinyseg_views", "Views looked at.", registry=own)
        self._view_pixels = Counter("tinyseg_view_pixels", "Pixels of these views.", registry=own)
        self._instances = Counter("tinyseg_instances", "Instances found.", registry=own)
        self._kept = Counter("tinyseg_kept_answers", "Answers without a look.", registry=own)
        self.lost_workers = Counter("tinyseg_lost_workers", "Processes lost.", registry=own)

    def request(self, address: str, status: int) -> None:
        """One was answered."""
        self._requests.labels(address, str(status)).inc()

    def second(self, stage: str, seconds: float) -> None:
        """A picture spent so long in a stage."""
        self._seconds.labels(stage).observe(seconds)

    def queue(self, requests: int, pixels: int) -> None:
        """What is here now."""
        self._queued.set(requests)
        self._pixels.set(pixels)

    def answer(self, answer: Answer) -> None:
        """A worker has answered."""
        for stage, seconds in answer.seconds.items():
            self.second(stage, seconds)
        if answer.kept:
            self._kept.inc()
            return
        self._views.inc(answer.views)
        self._view_pixels.inc(answer.view_pixels)
        self._instances.inc(answer.instances)

    def to_text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)
