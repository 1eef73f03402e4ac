"""Around every request: the token, headers that browsers go by, a line in the log, counts.

Plain ASGI, so that answers stream through. The log has method, address, status and seconds, never
a query, a header or a body.
"""

import hmac
import logging
from time import perf_counter
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tinyseg.serve.metrics import Metrics
from tinyseg.serve.problems import Problem, shortly
from tinyseg.serve.settings import Settings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

GUARDED = ("/v1/", "/metrics")
"""What the token is asked for; the page and health say nothing of pictures."""

log = logging.getLogger("tinyseg.serve")


class Guard:
    """An application, guarded."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = perf_counter(), 0

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._settings.origins:
                    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            await send(message)

        try:
            problem = self._refused(scope)
            app = self._app if problem is None else problem.to_response()
            await app(scope, receive, told)
        finally:
            route = scope.get("route")
            address = getattr(route, "path", "other")
            self._metrics.request(address, status or 499)
            seconds = perf_counter() - start
            path = shortly(scope["path"], 100)
            log.info("%s %s %s %.3f s", scope["method"], path, status or "gone", seconds)

    def _refused(self, scope: Scope) -> Problem | None:
        """Why the request goes no further."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, headers.get("host", "")):
            return Problem("foreign-page", "requests of pages come from a named origin")
        token = self._settings.token
        if not scope["path"].startswith(GUARDED):
            return None
        if origin is None and headers.get("sec-fetch-site") == "cross-site":
            return Problem("foreign-page", "requests of pages come from a named origin")
        if token is None:
            return None
        if scope["method"] == "OPTIONS" and self._settings.origins:
            return None
        given = headers.get("authorization", "")
        if hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {token}".encode()):
            return None
        return Problem("no-token", "the header Authorization bears the server's token")

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may ask: the server's own, or one that was named."""
        if origin in self._settings.origins:
            return True
        try:
            return urlsplit(origin).netloc == host
        except ValueError:
            return False
