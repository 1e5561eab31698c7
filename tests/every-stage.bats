#!/usr/bin/env bats
# What every stage's programs have to do: section 1 of tests/CONTRACT.md. The stage is in the variable
# STAGE; tests/suite v1.1 runs this for v1.1-multiconn, and its own suite too.
#
# A test is for all stages, or for those that its tags name: single, multiconn, threaded-broadcast,
# reverse. In what they differ stands in support/stages.bash. The groups lead from what a program does
# first to what hardly anybody thinks of; the line with ==== is where the stage's own suite belongs. Command lines
# come last of all, those of the stage's own suite too.
#
# The tests of the server use the probe as its client, and the tests of the client use the probe as
# its server, so that a mistake in one program fails no test of the other.

: "${STAGE:?names the stage, as tests/suite does}"
load support/stages

# ---- The server gets ready ----

# bats test_tags=points:10
@test "server: port 0 lets the system choose, and the ready line shows the port" {
  start_server
  [ "$port" -gt 0 ] || explain "the ready line shows port 0" "got" "$(show_lines "$server_out")" \
    "it usually means" "the port was printed as it was asked for: getsockname() tells which one it became"
  probe connect 127.0.0.1 "$port"
}

# bats test_tags=points:10
@test "server: the ready line comes behind listen(), however long that takes" {
  local delay=(-f -qq -o /dev/null -e trace=listen -e inject=listen:delay_enter=1000000)
  command -v strace >/dev/null || skip "strace is not installed: it delays listen()"
  strace "${delay[@]}" true 2>/dev/null || skip "strace is not allowed here"
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # it cannot look for leaks under strace
  server_command=(strace "${delay[@]}" "${server_command[@]}")
  start_server
  means="the ready line is printed before listen(): a client that reads it and connects is refused" \
    probe connect 127.0.0.1 "$port"
}

# The server finds its stdout full, and has to wait in printing the ready line. If it printed it before
# listen(), nobody could connect meanwhile. (v2 prints other lines first.)
# bats test_tags=single,multiconn,reverse
@test "server: when the ready line comes, clients can connect" {
  find_free_port
  mkfifo "$dir/server.in"
  stdin_file=$dir/server.in start server "$SUPPORT/bin/probe" choke "${server_command[@]}" 127.0.0.1 "$port"
  server=$pid
  means="the ready line is printed before listen(): a client that reads it and connects is refused"
  start_visit client retry "limit:$LIMIT" say:connected
  wait_for_pause client connected
  echo 1<>"$dir/server.in"
  finish client
}

# ---- One client, and its echo ----

# bats test_tags=points:10,single,multiconn,threaded-broadcast
@test "server: each piece is echoed at once, while the client stays connected" {
  start_server
  means="nothing is sent back yet; or only when the client ends its half, or when a line or a buffer is full" \
    visit ask:one ask:two 'ask:\0' ask:four half-close expect-eof
}

# ---- What the server prints ----

# Expects a server's lines up to the end of its only client, and nothing on stderr.
assert_tells() { # MESSAGE...
  wait_until has_line_or_is_gone "$server_out" "$closed" "$server" || true
  server_lines "$(address_of probe)" "$@" | grep -v ' [Ss]top' | assert_lines "$server_out"
  assert_nothing_in "$server_err"
}

# bats test_tags=points:10,single,multiconn,threaded-broadcast
@test "server: it tells what it does, line by line" {
  start_server
  visit who "ask:Hello, world" ask:one half-close expect-eof
  assert_tells "Hello, world" one
}

# Expects that -q leaves out the lines on messages, and only those.
assert_quiet() {
  start_server -q
  visit who ask:hello half-close expect-eof
  assert_tells
}

# bats test_tags=single,multiconn
@test "server: -q leaves out the lines on echoing, and only those" {
  assert_quiet
}

# bats test_tags=threaded-broadcast
@test "server: -q leaves out the lines on messages, and only those" {
  assert_quiet
}

@test "server: each line is in the file as soon as it is printed, while the client stays" {
  local buffered="stdout into a file holds back lines, unless it is made line-buffered: setvbuf()"
  start_server
  start_visit client pause:connected ask:hello pause:answered half-close
  wait_for_pause client connected
  wait_for_line "$server_out" "$accepted" "$buffered"
  go client
  wait_for_pause client answered
  wait_for_line "$server_out" "$told.*hello" "$buffered"
  wait_for_line "$server_out" "$told.*$(answer_to hello)" "$buffered"
  go_and_finish client
  wait_for_line "$server_out" "$closed" "$buffered"
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "server: the sizes that it shows add up to what it has echoed" {
  local mode
  head -c 1000000 /dev/zero >"$dir/sent"
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    visit "exchange:$dir/sent:$dir/received"
    wait_for_line "$server_out" "$closed"
    assert_equal "$(shown_size)" 1000000
  done
}

# ---- All bytes of one client ----

# bats test_tags=points:10,single,multiconn,threaded-broadcast
@test "server: every byte value comes back, NULs included" {
  local mode
  every_byte >"$dir/sent"
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    visit "roundtrip:$dir/sent:$dir/received" half-close expect-eof
    assert_same_bytes "$dir/sent" "$dir/received"
  done
}

# bats test_tags=points:10
@test "server: a client that half-closes gets everything back, then the end" {
  local mode
  messages_of 300000 >"$dir/sent"
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    means="the server gives up its client when recv() returns 0, with bytes still to send" \
      visit "exchange:$dir/sent:$dir/received"
    assert_answered "$dir/sent" "$dir/received"
  done
}

# bats test_tags=single,multiconn
@test "server: a client that half-closes without a word gets just the end" {
  start_server
  visit half-close expect-eof
  wait_for_line "$server_out" "$closed"
  assert_no_line_in "$server_out" "$told" "recv() returned 0: there was nothing to echo"
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "server: bytes that come one at a time are echoed" {
  head -c 3000 /dev/urandom >"$dir/sent"
  start_server
  visit "bytes:$dir/sent" "recv:3000:$dir/received" half-close expect-eof
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: a slow reader with a small buffer gets everything" {
  messages_of 400000 >"$dir/sent"
  start_server
  visit rcvbuf:4096 "exchange:$dir/sent:$dir/received"
  assert_answered "$dir/sent" "$dir/received"
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "server: 16 MB of random bytes come back unchanged, in order" {
  head -c 16777216 /dev/urandom >"$dir/sent"
  start_server -q
  visit limit:60 "exchange:$dir/sent:$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
}

# Expects that a client gets all that it is owed, although it reads it only when the server is done.
assert_kept_for_later() {
  messages_of 200000 >"$dir/sent"
  start_server -q
  means="the connection was reset: close() with unread input, or with SO_LINGER 0, destroys what the client has not read yet"
  visit_until_pause client "send-file:$dir/sent" half-close pause "recv-all:$dir/received"
  wait_for_line "$server_out" "$closed"
  case $STAGE in v1.0*) assert_unharmed ;; esac
  go_and_finish client
  assert_answered "$dir/sent" "$dir/received"
}

# bats test_tags=single
@test "server: the last bytes are not lost when the client reads them after the server is gone" {
  assert_kept_for_later
}

# bats test_tags=multiconn,threaded-broadcast,reverse
@test "server: the last bytes are not lost when the client reads them after the connection is closed" {
  assert_kept_for_later
}

# ---- The client, and its server ----

# bats test_tags=points:10,threaded-broadcast,reverse
@test "client: two operands are the host and the port" {
  fake_partner
  talk 127.0.0.1
  assert_talked
}

# Expects all lines of a client that sends one message.
assert_client_tells() { # MESSAGE QUOTED
  fake_server echo
  say "$1"
  assert_status 0
  finish fake
  client_lines "127.0.0.1:$port" "$2" | assert_lines "$client_out"
  assert_nothing_in "$client_err"
}

# bats test_tags=points:10,single
@test "client: it tells what it does, line by line" {
  assert_client_tells ahoy '"ahoy" (4 bytes)'
}

# bats test_tags=single,multiconn
@test "client: an empty message is a message: it does not freeze, and prints both lines" {
  hang_means="it waits in recv() for an echo of no bytes" assert_client_tells '' '"" (0 bytes)'
}

# bats test_tags=single,multiconn
@test "client: -q leaves out the lines on sending and receiving, and only those" {
  fake_server echo
  client_command+=(-q)
  say ahoy
  assert_status 0
  client_lines "127.0.0.1:$port" '' | grep -vE '^Client (sends|receives) ' | assert_lines "$client_out"
}

# bats test_tags=single,multiconn
@test "client: addresses are shown in numbers, also for a name" {
  fake_server echo
  say ahoy localhost
  assert_status 0
  finish fake
  client_lines "127.0.0.1:$port" '"ahoy" (4 bytes)' | assert_lines "$client_out"
}

# bats test_tags=single,multiconn
@test "client: each line is in the file as soon as it is printed, while it waits for the echo" {
  local buffered="stdout into a file holds back lines, unless it is made line-buffered: setvbuf()"
  fake_server recv:4 pause send:ahoy expect-eof
  start_saying ahoy
  wait_for_pause fake
  wait_for_line "$client_out" "$(connected 127.0.0.1 127.0.0.1)" "$buffered"
  wait_for_line "$client_out" '^Client sends "ahoy" ' "$buffered"
  go fake
  wait_for_exit "$client"
  assert_status 0
}

# bats test_tags=single,multiconn
@test "client: an echo that comes a byte at a time is received in full" {
  printf 'Hello, world' >"$dir/in"
  fake_server recv:12 "bytes:$dir/in" expect-eof
  say 'Hello, world'
  assert_status 0
  finish fake
  assert_line_count 1 "$client_out" '^Client receives ' "one line for each message, not for each recv()"
}

# bats test_tags=points:10,single,multiconn
@test "client: an echo that comes in pieces is received in full" {
  local count=1 pieces=(recv:12 send:Hel pause 'send:lo, w' pause send:orld expect-eof)
  case $STAGE in
    v1.0*)
      fake_server "${pieces[@]}"
      start_saying 'Hello, world'
      ;;
    v1.1*)
      count=2
      fake_crowd 2 "${pieces[@]}"
      start_client 127.0.0.1 "$port" 2 'Hello, world'
      ;;
  esac
  wait_for_pause fake
  sleep 0.1 # makes it likely that the first piece is read alone; the test holds without
  go fake
  go fake
  wait_for_exit "$client" "$LIMIT"
  assert_status 0 "one recv() may return a part of the echo: go on until all has come"
  finish fake
  assert_line_count "$count" "$client_out" '^Client receives ' "one line for each message, not for each recv()"
  assert_line_count "$count" "$client_out" '^Client receives "Hello, world" \(12 bytes\)'
}

