#!/usr/bin/env bats
# v2-threaded-broadcast: a thread for each client, and with -b everybody hears everybody.
#
# The tests of the server use the probe as its client, and the tests of the client use the probe as
# its server, so that a mistake in one program fails no test of the other.

STAGE=v2-threaded-broadcast
load support/suite
load support/contract

# What each client gets first, as the probe takes it, and the step that expects it.
welcome='\n\nWelcome to my server\n\n\n'
welcomed="expect:$welcome"

# Helpers of this suite.

# The only connection of a probe that did the step `who`, as the server's lines name it.
peer_of() { # NAME
  address_of "$1" | sed 's/^\[*\(.*[^]]\)\]*:\([0-9]*\)$/IP \1 Port \2/'
}

# Whether a file has as many lines like that, or more.
has_lines() { # N FILE REGEX
  [ "$(LC_ALL=C grep -acE -e "$3" "$2")" -ge "$1" ]
}

# Waits until a file has N lines like that. Fails if they do not come, or more come.
wait_for_lines() { # N FILE REGEX [MEANING]
  wait_until has_lines "$@" || true
  [ "$(LC_ALL=C grep -acE -e "$3" "$2")" -eq "$1" ] || explain "wrong number of lines" \
    "expected" "$1 lines like $3" "got" "$(LC_ALL=C grep -acE -e "$3" "$2") of them in" \
    "this" "$(show_lines "$2")" "it usually means" "${4:-}"
}

# Stops the server with a signal, and expects it to be gone in 2 s, with its last line as the last.
# What is behind the 2 s is for the test and the machine.
stop_server() { # [SIGNAL [CONNECTIONS]]
  local before took
  before=$(now_ms)
  signal_server "${1:-TERM}"
  kill -CONT -- "-$server" 2>/dev/null || true # for one that the test has stopped
  wait_for_exit "$server" "$LIMIT" "${means:-"on SIGINT and SIGTERM the server stops within 2 s, whatever its threads wait for: a signal wakes only one thread, and recv() and send() of the others go on waiting"}"
  took=$(($(now_ms) - before))
  assert_status 0 "${means:-"a server that is asked to stop has done its work: it exits 0. Without a handler, the signal kills it"}"
  [ "$took" -le $((2000 * SLOWNESS + 1000)) ] || explain "the server stops too late" \
    "expected" "2 s at most" "took" "$took ms" "it usually means" "${means:-"it waits for clients that do not read or leave"}"
  tail -n 1 "$server_out" >"$dir/last"
  assert_one_line "$dir/last" "^\[\+\] Stopped after ${2:-[0-9]+} connections\$" \
    "the last line tells how many clients were accepted"
}

# The server's lines on messages: what they show.
shown_messages() {
  LC_ALL=C sed -n 's/^\[+\] Message | IP [^ ]* Port [0-9]* | //p' "$server_out"
}

# Sends a message to the server, which is to show it as QUOTED.
assert_server_shows() { # MESSAGE QUOTED
  start_server
  probe connect 127.0.0.1 "$port" "$welcomed" "ask:$1" half-close expect-eof
  wait_for_line "$server_out" '^\[-\] Connection closed \| '
  shown_messages >"$dir/shown"
  printf '%s\n' "$2" | assert_lines "$dir/shown" "the rules of what is shown of a message: common/text.h"
}

# Sends a text to a client whose stdout is a terminal. The client is to show it as SHOWN.
assert_terminal_shows() { # TEXT SHOWN
  fake_server expect-eof "send:$1" close
  printf '%s' "$2" >"$dir/shown"
  in_terminal run_client 127.0.0.1 "$port"
  assert_status 0
  finish fake
  explain_terminal
}

# Runs run_client or start_client with a terminal as the client's stdout.
in_terminal() { # COMMAND ARGUMENT...
  local client_command=("$SUPPORT/bin/probe" terminal "${client_command[@]}")
  "$@"
}

# Fails unless the client has shown on its terminal what is in $dir/shown.
explain_terminal() {
  cmp -s "$dir/shown" "$client_out" || explain "the terminal does not show what it should" \
    "expected" "$("$SUPPORT/bin/probe" show "$dir/shown")" \
    "got" "$("$SUPPORT/bin/probe" show "$client_out")" \
    "it usually means" "bytes that others send are written to the terminal as they come, and drive it; or too much is escaped: newline, tab and valid UTF-8 stand as they are"
}

# Starts the client with a pipe as its stdin. Descriptor 5 is where the test types.
start_typing() { # ARGUMENT...
  typed=$dir/typed
  [ -p "$typed" ] || mkfifo "$typed"
  client_out=$dir/client.out
  client_err=$dir/client.err
  read_typed() { exec "${client_command[@]}" "$@" <"$typed"; }
  start client read_typed "$@"
  client=$pid
  exec 5>"$typed"
}

# Types a line. If the client is gone, it goes nowhere.
type_line() { # [LINE]
  (trap '' PIPE && echo "${1:-}" >&5) 2>/dev/null || true
}

# Ends the client's input.
stop_typing() {
  exec 5>&-
}

# Writes numbered lines, each beginning with a name: N of them, each of SIZE bytes.
lines_of() { # NAME N SIZE
  awk -v name="$1" -v lines="$2" -v size="$3" 'BEGIN {
    filler = sprintf("%*s", size, ""); gsub(/ /, "x", filler)
    for (i = 1; i <= lines; i++) {
      line = name " " i " "
      print line substr(filler, 1, size - length(line) - 1)
    }
  }'
}

# Starts clients that talk all the time, and throw away what they hear, until the test ends.
start_chatter() { # N
  local i
  for ((i = 1; i <= $1; i++)); do
    lines_of "chatter$i" 100000 40 >"$dir/chatter$i"
    start_probe "chat$i" connect 127.0.0.1 "$port" "$welcomed" say:talking \
      "talk:$dir/chatter$i::100000000"
    wait_for_pause "chat$i" talking
  done
}

# Two clients that send 8 MB each, and read the 16 MB of both. Sets $took, the milliseconds.
converse() {
  local before name
  [ -e "$dir/megabytes" ] || head -c 8000000 /dev/urandom >"$dir/megabytes"
  for name in one two; do
    start_probe "$name" connect 127.0.0.1 "$port" "$welcomed" who pause \
      "roundtrip:$dir/megabytes:$dir/$name.heard:16000000"
    wait_for_pause "$name"
  done
  before=$(now_ms)
  go one
  go two
  finish one
  finish two
  took=$(($(now_ms) - before))
  local means="messages are sent to one client after another without a lock: two of them meet, and clients hear them in different orders, or torn"
  assert_heard_the_same one.heard two.heard
}

# Fails unless two files of the test, what two clients have heard, are the same.
assert_heard_the_same() { # FILE FILE
  cmp -s "$dir/$1" "$dir/$2" || explain "two clients did not hear the same" \
    "the first difference" "$(cmp "$dir/$1" "$dir/$2" 2>&1 | sed "s|$dir/||g")" \
    "$1" "$(show_difference "$1" "$2")" "$2" "$(show_difference "$2" "$1")" \
    "it usually means" "$means"
}

# Some bytes of a file where it differs from another one.
show_difference() { # FILE OTHER
  show_around "$dir/$1" "$(($(cmp -l "$dir/$1" "$dir/$2" 2>/dev/null | awk 'NR == 1 { print $1 }') - 1))"
}

# Fails if the server has dropped anybody.
assert_nobody_dropped() {
  assert_no_line_in "$server_out" '^\[-\] Slow client dropped' "${1:-"a client that reads is not dropped, however slowly it reads"}"
}

# ---- The command line of the server ----

@test "server: -h prints the usage on stdout and exits 0" {
  assert_server_helps -h
}

@test "server: --help prints the usage on stdout and exits 0" {
  assert_server_helps --help
}

@test "server: help is given wherever it is asked for before --, whatever else is wrong" {
  assert_server_helps -b -q -h
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
  assert_uses_address server '^\[\+\] Listening \| IP 127\.0\.0\.1 Port 65432$' \
    '^server: cannot listen on 127\.0\.0\.1:65432: .'
}

@test "server: one operand is the port, and the host stays 127.0.0.1" {
  start_server_on 0
  assert_line_in "$server_out" '^\[\+\] Listening \| IP 127\.0\.0\.1 Port [0-9]+$'
}

# bats test_tags=points:10
@test "server: two operands are the host and the port" {
  start_server_on localhost 0
  assert_line_in "$server_out" '^\[\+\] Listening \| IP (127\.0\.0\.1|\[?::1\]?) Port [0-9]+$' \
    "the address in the ready line is numeric, whatever HOST was"
}

# bats test_tags=points:10
@test "server: port 0 lets the system choose, and the ready line shows the port" {
  start_server
  [ "$port" -gt 0 ] || explain "the ready line shows port 0" "got" "$(show_lines "$server_out")" \
    "it usually means" "the port was printed as it was asked for: getsockname() tells which one it became"
  probe connect 127.0.0.1 "$port" "$welcomed" ask:hello
}

@test "server: a port that is not 0 is the port it listens on" {
  reserve_port
  go reserve
  finish reserve
  local wanted=$port
  start_server_on 127.0.0.1 "$wanted"
  assert_equal "$port" "$wanted"
  assert_line_in "$server_out" "^\[\+\] Open port $wanted\$"
  assert_line_in "$server_out" "^\[\+\] Binding socket to port: $wanted\$"
  probe connect 127.0.0.1 "$wanted" "$welcomed" ask:hello
}

@test "server: a port that is not a decimal number from 0 to 65535 is refused with exit 2" {
  local limit=$((4 * SLOWNESS)) wrong
  for wrong in "${wrong_ports[@]}"; do
    assert_server_refuses "$wrong"
    assert_server_refuses -b 127.0.0.1 "$wrong"
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
  assert_server_refuses -- 127.0.0.1 0 -b
}

@test "server: an unknown option is refused with exit 2, wherever it stands" {
  assert_server_refuses -x
  assert_server_refuses 127.0.0.1 0 -x
  assert_server_refuses --unknown 127.0.0.1 0
  assert_server_refuses --with 127.0.0.1 0
}

@test "server: -b may stand before, between and behind the operands" {
  local arguments
  for arguments in '-b 127.0.0.1 0' '127.0.0.1 -b 0' '127.0.0.1 0 -b' '0 -b' '-b -- 127.0.0.1 0' \
    '-q 127.0.0.1 -b 0'; do
    # shellcheck disable=SC2086 # words
    start_server_on $arguments
    assert_line_in "$server_out" '^\[\+\] Broadcast option: True$' "-b was not seen in: $arguments"
    means="-b was not seen in: $arguments"
    probe crowd 2 127.0.0.1 "$port" "$welcomed" 1/send:hello expect:hello
  done
}

@test "server: -q may stand before, between and behind the operands" {
  local arguments
  for arguments in '-q 127.0.0.1 0' '127.0.0.1 -q 0' '127.0.0.1 0 -q' '0 -q' '-q -- 127.0.0.1 0' \
    '0 -b -q'; do
    # shellcheck disable=SC2086 # words
    start_server_on $arguments
    probe connect 127.0.0.1 "$port" "$welcomed" ask:hello half-close expect-eof
    wait_for_line "$server_out" '^\[-\] Connection closed \| '
    assert_no_line_in "$server_out" '^\[\+\] Message' "-q was not seen in: $arguments"
  done
}

@test "server: -- ends the options, before and between the operands" {
  start_server_on -- 127.0.0.1 0
  start_server_on -b 127.0.0.1 -- 0
  assert_server_refuses -- -q
  assert_server_refuses -- -b
}

# ---- The command line of the client ----

