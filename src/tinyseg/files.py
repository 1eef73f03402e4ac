"""Files are written whole or not at all: beside their place, synced, then renamed.

A reader sees the old file or the new one, never a part, also after a crash or a full disk. Every
room that writes goes through here; errors of the system (OSError) pass on, for the room to tell.
"""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Put these bytes at the path; what was there stays if that fails."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