# Expects that the connection with the message has failed.
assert_message_fails() { # REASON [MEANING]
  assert_client_fails "^$blamed$1\$" "${2:-}"
  case $STAGE in v1.1*) assert_echoed 0 1 ;; esac
}

# bats test_tags=single,multiconn
@test "client: an echo that differs is a failure, wherever the wrong byte is" {
  local wrong
  for wrong in 0 5 11; do
    fake_server "corrupt:$wrong"
    say 'Hello, world'
    assert_message_fails 'the echo differs from what was sent' \
      "byte $wrong was changed on the way: every byte is compared, with memcmp()"
  done
  case $STAGE in v1.1*) ;; *) return ;; esac
  fake_server corrupt:12 # in the second message
  run_client 127.0.0.1 "$port" 1 'Hello, world' again
  assert_message_fails 'the echo differs from what was sent' "each message is compared, not the first one alone"
}

# bats test_tags=single,multiconn
@test "client: a server that sends more than the echo neither hangs nor crashes it" {
  fake_server recv:12 "send:Hello, world and then some more that nobody asked for" recv-all
  say 'Hello, world'
  [ "$status" -eq 0 ] || assert_message_fails 'the echo differs from what was sent'
}

# bats test_tags=single,multiconn
@test "client: a server that closes before the echo is a failure" {
  fake_server recv:12 half-close expect-eof
  say 'Hello, world'
  assert_message_fails 'connection closed by server' "recv() returned 0: the server has closed, and nothing more will come"
}

# bats test_tags=single,multiconn
@test "client: a server that closes in the middle of the echo is a failure" {
  fake_server recv:12 send:Hello half-close expect-eof
  say 'Hello, world'
  assert_message_fails 'connection closed by server' "recv() returned 0: the server has closed, and nothing more will come"
}

# bats test_tags=single,multiconn,reverse
@test "client: a server that resets the connection is a failure" {
  fake_server recv:12 "send:$(answer_to 'Hello, world' | head -c 3)" reset
  say 'Hello, world'
  assert_message_fails 'connection closed by server' "recv() failed with ECONNRESET"
}

# bats test_tags=single,threaded-broadcast,reverse
@test "client: a refused connection is a failure, one line and exit 1" {
  reserve_port
  say ahoy
  assert_client_fails "^client: cannot connect to 127\.0\.0\.1:$port: ."
  assert_nothing_in "$client_out" "there was no connection to tell of"
}

@test "client: an unknown host is a failure, one line and exit 1" {
  export RES_OPTIONS='attempts:1 timeout:1' # where a name server is asked, it need not wait long
  limit=$((30 * SLOWNESS)) run_client host.invalid 1
  assert_client_fails '^client: cannot connect to host\.invalid:1: .'
  case $STAGE in v1.1*) ;; *) assert_nothing_in "$client_out" ;; esac
}

# ==== Here the stage's own suite has its place ====

# ---- Rude clients, and many ----

@test "server: writing to a client that is gone does not end it (SIGPIPE)" {
  local mode
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    visit_until_pause client ask:hello pause 'send:hello\nagain\n' half-close reset
    halt "$server" # it wakes up with input to answer, and nobody to answer to
    go_and_finish client
    signal_server CONT
    case $STAGE in v1.0*) ;; *) wait_for_line "$server_out" "$closed" ;; esac # up to then, with -b, all hear what it said
    assert_unharmed "a write to a connection that is gone raises SIGPIPE, which ends the process unless it is ignored"
    case $STAGE in v1.0*) ;; *) assert_ends 2 ;; esac
  done
}

# bats test_tags=single,multiconn,reverse
@test "server: a client that leaves without a word does it no harm" {
  start_server
  visit close
  case $STAGE in v1.0*) ;; *) crowd 20 close ;; esac
  assert_unharmed "recv() returned 0: that client has left, not all of them"
}

# bats test_tags=single,multiconn
@test "server: a client that resets the connection is no failure" {
  start_server
  visit ask:hello reset
  assert_unharmed "recv() failed with ECONNRESET: the client is gone, and that is no failure of the server"
}

# bats test_tags=single,multiconn
@test "server: a client that vanishes in mid-send is no failure" {
  start_server -q
  visit flood:3000000 close
  assert_unharmed "send() failed with EPIPE or ECONNRESET: the client is gone, and that is no failure of the server"
}

@test "server: a client that never reads, and leaves, does it no harm" {
  messages_of 100000 >"$dir/in"
  start_server -q
  visit rcvbuf:4096 "flood-file:$dir/in" reset
  wait_for_line "$server_out" "$closed" \
    "send() failed with EPIPE or ECONNRESET, and the server goes on with it; or a connection for which only POLLOUT is asked has an error (POLLERR, POLLHUP)"
  assert_unharmed "send() failed with EPIPE or ECONNRESET: the client is gone, and that is no failure of the server"
}

