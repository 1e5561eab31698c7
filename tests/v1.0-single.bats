#!/usr/bin/env bats
# v1.0-single: one server, one client, one connection.
#
# The tests of the server use the probe as its client, and the tests of the client use the probe as
# its server, so that a mistake in one program fails no test of the other.

STAGE=v1.0-single
load support/suite
load support/contract

# Helpers of this suite.

# Waits for the server's end, and expects it to have served its client.
assert_server_done() {
  wait_for_exit "$server" "$LIMIT" "this stage's server serves one client, and exits"
  assert_status 0 "${means:-"the server has done its work, whatever the client did"}"
  assert_line_in "$server_out" '^Server closes connection to 127\.0\.0\.1:[0-9]+$'
}

# Sends a message to the server, which is to show it as QUOTED.
assert_server_shows() { # MESSAGE QUOTED
  start_server
  probe connect 127.0.0.1 "$port" "ask:$1" half-close expect-eof
  assert_server_done
  sed -n 's/^Server echoes \(.*\) to 127\.0\.0\.1:[0-9]*$/\1/p' "$server_out" >"$dir/shown"
  printf '%s\n' "$2" | assert_lines "$dir/shown" "the rules of what is shown of a message: common/text.h"
}

# Sends a message with the client, which is to show it as QUOTED.
assert_client_shows() { # MESSAGE QUOTED
  fake_server echo
  run_client 127.0.0.1 "$port" "$1"
  assert_status 0
  finish fake
  assert_lines "$client_out" <<END
Client connects to 127.0.0.1:$port
Client sends $2
Client receives $2
Client closes connection to 127.0.0.1:$port
END
}

# The same with a message from a file.
assert_client_shows_file() { # FILE QUOTED
  fake_server echo
  run_client 127.0.0.1 "$port" - <"$1"
  assert_status 0
  finish fake
  assert_same_bytes "$1" "$client_out"
  assert_lines "$client_err" <<END
Client connects to 127.0.0.1:$port
Client sends $2
Client receives $2
Client closes connection to 127.0.0.1:$port
END
}

# ---- The command line of the server ----

@test "server: -h prints the usage on stdout and exits 0" {
  assert_server_helps -h
}

@test "server: --help prints the usage on stdout and exits 0" {
  assert_server_helps --help
}

@test "server: help is given wherever it is asked for before --, whatever else is wrong" {
  assert_server_helps -q -h
  assert_server_helps 127.0.0.1 0 --help
  assert_server_helps 127.0.0.1 abc -h
  assert_server_helps --unknown --help
  assert_server_helps a b c d -h
}

@test "server: -h behind -- asks for no help: it is an operand" {
  assert_server_refuses -- -h
  assert_server_refuses 127.0.0.1 -- --help
}

@test "server: without operands it listens on 127.0.0.1 port 65432" {
  start server "${server_command[@]}"
  assert_uses_address server '^Server listens on 127\.0\.0\.1:65432$' \
    '^server: cannot listen on 127\.0\.0\.1:65432: .'
}

@test "server: one operand is the port, and the host stays 127.0.0.1" {
  start_server_on 0
  assert_line_in "$server_out" '^Server listens on 127\.0\.0\.1:[0-9]+$'
}

# bats test_tags=points:10
@test "server: two operands are the host and the port" {
  start_server_on localhost 0
  assert_line_in "$server_out" '^Server listens on (127\.0\.0\.1|\[::1\]):[0-9]+$' \
    "the address in the ready line is numeric, whatever HOST was"
}

# bats test_tags=points:10
@test "server: port 0 lets the system choose, and the ready line shows the port" {
  start_server
  [ "$port" -gt 0 ] || explain "the ready line shows port 0" "got" "$(show_lines "$server_out")" \
    "it usually means" "the port was printed as it was asked for: getsockname() tells which one it became"
  probe connect 127.0.0.1 "$port" ask:hello
}

@test "server: a port that is not 0 is the port it listens on" {
  reserve_port
  go reserve
  finish reserve
  local wanted=$port
  start_server_on 127.0.0.1 "$wanted"
  assert_equal "$port" "$wanted"
  probe connect 127.0.0.1 "$wanted" ask:hello
}

@test "server: a port that is not a decimal number from 0 to 65535 is refused with exit 2" {
  local limit=$((4 * SLOWNESS)) wrong
  for wrong in '' ' ' abc ' 80' '80 ' '+80' 0x50 80x 8.0 1e3 '8 0' $'80\n' 65536 70000 4294967376 \
    18446744073709551617 99999999999999999999999 ٣; do
    assert_server_refuses "$wrong"
    assert_server_refuses 127.0.0.1 "$wrong"
  done
}

@test "server: the highest port is 65535" {
  assert_server_takes_port 65535
}

@test "server: a negative port is refused with exit 2, behind -- too" {
  assert_server_refuses 127.0.0.1 -1
  assert_server_refuses -- 127.0.0.1 -1
}

@test "server: too many operands are refused with exit 2" {
  assert_server_refuses 127.0.0.1 0 more
  assert_server_refuses -- 127.0.0.1 0 -q
}

@test "server: an unknown option is refused with exit 2, wherever it stands" {
  assert_server_refuses -x
  assert_server_refuses 127.0.0.1 0 -x
  assert_server_refuses --unknown 127.0.0.1 0
  assert_server_refuses --with 127.0.0.1 0
  assert_server_refuses -b 127.0.0.1 0
}

@test "server: -q may stand before, between and behind the operands" {
  local arguments
  for arguments in '-q 127.0.0.1 0' '127.0.0.1 -q 0' '127.0.0.1 0 -q' '0 -q' '-q -- 127.0.0.1 0'; do
    # shellcheck disable=SC2086 # words
    start_server_on $arguments
    probe connect 127.0.0.1 "$port" ask:hello half-close expect-eof
    assert_server_done
    assert_no_line_in "$server_out" '^Server echoes' "-q was not seen in: $arguments"
  done
}

@test "server: -- ends the options, before and between the operands" {
  start_server_on -- 127.0.0.1 0
  start_server_on 127.0.0.1 -- 0
  assert_server_refuses -- -q
}

# ---- The command line of the client ----

@test "client: -h prints the usage on stdout and exits 0" {
  assert_client_helps -h
}

@test "client: --help prints the usage on stdout and exits 0" {
  assert_client_helps --help
}

@test "client: help is given wherever it is asked for before --, whatever else is wrong" {
  assert_client_helps -q -h
  assert_client_helps 127.0.0.1 abc --help
  assert_client_helps 127.0.0.1 1 message -h
  assert_client_helps --unknown -h
  assert_client_helps a b c d e --help
}

