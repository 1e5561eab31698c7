"""What happens in a trace, and how it is made to happen the same way each time.

Between the programs stands the network, which delivers one thing at a time: each client is
connected to a relay, and what it sends waits there until the scenario passes it on. Before each
step, all programs have come to rest: each of their threads waits in a system call. So nothing
depends on who is faster.
"""
import os
import select
import socket
import subprocess
import time

# A step is one of
#   start NAME [ARGUMENT...]   a client's first two operands, HOST and PORT, are put in front
#   N> [BYTES]                 what comes from client N next reaches the server: the connection,
#   N< [BYTES]                 bytes, or FIN; N< is the way back. BYTES: so many of them
#   type NAME TEXT             TEXT and a newline come on the program's stdin
#   end NAME                   its stdin ends, as by Ctrl-D
# and has a caption if a person does something.
SCENARIOS = {
    "v1.0-single": [
        ("start server", "the server is started"),
        ("start client", "the client is started"),
        ("1>", "the connection reaches the server"),
        ("1>", ""),
        ("1<", ""),
        ("1>", ""),
    ],
    "v1.1-multiconn": [
        ("start server", "the server is started"),
        ("start client 1 1 slow", "client 1 is started, far away"),
        ("start client 2 1 quick", "client 2 is started"),
        ("1>", "both connections reach the server"),
        ("2>", ""),
        ("2>", "and the words of client 2: nobody waits for client 1"),
        ("2<", ""),
        ("2>", ""),
        ("1>", "the words of client 1 come at last"),
        ("1<", ""),
        ("1>", ""),
    ],
    "v2-threaded-broadcast": [
        ("start server -b", "the server is started, with -b"),
        ("start client 1", "client 1 is started"),
        ("1>", ""),
        ("1<", ""),
        ("start client 2", "client 2 is started"),
        ("2>", ""),
        ("2<", ""),
        ("type client 2 Hello", 'at client 2, somebody types "Hello"'),
        ("2>", ""),
        ("1<", ""),
        ("2<", ""),
        ("end client 2", "and then Ctrl-D: client 2 half-closes"),
        ("2>", ""),
        ("2<", ""),
    ],
    "v3-reverse": [
        ("start server", "the server is started"),
        ("start client", "the client is started"),
        ("1>", ""),
        ("type client Josue", 'somebody types "Josue"'),
        ("1> 3", "the network cuts it in two"),
        ("1>", ""),
        ("1<", ""),
        ("type client end", 'somebody types "end"'),
        ("1>", ""),
        ("1<", ""),
        ("1>", ""),
    ],
}

READY = ("Server listens on ", "[+] Listening ", "Server can now receive ")
CALLS = """socket setsockopt bind listen accept accept4 connect poll ppoll recvfrom recvmsg sendto
sendmsg read readv shutdown close fcntl clone clone3"""
STRACE = ["strace", "-D", "-ff", "-ttt", "-T", "-xx", "-s", "65536", "-e", "signal=none"]
STRACE += ["-e", "trace=" + ",".join("?" + name for name in CALLS.split())]
LIMIT = 20 * int(os.environ.get("ECHO_SLOWNESS", "1"))  # seconds for what takes far less than one


class Failure(Exception):
    """The scenario cannot go on. What it says is for people."""


def wait_until(condition, complaint, program=None):
    """Waits for a condition, which `program`, if it is given, has to bring about."""
    end = time.monotonic() + LIMIT
    while not condition():
        if program is not None and program.has_ended() and not condition():
            raise Failure(complaint + ": it has ended")
        if time.monotonic() > end:
            raise Failure(complaint)
        time.sleep(0.002)


class Program:
    """A running server or client. Each of its threads has a log, log.NUMBER, of its calls."""

    def __init__(self, name, command, work, with_strace):
        self.name, self.log = name, os.path.join(work, name.replace(" ", "-") + ".calls")
        self.output = os.path.join(work, name.replace(" ", "-") + ".out")
        tracer = STRACE + ["-o", self.log] if with_strace else []
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                tracer + command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=dict(os.environ, TRACE_LOG=self.log),
            )
        self.main_thread = self.process.pid if with_strace else 0

    def logs(self):
        """By the number of each thread, its log."""
        folder, start = os.path.split(self.log)
        names = [name for name in os.listdir(folder) if name.startswith(start + ".")]
        return {int(name.rsplit(".", 1)[1]): os.path.join(folder, name) for name in names}

    def progress(self):
        return sum(os.path.getsize(path) for path in self.logs().values())

    def printed(self):
        with open(self.output, encoding="utf-8", errors="replace") as output:
            return output.read()

    def threads(self):
        """State and number of context switches of each thread; None if one is not at rest."""
        found = []
        folder = "/proc/%d/task" % self.process.pid
        try:
            for thread in os.listdir(folder):
                with open("%s/%s/status" % (folder, thread), encoding="utf-8") as status:
                    lines = [line.rstrip("\n").split(":\t", 1) for line in status]
                facts = {line[0]: line[-1] for line in lines}
                if facts["State"][0] in "ZX":
                    continue
                if facts["State"][0] != "S":
                    return None
                switches = facts["voluntary_ctxt_switches"], facts["nonvoluntary_ctxt_switches"]
                found.append((thread, switches))
        except (FileNotFoundError, ProcessLookupError):
            return [] if self.process.poll() is not None else None  # a thread has just ended
        return found

    def has_ended(self):
        """Also when nobody has been told yet: strace is the first to know."""
        return self.process.poll() is not None or self.threads() == []