@test "client: -h prints the usage on stdout and exits 0" {
  assert_client_helps -h
}

@test "client: --help prints the usage on stdout and exits 0" {
  assert_client_helps --help
}

@test "client: help is given wherever it is asked for before --, whatever else is wrong" {
  assert_client_helps 127.0.0.1 1 -h
  assert_client_helps 127.0.0.1 abc --help
  assert_client_helps --unknown -h
  assert_client_helps a b c d e --help
}

@test "client: -h behind -- asks for no help: it is an operand" {
  assert_client_refuses -- 127.0.0.1 -h
  assert_client_refuses 127.0.0.1 -- --help
}

@test "client: without operands it connects to 127.0.0.1 port 65432" {
  local try
  for try in 1 2 3 4 5; do
    limit=$((2 * SLOWNESS)) run_client || true
    ! has_line "$client_err" '^client: cannot connect to 127\.0\.0\.1:65432: .' || return 0
    sleep 1 # somebody may listen there for a moment, such as another suite's server
  done
  ! "$SUPPORT/bin/probe" connect 127.0.0.1 65432 close 2>/dev/null ||
    skip "somebody listens on port 65432 of this machine"
  explain "the default address is not used" "expected, as nobody listens there" \
    "client: cannot connect to 127.0.0.1:65432: Connection refused" \
    "got" "$(show_lines "$client_err")"
}

@test "client: one operand is the host, and the port stays 65432" {
  [ "$(uname)" = Linux ] || skip "this system has no 127.0.0.2"
  ! "$SUPPORT/bin/probe" connect 127.0.0.2 65432 close 2>/dev/null ||
    skip "somebody listens on port 65432 of this machine"
  run_client 127.0.0.2
  assert_client_fails '^client: cannot connect to 127\.0\.0\.2:65432: .'
}

# bats test_tags=points:10
@test "client: two operands are the host and the port" {
  fake_server send:hello expect-eof close
  run_client 127.0.0.1 "$port"
  assert_status 0
  finish fake
  printf hello >"$dir/sent"
  assert_same_bytes "$dir/sent" "$client_out"
}

@test "client: a port that is not a decimal number from 1 to 65535 is refused with exit 2" {
  local limit=$((4 * SLOWNESS)) wrong
  for wrong in 0 00 "${wrong_ports[@]}"; do
    assert_client_refuses 127.0.0.1 "$wrong"
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
  assert_client_refuses 127.0.0.1 1 more
}

@test "client: an unknown option is refused with exit 2, wherever it stands" {
  assert_client_refuses -x
  assert_client_refuses 127.0.0.1 1 -x
  assert_client_refuses 127.0.0.1 --unknown 1
  assert_client_refuses --with 127.0.0.1 1
  assert_client_refuses -b 127.0.0.1 1
  assert_client_refuses 127.0.0.1 1 -q
}

@test "client: -- ends the options, before and between the operands" {
  fake_server expect-eof close
  run_client -- 127.0.0.1 "$port"
  assert_status 0
  fake_server expect-eof close
  run_client 127.0.0.1 -- "$port"
  assert_status 0
}

@test "server and client: a second -- is an operand" {
  assert_server_refuses -- 127.0.0.1 0 --
  assert_client_refuses -- 127.0.0.1 1 --
}

@test "server and client: a port with leading zeros is decimal" {
  assert_server_refuses 127.0.0.1 065536
  assert_client_refuses 127.0.0.1 065536
}

# ---- What the server prints ----

# bats test_tags=points:10
@test "server: it tells what it does, line by line" {
  start_server
  probe connect 127.0.0.1 "$port" who "$welcomed" "ask:Hello, world" half-close expect-eof
  wait_for_line "$server_out" '^\[-\] Connection closed \| '
  stop_server
  local peer
  peer=$(peer_of probe)
  assert_lines "$server_out" <<END
[+] Open port 0
[+] Broadcast option: False

[+] Created socket
[+] Binding socket to port: 0

[+] Listening | IP 127.0.0.1 Port $port

[+] Connection established | $peer

[+] Message | $peer | "Hello, world" (12 bytes)
[-] Connection closed | $peer
[+] Stopped after 1 connections
END
  assert_nothing_in "$server_err"
}

@test "server: with -b it tells that too" {
  start_server -b
  probe connect 127.0.0.1 "$port" who "$welcomed" ask:hello half-close expect-eof
  wait_for_line "$server_out" '^\[-\] Connection closed \| '
  stop_server
  local peer
  peer=$(peer_of probe)
  assert_lines "$server_out" <<END
[+] Open port 0
[+] Broadcast option: True

[+] Created socket
[+] Binding socket to port: 0

[+] Listening | IP 127.0.0.1 Port $port

[+] Connection established | $peer

[+] Message | $peer | "hello" (5 bytes)
[-] Connection closed | $peer
[+] Stopped after 1 connections
END
}

@test "server: it shows each message, once, however many clients get it" {
  start_server -b
  probe crowd 3 127.0.0.1 "$port" "$welcomed" 1/send:one expect:one 2/send:two expect:two \
    3/send:three expect:three half-close expect-eof
  wait_for_lines 3 "$server_out" '^\[-\] Connection closed \| '
  shown_messages | LC_ALL=C sort >"$dir/shown" # each by its own thread: in any order
  assert_lines "$dir/shown" <<'END'
"one" (3 bytes)
"three" (5 bytes)
"two" (3 bytes)
END
}

@test "server: the sizes that it shows add up to what it has echoed" {
  head -c 1000000 /dev/zero >"$dir/sent"
  local option
  for option in -- -b; do
    start_server "$option"
    probe connect 127.0.0.1 "$port" "$welcomed" "exchange:$dir/sent:$dir/received"
    wait_for_line "$server_out" '^\[-\] Connection closed \| '
    assert_equal "$(shown_messages | LC_ALL=C sed 's/.*(\([0-9]*\) bytes)$/\1/' |
      awk '{ total += $1 } END { print total + 0 }')" 1000000
  done
}

@test "server: -q leaves out the lines on messages, and only those" {
  start_server -q
  probe connect 127.0.0.1 "$port" who "$welcomed" ask:hello half-close expect-eof
  wait_for_line "$server_out" '^\[-\] Connection closed \| '
  stop_server
  local peer
  peer=$(peer_of probe)
  assert_lines "$server_out" <<END
[+] Open port 0
[+] Broadcast option: False

[+] Created socket
[+] Binding socket to port: 0

[+] Listening | IP 127.0.0.1 Port $port

[+] Connection established | $peer

[-] Connection closed | $peer
[+] Stopped after 1 connections
END
}

@test "server: each connection has one line when it comes, and one when it goes" {
  start_server
  probe crowd 30 127.0.0.1 "$port" who "$welcomed" ask:hello half-close expect-eof
  wait_for_lines 30 "$server_out" '^\[-\] Connection closed \| '
  sed -n 's/^me \(.*\):\([0-9]*\)$/IP \1 Port \2/p' "$dir/probe.out" | sort >"$dir/clients"
  sed -n 's/^\[+\] Connection established | //p' "$server_out" | sort | assert_lines "$dir/clients" \
    "a connection has no line, or that of another one: each thread needs the address of its own client, not a variable that the next accept() overwrites"
  sed -n 's/^\[-\] Connection closed | //p' "$server_out" | sort | assert_lines "$dir/clients" \
    "a connection has no last line, or two, or that of another one: each thread needs the address of its own client, not a variable that the next accept() overwrites"
  stop_server TERM 30
}

@test "server: lines of many threads never mix" {
  head -c 2000 /dev/zero | tr '\0' x >"$dir/bytes"
  start_server
  local i
  for i in 1 2 3 4 5 6; do
    start_probe "client$i" connect 127.0.0.1 "$port" "$welcomed" pause "ping:$dir/bytes" \
      half-close expect-eof
    wait_for_pause "client$i"
  done
  for i in 1 2 3 4 5 6; do
    go "client$i"
  done
  for i in 1 2 3 4 5 6; do
    finish "client$i"
  done
  wait_for_lines 6 "$server_out" '^\[-\] Connection closed \| '
  wait_for_lines 12000 "$server_out" \
    '^\[\+\] Message \| IP 127\.0\.0\.1 Port [0-9]+ \| "x" \(1 bytes\)$' \
    "a line is put together by several calls: between two of them another thread prints"
}

@test "server: each line is in the file as soon as it is printed, while the client stays" {
  start_server
  start_probe client connect 127.0.0.1 "$port" "$welcomed" pause:connected ask:hello pause:echoed \
    half-close
  wait_for_pause client connected
  wait_for_line "$server_out" '^\[\+\] Connection established \| ' \
    "stdout into a file holds back lines, unless it is made line-buffered: setvbuf()"
  go client
  wait_for_pause client echoed
  wait_for_line "$server_out" '^\[\+\] Message \| .* \| "hello" ' \
    "stdout into a file holds back lines, unless it is made line-buffered: setvbuf()"
  go client
  finish client
}

# bats test_tags=points:10
@test "server: the ready line comes behind listen(), however long that takes" {
  assert_ready_line_behind_listen
}

@test "server: when the ready line comes, clients can connect" {
  command -v strace >/dev/null || skip "strace is not installed: it delays listen()"
  strace -qq -o /dev/null -e trace=listen true 2>/dev/null || skip "strace is not allowed here"
  server_command=(strace -f -qq -o /dev/null -e inject=listen:delay_enter=1000000 "${server_command[@]}")
  start_server
  means="the ready line is printed before listen(): a client that reads it and connects is refused"
  probe connect 127.0.0.1 "$port" "$welcomed" ask:hello half-close expect-eof
}

# ---- What is shown of a message ----

@test "server: what a client sends is shown with escapes, so that none drives the terminal" {
  assert_server_shows 'say "hi"' '"say \"hi\"" (8 bytes)'
  assert_server_shows '\x1b[2J\x1b[31mred\x07\x7f' '"\x1b[2J\x1b[31mred\x07\x7f" (14 bytes)'
  assert_server_shows '\x1b]0;title\x07' '"\x1b]0;title\x07" (10 bytes)'
  assert_server_shows 'a\\b\n\r\t' '"a\\b\n\r\t" (6 bytes)'
}

@test "server: a NUL is shown as \x00 and ends nothing" {
  assert_server_shows 'ab\0cd\0' '"ab\x00cd\x00" (6 bytes)'
}

@test "server: valid UTF-8 is shown as it is, C1 controls are not" {
  assert_server_shows 'ä€😀' '"ä€😀" (9 bytes)'
  assert_server_shows '\xc2\xa0' $'"\xc2\xa0" (2 bytes)'
  assert_server_shows '\xc2\x9b31m' '"\xc2\x9b31m" (5 bytes)'
}

@test "server: bytes that are no valid UTF-8 are shown as \xHH" {
  assert_server_shows '\xff\xc3' '"\xff\xc3" (2 bytes)'
  assert_server_shows '\xe2\x82x' '"\xe2\x82x" (3 bytes)'
  assert_server_shows '\xc0\x80\xed\xa0\x80' '"\xc0\x80\xed\xa0\x80" (5 bytes)'
  assert_server_shows '\xf4\x90\x80\x80' '"\xf4\x90\x80\x80" (4 bytes)'
}

@test "server: every byte value alone is shown as the rules say" {
  every_byte >"$dir/in"
  start_server
  probe connect 127.0.0.1 "$port" "$welcomed" "ping:$dir/in" half-close expect-eof
  wait_for_line "$server_out" '^\[-\] Connection closed \| '
  shown_messages >"$dir/shown"
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
  assert_server_shows "$(repeat 5000 a)" "\"$(repeat 64 a)\"... (5000 bytes)"
  assert_server_shows "$(repeat 64 ä)" "\"$(repeat 64 ä)\" (128 bytes)"
  assert_server_shows "$(repeat 61 a)\\x01b" "\"$(repeat 61 a)\"... (63 bytes)"
}