@test "client: without operands it connects to 127.0.0.1 port 65432" {
  start_client
  assert_uses_address client '^Client connects to 127\.0\.0\.1:65432$' \
    '^client: cannot connect to 127\.0\.0\.1:65432: .'
}

@test "client: one operand is the host, and the port stays 65432" {
  [ "$(uname)" = Linux ] || skip "this system has no 127.0.0.2"
  start_client 127.0.0.2
  assert_uses_address client '^Client connects to 127\.0\.0\.2:65432$' \
    '^client: cannot connect to 127\.0\.0\.2:65432: .'
}

@test "client: two operands are the host and the port, and the message is Hello, world" {
  fake_server recv:12:"$dir/received" "send:Hello, world" expect-eof
  run_client 127.0.0.1 "$port"
  assert_status 0
  finish fake
  printf 'Hello, world' >"$dir/sent"
  assert_same_bytes "$dir/sent" "$dir/received"
}

# bats test_tags=points:10
@test "client: three operands are the host, the port and the message" {
  fake_server expect:ahoy send:ahoy expect-eof
  run_client 127.0.0.1 "$port" ahoy
  assert_status 0
  finish fake
}

@test "client: a port that is not a decimal number from 1 to 65535 is refused with exit 2" {
  local limit=$((4 * SLOWNESS)) wrong
  for wrong in '' 0 00 ' ' abc ' 80' '80 ' '+80' 0x50 80x 8.0 1e3 '8 0' $'80\n' 65536 4294967376 \
    18446744073709551617 99999999999999999999999; do
    assert_client_refuses 127.0.0.1 "$wrong"
    assert_client_refuses 127.0.0.1 "$wrong" message
  done
}

@test "client: the lowest port is 1, the highest 65535" {
  assert_client_takes_port 1
  assert_client_takes_port 65535
}

@test "client: a negative port is refused with exit 2, behind -- too" {
  assert_client_refuses 127.0.0.1 -1
  assert_client_refuses -- 127.0.0.1 -1
}

@test "client: too many operands are refused with exit 2" {
  assert_client_refuses 127.0.0.1 1 message more
}

@test "client: an unknown option is refused with exit 2, wherever it stands" {
  assert_client_refuses -x
  assert_client_refuses 127.0.0.1 1 message -x
  assert_client_refuses 127.0.0.1 --unknown 1
  assert_client_refuses --with 127.0.0.1 1
  assert_client_refuses -b 127.0.0.1 1
}

@test "client: -q may stand before, between and behind the operands" {
  local position arguments
  for position in 0 1 2 3; do
    fake_server echo
    arguments=(127.0.0.1 "$port" message)
    run_client ${arguments[@]+"${arguments[@]:0:position}"} -q "${arguments[@]:position}"
    assert_status 0
    finish fake
    assert_no_line_in "$client_out" '^Client (sends|receives)' "-q was not seen as argument $position"
  done
}

@test "client: behind -- a message may look like an option" {
  local message
  for message in -q -h --help -- -x; do
    fake_server echo
    run_client 127.0.0.1 "$port" -- "$message"
    assert_status 0 "behind -- there are no options: $message is the message"
    finish fake
    assert_line_in "$client_out" "^Client sends \"$message\" \(${#message} bytes\)\$"
  done
}

@test "client: -- may stand before the operands" {
  fake_server echo
  run_client -- 127.0.0.1 "$port" -q
  assert_status 0
  finish fake
  assert_line_in "$client_out" '^Client sends "-q" \(2 bytes\)$'
}

@test "server and client: --q is no -q: it is refused" {
  assert_server_refuses --q 127.0.0.1 0
  assert_client_refuses --q 127.0.0.1 1
}

@test "server and client: a port with leading zeros is decimal" {
  assert_server_refuses 127.0.0.1 065536
  assert_client_refuses 127.0.0.1 065536
}

# ---- What they print ----

# bats test_tags=points:10
@test "server: it tells what it does, line by line" {
  start_server
  probe connect 127.0.0.1 "$port" who "ask:Hello, world" half-close expect-eof
  assert_server_done
  local peer
  peer=$(address_of probe)
  assert_lines "$server_out" <<END
Server listens on 127.0.0.1:$port
Server accepts connection from $peer
Server echoes "Hello, world" (12 bytes) to $peer
Server closes connection to $peer
END
  assert_nothing_in "$server_err"
}

@test "server: it shows each piece that it echoes" {
  start_server
  probe connect 127.0.0.1 "$port" who ask:one ask:two ask:three half-close expect-eof
  assert_server_done
  local peer
  peer=$(address_of probe)
  assert_lines "$server_out" <<END
Server listens on 127.0.0.1:$port
Server accepts connection from $peer
Server echoes "one" (3 bytes) to $peer
Server echoes "two" (3 bytes) to $peer
Server echoes "three" (5 bytes) to $peer
Server closes connection to $peer
END
}

@test "server: the sizes that it shows add up to what it has echoed" {
  head -c 1000000 /dev/zero >"$dir/sent"
  start_server
  probe connect 127.0.0.1 "$port" "exchange:$dir/sent:$dir/received"
  assert_server_done
  local total
  total=$(LC_ALL=C sed -n 's/^Server echoes .*(\([0-9]*\) bytes) to .*/\1/p' "$server_out" |
    awk '{ total += $1 } END { print total + 0 }')
  assert_equal "$total" 1000000
}

@test "server: -q leaves out the lines on echoing, and only those" {
  start_server -q
  probe connect 127.0.0.1 "$port" who ask:hello half-close expect-eof
  assert_server_done
  local peer
  peer=$(address_of probe)
  assert_lines "$server_out" <<END
Server listens on 127.0.0.1:$port
Server accepts connection from $peer
Server closes connection to $peer
END
}

# bats test_tags=points:10
@test "client: it tells what it does, line by line" {
  fake_server echo
  run_client 127.0.0.1 "$port" ahoy
  assert_status 0
  assert_lines "$client_out" <<END
Client connects to 127.0.0.1:$port
Client sends "ahoy" (4 bytes)
Client receives "ahoy" (4 bytes)
Client closes connection to 127.0.0.1:$port
END
  assert_nothing_in "$client_err"
}

@test "client: -q leaves out the lines on sending and receiving, and only those" {
  fake_server echo
  run_client -q 127.0.0.1 "$port" ahoy
  assert_status 0
  assert_lines "$client_out" <<END
Client connects to 127.0.0.1:$port
Client closes connection to 127.0.0.1:$port
END
}

