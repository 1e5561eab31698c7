"""The servers that are measured, and the loads. See run."""
import os
import platform
import shutil
import socket
import sys
from collections import namedtuple

BENCH = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(BENCH))
WELCOME = ("-w", "25")

# A server: its kind, its command, and the most clients that it is asked to serve at once; `crowd`
# of them may be idle. `options` go to the load generator; it takes any load but those `spared`.
Server = namedtuple("Server", "name kind command clients crowd options spared port",
                    defaults=((), (), None))
MANY = 10000
FILES = 12000  # enough for many
WELCOME_FLOOR = "floor: with welcome"
EVENT_FLOOR = "floor: epoll" if platform.system() == "Linux" else "floor: kqueue"

# A load. The crowds stand beside it, one after another, until all of the last are there. Of a flood,
# so many clients send.
Load = namedtuple("Load", "name clients size crowds senders", defaults=((), None))
ECHO_LOADS = [Load("ping-pong", clients, 64) for clients in (1, 10, 100, 1000)] + [
    Load("ping-pong", 10, 16384), Load("stream", 1, 65536), Load("stream", 10, 65536),
    Load("churn", 10, 64), Load("idle", 100, 64, (10, 100, 1000, MANY))]
# Who comes and goes is alone with each word: others would be heard, too.
BROADCAST_LOADS = [Load("broadcast", clients, size) for clients in (2, 10, 100)
                   for size in (64, 1024, 16384)] + [
    Load("flood", clients, size, (), senders) for clients, senders in ((10, 1), (10, 10), (100, 3))
    for size in (1024, 65536)] + [Load("churn", 1, 64)]
LOADS = ECHO_LOADS + BROADCAST_LOADS
QUICK_LOADS = [
    Load("ping-pong", 1, 64), Load("ping-pong", 10, 64), Load("stream", 1, 65536),
    Load("churn", 4, 64), Load("idle", 10, 64, (10, 100)), Load("broadcast", 10, 64),
    Load("flood", 10, 1024, (), 1)]


def say(text):
    print(text, file=sys.stderr, flush=True)


def stage(folder, *options):
    return (os.path.join(ROOT, folder, "server"), "-q", *options, "127.0.0.1", "{port}")


def built(name, *options):
    return (os.path.join(BENCH, "bin", name), *options, "{port}")


def peer(name):
    return os.path.join(BENCH, "peers", name)


def own_servers():
    return [
        Server("floor: threads", "threads", built("floor-threads"), MANY, MANY),
        Server(WELCOME_FLOOR, "threads", built("floor-threads", "-w"), MANY, 0, WELCOME,
               ("ping-pong", "stream")),  # the welcome is said before they begin
        Server("v2-threaded", "threads", stage("v2-threaded-broadcast"), MANY, MANY, WELCOME),
        Server("v1.0-single", "one client", stage("v1.0-single"), 1, 0),
        Server("v3-reverse", "one client", stage("v3-reverse"), 1, 0, ("-r",),
               ("stream",)),  # it takes lines
        Server("floor: poll", "event loop", built("floor-poll"), MANY, MANY),
        Server("v1.1-multiconn", "event loop", stage("v1.1-multiconn"), MANY, MANY),
        Server(EVENT_FLOOR, "event loop", built("floor-event"), MANY, MANY),
        Server("floor: broadcast", "broadcast", built("floor-threads", "-b"), MANY, 0, WELCOME),
        Server("v2-threaded -b", "broadcast", stage("v2-threaded-broadcast", "-b"), MANY, 0,
               WELCOME)]


def inetd(work):
    """inetd's own echo has the port of that service and no other."""
    configuration = os.path.join(work, "inetd.conf")
    with open(configuration, "w") as file:
        file.write("127.0.0.1:echo stream tcp nowait root internal\n")
    program = shutil.which("inetutils-inetd") or shutil.which("inetd") or "inetd"
    return Server("inetd", "processes", (program, "-d", "-R", "100000", configuration), 100, 100,
                  port=7)


def all_peers(work):
    """Processes are started one for each client: more than a hundred would take too long."""
    return [
        Server("libevent", "event loop", built("libevent"), MANY, MANY),
        Server("libuv", "event loop", built("libuv"), MANY, MANY),
        Server("node", "event loop", ("node", peer("node.js"), "{port}"), MANY, MANY),
        Server("Python selectors", "event loop",
               (sys.executable, peer("python-selectors.py"), "{port}"), MANY, MANY),
        Server("Python socketserver", "threads",
               (sys.executable, peer("python-socketserver.py"), "{port}"), MANY, MANY),
        Server("socat", "processes",
               ("socat", "TCP4-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=4096,nodelay",
                "PIPE"), 100, 100),
        Server("ncat + cat", "processes",
               ("ncat", "-4", "-l", "-k", "-m", "1000", "-e", "/bin/cat", "127.0.0.1", "{port}"),
               100, 100, (), ("stream",)),  # ncat and cat wait for each other for ever
        Server("tcpserver + cat", "processes",
               ("tcpserver", "-c", "1000", "-b", "4096", "-HRDl0", "127.0.0.1", "{port}", "cat"),
               100, 100),
        inetd(work)]


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def next_port(last=[20000]):
    """A free port, below those that the system gives to clients."""
    while True:
        last[0] = last[0] + 1 if last[0] < 30000 else 20001
        if is_free(last[0]):
            return last[0]


def find_peers(work):
    found = []
    for server in all_peers(work):
        if not shutil.which(server.command[0]):
            say("%s is not installed, and left out" % server.name)
        elif server.port is not None and (os.geteuid() != 0 or not is_free(server.port)):
            say("%s is left out: it needs port %d" % (server.name, server.port))
        else:
            found.append(server)
    return found


def takes(server, load):
    """Whether this load is one for this server."""
    return (load.clients <= server.clients
            and (load in BROADCAST_LOADS) == (server.kind == "broadcast")
            and (load.name != "idle" or server.crowd > 0)
            and load.name not in server.spared)


def describe(load):
    crowd = " beside %d idle ones" % load.crowds[-1] if load.crowds else ""
    senders = "%d of " % load.senders if load.senders else ""
    return "%s, %s%d client%s%s, %d bytes" % (load.name, senders, load.clients,
                                              "s"[:load.clients != 1], crowd, load.size)
