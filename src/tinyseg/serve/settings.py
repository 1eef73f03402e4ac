"""What a server was started with; plain values, so that worker processes get them too."""

from dataclasses import dataclass

MEGA = 10**6


@dataclass(frozen=True, slots=True)
class Settings:
    """Pictures may have `max_bytes`, `max_pixels` and sides of `max_side`; pictures that wait or
    are looked at, `queue_pixels` together; bodies that are read or wait, `queue_bytes`.

    With `share_batches` pictures that wait go through the network together: faster on a GPU, and
    scores then follow the company they had, in their seventh digit.

    A request is answered within `deadline_s`; its body comes within `body_s`, and no pause in it
    is longer than `pause_s`. `token` is asked of all but the page and the two health addresses.
    """

    weights: str | None = None
    plan: str | None = None
    budget_mp: float | None = None
    device: str | None = None
    backend: str | None = None
    threads: int | None = None
    workers: int = 1
    share_batches: bool = False
    max_bytes: int = 32 * MEGA
    max_pixels: int = 64 * MEGA
    max_side: int = 20_000
    queue_pixels: int = 120 * MEGA
    queue_bytes: int = 256 * MEGA
    deadline_s: float = 120.0
    body_s: float = 60.0
    pause_s: float = 10.0
    token: str | None = None
    origins: tuple[str, ...] = ()
