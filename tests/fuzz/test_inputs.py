"""Whatever a person types or hands over: exit code 2, one message with its cure, nothing made.

Hypothesis writes the inputs, many of them mutated from right ones, and the real command line
takes them, in this process and without TensorFlow. `pytest -m full tests/fuzz` runs ten times
as many cases, other ones each time.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_hpo import cli
from search.places import place_at
from spaces.cnn_space import CNN_SPACE
from spaces.errors import SpaceError
from spaces.narrowing import narrowed
from spaces.space import Space

Cases = Callable[[int], settings]
Refusal = Callable[[Callable[[], object]], str]

TEXT = st.text(st.characters(exclude_characters="\0"), max_size=30)
"""What an operating system can pass on: anything but null; lone surrogates are undecoded bytes."""

NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["0", "-0", "1e999", "9" * 5000, "0x10", "1_0", "٣", "1,", "", " "]),
)


SEARCH = ("search", "--dataset", "digits.npz", "--folds", "2")
COMMANDS = ("search", "resume", "list", "show", "trial", "finalize", "models", "doctor", "bench")
NAMES = tuple(dimension.name for dimension in CNN_SPACE.dimensions)
RACE = ("rungs", "factors", "rank", "measure", "cohort", "rotate", "guard", "alpha", "settled")
OPTIONS = (
    *("--study", "--trials", "--minutes", "--epochs", "--folds", "--policy", "--sampler"),
    *("--baselines", "--workers", "--seed", "--max-params", "--max-macs", "--precision"),
    *("--max-failures", "--color", "--set", "--fix", "--race", "--job-timeout"),
)
FLAGS = ("--no-auto-stop", "--json", "-q", "--no-progress")


@st.composite
def mutated(draw: st.DrawFn, right: st.SearchStrategy[str]) -> str:
    """A right text with a stretch of it exchanged, doubled or left out."""
    text = draw(right)
    at = draw(st.integers(0, len(text)))
    stop = draw(st.integers(at, len(text)))
    return text[:at] + draw(st.one_of(st.just(""), TEXT, st.just(text[at:stop] * 2))) + text[stop:]


VALUES = st.one_of(
    NUMBERS, TEXT, st.sampled_from(["true", "adam", "same", "3,5", "1..3", "1e-4..1e-2", "race"])
)
EXPRESSIONS = st.one_of(
    st.builds("{}={}".format, st.sampled_from(NAMES + RACE), VALUES),
    st.builds("{}={}..{}".format, st.sampled_from(NAMES), NUMBERS, NUMBERS),
    st.builds("{}={},{}".format, st.sampled_from(NAMES + RACE), VALUES, VALUES),
    TEXT,
)
EXPRESSIONS |= mutated(EXPRESSIONS)


@st.composite
def typed_options(draw: st.DrawFn) -> list[str]:
    words: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        match draw(st.integers(0, 3)):
            case 0:
                words.append(draw(st.sampled_from(FLAGS) | mutated(st.sampled_from(OPTIONS))))
            case 1:
                words += [draw(st.sampled_from(OPTIONS)), draw(EXPRESSIONS)]
            case _:
                words += [draw(st.sampled_from(OPTIONS)), draw(VALUES)]
    return [word for word in words if word not in {"-h", "--help"}]


@st.composite
def expressions(draw: st.DrawFn) -> list[str]:
    kinds = st.sampled_from(["--set", "--fix", "--race"])
    return [
        word for _ in range(draw(st.integers(1, 3))) for word in (draw(kinds), draw(EXPRESSIONS))
    ]


@pytest.mark.usefixtures("data", "blocked")
def test_options(program: Any, cases: Cases) -> None:
    """Of `search`, any of them with any value; a good one ends at the blocked folder."""

    @cases(200)
    @given(words=typed_options())
    def check(words: list[str]) -> None:
        program.refuses(*SEARCH, *words, "--results", "blocked", codes=(2, 3))

    check()


@pytest.mark.usefixtures("data", "blocked")
def test_expressions(program: Any, cases: Cases) -> None:
    """Of --set, --fix and --race, for a sampler that takes any space or lists a grid."""

    @cases(200)
    @given(words=expressions(), sampler=st.sampled_from(["model", "grid"]))
    def check(words: list[str], sampler: str) -> None:
        more = ("--sampler", sampler, "--results", "blocked")
        program.refuses(*SEARCH, *words, *more, codes=(2, 3))

    check()


def test_a_narrowed_space_is_whole(cases: Cases) -> None:
    """What --set and --fix accept can be searched: its defaults are legal, and it can be kept."""

    @cases(100)
    @given(
        ranges=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2),
        fixed=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2),
    )
    def check(ranges: dict[str, str], fixed: dict[str, str]) -> None:
        try:
            space = narrowed(CNN_SPACE, ranges, fixed)
        except SpaceError:
            return
        assert space.contains(space.active(space.defaults()))
        assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space
        assert not space.differences(narrowed(CNN_SPACE, ranges, fixed))

    check()


def test_study_names(program: Any, cases: Cases) -> None:
    """Wherever one is asked for; none exists here."""

    @cases(80)
    @given(
        words=st.sampled_from(
            [
                ("show",),
                ("show", "--json"),
                ("resume",),
                ("finalize",),
                ("trial",),
                ("doctor",),
                ("search", "--dataset", "no-such.npz", "--study"),
            ]
        ),
        name=TEXT,
        number=NUMBERS,
    )
    def check(words: tuple[str, ...], name: str, number: str) -> None:
        if name.startswith("-") or (words == ("doctor",) and not name):
            return  # an option, and a doctor without a study has none to refuse
        more = [number] if words[0] == "trial" else []
        program.refuses(*words, name, *more)

    check()


def test_commands(program: Any, cases: Cases) -> None:
    """Anything in place of a command."""

    @cases(50)
    @given(words=st.lists(TEXT | mutated(st.sampled_from(COMMANDS)), min_size=1, max_size=3))
    def check(words: list[str]) -> None:
        first = words[0]
        if first in {*COMMANDS, "-h", "--help", "--version"} or "-h" in first[:2]:
            return
        program.refuses(*words)

    check()


def test_storages(refusal: Refusal, cases: Cases) -> None:
    """A URL names a place whose text has no password, or is refused without showing one."""
    right = st.sampled_from(
        [
            "postgresql://me:hunter2-word@db.example.org:5432/studies?sslmode=require",
            "sqlite:///studies.db",
            "postgresql://me@/studies?host=/run/postgresql",
        ]
    )

    @cases(70)
    @given(url=right | mutated(right) | TEXT)
    def check(url: str) -> None:
        shown: list[str] = []

        def show() -> None:
            place = place_at(url)
            shown.extend((str(place), repr(place)))

        shown.append(refusal(show))
        if ":hunter2-word@" in url:  # else it may have become a user or a host
            assert "hunter2-word" not in "".join(shown)

    check()


def test_a_real_process_says_the_same(program: Any) -> None:
    """Bytes that are no UTF-8, in a study's name, a path and the environment."""
    root = Path(cli.__file__).parents[1]
    environment = {b"PYTHONPATH": ":".join([str(root), *sys.path]).encode(), b"LC_ALL": b"C.UTF-8"}
    for words, more in (
        ([b"list", b"--results", b"\xff"], {}),
        ([b"search", b"--dataset", b"\xff.npz"], {}),
        ([b"show", b"x"], {b"MNIST_HPO_RESULTS": b"\xff"}),
    ):
        ran = subprocess.run(
            [sys.executable.encode(), b"-m", b"mnist_hpo", *words],
            cwd=program.folder,
            env={**environment, **more},
            capture_output=True,
            check=False,
        )
        assert ran.returncode == (0 if words[0] == b"list" else 2), ran.stderr
        assert b"Traceback" not in ran.stderr
        assert program.files() == []
