"""v2: an echo server with a thread for each client.  Usage: server.py [-b] [-q] [[HOST] PORT]

With -b each message goes to everyone. The thread that has read it sends it to all, and holds one
lock meanwhile: that gives all clients the same order, and lets the senders wait for slow readers.
"""
import os
import select
import socket
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import threading
import time
from common import (PIECE, Acceptor, Stop, command_line, ip_and_port, linger, listen_on, out,
                    quoted, raise_descriptor_limit, run, server_operands, unread, untaken)

WELCOME = b"\n\nWelcome to my server\n\n\n"
STALL_TIME = 1.0       # seconds after which a client that takes nothing is dropped
STOP_STALL_TIME = 0.1  # the same when the server stops: the others have little time
LOOK_TIME = 0.05       # seconds between looks at the clients that are waited for
# A system frees what it has received when all of a record was read: small ones show progress.
RECORD = 2048


class Member:
    """A client, and what its thread knows of it. With -b, Room.order guards the last five."""

    def __init__(self, sock, address):
        sock.setblocking(False)
        self.sock, self.name = sock, ip_and_port(address)
        self.left = None        # once stopping: the bytes that had arrived, and are unread
        self.dropped = False
        self.sent = self.taken = 0  # bytes given to the system, and those that the peer has
        self.since = 0.0            # when `taken` last grew, or the client began to be owed
        self.rest = b""             # of the message that goes out, what is not yet sent

    def look(self, now):
        """Notes progress. Gives how long the client has taken nothing of what it is owed."""
        queued = untaken(self.sock)
        if self.sent - queued != self.taken or not queued and not self.rest:
            self.taken, self.since = self.sent - queued, now
        return now - self.since

    def send_some(self):
        """Sends what fits. Gives False when the client is gone."""
        try:
            while self.rest:
                count = self.sock.send(self.rest[:RECORD], socket.MSG_EOR)
                self.sent += count
                self.rest = self.rest[count:]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True


class Room:
    def __init__(self, broadcast, quiet):
        self.broadcast, self.quiet, self.stop = broadcast, quiet, Stop()
        self.order = threading.Lock()          # held while a message goes out
        self.members = set()                   # who gets messages; guarded by order
        self.changed = threading.Condition()
        self.readers = self.alive = 0          # guarded by changed

    def join(self, member):
        with self.order:
            member.rest = memoryview(WELCOME)
            member.send_some()                 # a new socket has room for so little
            self.members.add(member)

    def leave(self, member):
        with self.order:
            self.members.discard(member)

    def read(self, member):
        """The next piece from a client, b"" at its end; once stopping, of what has arrived."""
        try:
            while True:
                if member.left is None:
                    self.stop.wait(member.sock, select.POLLIN)
                    if self.stop.called:
                        member.left = unread(member.sock)
                size = PIECE if member.left is None else min(PIECE, member.left)
                if size == 0:
                    return b""
                try:
                    data = member.sock.recv(size)
                except BlockingIOError:
                    continue
                if member.left is not None:
                    member.left -= len(data)
                return data
        except OSError:
            return b""

    def echo(self, member, data):
        """Gives False when the client cannot go on."""
        if not self.broadcast:
            self.tell(member, data)
            return self.stop.send(member.sock, data)
        with self.order:
            self.tell(member, data)
            self.send_to_all(data)
        return not member.dropped

    def tell(self, member, data):
        if not self.quiet:
            out.line(f"[+] Message | {member.name} | {quoted(data)}")

    def send_to_all(self, data):
        now = time.monotonic()
        for member in self.members:
            member.look(now)
            member.rest = memoryview(data)
        waiting = self.send_some(self.members)
        while waiting:
            poll = select.poll()
            for member in waiting:
                poll.register(member.sock, select.POLLOUT)
            poll.poll(LOOK_TIME * 1000)
            waiting = self.send_some(waiting)
            now = time.monotonic()
            patience = STOP_STALL_TIME if self.stop.called else STALL_TIME
            stalled = {member for member in self.members if member.look(now) >= patience}
            if stalled & waiting:
                self.drop(stalled)
                waiting -= stalled
            if self.stop.called and not self.stop.time_left():
                self.drop(waiting)
                return

    def send_some(self, members):
        """Sends to each what fits. Gives those that are still owed something."""
        gone = {member for member in members if not member.send_some()}
        self.members -= gone                   # the thread of each sees its end, too
        return {member for member in members - gone if member.rest}

    def drop(self, members):
        for member in members:
            member.dropped = True
            self.members.discard(member)
            try:
                member.sock.shutdown(socket.SHUT_RDWR)   # wakes its thread
            except OSError:
                pass  # the client has gone by itself

    def enter(self):
        with self.changed:
            self.readers += 1
            self.alive += 1

    def all_read(self):
        """This client has said all. Once stopping, waits until what the others said has gone out."""
        with self.changed:
            self.readers -= 1
            self.changed.notify_all()
            if self.broadcast and self.stop.called:
                self.changed.wait_for(lambda: not self.readers, self.stop.time_left())

    def gone(self):
        with self.changed:
            self.alive -= 1
            self.changed.notify_all()

    def wait_until_empty(self):
        with self.changed:
            self.changed.wait_for(lambda: not self.alive, self.stop.time_left() + 0.3)


class Worker(threading.Thread):
    """Waits for its client: who has no thread is left in the backlog."""

    def __init__(self, room):
        super().__init__(daemon=True)
        self.room, self.member, self.given = room, None, threading.Event()

    def give(self, member):
        self.member = member
        self.given.set()

    def run(self):
        self.given.wait()
        room, member = self.room, self.member
        room.join(member)
        while True:
            data = room.read(member)
            if not data or not room.echo(member, data):
                break
        room.all_read()
        room.leave(member)
        if room.stop.called and not member.dropped:
            linger(member.sock, room.stop)
        how = "Slow client dropped" if member.dropped else "Connection closed"
        out.line(f"[-] {how} | {member.name}")
        member.sock.close()
        room.gone()


def serve(listener, room):
    """Accepts until a signal comes. Gives the number of connections."""
    acceptor, worker, total = Acceptor(listener), None, 0
    while not room.stop.called:
        if acceptor.timeout() is None:
            room.stop.wait(listener, select.POLLIN)
        else:
            room.stop.sleep(acceptor.timeout())
        if worker is None:
            try:
                worker = Worker(room)
                worker.start()
            except (RuntimeError, MemoryError):
                worker = None
                acceptor.run_out("cannot start a thread")
                continue
        client = acceptor.accept()
        if client:
            total += 1
            member = Member(*client)
            out.line(f"[+] Connection established | {member.name}\n")
            room.enter()
            worker.give(member)
            worker = None
    return total


def prepare(listener):
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def main():
    options, operands, usage = command_line("[-b] [-q] [[HOST] PORT]", "bq", 2)
    host, port = server_operands(operands, usage, "127.0.0.1", 65432)
    raise_descriptor_limit()
    threading.stack_size(512 * 1024)
    out.line(f"[+] Open port {port}\n[+] Broadcast option: {'b' in options}\n")
    out.line(f"[+] Created socket\n[+] Binding socket to port: {port}\n")
    room = Room("b" in options, "q" in options)
    listener = listen_on(host, port, prepare)
    out.line(f"[+] Listening | {ip_and_port(listener.getsockname())}\n")
    total = serve(listener, room)
    listener.close()
    room.wait_until_empty()
    out.line(f"[+] Stopped after {total} connections")
    os._exit(0)  # without waiting for a thread that has no client


run(main, is_server=True)
