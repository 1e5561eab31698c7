#!/usr/bin/env bats
# The exercise idle-timeout; what it asks for stands in idle-timeout.md.

STAGE=v1.0-single
load ../../support/stages

# ---- An idle timeout ----

@test "server: SECONDS is a number from 1 to 86400, and nothing else" {
  local wrong=("''" 0 abc "' 1'" +1 0x1 1s 1.5 86401 -1 '1 more')
  assert_refuses server "${wrong[@]/#/127.0.0.1 0 }"
}

@test "server: with three operands it listens as before" {
  start_server_on 127.0.0.1 0 5
  means="with SECONDS, an echo server is still one" visit ask:hello half-close expect-eof
  wait_for_exit "$server"
  assert_status 0
}

@test "server: a client that says nothing is closed after SECONDS, and not before" {
  local began
  start_server_on 127.0.0.1 0 1
  began=$(now_ms)
  means="nothing ends the waiting in recv(): it needs a timeout" \
    visit expect-eof
  [ $(($(now_ms) - began)) -ge 1000 ] || explain "the connection is closed too early" \
    "expected" "1000 ms at least" "got" "$(($(now_ms) - began)) ms"
  wait_for_exit "$server"
  assert_status 0 "a client that is silent for too long was the client: the server exits 0"
}

@test "server: it says why it closes, before it closes" {
  start_server_on 127.0.0.1 0 1
  visit who ask:hello expect-eof
  wait_for_exit "$server"
  peer=$(address_of probe)
  assert_lines "$server_out" <<END
Server listens on 127.0.0.1:$port
Server accepts connection from $peer
Server echoes "hello" (5 bytes) to $peer
Server has heard nothing from $peer for 1 s
Server closes connection to $peer
END
}

@test "server: each byte that comes begins the time anew" {
  start_server_on 127.0.0.1 0 3
  means="the time runs from the beginning of the connection, not from the last byte" \
    visit wait:1000 ask:a wait:1000 ask:b wait:1000 ask:c wait:1000 ask:d half-close expect-eof
  assert_no_line_in "$server_out" 'heard nothing' "a client that talks is not idle"
}
