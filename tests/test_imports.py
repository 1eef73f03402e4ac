"""The rooms of the package depend on each other in one direction only."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import tinyseg
from tinyseg.cli import VERBS

ROOT = Path(tinyseg.__file__).parent

# data set -> frame -> views -> detector -> instances -> merged predictions -> metrics / picture
ORDER = (
    *("errors", "watch", "checked", "fields", "allocator", "boxes", "files", "masks"),
    *("frame", "network", "labels"),
    *("grey_png", "image", "data", "scenes"),
    *("views", "merge"),
    *("model", "recipes", "downloads", "stored", "networks", "exporting"),
    *("predictions", "results", "calibration", "exchange", "adapters", "conversion", "predict"),
    *("submission", "scoring", "doctor", "report", "detections", "quantise", "training"),
    *("api", "foreign", "progress", "cluster", "tasks", "serve", "client", "cli"),
)
"""A module imports its own room and those before it, never one after it."""

FREE = ("__init__", "__main__")
"""The package's front doors; __main__ is the one module that may import the command line."""

FORBIDDEN = {
    "model": {"image", "data", "recipes", "labels", "views"},
    "masks": {"frame"},
    "data": {"views"},
    "scoring": {"model", "training", "networks", "data", "image"},
    "report": {"model", "training", "networks"},
}
"""What a room must not know about, whatever the order says."""


def room_of(module: tuple[str, ...]) -> str:
    """The room of tinyseg.<room>.<...>; the package itself is its `__init__`."""
    return module[1] if len(module) > 1 else "__init__"


def imported(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every module or name that the code imports from tinyseg, at whatever depth it stands."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [] if not node.level else list(package[: len(package) + 1 - node.level])
            base += [node.module] if node.module else []
            names = [".".join([*base, alias.name]) for alias in node.names]
        yield from (tuple(name.split(".")) for name in names if name.split(".")[0] == "tinyseg")


@cache
def links() -> dict[tuple[str, str], list[str]]:
    """Files by (room, imported room), for all imports between two rooms."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        for target in imported(ast.parse(path.read_text("utf-8")), parts[:-1]):
            pair = (room_of(parts), room_of(target))
            if pair[0] != pair[1]:
                found.setdefault(pair, []).append("/".join(parts))
    return found


def test_every_room_has_its_place() -> None:
    rooms = {p.stem for p in ROOT.glob("*.py")} | {p.parent.name for p in ROOT.glob("*/*.py")}
    assert sorted(rooms - {*ORDER, *FREE}) == [], "a new room: put it in ORDER"
    assert sorted({*ORDER} - rooms) == [], "a room that is gone: take it out of ORDER"


def test_imports_point_one_way() -> None:
    found = links()
    assert len(found) > 30, "the walk has lost the imports"
    place = {room: i for i, room in enumerate(ORDER)}
    back = {
        pair: files
        for pair, files in found.items()
        if pair[0] not in FREE and place.get(pair[1], len(ORDER)) >= place[pair[0]]
    }
    assert back == {}


@pytest.mark.parametrize("room", FORBIDDEN)
def test_rooms_do_not_know(room: str) -> None:
    known = {target: files for (source, target), files in links().items() if source == room}
    assert {t: f for t, f in known.items() if t in FORBIDDEN[room]} == {}


def test_only_the_main_module_knows_the_command_line() -> None:
    assert {source for source, target in links() if target == "cli"} == {"__main__"}


def test_the_walk_sees_every_way_to_import() -> None:
    code = """
import os, tinyseg.masks.runs
from tinyseg import views as v
def late():
    from tinyseg.data.wad import find
    from . import sibling
    from ..frame import Frame
"""
    targets = [".".join(t) for t in imported(ast.parse(code), ("tinyseg", "model"))]
    assert sorted(targets) == [
        "tinyseg.data.wad.find",
        "tinyseg.frame.Frame",
        "tinyseg.masks.runs",
        "tinyseg.model.sibling",
        "tinyseg.views",
    ]


def public(room: str) -> set[str]:
    """The names in a room's face: what its `__init__` imports, or its stub where names are lazy."""
    stub = ROOT / room / "__init__.pyi"
    face = stub if stub.exists() else ROOT / room / "__init__.py"
    nodes = ast.walk(ast.parse(face.read_text("utf-8")))
    return {a.asname or a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}


def test_no_import_reaches_past_the_face_of_another_room() -> None:
    reaching = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        for target in imported(ast.parse(path.read_text("utf-8")), parts[:-1]):
            room = room_of(target)
            if room in (room_of(parts), "cli") or not (ROOT / room / "__init__.py").exists():
                continue
            if len(target) > 3 or not {*target[2:]} <= public(room):
                reaching.append(("/".join(parts), ".".join(target)))
    assert reaching == []


FACES = sorted(p.parent.name for p in ROOT.glob("*/__init__.py") if p.parent.name != "cli")
"""The rooms that are folders; the command line's map is VERBS."""


@pytest.mark.parametrize("room", FACES)
def test_every_room_has_a_map_of_its_files(room: str) -> None:
    face = (ROOT / room / "__init__.py").read_text("utf-8")
    files = {p.name for p in (ROOT / room).glob("*.py")} - {"__init__.py"}
    told = {name for name in files if name in (ast.get_docstring(ast.parse(face)) or "")}
    assert files - told == set()


@pytest.mark.parametrize("room", FACES)
def test_every_public_name_is_there(room: str) -> None:
    face = import_module(f"tinyseg.{room}")
    assert [name for name in public(room) if not hasattr(face, name)] == []


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "NOTES.md", "docs/decisions.md"])
def test_the_files_that_documents_name_are_there(document: str) -> None:
    """Below the package or the repository; a bare name may follow another file of its room."""
    lost, repository = [], ROOT.parents[1]
    lines = (repository / document).read_text("utf-8").splitlines()
    for line in lines:
        room = Path()
        for name in re.findall(r"`((?:[a-z_0-9]+/)*[a-z_0-9]+\.py)`", line):
            if not any((above / name).exists() for above in (ROOT, repository, ROOT / room)):
                lost.append(name)
            room = Path(name).parent if "/" in name else room
    assert lost == []
    told = re.findall(r"`([\w.]+)` in `([\w/]+\.py)`", "\n".join(lines))
    for name, file in told:
        defined = rf"^ *(def|class|) *{name.rpartition('.')[2]}\b"
        assert re.search(defined, (ROOT / file).read_text("utf-8"), re.MULTILINE), (name, file)
    assert document != "CONTRIBUTING.md" or len(told) > 15


NETWORK = {"torch", "torchvision", "timm", "lightning"}
"""What takes seconds to import, and only a verb that runs a network needs."""


def loaded_by(code: str) -> set[str]:
    """The top modules that a fresh Python has imported after this code."""
    told = "import sys\n" + code + "\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_the_list_of_verbs_loads_nothing_of_a_network() -> None:
    code = "from tinyseg.cli import app\ntry:\n    app(['--help'])\nexcept SystemExit:\n    pass"
    assert not loaded_by(code) & {*NETWORK, "cv2", "numpy", "pydantic"}


def test_no_verb_loads_a_network_before_it_needs_one() -> None:
    """For its help, and where it needs none. One process imports them all: each alone loads no
    more."""
    code = "from tinyseg.cli import load_verb\n" + "\n".join(f"load_verb({n!r})" for n in VERBS)
    assert not loaded_by(code) & NETWORK
