# process.bash - starting programs, waiting for them, and ending them. Loaded by suite.bash.
#
# Each background program runs in a process group of its own, with stdout and stderr in
# $dir/NAME.out and $dir/NAME.err. teardown kills all of these groups.

groups=()
PATIENCE=$((${ECHO_PATIENCE:-1000} * SLOWNESS)) # no time limit is longer
timeout_command=timeout
type timeout >/dev/null 2>&1 || timeout_command=gtimeout

# Sets the arrays server_command and client_command: the words of SERVER and CLIENT as a shell
# splits them, or the stage's own programs, in an emulator if there is one (see suite.bash). And
# probe_command. The name of a file is one word, whatever is in it.
find_programs() {
  [ ! -f "${SERVER:-}" ] || printf -v SERVER %q "$SERVER"
  [ ! -f "${CLIENT:-}" ] || printf -v CLIENT %q "$CLIENT"
  eval "server_command=(${SERVER:-${ECHO_EMULATOR:-} \"\$STAGE_DIR/server\"})"
  eval "client_command=(${CLIENT:-${ECHO_EMULATOR:-} \"\$STAGE_DIR/client\"})"
  eval "never_ready=\"${ECHO_NEVER_READY:-}\""
  probe_command=("$SUPPORT/bin/probe")
}

# Whether a signal is ignored where the suite was started, as a script does with what it runs with &: a
# shell cannot undo that for its children.
is_ignored() { # SIGNAL
  [ "$(trap -p "$1")" = "trap -- '' SIG$1" ]
}

# Fails where the grader has no such program: it runs that one's tests up to here, as some are skipped before.
assert_is_there() { # NAME
  [[ " ${ECHO_MISSING:-} " != *" $1 "* ]] || fail "This test was not run: there is no $1"
}

# Starts a program in a group of its own. Sets $pid, which is the group's id too.
# $stdin_file (default /dev/null) and $stdout_file (default $dir/NAME.out) may say otherwise.
start() { # NAME COMMAND...
  local name=$1
  [ "$2" = "${probe_command[0]}" ] || assert_is_there "$name"
  shift
  : >"$dir/$name.out" # nobody takes the lines of a program of that name before for its lines
  : >"$dir/$name.err"
  set -m # a group for each job; and, unlike without it, SIGINT is not ignored in it
  "$@" <>"${stdin_file:-/dev/null}" >"${stdout_file:-$dir/$name.out}" 2>"$dir/$name.err" 3>&- 4>&- &
  pid=$!
  set +m
  eval "end_of_$name= command_of_$name=(\"\$@\")" # for explain_death
  groups+=("$pid")
  echo "$pid" >"$dir/$name.pid"
}

# The processes of a group that still run (zombies do not).
members() { # GROUP
  ps -A -o pgid=,pid=,stat=,args= | awk -v group="$1" '$1 == group && $3 !~ /^Z/'
}

# Kills all groups that the test has started, and waits until they are gone. Fails if one is not.
end_all_groups() {
  local group tries
  for group in ${groups[@]+"${groups[@]}"}; do
    [ -z "${ECHO_COUNTED:-}" ] || end_counted "$group"
    kill -KILL -- "-$group" 2>/dev/null || continue
    wait "$group" 2>/dev/null || true
    for ((tries = 0; tries < 500 * SLOWNESS; tries++)); do
      ! is_gone "-$group" || continue 2
      [ $((tries % 10)) -lt 9 ] || [ -n "$(members "$group")" ] || continue 2 # only zombies
      wait_a_moment 0.01
    done
    echo "These processes cannot be ended:"
    members "$group"
    return 1
  done
}

# Ends the programs of a group that make coverage counts: SIGKILL would lose their counts.
end_counted() { # GROUP
  local tries
  kill -USR2 -- "-$1" 2>/dev/null || return 0
  kill -CONT -- "-$1" 2>/dev/null || return 0
  for ((tries = 0; tries < 100; tries++)); do
    [ -n "$(members "$1")" ] || return 0
    wait_a_moment 0.02
  done
}

# Waits for a part of a second, without a process where bash can: it reads from a FIFO into which nobody
# writes. The read of bash 3.2 knows whole seconds only.
wait_a_moment() { # SECONDS
  if [ "${BASH_VERSINFO[0]}" -lt 4 ]; then
    sleep "$1"
  else
    [ -p "$BATS_RUN_TMPDIR/silent" ] || mkfifo "$BATS_RUN_TMPDIR/silent" 2>/dev/null || true
    read -r -t "$1" <>"$BATS_RUN_TMPDIR/silent" || true
  fi
}

