"""Chooses how a search is shown: live only where a person looks at a terminal."""

import os
import sys
from collections.abc import Mapping
from typing import TextIO

from mnist_hpo.progress import AbstractView, JsonView, LastingView, PlainView, SilentView


def view_for(
    *, quiet: bool, as_json: bool, no_progress: bool, color: str, looks_on: bool = False
) -> AbstractView:
    """Returns the view that the options and the surroundings ask for.

    Args:
        quiet: Nothing while the search runs.
        as_json: JSON Lines.
        no_progress: Plain lines even on a terminal.
        color: As in `console.live_console`.
        looks_on: Another process searches; Ctrl-C ends the view alone.
    """
    if as_json:
        # Its reader is the reason for the search: without one it ends, all of it saved.
        return JsonView(sys.stdout)
    shown = _shown(quiet=quiet, no_progress=no_progress, color=color, looks_on=looks_on)
    # A search outlives its view; whoever only looks on has nothing left to do.
    return shown if looks_on else LastingView(shown)


def _shown(*, quiet: bool, no_progress: bool, color: str, looks_on: bool) -> AbstractView:
    if quiet:
        return SilentView()
    if no_progress or not is_watched(sys.stderr, os.environ):
        return PlainView(sys.stderr)
    from mnist_hpo.console import live_console  # noqa: PLC0415 - rich, for a terminal only
    from mnist_hpo.live import LiveView  # noqa: PLC0415 - likewise
    from mnist_hpo.live_picture import LOOK_ON  # noqa: PLC0415 - likewise

    if looks_on:
        return LiveView(live_console(color), footer=LOOK_ON)
    return LiveView(live_console(color))


def is_watched(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Says whether a person sees the stream redraw itself.

    Rich would be led by FORCE_COLOR here and move the cursor in a pipe.
    """
    dumb = environ.get("TERM", "dumb") == "dumb"
    return stream.isatty() and not dumb and not environ.get("CI")