@test "client: addresses are shown in numbers, also for a name" {
  fake_server echo
  run_client localhost "$port" ahoy
  assert_status 0
  assert_line_in "$client_out" "^Client connects to 127\.0\.0\.1:$port\$"
  assert_line_in "$client_out" "^Client closes connection to 127\.0\.0\.1:$port\$"
}

@test "server: each line is in the file as soon as it is printed, while the client stays" {
  start_server
  start_probe client connect 127.0.0.1 "$port" pause:connected ask:hello pause:echoed half-close
  wait_for_pause client connected
  wait_for_line "$server_out" '^Server accepts connection from ' \
    "stdout into a file holds back lines, unless it is made line-buffered: setvbuf()"
  go client
  wait_for_pause client echoed
  wait_for_line "$server_out" '^Server echoes "hello" ' \
    "stdout into a file holds back lines, unless it is made line-buffered: setvbuf()"
  go client
  finish client
}

@test "client: each line is in the file as soon as it is printed, while it waits for the echo" {
  fake_server recv:4 pause send:ahoy expect-eof
  start_client 127.0.0.1 "$port" ahoy
  wait_for_pause fake
  wait_for_line "$client_out" '^Client connects to ' \
    "stdout into a file holds back lines, unless it is made line-buffered: setvbuf()"
  go fake
  wait_for_exit "$client"
  assert_status 0
}

# bats test_tags=points:10
@test "server: the ready line comes behind listen(), however long that takes" {
  assert_ready_line_behind_listen
}

@test "server: when the ready line comes, clients can connect" {
  # The server finds its stdout full, and has to wait in printing the ready line. If it printed it
  # before listen(), nobody could connect meanwhile.
  reserve_port
  go reserve
  finish reserve
  mkfifo "$dir/server.in"
  stdin_file=$dir/server.in start server "$SUPPORT/bin/probe" choke \
    "${server_command[@]}" 127.0.0.1 "$port"
  server=$pid
  means="the ready line is printed before listen(): a client that reads it and connects is refused"
  start_probe client connect 127.0.0.1 "$port" retry "limit:$LIMIT" say:connected pause ask:hello \
    half-close expect-eof
  wait_for_pause client
  echo 1<>"$dir/server.in"
  go client
  finish client
  wait_for_exit "$server"
  assert_status 0
}

# ---- What is shown of a message ----

@test "client: quotes, backslashes, newlines, returns and tabs are shown as C writes them" {
  assert_client_shows $'say "hi"' '"say \"hi\"" (8 bytes)'
  assert_client_shows $'a\\b' '"a\\b" (3 bytes)'
  assert_client_shows $'one\ntwo\r\n\tthree' '"one\ntwo\r\n\tthree" (15 bytes)'
}

@test "client: control characters are shown as \xHH, so that none drives the terminal" {
  assert_client_shows $'\e[31mred\e[0m' '"\x1b[31mred\x1b[0m" (12 bytes)'
  assert_client_shows $'\e]0;title\a' '"\x1b]0;title\x07" (10 bytes)'
  assert_client_shows $'\x01\x08\x0b\x0c\x1f\x7f' '"\x01\x08\x0b\x0c\x1f\x7f" (6 bytes)'
}

@test "client: valid UTF-8 is shown as it is, from U+00A0 to U+10FFFF" {
  assert_client_shows 'äöü €uro 😀' '"äöü €uro 😀" (18 bytes)'
  assert_client_shows $'\xc2\xa0' $'"\xc2\xa0" (2 bytes)'
  assert_client_shows $'\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80' \
    $'"\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80" (11 bytes)'
  assert_client_shows $'\xf0\x90\x80\x80\xf4\x8f\xbf\xbf' $'"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" (8 bytes)'
}

@test "client: C1 control characters are shown as \xHH although they are valid UTF-8" {
  assert_client_shows $'\xc2\x80\xc2\x9b31m\xc2\x9f' '"\xc2\x80\xc2\x9b31m\xc2\x9f" (9 bytes)'
}

@test "client: bytes that are no valid UTF-8 are shown as \xHH" {
  assert_client_shows $'a\xffb\x80c' '"a\xffb\x80c" (5 bytes)'
  assert_client_shows $'\xc3' '"\xc3" (1 bytes)'                       # cut short
  assert_client_shows $'\xe2\x82x' '"\xe2\x82x" (3 bytes)'             # cut short in the middle
  assert_client_shows $'\xf0\x9f\x98' '"\xf0\x9f\x98" (3 bytes)'       # the same, of four bytes
  assert_client_shows $'\xc0\x80\xc1\xbf' '"\xc0\x80\xc1\xbf" (4 bytes)' # longer than need be
  assert_client_shows $'\xe0\x9f\xbf' '"\xe0\x9f\xbf" (3 bytes)'       # the same, of three bytes
  assert_client_shows $'\xf0\x8f\xbf\xbf' '"\xf0\x8f\xbf\xbf" (4 bytes)' # the same, of four
  assert_client_shows $'\xed\xa0\x80' '"\xed\xa0\x80" (3 bytes)'       # half of a UTF-16 pair
  assert_client_shows $'\xf4\x90\x80\x80' '"\xf4\x90\x80\x80" (4 bytes)' # above U+10FFFF
  assert_client_shows $'\xf5\xc3\xa4' $'"\\xf5\xc3\xa4" (3 bytes)'
}

@test "client: 64 characters are shown in full, and 65 are cut" {
  local a64
  a64=$(repeat 64 a)
  assert_client_shows "$a64" "\"$a64\" (64 bytes)"
  assert_client_shows "${a64}b" "\"$a64\"... (65 bytes)"
  assert_client_shows "$(repeat 5000 a)" "\"$a64\"... (5000 bytes)"
}

@test "client: a character of several bytes counts as one of the 64" {
  local umlauts
  umlauts=$(repeat 64 ä)
  assert_client_shows "$umlauts" "\"$umlauts\" (128 bytes)"
  assert_client_shows "${umlauts}b" "\"$umlauts\"... (129 bytes)"
  assert_client_shows "$(repeat 64 😀)" "\"$(repeat 64 😀)\" (256 bytes)"
}

@test "client: an escape counts with all its characters, and is never cut in two" {
  assert_client_shows "$(repeat 62 a)"$'\n' "\"$(repeat 62 a)\\n\" (63 bytes)"
  assert_client_shows "$(repeat 63 a)"$'\n' "\"$(repeat 63 a)\"... (64 bytes)"
  assert_client_shows "$(repeat 63 a)\"" "\"$(repeat 63 a)\"... (64 bytes)"
  assert_client_shows "$(repeat 60 a)"$'\x01' "\"$(repeat 60 a)\\x01\" (61 bytes)"
  assert_client_shows "$(repeat 61 a)"$'\x01' "\"$(repeat 61 a)\"... (62 bytes)"
}