@test "server: U+FFFE and U+FFFF are valid UTF-8, and shown as they are" {
  assert_server_shows '\xef\xbf\xbe\xef\xbf\xbf' $'"\xef\xbf\xbe\xef\xbf\xbf" (6 bytes)'
}

# ---- The welcome and the echo, without -b ----

# bats test_tags=points:10
@test "server: the first bytes that a client gets are the welcome, exactly 25 bytes" {
  start_server
  probe connect 127.0.0.1 "$port" half-close "recv-all:$dir/received"
  printf '\n\nWelcome to my server\n\n\n' >"$dir/welcome"
  means="strlen() does not count the NUL at the end of a string, and sizeof does: it is not part of the welcome"
  assert_same_bytes "$dir/welcome" "$dir/received"
  start_server -b
  probe connect 127.0.0.1 "$port" half-close "recv-all:$dir/received"
  assert_same_bytes "$dir/welcome" "$dir/received"
}

@test "server: the welcome comes at once, before the client says a word" {
  start_server
  probe connect 127.0.0.1 "$port" "$welcomed"
}

@test "server: the welcome comes before the echo, also for a client that talks at once" {
  local option i
  for option in -- -b; do
    start_server "$option"
    for i in 1 2 3 4 5 6 7 8 9 10; do
      probe connect 127.0.0.1 "$port" send:hello "$welcomed" expect:hello
    done
  done
}

# bats test_tags=points:10
@test "server: without -b each client gets its own bytes back, and nobody else's" {
  start_server
  means="what a client sends goes to others too, or to the wrong one: threads share a variable, such as the buffer or the connection"
  probe crowd 3 127.0.0.1 "$port" "$welcomed" 1/ask:one 2/ask:two 1/ask:three \
    3/ask:four half-close expect-eof
}

@test "server: many clients at once get their own bytes back" {
  start_server -q
  local i
  for i in 1 2 3 4; do
    head -c 8000000 /dev/urandom >"$dir/sent$i"
    start_probe "client$i" connect 127.0.0.1 "$port" "$welcomed" pause \
      "exchange:$dir/sent$i:$dir/received$i"
    wait_for_pause "client$i"
  done
  for i in 1 2 3 4; do
    go "client$i"
  done
  read_more="man 7 pthreads: what threads share, and what each has for itself"
  for i in 1 2 3 4; do
    finish "client$i"
    assert_same_bytes "$dir/sent$i" "$dir/received$i"
  done
  stop_server TERM 4
}

@test "server: 200 clients can be connected at once, and each is served" {
  start_server
  probe crowd 200 127.0.0.1 "$port" "$welcomed" ask:hello ask:again half-close expect-eof
  stop_server TERM 200
}

# bats test_tags=points:10
@test "server: every byte value comes back, NULs included" {
  every_byte >"$dir/sent"
  local option
  for option in -- -b; do
    start_server "$option"
    probe connect 127.0.0.1 "$port" "$welcomed" "roundtrip:$dir/sent:$dir/received" half-close \
      expect-eof
    assert_same_bytes "$dir/sent" "$dir/received"
  done
}

@test "server: 16 MB of random bytes come back unchanged, in order" {
  head -c 16777216 /dev/urandom >"$dir/sent"
  start_server -q
  probe connect 127.0.0.1 "$port" "$welcomed" "exchange:$dir/sent:$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
  stop_server
}

@test "server: bytes that come one at a time are echoed" {
  head -c 3000 /dev/urandom >"$dir/sent"
  start_server
  probe connect 127.0.0.1 "$port" "$welcomed" "bytes:$dir/sent" "recv:3000:$dir/received" \
    half-close expect-eof
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: each piece is echoed at once, while the client stays connected" {
  start_server
  means="the server collects input until a line or the client's half ends"
  probe connect 127.0.0.1 "$port" "$welcomed" ask:one ask:two 'ask:\0' ask:four \
    half-close expect-eof
}

# bats test_tags=points:10
@test "server: a client that half-closes gets everything back, then the end" {
  head -c 300000 /dev/urandom >"$dir/sent"
  local option
  for option in -- -b; do
    start_server "$option"
    means="the server gives up its client when recv() returns 0, with bytes still to send"
    probe connect 127.0.0.1 "$port" "$welcomed" "exchange:$dir/sent:$dir/received"
    assert_same_bytes "$dir/sent" "$dir/received"
  done
}

@test "server: a client that half-closes without a word gets the welcome and the end" {
  start_server
  probe connect 127.0.0.1 "$port" half-close "$welcomed" expect-eof
  wait_for_line "$server_out" '^\[-\] Connection closed \| '
  assert_no_line_in "$server_out" '^\[\+\] Message' "recv() returned 0: there was nothing to echo"
}

@test "server: the last bytes are not lost when the client reads them late" {
  head -c 100000 /dev/urandom >"$dir/sent"
  start_server -q
  means="the connection was reset: close() with unread input, or with SO_LINGER 0, destroys what the client has not read yet"
  start_probe client connect 127.0.0.1 "$port" "send-file:$dir/sent" half-close pause \
    "$welcomed" "recv-all:$dir/received"
  wait_for_pause client
  wait_for_line "$server_out" '^\[-\] Connection closed \| '
  go client
  finish client
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: a slow reader with a small buffer gets everything" {
  head -c 400000 /dev/urandom >"$dir/sent"
  start_server
  probe connect 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" "exchange:$dir/sent:$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
}

# bats test_tags=points:10
@test "server: without -b a client that does not read costs the others nothing" {
  head -c 4000000 /dev/urandom >"$dir/sent"
  start_server -q
  start_probe stalled connect 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" flood pause half-close \
    "recv-all:$dir/received"
  wait_for_pause stalled
  means="a thread waits for a client that does not read while it holds a lock that others need"
  probe connect 127.0.0.1 "$port" silence:5 "$welcomed" ask:one ask:two \
    "exchange:$dir/sent:$dir/heard"
  assert_same_bytes "$dir/sent" "$dir/heard"
  sleep 1.5 # without -b nobody is dropped, however long it takes nothing
  assert_nobody_dropped "without -b a client may read as late as it likes: it holds nobody up"
  go stalled
  finish stalled
  assert_equal "$(size_of "$dir/received")" "$(sed -n 's/^flooded //p' "$dir/stalled.out")"
  stop_server TERM 2
}

@test "server: stopped and continued in the middle of a send, it loses nothing" {
  # The signals cut send() short: it returns less than it was given.
  means="send() took less than it was given, and the rest was never sent"
  head -c 1000003 /dev/urandom >"$dir/sent"
  start_server -q
  start_probe client connect 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" "flood-file:$dir/sent" \
    pause half-close "recv-all:$dir/received"
  wait_for_pause client
  local i
  for i in 1 2 3; do
    signal_server STOP
    signal_server CONT
  done
  go client
  finish client
  assert_flood_echoed "$dir/sent" client "$dir/received"
}

@test "server: interrupted system calls (EINTR) are done again" {
  command -v strace >/dev/null || skip "strace is not installed: it makes calls fail with EINTR"
  strace -qq -o /dev/null -e trace=accept true 2>/dev/null || skip "strace is not allowed here"
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # it cannot look for leaks under strace
  server_command=(strace -f -qq -o /dev/null
    -e "inject=accept,accept4,recvfrom,recvmsg,sendto,sendmsg:error=EINTR:when=1+2" "${server_command[@]}")
  means="accept(), recv() or send() failed with EINTR: a signal came first, nothing is lost, ask again"
  local option
  for option in -- -b; do
    start_server "$option"
    probe connect 127.0.0.1 "$port" limit:20 "$welcomed" ask:hello ask:again half-close expect-eof
    probe connect 127.0.0.1 "$port" limit:20 "$welcomed" ask:hello ask:again half-close expect-eof
  done
}

@test "server: clients on IPv6 are served" {
  need_ipv6
  start_server_on ::1 0
  probe connect ::1 "$port" who "$welcomed" ask:hello half-close expect-eof
  wait_for_line "$server_out" '^\[-\] Connection closed \| '
  assert_line_in "$server_out" "^\[\+\] Listening \| IP \[?::1\]? Port $port\$"
  local client_port
  client_port=$(address_of probe | sed 's/.*://')
  assert_line_in "$server_out" "^\[\+\] Connection established \| IP \[?::1\]? Port $client_port\$"
  assert_line_in "$server_out" "^\[\+\] Message \| IP \[?::1\]? Port $client_port \| \"hello\" \(5 bytes\)\$"
  assert_line_in "$server_out" "^\[-\] Connection closed \| IP \[?::1\]? Port $client_port\$"
}

@test "server: an urgent byte is a byte like any other" {
  means="recv() leaves out an urgent byte (send() with MSG_OOB) where SO_OOBINLINE is not set"
  start_server
  probe connect 127.0.0.1 "$port" "$welcomed" ask:abc urgent:X expect:X ask:def half-close expect-eof
}

# ---- With -b: everybody hears everybody ----

# bats test_tags=points:10
@test "server: with -b every client gets what anyone sends, the sender included" {
  start_server -b
  probe crowd 4 127.0.0.1 "$port" "$welcomed" 1/send:one expect:one \
    4/send:two expect:two '2/send:thr\0ee' 'expect:thr\0ee' half-close expect-eof
}

@test "server: with -b a newcomer does not hear what was said before" {
  start_server -b
  start_probe old connect 127.0.0.1 "$port" "$welcomed" ask:before pause ask:after
  wait_for_pause old
  start_probe new connect 127.0.0.1 "$port" "$welcomed" pause expect:after
  wait_for_pause new
  go old
  finish old
  go new
  finish new
}

@test "server: with -b 8 clients that send 200 lines each all hear the same lines in the same order" {
  start_server -b -q
  local i total=$((8 * 200 * 24))
  for i in 1 2 3 4 5 6 7 8; do
    lines_of "client $i" 200 24 >"$dir/lines$i"
    start_probe "client$i" connect 127.0.0.1 "$port" limit:30 "$welcomed" pause \
      "talk:$dir/lines$i:$dir/heard$i:$total"
    wait_for_pause "client$i"
  done
  for i in 1 2 3 4 5 6 7 8; do
    go "client$i"
  done
  means="a broadcast is one critical section: without a lock around all of its sends, two messages reach clients in different orders"
  for i in 1 2 3 4 5 6 7 8; do
    finish "client$i"
    assert_heard_the_same heard1 "heard$i"
  done
  sort "$dir"/lines? >"$dir/said"
  sort "$dir/heard1" | assert_lines "$dir/said" "a line was lost, torn or sent twice"
}

@test "server: with -b lines of 4 KB are never torn, and all hear them in the same order" {
  start_server -b -q
  local i total=$((4 * 60 * 4096))
  start_probe listener connect 127.0.0.1 "$port" "$welcomed" pause "recv:$total:$dir/heard0"
  wait_for_pause listener
  for i in 1 2 3 4; do
    lines_of "client $i" 60 4096 >"$dir/lines$i"
    start_probe "client$i" connect 127.0.0.1 "$port" limit:30 "$welcomed" pause \
      "talk:$dir/lines$i:$dir/heard$i:$total"
    wait_for_pause "client$i"
  done
  go listener
  for i in 1 2 3 4; do
    go "client$i"
  done
  means="a line of 4 KB is one message: recv() with a smaller buffer cuts it into several, and those of others come between"
  for i in 1 2 3 4; do
    finish "client$i"
  done
  finish listener
  means="a broadcast is one critical section: without a lock around all of its sends, other messages come between"
  for i in 1 2 3 4; do
    assert_heard_the_same heard0 "heard$i"
  done
  sort "$dir"/lines? >"$dir/said"
  sort "$dir/heard0" | assert_lines "$dir/said" "a line was lost, torn or sent twice"
}

