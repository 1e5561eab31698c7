#!/usr/bin/env bats
# v1.1-multiconn: one server in one thread, many clients at once. What all stages have to do is in
# every-stage.bats.

STAGE=v1.1-multiconn
load support/stages

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

# Runs the client with these operands behind the port, and expects that all is echoed by the fake server.
assert_all_echoed() { # NUM_CLIENTS OPERAND...
  run_client 127.0.0.1 "$port" "${@:2}"
  assert_echoed "$1" "$1"
  finish fake
}

# Skips the test where so many files may not be open at once.
need_descriptors() { # N
  local hard
  hard=$(ulimit -Hn)
  [ "$hard" = unlimited ] || [ "$hard" -ge "$1" ] || skip "the hard limit on open files is $hard"
}

# Starts the server where buffers hold next to nothing.
start_server_with_small_buffers() {
  local there
  make_host tcp_wmem="4096 4096 4096"
  server_command=("${there[@]}" "${server_command[@]}")
  probe_command=("${there[@]}" "${probe_command[@]}")
  start_server
}

# ---- One client after another, and many at once ----

# bats test_tags=points:10
@test "server: it serves one client after another" {
  local i
  start_server
  for i in 1 2 3 4 5; do
    assert_unharmed "the server ends, or stops accepting, when a client has left"
  done
  assert_line_count 5 "$server_out" "$accepted"
}

# bats test_tags=points:10
@test "server: a second client is served while the first stays" {
  start_server
  visit_until_pause first ask:hello pause ask:again half-close expect-eof
  means="the server does nothing but serve its first client until that leaves" \
    visit ask:hello half-close expect-eof
  go_and_finish first
}

@test "server: its lines say which of several clients they are about" {
  start_server
  visit_until_pause first who ask:one pause ask:three half-close expect-eof
  visit_until_pause second who ask:two pause half-close expect-eof
  go_and_finish first
  local first second
  first=$(address_of first)
  second=$(address_of second)
  go_and_finish second
  wait_for_line "$server_out" "^Server closes connection to $second\$"
  assert_lines "$server_out" <<END
Server listens on 127.0.0.1:$port
Server accepts connection from $first
Server echoes "one" (3 bytes) to $first
Server accepts connection from $second
Server echoes "two" (3 bytes) to $second
Server echoes "three" (5 bytes) to $first
Server closes connection to $first
Server closes connection to $second
END
}

