#!/usr/bin/env bats
# The exercise others-only; what it asks for stands in others-only.md.

STAGE=v2-threaded-broadcast
load ../../support/stages

# ---- A broadcast to the others only ----

@test "server: -o is an option like the others, and may stand anywhere" {
  start_server_on -b -o 127.0.0.1 0
  start_server_on 127.0.0.1 0 -obq
  assert_line_in "$server_out" '^\[\+\] Broadcast option: True$'
}

@test "server: with -b -o the others hear a message, its sender does not" {
  start_server -b -o
  visit_until_pause listener pause 'expect:hello\n' half-close expect-eof
  means="the sender is one of the clients that the message is sent to" \
    visit 'send:hello\n' expect-nothing:500
  go_and_finish listener
}

@test "server: two who talk hear each other, and never themselves" {
  start_server -b -o
  start_visit ann pause 'send:from ann\n' 'expect:from bob\n' pause:heard
  start_visit bob pause 'expect:from ann\n' 'send:from bob\n' expect-nothing pause:heard
  wait_for_pause ann
  wait_for_pause bob
  go bob
  go ann
  wait_for_pause ann heard
  wait_for_pause bob heard
}

@test "server: a sender that does not read is not waited for" {
  start_server -b -o
  visit_until_pause listener pause recv:16000000 pause:received
  head -c 16000000 /dev/zero >"$dir/in"
  start_visit sender "send-file:$dir/in" pause
  go listener
  wait_for_pause sender
  wait_for_pause listener received
  assert_no_line_in "$server_out" 'Slow client dropped' "who is owed nothing is never too slow"
}

@test "server: without -b, -o changes nothing" {
  start_server -o
  visit ask:hello half-close expect-eof
}
