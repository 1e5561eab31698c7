"""v1.0: sends a message, and compares its echo.  Usage: client.py [-q] [HOST [PORT [MESSAGE]]]"""
import contextlib
import hashlib
import os
import select
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import socket
import common
from common import (PIECE, PREFIX, Failure, addr, client_operands, command_line, connect_to,
                    err, out, quoted, read_stdin, reason_of, run)


class Tally:
    """What is known of a stream in constant memory: its size, its first bytes, its digest."""

    def __init__(self):
        self.size, self.prefix, self.digest = 0, b"", hashlib.sha256()

    def add(self, data):
        self.size += len(data)
        self.prefix += bytes(data[:PREFIX - len(self.prefix)])
        self.digest.update(data)

    def __str__(self):
        return quoted(self.prefix, self.size)

    def same(self, other):
        return (self.size, self.digest.digest()) == (other.size, other.digest.digest())


def exchange(sock, message, tell):
    """Sends and receives at once, so that neither side waits for the other for ever."""
    sent, received = Tally(), Tally()
    from_stdin = message is None
    rest, ended = memoryview(message or b""), not from_stdin
    sock.setblocking(False)
    half_closed = False
    while True:
        if ended and not rest and not half_closed:
            tell(f"Client sends {sent}")
            with contextlib.suppress(OSError):  # reset already: recv() says so
                sock.shutdown(socket.SHUT_WR)
            half_closed = True
        if half_closed and received.size == sent.size:
            break
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if rest else 0))
        if not ended and not rest:
            poll.register(0, select.POLLIN)
        ready = dict(poll.poll())
        if 0 in ready:
            data = read_stdin()
            ended = data == b""
            rest = memoryview(data or b"")
        try:
            if rest:
                count = sock.send(rest)
                sent.add(rest[:count])
                rest = rest[count:]
        except BlockingIOError:
            pass
        if ready.get(sock.fileno(), 0) & ~select.POLLOUT:
            receive(sock, sent, received, from_stdin)
    tell(f"Client receives {received}")
    if not received.same(sent):
        raise Failure("the echo differs from what was sent")


def receive(sock, sent, received, to_stdout):
    # Never more than was sent: what comes behind the echo is not asked for.
    try:
        data = sock.recv(min(PIECE, sent.size - received.size) or 1)
    except BlockingIOError:
        return
    if not data:
        raise ConnectionResetError
    received.add(data)
    if received.size > sent.size:
        raise Failure("the echo differs from what was sent")
    if to_stdout:
        out.write(data)
        if out.error:
            raise Failure(f"cannot write to stdout: {out.error}")


def main():
    options, operands, usage = command_line("[-q] [HOST [PORT [MESSAGE]]]", "q", 3)
    port = client_operands(operands, usage, 65432)
    host = operands[0] if operands else "127.0.0.1"
    message = os.fsencode(operands[2]) if len(operands) > 2 else b"Hello, world"
    lines = out
    if message == b"-":
        message, lines = None, err
    sock, address = connect_to(host, port)
    name = addr(address)
    lines.line(f"Client connects to {name}")
    try:
        exchange(sock, message, lines.line if "q" not in options else lambda text: None)
    except (ConnectionError, common.socket.error) as error:
        if isinstance(error, ConnectionError):
            raise Failure("connection closed by server")
        raise Failure(f"connection to {name} failed: {reason_of(error)}")
    lines.line(f"Client closes connection to {name}")
    sock.close()


run(main, is_server=False)
