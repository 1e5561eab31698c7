"""v1.1: many echo connections at once, in one thread.

Usage: client.py [-q] [HOST [PORT [NUM_CLIENTS [MESSAGE ...]]]]

Each connection is a generator that yields the events it waits for; poll wakes it when they come.
"""
import errno
import os
import select
import socket
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import (PIECE, PREFIX, Failure, addr, client_operands, command_line, complain, number,
                    operands_text, out, quoted, raise_descriptor_limit, reason_of, resolve, run)

DEFAULT_MESSAGES = [b"Message 1 from client.", b"Message 2 from client."]


def connect(index, addresses):
    """Tries each address in turn, without blocking. Returns the connected socket."""
    error = None
    for family, kind, proto, _, address in addresses:
        sock = socket.socket(family, kind, proto)
        sock.setblocking(False)
        out.line(f"Client starts connection {index} to {addr(address)}")
        error = sock.connect_ex(address)
        if error == errno.EINPROGRESS:
            yield sock, select.POLLOUT
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not error and sock.getsockname() == address:
            error = errno.ECONNREFUSED  # nobody listens: it is connected to itself
        if not error:
            return sock
        sock.close()
    raise OSError(error, os.strerror(error))


def echo(sock, message):
    """Sends a message while its echo comes back. Returns the echo's first bytes, and if it differs."""
    sent, size, prefix, same = 0, 0, b"", True
    while size < len(message):
        unsent = select.POLLOUT if sent < len(message) else 0
        yield sock, select.POLLIN | unsent
        try:
            if unsent:
                sent += sock.send(memoryview(message)[sent:])
        except BlockingIOError:
            pass
        try:
            data = sock.recv(min(PIECE, len(message) - size))
        except BlockingIOError:
            continue
        if not data:
            raise ConnectionResetError
        same = same and data == message[size:size + len(data)]
        size += len(data)
        prefix += data[:PREFIX - len(prefix)]
    return prefix, same


def converse(index, addresses, messages, tell):
    """One connection, from its start to its end."""
    sock = yield from connect(index, addresses)
    try:
        for message in messages:
            tell(f"Client sends {quoted(message)} on connection {index}")
            prefix, same = yield from echo(sock, message)
            tell(f"Client receives {quoted(prefix, len(message))} on connection {index}")
            if not same:
                raise Failure("the echo differs from what was sent")
        out.line(f"Client closes connection {index}")
    except ConnectionError:
        raise Failure("connection closed by server")
    finally:
        sock.close()


class Client:
    def __init__(self):
        self.poll, self.waiting, self.done = select.poll(), {}, 0

    def resume(self, index, conversation):
        """Lets a conversation go on until it waits again, or ends."""
        try:
            sock, events = next(conversation)
            self.waiting[sock.fileno()] = index, conversation
            self.poll.register(sock, events)
        except StopIteration:
            self.done += 1
        except (Failure, OSError) as error:
            why = reason_of(error) if isinstance(error, OSError) else error
            complain(f"connection {index}: {why}")

    def run(self):
        while self.waiting:
            for fd, _ in self.poll.poll():
                self.poll.unregister(fd)
                self.resume(*self.waiting.pop(fd))


def main():
    options, operands, usage = command_line("[-q] [HOST [PORT [NUM_CLIENTS [MESSAGE ...]]]]", "q",
                                            sys.maxsize)
    port = client_operands(operands, usage, 65432)
    host = operands[0] if operands else "127.0.0.1"
    clients = number(operands[2], 1, "NUM_CLIENTS", usage) if len(operands) > 2 else 2
    messages = [os.fsencode(message) for message in operands[3:]] or DEFAULT_MESSAGES
    raise_descriptor_limit()
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise Failure(f"cannot connect to {operands_text(host, port)}: {reason_of(error)}")
    tell = out.line if "q" not in options else lambda text: None
    client = Client()
    for index in range(1, clients + 1):
        client.resume(index, converse(index, addresses, messages, tell))
    client.run()
    out.line(f"Client echoed on {client.done} of {clients} connections")
    if client.done < clients:
        sys.exit(1)


run(main, is_server=False)