# Waits until a command succeeds, LIMIT seconds at most. Result: whether it did.
wait_until() { # COMMAND...
  local deadline=$((SECONDS + (LIMIT < PATIENCE ? LIMIT : PATIENCE))) moments=(0.002 0.002 0.002 0.002 0.002)
  until "$@"; do
    [ "$SECONDS" -le "$deadline" ] || return 1
    wait_a_moment "${moments[0]:-0.01}"
    moments=("${moments[@]:1}")
  done
}

# Whether a line of FILE matches, which is then in $found. One that has no newline yet is no line: it gets a
# byte that no regex expects. Bash looks by itself, unless there is a NUL, which it would not see, or much.
has_line() { # FILE REGEX
  local LC_ALL=C text
  [ -r "$1" ] || return 1
  if IFS= read -r -d '' -n 4096 text <"$1"; then
    found=$(printf '\001' | cat "$1" - | LC_ALL=C grep -naE -e "$2" | LC_ALL=C sed -n 1p | tr -d '\000')
    [ -n "$found" ] || return 1
    found=${found#*:}
    return 0
  fi
  [ "${text%$'\n'}" != "$text" ] || text+=${text:+$'\001\n'}
  while [ -n "$text" ]; do
    found=${text%%$'\n'*}
    [[ ! $found =~ $2 ]] || return 0
    text=${text#*$'\n'}
  done
  return 1
}

# Waits until a line of FILE matches. Fails, showing the file, when none does in time, or when the
# program that start() let write it has ended.
wait_for_line() { # FILE REGEX [MEANING]
  local writers=$$ errors=${1%.*}.err # a file that start() has not made: there is nobody to look at
  [ ! -e "${1%.*}.pid" ] || { read -r writers <"${1%.*}.pid" && writers=-$writers; }
  wait_until has_line_or_is_gone "$1" "$2" "$writers" || true
  ! has_line "$1" "$2" || return 0
  status_of_end "${writers#-}" || status=
  explain "a line is missing" "expected a line like" "$2" "got" "$(show_lines "$1")" \
    "on stderr" "$([ ! -s "$errors" ] || show_lines "$errors")" "the program's exit status" "$status" \
    "it usually means" "${3:-}"
}

# A group is named by its negative.
# Also one that has ended, and that bash has not heard of yet: it was seen to miss a SIGCHLD.
is_gone() { # PID
  local stat=
  ! kill -0 -- "$1" 2>/dev/null || { { read -r stat <"/proc/$1/stat"; } 2>/dev/null && [[ $stat == *') Z '* ]]; }
}

# Sets $status to the exit status of a program that start() has started, if it has failed. Fails if it
# has not, still runs, or was waited for already.
status_of_end() { # PID
  [ -n "$1" ] && is_gone "$1" || return 1
  status=0
  wait "$1" 2>/dev/null || status=$?
  [ "$status" -gt 0 ] && [ "$status" -ne 127 ]
}

has_line_or_is_gone() { # FILE REGEX PID
  has_line "$1" "$2" || is_gone "$3"
}

HANGS="it waits for what never comes: it has sent less or more than it should, or counts wrongly, or goes on where recv() has returned 0, or nobody closes the connection whose end it waits for; or it sends to a peer that does not read"

# Waits until a program that start() has started ends. Sets $status, or fails after SECONDS.
wait_for_exit() { # PID [SECONDS [MEANING]]
  local LIMIT=${2:-$LIMIT}
  if ! wait_until is_gone "$1"; then
    local name="a program"
    case $1 in "${server:-}") name="the server" ;; "${client:-}") name="the client" ;; esac
    explain "$name does not end" "expected" "that it ends within $LIMIT s" "it usually means" "${3:-$HANGS}"
    return 1
  fi
  status=0
  wait "$1" 2>/dev/null || status=$?
}

# Sends the server a signal. Fails, explaining, if it has ended by itself. STOP has halted it then.
signal_server() { # SIGNAL
  if kill "-$1" -- "-$server" 2>/dev/null; then
    asked_to_stop=yes # or may be
    [ "$1" != STOP ] || wait_until stands_still "$server"
    return
  fi
  status_of_end "$server" || true # it sets $status all the same
  explain "the server has ended before it was asked to" "exit status" "$status" \
    "it printed" "$(show_lines "$server_out")" "on stderr" "$(show_lines "$server_err")" "it usually means" \
    "$(meaning_of_status "$status" || echo "$SERVES_ONE_CLIENT")" \
    "read" "$STAGE/README.md, \"What happens\""
}

