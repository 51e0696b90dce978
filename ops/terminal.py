"""What commands show: results on standard output, progress on standard error, colours only on a terminal."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.prompt import Confirm
from rich.text import Text

from ops.failure import OpsError


def console(**options: Any) -> Console:
    """A console that shows texts as they are; otherwise `:1234:` in an address would be an emoji."""
    return Console(highlight=False, emoji=False, **options)


OUT = console(soft_wrap=True)
"""For results, which a user may redirect into a file."""
ERR = console(stderr=True, soft_wrap=True)
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


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether the user agrees; `yes` is the answer that was given on the command line.

    Raises:
        OpsError: there is no terminal on which to ask.

    """
    if yes:
        return True
    if not sys.stdin.isatty():
        message = "nothing was written, since there is no terminal on which to ask: --yes agrees in advance"
        raise OpsError(message)
    try:
        return Confirm.ask(Text(question), console=ERR, default=False)
    except EOFError:
        return False
