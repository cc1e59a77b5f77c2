"""One process owns a study on PostgreSQL: an advisory lock, which a dead session cannot hold.

The key is the first 8 bytes of the SHA-256 of "mnist-hpo:" and the study's name, as a signed
number. The server keeps advisory locks apart by database, so a name is locked in its own one.
"""

import contextlib
import hashlib
import os
import socket
from datetime import UTC
from typing import Any, Self, final

import psycopg

from search.errors import LedgerError, StudyOwned
from search.place import AbstractLock
from search.postgres_connection import Connection, Unanswered, connect, detail_of
from search.postgres_url import PostgresUrl

_PREFIX = "mnist-hpo "
_LONGEST_NAME = 63
"""Bytes of an application's name that the server keeps."""

_KEEPALIVES = """
    SELECT set_config('tcp_keepalives_idle', '10', false),
           set_config('tcp_keepalives_interval', '5', false),
           set_config('tcp_keepalives_count', '3', false)
"""
"""The server looks, too: the lock of a machine without power is free in half a minute."""

_HOLDER = """
    SELECT l.pid, a.application_name, a.backend_start
    FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.classid::bigint = %s AND l.objid::bigint = %s
"""


def key_of(study: str) -> int:
    """Returns the key of a study's lock: the same in every database, process and version."""
    digest = hashlib.sha256(f"mnist-hpo:{study}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def owner_in(connection: psycopg.Connection[Any], study: str) -> str | None:
    """Returns who owns a study right now, in words; None: nobody.

    The owner's name and time are its session's own, so they go when the lock goes.
    """
    holder = _holder(connection, study)
    if holder is None:
        return None
    _, name, since = holder
    if not name or not name.startswith(_PREFIX):
        return "another process"
    # The server hides when a session began from roles without a right to know.
    began = (
        "" if since is None else f" since {since.astimezone(UTC).isoformat(timespec='seconds')}"
    )
    return f"{name.removeprefix(_PREFIX)}{began}"


def _holder(connection: psycopg.Connection[Any], study: str) -> tuple[Any, ...] | None:
    key = key_of(study) & (2**64 - 1)
    return connection.execute(_HOLDER, (key >> 32, key & (2**32 - 1))).fetchone()


@final
class AdvisoryLock(AbstractLock):
    """Holds a study by a session of its own, from `acquire` to `release` or the session's end."""

    def __init__(self, url: PostgresUrl, study: str) -> None:
        self._url = url
        self._study = study
        self._name = f"{_PREFIX}pid {os.getpid()} on {socket.gethostname()}"[:_LONGEST_NAME]
        self._connection: Connection | None = None
        self._lost: int | None = None
        """The server's number of our session that broke off, until the lock is ours again."""

    def acquire(self) -> Self:
        try:
            self._take()
        except psycopg.Error as error:
            detail = detail_of(error, self._url)
            raise LedgerError(f"Cannot lock the ledger {self._url}: {detail}.") from None
        return self

    def release(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def retake(self) -> bool:
        """Makes sure that the lock is still ours; to be asked before each write.

        Returns:
            Whether it was lost, and taken again.

        Raises:
            StudyOwned: it was lost, and another process has it.
            Unanswered: it was lost, and the server does not answer yet.
        """
        if self._is_held():
            return False
        if self._connection is not None:
            self._lost = self._connection.info.backend_pid
        self.release()
        try:
            self._take()
        except psycopg.Error as error:
            raise Unanswered(detail_of(error, self._url)) from None
        return True

    def _is_held(self) -> bool:
        """Asks the server, through the very session that should have the lock.

        A session that answers is not enough: a pooler may have given us another one.
        """
        if self._connection is None:
            return False
        try:
            holder = _holder(self._connection, self._study)
        except psycopg.Error:
            return False
        return holder is not None and holder[0] == self._connection.info.backend_pid

    def _take(self) -> None:
        connection = connect(self._url, name=self._name, autocommit=True)
        try:
            connection.execute(_KEEPALIVES)
            (taken,) = connection.execute(
                "SELECT pg_try_advisory_lock(%s)", (key_of(self._study),)
            ).fetchone() or (False,)
            if not taken:
                self._refuse(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._lost = connection, None

    def _refuse(self, connection: Connection) -> None:
        holder = _holder(connection, self._study)
        if holder is not None and (holder[0], holder[1]) == (self._lost, self._name):
            # The server has not noticed yet that our former session is cut off.
            raise psycopg.OperationalError("our lost session still has the study's lock")
        raise StudyOwned(self._study, owner_in(connection, self._study) or "another process")