# The contract does not ask for it: whoever writes or hands in a stage is not asked either.
@test "server: an urgent byte is a byte like any other" {
  [ -e "$STAGE_DIR/README.md" ] || skip "the contract says nothing of urgent bytes"
  means="recv() leaves out an urgent byte (send() with MSG_OOB) where SO_OOBINLINE is not set"
  start_server
  visit send:abc urgent:X 'send:def\n' "expect:$(ended_answer_to abcXdef)" half-close expect-eof
}

@test "server: stopped and continued in the middle of a send, it loses nothing" {
  # Much has arrived that it could not send yet. The signals cut send() short, which returns less than it
  # was given, or interrupt it while it waits.
  local i
  means="send() took less than it was given, and the rest was never sent"
  messages_of 1000003 >"$dir/sent"
  start_server -q
  visit_until_pause client rcvbuf:4096 "flood-file:$dir/sent" pause half-close "recv-all:$dir/received"
  for i in 1 2 3; do
    signal_server STOP
    signal_server CONT
  done
  go_and_finish client
  assert_flood_answered "$dir/sent" client "$dir/received"
  assert_unharmed
}

# bats test_tags=single,multiconn
@test "server: a lone client on IPv6 is served, and addresses stand in brackets" {
  need_ipv6
  start_server_on ::1 0
  probe connect ::1 "$port" who ask:hello half-close expect-eof
  case $STAGE in
    v1.0*)
      wait_for_exit "$server"
      assert_status 0
      ;;
    *) assert_ends ;;
  esac
  server_lines "$(address_of probe)" hello | assert_lines "$server_out"
}

@test "server: a hundred clients can wait in its backlog" {
  start_server
  halt "$server" # it accepts nobody: all of them wait. SOMAXCONN may be 128
  means="the backlog given to listen() is short: SOMAXCONN is the longest there is"
  start_probe clients crowd 100 127.0.0.1 "$port" "limit:$LIMIT" say:connected 'send:hello\n' half-close pause \
    ${welcomed:+"$welcomed"} "expect:$(ended_answer_to hello)" expect-eof
  wait_for_pause clients connected
  case $STAGE in v1.0*) return ;; esac # it serves the first one, and no other
  wait_for_pause clients
  signal_server CONT
  go clients
  means="who waits in the backlog is served when the clients before have left" finish clients
}

# ---- Stopping the server ----

# bats test_tags=multiconn
@test "server: it tells what it does, line by line, until it is stopped" {
  start_server
  visit who "ask:Hello, world" ask:one half-close expect-eof
  assert_ends
  server_lines "$(address_of probe)" "Hello, world" one | assert_lines "$server_out"
  assert_nothing_in "$server_err"
}

# bats test_tags=multiconn,threaded-broadcast
@test "server: a second signal while it stops does no harm" {
  local asked mode
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    visit_until_pause client ask:hello pause expect-end
    if [ -z "$mode" ]; then
      visit_until_pause greedy rcvbuf:4096 flood pause
    fi
    asked=$(now_ms)
    signal_server TERM
    sleep 0.1 # two signals at once would be one; the test holds without
    kill -TERM -- "-$server" 2>/dev/null || true
    kill -INT -- "-$server" 2>/dev/null || true
    assert_stopped "$asked" "" "the second signal finds no handler any more (SA_RESETHAND, signal() of old), or starts the stopping anew"
    go_and_finish client
  done
}

# Expects that a client that sends on after the stop gets all that it was sent before.
assert_kept_while_sending() {
  local mode size=30000
  case $STAGE in v2*) size=12000 ;; esac # with -b, it has less to spare for who is slow
  messages_of "$size" >"$dir/sent"
  size=$(size_of "$dir/sent")
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    start_visit client rcvbuf:4096 "send-file:$dir/sent" pause:sent wait:200 'send:more\n' wait:100 \
      "recv-all:$dir/received"
    wait_for_pause client sent
    all_answered() { [ "$(shown_size)" -eq "$size" ]; }
    wait_until all_answered || explain "the server does not answer" "got" "$(show_lines "$server_out")"
    signal_server TERM
    go client
    means="close() while the client may still send: its next bytes are answered with a reset, which destroys what it has not read yet. shutdown(SHUT_WR) first, and read until the client has closed"
    finish client
    head -c "$size" "$dir/received" >"$dir/kept" # behind them may stand what came before the stop
    assert_answered "$dir/sent" "$dir/kept"
    wait_for_exit "$server"
  done
}

# bats test_tags=multiconn,threaded-broadcast
@test "server: what it has echoed before it stopped is not lost when the client goes on sending" {
  assert_kept_while_sending
}

# bats test_tags=reverse
@test "server: the answers that it has sent before it stopped are not lost when the client goes on sending" {
  assert_kept_while_sending
}

