"""Progress bars, where somebody is watching: they vanish at the end, and a saved notebook keeps nothing of them."""

import os
import sys
from collections.abc import Iterable
from typing import Any, ClassVar

from tqdm import tqdm

AUDIENCE = ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG")  # variables that a watched kernel has


def is_interactive() -> bool:
    """Tell whether somebody is watching: in JupyterLab, VS Code, Colab or a terminal. A batch run needs no bar.

    Neither does one of several processes that train together: their bars would share a line.
    """
    if "WORLD_SIZE" in os.environ:
        return False
    watched_kernel = any(name in os.environ for name in AUDIENCE)
    return watched_kernel or sys.stderr.isatty()


def progress_bar(items: Iterable | None = None, description: str | None = None, **options: Any) -> tqdm:
    """Return tqdm's bar around `items`; silent where nobody is watching.

    Args:
        items: what to go through; None if the bar is moved by its `update`.
        description: shown in front of the bar.
        options: tqdm's own, such as `total` and `unit`.
    """
    ipython = sys.modules.get("IPython")  # a kernel has imported it
    in_notebook = ipython is not None and hasattr(ipython.get_ipython(), "kernel")
    file = NotebookLine() if in_notebook else sys.stderr
    return tqdm(items, description, leave=False, disable=not is_interactive(), file=file, **options)


class NotebookLine:
    """A file for bars: a line above a cell's other output, written over and over, and taken away in the end.

    A widget (`tqdm.auto`) would turn into an error message once its kernel has ended, and a bar that is printed into
    a line of blanks. All bars of a cell share one line: JupyterLab shows the first 50 outputs of a cell, and each bar
    that comes after printed words would begin another one.
    """

    encoding = "utf-8"  # tqdm asks; its bars are blocks then, rather than ###
    last: ClassVar[tuple[int, Any]] = (0, None)  # the number of the cell's execution, and its line

    def write(self, text: str) -> None:
        """Replace the line. Of blanks alone, which is how tqdm removes a bar, nothing stays."""
        from IPython import display, get_ipython  # only here: nothing else in helpers needs it

        content = {"text/plain": text.strip()} if text.strip() else {}
        number, line = NotebookLine.last
        if number == get_ipython().execution_count:
            line.update(content, raw=True)
        elif content:
            line = display.display(content, raw=True, display_id=True)
            NotebookLine.last = get_ipython().execution_count, line

    def flush(self) -> None:
        """Do nothing: a line is shown at once."""
