"""The one door to rich: consoles that keep their promises about colours, width and encoding."""

import os
import re
import sys
from collections.abc import Iterable
from typing import Literal, TextIO, cast

from rich.console import Console
from rich.text import Text

from mnist_hpo import bars, sparkline
from mnist_hpo.sparkline import LEVELS
from mnist_hpo.tables import Layout, Line, Table, fit, fold

__all__ = [
    "Console",
    "hidden_text",
    "laid_out",
    "live_console",
    "stderr_console",
    "stdout_console",
    "width_of",
    "writable",
    "write",
    "write_paragraph",
]

Color = Literal["auto", "always", "never"]

# Text of a ledger may come from anywhere: it may hold no command for the terminal.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_PLAIN = str.maketrans({**dict(zip(LEVELS, sparkline.PLAIN, strict=True)), **bars.PLAIN})


def stdout_console(color: str = "auto") -> Console:
    """Returns the console for results."""
    return _console(sys.stdout, color)


def stderr_console(color: str = "auto") -> Console:
    """Returns the console for progress, logs and questions."""
    return _console(sys.stderr, color)


def live_console(color: str = "auto") -> Console:
    """Returns the console of a view that redraws itself; only for a real terminal."""
    return _console(sys.stderr, color, redraws=True)


def _console(file: TextIO, color: str, *, redraws: bool = False) -> Console:
    """Makes a console whose every switch is set here.

    Left to itself, rich moves the cursor in a pipe under FORCE_COLOR, and writes bold and dim
    under NO_COLOR.
    """
    colored = _is_colored(file, cast("Color", color))
    return Console(
        file=file,
        force_terminal=colored or file.isatty(),
        force_interactive=redraws,
        no_color=not colored,
        color_system="standard" if colored else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def _is_colored(file: TextIO, color: Color) -> bool:
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return file.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def width_of(console: Console) -> int:
    """Returns the width of lines: COLUMNS, else the terminal's, else 80."""
    return console.width if console.width > 0 else 80


def writable(text: str, console: Console) -> str:
    """Returns a text as this console can show it: no control codes, ASCII where need be."""
    text = _CONTROL.sub("", text)
    if text.isascii() or console.encoding.lower().replace("-", "") == "utf8":
        return text
    return text.replace("±", "+-").translate(_PLAIN).encode("ascii", "replace").decode()


def laid_out(console: Console, table: Table, *, wide: bool = False) -> Layout:
    """Lays a table out for this console; `wide` leaves nothing out."""
    shown = table.mapped(lambda text: writable(text, console))
    return fit(shown, None if wide else width_of(console))


def hidden_text(console: Console, layout: Layout, cures: str) -> str:
    """Returns the sentence that names the columns left out and how to see them, or ""."""
    if not layout.hidden:
        return ""
    return f"Hidden at {width_of(console)} columns: {', '.join(layout.hidden)} ({cures})."


def write(console: Console, lines: Iterable[Line | str]) -> None:
    """Writes lines as they are."""
    own = [Line(line) if isinstance(line, str) else line for line in lines]
    shown = [Line(writable(line.text, console), line.style) for line in own]
    if console.color_system is None:
        # No need to have rich render what is written as it is: 10,000 rows take it seconds.
        try:
            console.file.write("".join(f"{line.text}\n" for line in shown))
        except OSError as error:  # EIO of a closed terminal, for one: nobody reads on
            raise BrokenPipeError(*error.args) from error
        return
    text = Text(no_wrap=True)
    for line in shown:
        text.append(f"{line.text}\n", line.style)
    console.print(text, soft_wrap=True, end="")


def write_paragraph(console: Console, sentences: Iterable[str], style: str = "") -> None:
    """Writes sentences one after another, folded to the width; nothing if there are none."""
    text = writable("  ".join(sentence for sentence in sentences if sentence), console)
    if text:
        write(console, [Line(line, style) for line in fold(text, width_of(console))])
