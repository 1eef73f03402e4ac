"""Work done ahead: items are made in a thread while the caller is busy with those before them."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item], *, depth: int = 2) -> Generator[Item, None, None]:
    """The items in their order, up to `depth` of them made before they are asked for.

    With a depth of 0 nothing is. An error in making an item is raised in its place.
    """
    if depth == 0:
        yield from items
        return
    ends: list[Item] = []  # the one value that no item can be
    source = iter(items)
    waiting: deque[Future[Item | list[Item]]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        try:
            while True:
                while len(waiting) < depth:
                    waiting.append(thread.submit(next, source, ends))
                item = waiting.popleft().result()
                if item is ends:
                    return
                yield item  # type: ignore[misc]
        finally:  # the caller may leave in the middle
            thread.shutdown(wait=True, cancel_futures=True)
