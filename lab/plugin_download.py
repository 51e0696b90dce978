"""One download of a plugin by the CLI, which sets no time limit itself."""

import contextlib
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

STALL_SECONDS: Final = 15.0
"""How long a download may receive nothing; one that progresses has no time limit."""


@dataclass
class Download:
    """The CLI's download of one plugin, stopped when it receives nothing any more.

    Attributes:
        call: the CLI.
        folders: where what it has received can be seen growing.
    """

    call: subprocess.Popen[bytes]
    folders: Sequence[Path]
    has_stalled: bool = False
    """Whether it was stopped after it had received some bytes."""
    _size: int = 0
    _changed: float = field(default_factory=time.monotonic)

    def is_running(self) -> bool:
        """Whether the CLI still runs; stops it if the download has stalled."""
        if self.call.poll() is not None:
            return False
        now, size = time.monotonic(), sum(map(_size, self.folders))
        if size != self._size:
            self._size, self._changed = size, now
        elif now - self._changed > STALL_SECONDS:
            self.has_stalled = size > 0
            self.call.kill()
            self.call.wait()
            return False
        return True


def _size(folder: Path) -> int:
    """The size of all readable files in `folder`, which may be changing."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(base) / name).lstat().st_size
    return total
