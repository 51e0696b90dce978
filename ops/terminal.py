"""What commands show: results on standard output, progress on standard error, colours only on a terminal."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

OUT = Console(highlight=False, soft_wrap=True)
"""For results, which a user may redirect into a file."""
ERR = Console(stderr=True, highlight=False, soft_wrap=True)
"""For everything that is not the result."""


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Show what a command waits for, and since when; away from a terminal, one line says it."""
    if not ERR.is_terminal:
        ERR.print(f"{text} ...", markup=False)
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True) as progress:
        progress.add_task(text)
        yield
