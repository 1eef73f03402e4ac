"""The page at `/`, its style and its script; nothing of it comes from elsewhere."""

from functools import cache
from importlib.resources import files

from fastapi import FastAPI
from starlette.responses import Response


def add_page(app: FastAPI) -> None:
    """The page's addresses."""

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return Response(_part("index.html"), media_type="text/html; charset=utf-8")


@cache
def _part(name: str) -> bytes:
    return files(__package__).joinpath(name).read_bytes()