@test "client: what stands behind an escape that does not fit is left out too" {
  assert_client_shows "$(repeat 62 a)"$'\x01'b "\"$(repeat 62 a)\"... (64 bytes)"
}

@test "client: a message of one byte is (1 bytes), and an empty one (0 bytes)" {
  assert_client_shows x '"x" (1 bytes)'
  assert_client_shows '' '"" (0 bytes)'
}

@test "client: of stdin it shows the size of all and the first bytes, NULs included" {
  printf 'a\0b\0' >"$dir/in"
  assert_client_shows_file "$dir/in" '"a\x00b\x00" (4 bytes)'
  every_byte >"$dir/in"
  assert_client_shows_file "$dir/in" '"\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10"... (256 bytes)'
  head -c 300000 /dev/zero >"$dir/in"
  assert_client_shows_file "$dir/in" "\"$(repeat 16 '\x00')\"... (300000 bytes)"
}

@test "server: what a client sends is shown with escapes, so that none drives the terminal" {
  assert_server_shows 'say "hi"' '"say \"hi\"" (8 bytes)'
  assert_server_shows '\e[2J\x1b[31mred\x07\x7f' '"e[2J\x1b[31mred\x07\x7f" (14 bytes)'
  assert_server_shows 'a\\b\n\r\t' '"a\\b\n\r\t" (6 bytes)'
}

@test "server: a NUL is shown as \x00 and ends nothing" {
  assert_server_shows 'ab\0cd\0' '"ab\x00cd\x00" (6 bytes)'
}

@test "server: valid UTF-8 is shown as it is, C1 controls and invalid bytes are not" {
  assert_server_shows 'ä€😀' '"ä€😀" (9 bytes)'
  assert_server_shows '\xc2\x9b31m' '"\xc2\x9b31m" (5 bytes)'
  assert_server_shows '\xff\xc3' '"\xff\xc3" (2 bytes)'
}

@test "server: every byte value alone is shown as the rules say" {
  every_byte >"$dir/in"
  start_server
  probe connect 127.0.0.1 "$port" "ping:$dir/in" half-close expect-eof
  assert_server_done
  sed -n 's/^Server echoes \(.*\) to 127\.0\.0\.1:[0-9]*$/\1/p' "$server_out" >"$dir/shown"
  awk 'BEGIN {
    for (i = 0; i < 256; i++) {
      if (i == 9) shown = "\\t"; else if (i == 10) shown = "\\n"; else if (i == 13) shown = "\\r"
      else if (i == 34) shown = "\\\""; else if (i == 92) shown = "\\\\"
      else if (i < 32 || i > 126) shown = sprintf("\\x%02x", i); else shown = sprintf("%c", i)
      printf "\"%s\" (1 bytes)\n", shown
    }
  }' | assert_lines "$dir/shown"
}

@test "server: 64 characters are shown in full, more are cut, however many bytes they have" {
  assert_server_shows "$(repeat 64 a)" "\"$(repeat 64 a)\" (64 bytes)"
  assert_server_shows "$(repeat 65 a)" "\"$(repeat 64 a)\"... (65 bytes)"
  assert_server_shows "$(repeat 64 ä)" "\"$(repeat 64 ä)\" (128 bytes)"
  assert_server_shows "$(repeat 61 a)\\x01b" "\"$(repeat 61 a)\"... (63 bytes)"
}

@test "client: U+FFFE and U+FFFF are valid UTF-8, and shown as they are" {
  assert_client_shows $'\xef\xbf\xbe\xef\xbf\xbf' $'"\xef\xbf\xbe\xef\xbf\xbf" (6 bytes)'
}

# ---- The echo of the server ----

# bats test_tags=points:10
@test "server: every byte value comes back, NULs included" {
  every_byte >"$dir/sent"
  start_server
  probe connect 127.0.0.1 "$port" "roundtrip:$dir/sent:$dir/received" half-close expect-eof
  assert_same_bytes "$dir/sent" "$dir/received"
  assert_server_done
}

@test "server: 16 MB of random bytes come back unchanged, in order" {
  head -c 16777216 /dev/urandom >"$dir/sent"
  start_server -q
  probe connect 127.0.0.1 "$port" "exchange:$dir/sent:$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
  assert_server_done
}

@test "server: bytes that come one at a time are echoed" {
  head -c 3000 /dev/urandom >"$dir/sent"
  start_server
  probe connect 127.0.0.1 "$port" "bytes:$dir/sent" "recv:3000:$dir/received" half-close expect-eof
  assert_same_bytes "$dir/sent" "$dir/received"
  assert_server_done
}

# bats test_tags=points:10
@test "server: each piece is echoed at once, while the client stays connected" {
  start_server
  means="the server collects input until the client ends its half"
  probe connect 127.0.0.1 "$port" ask:one ask:two 'ask:\0' ask:four half-close expect-eof
  assert_server_done
}

# bats test_tags=points:10
@test "server: a client that half-closes gets everything back, then the end" {
  head -c 300000 /dev/urandom >"$dir/sent"
  start_server
  means="the server gives up its client when recv() returns 0, with bytes still to send"
  probe connect 127.0.0.1 "$port" "exchange:$dir/sent:$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
  assert_server_done
}

@test "server: the last bytes are not lost when the client reads them after the server is gone" {
  head -c 200000 /dev/urandom >"$dir/sent"
  start_server -q
  means="the connection was reset: close() with unread input, or with SO_LINGER 0, destroys what the client has not read yet"
  start_probe client connect 127.0.0.1 "$port" "send-file:$dir/sent" half-close pause \
    "recv-all:$dir/received"
  wait_for_pause client
  assert_server_done
  go client
  finish client
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: a client that half-closes without a word gets just the end" {
  start_server
  probe connect 127.0.0.1 "$port" half-close expect-eof
  assert_server_done
  assert_no_line_in "$server_out" '^Server echoes' "recv() returned 0: there was nothing to echo"
}