class Mark:
    """The beginning of a step: its time, and how many calls each log held by then."""

    def __init__(self, caption, programs):
        self.time, self.caption, self.lines = time.time(), caption, {}
        for program in programs:
            for path in program.logs().values():
                with open(path, "rb") as log:
                    self.lines[path] = log.read().count(b"\n")


class Play:
    """Plays a scenario. What it leaves: programs, those that have ended, and a mark for each step."""

    def __init__(self, stage, folder, work, with_strace):
        self.stage, self.folder, self.work, self.with_strace = stage, folder, work, with_strace
        self.programs, self.marks, self.connected, self.ended = {}, [], [], set()
        self.listeners, self.ends = {}, {}  # by client: the relay's listener, and its two sockets
        self.port = 0

    def run(self):
        try:
            for step, caption in SCENARIOS[self.stage]:
                self.come_to_rest()
                self.marks.append(Mark(caption, self.programs.values()))
                self.do(step.split())
            self.come_to_rest()
            self.marks.append(Mark("", self.programs.values()))
            for name, program in self.programs.items():
                if program.has_ended():
                    self.ended.add(name)
        finally:
            for program in self.programs.values():
                program.process.kill()
                program.process.stdin.close()
                program.process.wait()
            for ends in list(self.ends.values()) + [self.listeners.values()]:
                for end in ends:
                    end.close()

    def do(self, words):
        if words[0] == "start":
            self.start(words[1:])
        elif words[0] in ("type", "end"):
            name = " ".join(words[1:-1] if words[0] == "type" else words[1:])
            self.use_input(self.programs[name], words[-1] if words[0] == "type" else None)
        else:
            self.deliver(words[0][:-1], words[0][-1], int((words + ["65536"])[1]))

    def start(self, words):
        if words[0] == "server":
            command = [os.path.join(self.folder, "server")] + words[1:] + ["127.0.0.1", "0"]
            self.programs["server"] = server = Program(
                "server", command, self.work, self.with_strace
            )
            wait_until(
                lambda: any(ready in server.printed() for ready in READY),
                "the server does not get ready",
                server,
            )
            line = [line for line in server.printed().splitlines() if line.startswith(READY)][0]
            self.port = int(line.replace(":", " ").split()[-1])
            return
        number = words[1] if len(words) > 1 else "1"
        name = " ".join(words[:2])
        listener = self.listeners[number] = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(LIMIT)
        command = [os.path.join(self.folder, "client"), "127.0.0.1", str(listener.getsockname()[1])]
        self.programs[name] = Program(name, command + words[2:], self.work, self.with_strace)
        try:
            self.ends[number] = [listener.accept()[0]]
        except socket.timeout as error:
            raise Failure(name + " does not connect") from error

    def use_input(self, program, text):
        before = program.progress()
        if text is None:
            program.process.stdin.close()
        else:
            program.process.stdin.write(text.encode() + b"\n")
            program.process.stdin.flush()
        wait_until(
            lambda: program.progress() > before, program.name + " does not read its input", program
        )

    def name_of(self, number):
        return "client " + number if "client " + number in self.programs else "client"

    def deliver(self, number, direction, size):
        names = (self.name_of(number), "server")
        source, target = names if direction == ">" else names[::-1]
        before = self.programs[target].progress()
        ends = self.ends[number]
        if len(ends) == 1:  # the connection itself
            try:
                ends.append(socket.create_connection(("127.0.0.1", self.port)))
            except OSError as error:
                raise Failure("the server takes no connection: %s" % error) from error
            for end in ends:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connected.append(number)
        else:
            inward, outward = ends if direction == ">" else ends[::-1]
            if not select.select([inward], [], [], LIMIT)[0]:
                raise Failure("%s sends nothing where the scenario waits for it" % source)
            piece = inward.recv(size)
            if piece:
                outward.sendall(piece)
            else:
                outward.shutdown(socket.SHUT_WR)
        wait_until(
            lambda: self.programs[target].progress() > before,
            "%s does nothing about what comes from %s" % (target, source),
            self.programs[target],
        )

    def come_to_rest(self):
        """Waits until every thread waits. Two looks at all of them see the same: then, between the
        looks, all of them waited at the same time."""
        if os.path.isdir("/proc/self/task"):

            def look():
                return [program.threads() for program in self.programs.values()]

            def at_rest():
                first = look()
                return None not in first and first == look()

        else:  # without /proc: when nobody has called anything for a while

            def look():
                return [program.progress() for program in self.programs.values()]

            def at_rest():
                first = look()
                time.sleep(0.2)
                return first == look()

        wait_until(at_rest, "the programs do not come to rest")
