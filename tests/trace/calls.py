"""Makes events of what strace (or calls.c, in the same words) has written.

An event is a call that has returned, told in the same words on every machine and in every run: a
descriptor is called by what it is (listener, c1, stdin); ports, addresses and times are left out.
"""
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
    """A call: in which lane, when it began and returned, in which step, and what it says."""

    def __init__(self, lane, start, end, text, socket=None):
        self.lane, self.start, self.end, self.text, self.socket = lane, start, end, text, socket
        self.name, self.step, self.waited, self.row = "", 0, False, 0
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


def read_lines(path):
    """The calls in a log that have returned: start, end, name, arguments, result, what follows."""
    with open(path, encoding="ascii") as log:
        for line in log:
            match = LINE.match(line.rstrip("\n"))
            if match:
                start, name, arguments, result, rest, took = match.groups()
                yield (
                    float(start),
                    float(start) + float(took or 0),
                    NAMES.get(name, name),
                    arguments,
                    int(result, 0),
                    rest.strip(),
                )


class Reader:
    """Reads the logs of one program."""

    def __init__(self, program, numbers):
        self.program, self.numbers = program, list(numbers)  # of the clients, as they come
        self.lanes, self.events, self.files = [], [], {0: "stdin"}
        self.sent, self.received = {}, {}  # by client number: (event, bytes or None for FIN)

    def read(self):
        calls = [
            (number, call)
            for number, path in self.program.logs().items()
            for call in read_lines(path)
        ]
        calls.sort(key=lambda entry: entry[1][1])
        created = [call[4] for _, call in calls if call[2] == "pthread_create"]
        names = {self.program.main_thread: "main"}
        names.update((number, "thread %d" % (i + 1)) for i, number in enumerate(created))
        threads = {number: (self.program.name, name) for number, name in names.items()}
        self.lanes = list(threads.values())
        for number, call in calls:
            event = self.read_call(threads[number], threads, *call)
            if event is not None:
                event.name = call[2]
                self.events.append(event)

    def read_call(self, lane, threads, start, end, name, arguments, result, rest):
        if name == "pthread_create":
            event = Event(lane, start, end, "pthread_create() = " + threads[result][1])
            event.creates = threads[result]
            return event
        if name == "poll":
            return self.read_poll(lane, start, end, arguments, result, rest)
        if name == "socket":
            if result >= 0 and re.match(r"AF_INET6?, SOCK_STREAM", arguments):
                self.files[result] = Socket()
                return Event(lane, start, end, "socket() = " + NAME, self.files[result])
            return None
        first = arguments.split(",")[0]
        file = self.files.get(int(first)) if first.isdigit() else None
        if file is None:
            return None
        error = "" if result >= 0 else " = " + rest.split(" ")[0]
        if file == "stdin":
            return self.read_stdin(lane, start, end, name, arguments, result)
        event = Event(lane, start, end, "", file)
        event.text = self.describe(event, name, arguments, result, error)
        return event if event.text else None

    def read_stdin(self, lane, start, end, name, arguments, result):
        if name != "read" or result < 0:
            return None
        return Event(
            lane, start, end, "read(stdin) = " + (quote(data_of(arguments)) if result else "0")
        )

    def read_poll(self, lane, start, end, arguments, result, rest):
        def names(text):
            files = [self.files.get(int(fd)) for fd in re.findall(r"fd=(\d+)", text)]
            return [file.name for file in files if isinstance(file, Socket)]

        if result < 0 or not names(arguments):
            return None  # of the program's own output, or a pause
        return Event(lane, start, end, "poll() = " + (", ".join(names(rest)) or "nothing"))

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
            return "setsockopt(%s, %s)" % (NAME, words[2])
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
    match = STRING.search(arguments)
    return bytes.fromhex(match.group(1).replace("\\x", "")) if match else b""


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
        readers[name].read()
    events = sorted(
        (event for reader in readers.values() for event in reader.events),
        key=lambda event: event.end,
    )
    for row, event in enumerate(events):
        if event.socket is not None:
            event.text = event.text.replace(NAME, event.socket.name)
        event.row = row
        event.step = sum(time <= event.end for time, _ in play.marks) - 1
        event.waited = sum(time <= event.start for time, _ in play.marks) - 1 < event.step
    return [lane for name in order for lane in readers[name].lanes], events, cross_all(readers)


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
