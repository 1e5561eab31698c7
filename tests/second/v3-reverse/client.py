"""v3: sends messages, and shows their reverse.  Usage: client.py [HOST [PORT]]"""
import os
import select
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import (PIECE, Failure, client_operands, command_line, complain, connect_to, escaped,
                    out, read_stdin, reason_of, run)

LONGEST = 65536  # bytes in a message, its ending not counted
KEPT = LONGEST + 2  # of a line that is too long, no more than shows that it is


class Client:
    def __init__(self, sock):
        self.sock, self.replies = sock, b""
        self.input, self.input_ended = b"", False

    def say(self, text):
        out.write(text.encode("utf-8", "surrogateescape"))
        if out.error:
            raise Failure(f"cannot write to stdout: {out.error}")

    def receive(self):
        data = self.sock.recv(PIECE)
        if not data:
            raise ConnectionResetError
        self.replies += data
        if b"\n" not in self.replies and len(self.replies) > KEPT:
            raise Failure(f"reply longer than {LONGEST} bytes")

    def reply(self, message):
        while b"\n" not in self.replies:
            self.receive()
        line, _, self.replies = self.replies.partition(b"\n")
        if message.startswith(b"\r") and not message.endswith(b"\r"):
            return line  # it ends with the return that the message began with
        return line[:-1] if line.endswith(b"\r") else line

    def read_input(self):
        """Waits for input, and watches the server meanwhile: it may close at any time."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        poll.register(0, select.POLLIN)
        ready = [fd for fd, _ in poll.poll()]
        if self.sock.fileno() in ready:
            self.receive()
        if 0 not in ready:
            return
        data = read_stdin()
        if data is None:
            return
        self.input_ended = not data
        if b"\n" not in self.input and len(self.input) > KEPT:
            # Too long already: keep its end, where the newline may come, and throw the rest away.
            self.input = self.input[:KEPT]
        self.input += data

    def next_line(self):
        """The next line of input without its newline, or None at the end."""
        while b"\n" not in self.input and not self.input_ended:
            self.read_input()
        line, newline, self.input = self.input.partition(b"\n")
        if os.isatty(0) and not newline and line:
            self.say("\n")  # the terminal has shown no end of the line
        return line if line or newline else None

    def run(self):
        while True:
            self.say("Client enter message: ")
            line = self.next_line()
            if line is None:
                self.say("\n")
                return
            message = line[:-1] if line.endswith(b"\r") else line
            too_long = len(message) > LONGEST
            if not os.isatty(0):
                self.say(("" if too_long else escaped(message)) + "\n")
            if too_long:
                complain(f"message longer than {LONGEST} bytes")
                continue
            self.sock.sendall(line + b"\n")
            reply = self.reply(line)
            self.say(f"Client received: {escaped(reply)}\n")
            if message == b"end" and reply == b"dne":
                self.say('Client termination called by message "end" and response "dne"\n')
                return


def main():
    _, operands, usage = command_line("[HOST [PORT]]", "", 2)
    port = client_operands(operands, usage, 7200)
    host = operands[0] if operands else "localhost"
    sock, _ = connect_to(host, port)
    out.line(f"Client connection made with server at {host} : {port}")
    try:
        Client(sock).run()
    except ConnectionError:
        raise Failure("connection closed by server")
    except OSError as error:
        raise Failure(f"connection failed: {reason_of(error)}")
    sock.close()


run(main, is_server=False)
