"""The page at `/`, its style and its script; nothing of it comes from elsewhere.

Stage, panes and style are the report's (report/html): one viewer for both.
"""

from importlib.resources import files

from fastapi import FastAPI
from starlette.responses import Response

from tinyseg.report import SHARED_PARTS, page_part as shared


def add_page(app: FastAPI) -> None:
    """The page's addresses."""
    page = _own("index.html")
    looks = shared("page.css") + _own("page.css")
    code = "\n".join(['"use strict";', *map(shared, SHARED_PARTS), _own("app.js")])

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return Response(page, media_type="text/html; charset=utf-8")

    @app.get("/style.css", include_in_schema=False)
    async def style() -> Response:
        return Response(looks, media_type="text/css")

    @app.get("/script.js", include_in_schema=False)
    async def script() -> Response:
        return Response(code, media_type="text/javascript")


def _own(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