@test "server: with -b a message is not torn, and none is lost, where a send buffer is full" {
  # The slow one takes 16 MB at 4 MB a second: its buffers are full nearly all the time.
  start_server -b -q
  start_probe slow connect 127.0.0.1 "$port" rcvbuf:8192 "$welcomed" pause \
    "slow-read:4000000:$dir/slow.heard:16000000"
  wait_for_pause slow
  go slow
  converse
  finish slow
  means="send() took a part of a message, and another message came before the rest: the rest belongs into the same critical section"
  assert_heard_the_same one.heard slow.heard
  assert_nobody_dropped
}

@test "server: with -b the first bytes are the welcome, also while others talk" {
  start_server -b -q
  start_chatter 3
  means="a client is in the list of clients before it has its welcome: others' messages come first"
  start_probe host connect 127.0.0.1 "$port" limit:40 "$welcomed" "meet:150:$welcome"
  finish host
}

@test "server: with -b a newcomer misses nothing behind its welcome" {
  start_server -b -q
  start_probe crowd crowd 60 127.0.0.1 "$port" "$welcomed" pause
  wait_for_pause crowd
  start_probe host connect 127.0.0.1 "$port" limit:20 "$welcomed" "meet:300:$welcome"
  means="a client gets its welcome before it is in the list of clients: what is said meanwhile passes it by"
  finish host
  start_chatter 2
  start_probe host connect 127.0.0.1 "$port" limit:40 "$welcomed" "meet:100:$welcome"
  finish host
}

@test "server: with -b a message of 40,000 bytes is heard whole" {
  local name other
  start_server -b
  start_probe listener connect 127.0.0.1 "$port" rcvbuf:400000 "$welcomed" pause "recv:400000:$dir/heard"
  wait_for_pause listener
  for name in 0 1 2 3 4 5 6 7 8 9; do
    head -c 40000 /dev/zero | tr '\0' "$name" >"$dir/sent$name"
    start_probe "talker$name" connect 127.0.0.1 "$port" rcvbuf:400000 "$welcomed" pause:in "send-file:$dir/sent$name" pause:sent recv:400000
    wait_for_pause "talker$name" in
  done
  kill -STOP -- "-$server" # each message is there in full before it is read
  for name in 0 1 2 3 4 5 6 7 8 9; do
    go "talker$name"
    wait_for_pause "talker$name" sent
  done
  signal_server CONT
  for name in 0 1 2 3 4 5 6 7 8 9; do
    go "talker$name"
  done
  go listener
  finish listener
  [ "$(shown_messages | grep -c '(40000 bytes)$')" -eq 10 ] || skip "this system does not hand out 40000 bytes in one read"
  tr -s 0-9 <"$dir/heard" >"$dir/order"
  [ "$(size_of "$dir/order")" -eq 10 ] || explain "a message was torn" \
    "expected" "ten messages, each in one piece" "heard in this order" "$(cat "$dir/order")" \
    "it usually means" "a broadcast is cut into pieces, and the lock is not held from the first to the last"
}

# ---- With -b: slow and stalled clients ----

# bats test_tags=points:10
@test "server: with -b a stalled client is dropped after 1 s, and the others hear on" {
  start_server -b -q
  converse
  local alone=$took
  start_probe stalled connect 127.0.0.1 "$port" rcvbuf:4096 who "$welcomed" pause expect-end
  wait_for_pause stalled
  converse
  [ "$took" -le $((2 * alone + 1000 + 1500 * SLOWNESS)) ] || explain "a stalled client costs too much" \
    "two others need without it" "$alone ms" "and with it" "$took ms" \
    "expected" "1 s more, and what the machine adds" \
    "it usually means" "send() waits for the client as long as it likes, or more than 1 s"
  wait_for_line "$server_out" "^\[-\] Slow client dropped \| $(peer_of stalled)\$"
  go stalled
  finish stalled # its connection has ended
  assert_no_line_in "$server_out" "^\[-\] Connection closed \| $(peer_of stalled)\$" \
    "each connection has one last line: dropped, or closed"
  stop_server TERM 5
  wait_for_lines 1 "$server_out" '^\[-\] Slow client dropped'
  wait_for_lines 4 "$server_out" '^\[-\] Connection closed'
}

@test "server: with -b 10 stalled clients cost no more than one" {
  start_server -b -q
  converse
  local alone=$took
  start_probe stalled crowd 10 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" pause
  wait_for_pause stalled
  converse
  [ "$took" -le $((2 * alone + 1000 + 2500 * SLOWNESS)) ] || explain "10 stalled clients cost too much" \
    "two others need without them" "$alone ms" "and with them" "$took ms" \
    "expected" "1 s more, and what the machine adds" \
    "it usually means" "the server waits a second for each of them, one after another"
  wait_for_lines 10 "$server_out" '^\[-\] Slow client dropped'
  stop_server TERM 14
}

@test "server: with -b it takes clients in and says its welcome beside a stalled one" {
  start_server -b -q
  start_probe stalled connect 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" pause
  wait_for_pause stalled
  head -c 16000000 /dev/zero >"$dir/sent"
  start_probe talker connect 127.0.0.1 "$port" "$welcomed" say:talking "send-file:$dir/sent"
  wait_for_pause talker talking # and it does not read: it is stalled too, by its own messages
  means="a client that sends without reading waits for itself, and all others with it"
  probe connect 127.0.0.1 "$port" limit:5 "$welcomed"
  wait_for_lines 2 "$server_out" '^\[-\] Slow client dropped' \
    "a client that sends and never reads is stalled as well: it is owed its own messages"
  probe connect 127.0.0.1 "$port" limit:5 "$welcomed" ask:hello
}

@test "server: with -b a client that reads 128 KiB a second is not dropped, and loses nothing" {
  # More is sent than any buffer holds: all have to wait for the slow ones, which are watched until
  # they have read half a megabyte.
  start_server -b -q
  head -c 12000000 /dev/urandom >"$dir/sent"
  means="a client that takes a little has not stalled; but poll() tells of room only when a third of the send buffer is free: send() has to be tried"
  local buffer
  for buffer in 4096 65536 0; do # 0: as the system has it
    start_probe "slow$buffer" connect 127.0.0.1 "$port" "rcvbuf:$buffer" "$welcomed" pause \
      "slow-read:131072:$dir/heard$buffer:500000"
    wait_for_pause "slow$buffer"
    go "slow$buffer"
  done
  start_probe talker connect 127.0.0.1 "$port" "$welcomed" "roundtrip:$dir/sent:$dir/received"
  head -c 500000 "$dir/sent" >"$dir/begin"
  for buffer in 4096 65536 0; do
    finish "slow$buffer"
    assert_nobody_dropped "$means"
    assert_same_bytes "$dir/begin" "$dir/heard$buffer"
  done
  finish talker
}

@test "server: with -b a slow client loses nothing of 32 MB: the others wait for it" {
  start_server -b -q
  head -c 33554432 /dev/urandom >"$dir/sent"
  start_probe slow connect 127.0.0.1 "$port" "$welcomed" pause \
    "slow-read:6000000:$dir/received:33554432" half-close expect-eof
  wait_for_pause slow
  go slow
  start_probe talker connect 127.0.0.1 "$port" "$welcomed" "roundtrip:$dir/sent:$dir/heard" \
    half-close expect-eof
  finish talker
  finish slow
  assert_same_bytes "$dir/sent" "$dir/heard"
  means="a client that does not keep up loses messages: send() with MSG_DONTWAIT fails, and the message is forgotten"
  assert_same_bytes "$dir/sent" "$dir/received"
  assert_nobody_dropped
}

@test "server: with -b a client that pauses for less than a second is not dropped" {
  start_server -b -q
  head -c 12000000 /dev/urandom >"$dir/sent"
  start_probe pausing connect 127.0.0.1 "$port" rcvbuf:16384 "$welcomed" pause wait:400 \
    "recv:3000000:$dir/1" wait:400 "recv:3000000:$dir/2" wait:400 "recv:6000000:$dir/3"
  wait_for_pause pausing
  start_probe talker connect 127.0.0.1 "$port" "$welcomed" "roundtrip:$dir/sent:$dir/heard"
  go pausing
  finish pausing
  finish talker
  cat "$dir/1" "$dir/2" "$dir/3" >"$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
  assert_nobody_dropped "a client that has paused for 0.4 s has not stalled for 1 s"
}

@test "server: with -b a client that is owed nothing is never dropped, however long it is silent" {
  start_server -b
  start_probe quiet connect 127.0.0.1 "$port" "$welcomed" pause expect:hello ask:again
  wait_for_pause quiet
  sleep 2 # it is not stalled: it has taken all that it is owed
  probe connect 127.0.0.1 "$port" "$welcomed" ask:hello
  sleep 1.5 # what it does not read waits in its buffers, and holds nobody up
  probe connect 127.0.0.1 "$port" "$welcomed"
  go quiet
  finish quiet
  assert_nobody_dropped "a client is stalled only while it is owed something that it does not take"
}

@test "server: with -b clients that were dropped leave no thread and no descriptor" {
  need_proc
  start_server -b -q
  start_probe talker connect 127.0.0.1 "$port" "$welcomed" ask:hello pause "roundtrip:$dir/flood:$dir/heard" pause
  head -c 8000000 /dev/zero >"$dir/flood"
  wait_for_pause talker
  local descriptors threads
  threads=$(proc_status "$server" Threads)
  descriptors=$(descriptors "$server")
  start_probe stalled crowd 10 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" pause
  wait_for_pause stalled
  go talker
  wait_for_lines 10 "$server_out" '^\[-\] Slow client dropped'
  as_before() {
    [ "$(descriptors "$server")" -le "$descriptors" ] &&
      [ "$(proc_status "$server" Threads)" -le $((threads + 1)) ]
  }
  wait_until as_before || explain "dropped clients leave something behind" \
    "descriptors before" "$descriptors" "behind it" "$(descriptors "$server")" \
    "threads before" "$threads" "behind it" "$(proc_status "$server" Threads)" \
    "it usually means" "a client is dropped with shutdown() alone, or its thread goes on"
}

# ---- The server and bad clients ----

@test "server: a client that leaves without a word concerns nobody else" {
  local option
  for option in -- -b; do
    start_server "$option"
    start_probe other connect 127.0.0.1 "$port" "$welcomed" pause ask:hello half-close expect-eof
    wait_for_pause other
    probe crowd 20 127.0.0.1 "$port" close
    go other
    finish other
    wait_for_lines 21 "$server_out" '^\[\+\] Connection established'
    stop_server TERM 21
    wait_for_lines 21 "$server_out" '^\[-\] Connection closed'
  done
}

@test "server: a client that resets the connection concerns nobody else" {
  local option
  means="recv() failed with ECONNRESET: that client is gone, and that is no failure of the server"
  for option in -- -b; do
    start_server "$option"
    start_probe other connect 127.0.0.1 "$port" "$welcomed" pause ask:hello half-close expect-eof
    wait_for_pause other
    probe connect 127.0.0.1 "$port" "$welcomed" reset
    probe connect 127.0.0.1 "$port" reset
    wait_for_line "$server_out" '^\[-\] Connection closed \| '
    go other
    finish other
    stop_server
  done
}