@test "server: a slow reader with a small buffer gets everything" {
  head -c 400000 /dev/urandom >"$dir/sent"
  start_server
  start_probe client connect 127.0.0.1 "$port" rcvbuf:4096 "exchange:$dir/sent:$dir/received"
  finish client
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: stopped and continued in the middle of a send, it loses nothing" {
  # The signals cut send() short: it returns less than it was given.
  means="send() took less than it was given, and the rest was never sent"
  head -c 1000003 /dev/urandom >"$dir/sent"
  start_server -q
  start_probe client connect 127.0.0.1 "$port" rcvbuf:4096 "flood-file:$dir/sent" pause \
    half-close "recv-all:$dir/received"
  wait_for_pause client
  local i
  for i in 1 2 3; do
    signal_server STOP
    signal_server CONT
  done
  go client
  finish client
  assert_flood_echoed "$dir/sent" client "$dir/received"
  assert_server_done
}

@test "server: interrupted system calls (EINTR) are done again" {
  command -v strace >/dev/null || skip "strace is not installed: it makes calls fail with EINTR"
  strace -qq -o /dev/null -e trace=accept true 2>/dev/null || skip "strace is not allowed here"
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # it cannot look for leaks under strace
  server_command=(strace -f -qq -o /dev/null
    -e "inject=accept,accept4,recvfrom,recvmsg,sendto,sendmsg:error=EINTR:when=1+2" "${server_command[@]}")
  start_server
  means="accept(), recv() or send() failed with EINTR: a signal came first, nothing is lost, ask again"
  probe connect 127.0.0.1 "$port" ask:hello ask:again half-close expect-eof
  assert_server_done
}

@test "server: a lone client on IPv6 is served, and addresses stand in brackets" {
  need_ipv6
  start_server_on ::1 0
  probe connect ::1 "$port" who ask:hello half-close expect-eof
  wait_for_exit "$server"
  assert_status 0
  local peer
  peer=$(address_of probe)
  assert_lines "$server_out" <<END
Server listens on [::1]:$port
Server accepts connection from $peer
Server echoes "hello" (5 bytes) to $peer
Server closes connection to $peer
END
}

@test "server: an urgent byte is a byte like any other" {
  means="recv() leaves out an urgent byte (send() with MSG_OOB) where SO_OOBINLINE is not set"
  start_server
  probe connect 127.0.0.1 "$port" ask:abc urgent:X expect:X ask:def half-close expect-eof
}

# ---- The server and bad clients ----

# bats test_tags=points:10
@test "server: it serves one client and exits 0" {
  start_server
  probe connect 127.0.0.1 "$port" ask:hello half-close expect-eof
  assert_server_done
}

@test "server: a client that leaves without a word was its client" {
  start_server
  probe connect 127.0.0.1 "$port" close
  assert_server_done
}

@test "server: a client that resets the connection was its client" {
  start_server
  means="recv() failed with ECONNRESET: the client is gone, and that is no failure of the server"
  probe connect 127.0.0.1 "$port" ask:hello reset
  assert_server_done
}

@test "server: a client that resets at once was its client" {
  start_server
  probe connect 127.0.0.1 "$port" reset
  # Where the reset came before accept(), the system may have dropped the client silently.
  wait_for_line "$server_out" '^Server accepts connection from ' ||
    skip "this system does not hand out a connection that was reset"
  assert_server_done
}

@test "server: writing to a client that is gone does not end it (SIGPIPE)" {
  start_server
  start_probe client connect 127.0.0.1 "$port" pause send:hello half-close reset
  wait_for_pause client
  wait_for_line "$server_out" '^Server accepts connection from '
  kill -STOP -- "-$server" # it wakes up with input to echo, and nobody to echo to
  go client
  finish client
  signal_server CONT
  means="a write to a connection that is gone raises SIGPIPE, which ends the process unless it is ignored"
  assert_server_done
}

@test "server: a client that vanishes in mid-send was its client" {
  start_server -q
  probe connect 127.0.0.1 "$port" flood:3000000 close
  assert_server_done
}

@test "server: a client that never reads, and leaves, was its client" {
  start_server -q
  probe connect 127.0.0.1 "$port" rcvbuf:4096 flood reset
  assert_server_done
}

@test "server: clients that come meanwhile are refused, or closed at the end" {
  start_server
  start_probe first connect 127.0.0.1 "$port" ask:hello pause half-close expect-eof
  wait_for_pause first
  start_probe second connect 127.0.0.1 "$port" send:hello expect-end
  go first
  finish first
  assert_server_done
  wait_for_exit "$probe_second" "$LIMIT" "the second client waits for ever: the listener was not closed"
  [ "$status" -ne 3 ] || explain "the second client waits for ever"
  [ "$(grep -c '^Server accepts' "$server_out")" -eq 1 ] ||
    explain "a second client was served" "got" "$(show_lines "$server_out")"
}

@test "server: a hundred clients can wait in its backlog" {
  start_server
  kill -STOP -- "-$server" # it accepts nobody: all of them wait. SOMAXCONN may be 128
  means="the backlog given to listen() is short: SOMAXCONN is the longest there is"
  probe crowd 100 127.0.0.1 "$port" limit:10 say:connected
}

@test "server: SIGINT ends it, before a client comes and while it serves one" {
  ! is_ignored INT || skip "SIGINT is ignored where this suite was started"
  start_server
  signal_server INT
  wait_for_exit "$server"
  assert_status 130 "in this stage, SIGINT has its default action"
  start_server
  start_probe client connect 127.0.0.1 "$port" ask:hello pause expect-end
  wait_for_pause client
  signal_server INT
  wait_for_exit "$server"
  assert_status 130 "in this stage, SIGINT has its default action"
  go client
  finish client
}

@test "server: SIGTERM ends it, before a client comes and while it serves one" {
  start_server
  signal_server TERM
  wait_for_exit "$server"
  assert_status 143 "in this stage, SIGTERM has its default action"
  start_server
  start_probe client connect 127.0.0.1 "$port" ask:hello pause expect-end
  wait_for_pause client
  signal_server TERM
  wait_for_exit "$server"
  assert_status 143 "in this stage, SIGTERM has its default action"
  go client
  finish client
}

# ---- The server and the system ----

@test "server: it can be restarted on its port at once" {
  start_server
  start_probe client connect 127.0.0.1 "$port" ask:hello pause expect-eof close
  wait_for_pause client
  local wanted=$port
  kill -TERM -- "-$server" # the server's side closes first: there the old connection lingers
  wait_for_exit "$server"
  go client
  finish client
  start server "${server_command[@]}" 127.0.0.1 "$wanted"
  server=$pid
  wait_until has_line_or_is_gone "$server_out" "$(ready_regex)" "$server"
  has_line "$server_out" "$(ready_regex)" || explain "the server cannot be started again" \
    "on stderr" "$(show_lines "$server_err")" "it usually means" \
    "SO_REUSEADDR is missing: without it, bind() fails for a minute after a connection on that port" \
    "read" "man 7 socket, SO_REUSEADDR; RFC 9293, 3.6.1"
  probe connect 127.0.0.1 "$wanted" ask:hello
}

