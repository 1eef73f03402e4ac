"""The server's life: workers, uvicorn in front of them, slow clients, signals.

The first SIGTERM or SIGINT lets no new connection in and answers what was accepted; a second one
ends at once.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tinyseg.serve.app import make_app
from tinyseg.serve.metrics import Metrics
from tinyseg.serve.pool import Pool
from tinyseg.serve.settings import Settings

HEAD_S = 10.0
"""A request's head comes within this time."""

HEAD_BYTES = 16_384
CONNECTIONS = 512
SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = logging.getLogger("tinyseg.serve")


def serve(settings: Settings, *, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve until a signal comes; raises WeightsError where the weights cannot be loaded."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    asyncio.run(_serve(settings, host, port))


async def _serve(settings: Settings, host: str, port: int) -> None:
    async with Pool(settings, Metrics()) as pool:
        config = uvicorn.Config(
            make_app(pool),
            host=host,
            port=port,
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_graceful_shutdown=int(settings.deadline_s + settings.body_s),
        )
        server = Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started and not task.done():
            await asyncio.sleep(0.02)
        if server.started:
            log.info("serving on http://%s:%d", *server.address)
        await task


class Server(uvicorn.Server):
    """uvicorn's server, with a second signal that ends at once."""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port, *_ = self.servers[0].sockets[0].getsockname()
        return host, port

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours while it runs; none is raised again afterwards."""
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second one closes every connection."""
        if self.should_exit:
            self.force_exit = True
            for connection in list(self.server_state.connections):
                connection.transport.abort()
        self.should_exit = True


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that waits for a request's head for so long, and no longer."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client is there."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """A client is gone."""
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._unwatch()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
