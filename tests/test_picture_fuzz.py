"""Mutated pictures, read in a child process: a picture or our error, no crash, in little time.

TINYSEG_PICTURES sets how many.
"""

import os
import subprocess
import sys
from pathlib import Path

COUNT = int(os.environ.get("TINYSEG_PICTURES", "400"))
MOST_BYTES = 4 * 2**30

CHILD = """
import resource, sys, time
from pathlib import Path
import numpy as np
from test_image_types import TYPES
from tinyseg.errors import ImageError
from tinyseg.image import read_image, read_label
count, most, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
resource.setrlimit(resource.RLIMIT_AS, (most, most))
rng, good, slowest = np.random.default_rng(0), [data for _, data in TYPES.values()], 0.0
read = refused = 0
for number in range(count):
    data = np.frombuffer(good[number % len(good)], np.uint8).copy()
    places = rng.integers(0, min(len(data), 400), rng.integers(1, 4))
    data[places] = rng.integers(0, 256, len(places))
    cut = len(data) if rng.random() < 0.7 else rng.integers(1, len(data) + 1)
    path.write_bytes(data.tobytes()[:cut])
    begun = time.process_time()
    try:
        (read_label if number % 7 == 0 else read_image)(path)
        read += 1
    except ImageError:
        refused += 1
    slowest = max(slowest, time.process_time() - begun)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(f"{count} pictures: {read} read, {refused} refused, slowest {slowest:.2f} s, {peak} MB")
assert slowest < 1
"""


def test_mutated_pictures_are_read_or_refused(tmp_path: Path) -> None:
    words = [sys.executable, "-c", CHILD, str(COUNT), str(MOST_BYTES), str(tmp_path / "a")]
    place = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    done = subprocess.run(words, capture_output=True, text=True, env=place, timeout=3600)
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout.strip())
