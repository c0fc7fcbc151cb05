"""Progress on standard error, where somebody looks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TaskID


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the block runs; what it yields is told how much of how much is done."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task: TaskID = bar.add_task(what, total=None)
        yield lambda done, all_: bar.update(task, completed=done, total=all_ or None)
