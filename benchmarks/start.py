"""What it costs to start: seconds of the processor of each verb, beside `import torch`.

    python benchmarks/start.py [--times 7]

Each line is a fresh Python, taken in turns; medians. Help: the verb's own --help. Module: what the
verb imports before its work begins. The share is of `import torch` in the same run.
"""

import argparse
import os
import sys
from statistics import median

from _report import machine, table

from tinyseg.cli import VERBS

HELP = "from tinyseg.cli import app; app({words}, standalone_mode=False)"
MODULE = "from tinyseg.cli import load_verb; load_verb({verb!r})"


def processor_seconds(code: str) -> float:
    """Seconds of the processor that a fresh Python takes for the code, whose words are dropped."""
    quiet = f"import os; os.dup2(os.open(os.devnull, os.O_WRONLY), 1); {code}"
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", quiet], os.environ)
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"failed: {code}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=7)
    given = parser.parse_args()
    jobs = {
        "python alone": "pass",
        "import torch": "import torch",
        "import tinyseg": "import tinyseg",
    }
    jobs["tinyseg --help"] = HELP.format(words=["--help"])
    for verb in VERBS:
        jobs[f"{verb} --help"] = HELP.format(words=[verb, "--help"])
        jobs[f"{verb}, its modules"] = MODULE.format(verb=verb)
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(given.times):
        for name, code in jobs.items():
            seconds[name].append(processor_seconds(code))
    torch_s = median(seconds["import torch"])
    rows = [
        [name, f"{median(taken):.2f}", f"{median(taken) / torch_s:.2f}"]
        for name, taken in seconds.items()
    ]
    print(table(("start", "s", "of import torch"), rows))
    print(f"\nmedian of {given.times}; {machine()}")


if __name__ == "__main__":
    main()
