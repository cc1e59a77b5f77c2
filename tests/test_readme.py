"""What the documents show is what the program does."""

import dataclasses
import html
import re
import shlex
from pathlib import Path

import click
import pytest

from mnist_hpo.cli import cli
from search.policies import race_options
from search.race_options import RaceOptions

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "results").rglob("README.md"))]


def commands() -> list[str]:
    """Returns every `mnist-hpo` command in the shell blocks of the documents."""
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"```sh\n(.*?)```", document.read_text(), re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            found += [part for line in lines for part in line.split("&&") if "mnist-hpo" in part]
    return [line[line.index("mnist-hpo") :].split(">")[0].strip() for line in found]


@pytest.mark.parametrize("line", commands())
def test_every_documented_command_is_understood(line: str) -> None:
    """Its command, its options and their values exist; nothing is run."""
    _, name, *arguments = shlex.split(line)
    command = cli.get_command(click.Context(cli), name)

    assert command is not None
    command.make_context(name, arguments)


@pytest.mark.parametrize("name", ["own_hypermodel.py", "stock_tuner.py"])
def test_the_readme_shows_the_examples_that_are_run(name: str) -> None:
    """Word for word, without their docstrings."""
    example = (ROOT / "docs" / "examples" / name).read_text()
    code = re.sub(r'^""".*?"""\n+', "", example, flags=re.DOTALL)

    shown = (ROOT / "README.md").read_text().partition(f"<!-- docs/examples/{name} -->")[2]

    assert shown.startswith(f"\n```python\n{code}```")


def test_the_readme_shows_the_terminal_as_it_was_recorded() -> None:
    """The text that the SVG beside it was made of, as well."""
    recorded = (ROOT / "docs/pictures/search.txt").read_text()
    shown = (ROOT / "README.md").read_text().partition("<!-- docs/pictures/search.txt -->")[2]
    drawn = (ROOT / "docs/pictures/search.svg").read_text()

    assert shown.startswith(f"\n```text\n{recorded}```")
    words = {html.escape(word, quote=False) for word in recorded.split() if word.isascii()}
    assert all(word in html.unescape(drawn).replace("\xa0", " ") for word in words)
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "").replace(
        "https://github.com/Textualize/rich", ""
    ).replace("https://www.textualize.io", "")


def test_every_command_and_option_is_documented() -> None:
    """Each has a help text of its own."""
    silent = [
        f"{name} {parameter.opts[0]}"
        for name in cli.list_commands(click.Context(cli))
        if (command := cli.get_command(click.Context(cli), name)) is not None
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]

    assert silent == []


def test_the_readme_has_every_constant_of_the_race_with_its_default() -> None:
    """Its table names what `--race` takes, and a default as a person would type it."""
    body = (ROOT / "README.md").read_text().partition("| constant | default |")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", body.partition("\n\n")[0], re.MULTILINE))

    assert set(rows) == {field.name for field in dataclasses.fields(RaceOptions)}
    assert race_options(rows) == RaceOptions()


def test_no_link_of_the_documents_is_broken() -> None:
    """Each relative link names a file that is there."""
    documents = {*DOCUMENTS, *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")}

    broken = [
        f"{document.name}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
        if not (document.parent / target).exists()
    ]

    assert broken == []
