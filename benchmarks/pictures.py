"""Makes the pictures of the documents anew: a search in a terminal, and the report of its study.

    python benchmarks/pictures.py search FOLDER [-- OPTIONS OF mnist-hpo search]
    python benchmarks/pictures.py screen FOLDER/screen-012.ansi
    python benchmarks/pictures.py report FOLDER

`search` runs a real search in a real terminal (tmux, 80 x 40) until it is done, and keeps one of
its pictures: as text, and as SVG by rich's export; `screen` takes another one. `report` finalizes
that study, writes its report and photographs it in headless Chromium: wide, on a telephone, dark.
Pictures go into docs/pictures; whoever changes what people see runs both and looks at the result.
"""

import argparse
import io
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs/pictures"
STUDY = "mnist-5k"

WIDTH, HEIGHT = 80, 40
EVERY = 5.0
"""Seconds between two looks at the terminal."""

KEPT_AT = 0.6
"""The picture kept is the one after this share of all of them: a race with everything in it."""

SHOTS = {
    "report-wide": {"viewport": {"width": 1200, "height": 1500}},
    "report-phone": {
        "viewport": {"width": 390, "height": 1200},
        "is_mobile": True,
        "has_touch": True,
    },
    "report-dark": {"viewport": {"width": 1200, "height": 1500}, "color_scheme": "dark"},
}
PLACES = {"report-dark": "#history"}
"""Where a picture begins, if not at the top."""

COLOURS = 64
"""Of a screenshot: enough for letters and charts, a fifth of the bytes."""


def looks(folder: Path, options: list[str]) -> Iterator[str]:
    """Runs a search in a terminal and yields its screens, with their colours, until it ends."""
    socket = folder / "tmux"
    command = shlex.join([sys.executable, "-m", "mnist_hpo", "search", *options])
    done = folder / "done"
    script = f"{command}; echo $? > {shlex.quote(str(done))}; sleep 5"
    tmux = ["tmux", "-S", str(socket), "-f", os.devnull]
    environment = {
        **{name: own for name, own in os.environ.items() if name not in {"CI", "NO_COLOR"}},
        "PYTHONPATH": str(ROOT),
        "LC_ALL": "C.UTF-8",
    }
    subprocess.run(
        [*tmux, "-u", "new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), script],
        cwd=folder,
        env=environment,
        check=True,
    )
    while not done.exists():
        time.sleep(EVERY)
        seen = subprocess.run(
            [*tmux, "capture-pane", "-p", "-e"], capture_output=True, text=True, check=False
        )
        if "saved" in seen.stdout and not done.exists():
            yield seen.stdout


def photograph_search(folder: Path, options: list[str]) -> None:
    """Keeps one screen of a search as text and as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    screens = list(looks(folder, options))
    for number, screen in enumerate(screens):
        (folder / f"screen-{number:03}.ansi").write_text(screen, encoding="utf-8")
    draw_screen(screens[int(KEPT_AT * len(screens))])


def draw_screen(screen: str) -> None:
    """Writes the live view on a screen as docs/pictures/search.txt and search.svg."""
    lines = screen.rstrip().splitlines()
    first = next(i for i, line in enumerate(lines) if f"{STUDY}  " in line)
    text = Text.from_ansi("\n".join(lines[first:]))
    PICTURES.mkdir(parents=True, exist_ok=True)
    plain = "\n".join(line.rstrip() for line in text.plain.splitlines())
    (PICTURES / "search.txt").write_text(f"{plain}\n", encoding="utf-8")
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(text)
    svg = console.export_svg(
        title=f"mnist-hpo search --dataset {STUDY}", theme=MONOKAI, unique_id="search"
    )
    # Rich names fonts of a foreign host: a document asks nobody for anything.
    kept = [line for line in svg.splitlines() if "cdnjs" not in line]
    (PICTURES / "search.svg").write_text("\n".join(kept) + "\n", encoding="utf-8")


def photograph_report(folder: Path) -> None:
    """Finalizes the study, writes its report and takes the screenshots."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not for a search

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SystemExit("no chromium is installed (Debian: apt-get install chromium)")
    page_file = folder / "report.html"
    for words in (["finalize", STUDY], ["report", STUDY, "--output", str(page_file)]):
        subprocess.run(
            [sys.executable, "-m", "mnist_hpo", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"], timeout=180_000
        )
        for name, how in SHOTS.items():
            context = browser.new_context(**how)  # type: ignore[arg-type]  # by name
            page = context.new_page()
            page.goto(page_file.as_uri() + PLACES.get(name, ""))
            write_small(page.screenshot(timeout=120_000), PICTURES / f"{name}.png")
            context.close()
        browser.close()


def write_small(png: bytes, path: Path) -> None:
    """Writes a screenshot with few colours."""
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        small.save(path, optimize=True)


def main() -> None:
    """Makes what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["search", "report", "screen"])
    parser.add_argument("folder", type=Path, help="where the study is, or will be; or a screen")
    parser.add_argument("options", nargs="*", help="of the search")
    asked = parser.parse_args()
    match asked.what:
        case "search":
            photograph_search(asked.folder, asked.options)
        case "screen":
            draw_screen(asked.folder.read_text(encoding="utf-8"))
        case _:
            photograph_report(asked.folder)


if __name__ == "__main__":
    main()
