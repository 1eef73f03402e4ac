"""The site of documents: built with warnings as errors, from this machine alone, and complete."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import site_pages
import yaml

import tinyseg
from tinyseg.cli import VERBS

ROOT = Path(__file__).parents[1]

OFFLINE = """
import socket, sys
def refuse(*args):
    raise AssertionError(f"the build asks for {args}")
socket.socket.connect = socket.getaddrinfo = refuse
from mkdocs.__main__ import cli
cli(sys.argv[1:])
"""
"""MkDocs in a process that can reach nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    arguments = ["build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, *arguments],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 15
    loaded = r'<(?:script|img|link|iframe|source)[^>]*(?:src|href)="(?:https?:)?//[^"]*"'
    for page in pages:
        assert re.findall(loaded, page.read_text()) == [], page


def test_every_verb_and_key_is_described(site: Path) -> None:
    verbs = site_pages.verbs_text()
    for name in VERBS:
        assert f"\n## {name}\n" in f"\n{verbs}", name
    assert "`--list`" in verbs
    assert "`--listed`" not in verbs
    rows = site_pages.recipe_text().splitlines()
    silent = [row for row in rows if row.startswith("| `") and row.endswith("|  |")]
    assert silent == []
    text = (site / "cli/index.html").read_text()
    assert "--allow-missing" in text
    assert "network.proposals.nwd_scale" in (site / "recipes/index.html").read_text()


def test_every_public_name_has_its_place(site: Path) -> None:
    page = (site / "api/index.html").read_text()
    for name in tinyseg.__all__:
        if not name.startswith("_"):
            assert f'id="tinyseg.{name}"' in page, name
    assert "&gt;&gt;&gt;" in page  # examples are code, not quotations


MADE = {"src/tinyseg/data/csv_boxes.py"}
"""What a reader is told to write."""


def test_files_that_the_documents_name_are_there() -> None:
    named = re.compile(r"`((?:[\w-]+/)+[\w-]+\.(?:py|sh|js|md|txt|safetensors))`")
    missing = [
        (page.name, path)
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
        for path in set(named.findall(page.read_text())) - MADE
        if not (ROOT / path).exists() and not (ROOT / "src/tinyseg" / path).exists()
    ]
    assert missing == []


def test_the_citation_and_the_changelog_have_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == tinyseg.__version__
    assert f"## {tinyseg.__version__}" in (ROOT / "CHANGELOG.md").read_text()
