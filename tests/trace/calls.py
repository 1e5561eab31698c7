"""Makes events of what strace (or calls.c, in the same words) has written.

An event is a call that has returned, told in the same words on every machine and in every run: a
descriptor is called by what it is (listener, c1, stdin); ports, addresses and times are left out.
"""
import itertools
import re

LINE = re.compile(r"^([\d.]+) (\w+)\((.*)\)\s+= (-?(?:0x)?[0-9a-f]+)(.*?)(?: <([\d.]+)>)?$")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
NAMES = {
    "accept4": "accept",
    "clone": "pthread_create",
    "clone3": "pthread_create",
    "ppoll": "poll",
    "readv": "read",
    "recvfrom": "recv",
    "recvmsg": "recv",
    "sendmsg": "send",
    "sendto": "send",
}
NAME = "\0"  # stands for the name of a socket, which is known when all calls are read
SHOWN = 24  # so many bytes of what is sent


class Event:
    """A call as it is drawn: in which lane and step, what it says, and of which socket."""

    def __init__(self, lane, call, text, socket=None):
        self.lane, self.call, self.text, self.socket = lane, call, text, socket
        self.name, self.step, self.row = call.name, call.step, 0
        self.waited = False  # since an earlier step
        self.creates = None  # a lane


class Socket:
    """What a descriptor stands for. `number` is the client's, if it is a connection."""

    def __init__(self):
        self.name, self.number, self.nonblocking = "socket", None, False


class Arrow:
    """What crosses from one program to another: SYN, bytes or FIN."""

    def __init__(self, source, target, kind, label):
        self.source, self.target, self.kind, self.label = source, target, kind, label


def quote(data):
    """Bytes as a C string, cut where it gets long."""
    text = "".join(
        {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 92: "\\\\"}.get(
            byte, chr(byte) if 32 <= byte < 127 else "\\x%02x" % byte
        )
        for byte in data[:SHOWN]
    )
    return '"%s"%s' % (text, "..." if len(data) > SHOWN else "")


class Call:
    """A call as a log tells it. Its step is that in which it returned: so says the log, for the
    time at which a long call began and the time that it took do not add up on a busy machine."""

    def __init__(self, match, thread, step):
        start, name, self.arguments, result, rest, took = match.groups()
        self.thread, self.step, self.name = thread, step, NAMES.get(name, name)
        self.start, self.end = float(start), float(start) + float(took or 0)
        self.result, self.rest = int(result, 0), rest.strip()


def read_log(path, thread, marks):
    """The calls in a log that have returned."""
    with open(path, encoding="ascii") as log:
        for number, line in enumerate(log):
            match = LINE.match(line.rstrip("\n"))
            if match:
                step = sum(mark.lines.get(path, 0) <= number for mark in marks) - 1
                yield Call(match, thread, step)


