"""An SVG drawing: elements from Python, escaped by the standard library."""

import xml.etree.ElementTree as ET  # writes only; nothing foreign is parsed
from typing import final

NAMESPACE = "http://www.w3.org/2000/svg"
"""A name, not an address: nothing is fetched."""


@final
class Drawing:
    """A picture under construction.

    Colours are classes, which the page's or the file's stylesheet knows: the same drawing is
    shown light and dark.
    """

    def __init__(self, width: float, height: float, *, title: str) -> None:
        """Begins an empty drawing.

        Args:
            width: In pixels at full size.
            height: Likewise.
            title: What the picture shows, in a sentence: its text alternative.
        """
        self.width, self.height, self.title = width, height, title
        self._root = ET.Element(
            "svg",
            {
                "viewBox": f"0 0 {_number(width)} {_number(height)}",
                "width": _number(width),
                "height": _number(height),
                "role": "img",
                "aria-label": title,
                "class": "chart",
            },
        )

    def add(
        self,
        tag: str,
        *,
        cls: str = "",
        tip: str = "",
        text: str = "",
        trial: int | None = None,
        **attributes: float | str,
    ) -> None:
        """Adds an element.

        Args:
            tag: Its name.
            cls: Its classes.
            tip: Shown when the pointer rests on it.
            text: Its content.
            trial: The trial it stands for: the page lights up all of them together.
            **attributes: Others; `_` stands for `-`.
        """
        given = {"class": cls} if cls else {}
        if trial is not None:
            given["data-trial"] = str(trial)
        for name, value in attributes.items():
            key = name.rstrip("_").replace("_", "-")
            given[key] = value if isinstance(value, str) else _number(value)
        element = ET.SubElement(self._root, tag, given)
        if tip:
            ET.SubElement(element, "title").text = tip
        if text:
            element.text = text

    def text(  # noqa: PLR0913 - a place, words, and how they stand there
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: str = "start",
        cls: str = "",
        trial: int | None = None,
    ) -> None:
        """Writes words; `anchor` says which end of them is at x."""
        self.add("text", x=x, y=y, text=words, text_anchor=anchor, cls=cls, trial=trial)

    def line(self, x1: float, y1: float, x2: float, y2: float, cls: str) -> None:
        """Draws a line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, cls=cls)

    def inline(self) -> str:
        """Returns the drawing as part of a page."""
        return ET.tostring(self._root, encoding="unicode")

    def file(self, style: str) -> str:
        """Returns the drawing as a file of its own, with its stylesheet."""
        root = ET.Element("svg", {"xmlns": NAMESPACE, **self._root.attrib})
        ET.SubElement(root, "title").text = self.title
        ET.SubElement(root, "style").text = style
        ET.SubElement(root, "rect", {"width": "100%", "height": "100%", "class": "paper"})
        root.extend(self._root)
        return ET.tostring(root, encoding="unicode") + "\n"


def _number(value: float) -> str:
    """Returns a coordinate: a tenth of a pixel is fine enough, and short."""
    return f"{value:.1f}".removesuffix(".0")


def points(pairs: list[tuple[float, float]]) -> str:
    """Returns coordinates as `polyline` takes them."""
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in pairs)
