"""Where a study comes from: environment, fingerprints, commands, and the test by class."""

from mnist_hpo.report.leaderboard import Cell, Head, HtmlTable, TableRow
from mnist_hpo.report.material import Material
from mnist_hpo.statistics import TestResult


def about_commands(material: Material) -> str:
    """Says what the commands give, and under which conditions."""
    own = (
        " The dataset is a file of whoever searched; its fingerprint is below."
        if "/" in material.facts.dataset
        else ""
    )
    return (
        "These commands make the study again in an empty folder. With one worker, the same "
        "machine and the same versions every number is equal in every bit; with several workers "
        f"results arrive in another order, so later proposals may differ.{own}"
    )


def environment_table(material: Material) -> HtmlTable:
    """Returns the versions then and now."""
    then, now = material.facts.environment, material.versions
    return HtmlTable(
        caption="Versions and processor",
        heads=(Head("what"), Head("when the study began"), Head("of this page", rank=2)),
        rows=tuple(
            TableRow(
                cells=(
                    Cell(name),
                    Cell(then.get(name, "-"), wraps=True),
                    Cell(now.get(name, "-"), rank=2, wraps=True),
                )
            )
            for name in dict.fromkeys([*then, *now])
        ),
        sortable=False,
    )


def prints_table(material: Material) -> HtmlTable:
    """Returns the fingerprints that say whether two studies can be compared."""
    facts = material.facts
    rows = (
        ("development data", facts.data_sha256),
        ("folds", facts.folds_sha256),
        ("space", facts.space.sha256),
        ("created", facts.created or "-"),
    )
    return HtmlTable(
        caption="Fingerprints (SHA-256)",
        heads=(Head("of"), Head("is")),
        rows=tuple(TableRow(cells=(Cell(name), Cell(own, wraps=True))) for name, own in rows),
        sortable=False,
    )


def class_table(result: TestResult) -> HtmlTable:
    """Returns precision, recall and F1 of each digit, and how it was misread most often."""
    rows = []
    for digit, counts in enumerate(result.confusion):
        mistakes = sorted(
            ((count, other) for other, count in enumerate(counts) if other != digit and count),
            key=lambda pair: (-pair[0], pair[1]),
        )
        cells = (
            Cell(str(digit), number=True),
            Cell(str(sum(counts)), number=True, rank=1),
            Cell(f"{result.precision[digit]:.4f}", number=True),
            Cell(f"{result.recall[digit]:.4f}", number=True),
            Cell(f"{result.f1[digit]:.4f}", number=True, rank=2),
            Cell(", ".join(f"as {other}: {count}" for count, other in mistakes[:3])),
        )
        rows.append(TableRow(cells=cells))
    return HtmlTable(
        caption="The test set by digit",
        heads=(
            Head("digit", number=True),
            Head("images", number=True, rank=1),
            Head("precision", number=True),
            Head("recall", number=True),
            Head("F1", number=True, rank=2),
            Head("misread"),
        ),
        rows=tuple(rows),
    )
