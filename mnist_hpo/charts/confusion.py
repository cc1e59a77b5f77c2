"""The confusion matrix of the test set."""

from collections.abc import Sequence

from mnist_hpo.charts.svg import Drawing

_CELL = 30.0


def confusion_chart(matrix: Sequence[Sequence[int]]) -> Drawing:
    """Draws counts by true class (row) and predicted class (column), darker where there are more.

    The shade of a mistake is its share of the most frequent one: beside the diagonal they would
    all be white.
    """
    classes = len(matrix)
    left, top = 58.0, 46.0
    side = _CELL * classes
    wrong = sum(sum(row) - row[i] for i, row in enumerate(matrix))
    total = sum(map(sum, matrix))
    drawing = Drawing(
        left + side + 8,
        top + side + 8,
        title=f"Confusion matrix of {total} test images: {total - wrong} right, {wrong} wrong",
    )
    drawing.text(left + side / 2, 14, "predicted", anchor="middle", cls="name")
    drawing.text(8, top + side / 2, "true", cls="name")
    diagonal = max(row[i] for i, row in enumerate(matrix)) or 1
    mistakes = [n for i, row in enumerate(matrix) for j, n in enumerate(row) if i != j]
    worst = max(mistakes) or 1
    for i, row in enumerate(matrix):
        middle = top + (i + 0.5) * _CELL
        drawing.text(left - 8, middle + 4, str(i), anchor="end", cls="bold")
        drawing.text(left + (i + 0.5) * _CELL, top - 8, str(i), anchor="middle", cls="bold")
        for j, count in enumerate(row):
            shade = 0.25 + 0.5 * count / diagonal if i == j else 0.9 * count / worst
            tip = f"{i} read as {j}: {count}" if i != j else f"{i} right: {count}"
            drawing.add(
                "rect", x=left + j * _CELL + 0.5, y=top + i * _CELL + 0.5, width=_CELL - 1,
                height=_CELL - 1, cls="heat", fill_opacity=f"{shade if count else 0:.3f}",
                tip=tip,
            )  # fmt: skip
            if count:
                drawing.text(
                    left + (j + 0.5) * _CELL, middle + 4, str(count), anchor="middle",
                    cls="small on-heat" if shade > 0.55 else "small ink",
                )  # fmt: skip
    return drawing
