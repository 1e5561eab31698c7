"""What the measurements say: a table, goals, and CSV. See run."""
import csv
import statistics

from servers import describe

# What a server is compared with.
FLOORS = {"event loop": "floor: poll", "threads": "floor: threads", "processes": "floor: threads",
          "one client": "floor: threads", "broadcast": "floor: broadcast"}

UNITS = {"ping-pong": "echoes/s", "stream": "MB/s", "churn": "connections/s",
         "idle": "echoes/s", "broadcast": "deliveries/s", "flood": "deliveries/s", "memory": "KiB"}


class Summary:
    """What all rounds of a server under a load say."""

    def __init__(self, load, server, rounds):
        self.load, self.server = load, server
        self.voids = [result["void"] for result in rounds.values() if "void" in result]
        self.good = {number: result for number, result in rounds.items() if "void" not in result}
        self.rates = sorted(result["rate"] for result in self.good.values())
        self.rate = median(self.rates)
        self.latencies = [median([result[key] for result in self.good.values()])
                          for key in ("p50", "p99", "p99.9")]
        self.memory = {}
        for result in self.good.values():
            for crowd, kib in result["memory"].items():
                self.memory.setdefault(crowd, []).append(kib)

    def ratio_to(self, other):
        """The median of the ratios in the rounds that both have; None if the load was another,
        since not all take the same crowd."""
        if other is None or self.load != other.load or self.memory.keys() != other.memory.keys():
            return None
        return median([result["rate"] / other.good[number]["rate"]
                       for number, result in self.good.items() if number in other.good])

    def spread(self):
        """Half the range, relative to the median; None for a single run."""
        if len(self.rates) < 2:
            return None
        return (self.rates[-1] - self.rates[0]) / 2 / self.rate

    def floor_among(self, summaries):
        return next((other for other in summaries if other.load == self.load
                     and other.server.name == FLOORS[self.server.kind]), None)

    def kib_each(self):
        """KiB a connection: what the largest crowd takes above the smallest."""
        if len(self.memory) < 2:
            return None
        few, many = min(self.memory), max(self.memory)
        return (median(self.memory[many]) - median(self.memory[few])) / (many - few)


def median(values):
    return statistics.median(values) if values else None


def show(value, digits=0):
    if value is None:
        return "-"
    return "{:,.{}f}".format(value, digits)


def legend_of(summaries):
    """The lines on how to read the table."""
    if not any(summary.spread() is not None for summary in summaries):
        return ["one run each: it shows that the loads run, and compares nothing"]
    return ["of floor: the median of the ratios in the same round, not the ratio of the medians here",
            "spread: half the range of all rounds, relative to the median"]


def table_of(load, summaries):
    """The lines of the table for one load."""
    lines = ["", describe(load),
             "  %-20s %14s %8s %9s %10s %10s %10s%s" % (
                 "", UNITS[load.name], "spread", "of floor", "p50 us", "p99 us", "p99.9 us",
                 "   KiB each (connections)" if load.crowds else "")]
    for summary in (summary for summary in summaries if summary.load == load):
        name = summary.server.name
        if not summary.rates:
            lines.append("  %-20s void: %s" % (name, summary.voids[0]))
            continue
        spread = "-" if summary.spread() is None else "±%.0f%%" % (100 * summary.spread())
        latencies = ["-"] * 3 if load.name in ("stream", "flood") else [show(p) for p in summary.latencies]
        each = ""
        if summary.kib_each() is not None:
            each = "%14s (%d)" % (show(summary.kib_each(), 1), max(summary.memory))
        ratio = summary.ratio_to(summary.floor_among(summaries))
        lines.append("  %-20s %14s %8s %9s %10s %10s %10s%s" % (
            name, show(summary.rate), spread, show(ratio, 2), *latencies, each))
        if summary.voids:
            lines.append("  %-20s void %d times: %s" % ("", len(summary.voids), summary.voids[0]))
    return lines


