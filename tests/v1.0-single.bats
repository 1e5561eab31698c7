#!/usr/bin/env bats
# v1.0-single: one server, one client, one connection. What all stages have to do is in every-stage.bats.

STAGE=v1.0-single
load support/stages

# ---- One client, and the end ----

# bats test_tags=points:10
@test "server: it serves one client and exits 0" {
  start_server
  visit ask:hello half-close expect-eof
  assert_unharmed
}

# bats test_tags=points:10
@test "server and client: the client's message comes back, and both exit 0" {
  start_server
  run_client 127.0.0.1 "$port" 'Hello, world'
  assert_status 0
  client_lines "127.0.0.1:$port" '"Hello, world" (12 bytes)' | assert_lines "$client_out"
  assert_unharmed
  assert_line_in "$server_out" '^Server echoes "Hello, world" \(12 bytes\) to 127\.0\.0\.1:[0-9]+$'
}

@test "server: a client that resets at once was its client" {
  start_server
  visit reset
  # Where the reset came before accept(), the system may have dropped the client silently.
  wait_for_line "$server_out" "$accepted" || skip "this system does not hand out a connection that was reset"
  assert_unharmed
}

@test "server: clients that come meanwhile are refused, or closed at the end" {
  start_server
  visit_until_pause first ask:hello pause half-close expect-eof
  start_visit second send:hello expect-end
  go_and_finish first
  assert_unharmed
  wait_for_exit "$probe_second" "$LIMIT" "the second client waits for ever: the listener was not closed"
  [ "$status" -ne 3 ] || explain "the second client waits for ever"
  assert_line_count 1 "$server_out" "$accepted" "a second client was served"
}

# Expects that a signal does to the server what it does to any program.
assert_ended_by() { # SIGNAL STATUS
  local meaning="in this stage, SIG$1 has its default action"
  start_server
  signal_server "$1"
  wait_for_exit "$server"
  assert_status "$2" "$meaning"
  start_server
  visit_until_pause client ask:hello pause expect-end
  signal_server "$1"
  wait_for_exit "$server"
  assert_status "$2" "$meaning"
  go_and_finish client
}

@test "server: SIGINT ends it, before a client comes and while it serves one" {
  ! is_ignored INT || skip "SIGINT is ignored where this suite was started"
  assert_ended_by INT 130
}

@test "server: SIGTERM ends it, before a client comes and while it serves one" {
  assert_ended_by TERM 143
}

@test "server: a port in use is a failure, also where the host has another address" {
  local with_hosts
  name_two_addresses 127.0.0.1 127.0.0.2
  start_server
  hang_means="it listens on the next address: two servers that seem to be one" \
    run_to_end second "${with_hosts[@]}" "${server_command[@]}" two.test "$port"
  assert_status 1
  assert_nothing_in "$dir/second.out"
  assert_one_line "$dir/second.err" "^server: cannot listen on two\.test:$port: ."
}

# ---- The message of the client ----

# bats test_tags=points:10
@test "client: three operands are the host, the port and the message" {
  fake_server expect:ahoy send:ahoy expect-eof
  assert_client_succeeds ahoy
}

@test "client: two operands are the host and the port, and the message is Hello, world" {
  fake_server 'expect:Hello, world' 'send:Hello, world' expect-eof
  assert_client_succeeds
}

