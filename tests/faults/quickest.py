"""How long something takes at best."""

import time
from collections.abc import Callable


def quickest(act: Callable[[], object]) -> float:
    """Return the seconds of the quickest of three tries.

    A busy machine holds up one of them; what the code waits for holds up each.
    """
    took = []
    for _ in range(3):
        start = time.monotonic()
        act()
        took.append(time.monotonic() - start)
    return min(took)