# ---- What the server shows of a message ----

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
  wait_for_line "$server_out" "$closed"
  shown_messages >"$dir/shown"
  assert_lines "$dir/shown" "the rules of what is shown of a message: common/text.h" <"$dir/quoted"
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "server: what a client sends is shown with escapes, so that none drives the terminal" {
  assert_server_shows 'say "hi"' '"say \"hi\"" (8 bytes)' \
    '\x1b[2J\x1b[31mred\x07\x7f' '"\x1b[2J\x1b[31mred\x07\x7f" (14 bytes)' \
    '\x1b]0;title\x07' '"\x1b]0;title\x07" (10 bytes)' \
    'a\\b\n\r\t' '"a\\b\n\r\t" (6 bytes)'
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "server: a NUL is shown as \x00 and ends nothing" {
  assert_server_shows 'ab\0cd\0' '"ab\x00cd\x00" (6 bytes)'
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "server: valid UTF-8 is shown as it is, C1 controls and invalid bytes are not" {
  assert_server_shows 'ä€😀' '"ä€😀" (9 bytes)' \
    '\xc2\xa0' $'"\xc2\xa0" (2 bytes)' \
    '\xc2\x9b31m' '"\xc2\x9b31m" (5 bytes)' \
    '\xff\xc3' '"\xff\xc3" (2 bytes)' \
    '\xe2\x82x' '"\xe2\x82x" (3 bytes)' \
    '\xc0\x80\xed\xa0\x80' '"\xc0\x80\xed\xa0\x80" (5 bytes)' \
    '\xf4\x90\x80\x80' '"\xf4\x90\x80\x80" (4 bytes)'
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "server: every byte value alone is shown as the rules say" {
  every_byte >"$dir/in"
  start_server
  visit "ping:$dir/in" half-close expect-eof
  wait_for_line "$server_out" "$closed"
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

# bats test_tags=single,multiconn,threaded-broadcast
@test "server: 64 characters are shown in full, more are cut, however many bytes they have" {
  local a61 a64
  a61=$(repeat 61 a) a64=$(repeat 64 a)
  assert_server_shows "$a64" "\"$a64\" (64 bytes)" \
    "${a64}a" "\"$a64\"... (65 bytes)" \
    "$(repeat 5000 a)" "\"$a64\"... (5000 bytes)" \
    "$(repeat 64 ä)" "\"$(repeat 64 ä)\" (128 bytes)" \
    "$a61\\x01b" "\"$a61\"... (63 bytes)"
}

# bats test_tags=threaded-broadcast
@test "server: U+FFFE and U+FFFF are valid UTF-8, and shown as they are" {
  assert_server_shows '\xef\xbf\xbe\xef\xbf\xbf' $'"\xef\xbf\xbe\xef\xbf\xbf" (6 bytes)'
}

# ---- What the client shows of a message ----

# Sends messages with the client, each of which it is to show as QUOTED.
assert_client_shows() { # [MESSAGE QUOTED]...
  local messages=() clients=() i
  : >"$dir/quoted"
  while [ $# -ge 2 ]; do
    messages+=("$1")
    client_lines 127.0.0.1 "$2" | LC_ALL=C grep -aE '^Client (sends|receives) ' >>"$dir/quoted"
    shift 2
  done
  case $STAGE in
    v1.0*) # a client for each message, all at once
      fake_crowd "${#messages[@]}" echo
      for ((i = 0; i < ${#messages[@]}; i++)); do
        start "client$i" "${client_command[@]}" 127.0.0.1 "$port" "${messages[i]}"
        clients+=("$pid")
      done
      for ((i = 0; i < ${#clients[@]}; i++)); do
        wait_for_exit "${clients[i]}"
        assert_status 0
        cat "$dir/client$i.out" >>"$dir/client.out"
      done
      ;;
    *)
      fake_server echo
      run_client 127.0.0.1 "$port" 1 -- "${messages[@]}"
      assert_status 0
      ;;
  esac
  finish fake
  LC_ALL=C grep -aE '^Client (sends|receives) ' "$dir/client.out" >"$dir/shown" || true
  assert_lines "$dir/shown" "the rules of what is shown of a message: common/text.h" <"$dir/quoted"
}

# bats test_tags=single,multiconn
@test "client: quotes, backslashes, newlines, returns and tabs are shown as C writes them" {
  assert_client_shows $'say "hi"' '"say \"hi\"" (8 bytes)' \
    $'a\\b' '"a\\b" (3 bytes)' \
    $'one\ntwo\r\n\tthree' '"one\ntwo\r\n\tthree" (15 bytes)'
}

# bats test_tags=single,multiconn
@test "client: control characters are shown as \xHH, so that none drives the terminal" {
  assert_client_shows $'\e[31mred\e[0m' '"\x1b[31mred\x1b[0m" (12 bytes)' \
    $'\e]0;title\a' '"\x1b]0;title\x07" (10 bytes)' \
    $'\x01\x08\x0b\x0c\x1f\x7f' '"\x01\x08\x0b\x0c\x1f\x7f" (6 bytes)'
}

# bats test_tags=single,multiconn
@test "client: valid UTF-8 is shown as it is, from U+00A0 to U+10FFFF" {
  assert_client_shows 'äöü €uro 😀' '"äöü €uro 😀" (18 bytes)' \
    $'\xc2\xa0' $'"\xc2\xa0" (2 bytes)' \
    $'\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80' \
    $'"\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80" (11 bytes)' \
    $'\xf0\x90\x80\x80\xf4\x8f\xbf\xbf' $'"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" (8 bytes)'
}

# bats test_tags=single,multiconn
@test "client: C1 control characters are shown as \xHH although they are valid UTF-8" {
  assert_client_shows $'\xc2\x80\xc2\x9b31m\xc2\x9f' '"\xc2\x80\xc2\x9b31m\xc2\x9f" (9 bytes)'
}

# bats test_tags=single,multiconn
@test "client: bytes that are no valid UTF-8 are shown as \xHH" {
  local cases=(
    $'a\xffb\x80c' '"a\xffb\x80c" (5 bytes)'
    $'\xc3' '"\xc3" (1 bytes)'                         # cut short
    $'\xe2\x82x' '"\xe2\x82x" (3 bytes)'               # cut short in the middle
    $'\xf0\x9f\x98' '"\xf0\x9f\x98" (3 bytes)'         # the same, of four bytes
    $'\xc0\x80\xc1\xbf' '"\xc0\x80\xc1\xbf" (4 bytes)' # longer than need be
    $'\xe0\x9f\xbf' '"\xe0\x9f\xbf" (3 bytes)'         # the same, of three bytes
    $'\xf0\x8f\xbf\xbf' '"\xf0\x8f\xbf\xbf" (4 bytes)' # the same, of four
    $'\xed\xa0\x80' '"\xed\xa0\x80" (3 bytes)'         # half of a UTF-16 pair
    $'\xf4\x90\x80\x80' '"\xf4\x90\x80\x80" (4 bytes)' # above U+10FFFF
    $'\xf5\xc3\xa4' $'"\\xf5\xc3\xa4" (3 bytes)'
  )
  assert_client_shows "${cases[@]}"
}

# bats test_tags=single,multiconn
@test "client: U+FFFE and U+FFFF are valid UTF-8, and shown as they are" {
  assert_client_shows $'\xef\xbf\xbe\xef\xbf\xbf' $'"\xef\xbf\xbe\xef\xbf\xbf" (6 bytes)'
}

# bats test_tags=single,multiconn
@test "client: 64 characters are shown in full, and 65 are cut" {
  local a64
  a64=$(repeat 64 a)
  assert_client_shows "$a64" "\"$a64\" (64 bytes)" \
    "${a64}b" "\"$a64\"... (65 bytes)" \
    "$(repeat 5000 a)" "\"$a64\"... (5000 bytes)"
}

# bats test_tags=single,multiconn
@test "client: a character of several bytes counts as one of the 64" {
  local umlauts
  umlauts=$(repeat 64 ä)
  assert_client_shows "$umlauts" "\"$umlauts\" (128 bytes)" \
    "${umlauts}b" "\"$umlauts\"... (129 bytes)" \
    "$(repeat 64 😀)" "\"$(repeat 64 😀)\" (256 bytes)"
}

# bats test_tags=single,multiconn
@test "client: an escape counts with all its characters, and is never cut in two" {
  local a60 a61 a62 a63
  a60=$(repeat 60 a) a61=a$a60 a62=aa$a60 a63=aaa$a60
  assert_client_shows "$a62"$'\n' "\"$a62\\n\" (63 bytes)" \
    "$a63"$'\n' "\"$a63\"... (64 bytes)" \
    "$a63\"" "\"$a63\"... (64 bytes)" \
    "$a60"$'\x01' "\"$a60\\x01\" (61 bytes)" \
    "$a61"$'\x01' "\"$a61\"... (62 bytes)"
}

# bats test_tags=single,multiconn
@test "client: what stands behind an escape that does not fit is left out too" {
  local a62
  a62=$(repeat 62 a)
  assert_client_shows "$a62"$'\x01'b "\"$a62\"... (64 bytes)"
}

# bats test_tags=single,multiconn
@test "client: a message of one byte is (1 bytes), and an empty one (0 bytes)" {
  assert_client_shows x '"x" (1 bytes)' '' '"" (0 bytes)'
}

# ---- The server and its port ----

# Expects that the server can be started on its port again as soon as it has ended: by a signal, or behind
# these steps of a client.
assert_can_restart() { # STEP...
  local wanted
  start_server
  visit_until_pause client ask:hello "$@" pause expect-eof close
  wanted=$port
  kill -TERM -- "-$server" 2>/dev/null || true # the server's side closes first: there the old connection lingers
  wait_for_exit "$server"
  go_and_finish client
  launch_server 127.0.0.1 "$wanted"
  wait_until has_line_or_is_gone "$server_out" "$(ready_regex)" "$server"
  has_line "$server_out" "$(ready_regex)" || explain "the server cannot be started again" \
    "on stderr" "$(show_lines "$server_err")" "it usually means" \
    "SO_REUSEADDR is missing: without it, bind() fails for a minute after a connection on that port" \
    "read" "man 7 socket, SO_REUSEADDR; RFC 9293, 3.6.1"
  port=$wanted visit ask:hello
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "server: it can be restarted on its port at once" {
  assert_can_restart
}

# bats test_tags=reverse
@test "server: it can be restarted on its port at once, after a signal and after end" {
  assert_can_restart
  assert_can_restart 'send:end\n' 'expect:dne\n'
}

# Expects a server that has failed at run time, without a ready line. (v2 prints other lines first.)
assert_cannot_listen() { # HOST PORT [OUT ERR]
  local out=${3:-$server_out} early="no ready line before listen() has succeeded"
  assert_status 1
  case $STAGE in
    v2*) assert_no_line_in "$out" "$(ready_regex)" "$early" ;;
    *) assert_nothing_in "$out" "$early" ;;
  esac
  assert_one_line "${4:-$server_err}" "^server: cannot listen on $1:$2: ."
}

@test "server: a port that another server uses is a failure, one line and exit 1" {
  start_server
  hang_means="two servers on one port: SO_REUSEPORT lets them share it, SO_REUSEADDR does not" \
    run_to_end second "${server_command[@]}" 127.0.0.1 "$port"
  assert_cannot_listen '127\.0\.0\.1' "$port" "$dir/second.out" "$dir/second.err"
  visit ask:hello # the first one has not noticed
}

@test "server: an address that is not this machine's is a failure, one line and exit 1" {
  run_server 192.0.2.1 0
  assert_cannot_listen '192\.0\.2\.1' 0
}

@test "server: a port that needs a permission is a failure, one line and exit 1" {
  [ "$(id -u)" -ne 0 ] || skip "root may use any port"
  [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024)" -gt 1 ] ||
    skip "anybody may use any port here"
  run_server 127.0.0.1 1
  assert_cannot_listen '127\.0\.0\.1' 1
}

@test "server: an unknown host is a failure, one line and exit 1" {
  export RES_OPTIONS='attempts:1 timeout:1' # where a name server is asked, it need not wait long
  limit=$((30 * SLOWNESS)) run_server host.invalid 0
  assert_cannot_listen 'host\.invalid' 0
}

# ---- The client and its server's address ----

@test "client: it tries every address of a host in turn" {
  local with_hosts
  name_two_addresses 127.0.0.3 127.0.0.4 # where nothing else listens
  client_command=("${with_hosts[@]}" "${client_command[@]}")
  local address
  for address in 127.0.0.3 127.0.0.4; do
    fake_partner "on:$address"
    talk two.test
    assert_talked "two.test is 127.0.0.3 and 127.0.0.4: when one refuses, the other is tried"
    assert_line_in "$client_out" "$(connected 'two\.test' "$address")" "what the client is connected to, as it shows it"
    assert_nothing_in "$client_err" "a connection fails when its last address has"
  done
}

@test "client: localhost is found, on IPv4 and on IPv6" {
  fake_partner
  talk localhost
  assert_talked "localhost may be ::1 and 127.0.0.1: when one refuses, the other is tried"
  getent ahostsv6 localhost 2>/dev/null | grep -q '^::1 ' || skip "localhost is not ::1 here"
  need_ipv6
  fake_partner on:::1
  talk localhost
  assert_talked
}

# bats test_tags=single,multiconn
@test "client: IPv6 addresses stand in brackets" {
  need_ipv6
  fake_server on:::1 echo
  say ahoy ::1
  assert_status 0
  client_lines "[::1]:$port" '"ahoy" (4 bytes)' | assert_lines "$client_out"
}

# The client starts on a host of its own where nobody listens, and where the system has few ports for clients:
# who connects to the first, 50000, is given the same one, and is connected to itself.
@test "client: where nobody listens, it is refused, and never connected to itself" {
  local there
  make_host ip_local_port_range="50000 50001"
  client_command=("${there[@]}" "${client_command[@]}")
  means="the client has connected to itself: the system gave it the very port that it asked for, and what it sent came back. getsockname() and getpeername() tell"
  port=50000
  say hello
  case $STAGE in
    v1.1*) assert_message_fails "Connection refused" "$means" ;;
    *) assert_client_fails '^client: cannot connect to 127\.0\.0\.1:50000: Connection refused$' "$means" ;;
  esac
}

# ---- The server and the system ----

@test "server: interrupted system calls (EINTR) are done again" {
  make_calls_fail server accept,accept4,recvfrom,recvmsg,sendto,sendmsg,'?poll,ppoll,?select,pselect6,?epoll_wait,epoll_pwait'
  means="accept(), recv(), send() or poll() failed with EINTR: a signal came first, nothing is lost, ask again"
  local mode
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    visit ask:hello ask:again half-close expect-eof
    assert_unharmed
  done
}

# Expects a server whose output is lost to end in good order, which its last line cannot tell.
assert_ends_unseen() {
  local asked
  asked=$(now_ms)
  case $STAGE in v1.0*) ;; *) signal_server TERM ;; esac
  wait_for_exit "$server" "$LIMIT" "${1:-}"
  assert_status 0 "the output is lost, the service is not"
  [ $(($(now_ms) - asked)) -le $((2000 * SLOWNESS + spare)) ] || explain "the server is slow to stop" \
    "expected" "2 s at most" "got" "$(($(now_ms) - asked)) ms" \
    "it usually means" "each line waits for a reader that does not come"
}

@test "server: it goes on serving when nobody reads its output any more" {
  start_server_into_pipe
  exec 5<&- # as head -1 does
  means="a write to a closed pipe raises SIGPIPE, which ends the process unless it is ignored" \
    visit ask:hello ask:again half-close expect-eof
  case $STAGE in
    v1.0*) ;;
    *) assert_unharmed "the server gives up when it cannot print: the output is lost, the service is not" ;;
  esac
  assert_ends_unseen
}

# bats test_tags=multiconn,reverse
@test "server: it goes on serving when the disk is full" {
  [ -c /dev/full ] || skip "this system has no /dev/full"
  find_free_port
  stdout_file=/dev/full launch_server 127.0.0.1 "$port"
  means="the server gives up when it cannot print: the output is lost, the service is not"
  visit retry ask:hello ask:again half-close expect-eof
  visit ask:hello
  assert_ends_unseen
}

# bats test_tags=multiconn,threaded-broadcast,reverse
@test "server: it goes on serving, and stops, when its output is a pipe that is full and that nobody reads" {
  local asks=ask:hello
  start_server_into_pipe
  "$timeout_command" 1 cat /dev/zero >"$dir/output" || true # the pipe is full
  means="write() waits until somebody reads the pipe: the output may be lost, the service may not" \
    visit ask:hello half-close expect-eof
  case $STAGE in v3*) asks= ;; esac # it serves one after another
  start_crowd stay 10 $asks pause expect-end
  wait_for_pause stay
  assert_ends_unseen "write() waits until somebody reads the pipe"
}

# bats test_tags=multiconn,threaded-broadcast,reverse
@test "server: it goes on serving, and stops, when its output is a terminal that nobody reads" {
  local program i asks=() text
  text=$(repeat 50 x)
  for ((i = 0; i < 1500; i++)); do asks+=("ask:${text:i % 50}"); done # the room that is left is never that of a line
  # shellcheck disable=SC2016 # the inner shell expands it
  server_command=("$SUPPORT/bin/probe" terminal sh -c 'stty opost onlcr <&1 && exec "$@"' sh "${server_command[@]}")
  start_server_into_pipe # what the terminal shows goes there
  "$timeout_command" 1 cat /dev/zero >"$dir/output" || true # the pipe is full
  program=$(members "$server" | awk -v probe="$server" '$2 != probe { print $2 }')
  means="poll() says that a terminal has room, and write() waits until it has more: descriptors that are opened anew with O_NONBLOCK do not wait" \
    visit "${asks[@]}" half-close expect-eof
  visit ask:hello
  kill "$program"
  LIMIT=$((2 * SLOWNESS)) wait_until is_gone "$program" ||
    explain "the server does not stop" "expected" "that it ends within 2 s" "got" "$(members "$server")" \
      "it usually means" "it waits until somebody reads the terminal"
}

@test "server: it goes on serving when its log may not grow any more" {
  local fills="ping:$dir/in"
  means="a write beyond the limit on the size of files raises SIGXFSZ, which ends a process that does not ignore it"
  with_ulimit '-f 64' "${server_command[@]}"
  server_command=("${limited[@]}")
  head -c 3000 /dev/zero >"$dir/in"
  case $STAGE in
    v3*)
      seq 3000 >"$dir/in"
      fills="exchange:$dir/in:"
      ;;
  esac
  start_server
  visit "$fills"
  case $STAGE in v1.0*) ;; *) assert_unharmed "$means" ;; esac
  [ "$(size_of "$server_out")" -ge 32768 ] || explain "the server's log does not hold what it should" \
    "expected" "that it has reached its limit" "got" "$(size_of "$server_out") bytes" # else nothing was tested
}

