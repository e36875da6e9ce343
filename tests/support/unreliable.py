"""Connections that break: silence, and a TCP proxy that cuts transfers short, is down for a while, or loses headers."""

import socket
import threading
from contextlib import contextmanager, suppress

_CHUNK = 1 << 16


class Proxy:
    """Forwards connections to a port of 127.0.0.1, in threads of its own."""

    def __init__(self, target, port=0):
        self.target, self.is_down, self.cuts, self.cut_after = target, False, 0, 0
        """`cuts`: of so many connections, only `cut_after` bytes of the answer arrive."""
        self.accepted = 0
        self.renamed = {}
        """What takes the place of bytes that clients send, such as a header's name, which must be as long."""
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self._open = set()
        threading.Thread(target=self._serve, daemon=True).start()

    def down(self):
        """Refuse new connections, and end those that are open."""
        self.is_down = True
        for connection in list(self._open):
            _end(connection)

    def up(self):
        self.is_down = False

    def close(self):
        self.down()
        _end(self._server)

    def _serve(self):
        with suppress(OSError):  # it is closed
            while True:
                client, _ = self._server.accept()
                self.accepted += 1
                if self.is_down:
                    _end(client)
                    continue
                upstream = socket.create_connection(("127.0.0.1", self.target))
                self._open |= {client, upstream}
                for source, sink in ((client, upstream), (upstream, client)):
                    threading.Thread(target=self._forward, args=(source, sink, sink is client), daemon=True).start()

    def _forward(self, source, sink, is_answer):
        passed = 0
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                for old, new in () if is_answer else self.renamed.items():
                    data = data.replace(old, new)
                if is_answer and self.cuts and passed + len(data) > self.cut_after:
                    self.cuts -= 1
                    sink.sendall(data[: max(0, self.cut_after - passed)])
                    break
                sink.sendall(data)
                passed += len(data)
        for connection in (source, sink):
            self._open.discard(connection)
            _end(connection)


def _end(connection):
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def silence():
    """Yield a port of 127.0.0.1 that does not answer: no connection comes about, none is refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        waiting = [socket.socket() for _ in range(2)]  # they fill the queue
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        yield address[1]
    for each in waiting:
        each.close()


@contextmanager
def proxy(target, port=0):
    """Yield a `Proxy` to the port `target`, at a port of its own unless one is named."""
    made = Proxy(target, port)
    try:
        yield made
    finally:
        made.close()
