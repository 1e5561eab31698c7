#!/usr/bin/env bats
# The exercise accents; what it asks for stands in accents.md.

STAGE=v3-reverse
load ../../support/stages

# Sends messages on one connection, and expects their answers.
assert_answers() { # [MESSAGE ANSWER]...
  local steps=()
  while [ $# -ge 2 ]; do
    steps+=("send:$1\\n" "expect:$2\\n")
    shift 2
  done
  start_server
  means="${means:-a mark belongs to the character in front of it}" \
    visit "${steps[@]}" half-close expect-eof
}

# ---- Accents ----

@test "server: a letter keeps its combining accent" {
  assert_answers 'Jose\xcc\x81' 'e\xcc\x81soJ' 'Zoe\xcc\x88!' '!e\xcc\x88oZ'
}

@test "server: several marks stay behind their letter, in their order" {
  assert_answers 'ae\xcc\x81\xcd\x9fb' 'be\xcc\x81\xcd\x9fa'
}

@test "server: the first and the last mark are marks, and their neighbours are not" {
  assert_answers 'a\xcc\x80b' 'ba\xcc\x80' 'a\xcd\xafb' 'ba\xcd\xaf' \
    'a\xcb\xbfb' 'b\xcb\xbfa' 'a\xcd\xb0b' 'b\xcd\xb0a' 'a\xcc\xbfb' 'ba\xcc\xbf'
}

@test "server: a mark belongs to a character of several bytes, too" {
  assert_answers 'a\xe2\x82\xac\xcc\x81b' 'b\xe2\x82\xac\xcc\x81a'
}

@test "server: of marks at the beginning, the first is a character" {
  means="in front of the first there is nothing that it could belong to" \
    assert_answers '\xcc\x81\xcc\x82ab' 'ba\xcc\x81\xcc\x82' '\xcc\x81' '\xcc\x81'
}

@test "server: half a mark is none" {
  assert_answers 'ab\xcc' '\xccba' 'a\xccb' 'b\xcca'
}

@test "server: without marks everything is as before" {
  assert_answers Josue eusoJ 'Zo\xc3\xab' '\xc3\xaboZ' '' ''
}