@test "server: writing to a client that is gone does not end it (SIGPIPE)" {
  local option
  means="a write to a connection that is gone raises SIGPIPE, which ends the process unless it is ignored"
  for option in -- -b; do
    start_server "$option"
    start_probe client connect 127.0.0.1 "$port" "$welcomed" pause send:hello half-close reset
    wait_for_pause client
    kill -STOP -- "-$server" # it wakes up with input to echo, and nobody to echo to
    go client
    finish client
    signal_server CONT
    probe connect 127.0.0.1 "$port" "$welcomed" ask:hello
    stop_server TERM 2
  done
}

@test "server: with -b a client that vanishes while others talk concerns nobody else" {
  start_server -b -q
  local i
  for i in 1 2 3; do
    start_probe "leaver$i" connect 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" pause "recv:100000" reset
    wait_for_pause "leaver$i"
    go "leaver$i"
  done
  means="a send to a client that is gone fails: that is no reason to leave out the others"
  converse
  for i in 1 2 3; do
    finish "leaver$i"
  done
  stop_server TERM 5
}

@test "server: a client that vanishes in mid-send concerns nobody else" {
  local option
  for option in -- -b; do
    start_server -q "$option"
    probe connect 127.0.0.1 "$port" flood:3000000 close
    probe connect 127.0.0.1 "$port" "$welcomed" ask:hello
    stop_server TERM 2
  done
}

@test "server: a client that never reads, and resets, concerns nobody else" {
  start_server -q
  probe connect 127.0.0.1 "$port" rcvbuf:4096 flood reset
  wait_for_line "$server_out" '^\[-\] Connection closed \| ' \
    "send() failed, and the thread goes on with it: EPIPE and ECONNRESET mean that the client is gone"
  probe connect 127.0.0.1 "$port" "$welcomed" ask:hello
}

@test "server: a hundred clients can wait in its backlog" {
  start_server
  kill -STOP -- "-$server" # it accepts nobody: all of them wait. SOMAXCONN may be 128
  means="the backlog given to listen() is short: SOMAXCONN is the longest there is"
  probe crowd 100 127.0.0.1 "$port" limit:10 say:connected
}

@test "server: 500 clients that come and go during a broadcast leave no thread and no descriptor" {
  need_proc
  start_server -b -q
  start_chatter 1
  probe connect 127.0.0.1 "$port" "$welcomed" "meet:50:$welcome"
  all_gone() { # but for the one that talks
    has_lines "$1" "$server_out" '^\[-\] (Connection closed|Slow client dropped)'
  }
  wait_until all_gone 51
  local threads descriptors maps
  threads=$(proc_status "$server" Threads)
  descriptors=$(descriptors "$server")
  maps=$(awk 'END { print NR }' "/proc/$server/maps")
  means="the server does not serve clients that come and go while others talk"
  start_probe host connect 127.0.0.1 "$port" "$welcomed" "meet:500:$welcome"
  finish host
  wait_until all_gone 552 || explain "clients have left, and the server has not said so" \
    "last lines" "$(wc -l <"$server_out")"
  few_threads() { [ "$(proc_status "$server" Threads)" -le $((threads + 2)) ]; }
  wait_until few_threads || explain "threads are left behind" \
    "before" "$threads" "after 500 clients" "$(proc_status "$server" Threads)" \
    "it usually means" "the thread of a client goes on when its client is gone"
  few_descriptors() { [ "$(descriptors "$server")" -le "$descriptors" ]; }
  wait_until few_descriptors || explain "descriptors are left open" \
    "before" "$descriptors" "after 500 clients" "$(descriptors "$server")" \
    "it usually means" "nobody calls close() when a client is gone"
  [ "$(awk 'END { print NR }' "/proc/$server/maps")" -le $((maps + 250)) ] ||
    explain "threads that have ended are still held in memory" \
      "memory regions before" "$maps" "after 500 clients" "$(awk 'END { print NR }' "/proc/$server/maps")" \
      "it usually means" "the stack of a thread is kept until it is joined with pthread_join(), unless it was detached"
}

# ---- Stopping ----

@test "server: SIGINT stops it: it prints its last line and exits 0" {
  start_server
  stop_server INT 0
  start_server -b
  stop_server INT 0
}

# bats test_tags=points:10
@test "server: SIGTERM stops it: it prints its last line and exits 0" {
  start_server
  stop_server TERM 0
  start_server -b
  stop_server TERM 0
}

@test "server: it stops within 2 s, with clients that are silent and stay" {
  local signal
  for signal in INT TERM; do
    start_server
    start_probe idle crowd 20 127.0.0.1 "$port" "$welcomed" ask:hello pause expect-end
    wait_for_pause idle
    stop_server "$signal" 20
    wait_for_lines 20 "$server_out" '^\[-\] Connection closed' "each connection has its last line"
    go idle
    finish idle
  done
}

@test "server: stopping, it closes its connections: clients that wait see the end" {
  local option
  for option in -- -b; do
    start_server "$option"
    start_probe idle connect 127.0.0.1 "$port" "$welcomed" say:waiting expect-eof
    wait_for_pause idle waiting
    stop_server TERM 1
    finish idle
  done
}

@test "server: it stops within 2 s, with clients that send and never read" {
  start_server -q
  local i
  for i in 1 2 3; do
    start_probe "stalled$i" connect 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" flood pause
  done
  for i in 1 2 3; do
    wait_for_pause "stalled$i"
  done
  stop_server TERM 3
}

@test "server: with -b it stops within 2 s, in the middle of a broadcast to stalled clients" {
  start_server -b -q
  start_probe stalled crowd 5 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" pause
  wait_for_pause stalled
  head -c 16000000 /dev/zero >"$dir/sent"
  start_probe talker connect 127.0.0.1 "$port" "$welcomed" "roundtrip:$dir/sent:$dir/heard"
  talking() { [ -s "$dir/heard" ]; }
  wait_until talking
  stop_server TERM 6
}

@test "server: it stops within 2 s, with clients that go on sending" {
  local option i
  head -c 30000000 /dev/zero >"$dir/sent"
  for option in -- -b; do
    start_server -q "$option"
    for i in 1 2; do
      start_probe "busy$i" connect 127.0.0.1 "$port" "$welcomed" say:talking \
        "roundtrip:$dir/sent:$dir/heard$i" "roundtrip:$dir/sent:$dir/heard$i"
      wait_for_pause "busy$i" talking
    done
    stop_server TERM 2
  done
}

@test "server: stopping, it echoes what has arrived, also what it has not read yet" {
  local option
  means="a stop must not cost what clients have sent before it: read what is there, and echo it"
  for option in -- -b; do
    start_server "$option"
    start_probe client connect 127.0.0.1 "$port" "$welcomed" pause:in "send:last words" pause:said \
      "expect:last words" expect-eof
    wait_for_pause client in
    kill -STOP -- "-$server" # it does not see the words before the signal
    go client
    wait_for_pause client said
    signal_server TERM
    go client
    stop_server TERM 1
    finish client
  done
}

@test "server: stopping, it echoes what has arrived from many clients" {
  start_server
  means="a stop must not cost what clients have sent before it: read what is there, and echo it"
  head -c 20000 /dev/urandom >"$dir/sent"
  start_probe clients crowd 40 127.0.0.1 "$port" "$welcomed" pause:in "send-file:$dir/sent" \
    pause:said "recv:20000:$dir/heard" expect-eof
  wait_for_pause clients in
  signal_server STOP
  go clients
  wait_for_pause clients said
  stop_server TERM 40
  go clients
  finish clients
}

@test "server: stopping with -b, everybody gets what has arrived from anybody" {
  start_server -b
  means="a client is let go when it has nothing more to say, but others have: it misses their last words"
  start_probe clients crowd 60 127.0.0.1 "$port" "$welcomed" pause:in "send:last words" pause:said \
    recv:600 expect-eof
  # Those who have nothing to say are the first that a wrong server lets go.
  start_probe silent crowd 20 127.0.0.1 "$port" "$welcomed" pause:in recv:600 expect-eof
  wait_for_pause clients in
  wait_for_pause silent in
  signal_server STOP
  go clients
  wait_for_pause clients said
  stop_server TERM 80
  go clients
  go silent
  finish clients
  finish silent
}

@test "server: stopping with -b, a client that lags and still sends keeps what it was sent" {
  need_proc
  start_server -b -q
  head -c 2000000 /dev/zero >"$dir/sent"
  start_probe laggard connect 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" pause send:hello \
    "recv-all:$dir/heard"
  wait_for_pause laggard
  local i
  for i in 1 2 3; do
    start_probe "talker$i" connect 127.0.0.1 "$port" "$welcomed" pause say:talking \
      "roundtrip:$dir/sent:$dir/heard$i"
    wait_for_pause "talker$i"
  done
  kill -STOP -- "-$server" # each thread has a message when it stops, and waits for the laggard
  is_halted() { case $(proc_status "$server" State) in T*) ;; *) return 1 ;; esac }
  wait_until is_halted # else one may wait for the laggard already now, and drop it
  for i in 1 2 3; do
    go "talker$i"
    wait_for_pause "talker$i" talking
  done
  signal_server TERM
  signal_server CONT
  for i in 1 2 3; do
    local probe_pid=probe_talker$i
    wait_for_exit "${!probe_pid}" # its connection has ended: nobody has a message any more
  done
  means="a client that was given up can still read: what it sends must not be answered with a reset"
  go laggard
  wait_for_exit "$server"
  assert_status 0
  ! has_line "$server_out" '^\[-\] Slow client dropped' || # it may be, after 1 s
    skip "the server did not run for half a second: this machine has too much to do"
  finish laggard
}

@test "server: what it has echoed before it stopped is not lost when the client goes on sending" {
  local option
  head -c 12000 /dev/urandom >"$dir/sent"
  for option in -- -b; do
    start_server "$option"
    start_probe client connect 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" "send-file:$dir/sent" \
      pause:sent wait:200 send:more wait:100 "recv-all:$dir/received"
    wait_for_pause client sent
    all_echoed() {
      [ "$(shown_messages | sed -n 's/.*(\([0-9]*\) bytes)$/\1/p' |
        awk '{ total += $1 } END { print total + 0 }')" -eq 12000 ]
    }
    wait_until all_echoed || explain "the server does not echo" "got" "$(show_lines "$server_out")"
    signal_server TERM
    go client
    means="close() while the client may still send: its next bytes are answered with a reset, which destroys what it has not read yet. shutdown(SHUT_WR) first, and read until the client has closed"
    finish client
    head -c 12000 "$dir/received" >"$dir/echo" # behind them may stand what came before the stop
    assert_same_bytes "$dir/sent" "$dir/echo"
    wait_for_exit "$server"
  done
}

@test "server: a second signal while it stops does no harm" {
  local option
  for option in -- -b; do
    start_server "$option"
    start_probe client connect 127.0.0.1 "$port" "$welcomed" pause expect-end
    wait_for_pause client
    signal_server TERM
    sleep 0.1 # two signals at once would be one; the test holds without
    kill -TERM -- "-$server" 2>/dev/null || true
    kill -INT -- "-$server" 2>/dev/null || true
    means="the second signal finds no handler any more (SA_RESETHAND, signal() of old), or starts the stopping anew" \
      stop_server TERM 1
    go client
    finish client
  done
}

