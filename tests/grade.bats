#!/usr/bin/env bats
# The grader: what it gives to wrong programs, right ones, and those that attack it.
#
# GRADE=python also grades right programs in Python with all tests; GRADE=all does, and all mutants, not five a stage.

load support/suite

eval "suite_$(declare -f setup)" # suite_setup is what suite.bash calls setup

GRADE_DIR=$BATS_TEST_DIRNAME/grade
ROOT=$BATS_TEST_DIRNAME/..

# A few quick tests of v1.0 for what is not about a suite.
FEW='^server: (-h|--help|port 0|two operands|it serves one)|^client: (-h|three)|^server and client: the client'

setup() {
  local tool
  [ -z "${SERVER:-}${CLIENT:-}" ] || skip "SERVER or CLIENT names other programs"
  for tool in python3 parallel; do
    command -v "$tool" >/dev/null || skip "$tool is not installed: the grader needs it"
  done
  suite_setup
  class=$dir/class
  results=$dir/results
  mkdir "$class"
}

need_sandbox() {
  local spool lacks
  spool=$(mktemp -d)
  chmod 755 "$spool" # for root, who gives up his rights
  cp "$GRADE_DIR/one" "$spool"
  lacks=$("$spool/one" --isolation)
  rm -rf "$spool"
  [ -z "$lacks" ] || skip "$lacks"
}

# Grades $class. Options are variables, as make takes them. The output is in $dir/table.
grade() { # STAGE [NAME=VALUE...]
  local stage=$1
  shift
  env PATH="${PATH//"$BATS_LIBEXEC:"/}" TIME=$((120 * SLOWNESS)) "$@" STAGE="$stage" SUBMISSIONS="$class" RESULTS="$results" "$GRADE_DIR/run" \
    >"$dir/table" 2>&1 3>&- 4>&- || explain "the grader fails" "it said" "$(cat "$dir/table")"
}

# Hands in a stage as it is.
hand_in() { # NAME STAGE
  mkdir -p "$class/$1"
  cp "$ROOT/$2"/*.[ch] "$class/$1"
  cp -R "$ROOT/common" "$class/$1"
}

# Hands in the programs of a stage, where how they are built does not matter.
hand_in_programs() { # NAME STAGE
  mkdir -p "$class/$1"
  cp "$ROOT/$2/server" "$ROOT/$2/client" "$class/$1"
}

# Hands in parts of a solved lab.
hand_in_lab() { # NAME STAGE [PART...]
  local lab=$dir/lab name=$1 stage=$2
  shift 2
  if [ ! -d "$lab" ]; then
    make -s -C "$ROOT" lab STAGE="$stage" DIR="$lab"
    cp "$ROOT/$stage"/*.[ch] "$lab/$stage"
    cp "$ROOT"/common/*.c "$lab/common"
    echo 'not for this machine' >"$lab/$stage/server" # as a student's machine built it
  fi
  mkdir -p "$class/$name"
  (cd "$lab" && cp -R "${@:-.}" "$class/$name")
}

# Hands in a stage in Python.
hand_in_python() { # NAME STAGE
  mkdir -p "$class/$1/programs"
  cp "$BATS_TEST_DIRNAME/second/common.py" "$class/$1"
  cp "$BATS_TEST_DIRNAME/second/$2/"*.py "$class/$1/programs"
  # shellcheck disable=SC2016 # the script expands it
  hand_in_script "$1" server 'exec /usr/bin/python3 "$(dirname "$0")/programs/server.py" "$@"'
  # shellcheck disable=SC2016
  hand_in_script "$1" client 'exec /usr/bin/python3 "$(dirname "$0")/programs/client.py" "$@"'
}

hand_in_script() { # NAME PROGRAM LINE...
  local file=$class/$1/$2
  shift 2
  mkdir -p "$(dirname "$file")"
  printf '%s\n' '#!/bin/sh' "$@" >"$file"
}

# Hands in a mutant. Adds the test meant for it to $names.
hand_in_mutant() { # STAGE NAME
  local test
  "$BATS_TEST_DIRNAME/mutants/pick" --patch "$1/$2" >"$dir/patch"
  test=$(sed -n '/^--- /q; /^Test: /{s///p;q;}' "$dir/patch")
  hand_in "$2" "$1"
  # The folder of the stage is the folder of the submission.
  sed "s,^\(--- a/\|+++ b/\)$1/,\1," "$dir/patch" | (cd "$class/$2" && patch -p1 -s)
  names+=${names:+'|'}$(printf '%s\n' "$test" | sed 's/[^A-Za-z0-9 ,:]/./g; s/.*/^&$/')
  printf '%s\t%s\n' "$2" "$test" >>"$dir/meant"
}

# What a submission got: a field of its line in grades.csv (2 points, 3 of, 5 failed).
field() { # NAME FIELD
  awk -F , -v name="$1" -v field="$2" '$1 == name { print $field }' "$results/grades.csv"
}

assert_full_marks() { # NAME
  grep -E "^$1,([1-9][0-9]*),\1,100.0,0\$" "$results/grades.csv" ||
    explain "a right program does not get full marks" "submission" "$1" \
      "the table" "$(cat "$dir/table")" "its report" "$(cat "$results/$1/report.txt")"
}

assert_all_passed() { # NAME
  assert_line_in "$results/$1/report.txt" '^([1-9][0-9]*) of \1 points, 0 of [1-9][0-9]* tests failed$'
}

