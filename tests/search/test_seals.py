"""A fact that is not what was stored is told, whatever of it has changed."""

import json

import pytest

from search.seals import BrokenSeal, body_of, check_order, sealed

FACT = {"valid_accuracy": 0.9931, "order": 7}
OWNER, KEY = "trial 3 of demo", "epoch:0:0:4"


def test_a_sealed_fact_comes_back_as_it_was() -> None:
    text = json.dumps(sealed(OWNER, KEY, FACT))

    assert json.loads(body_of(OWNER, KEY, text, must=True)) == FACT


def test_any_changed_character_is_noticed() -> None:
    """Each of them, in the fact and in the checksum itself."""
    text = json.dumps(sealed(OWNER, KEY, FACT))

    for at, letter in enumerate(text):
        changed = text[:at] + chr(ord(letter) ^ 1) + text[at + 1 :]
        with pytest.raises(BrokenSeal):
            body_of(OWNER, KEY, changed, must=True)


@pytest.mark.parametrize(
    ("owner", "key"), [("trial 4 of demo", KEY), ("trial 3 of other", KEY), (OWNER, "epoch:1:0:4")]
)
def test_a_fact_under_another_name_is_noticed(owner: str, key: str) -> None:
    """A row that came to another trial, study or epoch is whole, and wrong."""
    text = json.dumps(sealed(OWNER, KEY, FACT))

    with pytest.raises(BrokenSeal, match="is not what was stored"):
        body_of(owner, key, text, must=True)


def test_only_ledgers_of_before_have_facts_without_a_checksum() -> None:
    text = json.dumps(FACT)

    assert body_of(OWNER, KEY, text, must=False) == text
    with pytest.raises(BrokenSeal, match="has no checksum"):
        body_of(OWNER, KEY, text, must=True)


def test_a_missing_or_repeated_commit_is_noticed() -> None:
    """In any order they may come; the first is 0."""
    check_order([])
    check_order([2, 0, 1])

    for orders in ([1, 2], [0, 2], [0, 1, 1, 3]):
        with pytest.raises(BrokenSeal, match="commits"):
            check_order(orders)
