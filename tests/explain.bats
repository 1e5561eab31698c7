#!/usr/bin/env bats
# What a failing test says to the one who wrote the program: for some programs with a mistake that
# students make (tests/mutants), the explanation is kept in tests/golden/explain and compared. It
# shows what was sent and expected, what came back, what usually causes it, and where to read.
#
# Where a better explanation is why they differ: RENEW=1 tests/check explain, and read the diff.

bats_require_minimum_version 1.8.0

# Leaves out what differs from run to run, or from machine to machine: ports, directories, times,
# where in the suites it failed, whether a peer that has left resets, and what a server has printed,
# or whether it has ended, in the moment in which the test failed.
normalize() {
  sed -E -e '/^\(from function|^ from function|^[( ]in test file/d' \
    -e "s/(127\.0\.0\.1[ :]|127\.0\.0\.1', |[Pp]ort |127\.0\.0\.1 : )[1-9][0-9]+/\1PORT/g" \
    -e 's,/[^ ]*/mutant/,,g' -e 's/(for|within) [0-9]+ s$/\1 N s/' \
    -e "/^  the (server|client)'s exit status:/d" -e 's/Broken pipe|Connection reset by peer/(the peer has left)/' |
    awk '/^  the server printed:/ { print; printed = 1; next }
      printed && (/^    / || !NF) { next }
      { printed = 0; print }'
}

# Compares what is said of a mutant with what is kept.
assert_explained() { # STAGE/NAME
  local golden=$BATS_TEST_DIRNAME/golden/explain/${1//\//.}.txt got=$BATS_TEST_TMPDIR/explanation
  "$BATS_TEST_DIRNAME/mutants/run" --explain "$1" >"$BATS_TEST_TMPDIR/tap"
  normalize <"$BATS_TEST_TMPDIR/tap" >"$got"
  if [ -n "${RENEW:-}" ]; then
    cp "$got" "$golden"
  fi
  diff -u "$golden" "$got" || {
    echo "The explanation is not the one that is kept. If it is better: RENEW=1 tests/check explain"
    return 1
  }
  # Whatever is kept says all of this.
  grep -q '^not ok ' "$golden"
  grep -q '^  it usually means: ' "$golden"
  grep -q '^  read: ' "$golden"
}

@test "byte stream: strlen() on binary data" {
  assert_explained v1.0-single/strlen-on-binary
}

@test "byte stream: the whole buffer is sent, whatever came" {
  assert_explained v1.0-single/sends-whole-buffer
}

@test "byte stream: the NUL behind a string is sent" {
  assert_explained v1.1-multiconn/sends-the-nul
}

@test "byte stream: one recv() is taken for the whole echo" {
  assert_explained v1.0-single/one-recv
}

@test "framing: what one recv() returns is taken for a message" {
  assert_explained v3-reverse/recv-is-a-message
}

@test "framing: the return of a network line is kept" {
  assert_explained v3-reverse/carriage-return-kept
}

@test "framing: bytes are reversed, not characters" {
  assert_explained v3-reverse/bytes-reversed
}

@test "close: a server that closes early is taken for success" {
  assert_explained v1.0-single/end-of-stream-is-success
}

@test "close: the client never half-closes" {
  assert_explained v2-threaded-broadcast/no-half-close
}

@test "many clients: the listener is forgotten after the first" {
  assert_explained v1.1-multiconn/listener-forgotten
}

@test "many clients: one connection after another" {
  assert_explained v1.1-multiconn/one-connection-after-another
}

@test "threads: all of them wait for one that holds the lock" {
  assert_explained v2-threaded-broadcast/echo-under-the-lock
}

@test "threads: the sender is left out of the broadcast" {
  assert_explained v2-threaded-broadcast/sender-left-out
}

@test "stopping: nobody handles SIGINT" {
  [ "$(trap -p INT)" != "trap -- '' SIGINT" ] || skip "SIGINT is ignored where this suite was started"
  assert_explained v1.1-multiconn/ctrl-c-forgotten
}

@test "stopping: SIGPIPE ends the server" {
  assert_explained v1.0-single/sigpipe-kills
}

@test "resources: the port is still busy" {
  assert_explained v1.0-single/no-so-reuseaddr
}

@test "resources: out of descriptors is the end" {
  assert_explained v1.1-multiconn/no-descriptors-is-the-end
}

@test "command line: atoi() for a port" {
  assert_explained v1.0-single/atoi-port
}

@test "command line: a wrong one exits 1" {
  assert_explained v1.0-single/wrong-usage-exits-1
}

@test "transcripts: the ready line stays in a buffer" {
  assert_explained v1.0-single/ready-line-in-buffer
}

@test "transcripts: an answer in quotes" {
  assert_explained v3-reverse/answer-in-quotes
}

@test "terminal: what others send drives it" {
  assert_explained v2-threaded-broadcast/raw-on-a-terminal
}

@test "terminal: C1 controls are let through" {
  assert_explained v1.0-single/c1-controls-shown
}
