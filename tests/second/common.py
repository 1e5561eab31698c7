"""What the programs of all stages share: command line, quoting, addresses, output, stopping.

A second implementation of the contract, in another language and read independently of the C
programs, so that the suites can be seen to rest on the contract alone.
"""
import errno
import fcntl
import os
import re
import resource
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time

PIECE = 65536        # bytes that one read takes at most
SHOWN = 64           # characters between the quotes of QUOTED
PREFIX = 1024        # bytes of a message that are kept to show it: 64 characters fit in
STOP_TIME = 1.2      # seconds for the last bytes after a signal; the contract gives 2
LINGER_TIME = 1.5    # seconds after which a lingering close gives up
RETRY_TIME = 0.1     # seconds between attempts to accept while something is exhausted
PATIENCE = 0.2       # seconds that a server waits for a reader of its output that is there
NAME = os.path.splitext(os.path.basename(sys.argv[0]))[0]


class Failure(Exception):
    """The program cannot go on: one line on stderr, exit status 1."""


# ---- Output ----

class Output:
    """Lines to a descriptor, each one at once. A server's output may be lost, a client's may not."""

    def __init__(self, fd):
        self.fd, self.lossy, self.error = fd, False, None
        self.patience, self.lock = PATIENCE, threading.Lock()

    def lose_what_nobody_reads(self):
        """A terminal would block although poll() finds room: opened anew, it does not."""
        self.lossy = True
        try:
            terminal = os.open(os.ttyname(self.fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return  # it is none, or somebody else's
        os.dup2(terminal, self.fd)
        os.close(terminal)

    def line(self, text=""):
        self.write((text + "\n").encode("utf-8", "surrogateescape"))

    def write(self, data):
        with self.lock:
            try:
                while data:
                    if not self.has_room():
                        return
                    # A pipe that has room takes this much without blocking.
                    data = data[os.write(self.fd, data[:4096]):]
            except OSError as error:
                self.error = error.strerror

    def has_room(self):
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        if not self.lossy:
            return bool(poll.poll()) or True
        ready = bool(poll.poll(self.patience * 1000))
        self.patience = PATIENCE if ready else 0
        return ready


out = Output(1)
err = Output(2)


def complain(text):
    err.line(f"{NAME}: {text}")


def reason_of(error):
    return getattr(error, "strerror", None) or str(error)


def run(main, is_server):
    """Runs a program and ends it with the contract's exit status."""
    open_standard_descriptors()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if is_server:
        out.lose_what_nobody_reads()
        err.lose_what_nobody_reads()
    try:
        main()
        if not is_server and out.error:
            raise Failure(f"cannot write to stdout: {out.error}")
    except Failure as failure:
        complain(failure)
        sys.exit(1)
    except MemoryError:
        complain("out of memory")
        sys.exit(1)


def open_standard_descriptors():
    """Fills closed descriptors 0 to 2, so that no socket becomes stdin, stdout or stderr."""
    for fd, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open("/dev/null", mode)  # the wrong way round: using it is still an error


# ---- Command line ----

def command_line(usage, options, most_operands):
    """Gives the set of options and the list of operands, or ends the program."""
    usage = f"Usage: {NAME} {usage}"
    words, operands = sys.argv[1:], []
    if "--" in words:
        split = words.index("--")
        words, operands = words[:split], words[split + 1:]
    letters, first = "", []
    for word in words:
        if word == "--help":
            letters += "h"
        elif word.startswith("-") and len(word) > 1:
            letters += word[1:] if word[1] != "-" else "-"
        else:
            first.append(word)
    if "h" in letters:
        out.line(usage)
        if out.error:
            raise Failure(f"cannot write to stdout: {out.error}")
        sys.exit(0)
    for letter in letters:
        if letter not in options:
            refuse("unknown option", usage)
    operands = first + operands
    if len(operands) > most_operands:
        refuse("too many operands", usage)
    return set(letters), operands, usage


def refuse(text, usage):
    complain(text)
    err.line(usage)
    sys.exit(2)


def number(text, least, what, usage):
    if re.fullmatch("0*[0-9]{1,5}", text) and least <= int(text[-5:]) <= 65535:
        return int(text[-5:])
    refuse(f"{what} is not a number from {least} to 65535: {escaped(os.fsencode(text))}", usage)


def server_operands(operands, usage, host, port):
    if operands:
        port = number(operands[-1], 0, "PORT", usage)
    return (operands[0] if len(operands) == 2 else host), port


def client_operands(operands, usage, port):
    if len(operands) > 1:
        port = number(operands[1], 1, "PORT", usage)
    return port


# ---- Showing messages ----

NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escapes(data):
    """The characters of a message, each as it stands in a line."""
    for char in data.decode("utf-8", "surrogateescape"):
        if char in NAMED:
            yield NAMED[char]
        elif " " <= char <= "~" or char >= "\u00a0" and not "\udc80" <= char <= "\udcff":
            yield char
        else:
            for byte in char.encode("utf-8", "surrogateescape"):
                yield f"\\x{byte:02x}"


def escaped(data):
    return "".join(escapes(data))


def quoted(prefix, size=None):
    """QUOTED, from a message or from its first PREFIX bytes and its size."""
    size = len(prefix) if size is None else size
    text, length, cut = [], 0, ""
    for part in escapes(prefix[:PREFIX]):
        if part in ('"', "\\"):
            part = "\\" + part
        if length + len(part) > SHOWN:
            cut = "..."
            break
        text.append(part)
        length += len(part)
    return f'"{"".join(text)}"{cut} ({size} bytes)'


# ---- Addresses ----

def numeric(address):
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    return socket.getnameinfo(address, flags)


def in_brackets(host):
    return f"[{host}]" if ":" in host else host


def addr(address):
    """ADDR: 127.0.0.1:65432 or [::1]:65432."""
    host, port = numeric(address)
    return f"{in_brackets(host)}:{port}"


def ip_and_port(address):
    return "IP {} Port {}".format(*numeric(address))


def operands_text(host, port):
    return f"{in_brackets(escaped(os.fsencode(host)))}:{port}"


def resolve(host, port, flags=0):
    return socket.getaddrinfo(os.fsencode(host), str(port), type=socket.SOCK_STREAM,
                              proto=socket.IPPROTO_TCP, flags=flags | socket.AI_NUMERICSERV)


def listen_on(host, port, prepare=lambda sock: None):
    sock = None
    try:
        for family, kind, proto, _, address in resolve(host, port, socket.AI_PASSIVE):
            try:
                sock = socket.socket(family, kind, proto)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)  # inherited
                prepare(sock)
                sock.bind(address)
                sock.listen(socket.SOMAXCONN)
                sock.setblocking(False)
                return sock
            except OSError as error:
                reason = error
                if sock:
                    sock.close()
                if error.errno == errno.EADDRINUSE:
                    break
    except (OSError, UnicodeError) as error:
        reason = error
    raise Failure(f"cannot listen on {operands_text(host, port)}: {reason_of(reason)}")


def refuse_itself(sock, address):
    """Where nobody listens, the system may give a client the very port that it asks for."""
    if sock.getsockname() == address:  # getpeername() fails if the server has reset already
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def read_stdin():
    """Some of stdin: b"" at its end, None if nothing is there yet."""
    try:
        return os.read(0, PIECE)
    except BlockingIOError:
        return None
    except OSError as error:
        raise Failure(f"cannot read stdin: {reason_of(error)}")


def connect_to(host, port):
    """Connects to the first address of host that answers. Returns the socket and that address."""
    sock = None
    try:
        for family, kind, proto, _, address in resolve(host, port):
            try:
                sock = socket.socket(family, kind, proto)
                sock.connect(address)
                refuse_itself(sock, address)
                return sock, address
            except OSError as error:
                reason = error
                if sock:
                    sock.close()
    except (OSError, UnicodeError) as error:
        reason = error
    raise Failure(f"cannot connect to {operands_text(host, port)}: {reason_of(reason)}")


# ---- Serving ----

def raise_descriptor_limit():
    try:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        pass  # the old limit stands


class Acceptor:
    """Accepts clients. While something is exhausted it says so once, and tries now and then."""

    def __init__(self, listener):
        self.listener, self.exhausted, self.not_before = listener, False, 0

    def timeout(self):
        """Milliseconds until the next attempt, None if a client may come at any time."""
        wait = self.not_before - time.monotonic()
        return max(1, int(wait * 1000)) if self.exhausted and wait > 0 else None

    def has_client(self, milliseconds=1):
        # Not 0: a poll that a signal interrupts is done again only if it has time left.
        return bool(poll_one(self.listener, select.POLLIN, milliseconds))

    def run_out(self, reason):
        if not self.exhausted:
            complain(f"cannot accept a client: {reason}")
        self.exhausted, self.not_before = True, time.monotonic() + RETRY_TIME

    def accept(self):
        """The next client's socket and address, or None. Asked when a client may be waiting."""
        # accept() wants its descriptor before it looks for a client: out of them, look first.
        if self.timeout() is not None or self.exhausted and not self.has_client():
            return None
        try:
            sock, address = self.listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except (OSError, MemoryError) as error:
            self.run_out(reason_of(error) if isinstance(error, OSError) else "out of memory")
            return None
        self.not_before = 0
        if self.exhausted and not self.has_client():
            self.exhausted = False
        return sock, address


def poll_one(sock, events, milliseconds=None):
    poll = select.poll()
    poll.register(sock, events)
    return poll.poll(milliseconds)


class Stop:
    """SIGINT and SIGTERM: makes fd readable for good, sets `called`, and a deadline."""

    def __init__(self):
        self.fd, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        self.called, self._deadline = False, None
        for number_ in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number_, lambda *_: self.note())

    def note(self):
        if not self.called:
            self._deadline, self.called = time.monotonic() + STOP_TIME, True

    def time_left(self):
        return max(0.0, self._deadline - time.monotonic())

    def wait(self, sock, events):
        """Waits for events of a socket. After a signal gives False at once, or at the deadline."""
        if self.called:
            return bool(poll_one(sock, events, self.time_left() * 1000))
        poll = select.poll()
        poll.register(sock, events)
        poll.register(self.fd, select.POLLIN)
        ready = [fd for fd, _ in poll.poll()]
        if self.fd in ready:
            self.note()
        return sock.fileno() in ready

    def sleep(self, milliseconds):
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.poll(milliseconds)

    def send(self, sock, data):
        """Sends all, waiting for room. Gives False when the client is gone or time is up."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[sock.send(rest):]
                continue
            except BlockingIOError:
                pass
            except OSError:
                return False
            if not self.wait(sock, select.POLLOUT) and self.called and not self.time_left():
                return False
        return True


def count_of(sock, request):
    """How many bytes wait in a socket: FIONREAD to be read, TIOCOUTQ to be taken by the peer."""
    try:
        return struct.unpack("i", fcntl.ioctl(sock, request, struct.pack("i", 0)))[0]
    except OSError:
        return 0


def unread(sock):
    return count_of(sock, termios.FIONREAD)


def untaken(sock):
    return count_of(sock, termios.TIOCOUTQ)


def linger(sock, stop):
    """Ends our half and takes what still comes: closing with unread input would reset it all."""
    try:
        sock.shutdown(socket.SHUT_WR)
        until = time.monotonic() + LINGER_TIME
        while True:
            wait = until - time.monotonic()
            if stop.called:
                wait = min(wait, stop.time_left())
            if wait <= 0 or not poll_one(sock, select.POLLIN, wait * 1000) or not sock.recv(PIECE):
                return
    except OSError:
        pass  # the client has gone