class Reader:
    """Reads the logs of one program."""

    def __init__(self, program, numbers):
        self.program, self.numbers = program, list(numbers)  # of the clients, as they come
        self.lanes, self.events, self.files = [], [], {0: "stdin"}
        self.sent, self.received = {}, {}  # by client number: (event, bytes or None for FIN)

    def read(self, marks):
        calls = [
            call
            for thread, path in self.program.logs().items()
            for call in read_log(path, thread, marks)
        ]
        calls.sort(key=lambda call: (call.step, call.end))
        created = [call.result for call in calls if call.name == "pthread_create"]
        names = {self.program.main_thread: "main"}
        names.update((thread, "thread %d" % (i + 1)) for i, thread in enumerate(created))
        threads = {thread: (self.program.name, name) for thread, name in names.items()}
        self.lanes = list(threads.values())
        for call in calls:
            event = self.read_call(threads[call.thread], call, threads)
            if event is not None:
                self.events.append(event)

    def read_call(self, lane, call, threads):
        """The event of a call; None if it is not shown."""
        if call.name == "pthread_create":
            event = Event(lane, call, "pthread_create() = " + threads[call.result][1])
            event.creates = threads[call.result]
            return event
        if call.name == "poll":
            return self.read_poll(lane, call)
        if call.name == "socket":
            if call.result == -1 or not re.match(r"AF_INET6?, SOCK_STREAM", call.arguments):
                return None
            self.files[call.result] = Socket()
            return Event(lane, call, "socket() = " + NAME, self.files[call.result])
        first = call.arguments.split(",")[0]
        file = self.files.get(int(first)) if first.isdigit() else None
        if file == "stdin" and call.name == "read" and call.result >= 0:
            data = data_of(call.arguments)
            return Event(lane, call, "read(stdin) = " + (quote(data) if data else "0"))
        if not isinstance(file, Socket):
            return None
        event = Event(lane, call, "", file)
        error = "" if call.result >= 0 else " = " + call.rest.split(" ")[0]
        event.text = self.describe(event, call.name, call.arguments, call.result, error)
        return event if event.text else None

    def read_poll(self, lane, call):
        def names(text):
            files = [self.files.get(int(fd)) for fd in re.findall(r"fd=(\d+)", text)]
            return [file.name for file in files if isinstance(file, Socket)]

        if call.result < 0 or not names(call.arguments):
            return None  # of the program's own output, or a pause
        return Event(lane, call, "poll() = " + (", ".join(names(call.rest)) or "nothing"))

    def describe(self, event, name, arguments, result, error):
        """What a call on a socket says; None if it is not shown. Takes note of what it does."""
        file, words = event.socket, arguments.split(", ")
        if name == "listen":
            file.name = "listener"
        elif name == "connect":
            file.number = self.numbers[0]
            file.name = "c" + file.number
        elif name == "accept":
            if error:
                return "accept(listener)" + error
            self.files[result] = event.socket = Socket()
            event.socket.number = self.numbers.pop(0)
            event.socket.name = "c" + event.socket.number
            return "accept(listener) = " + event.socket.name
        elif name in ("send", "recv", "read"):
            return self.describe_traffic(event, name, arguments, result, error)
        elif name == "setsockopt":
            option = re.sub("_(OLD|NEW)$", "", words[2])  # how long a time is, which strace tells
            return "setsockopt(%s, %s)" % (NAME, option)
        elif name == "fcntl":
            if words[1] != "F_SETFL" or ("O_NONBLOCK" in words[2]) == file.nonblocking:
                return None
            file.nonblocking = not file.nonblocking
            return "fcntl(%s, %sO_NONBLOCK)" % (NAME, "" if file.nonblocking else "~")
        elif name == "shutdown":
            self.sent.setdefault(file.number, []).append((event, None))
            return "shutdown(%s, %s)" % (NAME, words[1])
        elif name == "close":
            self.sent.setdefault(file.number, []).append((event, None))
            del self.files[int(words[0])]
        elif name != "bind":
            return None
        return "%s(%s)%s" % (name, NAME, error)

    def describe_traffic(self, event, name, arguments, result, error):
        file = event.socket
        if error:
            return "%s(%s)%s" % (name, NAME, error)
        data = data_of(arguments)[:result]
        if name == "send":
            self.sent.setdefault(file.number, []).append((event, data))
            return "send(%s, %s)" % (NAME, quote(data))
        self.received.setdefault(file.number, []).append((event, data or None))
        return "%s(%s) = %s" % (name, NAME, quote(data) if data else "0")


def data_of(arguments):
    """The bytes in the arguments of a call; readv() and its like have several pieces."""
    return bytes.fromhex("".join(STRING.findall(arguments)).replace("\\x", ""))


def cross(sent, received):
    """Arrows from the calls that sent bytes, or FIN, to those that received them."""
    arrows, ends, position = [], [], 0
    for event, data in sent:
        if data is not None:
            ends.append((position, position + len(data), event, data))
            position += len(data)
    position = 0
    for event, data in received:
        if data is None:
            fin = [source for source, content in sent if content is None]
            if fin:
                arrows.append(Arrow(fin[0], event, "FIN", "FIN"))
                break
            continue
        for start, end, source, content in ends:
            overlap = content[max(position - start, 0) : max(position + len(data) - start, 0)]
            if overlap:
                arrows.append(Arrow(source, event, "data", quote(overlap)))
        position += len(data)
    return arrows


def read_calls(play):
    """Reads what a play has left. Returns lanes, events in the order of time, and arrows."""
    # The server stands between its clients.
    order = sorted(play.programs, key=lambda name: {"server": 1, "client 2": 2}.get(name, 0))
    readers = {}
    for name in order:
        numbers = play.connected if name == "server" else [name[7:] or "1"]
        readers[name] = Reader(play.programs[name], numbers)
        readers[name].read(play.marks)
    events = sorted(
        (event for reader in readers.values() for event in reader.events),
        key=lambda event: (event.step, event.call.end),
    )
    lanes = [lane for name in order for lane in readers[name].lanes]
    # Threads that send at the same time do it in any order; they are drawn from left to right.
    runs = itertools.groupby(events, lambda event: (event.step, event.lane[0], event.name))
    events = [
        event
        for (_, _, name), run in runs
        for event in (sorted(run, key=lambda e: lanes.index(e.lane)) if name == "send" else run)
    ]
    for row, event in enumerate(events):
        if event.socket is not None:
            event.text = event.text.replace(NAME, event.socket.name)
        event.row = row
        begun = sum(mark.time <= event.call.start for mark in play.marks) - 1
        event.waited = begun < event.step
    return lanes, events, cross_all(readers)


def cross_all(readers):
    arrows = []
    for event in readers["server"].events:
        if event.name == "accept" and event.socket.number:
            connects = [
                other
                for reader in readers.values()
                for other in reader.events
                if other.name == "connect" and other.socket.number == event.socket.number
            ]
            arrows.append(Arrow(connects[0], event, "SYN", "SYN"))
    for name, reader in readers.items():
        if name == "server":
            continue
        number = name[7:] or "1"
        server = readers["server"]
        arrows += cross(reader.sent.get(number, []), server.received.get(number, []))
        arrows += cross(server.sent.get(number, []), reader.received.get(number, []))
    return arrows
