"""A port that leads to a server, until it is closed: a server that goes away for a while."""

import socket
import threading
from contextlib import suppress

from ingest_pipeline_tests.embedded import free_port


class Forwarder:
    """Passes what comes to `port` on to another port of this machine, in both directions."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []

    def open(self) -> None:
        """Take connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Take none, and break those that stand."""
        if self._listener is None:
            return
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._listener, self._open = None, []

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                theirs, _ = listener.accept()
                ours = socket.create_connection(("127.0.0.1", self._target))
                self._open += [theirs, ours]
                for source, sink in ((theirs, ours), (ours, theirs)):
                    threading.Thread(target=_pass, args=(source, sink), daemon=True).start()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