# Stops a program in the middle, and waits until it stands still: one that is continued before it has had the
# processor was never stopped, and goes on waiting in the call that it waits in.
halt() { # PID
  kill -STOP -- "-$1"
  wait_until stands_still "$1"
}

stands_still() { # PID
  is_in_state "$1" '[Tt]*'
}

sleeps() { # PID
  is_in_state "$1" 'S*'
}

is_in_state() { # PID PATTERN
  local state
  if [ -r "/proc/$1/status" ]; then state=$(proc_status "$1" State); else state=$(ps -o stat= -p "$1"); fi
  # shellcheck disable=SC2053 # a pattern
  [[ $state == $2 ]]
}

# What a ready line looks like in this stage.
ready_regex() {
  case $STAGE in
    v1*) echo '^Server listens on .*:[0-9]+$' ;;
    v2*) echo '^\[\+\] Listening \| IP .* Port [0-9]+$' ;;
    v3*) echo '^Server can now receive from port [0-9]+$' ;;
  esac
}

# Starts the server on 127.0.0.1 and a port that the system chooses, and waits until it is ready.
# Sets $server (its pid), $port, $server_out and $server_err.
start_server() { # [OPTION...]
  start_server_on "$@" 127.0.0.1 0
}

# The same with the whole command line.
start_server_on() { # ARGUMENT...
  launch_server "$@"
  printed='' silent_from=$SECONDS
  wait_until is_ready_or_never_will_be || true
  take_port "$@"
}

launch_server() { # ARGUMENT...
  assert_not_hopeless
  start server "${server_command[@]}" "$@"
  server=$pid
  ready=$(ready_regex)
  server_out=$dir/server.out
  server_err=$dir/server.err
}

# Sets $port from the ready line. Fails, explaining, if there is none.
take_port() { # ARGUMENT...
  has_line "$server_out" "$ready" || explain_not_ready "$@" || return 1
  port=${found##*[!0-9]}
  [ -z "$never_ready" ] || : >"$never_ready/got-ready"
}

# Fails where a server has never got ready, three times for the same reason: a class has other tests to run. In
# the folder ECHO_NEVER_READY, which the grader makes for each submission, stand the reasons.
assert_not_hopeless() {
  local reason
  [ -e "$never_ready/reasons" ] && [ ! -e "$never_ready/got-ready" ] || return 0
  reason=$(awk '++count[$0] == 3 { print; exit }' "$never_ready/reasons")
  [ -z "$reason" ] || fail "This test was not run: $reason, whenever it was started"
}

# Starts the server with a pipe for its output, and reads from it up to the ready line. The reader's end is
# descriptor 5. Sets the same as start_server.
start_server_into_pipe() {
  local line=""
  mkfifo "$dir/output"
  stdout_file=$dir/output launch_server 127.0.0.1 0
  exec 5<>"$dir/output" # now: the server must not inherit it
  while ! has_line "$server_out" "$ready" && read -r -t "$LIMIT" line <&5; do
    echo "${line%$'\r'}" >>"$server_out" # a terminal ends lines with \r\n
  done
  take_port 127.0.0.1 0
}

# Whether to wait for the ready line no longer: it is there, the server is gone, or has said something
# else and then nothing for two seconds. Otherwise a ready line with one wrong word would make each
# test wait for all of its time.
is_ready_or_never_will_be() {
  local text
  ! has_line_or_is_gone "$server_out" "$ready" "$server" || return 0
  IFS= read -r -d '' -n 4096 text <"$server_out" || true
  [ "$text" = "$printed" ] || printed=$text silent_from=$SECONDS
  [ -n "$printed" ] && [ $((SECONDS - silent_from)) -gt $((2 * SLOWNESS)) ]
}

IN_A_BUFFER="the line is never printed, or stays in a buffer: stdout into a file is not line-buffered by itself. C: setvbuf(stdout, NULL, _IOLBF, BUFSIZ), or fflush(stdout) behind each line. Python: python3 -u, or print(..., flush=True)"

# Says why there is no ready line: the server has ended, says nothing, or says something else. Fails.
explain_not_ready() { # ARGUMENT...
  local title="the server does not get ready" how="still runs, but nobody can know its port" meaning
  local reading="$STAGE/README.md, \"Run it\""
  meaning="the ready line differs from what is expected, or is never printed"
  if is_gone "$server"; then
    status=0
    wait "$server" 2>/dev/null || status=$?
    title="the server ended before it was ready"
    how="exit status $status"
    meaning=$(meaning_of_status "$status") || case $status in
      0) meaning="it ends without serving: nothing in it waits for a client, as accept() does" ;;
      *) meaning="one of its first calls failed: socket(), bind(), listen(); its stderr should say why" ;;
    esac
  elif [ ! -s "$server_out" ]; then
    meaning=$IN_A_BUFFER
    reading="man 3 setvbuf; $reading"
  fi
  explain "$title" "ran" "$(show_command "${server_command[@]}" "$@")" "it" "$how" \
    "expected a line like" "$ready" "got" "$(show_lines "$server_out")" \
    "on stderr" "$(show_lines "$server_err")" "it usually means" "$meaning" \
    "read" "$reading" || true
  [ -z "$never_ready" ] || echo "$title ($how)" >>"$never_ready/reasons"
  return 1
}