# Expects that a server that was started without some descriptors sends what it should, and nothing else.
assert_started_without() { # REDIRECTIONS VISITS
  local i
  find_free_port
  eval "start_closed() { exec \"\${server_command[@]}\" 127.0.0.1 $port $1; }"
  start server start_closed
  server=$pid
  head -c 1000 /dev/urandom >"$dir/sent"
  means="a socket got descriptor 1 or 2, and what is printed goes to the client"
  for ((i = 0; i < $2; i++)); do
    visit retry "exchange:$dir/sent:$dir/received"
    assert_same_bytes "$dir/sent" "$dir/received"
  done
}

# bats test_tags=single
@test "server: started with stdout and stdin closed, it echoes just what it was sent" {
  assert_started_without '<&- >&-' 1
}

# bats test_tags=multiconn,threaded-broadcast
@test "server: started with stdin, stdout and stderr closed, it echoes just what it was sent" {
  assert_started_without '<&- >&- 2>&-' 3
  visit "ping:$dir/sent" "ping:$dir/sent" half-close expect-eof # its lines would fill a pipe that got descriptor 1
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

# bats test_tags=single,threaded-broadcast,reverse
@test "server: out of descriptors it says so once, does not spin, and serves as soon as it can" {
  local kept=
  start_server
  case $STAGE in v2*) kept=yes ;; esac
  if [ -n "$kept" ]; then
    start_visit kept pause:in ask:hello pause:served ask:again
    wait_for_pause kept in
  fi
  take_descriptors
  case $STAGE in
    v1.0*) start_visit waiting say:connected ask:hello half-close expect-eof ;;
    *) start_probe waiting crowd 3 127.0.0.1 "$port" 'send:hello\n' half-close ${welcomed:+"$welcomed"} \
      "expect:$(ended_answer_to hello)" expect-eof ;;
  esac
  wait_for_line "$server_err" '^server: .' "accept() failed with EMFILE, and nothing was said"
  assert_no_spin "$server" "accept() fails with EMFILE again and again, as long as the client waits"
  if [ -n "$kept" ]; then
    go kept
    means="out of descriptors, the server keeps the clients that it has" wait_for_pause kept served
  fi
  assert_one_line "$server_err" '^server: .' "one line for each time that descriptors run out"
  give_descriptors
  means="whoever waits in the backlog is served as soon as there are descriptors" finish waiting
  if [ -n "$kept" ]; then
    go_and_finish kept
  fi
  assert_unharmed
  assert_one_line "$server_err" '^server: .' "one line for each time that descriptors run out"
  case $STAGE in v1.0*) return ;; esac # it has served its client
  take_descriptors
  start_visit again ask:hello half-close expect-eof
  wait_for_lines 2 "$server_err" '^server: .' "a second episode is told again"
  give_descriptors
  finish again
  assert_line_count 2 "$server_err" .
}