@test "server: nothing comes back that was not sent" {
  start_server
  means="more came back than was sent: a greeting, the NUL behind a string, or the rest of a buffer" \
    visit expect-nothing ask:hello expect-nothing half-close expect-eof
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

@test "server: a client that half-closes before it reads gets everything back, then the end" {
  start_server -q
  means="the server gives up its client when recv() returns 0, or poll() says POLLHUP, with bytes still to send"
  # Far more than both send buffers hold, but with an end: the system makes the receive buffer of a server that
  # does not read larger and larger, up to 32 MB on Linux, and would let a flood trickle on for 20 s.
  start_visit client rcvbuf:4096 sndbuf:4096 flood:6000000 half-close pause \
    "slow-read:8000000:$dir/received" # with pauses: the end comes while some of the echo waits
  wait_for_pause client
  go_and_finish client
  assert_equal "$(size_of "$dir/received")" "$(sed -n 's/^flooded //p' "$dir/client.out")"
}

@test "server: however little its send buffer holds, everything comes back" {
  head -c 400000 /dev/urandom >"$dir/sent"
  start_server_with_small_buffers
  means="send() takes only some of what waits, too, and the rest was not kept, or all of it was sent again" \
    visit rcvbuf:4096 "exchange:$dir/sent:$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
}

# ---- The client and its connections ----

# bats test_tags=points:10
@test "client: without NUM_CLIENTS and MESSAGE it sends two messages on two connections" {
  fake_crowd 2 'expect:Message 1 from client.' 'send:Message 1 from client.' \
    'expect:Message 2 from client.' 'send:Message 2 from client.' expect-eof
  assert_all_echoed 2
}

@test "client: the third operand is the number of connections" {
  fake_crowd 5 'expect:Message 1 from client.' 'send:Message 1 from client.' \
    'expect:Message 2 from client.' 'send:Message 2 from client.' expect-eof
  assert_all_echoed 5 5
}

@test "client: all further operands are messages, and replace both of the default ones" {
  fake_crowd 2 expect:ahoy send:ahoy expect-eof
  assert_all_echoed 2 2 ahoy
  fake_server expect:one send:one expect:two send:two expect:three send:three expect-eof
  assert_all_echoed 1 1 one two three
}

# bats test_tags=points:10
@test "client: it sends its messages, all of them, and nothing else" {
  fake_crowd 2 expect:one send:one expect:two send:two expect-eof
  means="the client sent more than its messages: the NUL behind them, a newline, or a whole buffer"
  assert_all_echoed 2 2 one two
}

@test "client: it sends a message only when the one before has come back in full" {
  means="the client sends its messages without waiting for their echo"
  fake_server expect:first expect-nothing send:fir expect-nothing send:st expect:second \
    expect-nothing send:second expect-eof
  assert_all_echoed 1 1 first second
}

@test "client: it tells what it does on one connection, line by line" {
  fake_server echo
  run_client 127.0.0.1 "$port" 1 ahoy again
  assert_status 0
  client_lines "127.0.0.1:$port" '"ahoy" (4 bytes)' '"again" (5 bytes)' | assert_lines "$client_out"
  assert_nothing_in "$client_err"
}

# Expects that what the client says of connection I is about these messages, each in quotes and with its
# size. Lines on other connections may stand between.
assert_lines_of_connection() { # I QUOTED...
  LC_ALL=C grep -aE "connection $1( |\$)" "$client_out" >"$dir/lines" || true
  client_lines "127.0.0.1:$port" "${@:2}" | sed "\$d; s/connection 1/connection $1/" | assert_lines "$dir/lines"
}

# bats test_tags=points:10
@test "client: it tells the same of each of several connections, then how many have echoed" {
  local i
  fake_crowd 3 echo
  run_client 127.0.0.1 "$port" 3 ahoy again
  assert_echoed 3 3
  for i in 1 2 3; do
    assert_lines_of_connection "$i" '"ahoy" (4 bytes)' '"again" (5 bytes)'
  done
  assert_line_count 19 "$client_out" . "each line is about one connection, but for the last"
  assert_nothing_in "$client_err"
}

# bats test_tags=points:10
@test "client: it opens all of its connections at once" {
  # The fake server takes 50 connections before it answers on any.
  fake_crowd 50 echo
  hang_means="the client opens a connection only when it is done with the one before" \
    assert_all_echoed 50 50 ahoy again
}

@test "client: a connection that has to wait holds up no other" {
  # Connection 1 gets its echo only when all is over on the others; then the same with the last.
  fake_crowd 3 2/echo 3/echo 1/echo
  hang_means="the client waits for the echo on one connection, and looks at no other meanwhile" \
    assert_all_echoed 3 3 ahoy again
  fake_crowd 3 3/echo 1/echo 2/echo
  hang_means="the client waits for the echo on one connection, and looks at no other meanwhile" \
    assert_all_echoed 3 3 ahoy again
}

@test "client: empty messages may stand before, between and behind others" {
  fake_crowd 2 expect:one send:one expect:two send:two expect-eof
  hang_means="it waits in recv() for an echo of no bytes" \
    assert_all_echoed 2 2 '' one '' '' two ''
  assert_lines_of_connection 2 '"" (0 bytes)' '"one" (3 bytes)' '"" (0 bytes)' '"" (0 bytes)' '"two" (3 bytes)' '"" (0 bytes)'
}

@test "client: - is a message like any other in this stage" {
  fake_server expect:- send:- expect-eof
  run_client 127.0.0.1 "$port" 1 - </dev/null
  assert_echoed 1 1 "- stands for stdin in v1.0, not here"
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

# bats test_tags=points:10
@test "server and client: all messages come back on all connections, and both exit 0" {
  start_server
  run_client 127.0.0.1 "$port"
  assert_echoed 2 2
  wait_for_lines 2 "$server_out" '^Server echoes "Message 1 from client\." \(22 bytes\) to 127\.0\.0\.1:[0-9]+$'
  wait_for_lines 2 "$server_out" '^Server echoes "Message 2 from client\." \(22 bytes\) to 127\.0\.0\.1:[0-9]+$'
}

# ---- Nobody holds up another ----

@test "server: a client that sends half a message and then nothing holds up nobody" {
  start_server
  visit_until_pause client send:half-a-mess pause expect:half-a-mess
  assert_others_served "the server waits in recv() for the rest: a socket that poll() has not named is not read"
  go_and_finish client
}

@test "server: clients that say nothing hold up nobody" {
  start_server
  start_crowd silent 50 pause half-close expect-eof
  wait_for_pause silent
  assert_others_served "the server waits in recv() for a client that has nothing to say"
  go_and_finish silent
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
  visit_until_pause client rcvbuf:4096 flood pause
  assert_others_served "the server waits in send() for a client that does not read: keep what does not go, and wait for POLLOUT in poll()"
}

@test "server: from a client that does not read it stops reading, until that reads" {
  start_server -q
  visit_until_pause client rcvbuf:4096 flood:100000000 pause half-close "recv-all:$dir/received"
  local sent
  sent=$(sed -n 's/^flooded //p' "$dir/client.out")
  [ "$sent" -lt 100000000 ] || explain "the server reads what it cannot send" \
    "expected" "that it takes a few MB, as the socket buffers hold" "got" "$sent bytes" \
    "it usually means" "it keeps all that it has read: poll for POLLIN again when nothing waits to be sent"
  means="the server does not read again when the client has read what waited"
  go_and_finish client
  assert_equal "$(size_of "$dir/received")" "$sent"
}

@test "server: a client that does not read costs it at most 256 KiB of its memory" {
  need_proc
  local i before after count=16
  # What it frees is to be free, also where a sanitizer watches.
  export ASAN_OPTIONS="$ASAN_OPTIONS:quarantine_size_mb=1"
  start_server -q
  visit_until_pause first rcvbuf:4096 flood:8000000 pause
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
  visit_until_pause idle ask:hello pause
  assert_no_spin "$server" "poll() has a timeout of 0, or is asked for POLLOUT where nothing waits to be sent: a socket is writable nearly always"
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
  visit_until_pause talker ask:hello pause ask:again half-close expect-eof
  start_crowd crowd 500 pause
  wait_for_pause crowd
  go talker
  means="all who wait are accepted before anybody is served; and while they come, somebody always waits"
  finish talker
  accepted=$(awk '/^Server accepts/ { accepted++ } /^Server echoes "again"/ { print accepted }' "$server_out")
  [ "${accepted:-501}" -lt 501 ] || explain "a client waits until all others are accepted" \
    "expected" "its echo before all of 501 clients are accepted" "got" "$accepted accepted before it"
}

# ---- Rude clients ----

@test "server: clients that reset at once are no end of the service" {
  start_server
  halt "$server" # they are gone before they are accepted
  crowd 20 reset
  crowd 20 send:hello reset
  signal_server CONT
  assert_unharmed "accept(), getpeername() or recv() failed for a client that is gone: that is no failure of the server"
}

@test "server: what a client does concerns no other: the others' bytes stay in order" {
  local i
  head -c 2000000 /dev/urandom >"$dir/sent"
  start_server -q
  start_visit good rcvbuf:65536 "exchange:$dir/sent:$dir/received"
  for i in 1 2 3; do
    visit flood:300000 reset
    visit send:hello close
    crowd 10 send:hello reset
  done
  finish good
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: clients that are gone before they are accepted have their addresses in the lines all the same" {
  start_server
  signal_server STOP
  crowd 5 reset
  signal_server CONT
  assert_unharmed "accept(), getpeername() or recv() failed for a client that is gone"
  assert_no_line_in "$server_out" '^Server (accepts|closes) connection (from|to) ([^1]|1[^2])' \
    "getpeername() fails for a client that is gone: accept() has told its address"
  assert_stops
}

# ---- Stopping the server ----

@test "server: SIGINT stops it before any client has come" {
  start_server
  assert_stops INT
  assert_lines "$server_out" <<END
Server listens on 127.0.0.1:$port
Server stops after 0 connections
END
  assert_nothing_in "$server_err"
}

# Expects that a signal stops the server while clients wait, who see the end.
assert_stops_with_idle_clients() { # SIGNAL
  start_server
  start_crowd idle 20 ask:hello pause expect-eof
  wait_for_pause idle
  assert_stops "$1" 20
  go_and_finish idle
}

@test "server: SIGINT stops it within 2 s with idle clients, which see the end" {
  assert_stops_with_idle_clients INT
}

@test "server: behind clients that reset or vanish, a signal stops it as ever" {
  local i
  start_server -q
  for i in 1 2 3 4 5; do
    assert_unharmed
  done
  visit ask:hello reset
  visit flood:3000000 close
  assert_stops TERM 7
}

@test "server: SIGTERM stops it before any client has come" {
  start_server
  assert_stops TERM 0
}

# bats test_tags=points:10
@test "server: SIGTERM stops it within 2 s with idle clients, which see the end" {
  assert_stops_with_idle_clients TERM
}

@test "server: SIGTERM stops it within 2 s with clients that do not read" {
  start_server
  start_visit first rcvbuf:4096 flood pause
  start_visit second rcvbuf:4096 flood half-close pause
  wait_for_pause first
  wait_for_pause second
  assert_stops TERM '' "the server waits until it has sent everything, which never comes: it has 2 s"
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
  assert_stops TERM '' "the server echoes on as long as something comes: it has 2 s"
}

@test "server: SIGTERM stops it within 2 s while a client sends, and does not read" {
  start_server -q
  visit_until_pause client rcvbuf:4096 ask:hello pause flood
  signal_server STOP
  go client # what it sends fills the buffers, and more of it comes while the server stops
  assert_stops TERM '' "the server reads, or waits until it has sent everything, without an end: it has 2 s"
}

@test "server: SIGTERM stops it within 2 s with clients that were not accepted yet" {
  start_server
  signal_server STOP
  crowd 20 send:hello
  start_crowd waiting 20 send:hello pause
  wait_for_pause waiting
  assert_stops
}

@test "server: stopped as soon as it is ready, it stops" {
  local i
  for i in 1 2 3 4 5 6 7 8 9 10; do
    start_server
    assert_stops TERM '' "the signal came before the handler was there, or between a look at the flag and poll(): let the handler write to a pipe that poll() watches"
  done
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

@test "server: before it stops, it echoes what has arrived, however little goes at a time" {
  local asked
  head -c 30000 /dev/urandom >"$dir/sent"
  start_server_with_small_buffers
  visit_until_pause client rcvbuf:4096 "send-file:$dir/sent" pause "recv:30000:$dir/received" expect-eof
  signal_server STOP
  asked=$(now_ms)
  signal_server TERM
  go client
  signal_server CONT
  means="all clients have one more turn, and it takes many to read and send everything" finish client
  assert_same_bytes "$dir/sent" "$dir/received"
  assert_stopped "$asked"
}

@test "server: what it has echoed before it stopped is not lost when the client reads it later" {
  head -c 60000 /dev/urandom >"$dir/sent"
  start_server
  visit_until_pause client "send-file:$dir/sent" pause "recv:60000:$dir/received" expect-eof
  all_echoed() { [ "$(shown_size)" -eq 60000 ]; }
  wait_until all_echoed || explain "the server does not echo" "got" "$(show_lines "$server_out")"
  assert_stops
  means="the connection was reset: SO_LINGER 0, or close() with unread input, destroys what the client has not read yet"
  go_and_finish client
  assert_same_bytes "$dir/sent" "$dir/received"
}

@test "server: what it has sent before it stopped is not lost, however late the client takes it" {
  # Much more has come than it could echo, and it may not close with that unread.
  head -c 1000003 /dev/urandom >"$dir/sent"
  start_server -q
  visit_until_pause client rcvbuf:4096 "flood-file:$dir/sent" pause "recv-all:$dir/received"
  assert_stops
  means="close() with unread input resets the connection, and what the client has not read yet is lost"
  go_and_finish client
  cat "$dir/sent" "$dir/sent" "$dir/sent" "$dir/sent" "$dir/sent" "$dir/sent" "$dir/sent" "$dir/sent" |
    head -c "$(size_of "$dir/received")" >"$dir/echo"
  [ -s "$dir/received" ]
  assert_same_bytes "$dir/echo" "$dir/received"
}

# ---- The client, and what goes wrong ----

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

@test "client: an echo that differs late in a long message is a failure" {
  fake_server corrupt:99999
  run_client 127.0.0.1 "$port" 1 "$(repeat 100000 x)"
  assert_client_fails '^client: connection 1: the echo differs from what was sent$' \
    "every byte is compared, not only the first piece"
}

@test "client: writing to a server that is gone does not end it (SIGPIPE)" {
  fake_server recv:3 pause send:one half-close reset
  start_client 127.0.0.1 "$port" 1 one two
  wait_for_pause fake
  halt "$client" # it wakes up with the echo, the next message to send, and nobody there
  go_and_finish fake
  kill -CONT -- "-$client"
  wait_for_exit "$client"
  assert_client_fails '^client: connection 1: connection closed by server$'
  assert_echoed 0 1
}

@test "client: a server that reads slowly holds up no other connection" {
  # Connection 1 is full and not read while the others go on to their end.
  local long
  long=$(repeat 120000 x)
  fake_crowd 2 rcvbuf:2048 1/recv:1 2/echo 1/recv:119999 close
  run_client 127.0.0.1 "$port" 2 "$long" "$long"
  assert_echoed 1 2 "the client waits in send() on one connection, and looks at no other meanwhile"
  finish fake
}

@test "client: a server that resets while the client sends is a failure" {
  local long
  long=$(repeat 120000 x)
  fake_server rcvbuf:2048 recv:1 reset
  run_client 127.0.0.1 "$port" 1 "$long" "$long"
  assert_client_fails '^client: connection 1: connection closed by server$'
  assert_echoed 0 1
}

@test "client: an echo that goes on with the next message is a failure" {
  fake_server expect:one 'send:one\0two' expect-end
  run_client 127.0.0.1 "$port" 1 one two
  assert_status 1 "more was compared than was sent: the messages stand side by side in memory"
  assert_line_in "$client_err" '^client: connection 1: the echo differs from what was sent$'
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
    assert_line_count 1 "$client_err" "^client: connection $i: [^ ]" "each connection says why it has failed"
  done
  assert_line_count 3 "$client_err" .
}

@test "client: -q does not leave out why a connection has failed" {
  fake_server recv:5 close
  run_client -q 127.0.0.1 "$port" 1 hello
  assert_echoed 0 1
  assert_one_line "$client_err" '^client: connection 1: connection closed by server$' "-q leaves out the lines on sending and receiving, and only those"
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

# ---- Long messages, and hundreds of connections ----

@test "client: long messages are echoed, however little the socket buffers hold" {
  local long
  long=$(repeat 120000 x)
  fake_crowd 3 rcvbuf:2048 sndbuf:2048 echo
  limit=$((30 * SLOWNESS)) assert_all_echoed 3 3 "$long" "$long" "$long"
  assert_line_count 9 "$client_out" "^Client receives \"$(repeat 64 x)\"\.\.\. \(120000 bytes\) on connection [123]\$"
}

@test "client: a message longer than its socket takes at once is sent in full" {
  local there long
  make_host tcp_wmem="4096 4096 4096"
  client_command=("${there[@]}" "${client_command[@]}")
  probe_command=("${there[@]}" "${probe_command[@]}")
  fake_crowd 3 rcvbuf:2048 echo
  long=$(repeat 120000 x)
  limit=$((30 * SLOWNESS)) \
    hang_means="send() took less than it was given, and the rest was never sent: the echo of it never comes" \
    assert_all_echoed 3 3 "$long" "$long"
}

@test "server and client: long messages on many connections come back" {
  local long
  long=$(repeat 120000 x)
  start_server -q
  limit=$((30 * SLOWNESS)) run_client -q 127.0.0.1 "$port" 50 "$long" '' "$long" short
  assert_echoed 50 50
  assert_stops
}

@test "server: 500 clients at once are served" {
  start_server
  means="a table of connections is too small, or select() is used: FD_SET() takes descriptors below FD_SETSIZE" \
    crowd 500 ask:hello send:again half-close expect:again expect-eof
  assert_stops TERM 500
}

@test "server: 1500 clients at once are served, in whatever order they leave" {
  need_descriptors 1600
  start_server
  means="a table of connections is too small, or select() is used: FD_SET() takes descriptors below FD_SETSIZE"
  start_crowd crowd 1500 ask:hello 1/close 750/reset 2/close 1499/close \
    3/ask:hello 751/ask:hello 1500/ask:hello 1500/close 3/half-close 3/expect-eof 4/ask:hello pause
  LIMIT=$((30 * SLOWNESS)) wait_for_pause crowd
  assert_unharmed "an index into the tables is wrong after a connection was closed"
  [ ! -r /proc/self/status ] ||
    assert_no_spin "$server" "poll() still looks at the descriptor of a connection that is closed"
  assert_stops TERM 1501
}

@test "server: after a thousand connections it has as many descriptors as before" {
  need_proc
  local before
  start_server -q
  visit ask:hello half-close expect-eof
  wait_for_line "$server_out" '^Server closes connection to '
  before=$(descriptors "$server")
  crowd 250 ask:hello half-close expect-eof close
  crowd 250 ask:hello close
  crowd 250 ask:hello reset
  crowd 250 send:hello reset
  assert_descriptors_closed "$before" "1000 connections" \
    "one of the ways in which a connection ends does not close() it"
}

@test "client: 500 connections at once are echoed" {
  need_descriptors 600
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

@test "server and client: a thousand connections at once" {
  need_descriptors 1100
  start_server -q
  limit=$((30 * SLOWNESS)) run_client -q 127.0.0.1 "$port" 1000 one two
  assert_echoed 1000 1000
  assert_stops TERM 1000
}

@test "server and client: a client that may not open so many connections says so, and exits 1" {
  start_server -q
  with_ulimit '-n 60' "${client_command[@]}"
  client_command=("${limited[@]}")
  hang_means="it waits for connections that were never opened" run_client -q 127.0.0.1 "$port" 200 ahoy
  assert_status 1
  assert_line_in "$client_err" '^client: .' "socket() failed with EMFILE, and nothing was said"
  assert_no_line_in "$client_out" '^Client echoed on 200 of '
  assert_unharmed "the server suffers from a client that has failed"
}

# ---- Out of descriptors ----

@test "server: out of descriptors it says so once, keeps its clients, and does not spin" {
  start_server
  visit_until_pause kept ask:hello pause ask:again pause:again half-close expect-eof
  take_descriptors
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
  visit_until_pause kept ask:hello pause half-close expect-eof
  take_descriptors
  start_visit waiting say:connected ask:hello half-close expect-eof
  wait_for_line "$server_err" '^server: .'
  means="the listener is not polled again when a descriptor is free"
  go_and_finish kept
  finish waiting $((10 * SLOWNESS))
  assert_one_line "$server_err" '^server: .' "one line for each time that descriptors run out"
  assert_stops TERM 2
}

@test "server: out of descriptors without a client, it serves as soon as there are some again" {
  start_server
  take_descriptors
  start_visit waiting say:connected ask:hello half-close expect-eof
  wait_for_line "$server_err" '^server: .' "accept() failed with EMFILE, and nothing was said"
  assert_no_spin "$server" "accept() fails with EMFILE again and again, as long as the client waits"
  assert_one_line "$server_err" '^server: .' "one line for each time that descriptors run out"
  give_descriptors
  means="no connection of the server itself will close: it has to try again after some time"
  finish waiting $((10 * SLOWNESS))
}

@test "server: out of descriptors, it says so once as long as somebody waits" {
  local name
  start_server
  visit_until_pause kept ask:hello pause half-close expect-eof
  take_descriptors
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

@test "server: out of descriptors, SIGTERM stops it within 2 s" {
  start_server
  visit_until_pause kept ask:hello pause
  take_descriptors
  start_visit waiting send:hello pause
  wait_for_line "$server_err" '^server: .'
  assert_stops
}

@test "server: when descriptors run out anew, it says so anew" {
  local time
  start_server
  visit_until_pause client0 ask:hello pause half-close expect-eof
  take_descriptors
  for time in 1 2; do
    start_visit "client$time" say:connected ask:hello pause half-close expect-eof
    wait_for_lines "$time" "$server_err" '^server: .' \
      "the episode before has ended when a client could be accepted and none waited: forget it then"
    go "client$((time - 1))"
    finish "client$((time - 1))"
    wait_for_pause "client$time"
  done
  assert_line_count 2 "$server_err" .
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
    crowd 120 limit:20 "exchange:$dir/in:"
  wait_until has_line "$server_err" '^server: .' ||
    explain "120 clients with 60 descriptors, and nothing was said"
  assert_unharmed "the server does not recover from a lack of descriptors"
  assert_stops TERM 121
}

# ---- The command line of the client ----

@test "client: a NUM_CLIENTS that is not a decimal number from 1 to 65535 is refused with exit 2" {
  local limit=$((4 * SLOWNESS)) wrong=(0 00 "${wrong_ports[@]/%/ message}")
  reserve_port
  assert_refuses client "${wrong[@]/#/127.0.0.1 $port }"
}

@test "client: a negative NUM_CLIENTS is refused with exit 2, behind -- too" {
  reserve_port
  assert_refuses client "127.0.0.1 $port -1" "-- 127.0.0.1 $port -1"
}

@test "client: behind -- messages may look like options" {
  local message
  fake_server echo
  run_client 127.0.0.1 "$port" 1 -- -q -h --help -- -x
  assert_echoed 1 1 "behind -- there are no options: all of these are messages"
  finish fake
  for message in -q -h --help -- -x; do
    assert_line_in "$client_out" "^Client sends \"$message\" \(${#message} bytes\) on connection 1\$"
  done
  assert_line_count 5 "$client_out" '^Client sends '
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

@test "server and client: a number with leading zeros is decimal" {
  assert_refuses server '127.0.0.1 065536'
  assert_refuses client '127.0.0.1 065536'
  fake_crowd 10 echo
  run_client -q 127.0.0.1 "$port" 010 ahoy
  assert_echoed 10 10 "010 is ten: strtoul() with base 0 takes it for octal"
}
