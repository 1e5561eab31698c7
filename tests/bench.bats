#!/usr/bin/env bats
# The benchmark: its load generator compares every byte, and its runner says so where one is wrong.

load support/suite

BENCH=$BATS_TEST_DIRNAME/bench

setup_file() {
  (cd "$BENCH" && unset MAKEFLAGS MFLAGS SANITIZE && make -s >/dev/null 2>&1)
}

eval "suite_$(declare -f setup)" # suite_setup is what suite.bash calls setup

setup() {
  suite_setup
  cd "$BATS_TEST_DIRNAME/.." || return 1
}

# Starts a server on a free port, which is appended to its command, or stands there as PORT. Sets
# $port. The load generator waits for it.
serve() { # COMMAND...
  local words=() word
  port=$(free_port)
  for word; do
    words+=("${word/#PORT/$port}")
  done
  [[ " $* " == *" PORT "* ]] || words+=("$port")
  start server "${words[@]}"
}

# Prints a free port below those that the system gives to clients; each test has a hundred.
free_port() {
  local number
  number=$(grep '^@test ' "$BATS_TEST_FILENAME" | grep -nF "\"$BATS_TEST_DESCRIPTION\"")
  python3 - "${number%%:*}" <<'END'
import socket, sys
port = 10000 + int(sys.argv[1]) * 100
while True:
    port += 1
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            break
        except OSError:
            pass
print(port)
END
}

# Runs the load generator against the server. A run that is not void prints four numbers.
put_load() { # [OPTION...] -- LOAD CLIENTS SIZE [CROWD...]
  local options=()
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  run "$BENCH/bin/load" -t 50 ${options[@]+"${options[@]}"} "$port" "$@" </dev/null
}