# ---- The client and the system ----

# bats test_tags=single,multiconn
@test "client: stopped and continued while it waits, it goes on" {
  fake_server recv:4 pause send:ahoy expect-eof
  start_saying ahoy
  wait_for_pause fake
  halt "$client"
  kill -CONT -- "-$client"
  go fake
  wait_for_exit "$client"
  assert_status 0
}

# bats test_tags=single,threaded-broadcast
@test "client: a stdin that cannot be read is a failure" {
  fake_server recv-all close
  run_client 127.0.0.1 "$port" ${stdin_operand:+"$stdin_operand"} </
  assert_status 1 "read() failed, which is not the end of the input"
  [ -s "$client_err" ] || explain "a failure is told on stderr"
}

@test "client: interrupted system calls (EINTR) are done again" {
  make_calls_fail client recvfrom,recvmsg,sendto,sendmsg,'?poll,ppoll,?select,pselect6,?epoll_wait,epoll_pwait'
  fake_partner
  talk 127.0.0.1
  assert_talked "recv(), send() or poll() failed with EINTR: a signal came first, nothing is lost, ask again"
}

@test "client: a disk that is full is a failure" {
  local means="the result of printing was not checked: fflush(), ferror()"
  [ -c /dev/full ] || skip "this system has no /dev/full"
  fake_partner
  stdout_file=/dev/full talk 127.0.0.1
  assert_status 1 "$means"
  case $STAGE in
    v1.0*)
      assert_line_in "$client_err" '^client: .'
      fake_server echo
      stdout_file=/dev/full run_client 127.0.0.1 "$port" - <<<hello
      assert_status 1 "the result of writing the echo was not checked"
      ;;
    v2*) assert_client_fails '^client: .*[Nn]o space left on device' "$means; or errno was read later, when other calls had changed it" ;;
    *) assert_line_in "$client_err" '^client: .' ;;
  esac
}

# bats test_tags=single,threaded-broadcast
@test "client: 16 MB through stdin and stdout come back identical" {
  head -c 16777216 /dev/urandom >"$dir/in"
  fake_server rcvbuf:65536 sndbuf:65536 echo
  limit=$((60 * SLOWNESS)) \
    hang_means="it sends all before it receives: the buffers of both sides are full, and both wait in send()" \
    assert_client_succeeds ${stdin_operand:+"$stdin_operand"} <"$dir/in"
  assert_same_bytes "$dir/in" "$client_out"
}

# bats test_tags=single,threaded-broadcast
@test "client: with stdin as the message, its memory does not grow with the size" {
  local LIMIT=$((60 * SLOWNESS)) early late
  need_proc
  fake_server echo:2000000 pause:early echo:30000000 pause:late echo
  head -c 33000000 /dev/zero >"$dir/in"
  stdin_file=$dir/in start_client 127.0.0.1 "$port" ${stdin_operand:+"$stdin_operand"}
  wait_for_pause fake early
  early=$(proc_status "$client" VmHWM)
  go fake
  wait_for_pause fake late
  late=$(proc_status "$client" VmHWM)
  go fake
  wait_for_exit "$client" $((10 * SLOWNESS))
  assert_status 0
  [ $((late - early)) -lt 10000 ] || explain "the memory grows with what passes through" \
    "after 2 MB" "$early kB" "after 32 MB" "$late kB" "it usually means" \
    "all of stdin, or of what comes, is kept: send it piece by piece, and be done with each piece when it is back"
}

# bats test_tags=single,threaded-broadcast
@test "server and client: 16 MB through both come back identical" {
  local limit=$((60 * SLOWNESS))
  head -c 16777216 /dev/urandom >"$dir/in"
  start_server -q
  run_client 127.0.0.1 "$port" ${stdin_operand:+"$stdin_operand"} <"$dir/in"
  assert_status 0
  { printf %b "${welcome:-}" && cat "$dir/in"; } >"$dir/expected"
  assert_same_bytes "$dir/expected" "$client_out"
  assert_ends
}

