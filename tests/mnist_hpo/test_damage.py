"""A damaged ledger is an error or makes no difference: never another score, never a traceback."""

import contextlib
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from search import reader
from search.errors import LedgerError, StudyError
from search.records import Epoch, History, Job
from search.store import Ledger

SECTOR = 512

Damage = Callable[[bytearray, random.Random], None]
"""Changes a file's content."""


def page_size(content: bytes | bytearray) -> int:
    return int.from_bytes(content[16:18], "big")


def flip_a_bit(content: bytearray, rng: random.Random) -> None:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def change_a_digit(content: bytearray, rng: random.Random) -> None:
    """The worst of all bytes: text stays text, a number stays a number."""
    digits = [at for at, byte in enumerate(content) if 48 <= byte < 58]
    at = rng.choice(digits)
    content[at] = rng.choice([byte for byte in range(48, 58) if byte != content[at]])


def lose_a_sector(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content) // SECTOR) * SECTOR
    content[at : at + SECTOR] = bytes(SECTOR)


def exchange_pages(content: bytearray, rng: random.Random) -> None:
    size = page_size(content)
    one, two = (at * size for at in rng.sample(range(len(content) // size), 2))
    content[one : one + size], content[two : two + size] = (
        content[two : two + size],
        content[one : one + size],
    )


KINDS: Mapping[str, Damage] = {
    "a bit is flipped": flip_a_bit,
    "a digit is changed": change_a_digit,
    "a sector is lost": lose_a_sector,
    "two pages are exchanged": exchange_pages,
}


class Case:
    """A study that is damaged again and again."""

    def __init__(self, results: Path, run: Callable[..., Any]) -> None:
        self._run = run
        self._results = results
        self.path = results / "mnist" / "study.db"
        self.content = self.path.read_bytes()
        self.history = reader.read(self.path, "mnist").history
        self.document = self.shown()
        self.seen = Counter[str]()

    def shown(self) -> dict[str, Any] | None:
        """Returns what `show` tells, None if it tells of an error, in one message."""
        ran = self._run("show", "mnist", "--json", "--results", self._results)
        if ran.code:
            assert ran.code in {2, 3}, ran.err
            assert ran.err.startswith("error: ")
            assert ran.err.count("error: ") == 1
            assert "Traceback" not in ran.err
            assert ran.out == ""
            return None
        document: dict[str, Any] = json.loads(ran.out)
        document["study"].pop("updated")
        return document

    def check(self, content: bytes, *, by_owner: bool) -> None:
        """Writes a damaged file and looks at it as a reader, and as an owner who goes on."""
        self.path.write_bytes(content)
        self.path.with_name("study.db-journal").unlink(missing_ok=True)
        document = self.shown()
        assert document in (None, self.document)
        self.seen["noticed" if document is None else "no difference"] += 1
        if by_owner:
            self.seen["noticed by the owner"] += not self._goes_on()

    def _goes_on(self) -> bool:
        """Opens the ledger and adds an epoch; False: somebody noticed the damage."""
        try:
            with contextlib.closing(Ledger.open(self.path, "mnist")) as ledger:
                assert ledger.history == self.history
                ledger.start(job(7, 0))
                ledger.record(job(7, 0), (EPOCH,), elapsed=99.0)
                expected = ledger.history
            found: History = reader.read(self.path, "mnist").history
        except (LedgerError, StudyError):
            return False
        assert found == expected
        return True


EPOCH = Epoch(valid_accuracy=0.91, valid_loss=0.3, train_accuracy=0.9, train_loss=0.3, seconds=1.0)


def job(trial: int, epoch: int) -> Job:
    return Job(trial=trial, fold=0, start=epoch, stop=epoch + 1)


@pytest.fixture
def case(results: Path, run: Callable[..., Any]) -> Case:
    return Case(results, run)


def damage(case: Case, kind: str, times: int, *, by_owner: int) -> None:
    """Damages the file so often, and every so many times goes on with it."""
    rng = random.Random(kind)  # noqa: S311 - places of damage, no secrets
    for time in range(times):
        content = bytearray(case.content)
        KINDS[kind](content, rng)
        case.check(bytes(content), by_owner=time % by_owner == 0)
    print(f"{kind}: {dict(case.seen)}")  # noqa: T201 - figures for docs/


def test_a_ledger_cut_anywhere_is_noticed(case: Case) -> None:
    """At each sixteenth, and at the last page and byte: always an error, with or without rows."""
    size = len(case.content)
    ends = [size * part // 16 for part in range(16)]

    for end in (*ends, size - page_size(case.content), size - 1):
        case.check(case.content[:end], by_owner=True)

    assert case.seen == {"noticed": 18, "noticed by the owner": 18}


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_an_error_or_makes_no_difference(case: Case, kind: str) -> None:
    """The small size."""
    damage(case, kind, 20, by_owner=5)

    assert case.seen["noticed"] > 0


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", KINDS)
def test_much_damage_is_an_error_or_makes_no_difference(
    case: Case, portion: Callable[[int], int], kind: str
) -> None:
    """The full size."""
    damage(case, kind, portion(400), by_owner=2)


def test_a_changed_score_is_noticed_by_its_checksum(case: Case) -> None:
    """SQLite reads it as it reads any number."""
    text = b'"valid_accuracy": 0.992'
    at = case.content.rindex(text) + len(text) - 1
    content = case.content[:at] + b"1" + case.content[at + 1 :]

    case.check(content, by_owner=True)

    assert case.seen == {"noticed": 1, "noticed by the owner": 1}


def test_a_statement_that_is_no_text_is_noticed(case: Case) -> None:
    """SQLite repeats it in its message, which Python cannot read then: a case of the full size."""
    content = case.content.replace(b"CREATE TABLE studies", b"CREA\xecE TABLE studies")
    assert content != case.content

    case.check(content, by_owner=True)

    assert case.seen == {"noticed": 1, "noticed by the owner": 1}
