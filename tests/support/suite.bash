# suite.bash - what every suite loads first, after it has set STAGE:
#
#   STAGE=v1.0-single
#   load support/suite
#
# It brings the helpers of process.bash and assert.bash, and a setup and teardown for each test. All of
# it works with the bash 3.2 of macOS. A class is tested with it hundreds of times: it starts no process
# for what bash can do by itself.
#
# ECHO_EMULATOR='qemu-s390x -L /usr/s390x-linux-gnu' runs the stage's programs in an emulator.
# ECHO_SLOWNESS=20 makes all time limits 20 times longer, for valgrind or a very slow machine.
# ECHO_PATIENCE=3: no time limit is longer than 3 s, and no failure is explained, for programs of which it is known
# that most tests fail.
# ECHO_STOP=FILE: when a test has failed, FILE is made, and tests that begin later are skipped.

bats_require_minimum_version 1.8.0

SUPPORT=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
STAGE_DIR=${SUPPORT%/*/*}/${STAGE:-}
SLOWNESS=${ECHO_SLOWNESS:-1}
LIMIT=$((10 * SLOWNESS)) # seconds for what takes far less than one

load "$SUPPORT/process"
load "$SUPPORT/assert"
if [ -n "${ECHO_PATIENCE:-}" ]; then
  explain() { return 1; }
  explain_probe() { return 1; }
  show_lines() { :; }
fi

# bats notes before each command where it is, in a DEBUG trap, and takes more time for that than for the
# tests. Where a command fails is all that it needs to know: the ERR trap tells it then.
note_failure_only() {
  trap - DEBUG
  trap note_failure ERR
  BATS_DEBUG_LAST_STACK_TRACE=() BATS_DEBUG_LASTLAST_STACK_TRACE=()
}

note_failure() {
  BATS_ERROR_STATUS=$?
  BATS_DEBUG_LAST_STACK_TRACE_IS_VALID=1
  [ "${FUNCNAME[1]}" = bats_perform_test ] || bats_capture_stack_trace # a test that returns 1 has been left
}

setup() {
  note_failure_only
  trap : SEGV BUS FPE ILL ABRT SYS # of these, bash would report how a program has ended; explain() does
  [ ! -e "${ECHO_STOP:-}" ] || skip "a test before it has failed"
  exec </dev/null # nothing in a test reads the terminal
  dir=$BATS_TEST_TMPDIR
  find_programs
  # What a sanitizer finds goes into files, which teardown looks for: also in a server that is
  # killed at the end.
  export ASAN_OPTIONS="log_path=$dir/sanitizer:halt_on_error=1:exitcode=99"
  # The leak check stops all threads at exit, and may hang: where one that was joined is still on its way
  # out of the kernel, and in v3, once in some dozen stops, in sched_yield(). Valgrind looks for leaks there.
  case $STAGE in v2* | v3*) ASAN_OPTIONS+=":detect_leaks=0" ;; esac
  export UBSAN_OPTIONS="log_path=$dir/sanitizer:halt_on_error=1:print_stacktrace=1:exitcode=99"
  # The thread sanitizer sleeps for 1 s before the exit, of the 2 s that a stop may take.
  export TSAN_OPTIONS="log_path=$dir/sanitizer:halt_on_error=1:exitcode=99:atexit_sleep_ms=100"
}

teardown() {
  local result=0 file
  end_all_groups || result=1
  check_sanitizers || result=1
  # What a test printed or received may be large, and bats keeps it up to the end.
  for file in "$BATS_TEST_TMPDIR"/*; do
    if [ -d "$file" ] || [ -L "$file" ]; then rm -rf "$file"; elif [ -f "$file" ]; then : >"$file"; fi
  done
  [ -z "${ECHO_STOP:-}" ] || [ -n "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ] || : >"$ECHO_STOP"
  return "$result"
}

# Fails if a sanitizer has left a report.
check_sanitizers() {
  local report result=0
  for report in "$BATS_TEST_TMPDIR"/sanitizer.*; do
    [ -s "$report" ] || continue
    echo "A sanitizer has found a mistake in the program:"
    sed -n '1,40p' "$report"
    result=1
  done
  return "$result"
}