# ---- The command line of the server ----

@test "server: -h prints the usage on stdout and exits 0" {
  assert_helps server -h
}

@test "server: --help prints the usage on stdout and exits 0" {
  assert_helps server --help
}

@test "server: help is given wherever it is asked for before --, whatever else is wrong" {
  assert_helps server '-q -h' '127.0.0.1 0 --help' '127.0.0.1 abc -h' '--unknown --help' 'a b c d -h'
  case $STAGE in v2*) assert_helps server '-b -q -h' ;; esac
}

@test "server: -h behind -- asks for no help: it is an operand" {
  assert_refuses server '-- -h' '127.0.0.1 -- --help'
}

# What it means when an operand that is not given has no default, or one that is given another use.
DEFAULTS="what is not given has a default, and what is given stands in its place. C: the first operand is argv[1] only if argc > 1, and options come before it"

# Says that a program does not tell that it uses its default address. Only another port that it names shows
# that it uses another one. Fails.
explain_default_address() { # LINE COMPLAINT OUT ERR
  local title="nothing tells that the default address is used"
  local meaning="where nobody listens, or the port is in use, one line on stderr says what was tried, and why it failed: an exception that nobody catches is not that line. Or: $DEFAULTS"
  if LC_ALL=C grep -qE '(:|[Pp]ort )[0-9]{2,5}([^0-9]|$)' "$3" "$4" && ! grep -q Traceback "$4"; then
    title="the default address is not used" meaning=$DEFAULTS
  fi
  explain "$title" "expected a line like" "$1" "or on stderr" "$2" \
    "got" "$(show_lines "$3")" "on stderr" "$(show_lines "$4")" "it usually means" "$meaning"
}

# Expects that the program that was started says which address it uses; or, where a COMPLAINT is given, why
# it cannot: its port may be in use on this machine, or nobody may listen there.
assert_uses_address() { # PROGRAM LINE [COMPLAINT]
  local out=$dir/$1.out err=$dir/$1.err line=$2 complaint=${3:-} port
  port=${line%"${line##*[0-9]}"}
  port=${port##*[!0-9]}
  has_said_it() {
    has_line "$out" "$line" || { [ -n "$complaint" ] && has_line "$err" "$complaint"; }
  }
  has_said_it_or_is_gone() {
    has_said_it || is_gone "$pid"
  }
  wait_until has_said_it_or_is_gone || true
  ! has_said_it || return 0
  if grep -q "$port" "$out" "$err"; then
    explain "the address is right, and its line is not" "expected a line like" "$line" \
      "got" "$(show_lines "$out")" "on stderr" "$(show_lines "$err")" \
      "it usually means" "the line has other words, or comes too late: the lesson shows when each is printed" \
      "read" "$STAGE/README.md, \"Run it\""
  elif [ ! -s "$out" ] && [ ! -s "$err" ]; then
    explain "nothing is printed" "expected a line like" "$line" "it usually means" "$IN_A_BUFFER" \
      "read" "man 3 setvbuf; $STAGE/README.md, \"Run it\""
  else
    explain_default_address "$line" "$complaint" "$out" "$err"
  fi
}

# Expects the server to listen where it does by itself.
assert_listens_by_default() {
  launch_server
  assert_uses_address server "$(listening "$default_host" "$default_port")" \
    "^server: cannot listen on $default_host:$default_port: ."
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "server: without operands it listens on 127.0.0.1 port 65432" {
  assert_listens_by_default
}

# bats test_tags=reverse
@test "server: without operands it listens on port 7200" {
  assert_listens_by_default
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "server: one operand is the port, and the host stays 127.0.0.1" {
  start_server_on 0
  assert_line_in "$server_out" "$(listening "$default_host" "$port")"
}

# bats test_tags=points:10
@test "server: two operands are the host and the port" {
  start_server_on localhost 0
  assert_line_in "$server_out" "$(listening '(127\.0\.0\.1|\[?::1\]?)' "$port")" \
    "HOST is localhost here: a name is looked up, by getaddrinfo(), and the ready line shows the address in numbers"
  case $STAGE in v3*) ;; *) return ;; esac # its ready line does not tell the host
  [ "$(uname)" = Linux ] || skip "this system has no 127.0.0.2"
  start_server_on 127.0.0.2 0
  probe connect 127.0.0.2 "$port" 'send:two\n' 'expect:owt\n' half-close expect-eof
  means="HOST is not used: it listens on every address"
  run ! probe connect 127.0.0.1 "$port"
}

@test "server: a port that is not 0 is the port it listens on" {
  find_free_port
  local wanted=$port
  start_server_on 127.0.0.1 "$wanted"
  assert_equal "$port" "$wanted"
  case $STAGE in
    v2*)
      assert_line_in "$server_out" "^\[\+\] Open port $wanted\$"
      assert_line_in "$server_out" "^\[\+\] Binding socket to port: $wanted\$"
      ;;
  esac
  visit ask:hello
}

@test "server: a port that is not a decimal number from 0 to 65535 is refused with exit 2" {
  local limit=$((4 * SLOWNESS))
  assert_refuses server "${wrong_ports[@]}" "${wrong_ports[@]/#/127.0.0.1 }"
}

@test "server: the highest port is 65535" {
  # It may be in use on this machine: the message names it just as well.
  launch_server 127.0.0.1 65535
  has_taken_port() {
    has_line "$server_out" "[^0-9]65535\$" || has_line "$server_err" "^server: cannot listen on 127\.0\.0\.1:65535: "
  }
  wait_until has_taken_port || explain "a good port is not taken" "ran" "server 127.0.0.1 65535" \
    "got" "$(show_lines "$server_out")" "on stderr" "$(show_lines "$server_err")"
}

@test "server: a negative port is refused with exit 2, behind -- too" {
  assert_refuses server '127.0.0.1 -1' '-- 127.0.0.1 -1'
}

@test "server: too many operands are refused with exit 2" {
  assert_refuses server '127.0.0.1 0 more' '-- 127.0.0.1 0 -q' '-- 127.0.0.1 0 -b'
}

@test "server: an unknown option is refused with exit 2, wherever it stands" {
  assert_refuses server -x '127.0.0.1 0 -x' '--unknown 127.0.0.1 0' '--with 127.0.0.1 0'
  case $STAGE in v2*) ;; *) assert_refuses server '-b 127.0.0.1 0' ;; esac
}

@test "server: -q may stand before, between and behind the operands" {
  local line lines=('-q 127.0.0.1 0' '127.0.0.1 -q 0' '127.0.0.1 0 -q' '0 -q' '-q -- 127.0.0.1 0')
  case $STAGE in v2*) lines+=('0 -b -q') ;; esac
  for line in "${lines[@]}"; do
    # shellcheck disable=SC2086 # words
    start_server_on $line
    visit ask:hello half-close expect-eof
    wait_for_line "$server_out" "$closed"
    assert_no_line_in "$server_out" "$told" "-q was not seen in: $line"
  done
}

@test "server: -- ends the options, before and between the operands" {
  start_server_on -- 127.0.0.1 0
  start_server_on 127.0.0.1 -- 0
  assert_refuses server '-- -q' '-- -b'
}

# ---- The command line of the client ----

@test "client: -h prints the usage on stdout and exits 0" {
  assert_helps client -h
}

@test "client: --help prints the usage on stdout and exits 0" {
  assert_helps client --help
}