# bats test_tags=points:10
@test "client: it sends the message, all of it, and nothing else" {
  fake_server "recv:4:$dir/received" send:ahoy expect-eof
  run_client 127.0.0.1 "$port" ahoy
  assert_status 0
  means="the client sent more than the message: the NUL behind it, a newline, or a whole buffer" finish fake
  printf ahoy >"$dir/sent"
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "client: a long message is echoed, however little the socket buffers hold" {
  fake_server rcvbuf:2048 sndbuf:2048 echo
  assert_client_succeeds "$(repeat 120000 x)"
  assert_line_in "$client_out" "^Client receives \"$(repeat 64 x)\"\.\.\. \(120000 bytes\)\$"
}

@test "client: a long message is echoed where buffers hold next to nothing" {
  local there
  make_host tcp_wmem="4096 4096 4096" tcp_rmem="4096 4096 4096"
  client_command=("${there[@]}" "${client_command[@]}")
  probe_command=("${there[@]}" "${probe_command[@]}")
  fake_server echo
  hang_means="all was sent before anything was received: the echo fills the buffers, and both wait in send()" \
    assert_client_succeeds "$(repeat 120000 x)"
}

@test "client: however long its operands are, it says why it failed" {
  reserve_port
  means="what was tried is so long that the reason has no room behind it"
  run_client 127.0.0.1 "$(printf '%02000d' "$port")"
  assert_client_fails '^client: cannot connect to 127\.0\.0\.1:[0-9]+: Connection refused$' "$means"
  run_client "$(repeat 2000 x)" 80
  assert_client_fails '^client: cannot connect to xx.*:80: .*[A-Za-z]' "$means"
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

# ---- The message from stdin ----

# Sends a file with the client, which is to show it as QUOTED on stderr, and to give it back on stdout.
assert_client_shows_file() { # FILE QUOTED
  fake_server echo
  assert_client_succeeds - <"$1"
  assert_same_bytes "$1" "$client_out"
  client_lines "127.0.0.1:$port" "$2" | assert_lines "$client_err"
}

@test "client: of stdin it shows the size of all and the first bytes, NULs included" {
  printf 'a\0b\0' >"$dir/in"
  assert_client_shows_file "$dir/in" '"a\x00b\x00" (4 bytes)'
  every_byte >"$dir/in"
  assert_client_shows_file "$dir/in" '"\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10"... (256 bytes)'
  head -c 300000 /dev/zero >"$dir/in"
  assert_client_shows_file "$dir/in" "\"$(repeat 16 '\x00')\"... (300000 bytes)"
}

@test "client: an empty stdin is a message too" {
  assert_client_shows_file /dev/null '"" (0 bytes)'
}

@test "client: with stdin as the message, the echo comes before the input ends" {
  mkfifo "$dir/in"
  fake_server echo
  stdin_file=$dir/in start_client 127.0.0.1 "$port" -
  wait_for_line "$client_err" '^Client connects to '
  printf hello 1<>"$dir/in"
  has_echo() { [ "$(cat "$client_out")" = hello ]; }
  wait_until has_echo || explain "what was typed does not come back" "got" "$(show_lines "$client_out")" \
    "it usually means" "all of stdin is read before something is sent, or the echo stays in the buffer of stdout: fflush()"
}

@test "client: with stdin as the message, -q leaves the two QUOTED lines out of stderr" {
  fake_server echo
  run_client -q 127.0.0.1 "$port" - <<<hello
  assert_status 0
  finish fake
  echo hello | assert_lines "$client_out" "stdout gets the echoed bytes alone"
  client_lines "127.0.0.1:$port" '' | sed '2,3d' | assert_lines "$client_err"
}

@test "client: every byte value passes through stdin and stdout, NULs included" {
  every_byte >"$dir/in"
  fake_server "recv:256:$dir/received" "send-file:$dir/in" expect-eof
  assert_client_succeeds - <"$dir/in"
  assert_same_bytes "$dir/in" "$dir/received"
  assert_same_bytes "$dir/in" "$client_out"
}

@test "client: an echo that differs behind a NUL, or late, is a failure" {
  head -c 100000 /dev/zero >"$dir/in"
  fake_server corrupt:99999
  run_client 127.0.0.1 "$port" - <"$dir/in"
  assert_status 1 "strcmp() and strncmp() stop at a NUL: compare with memcmp()"
  assert_line_in "$client_err" '^client: the echo differs from what was sent$'
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
  wait_for_line "$client_err" '^Client connects to ' # it has opened its stdin
  exec 6<>"$dir/in" # a reader, for a client that has left: without one, the next line would wait for ever
  exec 5>"$dir/in" 6<&-
  head -c 1048576 /dev/zero >&5 || true
  finish fake # the echo is complete, and the client waits for more of its stdin
  head -c 1048576 /dev/zero >&5 2>/dev/null || true
  exec 5>&-
  wait_for_exit "$client"
  assert_status 1
  assert_line_in "$client_err" '^client: connection closed by server$'
}

# ---- The client without its descriptors ----

# Starts a client without descriptor N, and expects that it sends `ahoy` and nothing else.
assert_sends_only_ahoy() { # N OPTION... MESSAGE
  need_no_valgrind "its log takes the descriptor that is closed"
  fake_server "recv-all:$dir/received" close
  printf ahoy >"$dir/sent"
  start_closed() {
    eval "exec $1>&-"
    exec "${client_command[@]}" 127.0.0.1 "$port" "${@:2}"
  }
  stdin_file=$dir/sent start client start_closed "$@"
  client=$pid
  # The fake server never echoes, so that all that the client sends is seen. A client that
  # half-closes has ended by now; one that waits for the echo is ended.
  wait_until test -s "$dir/received"
  kill -TERM -- "-$client" 2>/dev/null || true
  wait_for_exit "$client"
  finish fake
  means="the socket got descriptor $1, and what is printed there goes to the server"
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "client: started with stdout closed, it sends the message and nothing else" {
  assert_sends_only_ahoy 1 -q ahoy
}

@test "client: started with stderr closed, it sends its stdin and nothing else" {
  assert_sends_only_ahoy 2 -
}