@test "server: stopping with -b, it does not wait until a client that sends without end has been heard" {
  local total
  # One who reads slowly makes the other's messages wait: when the time is over, most are still to come.
  head -c 64000000 /dev/zero >"$dir/much"
  start_server -b
  start_probe slow connect 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" "slow-read:2000000:$dir/heard"
  start_probe talker connect 127.0.0.1 "$port" "$welcomed" "roundtrip:$dir/much:/dev/null"
  wait_until test -s "$dir/heard"
  means="what has arrived is echoed for a moment only: then the server stops, whatever still comes"
  stop_server TERM 2
  total=$(shown_messages | sed -n 's/.*(\([0-9]*\) bytes)$/\1/p' | awk '{ total += $1 } END { print total + 0 }')
  [ "$total" -lt 32000000 ] || explain "the server goes on for as long as something comes" \
    "expected" "that it has read a small part of 64000000 bytes" "got" "$total bytes"
  finish slow
}

@test "server: stopping with -b, a client that reads nothing does not cost the others what has arrived" {
  head -c 60000 /dev/zero >"$dir/much"
  start_server -b
  start_probe stalled connect 127.0.0.1 "$port" rcvbuf:4096 "$welcomed" pause
  start_probe listener connect 127.0.0.1 "$port" "$welcomed" pause send:one\\n wait:50 send:two\\n pause:said \
    "recv-all:$dir/heard"
  wait_for_pause stalled
  wait_for_pause listener
  probe connect 127.0.0.1 "$port" "$welcomed" "send-file:$dir/much" "recv:60000:$dir/echo" pause </dev/null
  go listener
  wait_for_pause listener said
  signal_server TERM
  go listener
  finish listener
  means="one who takes nothing held up the broadcast until the time for the stop was over"
  assert_line_in "$dir/heard" 'one$'
  assert_line_in "$dir/heard" '^two$'
}

# ---- The server and the system ----

@test "server: it can be restarted on its port at once" {
  start_server
  start_probe client connect 127.0.0.1 "$port" "$welcomed" ask:hello pause expect-eof close
  wait_for_pause client
  local wanted=$port
  stop_server # the server's side closes first: there the old connection lingers
  go client
  finish client
  start server "${server_command[@]}" 127.0.0.1 "$wanted"
  server=$pid
  wait_until has_line_or_is_gone "$server_out" "$(ready_regex)" "$server"
  has_line "$server_out" "$(ready_regex)" || explain "the server cannot be started again" \
    "on stderr" "$(show_lines "$server_err")" "it usually means" \
    "SO_REUSEADDR is missing: without it, bind() fails for a minute after a connection on that port" \
    "read" "man 7 socket, SO_REUSEADDR; RFC 9293, 3.6.1"
  probe connect 127.0.0.1 "$wanted" "$welcomed" ask:hello
}

@test "server: a port that another server uses is a failure, one line and exit 1" {
  start_server
  local used=$port
  hang_means="two servers on one port: SO_REUSEPORT lets them share it, SO_REUSEADDR does not" \
    run_to_end second "${server_command[@]}" 127.0.0.1 "$used"
  assert_status 1
  assert_no_line_in "$dir/second.out" "$(ready_regex)" "no ready line before listen() has succeeded"
  assert_one_line "$dir/second.err" "^server: cannot listen on 127\.0\.0\.1:$used: ."
  probe connect 127.0.0.1 "$used" "$welcomed" ask:hello # the first one has not noticed
}

@test "server: an address that is not this machine's is a failure, one line and exit 1" {
  run_server 192.0.2.1 0
  assert_status 1
  assert_no_line_in "$server_out" "$(ready_regex)" "no ready line before listen() has succeeded"
  assert_one_line "$server_err" '^server: cannot listen on 192\.0\.2\.1:0: .'
}

@test "server: a port that needs a permission is a failure, one line and exit 1" {
  [ "$(id -u)" -ne 0 ] || skip "root may use any port"
  [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024)" -gt 1 ] ||
    skip "anybody may use any port here"
  run_server 127.0.0.1 1
  assert_status 1
  assert_no_line_in "$server_out" "$(ready_regex)"
  assert_one_line "$server_err" '^server: cannot listen on 127\.0\.0\.1:1: .'
}

@test "server: an unknown host is a failure, one line and exit 1" {
  export RES_OPTIONS='attempts:1 timeout:1' # where a name server is asked, it need not wait long
  limit=$((30 * SLOWNESS)) run_server host.invalid 0
  assert_status 1
  assert_no_line_in "$server_out" "$(ready_regex)"
  assert_one_line "$server_err" '^server: cannot listen on host\.invalid:0: .'
}

@test "server: it goes on serving when nobody reads its output any more" {
  start_server_into_pipe
  exec 5<&- # as head -1 does
  means="a write to a closed pipe raises SIGPIPE, which ends the process unless it is ignored"
  probe connect 127.0.0.1 "$port" "$welcomed" ask:hello ask:again half-close expect-eof
  probe connect 127.0.0.1 "$port" "$welcomed" ask:hello
  signal_server TERM
  wait_for_exit "$server"
  assert_status 0 "the output is lost, the service is not"
}

