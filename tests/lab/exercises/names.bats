#!/usr/bin/env bats
# The exercise names; what it asks for stands in names.md.

STAGE=v2-threaded-broadcast
load ../../support/stages

# ---- Names ----

@test "server: the first line is a name, and stands in front of what follows" {
  start_server -n
  visit 'send:ann\n' 'send:hello\n' 'expect:ann: hello\n' send:again 'expect:ann: again' half-close expect-eof
  wait_for_line "$server_out" '\| "ann: hello\\n" \(11 bytes\)$'
  assert_no_line_in "$server_out" '"ann\\n"' "the name is no message"
}

@test "server: name and message may come in one piece, and the name in several" {
  start_server -n
  visit 'send:ann\nhello\n' 'expect:ann: hello\n' half-close expect-eof
  visit send:a wait:100 send:n wait:100 'send:n\r' wait:100 'send:\n' expect-nothing send:hello 'expect:ann: hello' \
    half-close expect-eof
}

@test "server: a name ends with \n or \r\n, and has 1 to 32 bytes" {
  start_server -n
  visit 'send:ann\r\nhello\n' 'expect:ann: hello\n' half-close expect-eof
  visit "send:$(repeat 32 n)\n" send:x "expect:$(repeat 32 n): x" half-close expect-eof
  visit "send:$(repeat 32 n)\r\n" send:x "expect:$(repeat 32 n): x" half-close expect-eof
}

@test "server: who has no name, an empty one or one too long, gets the end and nothing else" {
  start_server -n
  visit half-close expect-eof
  visit send:ann half-close expect-eof
  visit 'send:\nhello\n' expect-eof
  visit 'send:\r\nhello\n' expect-eof
  visit "send:$(repeat 33 n)\nhello\n" expect-eof
  visit "send:$(repeat 34 n)" expect-eof
}

# Expects that somebody else hears ann, after these steps.
assert_hears_ann() { # [STEP...]
  start_server -b -n
  visit_until_pause bob "$@" pause 'expect:ann: hello\n' half-close expect-eof
  visit 'send:ann\n' 'send:hello\n' 'expect:ann: hello\n' half-close expect-eof
  go_and_finish bob
}

@test "server: with -b the others see who speaks" {
  assert_hears_ann 'send:bob\n'
}

@test "server: who has not said its name yet hears the others" {
  assert_hears_ann
}

@test "server: without -n the first line is a message like any other" {
  start_server
  visit 'ask:ann\n' 'ask:hello\n' half-close expect-eof
}
