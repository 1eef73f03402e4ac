"""Which instances have been met before, in memory that does not grow with their number.

A digest of each row goes into a database without a name, which SQLite keeps in a few MB of memory
and beyond that in a temporary file.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import blake2b


class SeenRows:
    """Row numbers by content."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("PRAGMA synchronous = OFF")
        database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, row INTEGER) WITHOUT ROWID")

    def meet(self, content: str, number: int) -> int | None:
        """The number of the first row with this content, or None, which makes this one the first.

        Rows with one digest count as one; 16 bytes leave no chance for two that differ.
        """
        digest = blake2b(content.encode("utf-8"), digest_size=16).digest()
        added = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (digest, number))
        if added.rowcount:
            return None
        found = self._database.execute("SELECT row FROM seen WHERE digest = ?", (digest,))
        return int(found.fetchone()[0])


@contextmanager
def seen_rows() -> Iterator[SeenRows]:
    """An empty memory of rows, gone at the end of the block."""
    with closing(sqlite3.connect("")) as database:
        yield SeenRows(database)
