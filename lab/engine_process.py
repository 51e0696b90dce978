"""Waits for the CLI to its end, so that it saves the state: after an interrupt and after a time limit too."""

import signal
import subprocess
import threading
from collections.abc import Callable

OnLine = Callable[[str], object]
"""Called with each line of the output as it arrives."""


def wait(
    process: subprocess.Popen[str], on_line: OnLine | None, timeout: float | None
) -> tuple[str | None, str | None]:
    """Wait until the CLI has ended, after an interrupt too, and return the output it wrote to unread pipes."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.send_signal(signal.SIGINT)

    timer = threading.Timer(timeout or 0, stop)
    if timeout is not None:
        timer.start()
    try:
        written = _to_the_end(process, on_line)
    except KeyboardInterrupt:
        # The terminal has interrupted the CLI too: given time, it finishes the running steps and saves the state.
        _to_the_end(process, on_line)
        raise
    finally:
        timer.cancel()
    if timeout is not None and late.is_set():
        raise subprocess.TimeoutExpired(process.args, timeout, *written)
    return written


def _to_the_end(process: subprocess.Popen[str], on_line: OnLine | None) -> tuple[str | None, str | None]:
    if on_line is None or process.stdout is None:
        return process.communicate()
    for line in process.stdout:
        on_line(line.rstrip("\n"))
    process.wait()
    return None, None
