"""Every signature's shapes and types are checked in every test.

Where a test does not say what runs a network, torch does: to export one takes seconds.
What is made once for all processes of a run lies in the folder $TINYSEG_TESTS, gone at its end.
"""

import atexit
import gc
import os
import shutil
import sys
from collections import defaultdict
from tempfile import mkdtemp

import pytest
from _checked import check_signatures

check_signatures("tinyseg")

gc.disable()  # until all is imported, which stays
atexit.register(gc.unfreeze)

os.environ["TINYSEG_BACKEND"] = "torch"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """What a test draws without a seed of its own is the same in each run."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the first process, whose environment the others have
        os.environ["TINYSEG_TESTS"] = mkdtemp(prefix="tinyseg-tests-")
        if config.getoption("dist", "no") != "no":
            gc.enable()  # the others collect


def pytest_collection_finish() -> None:
    """What was imported is not searched for garbage again and again: a tenth of a run's time."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop("TINYSEG_TESTS"), ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long each file of tests took, set-up included; the longest first."""
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    terminalreporter.section("seconds by file", sep="-")
    longest = sorted(seconds.items(), key=lambda one: -one[1])
    rows = [f"{taken:7.1f}  {file}" for file, taken in longest if taken >= 1]
    terminalreporter.line("\n".join(rows))
