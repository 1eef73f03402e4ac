"""A wish to stop (Ctrl-C, or SIGTERM from a scheduler) that lets the running step end.

The loop asks after each step, saves a checkpoint and ends. A second signal ends at once: the last
checkpoint stands all the same.
"""

import signal
import threading
from types import FrameType
from typing import Any


class StopWish:
    """Listens while it is entered; does nothing outside the main thread."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopWish":
        """Take over the signals."""
        if threading.current_thread() is threading.main_thread():
            for one in (signal.SIGINT, signal.SIGTERM):
                self._before[one] = signal.signal(one, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        """Give them back."""
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
