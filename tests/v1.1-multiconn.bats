#!/usr/bin/env bats
# v1.1-multiconn: one server in one thread, many clients at once.
#
# The tests of the server use the probe as its clients, and the tests of the client use the probe as
# its server, so that a mistake in one program fails no test of the other.

STAGE=v1.1-multiconn
load support/suite
load support/contract

# Helpers of this suite.

# Connects the probe to the server, and does its steps.
visit() { # [OPTION...] STEP...
  probe connect 127.0.0.1 "$port" limit:20 "$@"
}

# The same in the background: see start_probe.
start_visit() { # NAME [OPTION...] STEP...
  local name=$1
  shift
  start_probe "$name" connect 127.0.0.1 "$port" "$@"
}

# Starts a fake server that takes N connections before it does its steps. Sets $port.
fake_crowd() { # N [OPTION...] STEP...
  hang_means="the client has sent less or more than its message (the NUL behind it, a newline); or it ends one connection before it sends on the next, and this server answers when all have sent"
  start_probe fake listen-crowd "$@"
  wait_for_line "$dir/fake.out" '^listening [0-9]+$'
  port=$(sed -n 's/^listening //p' "$dir/fake.out")
}

count_lines() { # FILE REGEX
  LC_ALL=C grep -acE -e "$2" "$1" || true
}

# Fails unless so many lines of FILE match.
assert_line_count() { # N FILE REGEX [MEANING]
  local count
  count=$(count_lines "$2" "$3")
  [ "$count" -eq "$1" ] || explain "the number of lines is wrong" "expected" "$1 lines like $3" \
    "got" "$count lines" "all lines" "$(show_lines "$2")" "it usually means" "${4:-}"
}

# Expects that the server still serves, after what another client has done.
assert_still_serves() { # MEANING
  means=$1 visit ask:hello ask:again half-close expect-eof
}

# Expects that other clients do not wait: ten round trips take less than a second. A busy machine
# may delay them, but not three times in a row.
assert_others_served() { # MEANING
  local tries began took
  for tries in 1 2 3; do
    began=$(now_ms)
    means=$1 visit ask:1 ask:2 ask:3 ask:4 ask:5 ask:6 ask:7 ask:8 ask:9 ask:10
    took=$(($(now_ms) - began))
    [ "$took" -ge $((1000 * SLOWNESS)) ] || return 0
  done
  explain "one client makes the others wait" "expected" "ten round trips within 1 s" \
    "got" "$took ms" "it usually means" "$1"
}

# Asks the server to stop, and expects it to do so in good order within 2 s.
assert_server_stops() { # [SIGNAL [MEANING]]
  local asked
  asked=$(now_ms)
  signal_server "${1:-TERM}"
  assert_stopped "$asked" "${2:-}"
}

# The same after the signal was sent, at a time that now_ms gave.
assert_stopped() { # WHEN [MEANING]
  local meaning=${2:-"the signal only sets a flag, and the loop that waits for clients does not look at it, or waits for a client to leave"}
  local took count
  wait_for_exit "$server" "$LIMIT" "$meaning"
  took=$(($(now_ms) - $1))
  assert_status 0 "SIGINT and SIGTERM are caught: the server closes its connections, prints its last line, and exits 0"
  [ "$took" -le $((2000 * SLOWNESS + 500)) ] || explain "the server takes too long to stop" \
    "expected" "2000 ms at most" "got" "$took ms" "it usually means" "$meaning"
  count=$(count_lines "$server_out" '^Server accepts connection from ')
  [ "$(tail -n 1 "$server_out")" = "Server stops after $count connections" ] ||
    explain "the last line is wrong" "expected" "Server stops after $count connections" \
      "got" "$(show_lines "$server_out")"
  assert_line_count "$count" "$server_out" '^Server closes connection to ' \
    "each connection that was accepted is closed, and has a line on it"
}

# Lets the server have no other descriptor than those that it has now.
starve_server() {
  need_proc
  command -v prlimit >/dev/null || skip "prlimit is not installed: it changes the server's limits"
  prlimit --pid "$server" --nofile="$(lowest_free_descriptor "$server"):" ||
    skip "prlimit is not allowed here"
  kill -STOP -- "-$server" # one that waits in accept() has its descriptor already: it begins anew
  signal_server CONT
}