# Starts the client in the background. Sets $client (its pid), $client_out and $client_err.
start_client() { # ARGUMENT...
  client_out=$dir/client.out
  client_err=$dir/client.err
  start client "${client_command[@]}" "$@"
  client=$pid
}

# Runs a program up to its end, within a time limit (LIMIT, or $limit seconds), with what the
# caller redirects to stdin. Sets $status, and fails if it has to be ended.
run_to_end() { # NAME COMMAND...
  local name=$1 seconds=${limit:-$LIMIT}
  [ "$seconds" -le "$PATIENCE" ] || seconds=$PATIENCE
  assert_is_there "$name"
  shift
  status=0
  { "$timeout_command" -k 2 "$seconds" "$@" >"${stdout_file:-$dir/$name.out}" 2>"$dir/$name.err" \
    3>&- 4>&-; } 2>/dev/null || status=$? # bash itself has something to say of a crash
  eval "end_of_$name=\$status command_of_$name=(\"\$@\")"
  case $status in
    124 | 137)
      explain "the $name does not end" "ran" "$(show_command "$@")" "expected" "that it ends within $seconds s" \
        "got so far" "$(show_lines "$dir/$name.out")" "on stderr" "$(show_lines "$dir/$name.err")" \
        "it usually means" "$(meaning_of_turns || echo "${hang_means:-$HANGS}")"
      return 1
      ;;
  esac
}

# A command line as the shell would take it, or the beginning of it.
show_command() { # WORD...
  local line
  printf -v line '%q ' "$@"
  line=${line% }
  [ "${#line}" -le 500 ] || line=${line:0:500}...
  printf '%s\n' "$line"
}

# Runs the client up to its end. Sets $status, $client_out and $client_err.
run_client() { # ARGUMENT...
  client_out=$dir/client.out
  client_err=$dir/client.err
  run_to_end client "${client_command[@]}" "$@"
}

# Runs a server that is expected to end by itself. Sets $status, $server_out and $server_err.
run_server() { # ARGUMENT...
  server_out=$dir/server.out
  server_err=$dir/server.err
  hang_means=${hang_means:-"the server should have refused this command line, and serves instead"} \
    run_to_end server "${server_command[@]}" "$@"
}

# Runs the probe up to its end (see probe.c). Fails, explaining, when a step does.
probe() { # ARGUMENT...
  local result=0
  need_open_files "$@"
  printf '%s\n' "$@" >"$dir/probe.steps"
  "${probe_command[@]}" "$@" >"$dir/probe.out" 2>"$dir/probe.err" 3>&- 4>&- || result=$?
  [ "$result" -eq 0 ] || explain_probe probe
}

# Starts the probe in the background. Its output is in $dir/NAME.out; go NAME ends a pause.
start_probe() { # NAME ARGUMENT...
  local name=$1
  shift
  need_open_files "$@"
  [ -p "$dir/$name.in" ] || mkfifo "$dir/$name.in"
  printf '%s\n' "$@" >"$dir/$name.steps"
  stdin_file=$dir/$name.in start "$name" "${probe_command[@]}" "$@"
  eval "probe_$name=$pid"
}

