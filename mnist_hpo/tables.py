"""Tables of text that fit a width. Nothing is ever cut: columns are folded, or left out whole."""

import csv
import html
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    """Its header, and the key of its cells."""

    priority: int = 0
    """The highest is left out first where room is scarce; 0 never is."""

    right: bool = False
    """Aligned to the right."""

    least: int | None = None
    """Down to this width its cells and header may be folded over several lines; None: never."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table (or a few, when a cell is folded)."""

    cells: Mapping[str, str]
    """Text by column name; a missing cell is shown as "-"."""

    style: str = ""
    """Rich's name for how it looks where colours are on: it never carries a meaning alone."""


@dataclass(frozen=True, slots=True)
class Table:
    """What to show, before it is known how wide it may be."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def mapped(self, change: Callable[[str], str]) -> "Table":
        """Returns the table with every cell changed."""
        rows = (
            replace(row, cells={name: change(text) for name, text in row.cells.items()})
            for row in self.rows
        )
        return Table(self.columns, tuple(rows))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and how it looks."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """A table as lines, and the columns that found no room."""

    lines: tuple[Line, ...]
    hidden: tuple[str, ...]


def fit(table: Table, width: int | None) -> Layout:
    """Lays a table out.

    Args:
        table: Header, rule and rows.
        width: Characters a line may have; None: any number, so nothing is left out or folded.

    Returns:
        The lines. They are wider than `width` only if the columns of priority 0 are.
    """
    natural = {column.name: _natural(column, table.rows) for column in table.columns}
    kept = list(table.columns)
    if width is not None:
        while _total(kept, natural, folded=True) > width and any(c.priority for c in kept):
            kept.remove(max(kept, key=lambda column: column.priority))
        spare = width - _total(kept, natural, folded=True)
        for column in kept:
            least = _least(column, natural)
            natural[column.name] = least + min(spare, natural[column.name] - least)
            spare -= natural[column.name] - least
    header = Row({column.name: column.name for column in kept})
    rule = Line("-" * _total(kept, natural, folded=False))
    lines = [*_lines(header, kept, natural), rule]
    for row in table.rows:
        lines += _lines(row, kept, natural)
    return Layout(tuple(lines), tuple(c.name for c in table.columns if c not in kept))


def _natural(column: Column, rows: Sequence[Row]) -> int:
    return max(
        width_of(column.name), *(width_of(row.cells.get(column.name, "-")) for row in rows), 0
    )


def _least(column: Column, natural: Mapping[str, int]) -> int:
    if column.least is None:
        return natural[column.name]
    return min(natural[column.name], column.least)


def _total(columns: Sequence[Column], natural: Mapping[str, int], *, folded: bool) -> int:
    widths = [_least(c, natural) if folded else natural[c.name] for c in columns]
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _lines(row: Row, columns: Sequence[Column], widths: Mapping[str, int]) -> list[Line]:
    cells = [_cell(row.cells.get(column.name, "-"), column, widths) for column in columns]
    lines = []
    for number in range(max(map(len, cells))):
        parts = [
            _padded(cell[number] if number < len(cell) else "", column, widths[column.name])
            for cell, column in zip(cells, columns, strict=True)
        ]
        lines.append(Line(GAP.join(parts).rstrip(), row.style))
    return lines


def _cell(text: str, column: Column, widths: Mapping[str, int]) -> list[str]:
    if width_of(text) <= widths[column.name]:
        return [text]
    return fold(text, widths[column.name])


def _padded(text: str, column: Column, width: int) -> str:
    space = " " * (width - width_of(text))
    return space + text if column.right else text + space


def width_of(text: str) -> int:
    """Returns how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


_PIECE = re.compile(
    r"""\s+ | (?: \S
    | (?<=\d)[ ](?=\d{3}(?!\d))              # 1 550
    | (?<=\d)[ ](?=%)                        # 85 %
    | (?<=\d:)[ ](?=\d)                      # 10: 7
    | (?<=\d)[ ](?=(?:±|\+-)[ ]\d)          # 0.9617 ± 0.0055
    | (?<=±)[ ](?=\d) | (?<=\+-)[ ](?=\d)
    )+""",
    re.VERBOSE,
)
"""Spaces, or what belongs together: a word, or a number with the spaces that are part of it."""


_WITHIN = re.compile(r"(?<=\d) (?=\d{3}(?!\d)|%|±)|(?<=±) (?=\d)")


def unbroken(text: str) -> str:
    """Returns a text whose numbers a browser keeps on one line: 1 550, 85 %, 0.9617 ± 0.0055."""
    return _WITHIN.sub("\N{NO-BREAK SPACE}", text)


def fold(text: str, width: int) -> list[str]:
    """Breaks a text into lines: at spaces where possible, inside a word where not.

    Spaces within a number are none of these.
    """
    lines = [""]
    for piece in _PIECE.findall(text):
        if width_of(lines[-1]) + width_of(piece) <= width:
            lines[-1] += piece
        elif not piece.isspace():
            lines.append("")
            for character in piece:
                if lines[-1] and width_of(lines[-1]) + width_of(character) > width:
                    lines.append("")
                lines[-1] += character
    return [line.rstrip() for line in lines if line.strip()] or [""]


def to_markdown(table: Table) -> str:
    """Returns a table with all its columns in Markdown."""
    names = [column.name for column in table.columns]
    marks = ["---:" if column.right else "---" for column in table.columns]
    rows = [[row.cells.get(name, "-").strip() for name in names] for row in table.rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
        for cells in (names, marks, *rows)
    )


def to_text(table: Table) -> str:
    """Returns a table with all its columns as text."""
    return "\n".join(line.text for line in fit(table, None).lines)


def to_html(table: Table, notes: Sequence[str] = ()) -> str:
    """Returns a table with all its columns in HTML, sentences below it."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        aligned = zip(table.columns, texts, strict=True)
        return "".join(
            f'<{tag} style="text-align: {"right" if column.right else "left"}">'
            f"{html.escape(text.strip())}</{tag}>"
            for column, text in aligned
        )

    names = [column.name for column in table.columns]
    rows = [cells("td", [row.cells.get(name, "-") for name in names]) for row in table.rows]
    body = "".join(f"<tr>{row}</tr>\n" for row in rows)
    below = f"<p>{html.escape(' '.join(notes))}</p>\n" if notes else ""
    return (
        f"<table>\n<thead><tr>{cells('th', names)}</tr></thead>\n"
        f"<tbody>\n{body}</tbody>\n</table>\n{below}"
    )


def to_csv(records: Iterable[Mapping[str, object]]) -> str:
    """Returns records with equal keys as comma-separated values; None is an empty cell."""
    rows = list(records)
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()