# Puts a bwrap in front that fails, as in a container that allows no namespaces. Sets $without_sandbox, and
# $bin, where all users find it, which is to be removed.
forbid_sandbox() {
  bin=$(mktemp -d)
  printf '%s\n' '#!/bin/sh' 'echo "bwrap: no permission" >&2' 'exit 1' >"$bin/bwrap"
  chmod 755 "$bin" "$bin/bwrap"
  without_sandbox=PATH=$bin:${PATH//"$BATS_LIBEXEC:"/}
}

# Whether a submission got this for a test (passed 1, failed 0), as its results.json says.
has() { # NAME TEST STATUS SCORE
  python3 -c 'import json, sys
tests = json.load(open(sys.argv[1]))["tests"]
sys.exit(not any([t["name"], t["status"], str(int(t["score"] > 0))] == sys.argv[2:] for t in tests))' \
    "$results/$1/results.json" "$2" "$3" "$4"
}

# Whether this machine cannot run a test: then nobody has points for it.
is_skipped() { # TEST
  ! has right "$1" passed 1 && ! has right "$1" failed 0
}

# Grades mutants of a stage: each loses the points of its test, the right programs lose none.
assert_mutants_graded() { # STAGE MUTANT...
  local stage=$1 names='' name test
  shift
  # shellcheck disable=SC2046 # their names are words
  [ "${GRADE:-}" != all ] || set -- $("$BATS_TEST_DIRNAME/mutants/pick" "$stage" | sed 's, .*,,; s,.*/,,')
  for name; do hand_in_mutant "$stage" "$name"; done
  hand_in right "$stage"
  hand_in_python python "$stage"
  grade "$stage" TESTS="$names"
  while IFS=$'\t' read -r name test; do
    is_skipped "$test" || has "$name" "$test" failed 0 ||
      explain "a mutant does not lose the points of its test" "mutant" "$name" "test" "$test" \
        "the table" "$(cat "$dir/table")" "its report" "$(cat "$results/$name/report.txt")"
  done <"$dir/meant"
  assert_full_marks right
  assert_full_marks python
}

@test "mutants of v1.0 lose the points of the tests meant for them, right programs lose none" {
  assert_mutants_graded v1.0-single strlen-on-binary quiet-ignored one-recv atoi-port sigpipe-kills
}

@test "mutants of v1.1 lose the points of the tests meant for them, right programs lose none" {
  assert_mutants_graded v1.1-multiconn strlen-on-binary blocking-listener ctrl-c-forgotten \
    one-connection-after-another exits-with-0-always
}

@test "mutants of v2 lose the points of the tests meant for them, right programs lose none" {
  assert_mutants_graded v2-threaded-broadcast shared-buffer sender-left-out newcomer-hears-the-past \
    no-half-close raw-on-a-terminal
}

@test "mutants of v3 lose the points of the tests meant for them, right programs lose none" {
  assert_mutants_graded v3-reverse bytes-reversed carriage-return-kept end-as-prefix one-recv \
    prompt-in-buffer
}

@test "the right programs get full marks for all tests of their suites" {
  local stage
  for stage in v1.0-single v1.1-multiconn v2-threaded-broadcast v3-reverse; do
    rm -rf "$class"
    results=$dir/$stage
    hand_in right "$stage"
    [ -z "${GRADE:-}" ] || hand_in_python python "$stage"
    grade "$stage"
    assert_full_marks right
    [ -z "${GRADE:-}" ] || assert_full_marks python
  done
}

@test "what is basic carries at least 40 of 100 points in each suite" {
  "$GRADE_DIR/report.py" --points v1.0 v1.1 v2 v3 >"$dir/points"
  [ "$(awk '$2 > 100 && $6 > $4 * 0.4' "$dir/points" | wc -l)" -eq 4 ] ||
    explain "too many points are for details" "the sums" "$(cat "$dir/points")"
}

@test "answers of v3 that always end in \n cost the points of that rule, and not those of messages in pieces" {
  hand_in_python plain v3-reverse
  sed -i 's/reply + ending/reply + b"\\n"/' "$class/plain/programs/server.py"
  grade v3 TESTS='^server: (an answer ends as|a last message may|a message that comes in|three messages that)'
  has plain 'server: an answer ends as its message did, with \n or with \r\n' failed 0
  has plain "server: a last message may end with the client's half-close, and so does its answer" failed 0
  has plain 'server: a message that comes in two pieces is one message, wherever it is cut' passed 1
  has plain 'server: three messages that come in two pieces are three, wherever they are cut' passed 1
}

@test "a submission that does not compile gets what its other program is worth, and the compiler's words" {
  hand_in half v1.0-single
  echo 'int main(void) { retrun 0; }' >"$class/half/client.c"
  grade v1.0 TESTS="$FEW|^server and client: an address"
  assert_line_in "$results/grades.csv" '^half,33,54,61\.1,3$' "the server's tests are worth 33, and one of both is skipped"
  assert_line_in "$results/half/report.txt" 'retrun.*undeclared'
  assert_line_in "$results/half/report.txt" 'not run: there is no client'
  assert_no_line_in "$results/half/report.txt" 'no server'
}

@test "what make lab made, or what matters of it, is a submission" {
  hand_in_lab whole v1.0-single
  hand_in_lab "whole in a folder/Doe, Jane/lab" v1.0-single
  hand_in_lab stage v1.0-single v1.0-single
  hand_in_lab side-by-side v1.0-single v1.0-single common
  hand_in_lab inside v1.0-single v1.0-single
  cp -R "$dir/lab/common" "$class/inside/v1.0-single"
  hand_in_lab top v1.0-single v1.0-single/.
  mkdir "$class/sources"
  cp "$dir/lab/v1.0-single"/*.c "$class/sources"
  grade v1.0 TESTS="$FEW"
  for name in whole "whole in a folder" stage side-by-side inside top sources; do
    assert_full_marks "$name"
  done
}

@test "a lab's C sources are taken where programs in another language stand beside them, and both are named" {
  hand_in_lab lab v1.0-single
  touch "$class/lab/v1.0-single/server.py" "$class/lab/my_server.js"
  hand_in_script lab v1.0-single/client 'exec my-client'
  grade v1.0 TESTS='^(server|client): -h'
  assert_all_passed lab
  assert_line_in "$results/lab/report.txt" '^took server\.c for the server; there is also my_server\.js, v1.0-single/server\.py$'
  assert_line_in "$results/lab/report.txt" '^took client\.c for the client; there is also client$'
}

@test "a submission's own common/ is taken, and not ours" {
  hand_in_lab side-by-side v1.0-single v1.0-single common
  echo '#error "the common/ of the submission"' >"$class/side-by-side/common/cli.c"
  hand_in_lab inside v1.0-single v1.0-single/. common
  cp "$class/side-by-side/common/cli.c" "$class/inside/common"
  grade v1.0 TESTS='^server: -h'
  for name in side-by-side inside; do
    assert_line_in "$results/$name/report.txt" '^The build failed'
    assert_line_in "$results/$name/report.txt" 'the common/ of the submission'
  done
}

@test "programs that are not where they are looked for are named, and not called a failed build" {
  mkdir -p "$class/src/src" "$class/nothing" "$class/two"
  cp "$ROOT/v1.0-single"/*.c "$class/src/src"
  cp -R "$class/src/src" "$class/src/other"
  hand_in_script lab v1.0-single/bin/server 'exit 0'
  printf 'all:\n\techo built\n' >"$class/lab/v1.0-single/Makefile"
  touch "$class/nothing/homework.7z" "$class/broken.zip" "$class/loose.rar"
  mkdir "$class/empty"
  mkdir -p "$class/split/server" "$class/split/client"
  cp "$ROOT/v1.0-single/server.c" "$class/split/server"
  cp "$ROOT/v1.0-single/client.c" "$class/split/client"
  cp "$ROOT/v1.0-single/server.c" "$class/two/echo_server.c"
  cp "$ROOT/v1.0-single/server.c" "$class/two/tcp_server.c"
  grade v1.0 TESTS='^server: -h'
  assert_line_in "$results/src/report.txt" '^    no server at the top; there is (src|other)/server\.c, (src|other)/server\.c$'
  assert_line_in "$results/lab/report.txt" '^    no server in v1.0-single/; there is v1.0-single/bin/server; make did not make it$'
  assert_line_in "$results/lab/report.txt" '^    no client in v1.0-single/; there is nothing of that name, but .*; make did not make it$'
  assert_line_in "$results/nothing/report.txt" '^    no client at the top; there is nothing of that name, but homework.7z$'
  assert_line_in "$results/two/report.txt" '^    no server at the top, but several that could be: echo_server.c, tcp_server.c$'
  assert_line_in "$results/split/report.txt" '^    no server at the top; there is server/server.c$'
  assert_line_in "$dir/table" ' split  .* failed: no server$'
  assert_line_in "$results/empty/report.txt" '^    no server at the top; there is nothing of that name$'
  for name in nothing broken.zip loose.rar; do
    assert_line_in "$results/$name/report.txt" '^    no archive that can be unpacked: '
  done
  for name in src lab nothing two split; do
    assert_no_line_in "$results/$name/report.txt" 'build failed'
  done
}

@test "what courses get is taken where only one thing can be meant, and named" {
  local name program lab="$dir/packed/My Lab"
  mkdir -p "$lab" "$dir/packed/__MACOSX/My Lab"
  cp "$ROOT/v1.0-single/server.c" "$lab/Server.c"
  printf '%s\n' '#include <netdb.h>' 'char of_no_standard[NI_MAXHOST];' >>"$lab/Server.c"
  cp "$ROOT/v1.0-single/client.c" "$lab/echo_client.c"
  touch "$dir/packed/.DS_Store" "$lab/.DS_Store" "$dir/packed/__MACOSX/My Lab/._Server.c"
  cp -R "$dir/packed" "$class/folder"
  mkdir -p "$class/zip" "$class/tar.gz" "$class/Doe_12345_assignsubmission_file_/deeper" "$class/__MACOSX"
  (cd "$dir/packed" && python3 -m zipfile -c "$class/zip/hw.zip" __MACOSX "My Lab" .DS_Store)
  tar -czf "$class/tar.gz/hw.tar.gz" -C "$dir/packed" .
  cp "$class/zip/hw.zip" "$class/Doe_12345_assignsubmission_file_/deeper"
  cp "$class/zip/hw.zip" "$class/loose.ZIP"
  touch "$class/read me" "$class/zip/read me, too"
  hand_in makefile v1.0-single
  mv "$class/makefile/server.c" "$class/makefile/serve.c"
  # shellcheck disable=SC2016 # make expands them
  printf '%s\n' 'COMPILE = cc -std=c11 -D_POSIX_C_SOURCE=200809L -Icommon -o $@' 'all: echos echoc' \
    'echos: serve.c' '	$(COMPILE) serve.c common/*.c' 'echoc: client.c' '	$(COMPILE) client.c common/*.c' \
    >"$class/makefile/Makefile"
  hand_in_python carriage-returns v1.0-single
  cp -R "$class/carriage-returns" "$class/python"
  for program in server client; do
    sed '1s,.*,#!/usr/bin/python3,; s/$/\r/' "$class/python/programs/$program.py" >"$class/carriage-returns/$program"
    mv "$class/python/programs/$program.py" "$class/python/my_$program.py"
    rm "$class/python/$program"
  done
  cp -R "$class/python" "$class/script"
  for program in server client; do
    mv "$class/script/my_$program.py" "$class/script/$program.py"
    hand_in_script script "$program" "exec /usr/bin/python3 \"\$(dirname \"\$0\")/$program.py\" \"\$@\""
  done
  grade v1.0 TESTS='^(server|client): -h prints'
  assert_line_in "$dir/table" '^left out, as neither a folder nor an archive: read me$'
  for name in folder zip tar.gz Doe_12345_assignsubmission_file_ loose.ZIP makefile carriage-returns python script; do
    assert_all_passed "$name"
  done
  [ ! -e "$results/__MACOSX" ]
  for name in folder zip tar.gz Doe_12345_assignsubmission_file_ loose.ZIP; do
    assert_line_in "$results/$name/report.txt" '^took Server\.c for the server$'
    assert_line_in "$results/$name/report.txt" '^took the folder My Lab$'
  done
  assert_line_in "$results/zip/report.txt" '^took what is in hw\.zip$'
  assert_line_in "$results/makefile/report.txt" '^took echos for the server$'
  assert_line_in "$results/carriage-returns/report.txt" '^took server without the carriage returns'
  assert_line_in "$results/python/report.txt" '^took my_client\.py for the client$'
}

@test "Java's EchoServer.java is compiled and started" {
  command -v javac >/dev/null || skip "javac is not installed"
  mkdir -p "$class/java"
  echo 'public class EchoServer { public static void main(String[] words) {
    System.out.println("this is Java, with " + words.length + " word"); } }' >"$class/java/EchoServer.java"
  grade v1.0 TESTS='^server: -h prints' SHOW="$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")"
  assert_line_in "$results/java/report.txt" '^took EchoServer\.java for the server$'
  assert_line_in "$results/java/report.txt" 'this is Java, with 1 word'
}

@test "the names of folders may hold blanks, quotes and any script" {
  local name names=("O'Brien, \"Ann\" \$HOME" "Ψηφίο 数字" "100% \\n	&*") lab="$dir/O'Brien's \"λαβ\" \$1"
  for name in "${names[@]}"; do hand_in "$name" v1.0-single; done
  grade v1.0 TESTS='^server: -h'
  for name in "${names[@]}"; do assert_all_passed "$name"; done
  make -s -C "$ROOT" lab STAGE=v1.0 DIR="${lab//\$/\$\$}"
  cp "$ROOT/v1.0-single"/*.c "$lab/v1.0-single"
  cp "$ROOT/common"/*.c "$lab/common"
  make -s -C "$lab" >/dev/null 2>&1
  make -s -C "$lab/tests/support" >/dev/null
  PATH=${PATH//"$BATS_LIBEXEC:"/} run "$lab/tests/suite" v1.0 --filter '^server: -h prints'
  assert_success
  SERVER="$lab/v1.0-single/server" PATH=${PATH//"$BATS_LIBEXEC:"/} run "$ROOT/tests/suite" v1.0 --filter '^server: -h prints'
  assert_success
}

@test "reports are well-formed, whatever programs print, and begin with what is most basic" {
  hand_in_script ugly server 'printf "\033[31m<&\001\377]]>\302\205\n"; exit 3'
  hand_in_script ugly client 'printf "\033[31m<&\001\377]]>\n" >&2; exit 3'
  grade v1.0 TESTS="$FEW"
  "$GRADE_DIR/report.py" --classroom "$results/ugly" >"$dir/classroom"
  python3 - "$results/ugly" "$dir/classroom" <<'END'
import base64, json, sys, xml.etree.ElementTree as tree
suites = tree.parse(sys.argv[1] + "/junit.xml").getroot()
suite = suites.find("testsuite")
assert len(suite.findall("testcase")) == int(suite.get("tests")) > 5
assert len(suite.findall("testcase/failure")) == int(suite.get("failures")) > 5
text = "".join(suite.itertext())
assert "[31m<&" in text and "\x1b" not in text, text
result = json.load(open(sys.argv[1] + "/results.json"))
assert result["score"] == sum(t["score"] for t in result["tests"]) == 0
for test in result["tests"]:
    assert test["score"] <= test["max_score"] and test["visibility"] == "visible"
    assert test["name"] and test["output"] and test["status"] == "failed"
classroom = json.loads(base64.b64decode(open(sys.argv[2]).read()))
assert classroom["status"] == "fail" and classroom["max_score"] == result["extra_data"]["max_score"] > 20
assert sum(t["score"] for t in classroom["tests"]) == 0 and len(classroom["tests"]) == len(result["tests"])
points = [int(line[1:].split()[0]) for line in open(sys.argv[1] + "/report.txt") if line.startswith("[")]
assert points == sorted(points, reverse=True) and points[0] > points[-1], points
END
}

# Reports on what a suite would have printed: each line of stdin is an extended regular expression for names of
# tests, then a tab, and what they say when they fail. All others pass.
report_on() { # STAGE NAME
  mkdir -p "$dir/found" "$results/$2"
  printf '%s\n' server client >"$dir/found/built"
  cat >"$dir/failures"
  "$BATS_TEST_DIRNAME/suite" --list "$1" | cut -f 4 | awk -F '\t' '
    NR == FNR { failing[++n] = $1; said[n] = $2; next }
    {
      for (i = 1; i <= n && $0 !~ failing[i]; i++) ;
      printf "%s %d %s in 12ms\n", (i > n ? "ok" : "not ok"), FNR, $0
      if (i <= n) { gsub(/\\n/, "\n# ", said[i]); print "# " said[i]; gsub(/\n# /, "\\n", said[i]) }
    }' "$dir/failures" - >"$dir/found/suite.tap"
  "$GRADE_DIR/report.py" "$1" "$dir/found" "$2" "$results/$2" >"$dir/table"
}

@test "a report tells each cause once, with how many tests it took, and the most basic one first" {
  report_on v1.1 one <<'END'
^client: -h prints	the exit status is wrong\n  got: 1
^server: (an|a) 	/tmp/kit/support/process.bash: line 345:  3829 Killed   "$@"\nthe time was short\n  got: 20000\n  it usually means: it is slow\n    and waits
^server: it 	a line is missing\n  it usually means: the line stays in a buffer\n    for long; or, in this test: it stops
^server: 	the server does not get ready\n  it usually means: the line stays in a buffer\n    for long
END
  grep -nE '^(\[|The same|Begin)' "$results/one/report.txt" | sed 's/^[0-9]*://' >"$dir/heads"
  assert_lines "$dir/heads" <<END
Begin with the first of these: it is the most basic one.
[10 points] server: port 0 lets the system choose, and the ready line shows the port
The same with $(($(grep -c '^not ok.*server: ' "$dir/found/suite.tap") - $(grep -cE '^not ok.*server: (an|a) ' "$dir/found/suite.tap") - 1)) more:
[10 points] server: a client that half-closes gets everything back, then the end
The same with $(($(grep -cE '^not ok.*server: (an|a) ' "$dir/found/suite.tap") - 1)) more:
[1 point] client: -h prints the usage on stdout and exits 0
END
  [ "$(grep -c 'the line stays in a buffer' "$results/one/report.txt")" -eq 1 ]
  assert_no_line_in "$results/one/report.txt" 'Killed'
  assert_line_in "$results/one/report.txt" '^    and [0-9]+ more \([0-9]+ points\)$'
  [ "$(wc -l <"$results/one/report.txt")" -lt 50 ] || fail "it is long: $(cat "$results/one/report.txt")"
}

@test "a client that raises an exception where nobody listens is not told that it uses another address" {
  hand_in raising v3-reverse
  rm "$class/raising/client.c"
  hand_in_script raising client "exec /usr/bin/python3 -c 'import socket; socket.create_connection((\"localhost\", 7200))'"
  grade v3 TESTS='^client: without operands'
  assert_line_in "$results/raising/report.txt" '^    nothing tells that the default address is used$'
  assert_line_in "$results/raising/report.txt" 'an exception that nobody catches is not that line'
  assert_no_line_in "$results/raising/report.txt" 'the default address is not used'
}

@test "a run that was stopped goes on where it was" {
  ! is_ignored INT || skip "SIGINT is ignored where this suite was started"
  hand_in_programs first v1.0-single
  hand_in_script second server 'exec sleep 1000'
  hand_in_script second client 'exec sleep 1000'
  set -m
  PATH="${PATH//"$BATS_LIBEXEC:"/}" STAGE=v1.0 SUBMISSIONS=$class RESULTS=$results TESTS=$FEW JOBS=2 "$GRADE_DIR/run" >"$dir/table" 2>&1 3>&- 4>&- &
  pid=$!
  set +m
  groups+=("$pid")
  LIMIT=60 wait_until test -e "$results/first/results.json"
  [ ! -e "$results/second" ] # it is at work
  kill -INT -- "-$pid"
  wait_for_exit "$pid" 30
  assert_status 130
  assert_line_in "$dir/table" '^stopped: the same command goes on'
  touch -r "$results/first/results.json" "$dir/before"
  hand_in_script second server 'exit 1' # quicker this time
  hand_in_script second client 'exit 1'
  grade v1.0 TESTS="$FEW"
  [ ! "$results/first/results.json" -nt "$dir/before" ]
  [ "$(field second 2)" = 0 ]
  assert_full_marks first
  assert_line_in "$dir/table" '^1 of 1 graded'
  run env STAGE=v1.0 SUBMISSIONS="$class" RESULTS="$results" TESTS='^client: ' "$GRADE_DIR/run"
  assert_failure 2
  assert_output --partial 'take the same, or another RESULTS=dir'
}

@test "a class without a submission is refused with exit 2, and leaves no results" {
  mkdir -p "$class"
  touch "$class/server.c"
  run env STAGE=v1.0 SUBMISSIONS="$class" RESULTS="$results" "$GRADE_DIR/run"
  assert_failure 2
  [ ! -e "$results" ]
  mkdir "$class/grades" # of a run before
  run env STAGE=v1.0 SUBMISSIONS="$class" RESULTS="$class/grades" "$GRADE_DIR/run"
  assert_failure 2
  assert_output "tests/grade/run: SUBMISSIONS=$class holds no submissions: each is a folder in it, or an archive"
  [ ! -e "$results" ]
}

@test "an option that makes no sense is refused with exit 2, before anything is written" {
  local option options=(JOBS=0 JOBS=x TIME=soon 'TESTS=^sever' 'TESTS=(' SHOW=/nosuch STAGE=v9)
  hand_in_script one server 'exit 1'
  ! command -v rsync >/dev/null || options+=(SSHLOGINFILE=nosuch)
  for option in "${options[@]}"; do
    run env STAGE=v1.0 SUBMISSIONS="$class" RESULTS="$results" "$option" "$GRADE_DIR/run"
    assert_failure 2
    assert_output --partial "${option#*=}"
    [ ! -e "$results" ]
  done
  run env STAGE=v1.0 RESULTS="$results" "$GRADE_DIR/run"
  assert_failure 2
  assert_output --partial 'which folder of submissions?'
}

@test "GNU parallel's hosts are used" {
  command -v rsync >/dev/null || skip "rsync is not installed: GNU parallel copies with it"
  hand_in_programs "a name, with blanks" v1.0-single
  echo : >"$dir/hosts"
  grade v1.0 TESTS='^server: (-h|port 0)' SSHLOGINFILE="$dir/hosts"
  assert_line_in "$results/grades.csv" '^"a name, with blanks",12,12,100.0,0$'
}

@test "a host that has nothing of it yet grades, and keeps nothing" {
  [ "$(uname)-$(id -u)" = Linux-0 ] || skip "only root can make a second host of this one, without /tmp"
  command -v rsync >/dev/null || skip "rsync is not installed: GNU parallel copies with it"
  local bin
  bin=$(TMPDIR=/var/tmp mktemp -d)
  start host unshare -m sh -c 'mount -t tmpfs none /tmp && echo ready && exec sleep 300'
  wait_for_line "$dir/host.out" '^ready$'
  # What ssh does: [-l USER] HOST [--] COMMAND. sshd sets SHELL, which parallel needs there: without it,
  # the command would not run, and nobody would say so.
  # shellcheck disable=SC2016 # the script expands them
  printf '%s\n' '#!/bin/sh' 'while :; do case $1 in -l) shift 2 ;; -*) shift ;; *) break ;; esac; done' \
    'shift; [ "$1" != -- ] || shift' 'export SHELL=/bin/sh' "exec nsenter -t $pid -m sh -c \"\$*\"" >"$bin/ssh"
  chmod +x "$bin/ssh"
  echo "$bin/ssh elsewhere" >"$dir/hosts"
  hand_in_programs right v1.0-single
  grade v1.0 TESTS='^server: (-h|port 0)' SSHLOGINFILE="$dir/hosts"
  rm -r "$bin"
  assert_full_marks right
  nsenter -t "$pid" -m find /tmp -mindepth 1 >"$dir/left"
  assert_nothing_in "$dir/left" "parallel --cleanup removes what it has sent; tests/grade/one the rest"
}

@test "the caller's umask takes nothing from the sandbox, and no marks" {
  need_sandbox
  local mask
  for mask in 027 077; do
    rm -rf "$class" "$results"
    umask "$mask"
    hand_in_programs right v1.0-single
    grade v1.0 TESTS="$FEW"
    case $(ls -ld "$results") in drwx???---*) ;; *) fail "others may read the results" ;; esac
    assert_no_line_in "$dir/table" 'not isolated'
    assert_full_marks right
  done
}

@test "where there is no sandbox, nothing is graded, and the reason is shown" {
  forbid_sandbox
  hand_in_script right server "touch '$dir/escaped'"
  run env "$without_sandbox" STAGE=v1.0 SUBMISSIONS="$class" RESULTS="$results" "$GRADE_DIR/run"
  rm -r "$bin"
  assert_failure 1
  assert_output --partial 'there is no sandbox on this machine: bwrap: no permission'
  assert_output --partial 'UNPROTECTED=yes'
  [ ! -e "$dir/escaped" ] && [ ! -e "$results" ]
}

@test "UNPROTECTED=yes grades without a sandbox, but no program as root, who keeps the results to himself" {
  forbid_sandbox
  hand_in right v1.0-single
  # shellcheck disable=SC2016 # the script expands them
  hand_in_script spy server 'exec 2>&1; echo "spy: user $(id -u)"
    for file in $(find "${0%/job.*}" -name "*.tap" -o -name note -o -name "*.bats"); do
      [ ! -w "$file" ] || echo "spy: writes $file"
    done
    echo "spy: done"
    setsid bash -c "exec -a grade-escapee-3 sleep 1000" &'
  grade v1.0 TESTS="$FEW" UNPROTECTED=yes "$without_sandbox"
  rm -r "$bin"
  assert_line_in "$dir/table" '^not isolated on this machine: .*bwrap: no permission'
  assert_full_marks right
  assert_line_in "$results/spy/report.txt" 'spy: done'
  [ "$(id -u)" -eq 0 ] || skip "only root can become another user"
  assert_no_line_in "$results/spy/report.txt" 'spy: (user 0|writes)'
  run ! pgrep -f 'grade-escapee-3'
}

@test "a sandbox that fails in the middle of a run lets nothing out: that is not graded" {
  need_sandbox
  local bin
  bin=$(mktemp -d)
  printf '%s\n' '#!/bin/sh' "[ \"\$1\" = --dev-bind ] || mkdir '$bin/used' || exit 1" "exec '$(command -v bwrap)' \"\$@\"" >"$bin/bwrap"
  chmod 777 "$bin" "$bin/bwrap"
  hand_in_script spy server "touch '$dir/escaped'"
  run grade v1.0 TESTS="$FEW" PATH="$bin:${PATH//"$BATS_LIBEXEC:"/}"
  rm -r "$bin"
  assert_line_in "$dir/table" '^tests/grade/one: the sandbox does not work on .* now: '
  assert_line_in "$dir/table" '^0 of 1 graded'
  [ ! -e "$dir/escaped" ] && [ ! -e "$results/spy" ]
}

# ---- Programs that hang ----

@test "a server that never flushes its output is started no more, which is said once and first; its client loses nothing" {
  hand_in unflushed v1.1-multiconn
  sed -i -e 's/^    start_program();.*/&\n    setvbuf(stdout, NULL, _IOFBF, BUFSIZ);/' \
    -e '0,/^#include </s//#include <stdio.h>\n&/' \
    -e '0,/^struct client {/s//#define say(...) (printf(__VA_ARGS__), (void)putchar(10))\n&/' "$class/unflushed/server.c"
  grade v1.1 TIME=300 \
    TESTS='^server: (port 0|-h|it|a second client|each|every byte|a client that)|^client: (-h|the third|it sends)'
  assert_line_in "$results/unflushed/report.txt" \
    '^[1-9][0-9] tests \([0-9]+ points\) were not run: the server does not get ready .*, whenever it was started$'
  sed -n '/^\[/{p;n;p;}' "$results/unflushed/report.txt" >"$dir/causes"
  assert_lines "$dir/causes" <<'END'
[10 points] server: port 0 lets the system choose, and the ready line shows the port
    the server does not get ready
END
  [ "$(grep -c 'stays in a buffer' "$results/unflushed/report.txt")" -eq 1 ]
  [ "$(wc -l <"$results/unflushed/report.txt")" -lt 40 ] || fail "it is long: $(cat "$results/unflushed/report.txt")"
  has unflushed 'client: it sends its messages, all of them, and nothing else' passed 1
  assert_no_line_in "$results/unflushed/report.txt" 'was used up'
}

@test "programs that do not know -q are told so once each, and not that they fail for another reason" {
  local program
  hand_in_programs loud v1.0-single
  for program in server client; do
    mv "$class/loud/$program" "$class/loud/right-$program"
    # shellcheck disable=SC2016 # the script expands it
    hand_in_script loud "$program" 'case " $* " in *" -q "*) echo "no port: 127.0.0.1" >&2; exit 1 ;; esac' \
      "exec \"\$(dirname \"\$0\")/right-$program\" \"\$@\""
  done
  grade v1.0 TESTS='-q|16 MB|^server: it serves one'
  grep -EA 1 '^(\[|The same)' "$results/loud/report.txt" | grep -v '^--' >"$dir/causes"
  assert_lines "$dir/causes" <<'END'
[1 point] server: -q leaves out the lines on echoing, and only those
    the server was started with -q, and does not know that option
The same with 3 more:
    [1 point] server: 16 MB of random bytes come back unchanged, in order
[1 point] client: -q leaves out the lines on sending and receiving, and only those
    the client was started with -q, and does not know that option
The same with 2 more:
    [1 point] client: with stdin as the message, -q leaves the two QUOTED lines out of stderr
END
}

@test "the tests of a client that hangs take no time from the server's" {
  hand_in hanging v1.0-single
  rm "$class/hanging/client.c"
  hand_in_script hanging client 'exec sleep 1000'
  grade v1.0 TESTS='^server: (-h|port 0|it serves one)|^client: ' TIME=20
  assert_line_in "$results/hanging/report.txt" 'were not run: the time for all tests together \(20 s\) was used up'
  assert_no_line_in "$results/hanging/report.txt" '^\[.*server: '
  has hanging 'server: it serves one client and exits 0' passed 1
}

@test "a program that is missing is named as missing, also when the time was used up" {
  hand_in_script one server 'exec sleep 1000'
  cp "$ROOT/v1.0-single/client.c" "$class/one"
  printf 'all:\n\techo no rule for the client\n' >"$class/one/Makefile"
  grade v1.0 TESTS='^server: |^client: -h' TIME=10
  assert_line_in "$results/one/report.txt" 'was used up'
  assert_line_in "$results/one/report.txt" '^    no client at the top; there is client.c; make did not make it$'
  assert_line_in "$results/one/report.txt" 'not run: there is no client'
}

@test "a server with a thread for each client has room for 500 of them, and beside them for a thousand" {
  need_sandbox
  hand_in threads v1.1-multiconn
  rm "$class/threads/server.c"
  cat >"$class/threads/server.py" <<'END'
import signal, socket, sys, threading
def stop(*_):
    print("Server stops after", count, "connections", flush=True)
    sys.exit()
def serve(client):
    while data := client.recv(4096):
        client.sendall(data)
    sys.stdout.write("Server closes connection to 127.0.0.1:%d\n" % client.getpeername()[1])
    sys.stdout.flush()
    client.close()
signal.signal(signal.SIGTERM, stop)
count = 0
listener = socket.create_server(("127.0.0.1", int(sys.argv[-1])), backlog=4096)
print("Server listens on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
while True:
    client, _ = listener.accept()
    count += 1
    threading.Thread(target=serve, args=[client], daemon=True).start()
END
  grade v1.1 TESTS='^server: 500 clients at once|^server and client: a thousand'
  assert_full_marks threads
}

@test "a server that takes all threads takes none from its client" {
  need_sandbox
  hand_in_programs threads v1.0-single
  mv "$class/threads/client" "$class/threads/right"
  cat >"$class/threads/start" <<'END' # so many threads, or all that there are, up to the end
import pathlib, sys, threading, time
threading.stack_size(256 << 10)
try:
    for _ in range(int(sys.argv[1])):
        threading.Thread(target=time.sleep, args=[60], daemon=True).start()
except RuntimeError:
    pathlib.Path("/tmp/taken").touch()
    threading.Event().wait()
END
  # shellcheck disable=SC2016 # the scripts expand them
  hand_in_script threads server 'exec python3 "$(dirname "$0")/start" 5000'
  # shellcheck disable=SC2016
  hand_in_script threads client 'until [ -e /tmp/taken ]; do sleep 0.1; done' \
    'cd "$(dirname "$0")" && python3 start 150 && exec ./right "$@"'
  grade v1.0 TESTS='^server: port 0|^client: three'
  assert_no_line_in "$results/threads/report.txt" '^\[.* client: '
}

# ---- Gradescope and GitHub Classroom ----

@test "make autograder packs what Gradescope needs and nothing else, and it grades there" {
  local gradescope=$dir/autograder
  (cd "$dir" && "$GRADE_DIR/autograder" v1.0 >/dev/null)
  mkdir -p "$gradescope/source" "$gradescope/results"
  python3 -m zipfile -e "$dir/v1.0-autograder.zip" "$gradescope/source"
  (cd "$gradescope/source" && find . -path ./common -prune -o -path ./tests/support -prune -o -type f -print | sort) >"$dir/packed"
  assert_lines "$dir/packed" <<'END'
./run_autograder
./setup.sh
./tests/every-stage.bats
./tests/golden/v3-client.txt
./tests/golden/v3-server.txt
./tests/grade/build
./tests/grade/inside
./tests/grade/one
./tests/grade/report.py
./tests/grade/run
./tests/setup
./tests/suite
./tests/v1.0-single.bats
END
  [ ! -e "$gradescope/source/tests/support/bin" ]
  chmod +x "$gradescope/source/tests"/{suite,grade/run,grade/one,grade/inside} # Python's zipfile does not
  sed -i "s,/autograder,$gradescope,g" "$gradescope/source/run_autograder" # a folder of ours instead
  forbid_sandbox # as there
  hand_in_script submission server 'exec sleep 1000'
  echo 'int main(void) { retrun 0; }' >"$class/submission/client.c"
  run_autograder '^(server|client): -h'
  python3 - "$gradescope/results/results.json" <<'END'
import json, sys
result = json.load(open(sys.argv[1]))
tests = {test["name"]: test for test in result["tests"]}
assert result["score"] == sum(test["score"] for test in tests.values()) == 0, result["score"]
assert all(test["visibility"] == "visible" and test["output"] for test in tests.values())
assert "retrun" in tests["client: -h prints the usage on stdout and exits 0"]["output"]
assert "does not end" in tests["server: -h prints the usage on stdout and exits 0"]["output"]
END
  rm -r "$gradescope/submission"
  hand_in_programs submission v1.0-single
  run_autograder "$FEW"
  rm -r "$bin"
  python3 - "$gradescope/results/results.json" <<'END'
import json, sys
result = json.load(open(sys.argv[1]))
assert result["score"] == sum(test["max_score"] for test in result["tests"]) > 50, result
END
}

# Does with $class/submission what Gradescope does with what a student uploads.
run_autograder() { # TESTS
  mv "$class/submission" "$gradescope"
  env "$without_sandbox" TESTS="$1" sh "$gradescope/source/run_autograder" >"$dir/table" 2>&1 3>&- 4>&- ||
    explain "the autograder fails" "it said" "$(cat "$dir/table")"
}

@test "the workflow for GitHub Classroom grades in the layout of its checkout" {
  need_sandbox
  mkdir -p "$dir/job/class"
  ln -s "$(cd "$ROOT" && pwd)" "$dir/job/course"
  hand_in submission v1.0-single
  mkdir "$class/submission/.github"
  mv "$class/submission" "$dir/job/class"
  sed -n '/id: grade/,/uses:/{/^          /s///p;}' "$GRADE_DIR/classroom.yml" >"$dir/step"
  (cd "$dir/job" && env PATH="${PATH//"$BATS_LIBEXEC:"/}" STAGE=v1.0 TESTS="$FEW" GITHUB_OUTPUT="$dir/said" \
    bash -e "$dir/step" >"$dir/table" 2>&1 3>&- 4>&-) || explain "the step fails" "it said" "$(cat "$dir/table")"
  assert_line_in "$dir/table" '^([1-9][0-9]*) of \1 points'
  sed -n 's/^result=//p' "$dir/said" | base64 -d | sed 's/, /\n/g' >"$dir/result"
  assert_line_in "$dir/result" '^"status": "pass"'
  assert_line_in "$dir/result" '^"max_score": [1-9]'
}

# ---- Submissions that attack ----

# Grades $class beside a right program, which gets full marks.
assert_costs_only_itself() { # [NAME=VALUE...]
  hand_in_programs right v1.0-single
  grade v1.0 TESTS='^server: (-h|port 0|it serves one)|^client: three|^server and client: the client' "$@"
  assert_full_marks right
}

@test "a submission that forks without end costs only itself" {
  need_sandbox
  mkdir -p "$class/bomb"
  echo 'int setsid(void); int fork(void); int main(void) { for (;;) if (fork() == 0) setsid(); }' >"$class/bomb/server.c"
  cp "$class/bomb/server.c" "$class/bomb/client.c"
  assert_costs_only_itself TESTS='^server: -h prints'
  assert_line_in "$results/bomb/report.txt" 'more than 300 processes, and were ended'
  [ "$(field bomb 2)" = 0 ]
}

@test "the processes of the suite do not count as the submission's" {
  need_sandbox
  hand_in_programs some v1.0-single
  mv "$class/some/server" "$class/some/right"
  # Who counts looks twice a second.
  # shellcheck disable=SC2016 # the script expands them
  hand_in_script some server 'for i in $(seq 292); do sleep 3 </dev/null >/dev/null 2>&1 & done; sleep 1' \
    'exec "$(dirname "$0")/right" "$@"'
  grade v1.0 TESTS='^server: -h prints'
  assert_no_line_in "$results/some/report.txt" 'Not all tests were run'
}

@test "what has passed before a submission forks without end, counts" {
  need_sandbox
  hand_in_programs late v1.0-single
  mv "$class/late/server" "$class/late/right"
  # shellcheck disable=SC2016 # the script expands them
  hand_in_script late server 'case $1 in -h) exec "$(dirname "$0")/right" "$@" ;; esac' 'while :; do sleep 1000 & done'
  grade v1.0 TESTS='^server: (-h|--help) prints'
  assert_line_in "$results/late/report.txt" 'more than 300 processes, and were ended'
  has late 'server: -h prints the usage on stdout and exits 0' passed 1
  has late 'server: --help prints the usage on stdout and exits 0' failed 0
}

@test "a submission that fills the disk, its memory and its output costs only itself" {
  need_sandbox
  local before after
  before=$(df -Pk "$BATS_RUN_TMPDIR" | awk 'NR == 2 { print $4 }')
  hand_in_script filler server 'cat /dev/zero >/tmp/full; cat /dev/zero >>/work/full; yes'
  hand_in_script filler client 'exec yes'
  mkdir "$class/eater"
  echo '#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void) { fork(); fork(); fork(); for (;;) { char *p = malloc(1 << 20); if (p) memset(p, 1, 1 << 20); else pause(); } }' \
    >"$class/eater/server.c"
  cp "$class/eater/server.c" "$class/eater/client.c"
  assert_costs_only_itself TIME=15
  assert_line_in "$results/eater/report.txt" 'more than 2048 MiB of memory, and were ended'
  [ "$(field filler 2)" = 0 ]
  [ "$(wc -c <"$results/filler/report.txt")" -lt 200000 ]
  after=$(df -Pk "$BATS_RUN_TMPDIR" | awk 'NR == 2 { print $4 }')
  [ "$((before - after))" -lt 500000 ] # KiB
}

@test "a server that takes all memory in a test loses that test alone" {
  need_sandbox
  hand_in_programs greedy v1.0-single
  mv "$class/greedy/server" "$class/greedy/right"
  # shellcheck disable=SC2016 # the script expands them
  hand_in_script greedy server 'take() { exec python3 -c "x = b\"x\" * (1200 << 20); import time; time.sleep(1000)"; }' \
    'case $1 in -h) take & take ;; esac' 'exec "$(dirname "$0")/right" "$@"'
  grade v1.0 TESTS='^server: (-h|port 0|a client that half-closes|[0-9-])'
  has greedy 'server: -h prints the usage on stdout and exits 0' failed 0
  [ "$(field greedy 5)" = 1 ] || fail "$(cat "$results/greedy/report.txt")"
}

@test "a submission that never ends, in its build or later, costs only itself" {
  need_sandbox
  hand_in_script endless server 'exec sleep 1000'
  mkdir "$class/build"
  printf 'all:\n\tsleep 1000\n' >"$class/build/Makefile"
  assert_costs_only_itself TIME=20
  assert_line_in "$results/build/report.txt" '^    it did not end within 10 s$'
  [ "$(field endless 2)" = 0 ]
}

@test "a submission that kills the suite, in its build or later, costs only itself" {
  need_sandbox
  hand_in_script killer server 'kill -KILL -1'
  mkdir "$class/build"
  printf 'all:\n\tkill -KILL -1\n' >"$class/build/Makefile"
  assert_costs_only_itself
  assert_line_in "$results/killer/report.txt" 'not run: the suite was ended by force'
  assert_line_in "$results/build/report.txt" 'not run: the suite was ended by force'
  [ "$(field killer 2)-$(field build 2)" = 0-0 ]
}

@test "what a submission starts in a session of its own is gone when it is graded" {
  need_sandbox
  hand_in_script escapee server 'setsid sh -c "exec -a grade-escapee-1 sleep 1000" >/dev/null 2>&1 &' \
    'exec setsid bash -c "exec -a grade-escapee-2 sleep 1000"'
  assert_costs_only_itself
  run ! pgrep -f 'grade-escapee-[12]'
}

@test "a submission cannot reach the grader's files, its processes, or the network" {
  need_sandbox
  touch "$dir/precious"
  # shellcheck disable=SC2016 # the script expands them
  hand_in_script spy server "precious=$dir/precious" '
    exec 2>&1
    says() { echo "spy: $*"; }
    [ -e "$precious" ] && says sees the files of the user
    find / "(" -path /proc -o -path /usr ")" -prune -o -name "*.bats" -print 2>/dev/null | grep . && says sees a suite
    for file in /etc/x /usr/x /x /dev/x /dev/shm/x /submission/x; do echo >"$file" && says writes "$file"; done
    for fd in /proc/[0-9]*/fd/*; do
      case $fd in /proc/$$/*) continue ;; esac
      [ "$(readlink "$fd" 2>/dev/null)" ] && tr "\0" " " <"${fd%/fd/*}/cmdline" | grep bats && says sees "$fd"
    done
    for root in /proc/[0-9]*/root; do
      ls "$root/home" >/dev/null 2>&1 && says gets out through "$root"
    done
    for fd in 3 4 5 6 7 8 9; do eval "echo ok 1 >&$fd" 2>/dev/null && says has descriptor "$fd"; done
    for name in $(sed "1,2d; s/:.*//" /proc/net/dev); do [ "$name" = lo ] || says has the network "$name"; done
    unshare -Urm true 2>/dev/null && says gets a namespace
    says done
    echo "ok 1 server: -h prints the usage on stdout and exits 0 in 1ms"; echo "not ok 1"; exit 0'
  hand_in_script spy client 'exit 0'
  assert_costs_only_itself TESTS='^server: -h prints'
  assert_line_in "$results/spy/report.txt" 'spy: done'
  assert_no_line_in "$results/spy/report.txt" 'spy: (sees|writes|gets|has)'
  [ "$(field spy 2)" = 0 ]
}