@test "server: a port that another server uses is a failure, one line and exit 1" {
  start_server
  local used=$port
  hang_means="two servers on one port: SO_REUSEPORT lets them share it, SO_REUSEADDR does not" \
    run_to_end second "${server_command[@]}" 127.0.0.1 "$used"
  assert_status 1
  assert_nothing_in "$dir/second.out" "no ready line before listen() has succeeded"
  assert_one_line "$dir/second.err" "^server: cannot listen on 127\.0\.0\.1:$used: ."
  probe connect 127.0.0.1 "$used" ask:hello # the first one has not noticed
}

@test "server: an address that is not this machine's is a failure, one line and exit 1" {
  run_server 192.0.2.1 0
  assert_status 1
  assert_nothing_in "$server_out" "no ready line before listen() has succeeded"
  assert_one_line "$server_err" '^server: cannot listen on 192\.0\.2\.1:0: .'
}

@test "server: a port that needs a permission is a failure, one line and exit 1" {
  [ "$(id -u)" -ne 0 ] || skip "root may use any port"
  [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024)" -gt 1 ] ||
    skip "anybody may use any port here"
  run_server 127.0.0.1 1
  assert_status 1
  assert_nothing_in "$server_out"
  assert_one_line "$server_err" '^server: cannot listen on 127\.0\.0\.1:1: .'
}

@test "server: an unknown host is a failure, one line and exit 1" {
  export RES_OPTIONS='attempts:1 timeout:1' # where a name server is asked, it need not wait long
  limit=$((30 * SLOWNESS)) run_server host.invalid 0
  assert_status 1
  assert_nothing_in "$server_out"
  assert_one_line "$server_err" '^server: cannot listen on host\.invalid:0: .'
}

@test "server: it goes on serving when nobody reads its output any more" {
  start_server_into_pipe
  exec 5<&- # as head -1 does
  means="a write to a closed pipe raises SIGPIPE, which ends the process unless it is ignored"
  probe connect 127.0.0.1 "$port" ask:hello ask:again half-close expect-eof
  wait_for_exit "$server"
  assert_status 0 "the output is lost, the service is not"
}

