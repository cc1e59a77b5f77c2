"""Seals: each fact of a ledger carries a checksum, so that a changed byte is never a score.

A database notices damage of its own structure, not of what it stores: a digit that became
another one is an ordinary value to it.
"""

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any


class BrokenSeal(ValueError):  # noqa: N818 - reads as what it says
    """A fact is not what was stored, or is gone."""


_SEAL = re.compile(r', "crc32": "([0-9a-f]{8})"\}')
"""How a sealed fact ends: storage keeps the order of names."""

_LENGTH = len(', "crc32": "01234567"}')


def sealed(owner: str, key: str, fact: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a fact with its checksum.

    Args:
        owner: Whose fact it is; with `key` a part of the checksum, so that a fact that went to
            another trial or name is noticed as well.
        key: Its name.
        fact: Plain JSON values by name, at least one.
    """
    return {**fact, "crc32": _checksum(owner, key, json.dumps(fact))}


def body_of(owner: str, key: str, text: str, *, must: bool) -> str:
    """Returns the JSON of a fact from its stored text, without the checksum.

    Args:
        owner: As in `sealed`.
        key: As in `sealed`.
        text: What storage has.
        must: Refuse a fact without a checksum; False: ledgers of before had none.

    Raises:
        BrokenSeal: the fact is not what was stored.
    """
    body = text[:-_LENGTH] + "}"
    if text.endswith(f', "crc32": "{_checksum(owner, key, body)}"}}'):
        return body
    # Whatever is wrong with it: of a large ledger the lines above are what takes time.
    seal = _SEAL.fullmatch(text, max(len(text) - _LENGTH, 0))
    if seal is None:
        if must:
            raise BrokenSeal(f"{key} of {owner} has no checksum")
        return text
    raise BrokenSeal(f"{key} of {owner} is not what was stored")


def check_order(orders: Iterable[int]) -> None:
    """Checks that no commit of a study is missing between the first and the newest.

    Raises:
        BrokenSeal: some are.
    """
    there = sorted(orders)
    if there != list(range(len(there))):
        raise BrokenSeal(f"of {there[-1] + 1} commits {len(set(there))} are there")


def _checksum(owner: str, key: str, body: str) -> str:
    return f"{zlib.crc32(f'{owner} {key} {body}'.encode()):08x}"