# Waits until a probe that start_probe has started pauses (prints WORDS, or `paused`).
wait_for_pause() { # NAME [WORDS]
  local name=$1 words=${2:-paused} probe_pid=probe_$1
  wait_until has_line_or_is_gone "$dir/$name.out" "^$words\$" "${!probe_pid}" &&
    has_line "$dir/$name.out" "^$words\$" && return
  explain_probe "$name"
}

# Ends the pause of a probe.
go() { # NAME
  echo 1<>"$dir/$1.in"
}

# Waits until a probe has done all of its steps. Fails, explaining, when one failed, or when it takes longer. Its
# own time may be up a moment later: then it says what it has waited for.
finish() { # NAME [SECONDS]
  local probe_pid=probe_$1
  if LIMIT=${2:-$((60 * SLOWNESS))} wait_until is_gone "${!probe_pid}"; then
    wait_for_exit "${!probe_pid}"
    [ "$status" -ne 0 ] || return 0
    [ -s "$dir/$1.err" ] || echo "probe: it has ended with status $status, and said nothing" >"$dir/$1.err"
  else
    LIMIT=3 wait_until is_gone "${!probe_pid}" || true
  fi
  explain_probe "$1"
}

go_and_finish() { # NAME
  go "$1"
  finish "$1"
}

# Starts a fake server (probe listen). Sets $port.
fake_server() { # [OPTION...] STEP...
  start_probe fake listen "$@"
  wait_for_line "$dir/fake.out" '^listening [0-9]+$'
  port=${found#listening }
}

# Sets $port to one on 127.0.0.1 where nobody listens, and nobody can until the test ends.
reserve_port() {
  start_probe reserve reserve
  wait_for_line "$dir/reserve.out" '^reserved [0-9]+$'
  port=${found#reserved }
}

# Sets $port to one on 127.0.0.1 where nobody listens.
find_free_port() {
  reserve_port
  go reserve
  finish reserve
}

# The address of the only connection of a probe that did the step `who`.
address_of() { # NAME
  sed -n 's/^me //p' "$dir/$1.out"
}

now_ms() {
  "$SUPPORT/bin/probe" now
}

# Skips the test where a process may not have so many files open as a crowd of the probe has connections.
need_open_files() { # [crowd|listen-crowd N]...
  case $1 in
    *crowd)
      [ "$(ulimit -H -n)" = unlimited ] || [ "$(ulimit -H -n)" -ge $(($2 + 20)) ] ||
        skip "the limit on open files leaves no room for $2 clients"
      ;;
  esac
}

# Skips the test where the system has no IPv6 loopback.
need_ipv6() {
  "$SUPPORT/bin/probe" reserve on:::1 </dev/null >/dev/null 2>&1 || skip "this system has no ::1"
}

# Skips the test where /proc does not tell about processes.
need_proc() {
  [ -r /proc/self/status ] || skip "this system has no /proc/PID/status"
}

# Skips the test where an emulator is the only cause that it fails.
need_no_emulator() { # REASON
  [ -z "${ECHO_EMULATOR:-}" ] || skip "in an emulator: $1"
}

# Skips the test where valgrind is the only cause that it fails (see tests/check).
need_no_valgrind() { # REASON
  case ${ECHO_EMULATOR:-} in valgrind*) skip "under valgrind: $1" ;; esac
}

# What /proc/PID/status says, such as VmRSS or VmHWM (kB), or Threads.
proc_status() { # PID FIELD
  local field value name=server
  if [ ! -r "/proc/$1/status" ]; then
    [ "$1" != "${client:-}" ] || name=client
    explain "the $name has ended in the middle of the test, which was to measure it" "it printed" \
      "$(show_lines "$dir/$name.out")" "on stderr" "$(show_lines "$dir/$name.err")" >&2
    return 1
  fi
  while read -r field value _; do
    [ "$field" != "$2:" ] || echo "$value"
  done <"/proc/$1/status"
}

descriptors() { # PID
  local entries=("/proc/$1/fd"/*)
  echo "${#entries[@]}"
}

# The lowest descriptor number that a process does not use: with it as the limit, it gets no other.
lowest_free_descriptor() { # PID
  local number=0
  while [ -e "/proc/$1/fd/$number" ] || [ -L "/proc/$1/fd/$number" ]; do
    number=$((number + 1))
  done
  echo "$number"
}

# The CPU time of a process so far, in clock ticks (Linux: 100 a second).
cpu_ticks() { # PID
  local stat
  read -r stat <"/proc/$1/stat"
  read -r -a stat <<<"${stat##*) }"
  echo $((stat[11] + stat[12]))
}