assert_measured() {
  assert_success
  [[ ${lines[${#lines[@]} - 1]} =~ ^[1-9][0-9]*\.[0-9]( [0-9]+\.[0-9]){3}$ ]] || fail "$output"
}

# A busy machine may take longer to start Python than the load generator waits.
serve_flawed() { # FLAW
  serve python3 "$BENCH/flawed.py" PORT "$1"
  LIMIT=60 wait_for_line "$dir/server.out" '^ready$'
}

# A server with this flaw makes a run void, for this reason.
assert_void() { # FLAW REGEX LOAD CLIENTS SIZE [CROWD...]
  local flaw=$1 reason=$2
  shift 2
  serve_flawed "$flaw"
  put_load -- "$@"
  assert_failure 1
  assert_output --regexp "(^|
)void: $reason\$"
}

@test "each floor echoes every load" {
  local floor
  for floor in threads poll event; do
    serve "$BENCH/bin/floor-$floor"
    put_load -- ping-pong 10 64 && assert_measured
    put_load -- stream 2 65536 && assert_measured
    put_load -- churn 4 64 && assert_measured
    put_load -- idle 4 64 10 100 && assert_measured
    assert_line "crowd 100"
  done
  serve "$BENCH/bin/floor-threads" -b
  put_load -w 25 -- broadcast 10 64 && assert_measured
}

@test "our stages echo every load that is theirs, with their welcome and their reverse" {
  make -s >/dev/null 2>&1
  serve v1.0-single/server -q 127.0.0.1
  put_load -- ping-pong 1 64 && assert_measured
  serve v3-reverse/server -q 127.0.0.1
  put_load -r -- ping-pong 1 64 && assert_measured
  serve v2-threaded-broadcast/server -b -q 127.0.0.1
  put_load -w 25 -- broadcast 10 64 && assert_measured
  put_load -w 25 -- flood 10 1024 3 && assert_measured
}

@test "an altered byte makes every load void" {
  local reason='byte [0-9]+ of a connection came back as 0x.. instead of 0x..'
  assert_void alter "$reason" ping-pong 3 500 # the third message has byte 1000
  assert_void alter "$reason" stream 1 65536
  assert_void alter "$reason" churn 2 2048
  assert_void alter "$reason" idle 2 500 3
  assert_void alter "$reason" idle 1 500 3
}

@test "an altered byte of a crowd makes the run void" {
  assert_void alter 'byte 1000 of a connection came back as .*' idle 1 2048 3
}

@test "an altered byte of a broadcast makes the run void" {
  assert_void alter 'client 0 got message [0-9]+ of client 0 altered' broadcast 1 64
}

@test "an altered byte of a flood makes the run void" {
  assert_void alter 'a client got byte [0-9]+ of client 0 altered' flood 1 65536 1
}

@test "a broadcast that one does not get makes the run void" {
  # Each client hears itself alone: the messages of the others are missing.
  assert_void none 'messages do not come: 0 of 2 clients wait for their own' broadcast 2 64
  assert_void none 'messages do not come: a client has not heard all' flood 2 64 1
}

@test "a byte that is lost makes the run void" {
  assert_void lose 'byte [0-9]+ of a connection came back as .*' stream 1 65536
}

@test "a last byte that is missing makes the run void" {
  assert_void lose '1 of 1 connections wait for bytes that do not come' ping-pong 1 1001
}

@test "a byte too many makes the run void" {
  assert_void double 'the server sent a byte too many, behind byte [0-9]+' ping-pong 1 1001
}

@test "a connection that the server closes makes the run void" {
  assert_void close 'the server closed a connection, [0-9]+ bytes are missing' stream 1 65536
}

@test "an echo where the reverse is expected makes the run void" {
  serve_flawed none
  put_load -r -- ping-pong 1 64
  assert_failure 1
  assert_output --regexp '^void: byte 0 of a connection came back as '
}

@test "no server makes the run void" {
  reserve_port
  put_load -- ping-pong 1 64
  assert_failure 1
  assert_output 'void: connection 0: Connection refused'
}

@test "the load generator refuses a wrong command line" {
  port=1
  for wrong in "ping-pong 0 64" "ping-pong 1 0" "ping-pong 1" "dance 1 64" "stream 1x 64" \
    "flood 2 64" "flood 2 64 3"; do
    # shellcheck disable=SC2086 # words
    put_load -- $wrong
    assert_failure 2
    assert_output --partial 'usage: load'
  done
}

@test "the runner names a server that alters a byte, and fails" {
  mkdir "$dir/bin"
  cat >"$dir/bin/socat" <<END
#!/bin/sh
port=\${1#TCP4-LISTEN:}
exec python3 "$BENCH/flawed.py" "\${port%%,*}" alter
END
  chmod +x "$dir/bin/socat"
  make -s >/dev/null 2>&1
  PATH=$dir/bin:$PATH run "$BENCH/run" quick "$dir/results"
  assert_failure 1
  assert_line --regexp '^void: socat, stream, .*: byte [0-9]+ of a connection came back as '
  assert_line --regexp '^  socat +void: byte [0-9]+ of a connection came back as '
  assert_line 'one run each: it shows that the loads run, and compares nothing'
  assert_line --regexp '^  v2-threaded +[0-9,]+ +- +[0-9.]+ '
  run grep -c '^stream,1,65536,socat,processes,MB/s,,,,,,,,0,1$' "$dir/results/results.csv"
  assert_output 1
}

# Runs the quick benchmark, through a link that its servers have in their names, and with a program
# of ours for node: it sends a signal to the runner when it begins, or when it is reached.
start_interrupted() { # [SIGNAL MOMENT]
  mkdir -p "$dir/bin"
  ln -sfn "$PWD" "$dir/link"
  cat >"$dir/bin/node" <<'END'
#!/bin/sh
[ "$MOMENT" != begins ] || kill -s "$SIGNAL" "$PPID"
exec python3 -c 'import os, socket, sys, time
with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as listener:
    peer = listener.accept()
    os.system("kill -s $SIGNAL " + str(os.getppid()))
    time.sleep(60)' "$0" "$2"
END
  chmod +x "$dir/bin/node"
  start run env PATH="$dir/bin:$PATH" SIGNAL="${1:-}" MOMENT="${2:-}" \
    "$dir/link/tests/bench/run" quick "$dir/results"
}

# The runner ends, by the signal with this number, and leaves nothing behind.
assert_interrupted() { # NUMBER
  wait_for_exit "$pid" 60 # the compiler and Python, on a slow machine
  local ended=$status
  run ps -A -o pid=,args=
  output=$(grep -F "$dir/" <<<"$output" | grep -v ' grep ') || true
  # shellcheck disable=SC2046 # words
  [ -z "$output" ] || kill -KILL $(awk '{ print $1 }' <<<"$output")
  assert_output ''
  assert_equal "$ended" $((128 + $1))
}

@test "the runner leaves no server behind when it is interrupted" {
  local each moment
  make -s >/dev/null 2>&1
  for each in INT:2 TERM:15 HUP:1; do
    ! is_ignored "${each%:*}" || continue
    start_interrupted
    LIMIT=60 wait_for_line "$dir/run.err" 'round 1: ping-pong, 1 client'
    kill -s "${each%:*}" "$pid"
    assert_interrupted "${each#*:}"
    for moment in begins "is reached"; do
      start_interrupted "${each%:*}" "$moment"
      assert_interrupted "${each#*:}"
    done
  done
}

@test "the runner refuses what is neither a length nor a folder, and makes none" {
  cd "$dir" || return 1
  run "$BENCH/run" quik
  assert_failure 2
  assert_output "make bench: BENCH may be quick, long, a folder for the results, or 'quick FOLDER', 'long FOLDER'; for a new folder quik: BENCH=./quik"
  run "$BENCH/run" quick "$dir/none/results"
  assert_failure 2
  assert_output "make bench: no folder $dir/none/results for the results: No such file or directory"
  run "$BENCH/run" --fast
  assert_failure 2
  run "$BENCH/run" quick results more
  assert_failure 2
  run ls -A
  assert_output ""
}

@test "the table shows on which side of a goal a ratio is" {
  run python3 -B - "$BENCH" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
from report import Summary, goals_of, legend_of, table_of
from servers import Load, own_servers
load = Load("churn", 10, 64)
rates = {"floor: threads": (1000, 2000), "v2-threaded": (1000, 1592)}
summaries = [Summary(load, server, {number: {"rate": rate, "memory": {}, "p50": 1, "p99": 2, "p99.9": 3}
                                    for number, rate in enumerate(rates[server.name])})
             for server in own_servers() if server.name in rates]
print("\n".join(legend_of(summaries) + table_of(load, summaries) + goals_of(summaries)))
END
  assert_success
  assert_line --regexp '^of floor: the median of the ratios in the same round'
  assert_line --regexp '^  v2-threaded +1,296 +±23% +0\.90 '
  assert_line '  NO   v2-threaded at least 0.90 of floor: threads in churn: 0.898 (churn, 10 clients, 64 bytes)'
}
