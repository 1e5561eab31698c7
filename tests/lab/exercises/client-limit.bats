#!/usr/bin/env bats
# The exercise client-limit; what it asks for stands in client-limit.md.

STAGE=v1.1-multiconn
load ../../support/stages

# ---- A limit of clients ----

@test "server: CLIENTS is a number from 1 to 1000000, and nothing else" {
  local wrong=("''" 0 abc "' 1'" +1 0x1 1.5 1000001 -1 '1 more')
  assert_refuses server "${wrong[@]/#/127.0.0.1 0 }"
}

@test "server: so many clients are served at once" {
  start_server_on 127.0.0.1 0 3
  crowd 3 ask:hello half-close expect-eof
}

@test "server: one more is connected and waits, with what it has sent, until another leaves" {
  start_server_on 127.0.0.1 0 2
  start_visit one ask:1 pause ask:still half-close expect-eof
  start_visit two ask:2 pause half-close expect-eof
  wait_for_pause one
  wait_for_pause two
  visit_until_pause three send:hello expect-nothing:500 pause expect:hello half-close expect-eof
  assert_line_count 2 "$server_out" "$accepted" "a client too many is accepted"
  go_and_finish two
  go three
  means="when a connection is closed, the listener has to be looked at again" finish three
  go_and_finish one
  assert_line_count 3 "$server_out" "$accepted"
}

@test "server: a hundred get their turn with a limit of one" {
  start_server_on -q 127.0.0.1 0 1
  run_client 127.0.0.1 "$port" 100 hello
  assert_status 0 "who waits has to be accepted as soon as there is a place"
  assert_line_in "$client_out" '^Client echoed on 100 of 100 connections$'
}

@test "server: while somebody waits for a place it does not spin" {
  need_proc
  start_server_on 127.0.0.1 0 1
  visit_until_pause one ask:1 pause half-close expect-eof
  visit_until_pause two send:hello pause expect:hello half-close expect-eof
  assert_no_spin "$server" "the listener stays readable as long as somebody waits: poll() must not be asked about it"
  go one
  go_and_finish two
}

@test "server: it stops when it is told to, while somebody waits for a place" {
  start_server_on 127.0.0.1 0 1
  visit_until_pause one ask:1 pause expect-end
  visit_until_pause two send:hello pause expect-end
  go one
  assert_stops TERM 1
  go_and_finish two
}
