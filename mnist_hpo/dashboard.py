"""Optuna's dashboard behind a door that lets nothing be written.

Its pages have buttons that rename, annotate and delete studies. Two things keep a ledger from
that: the storage is opened for reading only, and other requests are refused with a sentence.
"""

import contextlib
import json
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna_dashboard import wsgi

from search.place import AbstractPlace
from search.quiet import quiet_optuna

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
"""The dashboard knows no passwords, so other machines cannot reach it."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

_REFUSAL = json.dumps(
    {"reason": "This dashboard only reads: `mnist-hpo` alone writes a study."}
).encode()


class ReadingOnly:
    """A web application without everything that changes something."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answers a request for reading; refuses any other with 403."""
        if environ.get("REQUEST_METHOD") in _READING:
            return self._application(environ, start_response)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(_REFUSAL)))]
        start_response("403 Forbidden", headers)
        return [_REFUSAL]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as inherited
        """Says nothing: a line a picture helps nobody."""


def serve(place: AbstractPlace, study: str, *, port: int, told: Callable[[str], None]) -> None:
    """Serves the dashboard until Ctrl-C.

    Args:
        place: Where the ledger is.
        study: Which study's page is named.
        port: Of this machine; 0: a free one.
        told: Told the address once it answers.

    Raises:
        OSError: the port cannot be had.
        LedgerError: the ledger cannot be read.
    """
    with quiet_optuna():
        storage = place.viewing()
        number = storage.get_study_id_from_name(study)
        application = ReadingOnly(wsgi(storage))
        with make_server(
            HOST, port, application, server_class=_Server, handler_class=_Silent
        ) as own:
            told(f"http://{HOST}:{own.server_port}/dashboard/studies/{number}")
            with contextlib.suppress(KeyboardInterrupt):
                own.serve_forever()
    storage.remove_session()
    storage.engine.dispose()
