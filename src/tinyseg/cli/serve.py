"""`tinyseg serve`: masks over HTTP, and a page to look with."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import BackendOption, BudgetOption, ThreadsOption, megapixels
from tinyseg.errors import DataError
from tinyseg.fields import read_text
from tinyseg.serve import MEGA, Settings

TOKEN = "TINYSEG_TOKEN"
NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


def serve(
    weights: Annotated[
        str | None,
        typer.Option(help="A weights file, a run's folder, an ensemble's file, or a name."),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(help="whole, tiles, focus, or a plan's YAML file; default: the weights' own."),
    ] = None,
    budget: BudgetOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8080,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Worker processes, each with a whole network.")
    ] = 1,
    share_batches: Annotated[
        bool,
        typer.Option(
            "--share-batches",
            help="Waiting pictures share a batch: for a GPU. Scores then differ from predict's in "
            "their seventh digit.",
        ),
    ] = False,
    queue: Annotated[
        str, typer.Option(help="Pixels of all pictures that may wait or be processed.")
    ] = "120MP",
    largest: Annotated[str, typer.Option(help="Most pixels of one picture.")] = "64MP",
    deadline: Annotated[
        float, typer.Option(min=1, help="Seconds within which a request is answered, or refused.")
    ] = 120.0,
    token_file: Annotated[
        Path | None,
        typer.Option(help=f"File with the token that clients must send; or set {TOKEN}."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            "--origin", help="Website whose pages may send requests (CORS); may be repeated."
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, cuda:1 ...; auto takes a GPU if there is one.")
    ] = "auto",
    backend: BackendOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Serve predictions over HTTP, with a web page to look at pictures.

    Example: tinyseg serve
    Example: tinyseg serve --weights runs/a --plan focus --budget 12MP --port 8000
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        expected = "pip install 'tinyseg[serve]'"
        raise DataError("serving needs more packages", expected=expected, got=missing[0])
    from tinyseg.serve import serve as run

    settings = Settings(
        weights=weights,
        plan=plan,
        budget_mp=megapixels(budget),
        device=None if device == "auto" else device,
        backend=backend,
        threads=threads,
        workers=workers,
        share_batches=share_batches,
        max_pixels=_pixels("--largest", largest),
        queue_pixels=_pixels("--queue", queue),
        deadline_s=deadline,
        token=_token(token_file),
        origins=tuple(origin or ()),
    )
    run(settings, host=host, port=port)


def _pixels(name: str, text: str) -> int:
    value = megapixels(text, name)
    if value is None or not 0 < value <= 100_000:
        raise DataError("a number of megapixels", where=name, expected="120MP", got=text)
    return int(value * MEGA)


def _token(file: Path | None) -> str | None:
    token = os.environ.get(TOKEN) if file is None else read_text(file).strip()
    if token is not None and not (len(token) >= 16 and token.isascii() and token.isprintable()):
        where = TOKEN if file is None else str(file)
        rule = "a token has at least 16 printable ASCII characters"
        raise DataError(rule, where=where, got=f"{len(token)} characters")
    return token
