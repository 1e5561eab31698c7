"""v2: sends lines, and shows what comes, at the same time.  Usage: client.py [HOST [PORT]]"""
import contextlib
import codecs
import os
import select
import socket
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import (PIECE, Failure, client_operands, command_line, connect_to, out, read_stdin, reason_of,
                    run)


class Screen:
    """Stdout. On a terminal, what could drive it is shown as \\xHH."""

    def __init__(self):
        self.is_terminal = os.isatty(1)
        # Keeps the beginning of a character back until the rest of it comes.
        self.decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def show(self, data, last=False):
        if self.is_terminal:
            text = self.decoder.decode(data, last)
            data = b"".join(map(harmless, text))
        out.write(data)
        if out.error:
            raise Failure(f"cannot write to stdout: {out.error}")


def harmless(char):
    data = char.encode("utf-8", "surrogateescape")
    if char in "\n\t" or " " <= char <= "~" or char >= "\u00a0" and not "\udc80" <= char <= "\udcff":
        return data
    return b"".join(b"\\x%02x" % byte for byte in data)


def whole_lines(data, ended):
    """Splits off a line that is not complete: in the end, or when it is very long, it goes too."""
    end = len(data) if ended or len(data) >= PIECE else data.rfind(b"\n") + 1
    return memoryview(data[:end]), data[end:]


def talk(sock, screen):
    rest, partial, ended, half_closed = memoryview(b""), b"", False, False
    sock.setblocking(False)
    while True:
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if rest else 0))
        if not ended and not rest:
            poll.register(0, select.POLLIN)
        ready = dict(poll.poll())
        if ready.get(sock.fileno(), 0) & ~select.POLLOUT:
            data = sock.recv(PIECE)
            if not data:
                break
            screen.show(data)
        if 0 in ready:
            data = read_stdin()
            ended = data == b""
            rest, partial = whole_lines(partial + (data or b""), ended)
        if rest:
            try:
                rest = rest[sock.send(rest):]
            except BlockingIOError:
                pass
        if ended and not rest and not half_closed:
            with contextlib.suppress(OSError):  # reset already: recv() says so
                sock.shutdown(socket.SHUT_WR)
            half_closed = True
    if not half_closed:
        raise ConnectionResetError


def main():
    _, operands, usage = command_line("[HOST [PORT]]", "", 2)
    port = client_operands(operands, usage, 65432)
    host = operands[0] if operands else "127.0.0.1"
    sock, _ = connect_to(host, port)
    screen = Screen()
    try:
        try:
            talk(sock, screen)
        finally:
            screen.show(b"", last=True)
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise Failure("connection closed by server")
        raise Failure(f"connection failed: {reason_of(error)}")
    sock.close()


run(main, is_server=False)
