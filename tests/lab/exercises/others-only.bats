#!/usr/bin/env bats
# The exercise others-only; what it asks for stands in others-only.md.

STAGE=v2-threaded-broadcast
load ../../support/suite
load ../../support/contract
load ../../support/stages

# ---- A broadcast to the others only ----

@test "server: -o is an option like the others, and may stand anywhere" {
  start_server_on -b -o 127.0.0.1 0
  start_server_on 127.0.0.1 0 -obq
  assert_line_in "$server_out" '^\[\+\] Broadcast option: True$'
}

@test "server: with -b -o the others hear a message, its sender does not" {
  start_server -b -o
  start_visit listener pause 'expect:hello\n' half-close expect-eof
  wait_for_pause listener
  means="the sender is one of the clients that the message is sent to" \
    visit 'send:hello\n' expect-nothing:500
  go listener
  finish listener
}

@test "server: two who talk hear each other, and never themselves" {
  start_server -b -o
  start_visit ann pause 'send:from ann\n' 'expect:from bob\n' pause
  start_visit bob pause 'expect:from ann\n' 'send:from bob\n' expect-nothing pause
  wait_for_pause ann
  wait_for_pause bob
  go bob
  go ann
  finish_pause ann 2
  finish_pause bob 2
}

# Waits until a probe has paused so many times.
finish_pause() { # NAME N
  wait_until has_paused "$1" "$2" || explain_probe "$1" "to hear the other one"
}

has_paused() { # NAME N
  [ "$(grep -c '^paused$' "$dir/$1.out")" -ge "$2" ]
}

@test "server: a sender that does not read is not waited for" {
  start_server -b -o
  start_visit listener pause recv:16000000 pause
  wait_for_pause listener
  head -c 16000000 /dev/zero >"$dir/in"
  start_visit sender "send-file:$dir/in" pause
  go listener
  wait_for_pause sender
  finish_pause listener 2
  assert_no_line_in "$server_out" 'Slow client dropped' "who is owed nothing is never too slow"
}

@test "server: without -b, -o changes nothing" {
  start_server -o
  visit ask:hello half-close expect-eof
}