@test "server: started with stdin, stdout and stderr closed, it sends just the welcome and the echo" {
  reserve_port
  go reserve
  finish reserve
  start_closed() { exec "${server_command[@]}" 127.0.0.1 "$port" <&- >&- 2>&-; }
  start server start_closed
  server=$pid
  head -c 1000 /dev/urandom >"$dir/sent"
  means="a socket got descriptor 1 or 2, and what is printed goes to the client"
  local i
  for i in 1 2 3; do
    probe connect 127.0.0.1 "$port" retry "limit:$LIMIT" "$welcomed" \
      "exchange:$dir/sent:$dir/received"
    assert_same_bytes "$dir/sent" "$dir/received"
  done
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

# Lets the server have no more descriptors than it has.
take_descriptors() {
  prlimit --pid "$server" --nofile="$(lowest_free_descriptor "$server"):" ||
    skip "prlimit is not allowed here"
  kill -STOP -- "-$server" # accept() may have its descriptor before it waits: it has to begin anew
  signal_server CONT
}

@test "server: out of descriptors it says so once, does not spin, and serves as soon as it can" {
  need_proc
  command -v prlimit >/dev/null || skip "prlimit is not installed: it changes the server's limits"
  start_server
  start_probe first connect 127.0.0.1 "$port" "$welcomed" pause:in ask:hello pause:served ask:again
  wait_for_pause first in
  take_descriptors
  start_probe waiting crowd 3 127.0.0.1 "$port" say:connected "$welcomed" ask:hello
  wait_for_line "$server_err" '^server: .' "accept() failed with EMFILE, and nothing was said"
  assert_no_spin "$server" "accept() fails with EMFILE again and again, as long as the client waits"
  means="out of descriptors, the server keeps the clients that it has"
  go first
  wait_for_pause first served
  assert_one_line "$server_err" '^server: .' "one line for each time that descriptors run out"
  prlimit --pid "$server" --nofile=200:
  means="whoever waits in the backlog is served as soon as there are descriptors"
  finish waiting
  go first
  finish first
  stop_server TERM 4
}

@test "server: an episode without descriptors ends when nobody waits any more: one line each" {
  need_proc
  command -v prlimit >/dev/null || skip "prlimit is not installed: it changes the server's limits"
  start_server
  start_probe first connect 127.0.0.1 "$port" "$welcomed" pause
  wait_for_pause first
  take_descriptors
  start_probe waiting crowd 3 127.0.0.1 "$port" "$welcomed" pause:in half-close expect-eof
  wait_for_line "$server_err" '^server: .'
  go first # it leaves: one of those who wait comes in, and the others still wait
  finish first
  wait_for_lines 2 "$server_out" '^\[\+\] Connection established'
  sleep 0.5 # the server fails to take in the next: it is the same episode
  assert_one_line "$server_err" '^server: .' \
    "one line an episode: it lasts until a client could be accepted and none waits"
  prlimit --pid "$server" --nofile=200:
  wait_for_pause waiting in
  take_descriptors
  start_probe again connect 127.0.0.1 "$port" "$welcomed"
  wait_for_lines 2 "$server_err" '^server: .' "the second time is said again, once"
  go waiting
  finish waiting
  finish again
}

@test "server: out of threads or memory it keeps the clients that it has, and serves again as soon as it can" {
  need_proc
  need_no_emulator "a limit of memory ends the emulator, before the program feels it"
  command -v prlimit >/dev/null || skip "prlimit is not installed: it changes the server's limits"
  start_server
  local size
  size=$(proc_status "$server" VmSize)
  [ "$size" -lt 8000000 ] || skip "this program reserves too much address space to limit it"
  start_probe first connect 127.0.0.1 "$port" "$welcomed" ask:hello pause:in ask:again pause:served \
    half-close expect-eof
  wait_for_pause first in
  size=$(proc_status "$server" VmSize)
  prlimit --pid "$server" --as="$(((size + 12000) * 1024)):" || skip "prlimit is not allowed here"
  start_probe crowd crowd 1000 127.0.0.1 "$port" pause close
  wait_for_line "$server_err" '^server: .' \
    "pthread_create() returned EAGAIN, and nothing was said: it returns the error, and leaves errno alone"
  means="where there is no thread for a client, those who have one are served on"
  go first
  wait_for_pause first served
  assert_no_spin "$server" "pthread_create() fails again and again, as long as the client waits"
  assert_one_line "$server_err" '^server: .' "one line for each time that threads run out"
  prlimit --pid "$server" --as=unlimited:
  go crowd
  finish crowd
  means="when there are threads again, clients are served again"
  probe connect 127.0.0.1 "$port" limit:20 "$welcomed" ask:hello
  go first
  finish first
}

@test "server: out of threads or memory it stops when it is told to" {
  need_proc
  need_no_emulator "a limit of memory ends the emulator, before the program feels it"
  command -v prlimit >/dev/null || skip "prlimit is not installed: it changes the server's limits"
  start_server
  local size
  size=$(proc_status "$server" VmSize)
  [ "$size" -lt 8000000 ] || skip "this program reserves too much address space to limit it"
  prlimit --pid "$server" --as="$(((size + 12000) * 1024)):" || skip "prlimit is not allowed here"
  start_probe crowd crowd 1000 127.0.0.1 "$port" pause close
  wait_for_line "$server_err" '^server: .' "pthread_create() returned EAGAIN, and nothing was said"
  means="the server tries to start a thread again and again, and asks no more whether it is to stop" \
    stop_server TERM
}

@test "server: it goes on serving, and stops, when its output is a pipe that is full and that nobody reads" {
  local before took
  start_server_into_pipe
  "$timeout_command" 1 cat /dev/zero >"$dir/output" || true # the pipe is full
  means="write() waits until somebody reads the pipe: the output may be lost, the service may not" \
    probe connect 127.0.0.1 "$port" "$welcomed" ask:hello half-close expect-eof
  start_probe stay crowd 10 127.0.0.1 "$port" "$welcomed" ask:hello pause expect-end
  wait_for_pause stay
  before=$(now_ms)
  signal_server TERM
  wait_for_exit "$server" "$LIMIT" "write() waits until somebody reads the pipe"
  took=$(($(now_ms) - before))
  assert_status 0 "the output is lost, the service is not"
  [ "$took" -le $((2000 * SLOWNESS + 500)) ] || explain "the server is slow to stop" "expected" "2 s at most" \
    "got" "$took ms" "it usually means" "each line waits for a reader that does not come"
}

@test "server: it goes on serving when its log may not grow any more" {
  means="a write beyond the limit on the size of files raises SIGXFSZ, which ends a process that does not ignore it"
  with_ulimit '-f 64' "${server_command[@]}"
  server_command=("${limited[@]}")
  head -c 3000 /dev/zero >"$dir/in"
  start_server
  probe connect 127.0.0.1 "$port" "$welcomed" "ping:$dir/in"
  probe connect 127.0.0.1 "$port" "$welcomed" ask:hello half-close expect-eof
  assert_log_is_full
}

# ---- The client ----

# bats test_tags=points:10
@test "client: it shows what the server sends, exactly, and nothing of its own" {
  head -c 1000000 /dev/urandom >"$dir/sent"
  every_byte >>"$dir/sent"
  fake_server expect-eof "send-file:$dir/sent" close
  run_client 127.0.0.1 "$port"
  assert_status 0
  finish fake
  assert_same_bytes "$dir/sent" "$client_out"
  assert_nothing_in "$client_err"
}

# bats test_tags=points:10
@test "client: it sends each line of stdin as it stands, newline included" {
  printf 'one\n\n  two\t \r\n\nthree\0four\xff\n' >"$dir/in"
  fake_server "recv-all:$dir/received" close
  run_client 127.0.0.1 "$port" <"$dir/in"
  assert_status 0
  finish fake
  assert_same_bytes "$dir/in" "$dir/received"
}

@test "client: an unended last line of stdin is sent as it stands" {
  printf 'one\ntwo' >"$dir/in"
  fake_server "recv-all:$dir/received" close
  run_client 127.0.0.1 "$port" <"$dir/in"
  assert_status 0
  finish fake
  assert_same_bytes "$dir/in" "$dir/received"
}

@test "client: a line is sent as soon as it is typed, while more may come" {
  means="stdin is read in large blocks, or sent at its end only: fread() waits until its buffer is full"
  fake_server 'expect:one\n' say:first 'expect:two\n' say:second expect-eof close
  start_typing 127.0.0.1 "$port"
  type_line one
  wait_for_pause fake first
  type_line two
  wait_for_pause fake second
  stop_typing
  wait_for_exit "$client"
  assert_status 0
  finish fake
}

@test "client: an empty line is sent as soon as it is typed" {
  fake_server 'expect:\n' say:first 'expect:\n' say:second expect-eof close
  start_typing 127.0.0.1 "$port"
  type_line
  wait_for_pause fake first
  type_line
  wait_for_pause fake second
  stop_typing
  wait_for_exit "$client"
  assert_status 0
  finish fake
}

# bats test_tags=points:10
@test "client: it shows what comes at once, while it waits for input" {
  means="the client waits for input, and receives only after it: two threads, or poll(), wait for both"
  fake_server 'send:one\n' pause:one 'send:two\n' pause:two expect-eof close
  start_typing 127.0.0.1 "$port"
  wait_for_pause fake one
  wait_for_line "$client_out" '^one$' "$means"
  go fake
  wait_for_pause fake two
  wait_for_line "$client_out" '^two$' "$means"
  go fake
  stop_typing
  wait_for_exit "$client"
  assert_status 0
  finish fake
}

@test "client: it shows what comes without a newline at once, too" {
  fake_server 'send:no newline' pause expect-eof close
  start_typing 127.0.0.1 "$port"
  wait_for_pause fake
  shown() { [ "$(cat "$client_out")" = 'no newline' ]; }
  wait_until shown || explain "what has come is not shown" "got" "$(show_lines "$client_out")" \
    "it usually means" "it waits in the buffer of stdout for a newline: fflush()"
  go fake
  stop_typing
  wait_for_exit "$client"
  assert_status 0
}

@test "client: what is typed and what comes may cross at any time" {
  fake_server 'send:one\n' 'expect:hello\n' 'send:two\n' 'send:three\n' 'expect:again\n' \
    'send:four\n' expect-eof 'send:five\n' close
  start_typing 127.0.0.1 "$port"
  wait_for_line "$client_out" '^one$'
  type_line hello
  wait_for_line "$client_out" '^three$'
  type_line again
  wait_for_line "$client_out" '^four$'
  stop_typing
  wait_for_exit "$client"
  assert_status 0
  assert_lines "$client_out" <<'END'
one
two
three
four
five
END
}

# bats test_tags=points:10
@test "client: at end of input it half-closes, shows what still comes, and exits 0" {
  head -c 500000 /dev/urandom >"$dir/late"
  fake_server 'expect:hello\n' expect-eof pause "send-file:$dir/late" close
  start_client_with_input() { exec "${client_command[@]}" 127.0.0.1 "$port" <<<hello; }
  client_out=$dir/client.out
  client_err=$dir/client.err
  start client start_client_with_input
  client=$pid
  means="at end of input the client leaves, or closes both halves of the connection: shutdown(SHUT_WR) ends its own half"
  wait_for_pause fake
  go fake
  wait_for_exit "$client"
  assert_status 0
  finish fake
  assert_same_bytes "$dir/late" "$client_out"
}

@test "client: an empty stdin is the end of input: it shows what comes, and exits 0" {
  fake_server "send:$welcome" expect-eof close
  hang_means="at end of input the client does not tell the server, which waits for more: shutdown(SHUT_WR) ends its half of the connection" \
    run_client 127.0.0.1 "$port"
  assert_status 0
  finish fake
  printf '\n\nWelcome to my server\n\n\n' >"$dir/welcome"
  assert_same_bytes "$dir/welcome" "$client_out"
}

@test "client: a server that closes first is a failure, at once, also while it waits for input" {
  fake_server send:bye close
  means="the thread that receives has ended, and the client goes on waiting for stdin in the other one"
  start_typing 127.0.0.1 "$port"
  wait_for_exit "$client" "$LIMIT" "$means"
  assert_client_fails '^client: connection closed by server$' "recv() returned 0 before the end of input: the server has closed"
  printf bye >"$dir/sent"
  assert_same_bytes "$dir/sent" "$client_out"
}

@test "client: a server that half-closes first is a failure, at once" {
  fake_server send:bye half-close expect-end
  start_typing 127.0.0.1 "$port"
  wait_for_exit "$client" "$LIMIT" "recv() returned 0: nothing more will come, and the client goes on waiting for stdin"
  assert_client_fails '^client: connection closed by server$'
}

@test "client: a server that resets the connection is a failure, at once" {
  fake_server send:bye pause reset
  start_typing 127.0.0.1 "$port"
  wait_for_line "$dir/fake.out" '^paused$'
  go fake
  wait_for_exit "$client"
  assert_client_fails '^client: connection closed by server$' "recv() failed with ECONNRESET"
}

@test "client: writing to a server that is gone does not end it (SIGPIPE)" {
  # Nobody reads what it shows, so that it does not see the end of the connection; and it has lines
  # to send: the first one makes the server's system answer with a reset, the next ones fail.
  mkfifo "$dir/screen"
  exec 6<>"$dir/screen"
  exec 7<"$dir/screen"
  head -c 100000 /dev/zero >"$dir/much"
  fake_server "send-file:$dir/much" close
  stdout_file=$dir/screen start_typing 127.0.0.1 "$port"
  finish fake
  local i
  for i in 1 2 3 4 5; do
    type_line hello
    sleep 0.1 # makes it likely that each line is sent alone; the test holds without
  done
  exec 6>&-
  "$timeout_command" "$LIMIT" cat <&7 >/dev/null
  wait_for_exit "$client"
  assert_client_fails '^client: connection closed by server$'
}

@test "client: a server that closes while the client sends is a failure" {
  head -c 8000000 /dev/zero >"$dir/in"
  fake_server recv:1 reset
  run_client 127.0.0.1 "$port" <"$dir/in"
  assert_client_fails '^client: connection closed by server$' "a write to a peer that is gone raises SIGPIPE, which ends the process unless it is ignored"
  # It reads no more, and its small buffer keeps the client from sending all: else, who closes first
  # would be a matter of luck.
  fake_server rcvbuf:65536 recv:1 half-close pause close
  run_client 127.0.0.1 "$port" <"$dir/in"
  assert_client_fails '^client: connection closed by server$'
  go fake
}

@test "client: 16 MB through stdin and stdout come back identical, however little the buffers hold" {
  head -c 16777216 /dev/urandom >"$dir/in"
  fake_server rcvbuf:65536 sndbuf:65536 echo
  limit=$((60 * SLOWNESS)) \
    hang_means="it sends all before it receives: the buffers of both sides are full, and both wait in send()" \
    run_client 127.0.0.1 "$port" <"$dir/in"
  assert_status 0
  finish fake
  assert_same_bytes "$dir/in" "$client_out"
}

@test "client: a line longer than any buffer is sent whole" {
  { head -c 300000 /dev/zero | tr '\0' x && echo; } >"$dir/in"
  fake_server rcvbuf:4096 "recv-all:$dir/received" close
  run_client 127.0.0.1 "$port" <"$dir/in"
  assert_status 0
  finish fake
  assert_same_bytes "$dir/in" "$dir/received"
}

@test "client: its memory does not grow with what passes through" {
  need_proc
  fake_server echo:2000000 pause:early echo:30000000 pause:late echo
  head -c 33000000 /dev/zero >"$dir/in"
  stdin_file=$dir/in start_client 127.0.0.1 "$port"
  LIMIT=$((60 * SLOWNESS)) wait_for_pause fake early
  local early late
  early=$(proc_status "$client" VmHWM)
  go fake
  LIMIT=$((60 * SLOWNESS)) wait_for_pause fake late
  late=$(proc_status "$client" VmHWM)
  go fake
  wait_for_exit "$client"
  assert_status 0
  [ $((late - early)) -lt 10000 ] || explain "the memory grows with what passes through" \
    "after 2 MB" "$early kB" "after 32 MB" "$late kB" "it usually means" "all of stdin, or of what comes, is kept"
}

# ---- The client on a terminal ----

@test "client: on a terminal, printable text, newlines and tabs stand as they are" {
  assert_terminal_shows 'Hello,\tworld "x" a\\b\n\nagain\n' $'Hello,\tworld "x" a\\b\n\nagain\n'
}

@test "client: on a terminal, control characters are shown as \xHH" {
  assert_terminal_shows '\x1b[2J\x1b[31mred\x1b]0;title\x07\n' '\x1b[2J\x1b[31mred\x1b]0;title\x07'$'\n'
  assert_terminal_shows 'a\rb\x08\x0b\x0c\x7f\n' 'a\x0db\x08\x0b\x0c\x7f'$'\n'
  assert_terminal_shows 'a\0b\n' 'a\x00b'$'\n'
}

@test "client: on a terminal, every control character is shown as \xHH" {
  local text shown byte
  for byte in 00 01 02 03 04 05 06 07 08 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d \
    1e 1f 7f; do
    text+="\\x$byte"
  done
  for byte in 80 85 8d 8e 8f 90 98 9b 9c 9d 9e 9f; do
    text+="\\xc2\\x$byte" # C1, as UTF-8
  done
  assert_terminal_shows "$text" "$text"
}

@test "client: on a terminal, valid UTF-8 stands as it is, from U+00A0 to U+10FFFF" {
  assert_terminal_shows 'äöü €uro 😀\n' $'äöü €uro 😀\n'
  assert_terminal_shows '\xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf' \
    $'\xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf'
}

@test "client: on a terminal, C1 controls are shown as \xHH, in UTF-8 and as single bytes" {
  assert_terminal_shows '\xc2\x9b31m\xc2\x80\xc2\x9f' '\xc2\x9b31m\xc2\x80\xc2\x9f'
  assert_terminal_shows '\x9b31m\x80\x9f' '\x9b31m\x80\x9f'
}

@test "client: on a terminal, bytes that are no valid UTF-8 are shown as \xHH" {
  assert_terminal_shows 'a\xffb\xc0\x80c\xed\xa0\x80d\xf4\x90\x80\x80e' \
    'a\xffb\xc0\x80c\xed\xa0\x80d\xf4\x90\x80\x80e'
  assert_terminal_shows 'a\xe2\x82b\xc3\n' 'a\xe2\x82b\xc3'$'\n'
}

@test "client: on a terminal, a character that never ends is shown as \xHH at the end" {
  assert_terminal_shows 'a\xe2\x82' 'a\xe2\x82'
  assert_terminal_shows 'a\xf0\x9f\x98' 'a\xf0\x9f\x98'
}

# Sends a text to a client on a terminal in two parts, the second when the line `mark` at the
# beginning of the first was shown.
assert_terminal_shows_parts() { # PART PART SHOWN
  fake_server expect-eof "send:mark\n$1" pause "send:$2" close
  printf 'mark\n%s' "$3" >"$dir/shown"
  in_terminal start_client 127.0.0.1 "$port"
  wait_for_pause fake
  wait_for_line "$client_out" '^mark$'
  go fake
  finish fake
  wait_for_exit "$client"
  assert_status 0
  explain_terminal
}

@test "client: on a terminal, a character that arrives in two parts stands as it is" {
  assert_terminal_shows_parts '\xc3' '\xa4!' 'ä!'
  assert_terminal_shows_parts '\xe2\x82' '\xac' '€'
  assert_terminal_shows_parts '\xf0' '\x9f\x98\x80' '😀'
}

@test "client: on a terminal, a control that arrives in two parts is shown as \xHH" {
  assert_terminal_shows_parts '\xc2' '\x9b31m' '\xc2\x9b31m'
  assert_terminal_shows_parts '\x1b' '[31m' '\x1b[31m'
  assert_terminal_shows_parts '\xe2\x82' 'x\xc2' '\xe2\x82x\xc2'
}

@test "client: on a terminal, what comes is shown at once, while it waits for input" {
  fake_server 'send:prompt> ' pause expect-eof close
  in_terminal start_typing 127.0.0.1 "$port"
  wait_for_pause fake
  shown() { [ "$(cat "$client_out")" = 'prompt> ' ]; }
  wait_until shown || explain "what has come is not shown" "got" "$(show_lines "$client_out")" \
    "it usually means" "it waits in the buffer of stdout for a newline: fflush()"
  go fake
  stop_typing
  wait_for_exit "$client"
  assert_status 0
}

@test "client: not on a terminal, stdout gets the bytes exactly, escape sequences too" {
  printf '\x1b[31mred\xc2\x9b\xff\0' >"$dir/sent"
  fake_server expect-eof "send-file:$dir/sent" close
  run_client 127.0.0.1 "$port"
  assert_status 0
  assert_same_bytes "$dir/sent" "$client_out"
}

@test "client: on a terminal, a character that arrives a byte at a time stands as it is" {
  printf 'a\xf0\x9f\x98\x80' >"$dir/shown"
  fake_server expect-eof 'send:a\xf0' wait:200 'send:\x9f' wait:200 'send:\x98' wait:200 'send:\x80' close
  in_terminal run_client 127.0.0.1 "$port"
  assert_status 0
  finish fake
  explain_terminal
}

@test "client: typed at on a terminal, it writes the bytes exactly where stdout is none" {
  printf '\033[2Jred\r\302\233\377\n' >"$dir/sent"
  fake_server "send-file:$dir/sent" expect-eof close
  # shellcheck disable=SC2016 # the inner shell expands them
  client_command=("$SUPPORT/bin/probe" keyboard sh -c 'exec "$@" >"$0"' "$dir/heard" "${client_command[@]}")
  mkfifo "$dir/keys"
  stdin_file=$dir/keys start_client 127.0.0.1 "$port"
  heard_all() { [ -e "$dir/heard" ] && [ "$(size_of "$dir/heard")" -ge "$(size_of "$dir/sent")" ]; }
  wait_until heard_all || true
  printf '\004' 1<>"$dir/keys" # Ctrl-D
  wait_for_exit "$client"
  assert_status 0
  finish fake
  cmp -s "$dir/sent" "$dir/heard" || explain "stdout is no terminal, and does not get the bytes exactly" \
    "expected" "$("$SUPPORT/bin/probe" show "$dir/sent")" "got" "$("$SUPPORT/bin/probe" show "$dir/heard")" \
    "it usually means" "isatty() was asked about stdin: what matters is where the bytes go"
}

@test "client: all that it has received stands in front of what it complains about" {
  fake_server 'send:abc\xc2' close
  # shellcheck disable=SC2016 # the inner shell expands it
  client_command=(sh -c 'exec "$@" 2>&1' sh "${client_command[@]}")
  in_terminal start_typing 127.0.0.1 "$port" # and types nothing: its input has not ended
  wait_for_exit "$client"
  assert_status 1
  printf 'abc\\xc2client: connection closed by server\n' >"$dir/shown"
  explain_terminal
}

# ---- The client and the system ----

@test "client: a refused connection is a failure, one line and exit 1" {
  reserve_port
  run_client 127.0.0.1 "$port"
  assert_client_fails "^client: cannot connect to 127\.0\.0\.1:$port: ."
  assert_nothing_in "$client_out"
}

@test "client: an unknown host is a failure, one line and exit 1" {
  export RES_OPTIONS='attempts:1 timeout:1' # where a name server is asked, it need not wait long
  limit=$((30 * SLOWNESS)) run_client host.invalid 1
  assert_client_fails '^client: cannot connect to host\.invalid:1: .'
  assert_nothing_in "$client_out"
}

@test "client: it tries every address of a host in turn" {
  printf '%s two.test\n' 127.0.0.1 127.0.0.2 >"$dir/hosts"
  # shellcheck disable=SC2016 # the inner shell expands them
  local with_hosts=(unshare -rm sh -c 'mount --bind "$0" "${ECHO_ROOT:-}/etc/hosts" && exec "$@"' "$dir/hosts")
  "${with_hosts[@]}" true 2>/dev/null || skip "this system lets no test have its own /etc/hosts"
  client_command=("${with_hosts[@]}" "${client_command[@]}")
  local address
  for address in 127.0.0.1 127.0.0.2; do
    fake_server "on:$address" send:ahoy expect-eof close
    run_client two.test "$port"
    assert_status 0 "two.test is 127.0.0.1 and 127.0.0.2: when one refuses, the other is tried"
    finish fake
  done
}

@test "client: localhost is found, on IPv4 and on IPv6" {
  fake_server expect-eof close
  run_client localhost "$port"
  assert_status 0 "localhost may be ::1 and 127.0.0.1: when one refuses, the other is tried"
  finish fake
  getent ahostsv6 localhost 2>/dev/null | grep -q '^::1 ' || skip "localhost is not ::1 here"
  need_ipv6
  fake_server on:::1 expect-eof close
  run_client localhost "$port"
  assert_status 0
  finish fake
}

@test "client: IPv6 addresses are good" {
  need_ipv6
  fake_server on:::1 'expect:hello\n' expect-eof send:ahoy close
  run_client ::1 "$port" <<<hello
  assert_status 0
  finish fake
  start_probe reserve6 reserve on:::1
  wait_for_line "$dir/reserve6.out" '^reserved [0-9]+$'
  port=$(sed -n 's/^reserved //p' "$dir/reserve6.out")
  run_client ::1 "$port"
  assert_client_fails "^client: cannot connect to \[?::1\]?:$port: ."
}

@test "client: stopped and continued while it waits, it goes on" {
  fake_server send:one pause 'expect:hello\n' send:two expect-eof close
  start_typing 127.0.0.1 "$port"
  wait_for_pause fake
  kill -STOP -- "-$client"
  kill -CONT -- "-$client"
  go fake
  type_line hello
  stop_typing
  wait_for_exit "$client"
  assert_status 0 "recv(), read() or fgets() failed with EINTR: a signal came first, nothing is lost, ask again"
  finish fake
  printf onetwo >"$dir/sent"
  assert_same_bytes "$dir/sent" "$client_out"
}

@test "client: interrupted system calls (EINTR) are done again" {
  command -v strace >/dev/null || skip "strace is not installed: it makes calls fail with EINTR"
  strace -qq -o /dev/null -e trace=accept true 2>/dev/null || skip "strace is not allowed here"
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # it cannot look for leaks under strace
  client_command=(strace -f -qq -o /dev/null
    -e "inject=recvfrom,recvmsg,sendto,sendmsg:error=EINTR:when=1+2" "${client_command[@]}")
  fake_server echo
  run_client 127.0.0.1 "$port" <<<hello
  assert_status 0 "recv() or send() failed with EINTR: a signal came first, nothing is lost, ask again"
  finish fake
  echo hello | assert_lines "$client_out"
}

@test "client: a disk that is full is a failure" {
  [ -c /dev/full ] || skip "this system has no /dev/full"
  fake_server send:hello expect-eof close
  stdout_file=/dev/full run_client 127.0.0.1 "$port"
  assert_client_fails '^client: .*[Nn]o space left on device' \
    "the result of printing was not checked: fflush(), ferror(); or errno was read later, when other calls had changed it"
}

@test "client: a stdin that cannot be read is a failure" {
  fake_server recv-all close
  run_client 127.0.0.1 "$port" </
  assert_status 1 "read() failed, which is not the end of the input"
  [ -s "$client_err" ] || explain "a failure is told on stderr"
}

@test "client: started with stdout closed, it sends its input and nothing else" {
  need_no_valgrind "its log takes the descriptor that is closed"
  fake_server "send:$welcome" "recv-all:$dir/received" close
  start_closed() { exec "${client_command[@]}" 127.0.0.1 "$port" >&- <<<hello; }
  start client start_closed
  client=$pid
  wait_for_exit "$client"
  finish fake
  means="the socket got descriptor 1, and what should be shown goes to the server"
  echo hello >"$dir/sent"
  # It may have failed before it has sent anything: then it has sent nothing wrong either.
  [ ! -s "$dir/received" ] || assert_same_bytes "$dir/sent" "$dir/received"
}

@test "client: where nobody listens, it is refused, and never connected to itself" {
  isolate_client
  run_client 127.0.0.1 50000 <<<hello
  assert_client_fails '^client: cannot connect to 127\.0\.0\.1:50000: Connection refused$' "$means"
}

# ---- Both together ----

# bats test_tags=points:10
@test "server and client: a client sees the welcome and its lines, and both exit 0" {
  start_server
  run_client 127.0.0.1 "$port" <<<$'one\ntwo'
  assert_status 0
  printf '\n\nWelcome to my server\n\n\none\ntwo\n' | assert_lines "$client_out"
  stop_server TERM 1
}

@test "server and client: with -b one sees what the other types" {
  start_server -b
  start_typing 127.0.0.1 "$port"
  wait_for_line "$client_out" '^Welcome to my server$'
  local first=$client first_out=$dir/first.out
  run_to_end other "${client_command[@]}" 127.0.0.1 "$port" <<<'from the other'
  assert_status 0
  wait_for_line "$client_out" '^from the other$'
  type_line 'from the first'
  wait_for_line "$client_out" '^from the first$'
  stop_typing
  wait_for_exit "$client"
  assert_status 0
  stop_server TERM 2
}

@test "server and client: when the server stops, a client that waits for input exits 1 at once" {
  start_server
  start_typing 127.0.0.1 "$port"
  wait_for_line "$client_out" '^Welcome to my server$'
  stop_server TERM 1
  wait_for_exit "$client"
  assert_client_fails '^client: connection closed by server$'
}

@test "server and client: 16 MB through both come back identical" {
  head -c 16777216 /dev/urandom >"$dir/in"
  start_server -q
  limit=$((60 * SLOWNESS)) run_client 127.0.0.1 "$port" <"$dir/in"
  assert_status 0
  { printf '\n\nWelcome to my server\n\n\n' && cat "$dir/in"; } >"$dir/expected"
  assert_same_bytes "$dir/expected" "$client_out"
  stop_server
}

@test "server and client: help that cannot be written is a failure" {
  assert_lost_help_is_a_failure
}