# What our stages are to show: this server, at least so much of that one, or of all peers of its
# kind (None), under these loads, from so many clients on, with messages up to such a size.
GOALS = [
    ("v1.1-multiconn", 0.95, "floor: poll", ("ping-pong", "stream", "idle"), 1),
    ("v1.1-multiconn", 0.9, "floor: poll", ("churn",), 1),
    ("v1.1-multiconn", 1, None, ("ping-pong", "stream", "churn"), 10),
    ("v1.1-multiconn", 1, None, ("idle",), 10),
    ("v2-threaded", 0.95, "floor: threads", ("ping-pong", "stream", "idle"), 1),
    ("v2-threaded", 0.9, "floor: threads", ("churn",), 1),
    ("v2-threaded", 0.9, "floor: with welcome", ("churn",), 1),
    ("v2-threaded", 1, None, ("ping-pong", "stream", "churn", "idle"), 10),
    ("v2-threaded -b", 1.5, "floor: broadcast", ("broadcast",), 10, 1024),
    ("v2-threaded -b", 1, "floor: broadcast", ("broadcast",), 10),
    ("v2-threaded -b", 0.8, "floor: broadcast", ("broadcast",), 1),
    ("v2-threaded -b", 0.9, "floor: broadcast", ("flood",), 1),
    ("v3-reverse", 0.9, "v1.0-single", ("ping-pong",), 1)]


def decided(ratio, limit):
    """The ratio with as many decimals as show on which side of the limit it is."""
    digits = next(digits for digits in range(2, 18)
                  if (round(ratio, digits) >= limit) == (ratio >= limit))
    return show(ratio, digits)


def goals_of(summaries):
    """A line for each goal, which begins with yes or NO, and tells where it is nearest."""
    lines = ["", "Goals, and the least ratio"]
    for name, limit, other, loads, clients, *size in GOALS:
        ratios = []
        for mine in summaries:
            if (mine.server.name != name or mine.load.name not in loads
                    or mine.load.clients < clients
                    or any(mine.load.size > most for most in size)):
                continue
            for theirs in summaries:
                is_rival = (theirs.server.name == other if other else
                            theirs.server.kind == mine.server.kind and theirs is not mine
                            and not theirs.server.name.startswith("floor"))
                if is_rival and mine.ratio_to(theirs) is not None:
                    ratios.append((mine.ratio_to(theirs), theirs.server.name, mine.load))
        for ratio, rival, load in sorted(ratios, key=lambda each: each[0])[:1]:
            lines.append("  %-3s  %s at least %.2f of %s in %s%s%s: %s (%s%s)" % (
                "yes" if ratio >= limit else "NO", name, limit, other or "each peer of its kind",
                " and ".join(", ".join(loads).rsplit(", ", 1)),
                " from %d clients on" % clients if clients > 1 else "",
                " with messages up to %d bytes" % size[0] if size else "", decided(ratio, limit),
                "" if other else rival + ", ", describe(load)))
    return lines


def write_csv(path, summaries):
    """Medians, for the charts too. Memory has a line for each crowd."""
    with open(path, "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["load", "clients", "bytes", "server", "kind", "unit", "median", "least",
                       "most", "ratio", "p50_us", "p99_us", "p99.9_us", "runs", "void"])
        for each in summaries:
            head = [each.load.size, each.server.name, each.server.kind]
            ratio = each.ratio_to(each.floor_among(summaries))
            if each.rates:
                values = [each.rate, each.rates[0], each.rates[-1],
                          "" if ratio is None else round(ratio, 3), *each.latencies]
            else:
                values = [""] * 7
            name = each.load.name + ("-%d" % each.load.senders if each.load.senders else "")
            rows.writerow([name, each.load.clients, *head, UNITS[each.load.name], *values,
                           len(each.good), len(each.voids)])
            for crowd, kib in each.memory.items():
                rows.writerow(["memory", crowd, *head, UNITS["memory"], median(kib), min(kib),
                               max(kib), "", "", "", "", len(each.good), 0])
