#!/usr/bin/env bats
# The exercise busy-first; what it asks for stands in busy-first.md.
#
# Costs are compared with each other, in the same test, and are processor time of the server alone:
# how fast the machine is, and what else it does, matters little.

STAGE=v1.1-multiconn
load ../../support/stages

IDLE=2000
MESSAGES=3000

setup_file() {
  head -c "$MESSAGES" /dev/zero | tr '\0' x >"$BATS_FILE_TMPDIR/messages"
}

# Processor time of the server, in ticks, for MESSAGES messages of a client, one after another.
cost_of_messages() {
  local ticks
  ticks=$(cpu_ticks "$server")
  visit limit:120 "ping:$BATS_FILE_TMPDIR/messages" || return 1
  echo $(($(cpu_ticks "$server") - ticks))
}

# Connects clients that say nothing, until the test ends.
start_idle_clients() { # N
  [ "$(ulimit -H -n)" = unlimited ] || [ "$(ulimit -H -n)" -gt $(($1 + 100)) ] ||
    skip "the limit on open files leaves no room for $1 idle clients"
  start_crowd idle "$1" limit:300 pause 1/ask:hello pause:one ask:hello pause:all
  wait_for_pause idle
  wait_until has_lines "$1" "$server_out" "$accepted" || explain "idle clients are not accepted" \
    "expected" "$1 of them" "got" "$(count_lines "$server_out" "$accepted") lines on an accepted connection"
}

# ---- Busy connections first ----

@test "server: what a message costs does not grow with the idle clients" {
  local tries alone beside
  need_proc
  for tries in 1 2 3; do
    start_server -q
    cost_of_messages >"$dir/alone"
    start_idle_clients "$IDLE"
    cost_of_messages >"$dir/beside"
    alone=$(cat "$dir/alone") beside=$(cat "$dir/beside")
    [ "$beside" -gt $((8 * alone + 4)) ] || return 0
    [ "$beside" -lt $((16 * alone + 50)) ] || break # nothing that the machine does makes it as much as that
    end_all_groups
    groups=()
  done
  explain "a message costs more beside idle clients" \
    "$MESSAGES messages of one client" "$alone ticks of processor time" \
    "beside $IDLE idle clients" "$beside ticks" "expected" "eight times as much at most" \
    "it usually means" "poll() is given the whole set each time: it looks at each entry of it"
}

@test "server: an idle client is served when it speaks, while another one never pauses" {
  start_server -q
  start_idle_clients 100
  start_visit busy limit:120 "ping:$BATS_FILE_TMPDIR/messages" pause
  go idle
  means="the whole set is not looked at as long as somebody in front has something to do" wait_for_pause idle one
  go idle
  means="not all that are idle are looked at" wait_for_pause idle all
  go_and_finish idle
  wait_for_pause busy
}

@test "server: somebody new is served while another one never pauses" {
  start_server -q
  start_visit busy limit:120 "ping:$BATS_FILE_TMPDIR/messages" pause
  means="the listener has to be looked at each time" \
    visit ask:1 ask:2 half-close expect-eof
  wait_for_pause busy
}

@test "server: when nobody talks any more it does not spin" {
  need_proc
  start_server -q
  start_idle_clients 100
  assert_no_spin "$server" "poll() is given a timeout although nobody is busy, and returns again and again"
}

@test "server: who leaves, from the front or from behind, costs the others nothing" {
  start_server -q
  start_idle_clients 100
  crowd 20 ask:1 3/reset 7/reset 1/ask:2 20/ask:3
  visit ask:hello half-close expect-eof
  go idle
  wait_for_pause idle one
  go idle
  wait_for_pause idle all
}
