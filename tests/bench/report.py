"""What the measurements say: a table, goals, and CSV. See run."""
import csv
import statistics

from servers import describe

# What a server is compared with.
FLOORS = {"event loop": "floor: poll", "threads": "floor: threads", "processes": "floor: threads",
          "one client": "floor: threads", "broadcast": "floor: broadcast"}

UNITS = {"ping-pong": "echoes/s", "stream": "MB/s", "churn": "connections/s",
         "idle": "echoes/s", "broadcast": "deliveries/s", "memory": "KiB"}


class Summary:
    """What all rounds of a server under a load say."""

    def __init__(self, results, load, server):
        floor = next((other for other in (key[1] for key in results)
                      if other.name == FLOORS[server.kind]), None)
        rounds = results[load, server]
        floors = results.get((load, floor), {})
        self.load, self.server = load, server
        self.voids = [result["void"] for result in rounds.values() if "void" in result]
        good = {number: result for number, result in rounds.items() if "void" not in result}
        self.runs = len(good)
        self.rates = sorted(result["rate"] for result in good.values())
        self.ratio = median([result["rate"] / floors[number]["rate"]
                             for number, result in good.items()
                             if "rate" in floors.get(number, {})
                             and result["memory"].keys() == floors[number]["memory"].keys()])
        self.latencies = [median([result[key] for result in good.values()])
                          for key in ("p50", "p99", "p99.9")]
        self.memory = {crowd: [result["memory"][crowd] for result in good.values()]
                       for crowd in (next(iter(good.values()))["memory"] if good else {})}

    def rate(self):
        return median(self.rates)

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


def table_of(load, summaries):
    """The lines of the table for one load."""
    unit = UNITS[load.name]
    lines = ["", describe(load),
             "  %-20s %14s %8s %9s %10s %10s %10s%s" % (
                 "", unit, "spread", "of floor", "p50 us", "p99 us", "p99.9 us",
                 "   KiB each (connections)" if load.crowds else "")]
    for summary in summaries:
        name = summary.server.name
        if not summary.rates:
            lines.append("  %-20s void: %s" % (name, summary.voids[0]))
            continue
        spread = 50 * (summary.rates[-1] - summary.rates[0]) / summary.rate()
        latencies = ["-"] * 3 if load.name == "stream" else [show(p) for p in summary.latencies]
        each = ""
        if summary.kib_each() is not None:
            each = "%14s (%d)" % (show(summary.kib_each(), 1), max(summary.memory))
        lines.append("  %-20s %14s %7s%% %9s %10s %10s %10s%s" % (
            name, show(summary.rate()), "±%.0f" % spread, show(summary.ratio, 2), *latencies, each))
        if summary.voids:
            lines.append("  %-20s void %d times: %s" % ("", len(summary.voids), summary.voids[0]))
    return lines


def goals_of(summaries):
    """What our stages are to show, and whether they do. Each line begins with yes or NO."""
    found = {(summary.load, summary.server.name): summary for summary in summaries}
    lines = []

    def judge(what, ratios):
        ratios = [(ratio, where, limit) for ratio, where, limit in ratios if ratio is not None]
        if ratios:
            ratio, where, limit = min(ratios, key=lambda each: each[0] / each[2])
            lines.append("%-3s  %s: %.2f or more (%s)" % ("yes" if ratio >= limit else "NO", what,
                                                         ratio, where))

    for name in ("v1.1-multiconn", "v2-threaded"):
        mine = [summary for summary in summaries if summary.server.name == name]
        floor = FLOORS[mine[0].server.kind]
        for load_name, limit in (("ping-pong", 0.95), ("stream", 0.95), ("idle", 0.95),
                                 ("churn", 0.9)):
            judge("%s is at least %.2f of %s in %s" % (name, limit, floor, load_name),
                  [(each.ratio, describe(each.load), limit) for each in mine
                   if each.load.name == load_name])
        for load_name in ("ping-pong", "stream", "idle", "churn"):
            judge("%s is ahead of each other %s in %s with 10 clients or more" % (
                name, {"threads": "server with threads"}.get(mine[0].server.kind,
                                                             mine[0].server.kind), load_name),
                  [(each.rate() / other.rate(), "%s, %s" % (other.server.name,
                                                            describe(other.load)), 1)
                   for each in mine for other in summaries
                   if each.load == other.load and each.load.name == load_name
                   and each.load.clients >= 10 and each.rates and other.rates
                   and other.server.kind == each.server.kind and other is not each
                   and not other.server.name.startswith("floor")])
    judge("v3-reverse is at least 0.90 of v1.0-single in ping-pong",
          [(each.rate() / found[each.load, "v1.0-single"].rate(), describe(each.load), 0.9)
           for each in summaries if each.server.name == "v3-reverse" and each.rates
           and found[each.load, "v1.0-single"].rates])
    return lines


def write_csv(path, summaries):
    """Medians, for the charts too. Memory has a line for each crowd."""
    with open(path, "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["load", "clients", "bytes", "server", "kind", "unit", "median", "least",
                       "most", "ratio", "p50_us", "p99_us", "p99.9_us", "runs", "void"])
        for each in summaries:
            head = [each.load.size, each.server.name, each.server.kind]
            if each.rates:
                values = [each.rate(), each.rates[0], each.rates[-1],
                          "" if each.ratio is None else round(each.ratio, 3), *each.latencies]
            else:
                values = [""] * 7
            rows.writerow([each.load.name, each.load.clients, *head, UNITS[each.load.name],
                           *values, each.runs, len(each.voids)])
            for crowd, kib in each.memory.items():
                rows.writerow(["memory", crowd, *head, UNITS["memory"], median(kib), min(kib),
                               max(kib), "", "", "", "", each.runs, 0])
