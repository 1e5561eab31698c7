"""An echo server with Python's selectors.

    python-selectors.py PORT

What a client does not take at once waits, and until it has gone, nothing more is read from it.
"""
import selectors
import socket
import sys

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
selector = selectors.DefaultSelector()


def enter(listener):
    client, _ = listener.accept()
    client.setblocking(False)
    selector.register(client, READ, b"")


def serve(client, waiting):
    """Echoes what has come, or goes on with what waits."""
    data = waiting or client.recv(65536)
    if not data:
        raise ConnectionError
    try:
        rest = data[client.send(data):]
    except BlockingIOError:
        rest = data
    if rest or waiting:
        selector.modify(client, WRITE if rest else READ, rest)


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setblocking(False)
    selector.register(listener, READ)
    while True:
        for key, _ in selector.select():
            try:
                if key.fileobj is listener:
                    enter(listener)
                else:
                    serve(key.fileobj, key.data)
            except BlockingIOError:
                pass
            except ConnectionError:
                selector.unregister(key.fileobj)
                key.fileobj.close()


main()
