"""v1.1: an echo server for many clients in one thread.  Usage: server.py [-q] [[HOST] PORT]

New: poll says which sockets are ready. A client's next piece is read when the last one is gone,
so that a client that does not read costs one piece of memory and nobody's time.
"""
import os
import select
import socket
import sys
import time
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import (PIECE, Acceptor, Stop, addr, command_line, listen_on, out, quoted,
                    raise_descriptor_limit, run, server_operands, unread)


class Connection:
    def __init__(self, sock, address, quiet):
        sock.setblocking(False)
        self.sock, self.name, self.quiet = sock, addr(address), quiet
        self.owed = memoryview(b"")  # read, and not yet echoed
        self.left = None             # once stopping: the bytes that had arrived, and are unread
        self.draining = False        # all is echoed and our half is closed; the rest is thrown away

    def step(self):
        """Does what is possible now. Gives False when the connection is over."""
        try:
            if self.draining:
                return bool(self.sock.recv(PIECE))
            if not self.owed and self.left != 0:
                data = self.sock.recv(PIECE if self.left is None else min(PIECE, self.left))
                if not data:
                    return False
                if self.left is not None:
                    self.left -= len(data)
                if not self.quiet:
                    out.line(f"Server echoes {quoted(data)} to {self.name}")
                self.owed = memoryview(data)
            if self.owed:
                self.owed = self.owed[self.sock.send(self.owed):]
            self.end_half()
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def stop(self):
        """From now on takes no more than what has already arrived."""
        self.left = unread(self.sock)
        try:
            self.end_half()
        except OSError:
            pass  # reset: the next step sees it

    def end_half(self):
        if self.left == 0 and not self.owed and not self.draining:
            self.draining = True
            self.sock.shutdown(socket.SHUT_WR)

    def give_up(self):
        """What the client has not taken by now is not sent. What still comes must be read all the same:
        closing with unread input would reset the connection."""
        self.left, self.owed = 0, b""
        try:
            self.end_half()
        except OSError:
            pass

    def events(self):
        return select.POLLOUT if self.owed else select.POLLIN


class Server:
    def __init__(self, listener, quiet):
        self.acceptor, self.stop, self.quiet = Acceptor(listener), Stop(), quiet
        self.poll, self.connections, self.total = select.poll(), {}, 0

    def serve(self):
        listener = self.acceptor.listener
        self.poll.register(self.stop.fd, select.POLLIN)
        while not self.stop.called:
            wait = self.acceptor.timeout()
            if wait is None:
                self.poll.register(listener, select.POLLIN)
            ready = [fd for fd, _ in self.poll.poll(wait)]
            for fd in ready:
                if fd in self.connections:
                    self.step(fd)
            if wait is None:
                self.poll.unregister(listener)
            if listener.fileno() in ready:
                self.accept()
        while self.accept():
            pass  # whoever was there before the signal
        listener.close()

    def accept(self):
        client = self.acceptor.accept()
        if client:
            self.total += 1
            connection = Connection(*client, self.quiet)
            self.connections[client[0].fileno()] = connection
            self.poll.register(client[0], select.POLLIN)
            out.line(f"Server accepts connection from {connection.name}")
        return client

    def step(self, fd):
        connection = self.connections[fd]
        if connection.step():
            self.poll.modify(fd, connection.events())
        else:
            self.close(fd)

    def close(self, fd):
        connection = self.connections.pop(fd)
        self.poll.unregister(fd)
        out.line(f"Server closes connection to {connection.name}")
        connection.sock.close()

    def finish(self):
        self.poll.unregister(self.stop.fd)
        for connection in self.connections.values():
            connection.stop()
        self.step_all(self.stop.time_left() / 2)
        for fd, connection in self.connections.items():
            connection.give_up()
            self.poll.modify(fd, select.POLLIN)
        self.step_all(self.stop.time_left())
        for fd in list(self.connections):
            self.close(fd)
        out.line(f"Server stops after {self.total} connections")


    def step_all(self, seconds):
        until = time.monotonic() + seconds
        while self.connections and time.monotonic() < until:
            for fd, _ in self.poll.poll((until - time.monotonic()) * 1000):
                self.step(fd)


def main():
    options, operands, usage = command_line("[-q] [[HOST] PORT]", "q", 2)
    host, port = server_operands(operands, usage, "127.0.0.1", 65432)
    raise_descriptor_limit()
    listener = listen_on(host, port)
    server = Server(listener, "q" in options)
    out.line(f"Server listens on {addr(listener.getsockname())}")
    server.serve()
    server.finish()


run(main, is_server=True)
