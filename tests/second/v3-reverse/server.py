"""v3: answers each message with its reverse.  Usage: server.py [-q] [[HOST] PORT]

New: a message is a line, however TCP cuts the stream. One client at a time.
"""
import os
import select
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import (PIECE, Acceptor, Stop, addr, command_line, complain, escaped, linger, listen_on,
                    numeric, out, poll_one, raise_descriptor_limit, run, server_operands, unread)

LONGEST = 65536  # bytes in a message, its ending not counted


def reverse(message):
    text = message.decode("utf-8", "surrogateescape")  # a stray byte becomes a character
    return text[::-1].encode("utf-8", "surrogateescape")


class TooLong(Exception):
    pass


class Messages:
    """Cuts a client's stream into messages with their endings."""

    def __init__(self):
        self.buffer, self.ended = b"", False
        self.left = None  # once stopping: the bytes that had arrived, and are unread

    def add(self, data):
        self.buffer += data
        self.ended = not data

    def next(self):
        """The next message and its ending, or None if it is not complete."""
        line, newline, rest = self.buffer.partition(b"\n")
        if newline:
            self.buffer = rest
            if line.endswith(b"\r"):
                line, newline = line[:-1], b"\r\n"
        elif self.ended and line:
            self.buffer = b""
        elif not self.ended and len(line) == LONGEST + 1 and line.endswith(b"\r"):
            return None  # the \r may belong to the ending
        elif len(line) <= LONGEST:
            return None
        if len(line) > LONGEST:
            raise TooLong
        return line, newline


class Server:
    def __init__(self, listener, quiet):
        self.acceptor, self.stop, self.quiet = Acceptor(listener), Stop(), quiet

    def next_client(self):
        """Waits for a client. Once a signal has come, takes only one who was there; else None."""
        while True:
            wait = self.acceptor.timeout()
            if self.stop.called:
                return self.acceptor.accept() if self.stop.time_left() else None
            if wait is None:
                self.stop.wait(self.acceptor.listener, select.POLLIN)
            else:
                self.stop.sleep(wait)
            client = self.acceptor.accept()
            if client:
                return client

    def receive(self, sock, messages):
        """Takes more of the stream. Gives False when no more will come, or the client is gone."""
        if messages.ended:
            return False
        if not self.stop.called:
            self.stop.wait(sock, select.POLLIN)
        if self.stop.called and messages.left is None:
            messages.left = unread(sock)
        size = PIECE
        if messages.left is not None:
            # What has arrived is answered, and the end too, if it has.
            if messages.left < 0 or not poll_one(sock, select.POLLIN, 1):
                return False
            size = min(PIECE, messages.left) or 1
            messages.left -= size
        try:
            messages.add(sock.recv(size))
        except BlockingIOError:
            pass
        return True

    def answer(self, sock, message, ending):
        if not self.quiet:
            out.line(f"Server received: {escaped(message)}")
        reply = reverse(message)
        if not self.stop.send(sock, reply + ending):
            return False
        if not self.quiet:
            out.line(f"Server sent: {escaped(reply)}")
        return True

    def converse(self, sock, messages):
        """Answers until the client leaves. Gives True if it said `end`."""
        while True:
            message = messages.next()
            if message:
                if not self.answer(sock, *message):
                    return message[0] == b"end"
                if message[0] == b"end":
                    return True
            elif not self.receive(sock, messages):
                return False

    def serve(self, sock, address):
        """Serves one client. Gives True if the server is to end."""
        sock.setblocking(False)
        name = "('{}', {})".format(*numeric(address))
        messages = Messages()
        out.line(f"Server connection made with client {name}")
        try:
            end = self.converse(sock, messages)
            if end:
                out.line('Server termination called by "end"')
            elif messages.ended or not self.stop.called:
                out.line(f"Server connection closed by client {name}")
        except TooLong:
            complain(f"message longer than {LONGEST} bytes from {addr(address)}")
            end = False
        except OSError:
            out.line(f"Server connection closed by client {name}")
            end = False
        linger(sock, self.stop)
        sock.close()
        return end

    def run(self):
        while True:
            client = self.next_client()
            if client is None:
                out.line("Server termination called by signal")
                return
            if self.serve(*client):
                return


def main():
    options, operands, usage = command_line("[-q] [[HOST] PORT]", "q", 2)
    host, port = server_operands(operands, usage, "0.0.0.0", 7200)
    raise_descriptor_limit()
    listener = listen_on(host, port)
    server = Server(listener, "q" in options)
    out.line(f"Server can now receive from port {listener.getsockname()[1]}")
    server.run()


run(main, is_server=True)
