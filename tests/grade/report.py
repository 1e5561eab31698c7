#!/usr/bin/env python3
"""Turns what a suite printed about a submission into reports.

  report.py STAGE FOUND NAME OUT   FOUND holds built, *.tap, build.log, note, as tests/grade/inside leaves
                                   them; writes report.txt, junit.xml and results.json into OUT, and
                                   prints a line of the table
                                   TESTS, from the environment: the tests that count
  report.py --csv RESULTS          prints grades.csv for all folders in RESULTS
  report.py --classroom GRADED     prints what GitHub Classroom's reporter takes, for a folder in RESULTS
  report.py --points STAGE...      prints the sum of points of each stage's tests

A test is worth what its tag says (`# bats test_tags=points:10`), or 1. One that was skipped on this
machine counts neither way.
"""

import base64
import csv
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

LONGEST = 6000  # characters of what one test prints
NAMED = 8  # tests that failed for a cause that another one tells
NOT_RUN = "This test was not run"


def read_tests(stage):
    """The tests of a stage, the basic ones first: name -> points."""
    suite = pathlib.Path(__file__).resolve().parent.parent / "suite"
    listed = subprocess.run([suite, "--list", stage], check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    tests = [line.split("\t") for line in listed.splitlines()]
    return {name: int(points) for _, points, _, name in tests if re.search(os.environ.get("TESTS", ""), name)}


def printable(text):
    """Text that may stand in XML and on a terminal: other characters as escapes."""
    return "".join(
        c if c in "\n\t" or (c.isprintable() and c < "\ud800") or "\ue000" <= c <= "\ufffd"
        else "\\x%02x" % ord(c)
        for c in text
    )


def read_text(path, limit=10**9):
    """The first characters of a file, printable; nothing if it is not there."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            return printable(file.read(limit))
    except FileNotFoundError:
        return ""


def read_tap(found):
    """What became of each test: name -> (outcome, seconds, explanation)."""
    results, name = {}, None
    for line in "\n".join(read_text(path) for path in sorted(found.glob("*.tap"))).splitlines():
        match = re.match(r"(ok|not ok) \d+ (.*) in (\d+)ms( # skip ?(.*))?$", line)
        if match:
            name = match.group(2)
            outcome = "failed" if match.group(1) == "not ok" else "skipped" if match.group(4) else "passed"
            results[name] = [outcome, int(match.group(3)) / 1000, match.group(5) or ""]
        elif name and line.startswith("#") and len(results[name][2]) < LONGEST:
            results[name][2] += line[2:] + "\n"
    return {name: (outcome, time, shorten(text)) for name, (outcome, time, text) in results.items()}


def shorten(text):
    """The explanation alone: bats puts its own trace in front of it, and bash says which processes a signal has ended."""
    lines = [line for line in text.split("\n") if not re.match(r"\S+: (line \d+: +\d+ [A-Z]|fork: )", line)]
    while lines and re.match(r"\((from|in) |  *(in test file|from|`)|`|$", lines[0]):
        lines.pop(0)
    text = "\n".join(line[:500] for line in lines).rstrip("\n")
    # Where the grader keeps its files, and how it starts programs, tells a student nothing.
    text = re.sub(r"[^\s:]*/bats-run-\w+/test/\d+/", "", text)
    text = re.sub(r"(prlimit --nproc|setpriv)[^\n]*? \S*/(?=(server|client)\b)", "./", text)
    return text if len(text) < LONGEST else text[:LONGEST] + "\n..."


def said_of(log, kind):
    """What tests/grade/build says of a submission: its lines that begin so."""
    return [line[7:500] for line in log.splitlines() if re.match("build: (%s)" % kind, line)]


def build_said(log):
    """What is wrong with a build: that it failed, or what it left where, and the lines that say more."""
    lines = [line for line in log.splitlines() if not line.startswith("build: ")]
    missing = said_of(log, "no |it did not end")
    if missing:
        return "The programs are not where they are looked for", "\n".join(missing)
    first = next((i for i, line in enumerate(lines) if re.search(r"error|Error|undefined", line)), 0)
    return "The build failed. Its first errors", "\n".join(line[:500] for line in lines[first:first + 12])


def missing(name, built):
    """The programs that a test needs, and that are not there."""
    return [p for p in name.split(":")[0].split(" and ") if p not in built]


def not_run(name, found):
    """Why a test was not run."""
    built, log, note = found
    if not missing(name, built):
        return "%s: %s." % (NOT_RUN, note or "the suite was ended before its turn came")
    text = "%s: there is no %s." % (NOT_RUN, " and no ".join(missing(name, built)))
    return text + ("\n%s:\n%s" % build_said(log) if log else "")


def judge(stage, found):
    """All tests: (name, points, outcome, seconds, explanation)."""
    tests, results = read_tests(stage), read_tap(found)
    unknown = set(results) - set(tests)
    if unknown:
        sys.exit("report.py: no tests of %s: %s" % (stage, unknown))
    # Where the build itself was ended by force, nobody knows which program is missing.
    built = read_text(found / "built").split() if (found / "built").exists() else ["server", "client"]
    facts = (built, read_text(found / "build.log"), read_text(found / "note", 500).strip())
    verdicts = []
    for name, points in tests.items():
        outcome, seconds, text = results.get(name, ("failed", 0, ""))
        if name not in results or (outcome != "skipped" and missing(name, built)):
            outcome, text = "failed", not_run(name, facts)
        verdicts.append((name, points, outcome, seconds, text))
    return verdicts, facts[1], facts[2]


def title(test, points):
    """A test's name with what it is worth."""
    return "[%d point%s] %s" % (points, "" if points == 1 else "s", test)


def cause(verdict):
    """What failing tests have in common: whose they are, or which program went wrong, and what that means, as their
    explanations say, or all that these say."""
    test, text = verdict[0], verdict[4]
    program = re.match("the (server|client) (?!that )", text)
    meaning = re.search(r"^  it usually means: .*(\n    .*)*", text, re.MULTILINE)
    said = re.sub(r"\([^)]*\)|; or, in this test: (.|\n)*", "", meaning.group()) if meaning else re.sub(r"[0-9]{4,}", "0", text)
    return program.group(1) if program else test.split(":")[0], said


def by_cause(failed):
    """The failing tests, those with the same cause together: each cause where its most basic test stands."""
    causes = {}
    for verdict in failed:
        causes.setdefault(cause(verdict), []).append(verdict)
    return causes.values()


def names(verdicts):
    """A line for each of the first of these tests, and one for the rest."""
    lines = ["    " + title(v[0], v[1]) for v in verdicts[:NAMED]]
    rest = verdicts[NAMED:]
    return lines + ["    and %d more (%d points)" % (len(rest), sum(v[1] for v in rest))] if rest else lines


def write_report(path, name, stage, verdicts, log, note, score, most):
    """A page for the student: each cause once, with the tests that it took; the most basic one first."""
    failed = [v for v in verdicts if v[2] == "failed"]
    failed.sort(key=lambda v: -v[1])  # stable: of as many points, in the suite's order
    lines = ["%s: %s" % (stage, name), "%d of %d points, %d of %d tests failed" % (
        score, most, len(failed), sum(v[2] != "skipped" for v in verdicts)), ""]
    lines += said_of(log, "took ") + [""] * bool(said_of(log, "took "))
    if note:
        lines += ["Not all tests were run: %s." % note, ""]
    if log and any(v[4].startswith(NOT_RUN + ": there is no") for v in failed):
        what, why = build_said(log)
        lines += [what + ":", ""] + ["    " + line for line in why.splitlines()] + [""]
    ran = [v for v in failed if not v[4].startswith(NOT_RUN)]
    if ran:
        lines += ["Begin with the first of these: it is the most basic one.", ""]
    for first, *more in by_cause(ran):
        lines += [title(first[0], first[1])] + ["    " + line for line in first[4].splitlines()]
        if more:
            lines += ["", "The same with %d more:" % len(more)] + names(more)
        lines.append("")
    reasons = dict.fromkeys(v[4].split("\n")[0] for v in failed if v[4].startswith(NOT_RUN))
    for reason in reasons:
        points = [v[1] for v in failed if v[4].split("\n")[0] == reason]
        lines += [reason.replace("This test was", "%d tests (%d points) were" % (len(points), sum(points))), ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_junit(path, name, stage, verdicts):
    """JUnit XML, as CI services read it."""
    suite = ElementTree.Element("testsuite", name="%s: %s" % (stage, printable(name)), tests=str(len(verdicts)),
                                failures=str(sum(v[2] == "failed" for v in verdicts)), errors="0",
                                skipped=str(sum(v[2] == "skipped" for v in verdicts)),
                                time="%.3f" % sum(v[3] for v in verdicts))
    for test, points, outcome, seconds, text in verdicts:
        case = ElementTree.SubElement(suite, "testcase", classname=stage, name=test, time="%.3f" % seconds)
        if outcome == "failed":
            line = text.split("\n")[0]
            ElementTree.SubElement(case, "failure", type="%d points" % points, message=line).text = text
        elif outcome == "skipped":
            ElementTree.SubElement(case, "skipped", message=text.strip())
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.ElementTree(suites).write(path, encoding="utf-8", xml_declaration=True)


def write_gradescope(path, name, stage, verdicts, score, most):
    """Gradescope's results.json. Tests that were skipped are left out."""
    tests = [{"name": test, "score": points if outcome == "passed" else 0, "max_score": points,
              "status": outcome, "output": text, "output_format": "text", "visibility": "visible"}
             for test, points, outcome, _, text in verdicts if outcome != "skipped"]
    failed = sum(t["status"] == "failed" for t in tests)
    path.write_text(json.dumps({
        "score": score, "visibility": "visible", "stdout_visibility": "hidden",
        "output": "%s: %d of %d points, %d of %d tests failed" % (stage, score, most, failed, len(tests)),
        "execution_time": round(sum(v[3] for v in verdicts)),
        "tests": tests,
        "extra_data": {"submission": name, "stage": stage, "max_score": most},
    }, indent=1), encoding="utf-8")


def report(stage, found, name, out):
    """All reports of one submission, and its line of the table."""
    found, out = pathlib.Path(found), pathlib.Path(out)
    verdicts, log, note = judge(stage, found)
    counted = [v for v in verdicts if v[2] != "skipped"]
    score = sum(points for _, points, outcome, _, _ in counted if outcome == "passed")
    most = sum(v[1] for v in counted)
    write_report(out / "report.txt", name, stage, verdicts, log, note, score, most)
    write_junit(out / "junit.xml", name, stage, verdicts)
    write_gradescope(out / "results.json", name, stage, verdicts, score, most)
    failed = [v for v in counted if v[2] == "failed"]
    remark = note or ("%d of %d tests failed" % (len(failed), len(counted)) if failed else "")
    missing = dict.fromkeys(p for v in failed for p in re.findall("there is (no .*)[.]", v[4].split("\n")[0]))
    if missing:
        remark += ": " + ", ".join(missing)
    print(("%3d %%  %d/%d  %-24s %s" % (
        100 * score // most if most else 0, score, most, printable(name), remark)).rstrip(), flush=True)


def write_csv(results):
    """A line for each submission that is graded."""
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["submission", "points", "of", "percent", "failed"])
    for path in sorted(pathlib.Path(results).glob("*/results.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        score, most = result["score"], result["extra_data"]["max_score"]
        table.writerow([result["extra_data"]["submission"], score, most, "%.1f" % (100 * score / most if most else 0),
                        sum(t["status"] == "failed" for t in result["tests"])])


def write_classroom(folder):
    """The result of a grader, as classroom-resources/autograding-grading-reporter decodes it."""
    result = json.loads((pathlib.Path(folder) / "results.json").read_text(encoding="utf-8"))
    tests = [{"name": t["name"], "status": "pass" if t["status"] == "passed" else "fail", "score": t["score"],
              "message": t["output"].split("\n")[0][:200], "test_code": "", "filename": "", "line_no": 0} for t in result["tests"]]
    status = "pass" if all(t["status"] == "pass" for t in tests) else "fail"
    text = json.dumps({"version": 1, "status": status, "max_score": result["extra_data"]["max_score"],
                       "tests": tests})
    print(base64.b64encode(text.encode()).decode())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--csv"]:
        write_csv(sys.argv[2])
    elif sys.argv[1:2] == ["--classroom"]:
        write_classroom(sys.argv[2])
    elif sys.argv[1:2] == ["--points"]:
        for stage in sys.argv[2:]:
            values = read_tests(stage).values()
            basic = sum(points for points in values if points > 1)
            print("%s: %d tests, %d points, %d of them for what is basic" % (
                stage, len(values), sum(values), basic))
    elif len(sys.argv) == 5:
        report(*sys.argv[1:])
    else:
        sys.exit(__doc__)
