#!/usr/bin/env bats
# The exercise threads; what it asks for stands in threads.md.

STAGE=v3-reverse
load ../../support/stages

# ---- v3 with threads ----

@test "server: a client that is silent keeps nobody waiting" {
  start_server
  visit_until_pause silent ask:abc pause half-close expect-eof
  means="one client is served after another: each needs a thread of its own" \
    visit ask:Josue half-close expect-eof
  go_and_finish silent
}

@test "server: a client that does not read keeps nobody waiting" {
  start_server -q
  visit_until_pause greedy limit:120 flood pause
  visit ask:Josue half-close expect-eof
}

@test "server: a hundred clients at the same time get each their own answers" {
  start_server
  crowd 100 limit:60 'send:Jos' 'send:ue\n' 'expect:eusoJ\n' 'send:end of it\n' 'expect:ti fo dne\n' \
    half-close expect-eof
}

@test "server: what many clients send at the same time never mixes" {
  local i letter
  start_server -q
  for i in 1 2 3 4; do
    letter=$(printf 'abcd' | cut -c "$i")
    head -c 3000000 /dev/zero | tr '\0' "$letter" | fold -w "$((40000 + 1000 * i))" >"$dir/$i.sent"
    "$SUPPORT/bin/probe" reverse "$dir/$i.sent" >"$dir/$i.expected"
    start_visit "$i" limit:120 "exchange:$dir/$i.sent:$dir/$i.got"
  done
  means="a buffer that is static belongs to all threads: each needs its own"
  for i in 1 2 3 4; do
    finish "$i" 120
    assert_same_bytes "$dir/$i.expected" "$dir/$i.got"
  done
}

@test "server: end from one client is answered, and stops the server" {
  local began
  start_server
  visit_until_pause other ask:abc pause expect-eof
  began=$(now_ms)
  visit 'send:end\nmore\n' 'expect:dne\n' expect-eof
  assert_last_line() { assert_terminated_by '"end"'; }
  assert_stopped "$began" '' "the threads of other clients wait in recv() for ever: end has to wake them"
  go_and_finish other
}

@test "server: a signal stops it while clients are connected" {
  start_server
  start_visit one ask:abc pause expect-eof
  start_visit two 'send:abc' pause expect-eof
  wait_for_pause one
  wait_for_pause two
  assert_stops TERM '' "the threads wait in recv() for ever: the signal has to wake them all"
  go_and_finish one
}
