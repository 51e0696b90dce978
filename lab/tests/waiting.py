"""Waits for events in other processes, with a time limit."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float, what: str, pause: float = 0.1) -> None:
    """Poll until the condition holds; fail the test after `seconds`, with `what` in the message.

    A condition that starts processes needs a longer `pause`: all tests share the processor.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(pause)
