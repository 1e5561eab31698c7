#!/usr/bin/env bats
# v2-threaded-broadcast: a thread for each client, and with -b everybody hears everybody. What all stages
# have to do is in every-stage.bats.

STAGE=v2-threaded-broadcast
load support/stages

# How the server's lines name the only connection of a probe that did the step `who`.
peer_of() { # NAME
  address_of "$1" | sed 's/^\(.*\):\([0-9]*\)$/IP \1 Port \2/'
}

# Sends a text to a client whose stdout is a terminal. The client is to show it as SHOWN.
assert_terminal_shows() { # TEXT SHOWN
  fake_server expect-eof "send:$1" close
  printf '%s' "$2" >"$dir/shown"
  in_terminal assert_client_succeeds
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
start_typing() {
  mkfifo "$dir/typed"
  read_typed() { exec "${client_command[@]}" 127.0.0.1 "$port" <"$dir/typed"; }
  start client read_typed
  client=$pid client_out=$dir/client.out client_err=$dir/client.err
  exec 5>"$dir/typed"
}

# Types a line. If the client is gone, it goes nowhere.
type_line() { # [LINE]
  (trap '' PIPE && echo "${1:-}" >&5) 2>/dev/null || true
}

# Ends the client's input, and expects that it exits 0.
end_typing() { # [MEANING]
  exec 5>&-
  wait_for_exit "$client"
  assert_status 0 "${1:-}"
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

# Starts clients that talk all the time, and throw away what they hear, until the test ends, or each has said
# so many lines.
start_chatter() { # N [LINES]
  local i
  for ((i = 1; i <= $1; i++)); do
    lines_of "chatter$i" "${2:-100000}" 40 >"$dir/chatter$i"
    start_visit "chat$i" say:talking "talk:$dir/chatter$i::100000000"
    wait_for_pause "chat$i" talking
  done
}

# Two clients that send 8 MB each, and read the 16 MB of both. Sets $took, the milliseconds.
converse() {
  local before name
  [ -e "$dir/megabytes" ] || head -c 8000000 /dev/urandom >"$dir/megabytes"
  for name in one two; do
    start_visit "$name" who pause "roundtrip:$dir/megabytes:$dir/$name.heard:16000000"
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
  local one=$dir/$1 two=$dir/$2
  cmp -s "$one" "$two" || explain "two clients did not hear the same" \
    "$1" "$(show_difference "$one" "$two" "$one")" "$2" "$(show_difference "$one" "$two" "$two")" \
    "it usually means" "$means"
}

# Fails if the server has dropped anybody.
assert_nobody_dropped() {
  assert_no_line_in "$server_out" '^\[-\] Slow client dropped' "${1:-"a client that reads is not dropped, however slowly it reads"}"
}

# ---- The welcome, and a thread for each client ----

# bats test_tags=points:10
@test "server: the first bytes that a client gets are the welcome, exactly 25 bytes" {
  local mode
  means="strlen() does not count the NUL at the end of a string, and sizeof does: it is not part of the welcome"
  printf '\n\nWelcome to my server\n\n\n' >"$dir/welcome"
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    probe connect 127.0.0.1 "$port" half-close "recv-all:$dir/received"
    assert_same_bytes "$dir/welcome" "$dir/received"
  done
}

@test "server: the welcome comes at once, before the client says a word" {
  start_server
  visit
}

# bats test_tags=points:10
@test "server: without -b each client gets its own bytes back, and nobody else's" {
  start_server
  means="what a client sends goes to others too, or to the wrong one: threads share a variable, such as the buffer or the connection"
  crowd 3 1/ask:one 2/ask:two 1/ask:three 3/ask:four half-close expect-eof
}

# bats test_tags=points:10
@test "server and client: a client sees the welcome and its lines, and both exit 0" {
  start_server
  run_client 127.0.0.1 "$port" <<<$'one\ntwo'
  assert_status 0
  printf %b "${welcome}one\ntwo\n" | assert_lines "$client_out"
  assert_stops TERM 1
}

@test "server: a client that half-closes without a word gets the welcome and the end" {
  start_server
  probe connect 127.0.0.1 "$port" half-close "$welcomed" expect-eof
  wait_for_line "$server_out" '^\[-\] Connection closed \| '
  assert_no_line_in "$server_out" '^\[\+\] Message' "recv() returned 0: there was nothing to echo"
}

@test "server: many clients at once get their own bytes back" {
  start_server -q
  local i
  for i in 1 2 3 4; do
    head -c 8000000 /dev/urandom >"$dir/sent$i"
  done
  # The first one's thread waits in send() in the middle of a piece while the others get theirs.
  visit_until_pause client1 rcvbuf:4096 "flood-file:$dir/sent1" pause half-close "recv-all:$dir/received1"
  for i in 2 3 4; do
    start_visit "client$i" pause "exchange:$dir/sent$i:$dir/received$i"
    wait_for_pause "client$i"
  done
  for i in 2 3 4; do
    go "client$i"
  done
  read_more="man 7 pthreads: what threads share, and what each has for itself"
  for i in 2 3 4; do
    finish "client$i"
    assert_same_bytes "$dir/sent$i" "$dir/received$i"
  done
  go_and_finish client1
  assert_flood_answered "$dir/sent1" client1 "$dir/received1"
  assert_stops TERM 4
}

@test "server: 200 clients can be connected at once, and each is served" {
  start_server
  crowd 200 ask:hello ask:again half-close expect-eof
  assert_stops TERM 200
}

# bats test_tags=points:10
@test "server: without -b a client that does not read costs the others nothing" {
  head -c 4000000 /dev/urandom >"$dir/sent"
  start_server -q
  visit_until_pause stalled rcvbuf:4096 flood pause half-close "recv-all:$dir/received"
  means="a thread waits for a client that does not read while it holds a lock that others need"
  visit silence:5 ask:one ask:two "exchange:$dir/sent:$dir/heard"
  assert_same_bytes "$dir/sent" "$dir/heard"
  sleep 1.5 # without -b nobody is dropped, however long it takes nothing
  assert_nobody_dropped "without -b a client may read as late as it likes: it holds nobody up"
  go_and_finish stalled
  assert_equal "$(size_of "$dir/received")" "$(sed -n 's/^flooded //p' "$dir/stalled.out")"
  assert_stops TERM 2
}

@test "server: the welcome comes before the echo, also for a client that talks at once" {
  local mode i
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    for i in 1 2 3 4 5 6 7 8 9 10; do
      probe connect 127.0.0.1 "$port" send:hello "$welcomed" expect:hello
    done
  done
}

# ---- With -b: everybody hears everybody ----

# bats test_tags=points:10
@test "server: with -b every client gets what anyone sends, the sender included" {
  start_server -b
  crowd 4 1/send:one expect:one 4/send:two expect:two '2/send:thr\0ee' 'expect:thr\0ee' half-close expect-eof
}

@test "server: with -b a newcomer does not hear what was said before" {
  start_server -b
  visit_until_pause old ask:before pause ask:after
  visit_until_pause new pause expect:after
  go_and_finish old
  go_and_finish new
}

@test "server and client: with -b one sees what the other types" {
  start_server -b
  start_typing
  wait_for_line "$client_out" '^Welcome to my server$'
  local first=$client first_out=$dir/first.out
  run_to_end other "${client_command[@]}" 127.0.0.1 "$port" <<<'from the other'
  assert_status 0
  wait_for_line "$client_out" '^from the other$'
  type_line 'from the first'
  wait_for_line "$client_out" '^from the first$'
  end_typing
  assert_stops TERM 2
}

@test "server: with -b it tells that too" {
  local mode=-b
  start_server -b
  visit who ask:hello half-close expect-eof
  assert_ends
  server_lines "$(address_of probe)" hello | assert_lines "$server_out"
}

@test "server: it shows each message, once, however many clients get it" {
  start_server -b
  crowd 3 1/send:one expect:one 2/send:two expect:two 3/send:three expect:three half-close expect-eof
  wait_for_lines 3 "$server_out" '^\[-\] Connection closed \| '
  shown_messages | LC_ALL=C sort >"$dir/shown" # each by its own thread: in any order
  printf '%s\n' '"one" (3 bytes)' '"three" (5 bytes)' '"two" (3 bytes)' | assert_lines "$dir/shown"
}

@test "server: with -b 8 clients that send 200 lines each all hear the same lines in the same order" {
  start_server -b -q
  local i total=$((8 * 200 * 24))
  for i in 1 2 3 4 5 6 7 8; do
    lines_of "client $i" 200 24 >"$dir/lines$i"
    start_visit "client$i" limit:30 pause "talk:$dir/lines$i:$dir/heard$i:$total"
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
  visit_until_pause listener pause "recv:$total:$dir/heard0"
  for i in 1 2 3 4; do
    lines_of "client $i" 60 4096 >"$dir/lines$i"
    start_visit "client$i" limit:30 pause "talk:$dir/lines$i:$dir/heard$i:$total"
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
  visit_until_pause slow rcvbuf:8192 pause "slow-read:4000000:$dir/slow.heard:16000000"
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
  start_visit host limit:40 "meet:150:$welcome"
  finish host
}

@test "server: with -b a newcomer misses nothing behind its welcome" {
  start_server -b -q
  start_crowd crowd 60 pause
  wait_for_pause crowd
  start_visit host limit:20 "meet:300:$welcome"
  means="a client gets its welcome before it is in the list of clients: what is said meanwhile passes it by"
  finish host
  start_chatter 2
  start_visit host limit:40 "meet:100:$welcome"
  finish host
}

@test "server: with -b a message of 40,000 bytes is heard whole" {
  local name other
  start_server -b
  visit_until_pause listener rcvbuf:400000 pause "recv:400000:$dir/heard"
  for name in 0 1 2 3 4 5 6 7 8 9; do
    head -c 40000 /dev/zero | tr '\0' "$name" >"$dir/sent$name"
    start_visit "talker$name" rcvbuf:400000 pause:in "send-file:$dir/sent$name" pause:sent recv:400000
    wait_for_pause "talker$name" in
  done
  halt "$server" # each message is there in full before it is read
  for name in 0 1 2 3 4 5 6 7 8 9; do
    go "talker$name"
    wait_for_pause "talker$name" sent
  done
  signal_server CONT
  for name in 0 1 2 3 4 5 6 7 8 9; do
    go "talker$name"
  done
  go_and_finish listener
  [ "$(shown_messages | grep -c '(40000 bytes)$')" -eq 10 ] || skip "this system does not hand out 40000 bytes in one read"
  tr -s 0-9 <"$dir/heard" >"$dir/order"
  [ "$(size_of "$dir/order")" -eq 10 ] || explain "a message was torn" \
    "expected" "ten messages, each in one piece" "heard in this order" "$(cat "$dir/order")" \
    "it usually means" "a broadcast is cut into pieces, and the lock is not held from the first to the last"
}

@test "server: -b may stand before, between and behind the operands" {
  local arguments
  for arguments in '-b 127.0.0.1 0' '127.0.0.1 -b 0' '127.0.0.1 0 -b' '0 -b' '-b -- 127.0.0.1 0' \
    '-q 127.0.0.1 -b 0'; do
    # shellcheck disable=SC2086 # words
    start_server_on $arguments
    assert_line_in "$server_out" '^\[\+\] Broadcast option: True$' "-b was not seen in: $arguments"
    means="-b was not seen in: $arguments"
    crowd 2 1/send:hello expect:hello
  done
}

# ---- The client, and what is typed ----

# bats test_tags=points:10
@test "client: it shows what the server sends, exactly, and nothing of its own" {
  head -c 1000000 /dev/urandom >"$dir/sent"
  every_byte >>"$dir/sent"
  fake_server expect-eof "send-file:$dir/sent" close
  assert_client_succeeds
  assert_same_bytes "$dir/sent" "$client_out"
  assert_nothing_in "$client_err"
}

# bats test_tags=points:10
@test "client: it sends each line of stdin as it stands, newline included" {
  printf 'one\n\n  two\t \r\n\nthree\0four\xff\n' >"$dir/in"
  fake_server "recv-all:$dir/received" close
  assert_client_succeeds <"$dir/in"
  assert_same_bytes "$dir/in" "$dir/received"
}

# bats test_tags=points:10
@test "client: it shows what comes at once, while it waits for input" {
  means="the client waits for input, and receives only after it: two threads, or poll(), wait for both"
  fake_server 'send:one\n' pause:one 'send:two\n' pause:two expect-eof close
  start_typing
  wait_for_pause fake one
  wait_for_line "$client_out" '^one$' "$means"
  go fake
  wait_for_pause fake two
  wait_for_line "$client_out" '^two$' "$means"
  go fake
  end_typing
  finish fake
}

# bats test_tags=points:10
@test "client: at end of input it half-closes, shows what still comes, and exits 0" {
  head -c 500000 /dev/urandom >"$dir/late"
  fake_server 'expect:hello\n' expect-eof pause "send-file:$dir/late" close
  echo hello >"$dir/in"
  stdin_file=$dir/in start_client 127.0.0.1 "$port"
  means="at end of input the client leaves, or closes both halves of the connection: shutdown(SHUT_WR) ends its own half"
  wait_for_pause fake
  go fake
  wait_for_exit "$client"
  assert_status 0
  finish fake
  assert_same_bytes "$dir/late" "$client_out"
}

@test "server and client: a line that is typed in two parts is heard whole" {
  start_server
  start_typing
  wait_for_line "$client_out" '^Welcome to my server$'
  printf hel >&5
  sleep 0.3 # makes it likely that the first part is read alone; the test holds without
  type_line lo
  means="what read() returns is sent at once, and others hear a half of a line, or their own words in its middle"
  wait_for_line "$server_out" '"hello\\n" \(6 bytes\)$' "$means"
  end_typing
}

@test "client: a line is sent as soon as it is typed, while more may come" {
  means="stdin is read in large blocks, or sent at its end only: fread() waits until its buffer is full"
  fake_server 'expect:one\n' say:first 'expect:two\n' say:second expect-eof close
  start_typing
  type_line one
  wait_for_pause fake first
  type_line two
  wait_for_pause fake second
  end_typing
  finish fake
}

@test "client: an empty line is sent as soon as it is typed" {
  fake_server 'expect:\n' say:first 'expect:\n' say:second expect-eof close
  start_typing
  type_line
  wait_for_pause fake first
  type_line
  wait_for_pause fake second
  end_typing
  finish fake
}

@test "client: an empty stdin is the end of input: it shows what comes, and exits 0" {
  fake_server "send:$welcome" expect-eof close
  hang_means="at end of input the client does not tell the server, which waits for more: shutdown(SHUT_WR) ends its half of the connection" \
    assert_client_succeeds
  printf %b "$welcome" >"$dir/sent"
  assert_same_bytes "$dir/sent" "$client_out"
}

@test "client: an unended last line of stdin is sent as it stands" {
  printf 'one\ntwo' >"$dir/in"
  fake_server "recv-all:$dir/received" close
  assert_client_succeeds <"$dir/in"
  assert_same_bytes "$dir/in" "$dir/received"
}

# Waits until all that the client has shown is this.
wait_until_shown() { # TEXT
  shown() { [ "$(cat "$client_out")" = "$1" ]; }
  wait_until shown "$1" || explain "what has come is not shown" "got" "$(show_lines "$client_out")" \
    "it usually means" "it waits in the buffer of stdout for a newline: fflush()"
}

@test "client: it shows what comes without a newline at once, too" {
  fake_server 'send:no newline' pause expect-eof close
  start_typing
  wait_for_pause fake
  wait_until_shown 'no newline'
  go fake
  end_typing
}

@test "client: what is typed and what comes may cross at any time" {
  fake_server 'send:one\n' 'expect:hello\n' 'send:two\n' 'send:three\n' 'expect:again\n' \
    'send:four\n' expect-eof 'send:five\n' close
  start_typing
  wait_for_line "$client_out" '^one$'
  type_line hello
  wait_for_line "$client_out" '^three$'
  type_line again
  wait_for_line "$client_out" '^four$'
  end_typing
  printf '%s\n' one two three four five | assert_lines "$client_out"
}

@test "client: a server that closes first is a failure, at once, also while it waits for input" {
  fake_server send:bye close
  means="the thread that receives has ended, and the client goes on waiting for stdin in the other one"
  start_typing
  wait_for_exit "$client" "$LIMIT" "$means"
  assert_client_fails '^client: connection closed by server$' "recv() returned 0 before the end of input: the server has closed"
  printf bye >"$dir/sent"
  assert_same_bytes "$dir/sent" "$client_out"
}

@test "client: a server that half-closes first is a failure, at once" {
  fake_server send:bye half-close expect-end
  start_typing
  wait_for_exit "$client" "$LIMIT" "recv() returned 0: nothing more will come, and the client goes on waiting for stdin"
  assert_client_fails '^client: connection closed by server$'
}

@test "client: a server that resets the connection is a failure, at once" {
  fake_server send:bye pause reset
  start_typing
  wait_for_line "$dir/fake.out" '^paused$'
  go fake
  wait_for_exit "$client"
  assert_client_fails '^client: connection closed by server$' "recv() failed with ECONNRESET"
}

@test "server and client: when the server stops, a client that waits for input exits 1 at once" {
  start_server
  start_typing
  wait_for_line "$client_out" '^Welcome to my server$'
  assert_stops TERM 1
  wait_for_exit "$client"
  assert_client_fails '^client: connection closed by server$'
}

# ---- Lines of many threads ----

@test "server: each connection has one line when it comes, and one when it goes" {
  start_server
  crowd 30 who ask:hello half-close expect-eof
  wait_for_lines 30 "$server_out" '^\[-\] Connection closed \| '
  sed -n 's/^me \(.*\):\([0-9]*\)$/IP \1 Port \2/p' "$dir/probe.out" | sort >"$dir/clients"
  sed -n 's/^\[+\] Connection established | //p' "$server_out" | sort | assert_lines "$dir/clients" \
    "a connection has no line, or that of another one: each thread needs the address of its own client, not a variable that the next accept() overwrites"
  sed -n 's/^\[-\] Connection closed | //p' "$server_out" | sort | assert_lines "$dir/clients" \
    "a connection has no last line, or two, or that of another one: each thread needs the address of its own client, not a variable that the next accept() overwrites"
  assert_stops TERM 30
}

@test "server: lines of many threads never mix" {
  head -c 2000 /dev/zero | tr '\0' x >"$dir/bytes"
  start_server
  local i
  for i in 1 2 3 4 5 6; do
    start_visit "client$i" pause "ping:$dir/bytes" half-close expect-eof
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

# ---- With -b: the log ----

@test "server: with -b 50 clients that talk, come, leave, vanish and stall for 2 s all hear the same" {
  start_server -b -q
  means="all must get the same messages, whole and in the same order: nothing may be written where one still reads, and nobody may miss what is said while others come and go"
  probe storm 50 2 127.0.0.1 "$port" "$welcome" limit:50
  assert_stops
}

# Starts one who reads slowly, in steps that never have room for 20,000 bytes, and one who says so much that
# all have to wait for the slow one from now on.
fill_the_room() {
  visit_until_pause slow rcvbuf:4096 pause "slow-read:200000:/dev/null"
  go slow
  head -c 8000000 /dev/zero | tr '\0' . >"$dir/flood"
  start_visit flood "roundtrip:$dir/flood:$dir/flood.heard"
  wait_until has_bytes 1200000 "$dir/flood.heard"
}

has_bytes() { # N FILE
  [ -e "$2" ] && [ "$(size_of "$2")" -ge "$1" ]
}

@test "server: with -b a message of 60,000 bytes has its turn among many small ones, and a flood" {
  start_server -b -q
  fill_the_room
  start_chatter 10
  { head -c 60000 /dev/zero | tr '\0' L && echo; } >"$dir/large"
  start_visit large limit:15 pause:in "send-file:$dir/large" pause:sent "hear:$dir/large"
  wait_for_pause large in
  halt "$server" # the message is there in full before it is read
  go large
  wait_for_pause large sent
  signal_server CONT
  go large
  means="who needs much room waits for ever if others take what little there is: while one waits for room, it has to be its turn"
  finish large
}

# ---- With -b: slow and stalled clients ----

# bats test_tags=points:10
@test "server: with -b a stalled client is dropped after 1 s, and the others hear on" {
  start_server -b -q
  converse
  local alone=$took
  visit_until_pause stalled rcvbuf:4096 who pause expect-end
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
  assert_stops TERM 5
  wait_for_lines 1 "$server_out" '^\[-\] Slow client dropped'
  wait_for_lines 4 "$server_out" '^\[-\] Connection closed'
}

@test "server: with -b 10 stalled clients cost no more than one" {
  start_server -b -q
  converse
  local alone=$took
  start_crowd stalled 10 rcvbuf:4096 pause
  wait_for_pause stalled
  converse
  [ "$took" -le $((2 * alone + 1000 + 2500 * SLOWNESS)) ] || explain "10 stalled clients cost too much" \
    "two others need without them" "$alone ms" "and with them" "$took ms" \
    "expected" "1 s more, and what the machine adds" \
    "it usually means" "the server waits a second for each of them, one after another"
  wait_for_lines 10 "$server_out" '^\[-\] Slow client dropped'
  assert_stops TERM 14
}

@test "server: with -b it takes clients in and says its welcome beside a stalled one" {
  start_server -b -q
  visit_until_pause stalled rcvbuf:4096 pause
  head -c 16000000 /dev/zero >"$dir/sent"
  start_visit talker say:talking "send-file:$dir/sent"
  wait_for_pause talker talking # and it does not read: it is stalled too, by its own messages
  means="a client that sends without reading waits for itself, and all others with it"
  visit limit:5
  wait_for_lines 2 "$server_out" '^\[-\] Slow client dropped' \
    "a client that sends and never reads is stalled as well: it is owed its own messages"
  visit limit:5 ask:hello
}

@test "server: with -b a client that reads 128 KiB a second is not dropped, and loses nothing" {
  # More is sent than any buffer holds: all have to wait for the slow ones, which are watched until
  # they have read half a megabyte.
  start_server -b -q
  head -c 12000000 /dev/urandom >"$dir/sent"
  means="a client that takes a little has not stalled; but poll() tells of room only when a third of the send buffer is free: send() has to be tried"
  local buffer rate
  for buffer in 4096 65536 0; do
    rate=131072
    # 0: as the system has it, who makes it larger for a reader that rests and catches up; then half of it is more.
    [ "$buffer" -ne 0 ] || rate=393216
    start_visit "slow$buffer" "rcvbuf:$buffer" pause "slow-read:$rate:$dir/heard$buffer:500000"
    wait_for_pause "slow$buffer"
    go "slow$buffer"
  done
  start_visit talker "roundtrip:$dir/sent:$dir/received"
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
  visit_until_pause slow pause "slow-read:6000000:$dir/received:33554432" half-close expect-eof
  go slow
  start_visit talker "roundtrip:$dir/sent:$dir/heard" half-close expect-eof
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
  start_visit pausing rcvbuf:16384 pause wait:400 \
    "recv:3000000:$dir/1" wait:400 "recv:3000000:$dir/2" wait:400 "recv:6000000:$dir/3"
  wait_for_pause pausing
  start_visit talker "roundtrip:$dir/sent:$dir/heard"
  go_and_finish pausing
  finish talker
  cat "$dir/1" "$dir/2" "$dir/3" >"$dir/received"
  assert_same_bytes "$dir/sent" "$dir/received"
  assert_nobody_dropped "a client that has paused for 0.4 s has not stalled for 1 s"
}

@test "server: with -b a client that is owed nothing is never dropped, however long it is silent" {
  start_server -b
  visit_until_pause quiet pause expect:hello ask:again
  sleep 2 # it is not stalled: it has taken all that it is owed
  visit ask:hello
  sleep 1.5 # what it does not read waits in its buffers, and holds nobody up
  visit
  go_and_finish quiet
  assert_nobody_dropped "a client is stalled only while it is owed something that it does not take"
}

@test "server: with -b clients that were dropped leave no thread and no descriptor" {
  need_proc
  start_server -b -q
  start_visit talker ask:hello pause "roundtrip:$dir/flood:$dir/heard" pause
  head -c 8000000 /dev/zero >"$dir/flood"
  wait_for_pause talker
  local descriptors threads
  threads=$(proc_status "$server" Threads)
  descriptors=$(descriptors "$server")
  start_crowd stalled 10 rcvbuf:4096 pause
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

# ---- Rude clients ----

@test "server: a client that leaves without a word concerns nobody else" {
  local mode
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    visit_until_pause other pause ask:hello half-close expect-eof
    probe crowd 20 127.0.0.1 "$port" close
    go_and_finish other
    wait_for_lines 21 "$server_out" '^\[\+\] Connection established'
    assert_stops TERM 21
    wait_for_lines 21 "$server_out" '^\[-\] Connection closed'
  done
}

@test "server: a client that resets the connection concerns nobody else" {
  local mode
  means="recv() failed with ECONNRESET: that client is gone, and that is no failure of the server"
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    visit_until_pause other pause ask:hello half-close expect-eof
    visit reset
    halt "$server" # this one is gone before its welcome
    probe connect 127.0.0.1 "$port" reset
    signal_server CONT
    wait_for_line "$server_out" '^\[-\] Connection closed \| '
    go_and_finish other
    assert_stops
  done
}

@test "server: a client that vanishes in mid-send concerns nobody else" {
  local mode
  for mode in "${modes[@]}"; do
    start_server -q ${mode:+"$mode"}
    probe connect 127.0.0.1 "$port" flood:3000000 close
    wait_for_line "$server_out" '^\[-\] Connection closed \| ' # up to then, with -b, all hear its flood
    visit ask:hello
    assert_stops TERM 2
  done
}

@test "server: with -b a client that vanishes while others talk concerns nobody else" {
  start_server -b -q
  local i
  for i in 1 2 3; do
    start_visit "leaver$i" rcvbuf:4096 pause "recv:100000" reset
    wait_for_pause "leaver$i"
    go "leaver$i"
  done
  means="a send to a client that is gone fails: that is no reason to leave out the others"
  converse
  for i in 1 2 3; do
    finish "leaver$i"
  done
  assert_stops TERM 5
}

@test "server: 500 clients that come and go during a broadcast leave no thread and no descriptor" {
  need_proc
  start_server -b -q
  start_chatter 1
  visit "meet:50:$welcome"
  all_gone() { # but for the one that talks
    has_lines "$1" "$server_out" '^\[-\] (Connection closed|Slow client dropped)'
  }
  wait_until all_gone 51
  local threads descriptors maps
  threads=$(proc_status "$server" Threads)
  descriptors=$(descriptors "$server")
  maps=$(awk 'END { print NR }' "/proc/$server/maps")
  means="the server does not serve clients that come and go while others talk"
  start_visit host "meet:500:$welcome"
  finish host
  wait_until all_gone 552 || explain "clients have left, and the server has not said so" \
    "last lines" "$(wc -l <"$server_out")"
  few_threads() { [ "$(proc_status "$server" Threads)" -le $((threads + 2)) ]; }
  wait_until few_threads || explain "threads are left behind" \
    "before" "$threads" "after 500 clients" "$(proc_status "$server" Threads)" \
    "it usually means" "the thread of a client goes on when its client is gone"
  assert_descriptors_closed "$descriptors" "500 clients" "nobody calls close() when a client is gone"
  [ "$(awk 'END { print NR }' "/proc/$server/maps")" -le $((maps + 250)) ] ||
    explain "threads that have ended are still held in memory" \
      "memory regions before" "$maps" "after 500 clients" "$(awk 'END { print NR }' "/proc/$server/maps")" \
      "it usually means" "the stack of a thread is kept until it is joined with pthread_join(), unless it was detached"
}

# ---- Stopping the server ----

# Expects that a signal stops the server before any client has come.
assert_stops_alone() { # SIGNAL
  start_server
  assert_stops "$1" 0
  start_server -b
  assert_stops "$1" 0
}

@test "server: SIGINT stops it: it prints its last line and exits 0" {
  assert_stops_alone INT
}

# bats test_tags=points:10
@test "server: SIGTERM stops it: it prints its last line and exits 0" {
  assert_stops_alone TERM
}

@test "server: it stops within 2 s, with clients that are silent and stay" {
  local signal
  for signal in INT TERM; do
    start_server
    start_crowd idle 20 ask:hello pause expect-end
    wait_for_pause idle
    assert_stops "$signal" 20
    wait_for_lines 20 "$server_out" '^\[-\] Connection closed' "each connection has its last line"
    go_and_finish idle
  done
}

@test "server: it stops within 2 s, with clients that send and never read" {
  start_server -q
  local i
  for i in 1 2 3; do
    start_visit "stalled$i" rcvbuf:4096 flood pause
  done
  for i in 1 2 3; do
    wait_for_pause "stalled$i"
  done
  assert_stops TERM 3
}

@test "server: it stops within 2 s, with clients that go on sending" {
  local mode i
  head -c 30000000 /dev/zero >"$dir/sent"
  for mode in "${modes[@]}"; do
    start_server -q ${mode:+"$mode"}
    for i in 1 2; do
      start_visit "busy$i" say:talking "roundtrip:$dir/sent:$dir/heard$i" "roundtrip:$dir/sent:$dir/heard$i"
      wait_for_pause "busy$i" talking
    done
    assert_stops TERM 2
  done
}

@test "server: stopping, it closes its connections: clients that wait see the end" {
  local mode
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    start_visit idle say:waiting expect-eof
    wait_for_pause idle waiting
    assert_stops TERM 1
    finish idle
  done
}

@test "server: stopping, it echoes what has arrived, also what it has not read yet" {
  local mode
  means="a stop must not cost what clients have sent before it: read what is there, and echo it"
  for mode in "${modes[@]}"; do
    start_server ${mode:+"$mode"}
    start_visit client pause:in "send:last words" pause:said "expect:last words" expect-eof
    wait_for_pause client in
    halt "$server" # it does not see the words before the signal
    go client
    wait_for_pause client said
    signal_server TERM
    go client
    assert_stops TERM 1
    finish client
  done
}

@test "server: stopping, it echoes what has arrived from many clients" {
  start_server
  means="a stop must not cost what clients have sent before it: read what is there, and echo it"
  head -c 20000 /dev/urandom >"$dir/sent"
  start_crowd clients 40 pause:in "send-file:$dir/sent" pause:said "recv:20000:$dir/heard" expect-eof
  wait_for_pause clients in
  signal_server STOP
  go clients
  wait_for_pause clients said
  assert_stops TERM 40
  go_and_finish clients
}

@test "server: stopping with -b, everybody gets what has arrived from anybody" {
  start_server -b
  means="a client is let go when it has nothing more to say, but others have: it misses their last words"
  start_crowd clients 60 pause:in "send:last words" pause:said recv:600 expect-eof
  # Those who have nothing to say are the first that a wrong server lets go.
  start_crowd silent 20 pause:in recv:600 expect-eof
  wait_for_pause clients in
  wait_for_pause silent in
  signal_server STOP
  go clients
  wait_for_pause clients said
  assert_stops TERM 80
  go clients
  go silent
  finish clients
  finish silent
}

@test "server: stopping with -b, a client that lags and still sends keeps what it was sent" {
  need_proc
  start_server -b -q
  head -c 2000000 /dev/zero >"$dir/sent"
  visit_until_pause laggard rcvbuf:4096 pause send:hello "recv-all:$dir/heard"
  local i
  for i in 1 2 3; do
    start_visit "talker$i" pause say:talking "roundtrip:$dir/sent:$dir/heard$i"
    wait_for_pause "talker$i"
  done
  halt "$server" # each thread has a message when it stops, and waits for the laggard: none drops it now
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

@test "server: stopping with -b, it does not wait until a client that sends without end has been heard" {
  local total
  # One who reads slowly makes the other's messages wait: when the time is over, most are still to come.
  head -c 64000000 /dev/zero >"$dir/much"
  start_server -b
  start_visit slow rcvbuf:4096 "slow-read:2000000:$dir/heard"
  start_visit talker "roundtrip:$dir/much:/dev/null"
  wait_until test -s "$dir/heard"
  assert_stops TERM 2 "what has arrived is echoed for a moment only: then the server stops, whatever still comes"
  total=$(shown_size)
  [ "$total" -lt 32000000 ] || explain "the server goes on for as long as something comes" \
    "expected" "that it has read a small part of 64000000 bytes" "got" "$total bytes"
  finish slow
}

@test "server: stopping with -b, a client that reads nothing does not cost the others what has arrived" {
  head -c 60000 /dev/zero >"$dir/much"
  start_server -b
  start_visit stalled rcvbuf:4096 pause
  start_visit listener pause send:one\\n wait:50 send:two\\n pause:said "recv-all:$dir/heard"
  wait_for_pause stalled
  wait_for_pause listener
  visit "send-file:$dir/much" "recv:60000:$dir/echo" pause </dev/null
  go listener
  wait_for_pause listener said
  signal_server TERM
  go_and_finish listener
  means="one who takes nothing held up the broadcast until the time for the stop was over"
  assert_line_in "$dir/heard" 'one$'
  assert_line_in "$dir/heard" '^two$'
}

@test "server: stopping with -b, in a full room with one who reads nothing, all hear what has arrived" {
  local i mark=() counts all
  # shellcheck disable=SC2016 # awk expands it
  counts=(awk '{ for (c = 65; c < 83; c++) printf " %c %d", c, gsub(sprintf("%c", c), "") }')
  all=$(printf ' %s 60000' {A..R})
  start_server -b -q
  fill_the_room
  echo mark >"$dir/mark"
  for i in {A..R}; do # together they say more than there is room for at once
    head -c 60000 /dev/zero | tr '\0' "$i" >"$dir/sent$i"
    # All read until the last of them says a word.
    start_visit "last$i" say:here "${mark[@]}" "hear:$dir/mark" pause:in "send-file:$dir/sent$i" say:said "recv-all:$dir/heard$i"
    wait_for_pause "last$i" here
    [[ "$i" < Q ]] || mark=('send:mark\n')
  done
  for i in {A..R}; do
    wait_for_pause "last$i" in
  done
  halt "$server"
  halt "$probe_slow" # now it reads nothing
  for i in {A..R}; do
    go "last$i"
    wait_for_pause "last$i" said
  done
  assert_stops TERM 20
  means="whoever waits for room waits for one who reads nothing: in a stop that one may be given up after 100 ms, so that the others are heard"
  for i in {A..R}; do
    finish "last$i"
    assert_equal "$i heard$(tr -cd A-R <"$dir/heard$i" | "${counts[@]}")" "$i heard$all"
  done
}

@test "server: with -b it stops within 2 s, in the middle of a broadcast to stalled clients" {
  start_server -b -q
  start_crowd stalled 5 rcvbuf:4096 pause
  wait_for_pause stalled
  head -c 16000000 /dev/zero >"$dir/sent"
  start_visit talker "roundtrip:$dir/sent:$dir/heard"
  talking() { [ -s "$dir/heard" ]; }
  wait_until talking
  assert_stops TERM 6
}

# ---- Out of descriptors, threads or memory ----

@test "server: an episode without descriptors ends when nobody waits any more: one line each" {
  start_server
  visit_until_pause first pause
  take_descriptors
  start_crowd waiting 3 pause:in half-close expect-eof
  wait_for_line "$server_err" '^server: .'
  go first # it leaves: one of those who wait comes in, and the others still wait
  finish first
  wait_for_lines 2 "$server_out" '^\[\+\] Connection established'
  sleep 0.5 # the server fails to take in the next: it is the same episode
  assert_one_line "$server_err" '^server: .' \
    "one line an episode: it lasts until a client could be accepted and none waits"
  give_descriptors
  wait_for_pause waiting in
  take_descriptors
  start_visit again
  wait_for_lines 2 "$server_err" '^server: .' "the second time is said again, once"
  go_and_finish waiting
  finish again
}

# Lets the server have so much more memory than it has.
limit_memory() { # KIB
  local size
  need_proc
  need_no_emulator "a limit of memory ends the emulator, before the program feels it"
  command -v prlimit >/dev/null || skip "prlimit is not installed: it changes the server's limits"
  size=$(proc_status "$server" VmSize)
  [ "$size" -lt 8000000 ] || skip "this program reserves too much address space to limit it"
  prlimit --pid "$server" --as="$(((size + $1) * 1024)):" || skip "prlimit is not allowed here"
}

# Lets the server have little more memory than it has, and more clients than fit, until it says so.
take_memory() {
  limit_memory 12000
  start_probe crowd crowd 1000 127.0.0.1 "$port" pause close
  wait_for_line "$server_err" '^server: .' \
    "pthread_create() returned EAGAIN, and nothing was said: it returns the error, and leaves errno alone"
}

@test "server: out of threads or memory it keeps the clients that it has, and serves again as soon as it can" {
  start_server
  start_visit first ask:hello pause:in ask:again pause:served half-close expect-eof
  wait_for_pause first in
  take_memory
  means="where there is no thread for a client, those who have one are served on"
  go first
  wait_for_pause first served
  assert_no_spin "$server" "pthread_create() fails again and again, as long as the client waits"
  assert_one_line "$server_err" '^server: .' "one line for each time that threads run out"
  prlimit --pid "$server" --as=unlimited:
  go_and_finish crowd
  means="when there are threads again, clients are served again"
  visit ask:hello
  go_and_finish first
}

@test "server: a client for which there is no thread loses nothing that it was sent, also when it has spoken" {
  has_said_so_or_served() { has_line "$server_err" '^server: .' || is_gone "$probe_spoken"; }
  start_server
  limit_memory 100
  halt "$server" # until the client has spoken
  start_probe spoken connect 127.0.0.1 "$port" send:hello half-close pause "recv-all:$dir/received"
  wait_for_pause spoken
  kill -CONT -- "-$server"
  wait_until has_said_so_or_served
  prlimit --pid "$server" --as=unlimited: # it may have left the client in the backlog
  means="close() resets a connection on which something is left to read" go_and_finish spoken
  case $(<"$dir/received") in
    $'\n\nWelcome to my server' | $'\n\nWelcome to my server\n\n\nhello') ;;
    *) explain "a client for which there was no thread got something else" "got" "$(show_lines "$dir/received")" ;;
  esac
  assert_stops TERM 1
}

# Starts a server in which starting those threads fails that `when` names, as strace does.
start_server_without_threads() { # WHEN [OPTION...]
  [ -e "$STAGE_DIR/README.md" ] || skip "which threads another program starts is not known" # an interpreter has its own
  need_no_emulator "strace would see the emulator's threads"
  strace -qq -o /dev/null -e trace=clone3 true 2>/dev/null || skip "strace is not installed, or not allowed here"
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # it cannot look for leaks under strace
  server_command=(strace -f -qq -o "$dir/calls" -e "trace=clone,clone3"
    -e "inject=clone,clone3:error=EAGAIN:$1" "${server_command[@]}")
  start_server "${@:2}"
}

@test "server: an episode without threads ends when nobody waits any more: one line each" {
  start_server_without_threads when=1+2
  halt "$server" # until all of them wait
  start_probe waiting crowd 4 127.0.0.1 "$port" say:connected "$welcomed" half-close expect-eof
  wait_for_pause waiting connected
  signal_server CONT
  go_and_finish waiting # there is a thread for every second of them
  assert_one_line "$server_err" '^server: .' \
    "one line an episode: it lasts until a client could be accepted and none waits"
  visit half-close expect-eof
  visit half-close expect-eof
  wait_for_lines 2 "$server_err" '^server: .' "the second time is said again, once"
}

@test "server: an episode without threads goes on when one after another gets none: one line" {
  start_server_without_threads when=1..3
  for _ in 1 2 3 4; do visit half-close expect-eof; done # nobody waits, but nobody is served either
  assert_one_line "$server_err" '^server: .' \
    "one line an episode: it lasts until a client could be accepted and none waits"
}

@test "server: with -b a signal that comes while only one of two threads of a client can be started stops it" {
  start_server_without_threads signal=TERM:when=4 -b
  start_visit silent pause:in expect-eof
  wait_for_pause silent in
  start_visit refused pause:in expect-eof
  wait_for_line "$server_err" '^server: cannot start a thread ' "there is no thread for the client, and nothing was said"
  assert_stopped "$(now_ms)" 2 "it waits until nobody talks any more, before it has told those who do to stop"
  wait_for_pause refused in
  go_and_finish silent
  means="close() resets a connection on which something is left to read" go_and_finish refused
}

@test "server: out of threads or memory it stops when it is told to" {
  start_server
  take_memory
  assert_stops TERM '' "the server tries to start a thread again and again, and asks no more whether it is to stop"
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
  go_and_finish fake
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
  in_terminal start_typing
  wait_for_pause fake
  wait_until_shown 'prompt> '
  go fake
  end_typing
}

@test "client: on a terminal, a character that arrives a byte at a time stands as it is" {
  printf 'a\xf0\x9f\x98\x80' >"$dir/shown"
  fake_server expect-eof 'send:a\xf0' wait:200 'send:\x9f' wait:200 'send:\x98' wait:200 'send:\x80' close
  in_terminal assert_client_succeeds
  explain_terminal
}

@test "client: not on a terminal, stdout gets the bytes exactly, escape sequences too" {
  printf '\x1b[31mred\xc2\x9b\xff\0' >"$dir/sent"
  fake_server expect-eof "send-file:$dir/sent" close
  run_client 127.0.0.1 "$port"
  assert_status 0
  assert_same_bytes "$dir/sent" "$client_out"
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
  in_terminal start_typing # and types nothing: its input has not ended
  wait_for_exit "$client"
  assert_status 1
  printf 'abc\\xc2client: connection closed by server\n' >"$dir/shown"
  explain_terminal
}

# ---- The client and the system ----

@test "client: a line longer than any buffer is sent whole" {
  { head -c 300000 /dev/zero | tr '\0' x && echo; } >"$dir/in"
  fake_server rcvbuf:4096 "recv-all:$dir/received" close
  assert_client_succeeds <"$dir/in"
  assert_same_bytes "$dir/in" "$dir/received"
}

@test "client: writing to a server that is gone does not end it (SIGPIPE)" {
  # Nobody reads what it shows, so that it does not see the end of the connection; and it has lines
  # to send: the first one makes the server's system answer with a reset, the next ones fail.
  mkfifo "$dir/screen"
  exec 6<>"$dir/screen"
  exec 7<"$dir/screen"
  head -c 100000 /dev/zero >"$dir/much"
  fake_server "send-file:$dir/much" close
  stdout_file=$dir/screen start_typing
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
  start_typing
  wait_for_pause fake
  halt "$client"
  kill -CONT -- "-$client"
  go fake
  type_line hello
  end_typing "recv(), read() or fgets() failed with EINTR: a signal came first, nothing is lost, ask again"
  finish fake
  printf onetwo >"$dir/sent"
  assert_same_bytes "$dir/sent" "$client_out"
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
