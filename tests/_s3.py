"""An S3 server of this process (moto's), which on request fails and is slow now and then."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ERROR = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>InternalError</Code>'
    b"<Message>injected</Message></Error>"
)


class Flaky:
    """The S3 application, of whose requests this share fails, half before it acts, half behind."""

    def __init__(self, share: float, delay_s: float, seed: int = 0) -> None:
        self.app: Any = create_backend_app("s3")
        self.share, self.delay_s, self.rng = share, delay_s, random.Random(seed)
        self.requests = self.failed = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """One request."""
        self.requests += 1
        time.sleep(self.rng.uniform(0, 2 * self.delay_s))
        turn = self.rng.random()
        if turn >= self.share:
            return self.app(environ, start)
        self.failed += 1
        if turn < self.share / 2:  # it was done, and nobody hears of it
            for _ in self.app(environ, lambda *_: None):
                pass
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        head = [("Content-Type", "application/xml"), ("Content-Length", str(len(ERROR)))]
        start("500 Internal Server Error", head)
        return [ERROR]


class Silent(WSGIRequestHandler):
    """Logs no request."""

    def log_request(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def s3_server(share: float = 0.0, delay_s: float = 0.0) -> Iterator[tuple[Flaky, str]]:
    """The application, and what follows `s3://KEY:SECRET@bucket/prefix` in its addresses."""
    flaky = Flaky(share, delay_s)
    server = make_server("127.0.0.1", 0, flaky, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        place = f"127.0.0.1:{server.server_port}"
        yield flaky, f"?endpoint_override={place}&scheme=http&region=us-east-1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