# Sends messages to the server on one connection, each of which it is to show as QUOTED.
assert_server_shows() { # [MESSAGE QUOTED]...
  local steps=()
  : >"$dir/quoted"
  while [ $# -ge 2 ]; do
    steps+=("ask:$1")
    printf '%s\n' "$2" >>"$dir/quoted"
    shift 2
  done
  start_server
  visit "${steps[@]}" half-close expect-eof
  wait_for_line "$server_out" '^Server closes connection to '
  sed -n 's/^Server echoes \(.*\) to 127\.0\.0\.1:[0-9]*$/\1/p' "$server_out" >"$dir/shown"
  assert_lines "$dir/shown" "the rules of what is shown of a message: common/text.h" <"$dir/quoted"
}

# Sends messages with the client on one connection, each of which it is to show as QUOTED.
assert_client_shows() { # [MESSAGE QUOTED]...
  local messages=()
  : >"$dir/quoted"
  while [ $# -ge 2 ]; do
    messages+=("$1")
    printf 'Client sends %s on connection 1\nClient receives %s on connection 1\n' "$2" "$2" \
      >>"$dir/quoted"
    shift 2
  done
  fake_server echo
  run_client 127.0.0.1 "$port" 1 -- "${messages[@]}"
  assert_status 0
  finish fake
  LC_ALL=C grep -aE '^Client (sends|receives) ' "$client_out" >"$dir/shown" || true
  assert_lines "$dir/shown" "the rules of what is shown of a message: common/text.h" <"$dir/quoted"
}

# Expects exactly these lines about connection I in the client's output. Those of other connections
# may stand between them.
assert_lines_of_connection() { # I <EXPECTED
  LC_ALL=C grep -aE "connection $1( |\$)" "$client_out" >"$dir/lines" || true
  assert_lines "$dir/lines"
}

# Expects the client's last line, and the exit status that goes with it.
assert_echoed() { # N NUM_CLIENTS [MEANING]
  if [ "$1" -eq "$2" ]; then
    assert_status 0 "${3:-}"
  else
    assert_status 1 "${3:-"exit 0 means that all connections have echoed"}"
  fi
  [ "$(tail -n 1 "$client_out")" = "Client echoed on $1 of $2 connections" ] ||
    explain "the last line is wrong" "expected" "Client echoed on $1 of $2 connections" \
      "got" "$(show_lines "$client_out")" "on stderr" "$(show_lines "$client_err")" \
      "it usually means" "${3:-}"
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
  visit ask:hello
}

@test "server: a port that is not 0 is the port it listens on" {
  reserve_port
  go reserve
  finish reserve
  local wanted=$port
  start_server_on 127.0.0.1 "$wanted"
  assert_equal "$port" "$wanted"
  visit ask:hello
}

@test "server: a port that is not a decimal number from 0 to 65535 is refused with exit 2" {
  local limit=$((4 * SLOWNESS)) wrong
  for wrong in "${wrong_ports[@]}"; do
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
    visit ask:hello half-close expect-eof
    wait_for_line "$server_out" '^Server closes connection to '
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
  assert_client_helps 127.0.0.1 1 many -h
  assert_client_helps 127.0.0.1 1 2 message -h
  assert_client_helps --unknown -h
}

@test "client: without operands it connects to 127.0.0.1 port 65432" {
  start_client # whether somebody listens there or not
  assert_uses_address client '^Client starts connection 1 to 127\.0\.0\.1:65432$'
}

@test "client: one operand is the host, and the port stays 65432" {
  [ "$(uname)" = Linux ] || skip "this system has no 127.0.0.2"
  start_client 127.0.0.2
  assert_uses_address client '^Client starts connection 1 to 127\.0\.0\.2:65432$'
}

# bats test_tags=points:10
@test "client: without NUM_CLIENTS and MESSAGE it sends two messages on two connections" {
  fake_crowd 2 'expect:Message 1 from client.' 'send:Message 1 from client.' \
    'expect:Message 2 from client.' 'send:Message 2 from client.' expect-eof
  run_client 127.0.0.1 "$port"
  assert_echoed 2 2
  finish fake
}

@test "client: the third operand is the number of connections" {
  fake_crowd 5 'expect:Message 1 from client.' 'send:Message 1 from client.' \
    'expect:Message 2 from client.' 'send:Message 2 from client.' expect-eof
  run_client 127.0.0.1 "$port" 5
  assert_echoed 5 5
  finish fake
}

@test "client: all further operands are messages, and replace both of the default ones" {
  fake_crowd 2 expect:ahoy send:ahoy expect-eof
  run_client 127.0.0.1 "$port" 2 ahoy
  assert_echoed 2 2
  finish fake
  fake_server expect:one send:one expect:two send:two expect:three send:three expect-eof
  run_client 127.0.0.1 "$port" 1 one two three
  assert_echoed 1 1
  finish fake
}

@test "client: - is a message like any other in this stage" {
  fake_server expect:- send:- expect-eof
  run_client 127.0.0.1 "$port" 1 - </dev/null
  assert_echoed 1 1 "- stands for stdin in v1.0, not here"
  finish fake
}

@test "client: a port that is not a decimal number from 1 to 65535 is refused with exit 2" {
  local limit=$((4 * SLOWNESS)) wrong
  for wrong in 0 00 "${wrong_ports[@]}"; do
    assert_client_refuses 127.0.0.1 "$wrong" 1 message
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

@test "client: a NUM_CLIENTS that is not a decimal number from 1 to 65535 is refused with exit 2" {
  local limit=$((4 * SLOWNESS)) wrong
  reserve_port
  for wrong in 0 00 "${wrong_ports[@]}"; do
    assert_client_refuses 127.0.0.1 "$port" "$wrong" message
  done
}

@test "client: a negative NUM_CLIENTS is refused with exit 2, behind -- too" {
  reserve_port
  assert_client_refuses 127.0.0.1 "$port" -1
  assert_client_refuses -- 127.0.0.1 "$port" -1
}

@test "client: an unknown option is refused with exit 2, wherever it stands" {
  assert_client_refuses -x
  assert_client_refuses 127.0.0.1 1 1 message -x
  assert_client_refuses 127.0.0.1 --unknown 1
  assert_client_refuses --with 127.0.0.1 1
  assert_client_refuses -b 127.0.0.1 1
}

@test "client: -q may stand before, between and behind the operands" {
  local position arguments
  for position in 0 1 2 3 4 5; do
    fake_server echo
    arguments=(127.0.0.1 "$port" 1 one two)
    run_client ${arguments[@]+"${arguments[@]:0:position}"} -q "${arguments[@]:position}"
    assert_echoed 1 1
    finish fake
    assert_no_line_in "$client_out" '^Client (sends|receives)' "-q was not seen as argument $position"
  done
}

@test "client: behind -- messages may look like options" {
  local i=0 message
  fake_server echo
  run_client 127.0.0.1 "$port" 1 -- -q -h --help -- -x
  assert_echoed 1 1 "behind -- there are no options: all of these are messages"
  finish fake
  for message in -q -h --help -- -x; do
    i=$((i + 1))
    assert_line_in "$client_out" "^Client sends \"$message\" \(${#message} bytes\) on connection 1\$"
  done
  assert_line_count "$i" "$client_out" '^Client sends '
}

@test "client: -- may stand before and between the operands" {
  fake_server echo
  run_client -- 127.0.0.1 "$port" 1 -q
  assert_echoed 1 1
  finish fake
  assert_line_in "$client_out" '^Client sends "-q" \(2 bytes\) on connection 1$'
  fake_server echo
  run_client 127.0.0.1 -- "$port" 1 ahoy
  assert_echoed 1 1
  finish fake
}

@test "server and client: --q is no -q: it is refused" {
  assert_server_refuses --q 127.0.0.1 0
  assert_client_refuses --q 127.0.0.1 1
}

@test "server and client: a number with leading zeros is decimal" {
  assert_server_refuses 127.0.0.1 065536
  assert_client_refuses 127.0.0.1 065536
  fake_crowd 10 echo
  run_client -q 127.0.0.1 "$port" 010 ahoy
  assert_echoed 10 10 "010 is ten: strtoul() with base 0 takes it for octal"
}

# ---- What they print ----

# bats test_tags=points:10
@test "server: it tells what it does, line by line, until it is stopped" {
  start_server
  visit who "ask:Hello, world" ask:again half-close expect-eof
  wait_for_line "$server_out" '^Server closes connection to '
  assert_server_stops
  local peer
  peer=$(address_of probe)
  assert_lines "$server_out" <<END
Server listens on 127.0.0.1:$port
Server accepts connection from $peer
Server echoes "Hello, world" (12 bytes) to $peer
Server echoes "again" (5 bytes) to $peer
Server closes connection to $peer
Server stops after 1 connections
END
  assert_nothing_in "$server_err"
}

@test "server: its lines say which of several clients they are about" {
  start_server
  start_visit first who ask:one pause ask:three half-close expect-eof
  wait_for_pause first
  start_visit second who ask:two pause
  wait_for_pause second
  go first
  finish first
  local first second
  first=$(address_of first)
  second=$(address_of second)
  wait_for_line "$server_out" "^Server closes connection to $first\$"
  assert_server_stops
  assert_lines "$server_out" <<END
Server listens on 127.0.0.1:$port
Server accepts connection from $first
Server echoes "one" (3 bytes) to $first
Server accepts connection from $second
Server echoes "two" (3 bytes) to $second
Server echoes "three" (5 bytes) to $first
Server closes connection to $first
Server closes connection to $second
Server stops after 2 connections
END
}

@test "server: the sizes that it shows add up to what it has echoed" {
  head -c 1000000 /dev/zero >"$dir/sent"
  start_server
  visit "exchange:$dir/sent:$dir/received"
  wait_for_line "$server_out" '^Server closes connection to '
  local total
  total=$(LC_ALL=C sed -n 's/^Server echoes .*(\([0-9]*\) bytes) to .*/\1/p' "$server_out" |
    awk '{ total += $1 } END { print total + 0 }')
  assert_equal "$total" 1000000
}

@test "server: -q leaves out the lines on echoing, and only those" {
  start_server -q
  visit who ask:hello half-close expect-eof
  wait_for_line "$server_out" '^Server closes connection to '
  assert_server_stops
  local peer
  peer=$(address_of probe)
  assert_lines "$server_out" <<END
Server listens on 127.0.0.1:$port
Server accepts connection from $peer
Server closes connection to $peer
Server stops after 1 connections
END
}

@test "client: it tells what it does on one connection, line by line" {
  fake_server echo
  run_client 127.0.0.1 "$port" 1 ahoy again
  assert_status 0
  assert_lines "$client_out" <<END
Client starts connection 1 to 127.0.0.1:$port
Client sends "ahoy" (4 bytes) on connection 1
Client receives "ahoy" (4 bytes) on connection 1
Client sends "again" (5 bytes) on connection 1
Client receives "again" (5 bytes) on connection 1
Client closes connection 1
Client echoed on 1 of 1 connections
END
  assert_nothing_in "$client_err"
}

# bats test_tags=points:10
@test "client: it tells the same of each of several connections, then how many have echoed" {
  local i
  fake_crowd 3 echo
  run_client 127.0.0.1 "$port" 3 ahoy again
  assert_echoed 3 3
  for i in 1 2 3; do
    assert_lines_of_connection "$i" <<END
Client starts connection $i to 127.0.0.1:$port
Client sends "ahoy" (4 bytes) on connection $i
Client receives "ahoy" (4 bytes) on connection $i
Client sends "again" (5 bytes) on connection $i
Client receives "again" (5 bytes) on connection $i
Client closes connection $i
END
  done
  assert_line_count 19 "$client_out" . "each line is about one connection, but for the last"
  assert_nothing_in "$client_err"
}

@test "client: -q leaves out the lines on sending and receiving, and only those" {
  fake_server echo
  run_client -q 127.0.0.1 "$port" 1 ahoy again
  assert_status 0
  assert_lines "$client_out" <<END
Client starts connection 1 to 127.0.0.1:$port
Client closes connection 1
Client echoed on 1 of 1 connections
END
}

@test "client: addresses are shown in numbers, also for a name" {
  fake_server echo
  run_client localhost "$port" 1 ahoy
  assert_echoed 1 1
  assert_line_in "$client_out" "^Client starts connection 1 to 127\.0\.0\.1:$port\$"
}

@test "server: each line is in the file as soon as it is printed, while the client stays" {
  start_server
  start_visit client pause:connected ask:hello pause:echoed half-close
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
  start_client 127.0.0.1 "$port" 1 ahoy
  wait_for_pause fake
  wait_for_line "$client_out" '^Client starts connection 1 to ' \
    "stdout into a file holds back lines, unless it is made line-buffered: setvbuf()"
  wait_for_line "$client_out" '^Client sends "ahoy" ' \
    "stdout into a file holds back lines, unless it is made line-buffered: setvbuf()"
  go fake
  wait_for_exit "$client"
  assert_echoed 1 1
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
  start_visit client retry "limit:$LIMIT" say:connected pause ask:hello half-close expect-eof
  wait_for_pause client
  echo 1<>"$dir/server.in"
  go client
  finish client
}

# ---- What is shown of a message ----

@test "client: quotes, backslashes, newlines, returns and tabs are shown as C writes them" {
  assert_client_shows $'say "hi"' '"say \"hi\"" (8 bytes)' \
    $'a\\b' '"a\\b" (3 bytes)' \
    $'one\ntwo\r\n\tthree' '"one\ntwo\r\n\tthree" (15 bytes)'
}

@test "client: control characters are shown as \xHH, so that none drives the terminal" {
  assert_client_shows $'\e[31mred\e[0m' '"\x1b[31mred\x1b[0m" (12 bytes)' \
    $'\e]0;title\a' '"\x1b]0;title\x07" (10 bytes)' \
    $'\x01\x08\x0b\x0c\x1f\x7f' '"\x01\x08\x0b\x0c\x1f\x7f" (6 bytes)'
}

@test "client: valid UTF-8 is shown as it is, from U+00A0 to U+10FFFF" {
  assert_client_shows 'äöü €uro 😀' '"äöü €uro 😀" (18 bytes)' \
    $'\xc2\xa0' $'"\xc2\xa0" (2 bytes)' \
    $'\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80' \
    $'"\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80" (11 bytes)' \
    $'\xf0\x90\x80\x80\xf4\x8f\xbf\xbf' $'"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" (8 bytes)'
}

@test "client: C1 control characters are shown as \xHH although they are valid UTF-8" {
  assert_client_shows $'\xc2\x80\xc2\x9b31m\xc2\x9f' '"\xc2\x80\xc2\x9b31m\xc2\x9f" (9 bytes)'
}

@test "client: bytes that are no valid UTF-8 are shown as \xHH" {
  assert_client_shows $'a\xffb\x80c' '"a\xffb\x80c" (5 bytes)' \
    $'\xc3' '"\xc3" (1 bytes)' \
    $'\xe2\x82x' '"\xe2\x82x" (3 bytes)' \
    $'\xc0\x80\xc1\xbf' '"\xc0\x80\xc1\xbf" (4 bytes)' \
    $'\xe0\x9f\xbf' '"\xe0\x9f\xbf" (3 bytes)' \
    $'\xed\xa0\x80' '"\xed\xa0\x80" (3 bytes)' \
    $'\xf4\x90\x80\x80' '"\xf4\x90\x80\x80" (4 bytes)' \
    $'\xf5\xc3\xa4' $'"\\xf5\xc3\xa4" (3 bytes)'
}

@test "client: 64 characters are shown in full, and 65 are cut, however many bytes they have" {
  local a64 umlauts
  a64=$(repeat 64 a)
  umlauts=$(repeat 64 ä)
  assert_client_shows "$a64" "\"$a64\" (64 bytes)" \
    "${a64}b" "\"$a64\"... (65 bytes)" \
    "$(repeat 5000 a)" "\"$a64\"... (5000 bytes)" \
    "$umlauts" "\"$umlauts\" (128 bytes)" \
    "${umlauts}b" "\"$umlauts\"... (129 bytes)"
}

@test "client: an escape counts with all its characters, is never cut in two, and ends what is shown" {
  assert_client_shows "$(repeat 62 a)"$'\n' "\"$(repeat 62 a)\\n\" (63 bytes)" \
    "$(repeat 63 a)"$'\n' "\"$(repeat 63 a)\"... (64 bytes)" \
    "$(repeat 63 a)\"" "\"$(repeat 63 a)\"... (64 bytes)" \
    "$(repeat 60 a)"$'\x01' "\"$(repeat 60 a)\\x01\" (61 bytes)" \
    "$(repeat 61 a)"$'\x01' "\"$(repeat 61 a)\"... (62 bytes)" \
    "$(repeat 62 a)"$'\x01'b "\"$(repeat 62 a)\"... (64 bytes)"
}

@test "client: a message of one byte is (1 bytes), and an empty one (0 bytes)" {
  assert_client_shows x '"x" (1 bytes)' '' '"" (0 bytes)'
}

@test "server: what a client sends is shown with escapes, so that none drives the terminal" {
  assert_server_shows 'say "hi"' '"say \"hi\"" (8 bytes)' \
    '\x1b[2J\x1b[31mred\x07\x7f' '"\x1b[2J\x1b[31mred\x07\x7f" (14 bytes)' \
    'a\\b\n\r\t' '"a\\b\n\r\t" (6 bytes)'
}

@test "server: a NUL is shown as \x00 and ends nothing" {
  assert_server_shows 'ab\0cd\0' '"ab\x00cd\x00" (6 bytes)'
}

@test "server: valid UTF-8 is shown as it is, C1 controls and invalid bytes are not" {
  assert_server_shows 'ä€😀' '"ä€😀" (9 bytes)' \
    '\xc2\x9b31m' '"\xc2\x9b31m" (5 bytes)' \
    '\xff\xc3' '"\xff\xc3" (2 bytes)'
}

@test "server: every byte value alone is shown as the rules say" {
  every_byte >"$dir/in"
  start_server
  visit "ping:$dir/in" half-close expect-eof
  wait_for_line "$server_out" '^Server closes connection to '
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
  assert_server_shows "$(repeat 64 a)" "\"$(repeat 64 a)\" (64 bytes)" \
    "$(repeat 65 a)" "\"$(repeat 64 a)\"... (65 bytes)" \
    "$(repeat 64 ä)" "\"$(repeat 64 ä)\" (128 bytes)" \
    "$(repeat 61 a)\\x01b" "\"$(repeat 61 a)\"... (63 bytes)"
}

@test "client: U+FFFE and U+FFFF are valid UTF-8, and shown as they are" {
  assert_client_shows $'\xef\xbf\xbe\xef\xbf\xbf' $'"\xef\xbf\xbe\xef\xbf\xbf" (6 bytes)'
}

# ---- The echo of the server ----

# bats test_tags=points:10
@test "server: every byte value comes back, NULs included" {
  every_byte >"$dir/sent"
  start_server
  visit "roundtrip:$dir/sent:$dir/received" half-close expect-eof
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: 16 MB of random bytes come back unchanged, in order" {
  head -c 16777216 /dev/urandom >"$dir/sent"
  start_server
  visit limit:60 "exchange:$dir/sent:$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: several clients send at the same time, and each gets its own bytes back" {
  local i
  start_server -q
  for i in 1 2 3 4; do
    head -c 3000000 /dev/urandom >"$dir/sent$i"
    start_visit "client$i" "exchange:$dir/sent$i:$dir/received$i"
  done
  for i in 1 2 3 4; do
    finish "client$i"
    assert_same_bytes "$dir/sent$i" "$dir/received$i"
  done
}

@test "server: bytes that come one at a time are echoed" {
  head -c 3000 /dev/urandom >"$dir/sent"
  start_server
  visit "bytes:$dir/sent" "recv:3000:$dir/received" half-close expect-eof
  assert_same_bytes "$dir/sent" "$dir/received"
}

# bats test_tags=points:10
@test "server: each piece is echoed at once, while the client stays connected" {
  start_server
  means="the server collects input until the client ends its half, or a line or a buffer is full" \
    visit ask:one ask:two 'ask:\0' ask:four half-close expect-eof
}

@test "server: nothing comes back that was not sent" {
  start_server
  means="more came back than was sent: a greeting, the NUL behind a string, or the rest of a buffer" \
    visit expect-nothing ask:hello expect-nothing half-close expect-eof
}

# bats test_tags=points:10
@test "server: a client that half-closes gets everything back, then the end" {
  head -c 300000 /dev/urandom >"$dir/sent"
  start_server
  means="the server gives up its client when recv() returns 0, with bytes still to send" \
    visit "exchange:$dir/sent:$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: a client that half-closes before it reads gets everything back, then the end" {
  start_server -q
  means="the server gives up its client when recv() returns 0, or poll() says POLLHUP, with bytes still to send"
  start_visit client rcvbuf:4096 sndbuf:4096 flood half-close pause \
    "slow-read:8000000:$dir/received" # with pauses: the end comes while some of the echo waits
  wait_for_pause client
  go client
  finish client
  assert_equal "$(size_of "$dir/received")" "$(sed -n 's/^flooded //p' "$dir/client.out")"
}

@test "server: the last bytes are not lost when the client reads them after the connection is closed" {
  head -c 200000 /dev/urandom >"$dir/sent"
  start_server -q
  means="the connection was reset: close() with unread input, or with SO_LINGER 0, destroys what the client has not read yet"
  start_visit client "send-file:$dir/sent" half-close pause "recv-all:$dir/received"
  wait_for_pause client
  wait_for_line "$server_out" '^Server closes connection to '
  go client
  finish client
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: a client that half-closes without a word gets just the end" {
  start_server
  visit half-close expect-eof
  wait_for_line "$server_out" '^Server closes connection to '
  assert_no_line_in "$server_out" '^Server echoes' "recv() returned 0: there was nothing to echo"
}

@test "server: a slow reader with a small buffer gets everything" {
  head -c 400000 /dev/urandom >"$dir/sent"
  start_server
  visit rcvbuf:4096 "exchange:$dir/sent:$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: stopped and continued in the middle of a send, it loses nothing" {
  # Much has arrived that it could not send yet; the signals interrupt it while it waits.
  local i
  means="send() took less than it was given, and the rest was never sent"
  head -c 1000003 /dev/urandom >"$dir/sent"
  start_server -q
  start_visit client rcvbuf:4096 "flood-file:$dir/sent" pause half-close "recv-all:$dir/received"
  wait_for_pause client
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
    -e 'inject=accept,accept4,recvfrom,recvmsg,sendto,sendmsg,?poll,ppoll,?select,pselect6,?epoll_wait,epoll_pwait:error=EINTR:when=1+2'
    "${server_command[@]}")
  start_server
  means="accept(), recv(), send() or poll() failed with EINTR: a signal came first, nothing is lost, ask again" \
    visit ask:hello ask:again half-close expect-eof
  assert_still_serves "$means"
}

@test "server: clients on IPv6 are served, and addresses stand in brackets" {
  need_ipv6
  start_server_on ::1 0
  probe connect ::1 "$port" who ask:hello half-close expect-eof
  wait_for_line "$server_out" '^Server closes connection to '
  assert_server_stops
  local peer
  peer=$(address_of probe)
  assert_lines "$server_out" <<END
Server listens on [::1]:$port
Server accepts connection from $peer
Server echoes "hello" (5 bytes) to $peer
Server closes connection to $peer
Server stops after 1 connections
END
}

@test "server: an urgent byte is a byte like any other" {
  means="recv() leaves out an urgent byte (send() with MSG_OOB) where SO_OOBINLINE is not set"
  start_server
  visit ask:abc urgent:X expect:X ask:def half-close expect-eof
}

# ---- The server and many clients ----

# bats test_tags=points:10
@test "server: it serves one client after another" {
  local i
  start_server
  for i in 1 2 3 4 5; do
    assert_still_serves "the server ends, or stops accepting, when a client has left"
  done
  assert_server_stops
  assert_line_in "$server_out" '^Server stops after 5 connections$'
}

# bats test_tags=points:10
@test "server: a second client is served while the first stays" {
  start_server
  start_visit first ask:hello pause ask:again half-close expect-eof
  wait_for_pause first
  means="the server does nothing but serve its first client until that leaves" \
    visit ask:hello half-close expect-eof
  go first
  finish first
}

@test "server: a client that sends half a message and then nothing holds up nobody" {
  start_server
  start_visit client send:half-a-mess pause expect:half-a-mess
  wait_for_pause client
  assert_others_served "the server waits in recv() for the rest: a socket that poll() has not named is not read"
  go client
  finish client
}

@test "server: clients that say nothing hold up nobody" {
  start_server
  start_probe silent crowd 50 127.0.0.1 "$port" pause half-close expect-eof
  wait_for_pause silent
  assert_others_served "the server waits in recv() for a client that has nothing to say"
  go silent
  finish silent
}

@test "server: a client that never pauses holds up nobody" {
  head -c 1000000 /dev/zero >"$dir/in"
  start_server -q
  start_visit busy "send-file:$dir/in" say:busy echo # each byte goes round and round
  wait_for_line "$dir/busy.out" '^busy$'
  assert_others_served "the server reads from one client as long as something comes: one piece, then the next client"
}

# bats test_tags=points:10
@test "server: a client that does not read holds up nobody" {
  start_server -q
  start_visit client rcvbuf:4096 flood pause
  wait_for_pause client
  assert_others_served "the server waits in send() for a client that does not read: keep what does not go, and wait for POLLOUT in poll()"
}

@test "server: from a client that does not read it stops reading, until that reads" {
  start_server -q
  start_visit client rcvbuf:4096 flood:100000000 pause half-close "recv-all:$dir/received"
  wait_for_pause client
  local sent
  sent=$(sed -n 's/^flooded //p' "$dir/client.out")
  [ "$sent" -lt 100000000 ] || explain "the server reads what it cannot send" \
    "expected" "that it takes a few MB, as the socket buffers hold" "got" "$sent bytes" \
    "it usually means" "it keeps all that it has read: poll for POLLIN again when nothing waits to be sent"
  means="the server does not read again when the client has read what waited"
  go client
  finish client
  assert_equal "$(size_of "$dir/received")" "$sent"
}

@test "server: a client that does not read costs it at most 256 KiB of its memory" {
  need_proc
  local i before after count=16
  # What it frees is to be free, also where a sanitizer watches.
  export ASAN_OPTIONS="$ASAN_OPTIONS:quarantine_size_mb=1"
  start_server -q
  start_visit first rcvbuf:4096 flood:8000000 pause
  wait_for_pause first
  before=$(proc_status "$server" VmRSS)
  for ((i = 0; i < count; i++)); do
    start_visit "client$i" rcvbuf:4096 flood:8000000 pause
  done
  for ((i = 0; i < count; i++)); do
    wait_for_pause "client$i"
  done
  after=$(proc_status "$server" VmRSS)
  [ $((after - before)) -le $((256 * count + 4096 * SLOWNESS)) ] ||
    explain "the memory grows with what clients do not read" \
      "expected" "$((256 * count)) kB more at most for $count clients" \
      "got" "$((after - before)) kB more" "it usually means" \
      "the server reads on while it cannot send: stop polling for POLLIN until all has gone"
}

@test "server: clients that do not read, or have half-closed too, do not make it spin" {
  need_proc
  start_server -q
  start_visit unread rcvbuf:4096 flood pause
  start_visit halved rcvbuf:4096 flood half-close pause
  wait_for_pause unread
  wait_for_pause halved
  assert_no_spin "$server" "poll() is asked for POLLIN from clients that are not read now, and returns at once, again and again"
}

@test "server: clients that have nothing to say do not make it spin" {
  need_proc
  start_server
  start_visit idle ask:hello pause
  wait_for_pause idle
  assert_no_spin "$server" "poll() has a timeout of 0, or is asked for POLLOUT where nothing waits to be sent: a socket is writable nearly always"
}

@test "server: 500 clients at once are served" {
  start_server
  means="a table of connections is too small, or select() is used: FD_SET() takes descriptors below FD_SETSIZE" \
    probe crowd 500 127.0.0.1 "$port" ask:hello send:again half-close expect:again expect-eof
  assert_server_stops
  assert_line_in "$server_out" '^Server stops after 500 connections$'
}

@test "server: 1500 clients at once are served, in whatever order they leave" {
  local hard
  hard=$(ulimit -Hn)
  [ "$hard" = unlimited ] || [ "$hard" -ge 1600 ] || skip "the hard limit on open files is $hard"
  start_server
  means="a table of connections is too small, or select() is used: FD_SET() takes descriptors below FD_SETSIZE"
  start_probe crowd crowd 1500 127.0.0.1 "$port" ask:hello 1/close 750/reset 2/close 1499/close \
    3/ask:hello 751/ask:hello 1500/ask:hello 1500/close 3/half-close 3/expect-eof 4/ask:hello pause
  LIMIT=$((30 * SLOWNESS)) wait_for_pause crowd
  assert_still_serves "an index into the tables is wrong after a connection was closed"
  [ ! -r /proc/self/status ] ||
    assert_no_spin "$server" "poll() still looks at the descriptor of a connection that is closed"
  assert_server_stops
  assert_line_in "$server_out" '^Server stops after 1501 connections$'
}

@test "server: after a thousand connections it has as many descriptors as before" {
  need_proc
  local before
  start_server -q
  visit ask:hello half-close expect-eof
  wait_for_line "$server_out" '^Server closes connection to '
  before=$(descriptors "$server")
  probe crowd 250 127.0.0.1 "$port" ask:hello half-close expect-eof close
  probe crowd 250 127.0.0.1 "$port" ask:hello close
  probe crowd 250 127.0.0.1 "$port" ask:hello reset
  probe crowd 250 127.0.0.1 "$port" send:hello reset
  as_before() { [ "$(descriptors "$server")" -eq "$before" ]; }
  wait_until as_before || explain "descriptors are left open" \
    "before" "$before" "after 1000 connections" "$(descriptors "$server")" \
    "it usually means" "one of the ways in which a connection ends does not close() it"
}

@test "server: a hundred clients can wait in its backlog" {
  start_server
  kill -STOP -- "-$server" # it accepts nobody: all of them wait. SOMAXCONN may be 128
  means="the backlog given to listen() is short: SOMAXCONN is the longest there is" \
    probe crowd 100 127.0.0.1 "$port" limit:10 say:connected
}

@test "server: clients that come without end do not keep the others from being served" {
  # accept() takes a moment, in which the next client comes: there is always one who waits.
  local accepted
  # shellcheck disable=SC2054 # one word
  local delay=(-qq -o /dev/null -e trace=accept,accept4 -e inject=accept,accept4:delay_enter=5000)
  command -v strace >/dev/null || skip "strace is not installed: it delays accept()"
  strace "${delay[@]}" true 2>/dev/null || skip "strace is not allowed here"
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # it cannot look for leaks under strace
  server_command=(strace -f "${delay[@]}" "${server_command[@]}")
  start_server
  start_visit talker ask:hello pause ask:again half-close expect-eof
  wait_for_pause talker
  start_probe crowd crowd 500 127.0.0.1 "$port" pause
  wait_for_pause crowd
  go talker
  means="all who wait are accepted before anybody is served; and while they come, somebody always waits"
  finish talker
  accepted=$(awk '/^Server accepts/ { accepted++ } /^Server echoes "again"/ { print accepted }' "$server_out")
  [ "${accepted:-501}" -lt 501 ] || explain "a client waits until all others are accepted" \
    "expected" "its echo before all of 501 clients are accepted" "got" "$accepted accepted before it"
}

# ---- The server and bad clients ----

@test "server: a client that leaves without a word is no end of the service" {
  start_server
  visit close
  assert_still_serves "recv() returned 0: that client has left, not all of them"
  assert_server_stops
}

@test "server: a client that resets the connection is no end of the service" {
  start_server
  visit ask:hello reset
  assert_still_serves "recv() failed with ECONNRESET: the client is gone, and that is no failure of the server"
  assert_server_stops
}

@test "server: clients that reset at once are no end of the service" {
  start_server
  kill -STOP -- "-$server" # they are gone before they are accepted
  probe crowd 20 127.0.0.1 "$port" reset
  probe crowd 20 127.0.0.1 "$port" send:hello reset
  signal_server CONT
  assert_still_serves "accept(), getpeername() or recv() failed for a client that is gone: that is no failure of the server"
  assert_server_stops
}

@test "server: writing to a client that is gone does not end it (SIGPIPE)" {
  start_server
  start_visit client ask:hello pause send:hello half-close reset
  wait_for_pause client
  kill -STOP -- "-$server" # it wakes up with input to echo, and nobody to echo to
  go client
  finish client
  signal_server CONT
  assert_still_serves "a write to a connection that is gone raises SIGPIPE, which ends the process unless it is ignored"
  assert_server_stops
}

@test "server: a client that vanishes in mid-send is no end of the service" {
  start_server -q
  visit flood:3000000 close
  assert_still_serves "send() failed with EPIPE or ECONNRESET: the client is gone, and that is no failure of the server"
  assert_server_stops
}

@test "server: a client that never reads, and leaves, is no end of the service" {
  start_server -q
  visit rcvbuf:4096 flood reset
  assert_still_serves "send() failed with EPIPE or ECONNRESET: the client is gone, and that is no failure of the server"
  wait_for_line "$server_out" '^Server closes connection to ' \
    "a connection for which only POLLOUT is asked has an error (POLLERR, POLLHUP): it is to be closed"
  assert_server_stops
}

@test "server: what a client does concerns no other: the others' bytes stay in order" {
  local i
  head -c 2000000 /dev/urandom >"$dir/sent"
  start_server -q
  start_visit good rcvbuf:65536 "exchange:$dir/sent:$dir/received"
  for i in 1 2 3; do
    visit flood:300000 reset
    visit send:hello close
    probe crowd 10 127.0.0.1 "$port" send:hello reset
  done
  finish good
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: clients that are gone before they are accepted have their addresses in the lines all the same" {
  start_server
  signal_server STOP
  probe crowd 5 127.0.0.1 "$port" reset
  signal_server CONT
  assert_still_serves "accept(), getpeername() or recv() failed for a client that is gone"
  assert_no_line_in "$server_out" '^Server (accepts|closes) connection (from|to) ([^1]|1[^2])' \
    "getpeername() fails for a client that is gone: accept() has told its address"
  assert_server_stops
}

# ---- Stopping the server ----

@test "server: SIGINT stops it before any client has come" {
  start_server
  assert_server_stops INT
  assert_lines "$server_out" <<END
Server listens on 127.0.0.1:$port
Server stops after 0 connections
END
  assert_nothing_in "$server_err"
}

@test "server: SIGTERM stops it before any client has come" {
  start_server
  assert_server_stops TERM
  assert_line_in "$server_out" '^Server stops after 0 connections$'
}

@test "server: stopped as soon as it is ready, it stops" {
  local i
  for i in 1 2 3 4 5 6 7 8 9 10; do
    start_server
    assert_server_stops TERM "the signal came before the handler was there, or between a look at the flag and poll(): let the handler write to a pipe that poll() watches"
  done
}

@test "server: SIGINT stops it within 2 s with idle clients, which see the end" {
  start_server
  start_probe idle crowd 20 127.0.0.1 "$port" ask:hello pause expect-eof
  wait_for_pause idle
  assert_server_stops INT
  go idle
  finish idle
  assert_line_in "$server_out" '^Server stops after 20 connections$'
}

# bats test_tags=points:10
@test "server: SIGTERM stops it within 2 s with idle clients, which see the end" {
  start_server
  start_probe idle crowd 20 127.0.0.1 "$port" ask:hello pause expect-eof
  wait_for_pause idle
  assert_server_stops TERM
  go idle
  finish idle
  assert_line_in "$server_out" '^Server stops after 20 connections$'
}

@test "server: SIGTERM stops it within 2 s with clients that do not read" {
  start_server
  start_visit first rcvbuf:4096 flood pause
  start_visit second rcvbuf:4096 flood half-close pause
  wait_for_pause first
  wait_for_pause second
  assert_server_stops TERM "the server waits until it has sent everything, which never comes: it has 2 s"
}

@test "server: SIGTERM stops it within 2 s with busy clients" {
  local i
  head -c 100000 /dev/zero >"$dir/in"
  start_server -q
  for i in 1 2 3; do
    start_visit "busy$i" "send-file:$dir/in" say:busy echo # each byte goes round and round
  done
  for i in 1 2 3; do
    wait_for_line "$dir/busy$i.out" '^busy$'
  done
  assert_server_stops TERM "the server echoes on as long as something comes: it has 2 s"
}

@test "server: SIGTERM stops it within 2 s while a client sends, and does not read" {
  local asked
  start_server -q
  start_visit client rcvbuf:4096 ask:hello pause flood
  wait_for_pause client
  signal_server STOP
  go client # what it sends fills the buffers, and more of it comes while the server stops
  asked=$(now_ms)
  signal_server TERM
  signal_server CONT
  assert_stopped "$asked" "the server reads, or waits until it has sent everything, without an end: it has 2 s"
}

@test "server: SIGTERM stops it within 2 s with clients that were not accepted yet" {
  local asked
  start_server
  signal_server STOP
  probe crowd 20 127.0.0.1 "$port" send:hello
  start_probe waiting crowd 20 127.0.0.1 "$port" send:hello pause
  wait_for_pause waiting
  asked=$(now_ms)
  signal_server TERM
  signal_server CONT
  assert_stopped "$asked"
}

@test "server: before it stops, it echoes what has arrived and was not read yet" {
  local asked name
  head -c 30000 /dev/urandom >"$dir/sent"
  start_server
  for name in first second third; do
    start_visit "$name" ask:hello pause "send-file:$dir/sent" pause:sent \
      "recv:30000:$dir/$name.received" expect-eof
    wait_for_pause "$name"
  done
  signal_server STOP
  for name in first second third; do
    go "$name"
    wait_for_pause "$name" sent
  done
  asked=$(now_ms)
  signal_server TERM
  signal_server CONT
  means="the server closes its connections as soon as the signal comes, with input unread: read until nothing more is there, echo it, then close"
  for name in first second third; do
    go "$name"
    finish "$name"
    assert_same_bytes "$dir/sent" "$dir/$name.received"
  done
  assert_stopped "$asked"
}

@test "server: what it has echoed before it stopped is not lost when the client reads it later" {
  head -c 60000 /dev/urandom >"$dir/sent"
  start_server
  start_visit client "send-file:$dir/sent" pause "recv:60000:$dir/received" expect-eof
  wait_for_pause client
  all_echoed() {
    [ "$(sed -n 's/^Server echoes .*(\([0-9]*\) bytes) to .*/\1/p' "$server_out" |
      awk '{ total += $1 } END { print total + 0 }')" -eq 60000 ]
  }
  wait_until all_echoed || explain "the server does not echo" "got" "$(show_lines "$server_out")"
  assert_server_stops
  means="the connection was reset: SO_LINGER 0, or close() with unread input, destroys what the client has not read yet"
  go client
  finish client
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: a second signal while it stops does no harm" {
  local asked
  start_server
  start_visit client rcvbuf:4096 flood pause
  wait_for_pause client
  asked=$(now_ms)
  signal_server TERM
  sleep 0.1 # two signals at once would be one; the test holds without
  kill -TERM -- "-$server" 2>/dev/null || true
  kill -INT -- "-$server" 2>/dev/null || true
  assert_stopped "$asked" "the second signal finds no handler any more, or starts the stopping anew"
}

@test "server: what it has echoed before it stopped is not lost when the client goes on sending" {
  head -c 30000 /dev/urandom >"$dir/sent"
  start_server
  start_visit client rcvbuf:4096 ask:hello "send-file:$dir/sent" pause:sent wait:200 send:more \
    wait:100 "recv-all:$dir/received"
  wait_for_pause client sent
  all_echoed() {
    [ "$(sed -n 's/^Server echoes .*(\([0-9]*\) bytes) to .*/\1/p' "$server_out" |
      awk '{ total += $1 } END { print total + 0 }')" -eq 30005 ]
  }
  wait_until all_echoed || explain "the server does not echo" "got" "$(show_lines "$server_out")"
  signal_server TERM
  go client
  means="close() while the client may still send: its next bytes are answered with a reset, which destroys what it has not read yet. shutdown(SHUT_WR) first, and read until the client has closed"
  finish client
  head -c 30000 "$dir/received" >"$dir/echo" # behind them may stand what came before the stop
  assert_same_bytes "$dir/sent" "$dir/echo"
  wait_for_exit "$server"
}

@test "server: what it has sent before it stopped is not lost, however late the client takes it" {
  # Much more has come than it could echo, and it may not close with that unread.
  head -c 1000003 /dev/urandom >"$dir/sent"
  start_server -q
  start_visit client rcvbuf:4096 "flood-file:$dir/sent" pause "recv-all:$dir/received"
  wait_for_pause client
  assert_server_stops
  means="close() with unread input resets the connection, and what the client has not read yet is lost"
  go client
  finish client
  cat "$dir/sent" "$dir/sent" "$dir/sent" "$dir/sent" "$dir/sent" "$dir/sent" "$dir/sent" "$dir/sent" |
    head -c "$(size_of "$dir/received")" >"$dir/echo"
  [ -s "$dir/received" ]
  assert_same_bytes "$dir/echo" "$dir/received"
}

# ---- The server and the system ----

@test "server: it can be restarted on its port at once" {
  start_server
  start_visit client ask:hello pause expect-eof close
  wait_for_pause client
  local wanted=$port
  assert_server_stops # the server's side closes first: there the old connection lingers
  go client
  finish client
  start server "${server_command[@]}" 127.0.0.1 "$wanted"
  server=$pid
  wait_until has_line_or_is_gone "$server_out" "$(ready_regex)" "$server"
  has_line "$server_out" "$(ready_regex)" || explain "the server cannot be started again" \
    "on stderr" "$(show_lines "$server_err")" "it usually means" \
    "SO_REUSEADDR is missing: without it, bind() fails for a minute after a connection on that port" \
    "read" "man 7 socket, SO_REUSEADDR; RFC 9293, 3.6.1"
  visit ask:hello
}

@test "server: a port that another server uses is a failure, one line and exit 1" {
  start_server
  local used=$port
  hang_means="two servers on one port: SO_REUSEPORT lets them share it, SO_REUSEADDR does not" \
    run_to_end second "${server_command[@]}" 127.0.0.1 "$used"
  assert_status 1
  assert_nothing_in "$dir/second.out" "no ready line before listen() has succeeded"
  assert_one_line "$dir/second.err" "^server: cannot listen on 127\.0\.0\.1:$used: ."
  visit ask:hello # the first one has not noticed
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

@test "server: it goes on serving when nobody reads its output any more, and stops as always" {
  start_server_into_pipe
  exec 5<&- # as head -1 does
  assert_still_serves "a write to a closed pipe raises SIGPIPE, which ends the process unless it is ignored"
  assert_still_serves "the server gives up when it cannot print: the output is lost, the service is not"
  signal_server TERM
  wait_for_exit "$server"
  assert_status 0 "the output is lost, the service is not"
}

@test "server: it goes on serving when the disk is full" {
  [ -c /dev/full ] || skip "this system has no /dev/full"
  reserve_port
  go reserve
  finish reserve
  stdout_file=/dev/full start server "${server_command[@]}" 127.0.0.1 "$port"
  server=$pid
  means="the server gives up when it cannot print: the output is lost, the service is not" \
    visit retry ask:hello ask:again half-close expect-eof
}

@test "server: started with stdin, stdout and stderr closed, it echoes just what it was sent" {
  reserve_port
  go reserve
  finish reserve
  start_closed() { exec "${server_command[@]}" 127.0.0.1 "$port" <&- >&- 2>&-; }
  start server start_closed
  server=$pid
  head -c 1000 /dev/urandom >"$dir/sent"
  means="a socket got descriptor 1 or 2, and what is printed goes to the client"
  visit retry "exchange:$dir/sent:$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
  head -c 2000 /dev/urandom >"$dir/sent" # lines on them would fill a pipe that got descriptor 1
  visit "ping:$dir/sent" half-close expect-eof
}

@test "server: it raises its soft limit on open files to the hard limit" {
  need_no_valgrind "it answers setrlimit() itself, and keeps some descriptors"
  [ -r /proc/self/limits ] || skip "this system has no /proc/PID/limits"
  with_ulimit '-S -n 100' "${server_command[@]}"
  server_command=("${limited[@]}")
  start_server
  awk '/^Max open files/ { exit $4 != $5 }' "/proc/$server/limits" ||
    explain "the soft limit on open files is not raised" \
      "got" "$(grep 'open files' "/proc/$server/limits")" "read" "man 2 setrlimit"
}

@test "server: out of descriptors it says so once, keeps its clients, and does not spin" {
  start_server
  start_visit kept ask:hello pause ask:again pause:again half-close expect-eof
  wait_for_pause kept
  starve_server
  start_visit waiting say:connected ask:hello half-close expect-eof
  wait_for_line "$server_err" '^server: .' "accept() failed with EMFILE, and nothing was said"
  assert_no_spin "$server" "accept() fails with EMFILE again and again, as long as the client waits: do not poll the listener meanwhile"
  means="a client that was there before is not served any more"
  go kept
  wait_for_pause kept again
  assert_one_line "$server_err" '^server: .' "one line for each time that descriptors run out"
}

@test "server: out of descriptors, whoever waits is served as soon as a client leaves" {
  start_server
  start_visit kept ask:hello pause half-close expect-eof
  wait_for_pause kept
  starve_server
  start_visit waiting say:connected ask:hello half-close expect-eof
  wait_for_line "$server_err" '^server: .'
  means="the listener is not polled again when a descriptor is free"
  go kept
  finish kept
  finish waiting $((10 * SLOWNESS))
  assert_one_line "$server_err" '^server: .' "one line for each time that descriptors run out"
  assert_server_stops
  assert_line_in "$server_out" '^Server stops after 2 connections$'
}

@test "server: out of descriptors without a client, it serves as soon as there are some again" {
  start_server
  starve_server
  start_visit waiting say:connected ask:hello half-close expect-eof
  wait_for_line "$server_err" '^server: .' "accept() failed with EMFILE, and nothing was said"
  assert_no_spin "$server" "accept() fails with EMFILE again and again, as long as the client waits"
  assert_one_line "$server_err" '^server: .' "one line for each time that descriptors run out"
  prlimit --pid "$server" --nofile=200:
  means="no connection of the server itself will close: it has to try again after some time"
  finish waiting $((10 * SLOWNESS))
}

@test "server: out of descriptors, it says so once as long as somebody waits" {
  local name
  start_server
  start_visit kept ask:hello pause half-close expect-eof
  wait_for_pause kept
  starve_server
  for name in first second third; do
    start_visit "$name" say:connected ask:hello half-close expect-eof
    wait_for_line "$dir/$name.out" '^connected$'
  done
  wait_for_line "$server_err" '^server: .'
  go kept
  for name in kept first second third; do
    finish "$name"
  done
  assert_one_line "$server_err" '^server: .' \
    "an episode ends when a client could be accepted and none waits: until then, nothing new is to be said"
}

@test "server: when descriptors run out anew, it says so anew" {
  local time
  start_server
  start_visit kept1 ask:hello pause half-close expect-eof
  wait_for_pause kept1
  starve_server
  for time in 1 2; do
    start_visit "waiting$time" say:connected ask:hello pause half-close expect-eof
    said_so() { [ "$(count_lines "$server_err" '^server: .')" -eq "$time" ]; }
    wait_until said_so || explain "descriptors ran out, and nothing was said" \
      "expected" "$time lines" "got" "$(show_lines "$server_err")" "it usually means" \
      "the episode before has ended when a client could be accepted and none waited: forget it then"
    go "kept$time"
    finish "kept$time"
    wait_for_pause "waiting$time"
    eval "probe_kept$((time + 1))=\$probe_waiting$time"
    ln -s "$dir/waiting$time.in" "$dir/kept$((time + 1)).in"
  done
  assert_line_count 2 "$server_err" .
}

@test "server: out of descriptors, SIGTERM stops it within 2 s" {
  start_server
  start_visit kept ask:hello pause
  wait_for_pause kept
  starve_server
  start_visit waiting send:hello pause
  wait_for_line "$server_err" '^server: .'
  assert_server_stops
}

@test "server: more clients than descriptors are all served, one after another" {
  need_no_valgrind "it closes what accept() returns where it wants the descriptor for itself"
  printf hello >"$dir/in"
  with_ulimit '-n 60' "${server_command[@]}"
  server_command=("${limited[@]}")
  start_server
  # Each in turn sends, half-closes, and receives to the end: this makes room for one more.
  # 60 of them and the backlog hold all: SOMAXCONN may be 128.
  means="the server dies, or accepts nobody any more, when accept() fails with EMFILE" \
    probe crowd 120 127.0.0.1 "$port" limit:20 "exchange:$dir/in:"
  wait_until has_line "$server_err" '^server: .' ||
    explain "120 clients with 60 descriptors, and nothing was said"
  assert_still_serves "the server does not recover from a lack of descriptors"
  assert_server_stops
  assert_line_in "$server_out" '^Server stops after 121 connections$'
}

@test "server: it goes on serving, and stops, when its output is a pipe that is full and that nobody reads" {
  local before took
  start_server_into_pipe
  "$timeout_command" 1 cat /dev/zero >"$dir/output" || true # the pipe is full
  means="write() waits until somebody reads the pipe: the output may be lost, the service may not" \
    visit ask:hello half-close expect-eof
  start_probe stay crowd 10 127.0.0.1 "$port" ask:hello pause expect-end
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
  visit "ping:$dir/in"
  assert_still_serves "$means"
  assert_log_is_full
}

# ---- The client ----

# bats test_tags=points:10
@test "client: it sends its messages, all of them, and nothing else" {
  fake_crowd 2 expect:one send:one expect:two send:two expect-eof
  means="the client sent more than its messages: the NUL behind them, a newline, or a whole buffer"
  run_client 127.0.0.1 "$port" 2 one two
  assert_echoed 2 2
  finish fake
}

@test "client: it sends a message only when the one before has come back in full" {
  means="the client sends its messages without waiting for their echo"
  fake_server expect:first expect-nothing send:fir expect-nothing send:st expect:second \
    expect-nothing send:second expect-eof
  run_client 127.0.0.1 "$port" 1 first second
  assert_echoed 1 1
  finish fake
}

# bats test_tags=points:10
@test "client: it opens all of its connections at once" {
  # The fake server takes 50 connections before it answers on any.
  fake_crowd 50 echo
  hang_means="the client opens a connection only when it is done with the one before" \
    run_client 127.0.0.1 "$port" 50 ahoy again
  assert_echoed 50 50
  finish fake
}

@test "client: a connection that has to wait holds up no other" {
  # Connection 1 gets its echo only when all is over on the others; then the same with the last.
  fake_crowd 3 2/echo 3/echo 1/echo
  hang_means="the client waits for the echo on one connection, and looks at no other meanwhile" \
    run_client 127.0.0.1 "$port" 3 ahoy again
  assert_echoed 3 3
  finish fake
  fake_crowd 3 3/echo 1/echo 2/echo
  hang_means="the client waits for the echo on one connection, and looks at no other meanwhile" \
    run_client 127.0.0.1 "$port" 3 ahoy again
  assert_echoed 3 3
  finish fake
}

# bats test_tags=points:10
@test "client: an echo that comes in pieces is received in full" {
  fake_crowd 2 recv:12 send:Hel pause "send:lo, w" pause send:orld expect-eof
  start_client 127.0.0.1 "$port" 2 'Hello, world'
  wait_for_pause fake
  sleep 0.1 # makes it likely that the first piece is read alone; the test holds without
  go fake
  go fake
  wait_for_exit "$client" "$LIMIT"
  assert_echoed 2 2 "one recv() may return a part of the echo: go on until all has come"
  finish fake
  assert_line_in "$client_out" '^Client receives "Hello, world" \(12 bytes\) on connection 1$'
  assert_line_in "$client_out" '^Client receives "Hello, world" \(12 bytes\) on connection 2$'
  assert_line_count 2 "$client_out" '^Client receives ' "one line for each message, not for each recv()"
}

@test "client: an echo that comes a byte at a time is received in full" {
  printf 'Hello, world' >"$dir/in"
  fake_server recv:12 "bytes:$dir/in" expect-eof
  run_client 127.0.0.1 "$port" 1 'Hello, world'
  assert_echoed 1 1
  finish fake
  assert_line_count 1 "$client_out" '^Client receives ' "one line for each message, not for each recv()"
}

@test "client: an empty message is a message: it does not freeze, and prints both lines" {
  fake_server expect-eof
  hang_means="it waits in recv() for an echo of no bytes" run_client 127.0.0.1 "$port" 1 ''
  assert_status 0
  finish fake
  assert_lines "$client_out" <<END
Client starts connection 1 to 127.0.0.1:$port
Client sends "" (0 bytes) on connection 1
Client receives "" (0 bytes) on connection 1
Client closes connection 1
Client echoed on 1 of 1 connections
END
}

@test "client: empty messages may stand before, between and behind others" {
  fake_crowd 2 expect:one send:one expect:two send:two expect-eof
  hang_means="it waits in recv() for an echo of no bytes" \
    run_client 127.0.0.1 "$port" 2 '' one '' '' two ''
  assert_echoed 2 2
  finish fake
  assert_lines_of_connection 2 <<END
Client starts connection 2 to 127.0.0.1:$port
Client sends "" (0 bytes) on connection 2
Client receives "" (0 bytes) on connection 2
Client sends "one" (3 bytes) on connection 2
Client receives "one" (3 bytes) on connection 2
Client sends "" (0 bytes) on connection 2
Client receives "" (0 bytes) on connection 2
Client sends "" (0 bytes) on connection 2
Client receives "" (0 bytes) on connection 2
Client sends "two" (3 bytes) on connection 2
Client receives "two" (3 bytes) on connection 2
Client sends "" (0 bytes) on connection 2
Client receives "" (0 bytes) on connection 2
Client closes connection 2
END
}

@test "client: long messages are echoed, however little the socket buffers hold" {
  local long
  long=$(repeat 1200 "$(repeat 100 x)")
  fake_crowd 3 rcvbuf:2048 sndbuf:2048 echo
  limit=$((30 * SLOWNESS)) run_client 127.0.0.1 "$port" 3 "$long" "$long" "$long"
  assert_echoed 3 3
  finish fake
  assert_line_count 9 "$client_out" "^Client receives \"$(repeat 64 x)\"\.\.\. \(120000 bytes\) on connection [123]\$"
}

@test "client: a message longer than its socket takes at once is sent in full" {
  # In a network of their own, where a socket takes a few KB, as it may everywhere.
  # shellcheck disable=SC2016 # the inner shell expands it
  local long small='ip link set lo up && echo 4096 4096 4096 >/proc/sys/net/ipv4/tcp_wmem && exec "$@"'
  unshare -rn sh -c "$small" sh true 2>/dev/null && command -v nsenter >/dev/null ||
    skip "this system lets no test have a network of its own"
  mkfifo "$dir/fake.in"
  stdin_file=$dir/fake.in start fake unshare -rn sh -c "$small" sh \
    "$SUPPORT/bin/probe" listen-crowd 3 rcvbuf:2048 echo
  probe_fake=$pid
  wait_for_line "$dir/fake.out" '^listening [0-9]+$'
  port=$(sed -n 's/^listening //p' "$dir/fake.out")
  client_command=(nsenter -t "$probe_fake" -U -n --preserve-credentials "${client_command[@]}")
  long=$(repeat 1200 "$(repeat 100 x)")
  limit=$((30 * SLOWNESS)) \
    hang_means="send() took less than it was given, and the rest was never sent: the echo of it never comes" \
    run_client 127.0.0.1 "$port" 3 "$long" "$long"
  assert_echoed 3 3
  finish fake
}

@test "client: a server that reads slowly holds up no other connection" {
  # Connection 1 is full and not read while the others go on to their end.
  local long
  long=$(repeat 1200 "$(repeat 100 x)")
  fake_crowd 2 rcvbuf:2048 1/recv:1 2/echo 1/recv:119999 close
  run_client 127.0.0.1 "$port" 2 "$long" "$long"
  assert_echoed 1 2 "the client waits in send() on one connection, and looks at no other meanwhile"
  finish fake
}

@test "client: while it waits for the echo, it does not spin" {
  need_proc
  fake_crowd 2 recv:4 pause send:ahoy expect-eof
  start_client 127.0.0.1 "$port" 2 ahoy
  wait_for_pause fake
  assert_no_spin "$client" "poll() has a timeout of 0, or is asked for POLLOUT where nothing is left to send: a socket is writable nearly always"
  go fake
  wait_for_exit "$client"
  assert_echoed 2 2
}

@test "client: an echo that differs is a failure, wherever the wrong byte is" {
  local wrong
  for wrong in 0 5 11 12; do # the last one is in the second message
    fake_server "corrupt:$wrong"
    run_client 127.0.0.1 "$port" 1 'Hello, world' again
    assert_client_fails '^client: connection 1: the echo differs from what was sent$' \
      "byte $wrong was changed on the way: every byte is compared, with memcmp()"
    assert_echoed 0 1
  done
}

@test "client: an echo that differs late in a long message is a failure" {
  fake_server corrupt:99999
  run_client 127.0.0.1 "$port" 1 "$(repeat 1000 "$(repeat 100 x)")"
  assert_client_fails '^client: connection 1: the echo differs from what was sent$' \
    "every byte is compared, not only the first piece"
}

@test "client: a server that sends more than the echo neither hangs nor crashes it" {
  fake_server recv:5 "send:hello and then some more that nobody asked for" recv-all
  run_client 127.0.0.1 "$port" 1 hello
  [ "$status" -eq 0 ] ||
    assert_client_fails '^client: connection 1: the echo differs from what was sent$'
}

@test "client: a server that closes before the echo is a failure" {
  fake_server recv:5 half-close expect-eof
  run_client 127.0.0.1 "$port" 1 hello
  assert_client_fails '^client: connection 1: connection closed by server$' \
    "recv() returned 0: the server has closed, and nothing more will come"
  assert_echoed 0 1
}

@test "client: a server that closes in the middle of the echo is a failure" {
  fake_server recv:5 send:hel half-close expect-eof
  run_client 127.0.0.1 "$port" 1 hello
  assert_client_fails '^client: connection 1: connection closed by server$' \
    "recv() returned 0: the server has closed, and nothing more will come"
}

@test "client: a server that closes between two messages is a failure" {
  fake_server recv:5 send:hello half-close recv-all
  run_client 127.0.0.1 "$port" 1 hello again
  assert_client_fails '^client: connection 1: connection closed by server$' \
    "the second message was never echoed: not all is done when one echo has come"
  assert_echoed 0 1
}

@test "client: a server that closes behind the last echo is no failure" {
  fake_server expect:one send:one expect:two send:two half-close expect-eof
  run_client 127.0.0.1 "$port" 1 one two
  assert_echoed 1 1 "all has come back: it does not matter any more who closes first"
  finish fake
}

@test "client: a server that resets the connection is a failure" {
  fake_server recv:5 send:hel reset
  run_client 127.0.0.1 "$port" 1 hello
  assert_client_fails '^client: connection 1: connection closed by server$' "recv() failed with ECONNRESET"
  assert_echoed 0 1
}

@test "client: writing to a server that is gone does not end it (SIGPIPE)" {
  fake_server recv:3 pause send:one half-close reset
  start_client 127.0.0.1 "$port" 1 one two
  wait_for_pause fake
  kill -STOP -- "-$client" # it wakes up with the echo, the next message to send, and nobody there
  go fake
  finish fake
  kill -CONT -- "-$client"
  wait_for_exit "$client"
  assert_client_fails '^client: connection 1: connection closed by server$'
  assert_echoed 0 1
}

@test "client: a server that resets while the client sends is a failure" {
  local long
  long=$(repeat 1200 "$(repeat 100 x)")
  fake_server rcvbuf:2048 recv:1 reset
  run_client 127.0.0.1 "$port" 1 "$long" "$long"
  assert_client_fails '^client: connection 1: connection closed by server$'
  assert_echoed 0 1
}

@test "client: when one connection fails, the others go on" {
  local how
  for how in half-close reset send:xyz; do
    fake_crowd 3 2/recv:3 "2/$how" echo
    run_client 127.0.0.1 "$port" 3 one two three
    assert_echoed 2 3 "one connection failed ($how): the others have nothing to do with it"
    assert_one_line "$client_err" '^client: connection [123]: (connection closed by server|the echo differs from what was sent)$'
  done
}

@test "client: each connection that fails says why in a line of its own" {
  fake_crowd 4 recv:3 1/close 2/send:xyz 3/reset 4/send:one 4/close
  run_client 127.0.0.1 "$port" 4 one
  assert_echoed 1 4
  assert_line_count 3 "$client_err" .
  assert_line_count 2 "$client_err" '^client: connection [1-4]: connection closed by server$'
  assert_line_count 1 "$client_err" '^client: connection [1-4]: the echo differs from what was sent$'
  assert_equal "$(sed 's/^client: connection \(.\).*/\1/' "$client_err" | sort -u | wc -l | tr -d ' ')" 3
}

@test "client: refused connections are failures, one line for each, and the last line comes" {
  reserve_port
  run_client 127.0.0.1 "$port" 3 ahoy
  assert_echoed 0 3
  sort "$client_err" >"$dir/sorted"
  assert_lines "$dir/sorted" <<END
client: connection 1: Connection refused
client: connection 2: Connection refused
client: connection 3: Connection refused
END
  assert_no_line_in "$client_out" '^Client (sends|receives)' "there was no connection to send on"
}

@test "client: an address that cannot be connected to is a failure, one line for each connection" {
  # No stream leads to the broadcast address: connect() says so at once, also on a socket that does
  # not block.
  run_client 255.255.255.255 1 3 ahoy
  assert_echoed 0 3
  for i in 1 2 3; do
    assert_line_in "$client_err" "^client: connection $i: [^ ]" "each connection says why it has failed"
  done
  [ "$(awk 'END { print NR }' "$client_err")" -eq 3 ] ||
    explain "one line for each connection was expected" "got" "$(show_lines "$client_err")"
}

@test "client: an unknown host is a failure, one line and exit 1" {
  export RES_OPTIONS='attempts:1 timeout:1' # where a name server is asked, it need not wait long
  limit=$((30 * SLOWNESS)) run_client host.invalid 1
  assert_client_fails '^client: cannot connect to host\.invalid:1: .'
}

@test "client: it tries every address of a host in turn" {
  printf '%s two.test\n' 127.0.0.1 127.0.0.2 >"$dir/hosts"
  # shellcheck disable=SC2016 # the inner shell expands them
  local with_hosts=(unshare -rm sh -c 'mount --bind "$0" "${ECHO_ROOT:-}/etc/hosts" && exec "$@"' "$dir/hosts")
  "${with_hosts[@]}" true 2>/dev/null || skip "this system lets no test have its own /etc/hosts"
  client_command=("${with_hosts[@]}" "${client_command[@]}")
  local address
  for address in 127.0.0.1 127.0.0.2; do
    start_probe fake listen-crowd 2 "on:$address" echo
    wait_for_line "$dir/fake.out" '^listening [0-9]+$'
    port=$(sed -n 's/^listening //p' "$dir/fake.out")
    run_client two.test "$port" 2 ahoy
    assert_echoed 2 2 "two.test is 127.0.0.1 and 127.0.0.2: when one refuses, the other is tried"
    finish fake
    assert_line_in "$client_out" "^Client starts connection 1 to $address:$port\$"
    assert_nothing_in "$client_err" "a connection fails when its last address has"
  done
}

@test "client: localhost is found, on IPv4 and on IPv6" {
  fake_server echo
  run_client localhost "$port" 1 ahoy
  assert_echoed 1 1 "localhost may be ::1 and 127.0.0.1: when one refuses, the other is tried"
  finish fake
  getent ahostsv6 localhost 2>/dev/null | grep -q '^::1 ' || skip "localhost is not ::1 here"
  need_ipv6
  fake_server on:::1 echo
  run_client localhost "$port" 1 ahoy
  assert_echoed 1 1
  finish fake
}

@test "client: IPv6 addresses stand in brackets" {
  need_ipv6
  fake_server on:::1 echo
  run_client ::1 "$port" 1 ahoy
  assert_echoed 1 1
  assert_line_in "$client_out" "^Client starts connection 1 to \[::1\]:$port\$"
}

@test "client: stopped and continued while it waits, it goes on" {
  fake_server recv:4 pause send:ahoy expect-eof
  start_client 127.0.0.1 "$port" 1 ahoy
  wait_for_pause fake
  kill -STOP -- "-$client"
  kill -CONT -- "-$client"
  go fake
  wait_for_exit "$client"
  assert_echoed 1 1
}

@test "client: interrupted system calls (EINTR) are done again" {
  command -v strace >/dev/null || skip "strace is not installed: it makes calls fail with EINTR"
  strace -qq -o /dev/null -e trace=accept true 2>/dev/null || skip "strace is not allowed here"
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # it cannot look for leaks under strace
  client_command=(strace -f -qq -o /dev/null
    -e 'inject=recvfrom,recvmsg,sendto,sendmsg,?poll,ppoll,?select,pselect6,?epoll_wait,epoll_pwait:error=EINTR:when=1+2'
    "${client_command[@]}")
  fake_crowd 2 echo
  run_client 127.0.0.1 "$port" 2 ahoy again
  assert_echoed 2 2 "recv(), send() or poll() failed with EINTR: a signal came first, nothing is lost, ask again"
  finish fake
}

@test "client: a disk that is full is a failure" {
  [ -c /dev/full ] || skip "this system has no /dev/full"
  fake_server echo
  stdout_file=/dev/full run_client 127.0.0.1 "$port" 1 ahoy
  assert_status 1 "the result of printing was not checked: fflush(), ferror()"
  assert_line_in "$client_err" '^client: .'
}

@test "client: started with stdin, stdout and stderr closed, it sends its messages and nothing else" {
  fake_crowd 2 expect:ahoy send:ahoy expect:again send:again expect-eof
  means="a socket got descriptor 1 or 2, and what is printed goes to the server"
  start_closed() { exec "${client_command[@]}" 127.0.0.1 "$port" 2 ahoy again <&- >&- 2>&-; }
  start client start_closed
  client=$pid
  wait_for_exit "$client"
  finish fake
}

@test "client: 500 connections at once are echoed" {
  local hard
  hard=$(ulimit -Hn)
  [ "$hard" = unlimited ] || [ "$hard" -ge 600 ] || skip "the hard limit on open files is $hard"
  fake_crowd 500 echo
  limit=$((30 * SLOWNESS)) run_client -q 127.0.0.1 "$port" 500 one two three
  assert_echoed 500 500
  assert_line_count 500 "$client_out" '^Client starts connection [0-9]+ to '
  assert_line_count 500 "$client_out" '^Client closes connection [0-9]+$'
  finish fake
}

@test "client: more connections than its soft limit on open files are echoed: it raises the limit" {
  need_no_valgrind "it answers setrlimit() itself, and keeps some descriptors"
  with_ulimit '-S -n 60' "${client_command[@]}"
  client_command=("${limited[@]}")
  fake_crowd 100 echo
  hang_means="some connections were never opened" run_client -q 127.0.0.1 "$port" 100 ahoy
  assert_echoed 100 100 "the soft limit on open files is not raised to the hard limit: man 2 setrlimit"
  finish fake
}

@test "client: -q does not leave out why a connection has failed" {
  fake_server recv:5 close
  run_client -q 127.0.0.1 "$port" 1 hello
  assert_echoed 0 1
  assert_one_line "$client_err" '^client: connection 1: connection closed by server$' "-q leaves out the lines on sending and receiving, and only those"
}

@test "client: where nobody listens, it is refused, and never connected to itself" {
  isolate_client
  run_client 127.0.0.1 50000 1 hello
  assert_client_fails '^client: connection 1: Connection refused$' "$means"
  assert_line_in "$client_out" '^Client echoed on 0 of 1 connections$'
}

# ---- Both together ----

# bats test_tags=points:10
@test "server and client: all messages come back on all connections, and both exit 0" {
  start_server
  run_client 127.0.0.1 "$port"
  assert_echoed 2 2
  assert_server_stops
  assert_line_in "$server_out" '^Server stops after 2 connections$'
  assert_line_count 2 "$server_out" '^Server echoes "Message 1 from client\." \(22 bytes\) to 127\.0\.0\.1:[0-9]+$'
  assert_line_count 2 "$server_out" '^Server echoes "Message 2 from client\." \(22 bytes\) to 127\.0\.0\.1:[0-9]+$'
}

@test "server and client: long messages on many connections come back" {
  local long
  long=$(repeat 1200 "$(repeat 100 x)")
  start_server -q
  limit=$((30 * SLOWNESS)) run_client -q 127.0.0.1 "$port" 50 "$long" '' "$long" short
  assert_echoed 50 50
  assert_server_stops
}

@test "server and client: a thousand connections at once" {
  local hard
  hard=$(ulimit -Hn)
  [ "$hard" = unlimited ] || [ "$hard" -ge 1100 ] || skip "the hard limit on open files is $hard"
  start_server -q
  limit=$((30 * SLOWNESS)) run_client -q 127.0.0.1 "$port" 1000 one two
  assert_echoed 1000 1000
  assert_server_stops
  assert_line_in "$server_out" '^Server stops after 1000 connections$'
}

@test "server and client: a client that may not open so many connections says so, and exits 1" {
  start_server -q
  with_ulimit '-n 60' "${client_command[@]}"
  client_command=("${limited[@]}")
  hang_means="it waits for connections that were never opened" run_client -q 127.0.0.1 "$port" 200 ahoy
  assert_status 1
  assert_line_in "$client_err" '^client: .' "socket() failed with EMFILE, and nothing was said"
  assert_no_line_in "$client_out" '^Client echoed on 200 of '
  assert_still_serves "the server suffers from a client that has failed"
}

@test "server and client: help that cannot be written is a failure" {
  assert_lost_help_is_a_failure
}