@test "server: started with stdout and stdin closed, it echoes just what it was sent" {
  reserve_port
  go reserve
  finish reserve
  start_closed() { exec "${server_command[@]}" 127.0.0.1 "$port" <&- >&-; }
  start server start_closed
  server=$pid
  head -c 1000 /dev/urandom >"$dir/sent"
  means="a socket got descriptor 1, and what is printed goes to the client"
  probe connect 127.0.0.1 "$port" retry "limit:$LIMIT" "exchange:$dir/sent:$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: it raises its soft limit on open files to the hard limit" {
  need_no_valgrind "it answers setrlimit() itself, and keeps some descriptors"
  [ -r /proc/self/limits ] || skip "this system has no /proc/PID/limits"
  start_limited() { ulimit -Sn 100 && exec "${server_command[@]}" 127.0.0.1 0; }
  start server start_limited
  server=$pid
  wait_for_line "$dir/server.out" "$(ready_regex)"
  awk '/^Max open files/ { exit $4 != $5 }' "/proc/$server/limits" ||
    explain "the soft limit on open files is not raised" \
      "got" "$(grep 'open files' "/proc/$server/limits")" "read" "man 2 setrlimit"
}

@test "server: out of descriptors it says so once, does not spin, and serves as soon as it can" {
  need_proc
  command -v prlimit >/dev/null || skip "prlimit is not installed: it changes the server's limits"
  start_server
  prlimit --pid "$server" --nofile="$(lowest_free_descriptor "$server"):" ||
    skip "prlimit is not allowed here"
  kill -STOP -- "-$server" # accept() has its descriptor before it waits: it has to begin anew
  signal_server CONT
  start_probe client connect 127.0.0.1 "$port" say:connected ask:hello half-close expect-eof
  wait_for_line "$server_err" '^server: .' "accept() failed with EMFILE, and nothing was said"
  assert_no_spin "$server" "accept() fails with EMFILE again and again, as long as the client waits"
  assert_one_line "$server_err" '^server: .' "one line for each time that descriptors run out"
  prlimit --pid "$server" --nofile=200:
  finish client
  assert_server_done
}

@test "server: it goes on serving when its log may not grow any more" {
  means="a write beyond the limit on the size of files raises SIGXFSZ, which ends a process that does not ignore it"
  with_ulimit '-f 64' "${server_command[@]}"
  server_command=("${limited[@]}")
  head -c 3000 /dev/zero >"$dir/in"
  start_server
  probe connect 127.0.0.1 "$port" "ping:$dir/in" half-close expect-eof
  assert_log_is_full
}

# ---- The client ----

# bats test_tags=points:10
@test "client: it sends the message, all of it, and nothing else" {
  fake_server "recv:4:$dir/received" send:ahoy expect-eof
  run_client 127.0.0.1 "$port" ahoy
  assert_status 0
  means="the client sent more than the message: the NUL behind it, a newline, or a whole buffer"
  finish fake
  printf ahoy >"$dir/sent"
  assert_same_bytes "$dir/sent" "$dir/received"
}

# bats test_tags=points:10
@test "client: an echo that comes in pieces is received in full" {
  fake_server recv:12 "send:Hel" pause "send:lo, w" pause send:orld expect-eof
  start_client 127.0.0.1 "$port"
  wait_for_pause fake
  sleep 0.1 # makes it likely that the first piece is read alone; the test holds without
  go fake
  go fake
  wait_for_exit "$client" "$LIMIT"
  assert_status 0 "one recv() may return a part of the echo: call it until all has come"
  finish fake
  assert_line_in "$client_out" '^Client receives "Hello, world" \(12 bytes\)$'
}

@test "client: an echo that comes a byte at a time is received in full" {
  printf 'Hello, world' >"$dir/in"
  fake_server recv:12 "bytes:$dir/in" expect-eof
  run_client 127.0.0.1 "$port"
  assert_status 0
  finish fake
}

@test "client: an empty message is a message: it does not freeze, and prints both lines" {
  fake_server expect-eof
  hang_means="it waits in recv() for an echo of no bytes" run_client 127.0.0.1 "$port" ''
  assert_status 0
  finish fake
  assert_lines "$client_out" <<END
Client connects to 127.0.0.1:$port
Client sends "" (0 bytes)
Client receives "" (0 bytes)
Client closes connection to 127.0.0.1:$port
END
}

@test "client: an empty stdin is a message too" {
  fake_server echo
  run_client 127.0.0.1 "$port" - </dev/null
  assert_status 0
  finish fake
  assert_nothing_in "$client_out"
  assert_lines "$client_err" <<END
Client connects to 127.0.0.1:$port
Client sends "" (0 bytes)
Client receives "" (0 bytes)
Client closes connection to 127.0.0.1:$port
END
}

@test "client: a stdin that cannot be read is a failure" {
  fake_server echo
  run_client 127.0.0.1 "$port" - </
  assert_status 1 "read() failed, which is not the end of the input"
  [ -s "$client_err" ] || explain "a failure is told on stderr"
}

@test "client: a long message is echoed, however little the socket buffers hold" {
  fake_server rcvbuf:2048 sndbuf:2048 echo
  run_client 127.0.0.1 "$port" "$(repeat 1200 "$(repeat 100 x)")"
  assert_status 0
  finish fake
  assert_line_in "$client_out" "^Client receives \"$(repeat 64 x)\"\.\.\. \(120000 bytes\)\$"
}

@test "client: 16 MB through stdin and stdout come back identical" {
  head -c 16777216 /dev/urandom >"$dir/in"
  fake_server rcvbuf:65536 sndbuf:65536 echo
  limit=$((60 * SLOWNESS)) \
    hang_means="it sends all before it receives: the buffers of both sides are full, and both wait in send()" \
    run_client 127.0.0.1 "$port" - <"$dir/in"
  assert_status 0
  finish fake
  assert_same_bytes "$dir/in" "$client_out"
}

@test "client: every byte value passes through stdin and stdout, NULs included" {
  every_byte >"$dir/in"
  fake_server "recv:256:$dir/received" "send-file:$dir/in" expect-eof
  run_client 127.0.0.1 "$port" - <"$dir/in"
  assert_status 0
  finish fake
  assert_same_bytes "$dir/in" "$dir/received"
  assert_same_bytes "$dir/in" "$client_out"
}

@test "client: with stdin as the message, its memory does not grow with the size" {
  need_proc
  fake_server echo:2000000 pause:early echo:30000000 pause:late echo
  head -c 33000000 /dev/zero >"$dir/in"
  stdin_file=$dir/in start_client 127.0.0.1 "$port" -
  wait_for_pause fake early
  local early late
  early=$(proc_status "$client" VmHWM)
  go fake
  LIMIT=$((60 * SLOWNESS)) wait_for_pause fake late
  late=$(proc_status "$client" VmHWM)
  go fake
  wait_for_exit "$client"
  assert_status 0
  [ $((late - early)) -lt 10000 ] || explain "the memory grows with the message" \
    "after 2 MB" "$early kB" "after 32 MB" "$late kB" "it usually means" \
    "all of stdin is kept: send it piece by piece, and compare each piece when it is back"
}

@test "client: with stdin as the message, -q leaves the two QUOTED lines out of stderr" {
  fake_server echo
  run_client -q 127.0.0.1 "$port" - <<<hello
  assert_status 0
  finish fake
  printf 'hello\n' | assert_lines "$client_out" "stdout gets the echoed bytes alone"
  assert_lines "$client_err" <<END
Client connects to 127.0.0.1:$port
Client closes connection to 127.0.0.1:$port
END
}

@test "client: an echo that differs is a failure, wherever the wrong byte is" {
  local wrong
  for wrong in 0 5 11; do
    fake_server "corrupt:$wrong"
    run_client 127.0.0.1 "$port"
    assert_client_fails '^client: the echo differs from what was sent$' "byte $wrong was changed on the way: every byte is compared, with memcmp()"
  done
}

@test "client: an echo that differs behind a NUL, or late, is a failure" {
  head -c 100000 /dev/zero >"$dir/in"
  fake_server corrupt:99999
  run_client 127.0.0.1 "$port" - <"$dir/in"
  assert_status 1 "strcmp() and strncmp() stop at a NUL: compare with memcmp()"
  assert_line_in "$client_err" '^client: the echo differs from what was sent$'
}

@test "client: a server that sends more than the echo neither hangs nor crashes it" {
  fake_server recv:12 "send:Hello, world and then some more that nobody asked for" recv-all
  run_client 127.0.0.1 "$port"
  [ "$status" -eq 0 ] || assert_client_fails '^client: the echo differs from what was sent$'
}

@test "client: a server that closes before the echo is a failure" {
  fake_server recv:12 half-close expect-eof
  run_client 127.0.0.1 "$port"
  assert_client_fails '^client: connection closed by server$' "recv() returned 0: the server has closed, and nothing more will come"
}

@test "client: a server that closes in the middle of the echo is a failure" {
  fake_server recv:12 send:Hello half-close expect-eof
  run_client 127.0.0.1 "$port"
  assert_client_fails '^client: connection closed by server$' "recv() returned 0: the server has closed, and nothing more will come"
}

@test "client: a server that resets the connection is a failure" {
  fake_server recv:12 send:Hel reset
  run_client 127.0.0.1 "$port"
  assert_client_fails '^client: connection closed by server$' "recv() failed with ECONNRESET"
}

@test "client: a server that resets the connection while the client sends is a failure" {
  head -c 3000000 /dev/zero >"$dir/in"
  fake_server recv:1 reset
  run_client 127.0.0.1 "$port" - <"$dir/in"
  assert_status 1
  assert_line_in "$client_err" '^client: connection closed by server$'
}

@test "client: writing to a server that is gone does not end it (SIGPIPE)" {
  mkfifo "$dir/in"
  fake_server echo:1048576 half-close reset
  stdin_file=$dir/in start_client 127.0.0.1 "$port" -
  exec 5>"$dir/in"
  head -c 1048576 /dev/zero >&5 || true
  finish fake # the echo is complete, and the client waits for more of its stdin
  head -c 1048576 /dev/zero >&5 2>/dev/null || true
  exec 5>&-
  wait_for_exit "$client"
  assert_status 1
  assert_line_in "$client_err" '^client: connection closed by server$'
}

@test "client: a refused connection is a failure, one line and exit 1" {
  reserve_port
  run_client 127.0.0.1 "$port"
  assert_client_fails "^client: cannot connect to 127\.0\.0\.1:$port: ."
  assert_nothing_in "$client_out" "there was no connection to tell of"
}

@test "client: an unknown host is a failure, one line and exit 1" {
  export RES_OPTIONS='attempts:1 timeout:1' # where a name server is asked, it need not wait long
  limit=$((30 * SLOWNESS)) run_client host.invalid 1
  assert_client_fails '^client: cannot connect to host\.invalid:1: .'
  assert_nothing_in "$client_out"
}

@test "client: however long its operands are, it says why it failed" {
  reserve_port
  means="what was tried is so long that the reason has no room behind it"
  run_client 127.0.0.1 "$(printf '%02000d' "$port")"
  assert_client_fails '^client: cannot connect to 127\.0\.0\.1:[0-9]+: Connection refused$' "$means"
  run_client "$(printf '%02000d' 0 | tr 0 x)" 80
  assert_client_fails '^client: cannot connect to xx.*:80: .*[A-Za-z]' "$means"
}

@test "client: it tries every address of a host in turn" {
  printf '%s two.test\n' 127.0.0.1 127.0.0.2 >"$dir/hosts"
  # shellcheck disable=SC2016 # the inner shell expands them
  local with_hosts=(unshare -rm sh -c 'mount --bind "$0" "${ECHO_ROOT:-}/etc/hosts" && exec "$@"' "$dir/hosts")
  "${with_hosts[@]}" true 2>/dev/null || skip "this system lets no test have its own /etc/hosts"
  client_command=("${with_hosts[@]}" "${client_command[@]}")
  local address
  for address in 127.0.0.1 127.0.0.2; do
    fake_server "on:$address" echo
    run_client two.test "$port" ahoy
    assert_status 0 "two.test is 127.0.0.1 and 127.0.0.2: when one refuses, the other is tried"
    finish fake
    assert_line_in "$client_out" "^Client connects to $address:$port\$"
  done
}

@test "client: localhost is found, on IPv4 and on IPv6" {
  fake_server echo
  run_client localhost "$port" ahoy
  assert_status 0 "localhost may be ::1 and 127.0.0.1: when one refuses, the other is tried"
  finish fake
  getent ahostsv6 localhost 2>/dev/null | grep -q '^::1 ' || skip "localhost is not ::1 here"
  need_ipv6
  fake_server on:::1 echo
  run_client localhost "$port" ahoy
  assert_status 0
  finish fake
}

@test "client: IPv6 addresses stand in brackets" {
  need_ipv6
  fake_server on:::1 echo
  run_client ::1 "$port" ahoy
  assert_status 0
  assert_lines "$client_out" <<END
Client connects to [::1]:$port
Client sends "ahoy" (4 bytes)
Client receives "ahoy" (4 bytes)
Client closes connection to [::1]:$port
END
}

@test "client: stopped and continued while it waits, it goes on" {
  fake_server recv:4 pause send:ahoy expect-eof
  start_client 127.0.0.1 "$port" ahoy
  wait_for_pause fake
  kill -STOP -- "-$client"
  kill -CONT -- "-$client"
  go fake
  wait_for_exit "$client"
  assert_status 0
}

@test "client: interrupted system calls (EINTR) are done again" {
  command -v strace >/dev/null || skip "strace is not installed: it makes calls fail with EINTR"
  strace -qq -o /dev/null -e trace=accept true 2>/dev/null || skip "strace is not allowed here"
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # it cannot look for leaks under strace
  client_command=(strace -f -qq -o /dev/null
    -e "inject=recvfrom,recvmsg,sendto,sendmsg:error=EINTR:when=1+2" "${client_command[@]}")
  fake_server echo
  run_client 127.0.0.1 "$port" ahoy
  assert_status 0 "recv() or send() failed with EINTR: a signal came first, nothing is lost, ask again"
  finish fake
}

@test "client: a disk that is full is a failure" {
  [ -c /dev/full ] || skip "this system has no /dev/full"
  fake_server echo
  stdout_file=/dev/full run_client 127.0.0.1 "$port" ahoy
  assert_status 1 "the result of printing was not checked: fflush(), ferror()"
  assert_line_in "$client_err" '^client: .'
  fake_server echo
  stdout_file=/dev/full run_client 127.0.0.1 "$port" - <<<hello
  assert_status 1 "the result of writing the echo was not checked"
}

@test "client: started with stdout closed, it sends the message and nothing else" {
  need_no_valgrind "its log takes the descriptor that is closed"
  fake_server "recv-all:$dir/received" close
  start_closed() { exec "${client_command[@]}" -q 127.0.0.1 "$port" ahoy >&-; }
  start client start_closed
  client=$pid
  # The fake server never echoes, so that all that the client sends is seen. A client that
  # half-closes has ended by now; one that waits for the echo is ended.
  wait_until test -s "$dir/received"
  kill -TERM -- "-$client" 2>/dev/null || true
  wait_for_exit "$client"
  finish fake
  printf ahoy >"$dir/sent"
  means="the socket got descriptor 1, and what is printed goes to the server"
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "client: started with stderr closed, it sends its stdin and nothing else" {
  need_no_valgrind "its log takes the descriptor that is closed"
  fake_server "recv-all:$dir/received" close
  printf ahoy >"$dir/sent"
  start_closed() { exec "${client_command[@]}" 127.0.0.1 "$port" - 2>&-; }
  stdin_file=$dir/sent start client start_closed
  client=$pid
  wait_until test -s "$dir/received"
  kill -TERM -- "-$client" 2>/dev/null || true
  wait_for_exit "$client"
  finish fake
  means="the socket got descriptor 2, and what is printed on stderr goes to the server"
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "client: where nobody listens, it is refused, and never connected to itself" {
  isolate_client
  run_client 127.0.0.1 50000
  assert_client_fails '^client: cannot connect to 127\.0\.0\.1:50000: Connection refused$' "$means"
}

# ---- Both together ----

# bats test_tags=points:10
@test "server and client: the client's message comes back, and both exit 0" {
  start_server
  run_client 127.0.0.1 "$port" 'Hello, world'
  assert_status 0
  assert_lines "$client_out" <<END
Client connects to 127.0.0.1:$port
Client sends "Hello, world" (12 bytes)
Client receives "Hello, world" (12 bytes)
Client closes connection to 127.0.0.1:$port
END
  assert_server_done
  assert_line_in "$server_out" '^Server echoes "Hello, world" \(12 bytes\) to 127\.0\.0\.1:[0-9]+$'
}

@test "server and client: 16 MB through both come back identical" {
  head -c 16777216 /dev/urandom >"$dir/in"
  start_server -q
  limit=$((60 * SLOWNESS)) run_client -q 127.0.0.1 "$port" - <"$dir/in"
  assert_status 0
  assert_same_bytes "$dir/in" "$client_out"
  assert_server_done
}

@test "server and client: help that cannot be written is a failure" {
  assert_lost_help_is_a_failure
}
