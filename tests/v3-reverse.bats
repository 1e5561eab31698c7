#!/usr/bin/env bats
# v3-reverse: messages in a byte stream, a protocol, and an end. What all stages have to do is in
# every-stage.bats.
#
# What a long answer has to be is found by the probe (reverse.c), not by the programs under test.
# golden/v3-server.txt and golden/v3-client.txt are the transcripts of the document that this stage
# comes from.

STAGE=v3-reverse
load support/stages

# Sends each message to the server when the one before is answered, on one connection, and expects
# the answer that stands behind it. Both as the probe's steps take them, with their endings.
assert_answers() { # MESSAGE ANSWER [MESSAGE ANSWER]...
  local steps=()
  start_server
  while [ $# -gt 0 ]; do
    steps+=("send:$1" "expect:$2")
    shift 2
  done
  visit "${steps[@]}" half-close expect-eof
  assert_unharmed
}

# Sends all of FILE to the server, which is to answer it with what the probe answers.
assert_answers_file() { # FILE
  start_server -q
  visit "exchange:$1:$dir/answers"
  assert_answered "$1" "$dir/answers"
}

# Waits for the server's end after a message `end`.
assert_server_ended() {
  wait_for_exit "$server" "$LIMIT" "${means:-"the message end ends the server"}"
  assert_status 0 "the message end ends the server in good order"
  assert_terminated_by '"end"'
}

# Sends messages to the server, which is to show each, and its answer, as the texts behind it.
assert_server_shows() { # [MESSAGE RECEIVED SENT]...
  local steps=()
  : >"$dir/texts"
  while [ $# -ge 3 ]; do
    steps+=("send:$1\\n")
    printf 'Server received: %s\nServer sent: %s\n' "$2" "$3" >>"$dir/texts"
    shift 3
  done
  start_server
  visit "${steps[@]}" half-close recv-all
  wait_for_line "$server_out" "$closed"
  LC_ALL=C grep -aE "$told" "$server_out" >"$dir/shown" || true
  assert_lines "$dir/shown" "the rules of what is shown of a message: common/text.h" <"$dir/texts"
}

# Runs the client with messages on stdin (printf takes them as they stand here) against a fake
# server that answers as it should, and expects this transcript behind its first line.
assert_client_prints() { # MESSAGES <TRANSCRIPT
  cat >"$dir/transcript"
  fake_server reverse expect-end
  # shellcheck disable=SC2059
  printf "$1" >"$dir/in"
  assert_client_succeeds <"$dir/in"
  { echo "Client connection made with server at 127.0.0.1 : $port" && cat "$dir/transcript"; } |
    assert_lines "$client_out"
  assert_nothing_in "$client_err"
}

# Starts the client, whose stdin is a pipe that stays open; type_line gives it a line.
start_client_on_pipe() { # HOST
  mkfifo "$dir/client.in"
  stdin_file=$dir/client.in start_client "$1" "$port"
  wait_for_line "$client_out" '^Client connection made with server at '
}

type_line() { # LINE
  printf '%s\n' "$1" 1<>"$dir/client.in"
}

# The same with a terminal as its stdin, and a fake server that answers.
start_at_keyboard() { # HOST
  client_command=("$SUPPORT/bin/probe" keyboard "${client_command[@]}")
  fake_server reverse expect-end
  start_client_on_pipe "$1"
}

# Waits until the client has asked for a message so many times, and waits for it.
wait_until_asked() { # N
  has_asked() {
    [ "$(count_lines "$client_out" '^Client enter message: ')" -eq "$1" ] &&
      [ "$(tail -n 1 "$client_out")" = "Client enter message: " ]
  }
  wait_until has_asked "$1" || explain "the client does not ask" "got" "$(show_lines "$client_out")" \
    "it usually means" "a prompt has no newline, and stays in the buffer of stdout: fflush()"
}

golden_input='Josue\nPalacios\nSoccer\nend\n'

# Expects that a program has printed the transcript of the document, with the ports of this test.
assert_golden() { # PROGRAM FILE [MEANING]
  sed "1s/7200/$port/; 2s/58813/${peer_port:-}/" "$BATS_TEST_DIRNAME/golden/v3-$1.txt" | assert_lines "$2" "${3:-}"
}

# A message of N bytes: 0123456789012...
digits() { # N
  awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "%d", i % 10 }'
}

# Text in UTF-8 with every kind of character: from U+0080 up to U+10FFFF in small steps, without
# surrogates, in lines.
all_planes() {
  LC_ALL=C awk 'function put(number) { printf "%c", number }
    BEGIN {
      for (i = 128; i <= 1114111; i += i < 66000 ? 7 : 211) {
        if (i >= 55296 && i <= 57343) continue
        if (i < 2048) put(192 + int(i / 64))
        else if (i < 65536) { put(224 + int(i / 4096)); put(128 + int(i / 64) % 64) }
        else { put(240 + int(i / 262144)); put(128 + int(i / 4096) % 64); put(128 + int(i / 64) % 64) }
        put(128 + i % 64)
        if (++n % 3 == 0) printf "x"
        if (n % 20 == 0) printf "\n"
      }
      printf "\n"
    }'
}

# ---- The command line of the server ----

@test "server: one operand is the port, and the host stays 0.0.0.0: all addresses of this machine" {
  start_server_on 0
  visit ask:one half-close expect-eof
  [ "$(uname)" = Linux ] || skip "this system has no 127.0.0.2"
  means="it listens on one address alone: 0.0.0.0 (INADDR_ANY) stands for all of IPv4"
  probe connect 127.0.0.2 "$port" 'send:two\n' 'expect:owt\n' half-close expect-eof
}

# ---- The command line of the client ----

@test "client: it has no -q: there is nothing to leave out" {
  assert_refuses client '-q 127.0.0.1 1'
}

# ---- What the server prints ----

# bats test_tags=points:10
@test "server: its transcript is the golden one" {
  local peer_port
  start_server
  visit who ask:Josue ask:Palacios ask:Soccer ask:end expect-eof
  assert_server_ended
  peer_port=$(address_of probe)
  peer_port=${peer_port##*:} assert_golden server "$server_out"
}

@test "server: it tells who comes and who leaves, and what stops it" {
  start_server
  visit who ask:one half-close expect-eof
  local first second third
  first=$(address_of probe)
  visit who ask:two close
  second=$(address_of probe)
  wait_for_line "$server_out" "^Server connection closed by client \('127\.0\.0\.1', ${second##*:}\)\$"
  visit_until_pause third who ask:six pause expect-eof
  third=$(address_of third)
  go third
  assert_stops TERM # and it is not the client that closes
  finish third
  assert_lines "$server_out" <<END
Server can now receive from port $port
Server connection made with client ('127.0.0.1', ${first##*:})
Server received: one
Server sent: eno
Server connection closed by client ('127.0.0.1', ${first##*:})
Server connection made with client ('127.0.0.1', ${second##*:})
Server received: two
Server sent: owt
Server connection closed by client ('127.0.0.1', ${second##*:})
Server connection made with client ('127.0.0.1', ${third##*:})
Server received: six
Server sent: xis
Server termination called by signal
END
}

@test "server: -q leaves out the lines on messages, and only those" {
  start_server -q
  visit who ask:one half-close expect-eof
  local first second
  first=$(address_of probe)
  visit who ask:end expect-eof
  second=$(address_of probe)
  assert_server_ended
  assert_lines "$server_out" <<END
Server can now receive from port $port
Server connection made with client ('127.0.0.1', ${first##*:})
Server connection closed by client ('127.0.0.1', ${first##*:})
Server connection made with client ('127.0.0.1', ${second##*:})
Server termination called by "end"
END
}

@test "server: quotes and backslashes stand as they are, newlines cannot, the rest is escaped" {
  assert_server_shows 'say "hi"' 'say "hi"' '"ih" yas' \
    'a\\b' 'a\b' 'b\a' \
    'a\tb\rc' 'a\tb\rc' 'c\rb\ta'
}

@test "server: control characters are shown as \xHH, so that none drives the terminal" {
  assert_server_shows '\x1b[2Jx' '\x1b[2Jx' 'xJ2[\x1b' \
    '\x01\x08\x0b\x0c\x1f\x7f' '\x01\x08\x0b\x0c\x1f\x7f' '\x7f\x1f\x0c\x0b\x08\x01' \
    'm0[\x1b' 'm0[\x1b' '\x1b[0m'
}

@test "server: a NUL is shown as \x00 and ends nothing" {
  assert_server_shows 'ab\0cd\0' 'ab\x00cd\x00' '\x00dc\x00ba'
}

@test "server: valid UTF-8 is shown as it is, C1 controls and invalid bytes are not" {
  assert_server_shows 'ä€😀' 'ä€😀' '😀€ä' \
    '\xc2\xa0x' $'\xc2\xa0x' $'x\xc2\xa0' \
    '\xc2\x9b31m' '\xc2\x9b31m' 'm13\xc2\x9b' \
    '\xff\xc3' '\xff\xc3' '\xc3\xff' \
    '\xed\xa0\x80' '\xed\xa0\x80' '\x80\xa0\xed' \
    'm13\x9b\xc2' 'm13\x9b\xc2' '\xc2\x9b31m' # in reverse, nothing new arises
}

@test "server: an empty message is shown as nothing" {
  assert_server_shows '' '' ''
}

@test "server: a message is never cut in what is shown" {
  local text
  text=$(digits 5000)
  assert_server_shows "$text" "$text" "$(printf %s "$text" | rev)"
}

@test "server: a message is shown in full whatever its length" {
  # A buffer for a line has some size: most likely one of these, or a bit less.
  local size
  for size in 128 256 512 1000 1024 2048 4096; do
    awk -v size="$size" 'BEGIN {
      for (i = 0; i < 4 * size; i++) line = line i % 10
      for (i = size - 32; i <= size + 1; i++) print substr(line, 1, i)
    }'
  done >"$dir/in"
  start_server
  visit "exchange:$dir/in:"
  wait_for_line "$server_out" '^Server connection closed by client '
  sed -n 's/^Server received: //p' "$server_out" >"$dir/shown"
  assert_same_bytes "$dir/in" "$dir/shown"
}

# ---- Messages ----

# bats test_tags=points:10
@test "server: each message is answered with its characters in reverse order" {
  assert_answers 'Josue\n' 'eusoJ\n' 'Palacios\n' 'soicalaP\n' 'Soccer\n' 'reccoS\n'
}

@test "server: messages of one, two and three characters are answered in reverse order" {
  assert_answers 'a\n' 'a\n' 'ab\n' 'ba\n' 'abc\n' 'cba\n' 'abcd\n' 'dcba\n'
}

# bats test_tags=points:10
@test "server: an empty message has an empty answer" {
  assert_answers '\n' '\n' '\n\n\n' '\n\n\n' 'a\n\nb\n' 'a\n\nb\n'
}

@test "server: an answer ends as its message did, with \n or with \r\n" {
  assert_answers 'one\n' 'eno\n' 'two\r\n' 'owt\r\n' 'three\n' 'eerht\n' '\r\n' '\r\n'
}

# Sets steps to those that send bytes in two pieces, cut at each place in turn, and expect these answers. Both are
# as printf takes them.
cut_everywhere() { # SENT ANSWERS
  local cut
  steps=()
  # shellcheck disable=SC2059 # a format
  printf "$1" >"$dir/in"
  for ((cut = 0; cut <= $(size_of "$dir/in"); cut++)); do
    steps+=("split:$cut:$dir/in" "expect:$2")
  done
}

@test "server: a \r\n that comes in two pieces is one ending" {
  cut_everywhere 'one\r\n\r\ntwo\r\n' 'eno\r\n\r\nowt\r\n'
  start_server
  means="a \\r may be the start of an ending: only the next byte tells" visit "${steps[@]}" half-close expect-eof
}

@test "server: only the \r in front of the \n belongs to the ending, any other is a character" {
  assert_answers 'a\rb\n' 'b\ra\n' '\ra\n' 'a\r\n' 'a\r\r\n' '\ra\r\n' '\r\r\r\n' '\r\r\r\n' \
    'end\r\r\n' '\rdne\r\n'
}

@test "server: a last message may end with the client's half-close, and so does its answer" {
  start_server
  means="what stands in front of the client's half-close is a message too, without an ending"
  visit send:last half-close expect:tsal expect-eof
  visit 'send:one\nlast' half-close 'expect:eno\ntsal' expect-eof
  visit 'send:a\xf0\x9f' half-close 'expect:\x9f\xf0a' expect-eof
  visit ask:one send:x half-close expect:x expect-eof
  assert_unharmed
}

@test "server: behind a last \n there is no message" {
  start_server
  means="the end of the stream ends a message only if there is one: no bytes are none"
  visit 'send:one\n' half-close 'expect:eno\n' expect-eof
  visit half-close expect-eof
  wait_for_line "$server_out" '^Server connection closed by client '
  assert_equal "$(grep -c '^Server received' "$server_out")" 1
}

@test "server: a \r in front of the client's half-close is a character: there is no \n behind it" {
  start_server
  visit 'send:last\r' half-close 'expect:\rtsal' expect-eof
}

# bats test_tags=points:10
@test "server: a message that comes in two pieces is one message, wherever it is cut" {
  # a ä € 😀 b c
  cut_everywhere 'a\303\244\342\202\254\360\237\230\200bc\n' 'cb\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa4a\n'
  start_server
  means="what recv() returns is no message: it ends anywhere. Keep it until the newline has come"
  visit "${steps[@]}" half-close expect-eof
}

@test "server: three messages that come in two pieces are three, wherever they are cut" {
  cut_everywhere 'one\n\ntwo\n' 'eno\n\nowt\n'
  start_server
  means="what recv() returns is no message: it may be a part of one, or several, or both"
  visit "${steps[@]}" half-close expect-eof
}

@test "server: messages that come a byte at a time are answered" {
  messages_of 3000 >"$dir/in"
  start_server
  means="recv() returned one byte, and that was taken for a message"
  visit "bytes:$dir/in" "recv:$(size_of "$dir/in"):$dir/answers" half-close expect-eof
  assert_answered "$dir/in" "$dir/answers"
}

# bats test_tags=points:10
@test "server: of many messages in one send, each gets one answer" {
  start_server
  means="recv() returned several messages, and only the first was answered, or all as one"
  visit 'send:one\ntwo\nthree\n' 'expect:eno\nowt\neerht\n' half-close expect-eof
  messages_of 60000 >"$dir/in"
  visit "send-file:$dir/in" half-close "recv-all:$dir/answers"
  assert_answered "$dir/in" "$dir/answers"
}

@test "server: a message and a half are answered and kept" {
  start_server
  means="what stood behind the first newline was dropped, or answered before its own newline"
  visit 'send:one\ntw' 'expect:eno\n' 'send:o\nthr' 'expect:owt\n' 'send:ee\n' 'expect:eerht\n' half-close expect-eof
}

# bats test_tags=points:10
@test "server: each message is answered at once, while the client stays connected" {
  start_server
  means="the server collects input until the client ends its half, or its buffer is full"
  visit ask:one ask:two half-close expect-eof
}

@test "server: a NUL is a character like any other" {
  means="strlen(), strchr() and %s stop at a NUL: the size is what recv() returned"
  assert_answers 'a\0b\n' 'b\0a\n' '\0\n' '\0\n' '\0\0x\n' 'x\0\0\n' '\0a\n' 'a\0\n'
}

@test "server: every byte value is a character, or ends a message" {
  local value byte
  for ((value = 0; value < 256; value++)); do
    printf -v byte '\\x%02x' "$value"
    # shellcheck disable=SC2059
    printf "<$byte>\n" >>"$dir/in"
    if [ "$value" -eq 10 ]; then
      printf '<\n>\n' >>"$dir/expected_answers"
    else
      # shellcheck disable=SC2059
      printf ">$byte<\n" >>"$dir/expected_answers"
    fi
  done
  start_server -q
  visit "exchange:$dir/in:$dir/answers"
  assert_same_answers "$dir/expected_answers" "$dir/answers"
}

@test "server: 16 MB of random bytes are answered in order" {
  # No e, so that no line can be `end`; and all endings are the same, of which other tests know more.
  { head -c 16777216 /dev/urandom | LC_ALL=C tr 'e\r' ER && echo; } >"$dir/in"
  assert_answers_file "$dir/in"
}

@test "server: 16 MB of lines are answered in order" {
  messages_of 16777216 >"$dir/in"
  assert_answers_file "$dir/in"
}

@test "server: a client that sends as much as goes before it reads gets all answers" {
  means="send() took less than it was given, and the rest was never sent"
  messages_of 1000000 >"$dir/in"
  start_server -q
  visit rcvbuf:4096 "flood-file:$dir/in" half-close "recv-all:$dir/answers"
  assert_flood_answered "$dir/in" probe "$dir/answers"
}

# ---- Characters ----

# bats test_tags=points:10
@test "server: a character of several bytes keeps the order of its bytes" {
  means="the bytes were reversed, not the characters: those of a UTF-8 code point belong together"
  assert_answers 'äöü\n' 'üöä\n' '€uro\n' 'oru€\n' 'a😀b\n' 'b😀a\n' 'ä€😀x\n' 'x😀€ä\n'
}

@test "server: the first and the last character of each length are characters" {
  # U+0080 U+07FF, U+0800 U+FFFF, U+10000 U+10FFFF, and those around the surrogates
  assert_answers '\xc2\x80\xdf\xbf\n' '\xdf\xbf\xc2\x80\n' \
    '\xe0\xa0\x80\xef\xbf\xbf\n' '\xef\xbf\xbf\xe0\xa0\x80\n' \
    '\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\n' '\xf4\x8f\xbf\xbf\xf0\x90\x80\x80\n' \
    '\xed\x9f\xbf\xee\x80\x80\n' '\xee\x80\x80\xed\x9f\xbf\n'
}

@test "server: a combining mark is a code point, and so a character of its own" {
  assert_answers 'e\xcc\x81\n' '\xcc\x81e\n' '\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa\n' \
    '\xf0\x9f\x87\xaa\xf0\x9f\x87\xa9\n'
}

@test "server: valid UTF-8 from all planes is reversed by code points" {
  all_planes >"$dir/in"
  means="not every valid form of UTF-8 was taken for one character (RFC 3629, section 4)"
  assert_answers_file "$dir/in"
}

@test "server: reversing valid UTF-8 twice gives it back" {
  all_planes >"$dir/in"
  start_server -q
  visit "exchange:$dir/in:$dir/once"
  visit "exchange:$dir/once:$dir/twice"
  assert_same_answers "$dir/in" "$dir/twice"
  run ! cmp -s "$dir/in" "$dir/once" # it does something
}

@test "server: bytes that cannot be part of UTF-8 are characters of their own" {
  assert_answers 'a\xffb\xfe\n' '\xfeb\xffa\n' '\xf5\xf8\xc0\xc1\n' '\xc1\xc0\xf8\xf5\n' \
    '\xff\xc3\xa4\n' '\xc3\xa4\xff\n'
}

@test "server: a continuation byte without a lead byte is a character of its own" {
  assert_answers '\x80\n' '\x80\n' 'a\x80\xbfb\n' 'b\xbf\x80a\n' '\xc3\xa4\xa4\n' '\xa4\xc3\xa4\n' \
    '\xe2\x82\xac\x82\n' '\x82\xe2\x82\xac\n'
}

@test "server: of a truncated sequence each byte is a character" {
  assert_answers '\xc3\n' '\xc3\n' 'x\xc3\n' '\xc3x\n' '\xc3x\n' 'x\xc3\n' \
    '\xe2\x82\n' '\x82\xe2\n' '\xe2\x82x\n' 'x\x82\xe2\n' '\xe2x\n' 'x\xe2\n' \
    '\xf0\x9f\x98\n' '\x98\x9f\xf0\n' '\xf0\x9f\x98x\n' 'x\x98\x9f\xf0\n' \
    '\xc3\xc3\xa4\n' '\xc3\xa4\xc3\n' '\xe2\x82\xe2\x82\xac\n' '\xe2\x82\xac\x82\xe2\n' \
    '\xf0\x9f\x98\xc3\xa4\n' '\xc3\xa4\x98\x9f\xf0\n'
}

@test "server: a sequence cut short by the ending does not swallow the ending" {
  start_server
  means="a lead byte made the server skip the bytes behind it, the newline too"
  visit 'send:a\xe2\nb\n' 'expect:\xe2a\nb\n' 'send:a\xf0\x9f\nb\n' 'expect:\x9f\xf0a\nb\n'
}

@test "server: overlong forms are no characters: each byte is one" {
  assert_answers '\xc0\x80\n' '\x80\xc0\n' '\xc1\xbf\n' '\xbf\xc1\n' '\xe0\x80\x80\n' \
    '\x80\x80\xe0\n' '\xe0\x9f\xbf\n' '\xbf\x9f\xe0\n' '\xf0\x80\x80\x80\n' '\x80\x80\x80\xf0\n' \
    '\xf0\x8f\xbf\xbf\n' '\xbf\xbf\x8f\xf0\n'
}

@test "server: surrogates are no characters: each byte is one" {
  assert_answers '\xed\xa0\x80\n' '\x80\xa0\xed\n' '\xed\xbf\xbf\n' '\xbf\xbf\xed\n' \
    '\xed\xa0\xbd\xed\xb8\x80\n' '\x80\xb8\xed\xbd\xa0\xed\n'
}

@test "server: above U+10FFFF there are no characters: each byte is one" {
  assert_answers '\xf4\x90\x80\x80\n' '\x80\x80\x90\xf4\n' '\xf5\x80\x80\x80\n' \
    '\x80\x80\x80\xf5\n' '\xf8\x88\x80\x80\x80\n' '\x80\x80\x80\x88\xf8\n'
}

# ---- Long messages ----

@test "server: 65,535 and 65,536 bytes are a message, with \n, with \r\n and with no ending" {
  local size ending
  start_server -q
  for size in 65535 65536; do
    digits "$size" >"$dir/message"
    for ending in '' '\n' '\r\n'; do
      # shellcheck disable=SC2059
      { cat "$dir/message" && printf "$ending"; } >"$dir/in"
          visit "exchange:$dir/in:$dir/answers"
      means="a message may have 65536 bytes, and its ending does not count ($size bytes, ending '$ending')"
      assert_answered "$dir/in" "$dir/answers"
    done
  done
  assert_nothing_in "$server_err"
}

@test "server: 65,537 bytes end the connection, with \n, with \r\n and with no ending" {
  local ending steps
  digits 65537 >"$dir/message"
  for ending in '' '\n' '\r\n'; do
    start_server
    # shellcheck disable=SC2059
    { cat "$dir/message" && printf "$ending"; } >"$dir/in"
    steps=("send-file:$dir/in" expect-eof)
    [ -n "$ending" ] || steps=("send-file:$dir/in" half-close expect-eof)
    means="a message may have 65536 bytes at most: a longer one gets no answer and ends its connection"
    visit who "${steps[@]}"
    local peer
    peer=$(address_of probe)
    wait_for_line "$server_err" "^server: message longer than 65536 bytes from ${peer//./\\.}\$"
    assert_one_line "$server_err" '^server: message longer'
    assert_unharmed
    assert_no_line_in "$server_out" "^Server connection closed by client \('127\.0\.0\.1', ${peer##*:}\)\$" \
      "the line on stderr stands in place of the line on its closing"
  done
}

@test "server: 65,536 bytes and a \r are too many if no \n follows" {
  { digits 65536 && printf '\r'; } >"$dir/in"
  start_server
  visit "send-file:$dir/in" half-close expect-eof
  wait_for_line "$server_err" '^server: message longer than 65536 bytes from 127\.0\.0\.1:[0-9]+$'
  visit "send-file:$dir/in" send:x expect-eof
  assert_unharmed
}

@test "server: 65,536 bytes and an ending that comes in pieces are a message" {
  { digits 65536 && printf '\r\n'; } >"$dir/in"
  start_server -q
  local cut
  for cut in 65535 65536 65537; do
    means="a \\r behind 65536 bytes may be the start of an ending: only the next byte tells"
    visit "split:$cut:$dir/in" "recv:65538:$dir/answers" half-close expect-eof
    assert_answered "$dir/in" "$dir/answers"
  done
}

@test "server: it does not wait for the end of a message that is too long already" {
  head -c 1000000 /dev/zero | tr '\0' x >"$dir/in"
  start_server
  means="it collects a message without an end, however long"
  visit "send-file:$dir/in" expect-eof
  wait_for_line "$server_err" '^server: message longer than 65536 bytes from 127\.0\.0\.1:[0-9]+$'
  assert_unharmed
}

@test "server: the answers to what stood in front of a message too long are not lost" {
  { printf 'one\ntwo\n' && digits 200000 && printf '\nthree\n'; } >"$dir/in"
  start_server
  means="close() with unread input sends a reset, which destroys what the client has not read yet"
  visit_until_pause client "send-file:$dir/in" pause 'expect:eno\nowt\n' expect-eof
  wait_for_line "$server_err" '^server: message longer than 65536 bytes from 127\.0\.0\.1:[0-9]+$'
  go_and_finish client
  assert_no_line_in "$server_out" '^Server received: three' "the connection had ended"
}

@test "server: a client that never ends its message costs it no more memory than the longest one" {
  need_proc
  start_server
  local early late
  assert_unharmed
  early=$(proc_status "$server" VmHWM)
  start_visit client flood:30000000
  wait_for_line "$server_err" '^server: message longer than 65536 bytes from '
  assert_unharmed
  late=$(proc_status "$server" VmHWM)
  [ $((late - early)) -lt 10000 ] || explain "the memory grows with the message" \
    "at first" "$early kB" "behind it" "$late kB" "it usually means" \
    "the buffer grows until the newline comes: the protocol has a longest message for this"
}

@test "server: a client that sends and never reads costs it no more memory" {
  need_proc
  start_server -q
  messages_of 1000000 >"$dir/in"
  local early late
  assert_unharmed
  early=$(proc_status "$server" VmHWM)
  visit_until_pause client "flood-file:$dir/in" pause
  late=$(proc_status "$server" VmHWM)
  [ $((late - early)) -lt 10000 ] || explain "the memory grows with what the client does not read" \
    "at first" "$early kB" "behind it" "$late kB" "it usually means" \
    "answers are collected: as long as the client takes none, nothing more should be read from it"
}

@test "server: clients whose messages were too long see the end at once" {
  local i steps=()
  digits 65537 >"$dir/in"
  for ((i = 1; i <= 20; i++)); do
    steps+=("$i/expect-eof" "$i/close")
  done
  start_server
  means="close() comes when it has waited for the client to leave, who waits for the end: shutdown(SHUT_WR) tells it" \
    crowd 20 limit:5 "send-file:$dir/in" "${steps[@]}"
}

@test "server: -q does not leave out the line on a message too long" {
  head -c 70000 /dev/zero | tr '\0' x >"$dir/in"
  start_server -q
  visit "send-file:$dir/in" expect-eof
  wait_for_line "$server_err" '^server: message longer than 65536 bytes from 127\.0\.0\.1:[0-9]+$' \
    "-q leaves out the lines on messages, and only those"
}

# ---- The end ----

# bats test_tags=points:10
@test "server: end is answered with dne, then the server closes and exits 0" {
  start_server
  visit ask:end expect-eof
  assert_server_ended
}

@test "server: end may have any ending: \r\n, or the client's half-close" {
  start_server
  visit 'send:end\r\n' 'expect:dne\r\n' expect-eof
  assert_server_ended
  start_server
  visit send:end half-close expect:dne expect-eof
  assert_server_ended
  start_server
  visit 'send:one\nend' half-close 'expect:eno\ndne' expect-eof
  assert_server_ended
}

@test "server: end in two segments is end" {
  printf 'end\n' >"$dir/in"
  local cut
  for cut in 1 2 3; do
    start_server
    visit "split:$cut:$dir/in" 'expect:dne\n' expect-eof
    assert_server_ended
  done
  printf 'end\r\n' >"$dir/in"
  start_server
  visit "bytes:$dir/in" 'expect:dne\r\n' expect-eof
  assert_server_ended
}

@test "server: only end is end: ending, END, ' end', 'end ' and dne are messages like others" {
  means="the whole message has to be end: strncmp(message, \"end\", 3) and strstr() find too much"
  assert_answers 'ending\n' 'gnidne\n' 'END\n' 'DNE\n' ' end\n' 'dne \n' 'end \n' ' dne\n' \
    'e nd\n' 'dn e\n' 'en\n' 'ne\n' 'dne\n' 'end\n' 'end\0\n' '\0dne\n' '\0end\n' 'dne\0\n' \
    'the end\n' 'dne eht\n' 'end end\n' 'dne dne\n' 'e\nnd\n' 'e\ndn\n'
}

@test "server: the start of a message is not end" {
  start_server
  means="recv() returned just end, and the message went on: only its ending tells"
  printf 'ending\n' >"$dir/in"
  visit "split:3:$dir/in" 'expect:gnidne\n' half-close expect-eof
  printf 'the end\n' >"$dir/in"
  visit "split:4:$dir/in" 'expect:dne eht\n' half-close expect-eof
  assert_unharmed
}

@test "server: messages in front of end, sent with it, are answered" {
  start_server
  visit 'send:one\ntwo\nend\n' 'expect:eno\nowt\ndne\n' expect-eof
  assert_server_ended
}

@test "server: what is pipelined behind end is ignored" {
  start_server
  visit 'send:one\nend\ntwo\nthree' half-close 'expect:eno\ndne\n' expect-eof
  assert_server_ended
  assert_no_line_in "$server_out" 'two|three' "behind end nothing is a message"
}

@test "server: a megabyte behind end does not cost the client its dne" {
  { printf 'end\n' && messages_of 1000000; } >"$dir/in"
  start_server
  means="the connection was reset: close() with unread input destroys what the client has not read yet. shutdown(SHUT_WR), then read until the client closes"
  visit "send-file:$dir/in" 'expect:dne\n' expect-eof
  assert_server_ended
}

@test "server: a megabyte behind end does not cost a client its dne that reads it late" {
  { printf 'end\n' && messages_of 1000000; } >"$dir/in"
  start_server
  means="the connection was reset: close() with unread input destroys what the client has not read yet. shutdown(SHUT_WR), then read until the client closes"
  visit_until_pause client "send-file:$dir/in" half-close pause 'expect:dne\n' expect-eof
  assert_server_ended
  go_and_finish client
}

@test "server: behind end it exits within 2 s even if the client stays" {
  start_server
  start_visit client ask:one pause:ready \
    ask:end pause:answered expect-eof
  assert_ends_in_time
  go_and_finish client
}

@test "server: behind end it exits within 2 s even if the client goes on sending" {
  messages_of 100000 >"$dir/in"
  start_server
  start_visit client ask:one pause:ready 'send:end\n' "flood-file:$dir/in"
  assert_ends_in_time
}

# Expects that the server ends within 2 s when its client goes on, which pauses before `end`.
assert_ends_in_time() {
  local before took
  wait_for_pause client ready
  before=$(now_ms)
  go client
  means="it waits until the client closes its end, which may be never" assert_server_ended
  took=$(($(now_ms) - before))
  [ "$took" -le $((2000 * SLOWNESS + 500)) ] || explain "the server is slow to end" \
    "expected" "2 s at most" "got" "$took ms" \
    "it usually means" "it waits until the client closes its end, which may be never"
}

@test "server: when it ends, clients that still wait are closed" {
  start_server
  visit_until_pause first ask:one pause ask:end expect-eof
  start_visit second 'send:two\n' say:waiting expect-end
  wait_for_line "$dir/second.out" '^waiting$'
  go_and_finish first
  assert_server_ended
  wait_for_exit "$probe_second" "$LIMIT" "the second client waits for ever: the listener was not closed"
  [ "$status" -ne 3 ] || explain "the second client waits for ever"
  assert_no_line_in "$server_out" '^Server received: two' "behind end nobody is served"
}

# ---- One client after another ----

# bats test_tags=points:10
@test "server: a client that leaves without end makes room for the next" {
  start_server
  local i
  for i in 1 2 3 4 5; do
    visit ask:one close
  done
  assert_unharmed
}

@test "server: what a client left unfinished is not given to the next" {
  start_server
  means="the buffer still held what the client before had sent without an ending"
  visit 'send:one\nunfinis' 'expect:eno\n' reset
  visit ask:hed half-close expect-eof
}

@test "server: two clients wait their turn, in the order they came" {
  start_server
  visit_until_pause first who ask:1a pause ask:1b half-close expect-eof
  visit_until_pause second who 'send:2\n' pause 'expect:2\n' half-close expect-eof
  visit_until_pause third who 'send:3\n' pause 'expect:3\n' half-close expect-eof
  go second
  go third
  go_and_finish first
  finish second
  finish third
  wait_for_lines 3 "$server_out" "$closed"
  sed -n "s/^Server connection made with client ('127.0.0.1', \([0-9]*\))/made \1/p
    s/^Server connection closed by client ('127.0.0.1', \([0-9]*\))/closed \1/p
    s/^Server received: /received /p" "$server_out" >"$dir/order"
  local one two three
  one=$(address_of first) two=$(address_of second) three=$(address_of third)
  assert_lines "$dir/order" "one client at a time, and those who came first are served first" <<END
made ${one##*:}
received 1a
received 1b
closed ${one##*:}
made ${two##*:}
received 2
closed ${two##*:}
made ${three##*:}
received 3
closed ${three##*:}
END
}

@test "server: waiting for a client that says nothing, while another waits, takes no CPU time" {
  need_proc
  start_server
  visit_until_pause first ask:one pause
  visit_until_pause second 'send:two\n' pause
  assert_no_spin "$server" "poll() tells again and again of the client that waits, and it is not served yet"
}

@test "server: waiting for a client that does not read takes no CPU time" {
  need_proc
  messages_of 100000 >"$dir/in"
  start_server -q
  visit_until_pause client "flood-file:$dir/in" pause
  assert_no_spin "$server" "send() on a full socket that does not block fails with EAGAIN: wait with poll()"
}

# ---- The server and bad clients ----

@test "server: a client that resets the connection does it no harm" {
  start_server
  means="recv() failed with ECONNRESET: the client is gone, and that is no failure of the server"
  visit who ask:one reset
  local peer
  peer=$(address_of probe)
  wait_for_line "$server_out" "^Server connection closed by client \('127\.0\.0\.1', ${peer##*:}\)\$"
  assert_unharmed
  assert_nothing_in "$server_err"
}

@test "server: clients that reset at once do it no harm" {
  start_server
  means="accept(), getpeername() or recv() failed: that client is gone, the others are not"
  visit reset
  crowd 20 reset
  assert_unharmed
}

@test "server: a client that resets while it waits for its turn does it no harm" {
  start_server
  visit_until_pause first ask:one pause
  crowd 3 'send:two\n' reset
  go_and_finish first
  assert_unharmed
}

@test "server: a client that vanishes in mid-send does it no harm" {
  messages_of 3000000 >"$dir/in"
  start_server -q
  visit "flood-file:$dir/in" close
  assert_unharmed
  visit 'send:in the middle of a mess' close
  assert_unharmed
}

# ---- Stopping the server ----

# Expects that a signal stops the server before a client comes, and while it serves one.
assert_stops_anywhere() { # SIGNAL
  start_server
  assert_stops "$1"
  start_server
  visit_until_pause client ask:one pause expect-eof
  assert_stops "$1"
  go_and_finish client
}

@test "server: SIGINT stops it, before a client comes and while it serves one" {
  assert_stops_anywhere INT
}

@test "server: SIGTERM stops it, before a client comes and while it serves one" {
  assert_stops_anywhere TERM
}

@test "server: a signal stops it within 2 s while a client does not read" {
  messages_of 100000 >"$dir/in"
  start_server -q
  visit_until_pause client rcvbuf:4096 "flood-file:$dir/in" pause
  assert_stops TERM '' "it waits in send() for a client that does not read"
}

@test "server: a signal stops it within 2 s while a client keeps it busy" {
  messages_of 1000000 >"$dir/in"
  for ((i = 0; i < 30; i++)); do cat "$dir/in"; done >"$dir/busy"
  start_server
  start_visit client "exchange:$dir/busy:$dir/answers"
  wait_until test -s "$dir/answers"
  assert_stops INT '' "as long as something comes, it answers: it has to look at the clock, too"
  assert_no_line_in "$server_out" "$closed" "the signal has ended the connection, and not the client"
}

@test "server: a signal stops it within 2 s while clients wait their turn" {
  start_server
  visit_until_pause first ask:one pause
  start_crowd others 10 'send:two\n' pause expect-end
  wait_for_pause others
  assert_stops TERM '' "it takes the next client when it should stop accepting"
  go others
  wait_for_exit "$probe_others" "$LIMIT" "clients that wait in the backlog wait for ever: the listener was not closed"
}

@test "server: a signal stops it within 2 s while it gets rid of a message too long" {
  start_server
  start_visit client flood pause
  wait_for_line "$server_err" '^server: message longer than 65536 bytes from '
  complaint='^server: message longer' assert_stops
}

@test "server: messages that have arrived when the signal comes are answered, read or not" {
  local signal
  for signal in INT TERM; do
    start_server
    start_visit client ask:one pause:answered 'send:late\nlater\n' pause:sent 'expect:etal\nretal\n' expect-eof
    wait_for_pause client answered
    signal_server STOP
    go client
    wait_for_pause client sent
    local before
    before=$(now_ms)
    kill "-$signal" -- "-$server" # it finds the signal and the messages at once
    signal_server CONT
    go client
    means="the signal won: look whether something has arrived before closing, and answer it"
    finish client
    assert_stopped "$before"
  done
}

@test "server: the answers that it sends at the end are not lost" {
  start_server
  start_visit client ask:one pause:answered 'send:late\nunfinished' pause:sent 'expect:etal\n' expect-eof
  wait_for_pause client answered
  signal_server STOP
  go client
  wait_for_pause client sent
  signal_server TERM
  signal_server CONT
  means="close() with unread input sends a reset, which destroys what the client has not read yet"
  wait_for_exit "$server"
  go_and_finish client
}

@test "server: end that has arrived when the signal comes is still answered" {
  start_server
  start_visit client ask:one pause:answered 'send:end\n' pause:sent 'expect:dne\n' expect-eof
  wait_for_pause client answered
  signal_server STOP
  go client
  wait_for_pause client sent
  signal_server TERM
  signal_server CONT
  go_and_finish client
  wait_for_exit "$server"
  assert_status 0
  assert_line_in "$server_out" '^Server termination called by ("end"|signal)$'
}

@test "server: a signal that comes between accept() and recv() stops it" {
  server_command=(strace -f -qq -o "$dir/calls" -e "trace=accept,accept4"
    -e "inject=accept,accept4:signal=TERM:when=2" "${server_command[@]}")
  strace -qq -o /dev/null -e trace=accept true 2>/dev/null || skip "strace is not installed, or not allowed here"
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # it cannot look for leaks under strace
  start_server
  start_visit client pause # without a word
  LIMIT=2 wait_until grep -q SIGTERM "$dir/calls" || skip "it is not its second accept() that takes the first client"
  assert_stopped "$(now_ms)" '' "the handler had run before recv(), and nothing interrupts recv() any more"
}

@test "server: many signals stop it as one does" {
  local before
  messages_of 100000 >"$dir/in"
  start_server -q
  visit_until_pause client rcvbuf:4096 "flood-file:$dir/in" pause
  before=$(now_ms)
  until is_gone "$server" || [ $(($(now_ms) - before)) -ge $((3000 * SLOWNESS)) ]; do
    kill -INT -- "-$server" 2>/dev/null || true
    kill -TERM -- "-$server" 2>/dev/null || true
    sleep 0.1 # two signals at once would be one
  done
  assert_stopped "$before" '' "each signal begins the stopping anew"
}

# ---- The server and the system ----

@test "server: a lone client on IPv6 is served" {
  need_ipv6
  start_server_on ::1 0
  probe connect ::1 "$port" who 'send:one\n' 'expect:eno\n' half-close expect-eof
  local peer
  peer=$(address_of probe)
  assert_line_in "$server_out" "^Server connection made with client \('::1', ${peer##*:}"
  head -c 70000 /dev/zero | tr '\0' x >"$dir/in"
  probe connect ::1 "$port" who "send-file:$dir/in" expect-eof
  peer=$(address_of probe)
  wait_for_line "$server_err" "^server: message longer than 65536 bytes from \[::1\]:${peer##*:}\$" \
    "an IPv6 address stands in brackets in front of a port"
}

@test "server: started with descriptors closed, it sends just the answers" {
  find_free_port
  start_closed() {
    case $1 in
      stdin) exec "${server_command[@]}" 127.0.0.1 "$port" <&- ;;
      stdout) exec "${server_command[@]}" 127.0.0.1 "$port" <&- >&- ;;
      stderr) exec "${server_command[@]}" 127.0.0.1 "$port" <&- 2>&- ;;
      all) exec "${server_command[@]}" 127.0.0.1 "$port" <&- >&- 2>&- ;;
    esac
  }
  { echo one && digits 70000; } >"$dir/in"
  local closed
  for closed in stdin stdout stderr all; do
    start server start_closed "$closed"
    server=$pid
    means="a socket got descriptor 1 or 2, and what is printed goes to the client ($closed closed)"
    visit retry "send-file:$dir/in" 'expect:eno\n' expect-eof
    visit ask:end expect-eof
    wait_for_exit "$server"
  done
}

@test "server: out of descriptors it stops when it is told to" {
  start_server
  take_descriptors
  start_crowd client 2 'send:one\n' half-close 'expect:eno\n' expect-eof
  wait_for_line "$server_err" '^server: .' "accept() failed with EMFILE, and nothing was said"
  complaint='^server: .' assert_stops
}

@test "server: it answers a long message when its output is a pipe that nobody reads" {
  digits 65536 >"$dir/in"
  start_server_into_pipe
  means="write() waits until there is room for all of the line: poll() tells only that there is some" \
    visit "send-file:$dir/in" half-close "recv:65536"
}

@test "server: after many connections, however they ended, it has as many descriptors as before" {
  need_proc
  head -c 70000 /dev/zero | tr '\0' x >"$dir/in"
  start_server -q
  assert_unharmed
  local before i
  before=$(descriptors "$server")
  crowd 20 'send:one\n' close
  for ((i = 0; i < 10; i++)); do
    visit ask:one reset
    visit "send-file:$dir/in" expect-eof
  done
  assert_unharmed
  assert_descriptors_closed "$before" "these connections" \
    "on some way out of a connection (a reset, a message too long) nobody calls close()"
}

@test "server: out of descriptors, it says so once as long as somebody waits" {
  local none
  start_server
  take_descriptors
  none=$(lowest_free_descriptor "$server")
  start_visit first say:connected ask:one pause half-close expect-eof
  wait_for_line "$dir/first.out" '^connected$'
  start_visit second say:connected 'send:two\n' half-close 'expect:owt\n' expect-eof
  wait_for_line "$dir/second.out" '^connected$'
  wait_for_line "$server_err" '^server: .' "accept() failed with EMFILE, and nothing was said"
  give_descriptors
  wait_for_pause first # it is served, and the second one still waits
  prlimit --pid "$server" --nofile="$none:"
  go_and_finish first
  wait_for_line "$server_out" '^Server connection closed by client '
  assert_no_spin "$server" "accept() fails with EMFILE again and again, as long as the client waits"
  give_descriptors
  finish second
  assert_one_line "$server_err" '^server: .' \
    "an episode ends when a client could be accepted and none waits: until then, nothing new is to be said"
}

# ---- The client ----

# bats test_tags=points:10
@test "client: its transcript from a pipe is the golden one" {
  fake_server reverse expect-end
  printf %b "$golden_input" >"$dir/in"
  run_client localhost "$port" <"$dir/in"
  assert_status 0
  finish fake
  assert_golden client "$client_out"
  assert_nothing_in "$client_err"
}

@test "client: its transcript on a terminal is the golden one too" {
  start_at_keyboard localhost
  local text asked=0
  for text in Josue Palacios Soccer end; do
    asked=$((asked + 1))
    wait_until_asked "$asked"
    type_line "$text"
  done
  wait_for_exit "$client"
  assert_status 0
  assert_golden client "$client_out" "a terminal shows what is typed: the client need not, isatty() tells"
  assert_nothing_in "$client_err"
}

@test "client: on a terminal, the end of input (Ctrl-D) ends it as elsewhere" {
  start_at_keyboard 127.0.0.1
  wait_until_asked 1
  type_line one
  wait_until_asked 2
  printf '\004' 1<>"$dir/client.in"
  wait_for_exit "$client"
  assert_status 0
  finish fake
  assert_line_in "$client_out" '^Client received: eno$'
  assert_nothing_in "$client_err"
}

@test "client: on a terminal, a line that Ctrl-D ends is a message" {
  start_at_keyboard 127.0.0.1
  wait_until_asked 1
  printf 'end\004\004' 1<>"$dir/client.in"
  wait_for_exit "$client"
  assert_status 0
  finish fake
  assert_line_in "$client_out" '^Client received: dne$' \
    "behind what was typed, the terminal has no newline: the answer would stand in the same line"
}

# bats test_tags=points:10
@test "client: it sends each line as a message, and nothing else" {
  printf 'Josue\nPalacios\n\nä€😀\n' >"$dir/in"
  fake_server "reverse:$dir/received"
  means="the client sent more than the message and its newline, or less" assert_client_succeeds <"$dir/in"
  assert_same_bytes "$dir/in" "$dir/received"
}

@test "client: it sends the next message when the one before is answered" {
  fake_server 'expect:one\n' expect-nothing 'send:eno\n' 'expect:two\n' 'send:owt\n' expect-eof
  printf 'one\ntwo\n' >"$dir/in"
  assert_client_succeeds <"$dir/in"
}

@test "client: it says that it is connected, and asks, before there is any input" {
  fake_server pause
  start_client_on_pipe 127.0.0.1
  wait_for_line "$client_out" "^Client connection made with server at 127\.0\.0\.1 : $port\$" \
    "stdout into a file holds back lines, unless it is made line-buffered: setvbuf()"
  wait_until_asked 1
}

@test "client: each answer is shown as soon as it comes, while the client stays" {
  fake_server reverse expect-end
  start_client_on_pipe 127.0.0.1
  type_line one
  wait_for_line "$client_out" '^Client enter message: one$'
  wait_for_line "$client_out" '^Client received: eno$' "the answer is held back in a buffer"
  type_line two
  wait_for_line "$client_out" '^Client received: owt$' "the answer is held back in a buffer"
  type_line end
  wait_for_exit "$client"
  assert_status 0
}

# bats test_tags=points:10
@test "client: end answered with dne ends the dialogue, and the input behind it is left" {
  assert_client_prints 'one\nend\ntwo\n' <<END
Client enter message: one
Client received: eno
Client enter message: end
Client received: dne
Client termination called by message "end" and response "dne"
END
}

@test "client: after end it does not wait for more input, or for the server to close" {
  fake_server reverse pause
  start_client_on_pipe 127.0.0.1
  type_line end
  wait_for_exit "$client" "$LIMIT" "dne has come: it is time to go"
  assert_status 0
}

@test "client: only end ends the dialogue: ending, END and dne do not" {
  assert_client_prints 'ending\nEND\ndne\n end\nend end\nend\n' <<END
Client enter message: ending
Client received: gnidne
Client enter message: END
Client received: DNE
Client enter message: dne
Client received: end
Client enter message:  end
Client received: dne 
Client enter message: end end
Client received: dne dne
Client enter message: end
Client received: dne
Client termination called by message "end" and response "dne"
END
}

@test "client: dne as an answer to something else does not end the dialogue" {
  fake_server 'expect:one\n' 'send:dne\n' 'expect:two\n' 'send:owt\n' expect-eof
  printf 'one\ntwo\n' >"$dir/in"
  assert_client_succeeds <"$dir/in"
  assert_no_line_in "$client_out" '^Client termination'
}

@test "client: end answered with something else is not taken for dne" {
  fake_server 'expect:end\n' 'send:end\n' expect-end
  run_client 127.0.0.1 "$port" <<<end
  assert_line_in "$client_out" '^Client received: end$'
  assert_no_line_in "$client_out" '^Client termination'
}

@test "client: end with a \r\n, as on other systems, is end" {
  fake_server expect:end 'send:dne\r\n' expect-end
  printf 'end\r\n' >"$dir/in"
  run_client 127.0.0.1 "$port" <"$dir/in"
  assert_status 0 "the \\r in front of the newline belongs to the ending"
  assert_line_in "$client_out" '^Client termination called by message "end" and response "dne"$'
}

@test "client: a \r\n at the end of an answer is not shown" {
  fake_server 'expect:one\n' 'send:eno\r\n' expect-eof
  assert_client_succeeds <<<one
  assert_line_in "$client_out" '^Client received: eno$'
}

@test "client: at the end of input without end it closes and exits 0, with a newline" {
  assert_client_prints 'one\n' <<END
Client enter message: one
Client received: eno
Client enter message: 
END
}

@test "client: without any input it closes and exits 0, with a newline" {
  assert_client_prints '' <<END
Client enter message: 
END
}

@test "client: an unended last line of input is a message too" {
  assert_client_prints 'one\ntwo' <<END
Client enter message: one
Client received: eno
Client enter message: two
Client received: owt
Client enter message: 
END
  assert_client_prints 'one\nend' <<END
Client enter message: one
Client received: eno
Client enter message: end
Client received: dne
Client termination called by message "end" and response "dne"
END
}

@test "client: an empty message is a message: it does not freeze, and prints both lines" {
  hang_means="an empty message was not sent, and an answer is waited for"
  assert_client_prints '\n\none\n' <<END
Client enter message: 
Client received: 
Client enter message: 
Client received: 
Client enter message: one
Client received: eno
Client enter message: 
END
}

@test "client: a NUL is a character like any other" {
  printf 'a\0b\n\0\n' >"$dir/in"
  fake_server "reverse:$dir/received"
  assert_client_succeeds <"$dir/in"
  assert_same_bytes "$dir/in" "$dir/received"
  assert_lines "$client_out" "fgets(), strlen() and %s stop at a NUL" <<END
Client connection made with server at 127.0.0.1 : $port
Client enter message: a\x00b
Client received: b\x00a
Client enter message: \x00
Client received: \x00
Client enter message: 
END
}

@test "client: what is shown is escaped, so that no message drives the terminal" {
  assert_client_prints 'a\033[31m\n\302\2331m\n\377\303\n' <<'END'
Client enter message: a\x1b[31m
Client received: m13[\x1ba
Client enter message: \xc2\x9b1m
Client received: m1\xc2\x9b
Client enter message: \xff\xc3
Client received: \xc3\xff
Client enter message: 
END
}

@test "client: quotes, backslashes and valid UTF-8 are shown as they are" {
  assert_client_prints 'say "hi" \\ ä€😀\n\ta\n' <<'END'
Client enter message: say "hi" \ ä€😀
Client received: 😀€ä \ "ih" yas
Client enter message: \ta
Client received: a\t
Client enter message: 
END
}

@test "client: a message is never cut in what is shown" {
  local text
  text=$(digits 5000)
  assert_client_prints "$text\n" <<END
Client enter message: $text
Client received: $(printf %s "$text" | rev)
Client enter message: 
END
}

# bats test_tags=points:10
@test "client: an answer that comes in pieces is received in full" {
  fake_server 'expect:Josue\n' send:eus pause send:oJ pause 'send:\n' expect-eof
  start_client_on_pipe 127.0.0.1
  type_line Josue
  wait_for_pause fake
  sleep 0.1 # makes it likely that the first piece is read alone; the test holds without
  assert_no_line_in "$client_out" '^Client received' "what recv() returns is no answer: the newline ends it"
  go fake
  go fake
  wait_for_line "$client_out" '^Client received: eusoJ$' \
    "one recv() may return a part of the answer: call it until the newline has come"
}

@test "client: an answer that comes a byte at a time is received in full" {
  printf 'eusoJ\n' >"$dir/answer"
  fake_server 'expect:Josue\n' "bytes:$dir/answer" expect-eof
  assert_client_succeeds <<<Josue
  assert_line_in "$client_out" '^Client received: eusoJ$'
}

@test "client: 65,536 bytes are a message, however little the socket buffers hold" {
  { digits 65536 && printf '\n'; } >"$dir/in"
  fake_server rcvbuf:2048 sndbuf:2048 "reverse:$dir/received"
  assert_client_succeeds <"$dir/in"
  assert_same_bytes "$dir/in" "$dir/received"
  { printf 'Client received: ' && digits 65536 | rev && echo; } >"$dir/line"
  grep '^Client received: ' "$client_out" >"$dir/shown"
  assert_same_bytes "$dir/line" "$dir/shown"
}

@test "client: 65,536 bytes are a message with \r\n, and as an unended last line" {
  local ending
  for ending in '\r\n' ''; do
    # shellcheck disable=SC2059
    { digits 65536 && printf "$ending"; } >"$dir/in"
    fake_server reverse
    run_client 127.0.0.1 "$port" <"$dir/in"
    assert_status 0
    assert_nothing_in "$client_err" "the ending does not count"
    finish fake
  done
}

@test "client: a line too long to send is refused with one line, and the client goes on" {
  local size
  for size in 65537 65538 65539 200000; do
    { echo one && digits "$size" && printf '\ntwo\n'; } >"$dir/in"
    fake_server 'expect:one\n' 'send:eno\n' 'expect:two\n' 'send:owt\n' expect-eof
    run_client 127.0.0.1 "$port" <"$dir/in"
    assert_status 0 "a line too long is refused, and the next one asked for ($size bytes)"
    means="of a line too long ($size bytes) nothing is sent, not even its rest"
    finish fake
    assert_one_line "$client_err" '^client: .'
    assert_line_in "$client_out" 'Client enter message: two$'
    assert_line_in "$client_out" '^Client received: owt$'
  done
}

@test "client: an unended last line too long to send is refused with one line" {
  digits 65537 >"$dir/in"
  fake_server expect-eof
  assert_client_succeeds <"$dir/in"
  assert_one_line "$client_err" '^client: .'
}

@test "client: a line that never ends costs it no more memory than the longest message" {
  need_proc
  head -c 30000000 /dev/zero >"$dir/in"
  echo >>"$dir/in"
  fake_server 'expect:one\n' pause
  start_client_on_pipe 127.0.0.1
  wait_for_line "$client_out" '^Client connection made'
  local early late
  early=$(proc_status "$client" VmHWM)
  "$timeout_command" "$LIMIT" cat "$dir/in" 1<>"$dir/client.in" || explain "the client does not read the line to its end" \
    "got" "$(show_lines "$client_out")" "on stderr" "$(show_lines "$client_err")"
  type_line one
  wait_for_pause fake
  late=$(proc_status "$client" VmHWM)
  [ $((late - early)) -lt 10000 ] || explain "the memory grows with the line" \
    "at first" "$early kB" "behind it" "$late kB"
}

@test "client: 1 MB of random lines is sent as it stands" {
  # No \r, which might belong to an ending, and no e, so that no line can be `end`.
  head -c 1000000 /dev/urandom | LC_ALL=C tr e E | LC_ALL=C tr '\r' R >"$dir/in"
  echo >>"$dir/in"
  fake_server "reverse:$dir/received"
  limit=$((60 * SLOWNESS)) assert_client_succeeds <"$dir/in"
  assert_same_bytes "$dir/in" "$dir/received"
  assert_equal "$(grep -c '^Client received: ' "$client_out")" "$(awk 'END { print NR }' "$dir/in")"
}

@test "client: a server that closes before the answer is a failure" {
  fake_server 'expect:one\n' half-close expect-end
  run_client 127.0.0.1 "$port" <<<one
  assert_client_fails '^client: connection closed by server$' "recv() returned 0: the server has closed, and nothing more will come"
}

@test "client: a server that closes in the middle of the answer is a failure" {
  fake_server 'expect:one\n' send:en half-close expect-end
  run_client 127.0.0.1 "$port" <<<one
  assert_client_fails '^client: connection closed by server$' "recv() returned 0: the server has closed, and nothing more will come"
}

@test "client: a server that closes after some messages is a failure" {
  fake_server 'expect:one\n' 'send:eno\n' 'expect:two\n' close
  printf 'one\ntwo\nthree\n' >"$dir/in"
  run_client 127.0.0.1 "$port" <"$dir/in"
  assert_client_fails '^client: connection closed by server$' "recv() returned 0: the server has closed, and nothing more will come"
  assert_line_in "$client_out" '^Client received: eno$'
}

@test "client: an answer that is longer than any message does it no harm" {
  { repeat 66000 x && echo; } >"$dir/long"
  fake_server 'expect:one\n' "send-file:$dir/long" recv-all
  run_client 127.0.0.1 "$port" <<<one
  [ "$status" -eq 0 ] || # it shows all of the answer, or says that it cannot
    assert_client_fails '^client: .' "the answer is written behind the memory for a line"
}

@test "client: writing to a server that is gone is a failure, not the client's death (SIGPIPE)" {
  fake_server 'expect:one\n' 'send:eno\n' half-close reset
  start_client_on_pipe 127.0.0.1
  type_line one
  wait_for_line "$client_out" '^Client received: eno$'
  finish fake
  type_line two
  wait_for_exit "$client"
  assert_client_fails '^client: connection closed by server$' "a write to a connection that is gone raises SIGPIPE, which ends the process unless it is ignored"
}

@test "client: HOST may be an IPv6 address" {
  need_ipv6
  fake_server on:::1 reverse
  run_client ::1 "$port" <<<end
  assert_status 0
  finish fake
  assert_line_in "$client_out" "^Client connection made with server at (::1|\[::1\]) : $port\$"
}

@test "client: stopped and continued while it waits, it goes on" {
  fake_server 'expect:one\n' pause 'send:eno\n' 'expect:two\n' 'send:owt\n' pause:done
  start_client_on_pipe 127.0.0.1
  type_line one
  wait_for_pause fake
  halt "$client"
  kill -CONT -- "-$client"
  go fake
  wait_for_line "$client_out" '^Client received: eno$'
  halt "$client"
  kill -CONT -- "-$client"
  type_line two
  wait_for_line "$client_out" '^Client received: owt$'
}

@test "client: input that is interrupted (EINTR) is read on, also the rest of a line too long" {
  { echo one && digits 200000 && printf '\ntwo\n'; } >"$dir/in"
  make_calls_fail client read -P "$dir/in"
  fake_server 'expect:one\n' 'send:eno\n' 'expect:two\n' 'send:owt\n' expect-eof
  run_client 127.0.0.1 "$port" <"$dir/in"
  assert_status 0 "read() failed with EINTR: a signal came first, nothing is lost, ask again"
  means="the rest of a line too long is taken for a message, or the input for ended"
  finish fake
  assert_one_line "$client_err" '^client: .'
}

@test "client: started with stdout closed, it sends messages and nothing else" {
  need_no_valgrind "its log takes the descriptor that is closed"
  fake_server "reverse:$dir/received" expect-end
  start_closed() { exec "${client_command[@]}" 127.0.0.1 "$port" <"$dir/in" >&-; }
  echo end >"$dir/in"
  start client start_closed
  wait_for_exit "$pid"
  finish fake
  [ ! -s "$dir/received" ] || # it may also give up at once: nobody can see what it shows
    { means="the socket got descriptor 1, and what is printed goes to the server" &&
      assert_same_bytes "$dir/in" "$dir/received"; }
}

@test "client: started with stdin closed, it takes nothing from elsewhere for input" {
  fake_server 'send:one\n' "recv-all:$dir/received"
  start_closed() { exec "${client_command[@]}" 127.0.0.1 "$port" <&-; }
  start client start_closed
  client=$pid
  means="the socket got descriptor 0: the client reads from the server what it should read from stdin"
  wait_for_exit "$client" "$LIMIT" "$means"
  [ "$status" -le 1 ] || assert_status 1
  wait_for_exit "$probe_fake"
  assert_nothing_in "$dir/received" "$means"
}

@test "client: a server that closes after end without its dne is a failure" {
  fake_server 'expect:end\n' close
  printf 'end\n' >"$dir/in"
  run_client 127.0.0.1 "$port" <"$dir/in"
  assert_client_fails '^client: connection closed by server$' "end is answered with dne: without it, the server has closed early"
  assert_no_line_in "$client_out" '^Client termination called by'
  finish fake
}

@test "client: with stdin from a pipe and stdout on a terminal, its transcript is the same" {
  client_command=("$SUPPORT/bin/probe" terminal "${client_command[@]}")
  fake_server reverse expect-end
  printf %b "$golden_input" >"$dir/in"
  run_client localhost "$port" <"$dir/in"
  assert_status 0
  finish fake
  tr -d '\r' <"$client_out" >"$dir/lines"
  assert_golden client "$dir/lines" "what was read is written behind the prompt where stdin is no terminal, whatever stdout is"
}

@test "client: typed at on a terminal, it writes no line that it read, also where stdout is none" {
  # shellcheck disable=SC2016 # the inner shell expands them
  client_command=("$SUPPORT/bin/probe" keyboard sh -c 'exec "$@" >"$0"' "$dir/transcript" "${client_command[@]}")
  fake_server reverse expect-end
  mkfifo "$dir/client.in"
  stdin_file=$dir/client.in start_client 127.0.0.1 "$port"
  wait_until has_line "$dir/transcript" '^Client connection made with server at ' || true
  type_line Josue
  type_line end
  wait_for_exit "$client"
  assert_status 0
  finish fake
  assert_lines "$dir/transcript" "the line is written behind the prompt where stdin is no terminal: what stdout is does not matter" <<END
Client connection made with server at 127.0.0.1 : $port
Client enter message: Client received: eusoJ
Client enter message: Client received: dne
Client termination called by message "end" and response "dne"
END
}

@test "client: a return that began a message is the last character of its answer" {
  fake_server reverse
  run_client 127.0.0.1 "$port" <<<$'\rabc'
  assert_line_in "$client_out" '^Client received: cba\\r$' \
    "the \\r before the \\n belongs to the ending only if the message ended so too"
}

# ---- Both together ----

# bats test_tags=points:10
@test "server and client: both print the golden transcripts, and exit 0" {
  start_server
  printf %b "$golden_input" >"$dir/in"
  run_client localhost "$port" <"$dir/in"
  assert_status 0
  assert_server_ended
  assert_golden client "$client_out"
  peer_port=$(sed -n "2s/.*, \([0-9]*\))/\1/p" "$server_out") assert_golden server "$server_out"
}

@test "server and client: on their default port they print the golden transcripts to the letter" {
  # A network of its own, where port 7200 is free. Only the client's port differs.
  local network=(unshare -rn sh -c 'ip link set lo up && exec "$@"' sh)
  "${network[@]}" true 2>/dev/null || skip "this system lets no test have its own network"
  # shellcheck disable=SC2016 # the inner shell expands them
  both() {
    "${network[@]}" bash -c 'eval "$1 &"; tries=0
      until grep -q . "$3/server.out" || [ "$((tries += 1))" -gt 500 ]; do sleep 0.02; done
      eval "$2" && wait' bash \
      "$(show_command "${server_command[@]}") >$(show_command "$dir/server.out")" \
      "$(show_command "${client_command[@]}") <$(show_command "$dir/in")" "$dir"
  }
  printf %b "$golden_input" >"$dir/in"
  : >"$dir/server.out"
  server_out=$dir/server.out
  client_out=$dir/client.out
  start client both
  wait_for_exit "$pid"
  assert_status 0
  port=7200
  assert_golden client "$client_out"
  peer_port=$(sed -n "2s/.*, \([0-9]*\))/\1/p" "$server_out") assert_golden server "$server_out"
}

@test "server and client: long messages, empty ones, NULs and invalid UTF-8 come back reversed" {
  { digits 65536 && printf '\n\n\0a\0\n\xe2\x82\n\xf0\x9f\x98\x80!\r\nend\n'; } >"$dir/in"
  start_server
  run_client 127.0.0.1 "$port" <"$dir/in"
  assert_status 0
  assert_server_ended
  sed -n 's/^Client received: //p' "$client_out" >"$dir/shown"
  { digits 65536 | rev && printf '\n\n\\x00a\\x00\n\\x82\\xe2\n!😀\ndne\n'; } |
    assert_lines "$dir/shown"
}