@test "client: help is given wherever it is asked for before --, whatever else is wrong" {
  assert_helps client '127.0.0.1 -h' '127.0.0.1 abc --help' '127.0.0.1 1 -h' '--unknown -h'
  case $STAGE in
    v1.0*) assert_helps client '-q -h' '127.0.0.1 1 message -h' 'a b c d e --help' ;;
    v1.1*) assert_helps client '-q -h' '127.0.0.1 1 many -h' '127.0.0.1 1 2 message -h' ;;
    *) assert_helps client 'a b c d e --help' ;;
  esac
}

# bats test_tags=threaded-broadcast,reverse
@test "client: -h behind -- asks for no help: it is an operand" {
  assert_refuses client '-- 127.0.0.1 -h' '127.0.0.1 -- --help'
}

# Expects the client to connect where it does by itself, or to say why it cannot.
assert_connects_by_default() { # HOST ADDRESS [OPERAND]
  local port=$default_port
  case $STAGE in
    v2*) assert_refused_by_default "$1" "${@:3}" ;;
    *)
      start_client "${@:3}"
      assert_uses_address client "$(connected "$1" "$2")" "^client: cannot connect to $1:$port: ."
      ;;
  esac
}

# The client of v2 says nothing of its connection: nobody may listen there.
assert_refused_by_default() { # HOST [OPERAND]
  local try
  for try in 1 2 3 4 5; do
    limit=$((2 * SLOWNESS)) run_client "${@:2}" || true
    if has_line "$client_err" "^client: cannot connect to $1:$default_port: ."; then
      assert_client_fails "^client: cannot connect to $1:$default_port: ."
      return
    fi
    sleep 1 # somebody may listen there for a moment, such as another suite's server
  done
  ! "$SUPPORT/bin/probe" connect "${1//\\/}" "$default_port" close 2>/dev/null ||
    skip "somebody listens on port $default_port of this machine"
  explain_default_address "" "client: cannot connect to ${1//\\/}:$default_port: Connection refused" "$client_out" "$client_err"
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "client: without operands it connects to 127.0.0.1 port 65432" {
  assert_connects_by_default "$default_client_host" "$default_client_host"
}

# bats test_tags=reverse
@test "client: without operands it connects to localhost port 7200" {
  assert_connects_by_default "$default_client_host" "$default_client_host"
}

# bats test_tags=single,multiconn,threaded-broadcast
@test "client: one operand is the host, and the port stays 65432" {
  [ "$(uname)" = Linux ] || skip "this system has no 127.0.0.2"
  assert_connects_by_default '127\.0\.0\.2' '127\.0\.0\.2' 127.0.0.2
}

# bats test_tags=reverse
@test "client: one operand is the host, and the port stays 7200" {
  [ "$(uname)" = Linux ] || skip "this system has no 127.0.0.2"
  assert_connects_by_default '127\.0\.0\.2' '127\.0\.0\.2' 127.0.0.2
}

@test "client: a port that is not a decimal number from 1 to 65535 is refused with exit 2" {
  local limit=$((4 * SLOWNESS)) wrong=(0 00 "${wrong_ports[@]}")
  wrong=("${wrong[@]/#/127.0.0.1 }")
  case $STAGE in
    v1.0*) assert_refuses client "${wrong[@]}" "${wrong[@]/%/ message}" ;;
    v1.1*) assert_refuses client "${wrong[@]/%/ 1 message}" ;;
    *) assert_refuses client "${wrong[@]}" ;;
  esac
}

# Runs the client with a port where most likely nobody listens: that is another failure.
assert_client_takes_port() { # PORT
  start_client 127.0.0.1 "$1"
  has_tried_port() {
    is_gone "$client" || [ -s "$client_out" ]
  }
  wait_until has_tried_port || true
  status=0
  ! is_gone "$client" || wait "$client" 2>/dev/null || status=$?
  [ "$status" -ne 2 ] || explain "a good port is refused" "ran" "client 127.0.0.1 $1" \
    "on stderr" "$(show_lines "$client_err")"
}

@test "client: the lowest port is 1, the highest 65535" {
  assert_client_takes_port 1
  assert_client_takes_port 65535
}

@test "client: a negative port is refused with exit 2, behind -- too" {
  assert_refuses client '127.0.0.1 -1' '-- 127.0.0.1 -1'
}

# bats test_tags=single,threaded-broadcast,reverse
@test "client: too many operands are refused with exit 2" {
  case $STAGE in
    v1.0*) assert_refuses client '127.0.0.1 1 message more' ;;
    *) assert_refuses client '127.0.0.1 1 more' '-- 127.0.0.1 1 -h' ;;
  esac
}

@test "client: an unknown option is refused with exit 2, wherever it stands" {
  assert_refuses client -x '127.0.0.1 1 -x' '127.0.0.1 --unknown 1' '--with 127.0.0.1 1' '-b 127.0.0.1 1'
  case $STAGE in
    v1.0*) assert_refuses client '127.0.0.1 1 message -x' ;;
    v1.1*) assert_refuses client '127.0.0.1 1 1 message -x' ;;
    v2*) assert_refuses client '127.0.0.1 1 -q' ;;
  esac
}

# bats test_tags=single,multiconn
@test "client: -q may stand before, between and behind the operands" {
  local position operands
  for position in 0 1 2 3 4 5; do
    fake_server echo
    operands=(127.0.0.1 "$port" message)
    case $STAGE in v1.1*) operands=(127.0.0.1 "$port" 1 one two) ;; esac
    [ "$position" -le "${#operands[@]}" ] || break
    run_client ${operands[@]+"${operands[@]:0:position}"} -q "${operands[@]:position}"
    assert_status 0
    finish fake
    assert_no_line_in "$client_out" '^Client (sends|receives)' "-q was not seen as argument $position"
  done
}

# bats test_tags=threaded-broadcast,reverse
@test "client: -- ends the options, before and between the operands" {
  local line
  for line in '-- 127.0.0.1 PORT' '127.0.0.1 -- PORT' '127.0.0.1 PORT --'; do
    fake_partner
    # shellcheck disable=SC2086 # words
    run_client ${line/PORT/$port} <<<ahoy
    assert_talked "-- is no operand: $line"
  done
}

# ---- Both command lines ----

# bats test_tags=single,multiconn
@test "server and client: --q is no -q: it is refused" {
  assert_refuses server '--q 127.0.0.1 0'
  assert_refuses client '--q 127.0.0.1 1'
}

# bats test_tags=threaded-broadcast,reverse
@test "server and client: a second -- is an operand" {
  assert_refuses server '-- 127.0.0.1 0 --'
  assert_refuses client '-- 127.0.0.1 1 --'
}

@test "server and client: an address that was copied from a message is refused, and how to write it is said" {
  [ -e "$STAGE_DIR/README.md" ] || skip "the contract says nothing of it"
  assert_line_explained() {
    assert_line_refused && assert_line_in "$dir/$program.err" "^$program: HOST and PORT are two words, as in ::1 65432: "
  }
  local addresses=('127.0.0.1:1' "'[::1]:1'" "'[::1]'") program
  for program in server client; do
    for_each_line assert_line_explained "$program" "it takes the address for a host or a port" "${addresses[@]}" "${addresses[@]/%/ 1}"
  done
}

# bats test_tags=single,threaded-broadcast,reverse
@test "server and client: a port with leading zeros is decimal" {
  assert_refuses server '127.0.0.1 065536'
  assert_refuses client '127.0.0.1 065536'
}

@test "server and client: help that cannot be written is a failure" {
  [ -c /dev/full ] || skip "this system has no /dev/full"
  means="the help is lost, and nobody says so: what printf() and fputs() return tells, or ferror()"
  stdout_file=/dev/full run_server --help
  assert_status 1 "$means"
  assert_one_line "$server_err" '^server: .'
  stdout_file=/dev/full run_client --help
  assert_status 1 "$means"
  assert_one_line "$client_err" '^client: .'
}
