"""A server of a test's own, on a free port of this machine."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def serving(
    handler: type[socketserver.StreamRequestHandler], *, context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve until the block ends, with a context over TLS; yields the port."""
    with _Server(("127.0.0.1", 0), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
