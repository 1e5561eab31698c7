#!/usr/bin/env bats
# The tests' own tests: the probe, and the helpers that can go wrong.

STAGE=v1.0-single
load support/suite
load support/contract

# Makes the program $dir/stub from a shell script on stdin, and takes it as the server.
stub_server() {
  { echo '#!/bin/sh' && cat; } >"$dir/stub"
  chmod +x "$dir/stub"
  server_command=("$dir/stub")
}

# Runs a helper that is expected to fail, with its explanation in $output.
refuses() { # COMMAND...
  local started
  run "$@"
  for started in "$dir"/*.pid; do # in a subshell, of which teardown() knows nothing
    [ ! -e "$started" ] || groups+=("$(<"$started")")
  done
  [ "$status" -ne 0 ] || fail "it should have failed: $*"
}

# ---- The probe ----

@test "probe: two probes echo to each other, bytes of all kinds" {
  head -c 100000 /dev/urandom >"$dir/sent"
  fake_server echo
  probe connect 127.0.0.1 "$port" 'ask:a\n\0\x1b\\b' "exchange:$dir/sent:$dir/received"
  finish fake
  cmp "$dir/sent" "$dir/received"
}

@test "probe: each step is done on all connections of a crowd" {
  start_probe fake listen-crowd 5 send:hello expect:ahoy expect-eof
  wait_for_line "$dir/fake.out" '^listening'
  port=$(sed -n 's/^listening //p' "$dir/fake.out")
  probe crowd 5 127.0.0.1 "$port" expect:hello send:ahoy who close
  finish fake
  [ "$(grep -c '^me 127.0.0.1:' "$dir/probe.out")" -eq 5 ]
}

@test "probe: a step with a number is done on that connection of a crowd alone" {
  start_probe fake listen-crowd 2 2/send:two 1/send:one recv-all
  wait_for_line "$dir/fake.out" '^listening [0-9]+$'
  port=$(sed -n 's/^listening //p' "$dir/fake.out")
  probe crowd 2 127.0.0.1 "$port" 1/expect:one 2/expect:two close
  finish fake
  run -2 "$SUPPORT/bin/probe" crowd 0 127.0.0.1 "$port" 1/close
  assert_output 'probe: no such connection: 1/close'
}

@test "probe: expect-nothing fails on a byte and on the end of the stream" {
  fake_server send:x recv-all
  run -1 "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" expect-nothing:5000
  assert_output 'probe: step 1, expect-nothing:5000: expected nothing, got "x"'
  fake_server half-close recv-all
  run -1 "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" expect-nothing:5000
  assert_output --partial 'got the end of the stream'
  fake_server recv-all
  probe connect 127.0.0.1 "$port" expect-nothing:10
}

@test "probe: a wrong answer fails, and says what was expected and what came" {
  fake_server send:hallo close
  run "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" expect:hello
  assert_failure 1
  assert_output 'probe: step 1, expect:hello: expected "hello" (5 bytes), got "hallo" (5 bytes); the first difference is byte 1: \x61, not \x65'
}

@test "probe: a stream that ends too early fails" {
  fake_server send:hel close
  run "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" expect:hello
  assert_failure 1
  assert_output --partial 'got "hel" (3 bytes) and then the end of the stream'
}

@test "probe: expect-eof fails on a byte and on a reset" {
  fake_server send:x close
  run "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" expect-eof
  assert_failure 1
  fake_server recv:1 reset
  run "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" send:x expect-eof
  assert_failure 1
  assert_output --partial 'and then a reset'
}

@test "probe: reset is seen as a reset" {
  fake_server recv:1 reset
  probe connect 127.0.0.1 "$port" send:x expect-reset
}

@test "probe: what comes back of an exchange is compared by the test, in full, after a half-close" {
  printf 'a\0b' >"$dir/sent"
  fake_server expect:a 'expect:\0b' expect-eof send:other close
  probe connect 127.0.0.1 "$port" "exchange:$dir/sent:$dir/received"
  [ "$(cat "$dir/received")" = other ]
}

@test "probe: corrupt changes exactly one byte" {
  printf 'abcdef' >"$dir/sent"
  fake_server corrupt:3
  probe connect 127.0.0.1 "$port" "exchange:$dir/sent:$dir/received"
  [ "$(cat "$dir/received")" = abceef ]
}

@test "probe: a flood ends when the other side reads nothing" {
  fake_server rcvbuf:4096 pause:idle
  probe connect 127.0.0.1 "$port" sndbuf:4096 flood
  grep -qE '^flooded [1-9][0-9]*$' "$dir/probe.out"
}

@test "probe: a flood of a file sends it again and again, whole" {
  printf 'one\ntwo\n' >"$dir/sent"
  fake_server rcvbuf:4096 pause "recv-all:$dir/received"
  probe connect 127.0.0.1 "$port" sndbuf:4096 "flood-file:$dir/sent" half-close
  go_and_finish fake
  assert_equal "flooded $(size_of "$dir/received")" "$(cat "$dir/probe.out")"
  assert_equal "$(head -c 16384 "$dir/received" | paste -d ' ' - - | sort -u)" 'one two'
}

@test "probe: a slow reader takes its time" {
  fake_server send-file:/bin/sh close
  local before after
  before=$(now_ms)
  probe connect 127.0.0.1 "$port" "slow-read:100000:$dir/received:30000"
  after=$(now_ms)
  [ $((after - before)) -ge 250 ]
  [ "$(size_of "$dir/received")" -eq 30000 ]
}

@test "probe: its time limit ends it, and names the step" {
  fake_server pause
  run "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" limit:1 expect:hello
  assert_failure 3
  assert_output --partial 'the time is up in step expect:hello'
}

@test "probe: a client fails when nothing comes for a while, long before its time is up" {
  fake_server send:hel pause
  run "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" silence:1 expect:hello
  assert_failure 1
  assert_output 'probe: step 1, expect:hello: expected "hello" (5 bytes), got "hel" (3 bytes) and then nothing for 1 s'
}

@test "probe: a client fails when nothing goes for a while" {
  head -c 9000000 /dev/zero >"$dir/sent"
  fake_server pause
  run "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" silence:1 "send-file:$dir/sent"
  assert_failure 1
  assert_output --regexp 'the peer took [0-9]+ of 9000000 bytes, and then nothing for 1 s'
}

@test "probe: an unknown step is a mistake of the test, found before anything is done" {
  fake_server echo
  run "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" say:started ekspect:hello
  assert_failure 2
  refute_output --partial started
}

@test "probe: nobody can connect to a reserved port" {
  reserve_port
  run "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" say:connected
  assert_failure 1
  assert_output --partial 'refused'
}

@test "probe: a choked program gets on when its output is read" {
  mkfifo "$dir/choked.in"
  stdin_file=$dir/choked.in start choked "$SUPPORT/bin/probe" choke \
    sh -c "echo early >'$dir/before'; echo late; echo done >'$dir/after'"
  wait_until test -s "$dir/before"
  run ! test -e "$dir/after"
  echo 1<>"$dir/choked.in"
  wait_until test -s "$dir/after"
  wait_for_line "$dir/choked.out" '^late$'
}

@test "probe: talk fails when a line comes back torn" {
  printf 'one\ntwo\n' >"$dir/lines"
  fake_server 'expect:one\n' 'send:other\none\n' 'expect:two\n' 'send:t' 'send:other\nwo\n' close
  run "$SUPPORT/bin/probe" connect 127.0.0.1 "$port" "talk:$dir/lines:$dir/heard:20"
  assert_failure 1
  assert_output --partial 'the line at byte 4 did not come back whole'
  printf 'other\none\ntother\nwo\n' | cmp - "$dir/heard"
}

@test "probe: terminal runs a command whose stdout is a terminal, and ends as it does" {
  run "$SUPPORT/bin/probe" terminal sh -c '[ -t 1 ] && printf "a\n\033[m" && exit 7'
  assert_failure 7
  assert_equal "$output" $'a\n\e[m'
}

@test "probe: keyboard types on the terminal that a command reads, and shows it" {
  printf 'typed\n' >"$dir/typed"
  # shellcheck disable=SC2016 # the inner shell expands it
  "$SUPPORT/bin/probe" keyboard sh -c '[ -t 0 ] && [ -t 1 ] && read -r line && echo "got $line" && exit 7' \
    <"$dir/typed" >"$dir/shown" || assert_equal "$?" 7
  printf 'typed\ngot typed\n' | cmp - "$dir/shown"
}

@test "probe: reverse finds what a reverse-echo server answers, by characters" {
  printf 'ab\r\n\n\303\244x\303\nx\300\257\n\355\240\200\nend\nmore' >"$dir/sent"
  printf 'ba\r\n\n\303x\303\244\n\257\300x\n\200\240\355\ndne\n' >"$dir/expected"
  "$SUPPORT/bin/probe" reverse "$dir/sent" | cmp - "$dir/expected"
  printf 'one\nunended' >"$dir/sent"
  "$SUPPORT/bin/probe" reverse "$dir/sent" >"$dir/answers"
  printf 'eno\ndednenu' | cmp - "$dir/answers"
}

@test "probe: a fake server that reverses answers what came in pieces, up to end" {
  fake_server "reverse:$dir/received" expect-eof
  probe connect 127.0.0.1 "$port" send:on 'send:e\ntwo\nth' 'expect:eno\nowt\n' 'send:ree\nend\n' \
    'expect:eerht\ndne\n' half-close
  finish fake
  printf 'one\ntwo\nthree\nend\n' | cmp - "$dir/received"
}

# ---- Starting and ending programs ----

@test "SERVER and CLIENT are split into words as a shell splits them" {
  SERVER="env 'two words' \"a'b\"" CLIENT='java -cp submission Client' find_programs
  assert_equal "${#server_command[@]}" 3
  assert_equal "${server_command[1]}" 'two words'
  assert_equal "${server_command[2]}" "a'b"
  assert_equal "${client_command[*]}" 'java -cp submission Client'
}

@test "without SERVER and CLIENT, the stage's own programs are tested" {
  SERVER='' CLIENT='' find_programs
  assert_equal "${server_command[*]}" "$STAGE_DIR/server"
  assert_equal "${client_command[*]}" "$STAGE_DIR/client"
}

@test "start_server takes the port from the ready line of each stage" {
  # shellcheck disable=SC2016 # the stub expands it
  stub_server <<<'echo "$LINE"; exec sleep 1000'
  STAGE=v1.1-multiconn LINE='Server listens on [::1]:1234' start_server
  assert_equal "$port" 1234
  export LINE='[+] Listening | IP 127.0.0.1 Port 2345'
  STAGE=v2-threaded-broadcast start_server
  assert_equal "$port" 2345
  export LINE='Server can now receive from port 3456'
  STAGE=v3-reverse start_server
  assert_equal "$port" 3456
}

@test "start_server waits for a whole line: half a port number is none" {
  stub_server <<<'printf "Server listens on 127.0.0.1:12"; sleep 0.5; echo 34; exec sleep 1000'
  start_server
  assert_equal "$port" 1234
}

@test "start_server explains that a server has ended, with what it said" {
  stub_server <<<'echo "server: no" >&2; exit 1'
  refuses start_server
  assert_output --partial 'the server ended before it was ready'
  assert_output --partial 'exit status 1'
  assert_output --partial 'server: no'
}

@test "start_server explains that no ready line comes" {
  LIMIT=1
  stub_server <<<'exec sleep 1000'
  refuses start_server
  assert_output --partial 'the server does not get ready'
  assert_output --partial 'line-buffered'
}

@test "start_server explains that another line came than the ready line, and does not wait for all of its time" {
  LIMIT=60
  stub_server <<<'echo "Listening on 127.0.0.1:1234"; exec sleep 1000'
  local began=$SECONDS
  refuses start_server
  assert_output --partial 'got: Listening on 127.0.0.1:1234'
  assert_output --partial 'the ready line differs'
  [ "$SECONDS" -lt $((began + 30)) ]
}

@test "start_server waits for a server that says several lines, one after another" {
  # shellcheck disable=SC2016 # the stub expands it
  stub_server <<<'for line in 1 2 3 4; do echo $line; sleep 1; done; echo "Server listens on 127.0.0.1:9"; exec sleep 1000'
  start_server
  [ "$port" -eq 9 ]
}

@test "a byte that is no text is told from the text that looks like it" {
  printf 'a\\x9bb\n' >"$dir/expected_lines"
  printf 'a\233b\n' >"$dir/got"
  refuses assert_lines "$dir/got" <"$dir/expected_lines"
  assert_output --partial 'expected: >>> a\x9bb'
  assert_output --partial 'got: >>> a<9b>b'
}

# Expects each of these assertions on $output, $lines and $status to fail.
refuse_each() { # COMMAND...
  local command
  for command; do
    ! eval "$command" >/dev/null 2>&1 || fail "it should have failed: $command"
  done
}

@test "what a tool has said is asserted as a whole, in part, by a regex, and in lines" {
  run sh -c 'printf "one\ntwo*\n"; exit 3'
  assert_failure
  assert_failure 3
  refuse_each assert_success 'assert_failure 2'
  assert_output $'one\ntwo*'
  assert_output --partial 'two*'
  assert_output --regexp '^one.two'
  refute_output one
  refute_output --partial 'o*e'
  refute_output --regexp '^two'
  refuse_each 'assert_output one' "assert_output --partial 'o*e'" 'assert_output --regexp ^two' \
    "refute_output --partial 'two*'" 'refute_output --regexp one' "refute_output $'one\ntwo*'"
  assert_line one
  assert_line --partial wo
  assert_line --regexp '^two.$'
  refute_line two
  refute_line --partial 'one two'
  refuse_each 'assert_line two' 'assert_line --regexp ^wo' 'refute_line one' 'refute_line --partial wo'
  run true
  assert_success
  assert_output ''
  refute_line ''
  refuse_each assert_failure 'assert_failure 0'
  assert_equal a a
  refuse_each 'assert_equal a b' 'fail reason'
}

@test "what is explained ends with where to read, and the lessons have such sections" {
  refuses explain title name value
  assert_output --partial 'read: '
  local lesson section
  grep -oE 'v[0-9][^ "]*/README\.md, "[^"]+"' "$SUPPORT/assert.bash" | sort -u >"$dir/sections"
  [ -s "$dir/sections" ]
  while IFS=, read -r lesson section; do
    section=${section# \"}
    grep -qE "^#+ ${section%\"}\$" "$BATS_TEST_DIRNAME/../$lesson" || fail "$lesson has no section ${section%\"}"
  done <"$dir/sections"
}

@test "a program that ignores SIGTERM, and its children, are ended by teardown" {
  stub_server <<<'trap "" TERM INT HUP; sleep 1000 & echo "Server listens on 127.0.0.1:1"; while :; do sleep 1; done'
  start_server
  [ "$(members "$server" | wc -l)" -ge 2 ]
  end_all_groups
  [ -z "$(members "$server")" ]
}

@test "a program in the background gets SIGINT" {
  ! is_ignored INT || skip "SIGINT is ignored where this suite was started"
  stub_server <<<'echo "Server listens on 127.0.0.1:1"; exec sleep 1000'
  start_server
  kill -INT -- "-$server"
  wait_for_exit "$server"
  assert_equal "$status" 130
}

@test "a client that hangs is ended, and its test explains what it had printed" {
  LIMIT=1
  client_command=(sh -c 'echo started; sleep 1000')
  refuses run_client "$(printf '%0100000d' 0)"
  assert_output --partial 'the client does not end'
  assert_output --partial started
  [ "${#output}" -lt 2000 ] # its command line is not shown in full
}

@test "a client that hangs and ignores SIGTERM is ended too" {
  LIMIT=1
  client_command=(sh -c 'trap "" TERM; while :; do sleep 1; done')
  refuses run_client
  assert_output --partial 'the client does not end'
}

@test "wait_for_line waits no longer for a program that has ended, and shows how it did" {
  local LIMIT=60 began=$SECONDS
  client_command=(sh -c 'echo first; echo "client: no" >&2; exit 3')
  start_client
  wait_for_line "$client_out" '^first$'
  wait_until is_gone "$client" # what run calls has no children of its own: it knows who has ended before
  refuses wait_for_line "$client_out" '^second$' "that it did not say it"
  assert_line '  on stderr: client: no'
  assert_line "  the program's exit status: 3"
  assert_line '  it usually means: that it did not say it'
  [ "$SECONDS" -lt $((began + 30)) ]
}

@test "a server that crashed in the middle is explained with that, not with what else the test looks for" {
  means="the server waits for more"
  stub_server <<<'echo "Server listens on 127.0.0.1:1"; read -r line; kill -SEGV $$'
  mkfifo "$dir/in"
  stdin_file=$dir/in start_server
  echo >"$dir/in"
  wait_until is_gone "$server"
  fake_server close # the other end of the connection
  probe connect 127.0.0.1 "$port" expect:hello >"$dir/said" && fail "it should have failed" # run would not know how it ended
  assert_line_in "$dir/said" "^  the server's exit status: 139$"
  assert_line_in "$dir/said" '^  it usually means: it crashed .SIGSEGV'
}

@test "a crash stands first in what is said of a test, by which signal and after what; and bash says nothing" {
  # shellcheck disable=SC2016 # the suite expands it
  printf '%s\n' 'STAGE=v1.0-single' "load $(printf %q "$SUPPORT/suite")" \
    'stub() { printf "#!/bin/sh\n%s\n" "$1" >"$dir/stub"; chmod +x "$dir/stub"; server_command=("$dir/stub") client_command=("$dir/stub"); }' \
    '@test "a" {' \
    '  stub "echo Server listens on 127.0.0.1:1; read -r line; kill -SEGV \$\$"' \
    '  mkfifo "$dir/in"' \
    '  stdin_file=$dir/in start_server' \
    '  fake_server recv:5 close' \
    '  echo >"$dir/in"' \
    '  probe connect 127.0.0.1 "$port" ask:hello' \
    '}' \
    '@test "b" { stub "kill -ABRT \$\$"; fake_server send:bye; run_client 127.0.0.1 1 hello; assert_status 0; }' \
    '@test "c" { stub "kill -BUS \$\$"; start_server; }' >"$dir/a.bats"
  run_outside bats --tap "$dir/a.bats"
  grep -A 2 -- "' failed$" <<<"$output" >"$dir/first"
  sed 's/).*/)/' "$dir/first" | grep -v "' failed$" >"$dir/said"
  assert_lines "$dir/said" <<<$'#\n# the server crashed (SIGSEGV)\n--\n#\n# the client crashed (SIGABRT)\n--\n#\n# the server crashed (SIGBUS)'
  assert_line '#     >>> ask:hello'
  assert_line '#   it was started as: stub 127.0.0.1 1 hello'
  assert_line '#     send:bye'
}

@test "in a test of both programs, a server that has failed stands first, and not the client that waits for it" {
  local BATS_TEST_DESCRIPTION="server and client: the client's message comes back"
  stub_server <<<'echo "Server listens on 127.0.0.1:1"; echo "IndexError: list index out of range" >&2; exit 1'
  start_server
  client_command=(sleep 1000)
  limit=1 run_client >"$dir/said" && fail "it should have failed"
  sed -n '2,7p' "$dir/said" >"$dir/first"
  assert_lines "$dir/first" <<'END'
the server ended with exit status 1 while its client was there
  it was started as: stub 127.0.0.1 0
  its stderr: IndexError: list index out of range

the client does not end
  ran: sleep 1000
END
  assert_line_in "$dir/said" '^  it usually means: an error that nothing in it catches'
  stub_server <<<"trap 'exit 1' TERM; echo 'Server listens on 127.0.0.1:1'; while :; do :; done"
  start_server
  signal_server TERM
  wait_until is_gone "$server"
  limit=1 run_client >"$dir/said" && fail "it should have failed"
  assert_no_line_in "$dir/said" 'the server ended'
}

@test "a program that fails with -q, and not without it, is told that it does not know that option" {
  local knows_no_quiet='case " $* " in *" -q "*) echo "no port: 127.0.0.1" >&2; exit 1 ;; esac'
  stub_server <<<"$knows_no_quiet; echo 'no help'; exit 1"
  run_server -q -h
  refuses assert_status 0
  refute_line --partial 'does not know that option'
  stub_server <<<"$knows_no_quiet; echo 'Server listens on 127.0.0.1:1'; exec sleep 1000"
  refuses start_server -q
  assert_equal "${lines[0]}" 'the server was started with -q, and does not know that option'
  assert_line '  its stderr: no port: 127.0.0.1'
  refuses start_server -q --
  refute_line --partial 'does not know that option'
  stub_server <<<'echo "no port: 127.0.0.1" >&2; exit 1' # with or without it
  refuses start_server -q
  refute_line --partial 'does not know that option'
  end_of_server=0
  stub_server <<<"$knows_no_quiet; echo 'client: cannot connect: Connection refused' >&2; exit 1"
  client_command=("$dir/stub" -q)
  run_client 127.0.0.1 1
  refuses assert_status 0
  assert_equal "${lines[0]}" 'the client was started with -q, and does not know that option'
  client_command=("$dir/stub")
  run_client 127.0.0.1 1
  refuses assert_status 0
  refute_line --partial 'does not know that option'
  stub_server <<<'echo "client: cannot connect: Connection refused" >&2; exit 1'
  run_client -q 127.0.0.1 1
  refuses assert_status 0
  refute_line --partial 'does not know that option'
}

@test "a connection that ended too early is explained with that, and with what the test says of such an end" {
  local ended='it usually means: the connection was closed before all that was owed had been sent, or the program has ended: recv() belongs in a loop, which ends when it returns 0'
  means="the server waits for more"
  fake_server recv:5 close
  refuses probe connect 127.0.0.1 "$port" ask:hello
  assert_line "  $ended"
  means="close() with unread input sends a reset"
  fake_server recv:5 close
  refuses probe connect 127.0.0.1 "$port" ask:hello
  assert_line "  $ended; or, in this test: $means"
  means="the server waits for more"
  fake_server recv:5 pause
  refuses probe connect 127.0.0.1 "$port" silence:1 ask:hello
  assert_line "  it usually means: $means"
}

# Expects that a step of the probe that went wrong so is explained so, where a test says MEANS.
assert_meaning() { # MESSAGE MEANS REGEX
  local means=$2 said
  said=$(meaning_of_step "probe: step 1, $1")
  [[ $said =~ ^$3$ ]] || fail "of \"$1\" it says: $said"
}

@test "what a test suspects is said where it fits to what was seen, and else what was seen" {
  local STAGE=v1.1-multiconn waits="the server waits for more" more='more came back than was sent: .*'
  local nothing='got "" (0 bytes) and then nothing for 10 s'
  assert_meaning "ask:two: expected \"two\" (3 bytes), $nothing" "$waits" "$waits"
  assert_meaning "ask:two: expected \"two\" (3 bytes), $nothing" '' 'nothing came at all: .*'
  assert_meaning 'ask:two: expected "two" (3 bytes), got "\x00\x00\x00" (3 bytes); the first difference is byte 0: \x00, not \x74' "$waits" "$more"
  assert_meaning 'ask:two: expected "two" (3 bytes), got "owt" (3 bytes); the first difference is byte 0: \x6f, not \x74' "$waits" 'bytes were changed.*'
  assert_meaning 'ask:two: expected "two" (3 bytes), got "owt" (3 bytes); the first difference is byte 0: \x6f, not \x74' "it was reversed" 'it was reversed'
  assert_meaning 'expect-eof: expected the end of the stream, got 1012 bytes ("\x00") and then the end of the stream' "$waits" "$more"
  assert_meaning 'expect-eof: expected the end of the stream, got 1012 bytes ("\x00") and then the end of the stream' "it serves one" "more came .*; or, in this test: it serves one"
  assert_meaning 'expect-eof: expected the end of the stream, got 4 bytes ("ahoy") and then the end of the stream' "it is broadcast" "it is broadcast"
  assert_meaning 'expect-eof: expected the end of the stream, got 0 bytes ("") and then nothing for 10 s' '' 'the connection stays open: .*'
  assert_meaning 'recv-all: expected the end of the stream, got 1012 bytes and then a reset' "$waits" 'close\(\) resets .*'
  assert_meaning 'ask:two: expected "two" (3 bytes), got "" (0 bytes) and then the end of the stream' "it waits until the client ends its half" 'the connection was closed before [^;]*'
  said=$(means="recv() returned 0" meaning_of_step "probe: the time is up in step flood")
  [[ $said == 'the program reads on and on '* ]]
  echo "RuntimeError: can't start new thread" >"$dir/server.err"
  assert_meaning "ask:two: expected \"two\" (3 bytes), $nothing" "$waits" 'it could not start one more thread: .*'
}

@test "a server that gives its only client no answer either is told that, and not what the test suspects" {
  local BATS_TEST_DESCRIPTION="server: clients that say nothing hold up nobody" SERVER=$dir/stub
  local nothing='ask:two: expected "two" (3 bytes), got "" (0 bytes) and then nothing for 10 s' waits="it waits for one of them"
  load support/stages
  stub_server <<<"exec python3 -c 'import socket, sys, time
listener = socket.create_server((\"127.0.0.1\", 0))
print(\"Server listens on 127.0.0.1:%d\" % listener.getsockname()[1], flush=True)
client, _ = listener.accept()
if len(sys.argv) < 2: client.sendall(client.recv(4096))
time.sleep(1000)' \$*"
  start_server
  assert_meaning "$nothing" "$waits" 'nothing comes back, also to a first and only client: .*'
  sed -i.old 's/ \$\*$//' "$dir/stub"
  assert_meaning "$nothing" "$waits" "$waits"
}

@test "a client of v1.1 that waits on one connection is told that, whatever it was started for" {
  local STAGE=v1.1-multiconn
  # shellcheck disable=SC2016 # the inner shell expands them
  client_command=(sh -c 'for i in 1 2; do echo "Client starts connection $i to 127.0.0.1:1"; done
    [ $# -eq 0 ] || echo "Client sends \"$1\" (5 bytes) on connection 2"
    echo "Client sends \"hello\" (5 bytes) on connection 1"; exec sleep 1000' sh)
  hang_means="it waits for an echo of no bytes"
  limit=1 refuses run_client
  assert_line '  it usually means: the client waits for the echo on one connection, and looks at no other meanwhile'
  limit=1 refuses run_client hello
  assert_line '  it usually means: it waits for an echo of no bytes'
}

@test "a server that runs and cannot be reached is told from one that has ended" {
  local STAGE=v1.1-multiconn refused='start: cannot connect to 127.0.0.2 port 1: Connection refused'
  start server sleep 1000
  server=$pid
  assert_meaning "$refused" '' 'the server runs, and does not listen there: .*'
  start server sh -c 'exit 1'
  server=$pid
  wait_until is_gone "$server"
  assert_meaning "$refused" '' 'nobody listens there any more: the server has ended.*'
  start server true
  server=$pid
  wait_until is_gone "$server"
  assert_meaning "$refused" '' 'it serves one client and ends: .*'
}

@test "a server that has died is said to have died, whatever is measured of it" {
  start server sh -c 'kill -PIPE $$'
  server=$pid
  wait_until is_gone "$server"
  load support/contract
  assert_descriptors_closed 21 "1000 connections" "nobody calls close()" >"$dir/said" && fail "it should have failed"
  assert_line_in "$dir/said" '^the server died \(SIGPIPE\)$'
  assert_line_in "$dir/said" '^the program has ended, and should go on$'
  assert_line_in "$dir/said" '^  it usually means: it died of SIGPIPE'
}

@test "a limit on memory is named where a program ran into it, and where that may have been so" {
  status=139
  refuses assert_status 0
  assert_line '  it usually means: it crashed (SIGSEGV or the like): a pointer or an index is wrong; a debugger shows where'
  ulimit -d 1048576
  status=139
  refuses assert_status 0
  assert_line --regexp 'a debugger shows where\. Or it has run into the limit on memory, which is 1024 MiB here'
  echo "terminate called after throwing an instance of 'std::bad_alloc'" >"$dir/server.err"
  status=134
  refuses assert_status 0
  assert_line '  it usually means: it ran out of memory, and may have 1024 MiB here: what it keeps grows with what comes'
}

@test "signal_server explains that the server has ended before" {
  stub_server <<<'echo "Server listens on 127.0.0.1:1"; exit 0'
  start_server
  wait_until is_gone "$server"
  refuses signal_server TERM
  assert_line 'the server has ended before it was asked to'
  assert_output --partial 'it usually means: it serves one client and ends'
}

@test "wait_for_exit gives the status, and explains when there is none" {
  start ends sh -c 'exit 7'
  wait_for_exit "$pid"
  assert_equal "$status" 7
  start stays sleep 1000
  refuses wait_for_exit "$pid" 1
  assert_output --partial 'a program does not end'
  client=$pid client_command=(sleep 1000) # the same of a client, however it was started
  refuses wait_for_exit "$client" 1
  waited=$output
  limit=1 refuses run_client
  [ "${waited%%$'\n'  *}" = "${output%%$'\n'  *}" ] && [ "${waited##*means: }" = "${output##*means: }" ] || fail "$waited" "$output"
}

@test "a program under test does not hold bats' own descriptors" {
  [ -d /proc/self/fd ] || skip "this system has no /proc/PID/fd"
  start stays sh -c 'echo started; sleep 1000'
  wait_for_line "$dir/stays.out" '^started$'
  run ! test -e "/proc/$pid/fd/3"
  run ! test -e "/proc/$pid/fd/4"
}

@test "a program that is halted stands still, and goes on when it is continued" {
  start ticks sh -c 'while :; do echo tick; done'
  wait_for_line "$dir/ticks.out" '^tick$'
  halt "$pid"
  cp "$dir/ticks.out" "$dir/before"
  wait_a_moment 0.3
  cmp "$dir/before" "$dir/ticks.out"
  kill -CONT -- "-$pid"
  has_gone_on() { ! cmp -s "$dir/before" "$dir/ticks.out"; }
  wait_until has_gone_on
}

@test "a crowd for which there may not be enough open files is a reason to skip" {
  ulimit -n 100
  fake_server close
  run start_probe many crowd 90 127.0.0.1 "$port" close
  [ ! -e "$dir/many.steps" ]
  start_probe some crowd 3 127.0.0.1 "$port" close
  [ -e "$dir/some.steps" ]
}

@test "a sanitizer's report fails the test" {
  echo "ERROR: AddressSanitizer: stack-buffer-overflow" >"$dir/sanitizer.1"
  refuses check_sanitizers
  assert_output --partial 'stack-buffer-overflow'
  rm "$dir/sanitizer.1"
}

# ---- Looking at what programs print ----

@test "a line that has no end yet is none, and neither is one with a byte more" {
  printf 'first\n\nlast' >"$dir/lines"
  has_line "$dir/lines" '^first$'
  assert_equal "$found" first
  run ! has_line "$dir/lines" '^last$'
  run ! has_line "$dir/lines" '^irst$'
  run ! has_line "$dir/lines" '^first.*last'
  run ! has_line "$dir/no-such-file" ''
  echo >>"$dir/lines"
  has_line "$dir/lines" '^last$'
  assert_equal "$found" last
}

@test "a line is found by its bytes, whatever the locale makes of them" {
  printf 'a\303\n' >"$dir/lines"
  local LC_ALL=C.UTF-8
  has_line "$dir/lines" $'^a\303$'
  has_line "$dir/lines" '^a.$'
  assert_equal "$LC_ALL" C.UTF-8
}

@test "a NUL in a line is noticed" {
  printf 'one\0two\n' >"$dir/lines"
  run ! has_line "$dir/lines" '^onetwo$'
  run ! has_line "$dir/lines" '^one$'
  has_line "$dir/lines" '^one.two$'
  has_line "$dir/lines" 'two$'
  refuses assert_one_line "$dir/lines" '^onetwo$'
  printf 'one\n\0' >"$dir/lines"
  has_line "$dir/lines" '^one$'
  refuses assert_one_line "$dir/lines" '^one$'
}

@test "a line is found behind many others, too" {
  repeat 1000 $'some line\n' >"$dir/lines"
  run ! has_line "$dir/lines" '^last [0-9]+$'
  printf 'last 1\nlast 2\nlast 3' >>"$dir/lines"
  has_line "$dir/lines" '^last [0-9]+$'
  assert_equal "$found" 'last 1'
  run ! has_line "$dir/lines" '^last 3$'
}

@test "wait_until waits for what comes, and gives up in time what does not" {
  SECONDS=0 LIMIT=2
  refuses wait_until false
  [ "$SECONDS" -ge 2 ]
  [ "$SECONDS" -lt 10 ]
  start later sh -c 'sleep 0.3; echo now'
  wait_until has_line "$dir/later.out" '^now$'
}

@test "waiting for a moment takes that moment" {
  local tries before
  before=$(now_ms)
  for tries in 1 2 3 4 5; do
    wait_a_moment 0.1
  done
  [ $(($(now_ms) - before)) -ge 450 ]
}

@test "repeat gives so many, and every_byte each of the 256 once, in order" {
  local n
  for n in 0 1 2 7 100; do
    assert_equal "$(repeat "$n" ab)" "$(for ((i = 0; i < n; i++)); do printf ab; done)"
  done
  every_byte | od -An -v -t u1 | tr -s ' ' '\n' | sed '/^$/d' >"$dir/bytes"
  printf '%s\n' {0..255} | cmp - "$dir/bytes"
}

# ---- Explaining ----

# Runs a suite with one test, and checks where bats says that it has failed.
assert_fails_at() { # LINE COMMAND BODY
  # shellcheck disable=SC2016 # the suite expands it
  printf 'STAGE=v1.0-single\nload %q\nhelper() { [ "$1" = 2 ]; }\n@test "a" {\n  true\n%s\n  true\n}\n' \
    "$SUPPORT/suite" "$3" >"$dir/a.bats"
  run_outside bats "$dir/a.bats"
  assert_failure 1
  assert_line --partial "in test file $dir/a.bats, line $1)"
  assert_line --partial "#   \`$2' failed"
}

@test "bats names the line of a test that has failed, though it does not trace it" {
  assert_fails_at 6 '[ 1 = 2 ]' '  [ 1 = 2 ]'
  assert_fails_at 7 '[[ 1 = 2 ]]' $'\n  [[ 1 = 2 ]]'
  assert_fails_at 6 'helper 1' '  helper 1'
  assert_fails_at 6 'false || explain this' '  false || explain this'
  # shellcheck disable=SC2016 # the suite expands it
  assert_fails_at 6 'x=$(helper 1)' '  x=$(helper 1)'
  assert_fails_at 6 "sh -c 'exit 7'" "  sh -c 'exit 7'"
}

@test "a status other than 1, and a test that gives it up, are failures too" {
  printf 'STAGE=v1.0-single\nload %q\n@test "a" { sh -c "exit 7"; }\n@test "b" { false || return 3; }\n@test "c" { exit 0; }\n' \
    "$SUPPORT/suite" >"$dir/a.bats"
  run_outside bats "$dir/a.bats"
  assert_failure 1
  assert_line --partial "\`@test \"a\" { sh -c \"exit 7\"; }' failed with status 7"
  assert_line 'not ok 2 b'
  assert_line 'not ok 3 c'
}

@test "bytes that are cut at a NUL are explained with strlen()" {
  printf 'abc\0def' >"$dir/sent"
  printf 'abc' >"$dir/received"
  refuses assert_same_bytes "$dir/sent" "$dir/received"
  assert_output --partial 'strlen() stops at a NUL'
  assert_output --partial 'sent: 7 bytes: abc>>>\x00def'
  assert_output --partial 'came back: 3 bytes: abc>>>'
}

@test "bytes that are missing at the end are explained with short writes" {
  head -c 100 /dev/zero | tr '\0' x >"$dir/sent"
  head -c 60 "$dir/sent" >"$dir/received"
  refuses assert_same_bytes "$dir/sent" "$dir/received"
  assert_output --partial 'only the first 60 of 100 bytes came back: send() may take less'
}

@test "bytes that are too many are explained with the buffer's size" {
  printf 'abc' >"$dir/sent"
  printf 'abc\0\0\0' >"$dir/received"
  refuses assert_same_bytes "$dir/sent" "$dir/received"
  assert_output --partial 'more came back than was sent'
}

@test "bytes that differ are marked at the first difference" {
  printf 'abcdef' >"$dir/sent"
  printf 'abcXef' >"$dir/received"
  refuses assert_same_bytes "$dir/sent" "$dir/received"
  assert_output --partial 'abc>>>def'
  assert_output --partial 'abc>>>Xef'
  assert_output --partial 'byte 3'
}

@test "nothing at all is explained too" {
  printf 'abc' >"$dir/sent"
  refuses assert_same_bytes "$dir/sent" "$dir/never-written"
  assert_output --partial 'before anything was sent back'
}

@test "lines that differ are shown, with the number of the first one" {
  printf 'one\n2\nthree\n' >"$dir/lines"
  refuses assert_lines "$dir/lines" "a reason" <<<$'one\ntwo\nthree'
  assert_output --partial 'the first difference: line 2'
  assert_output --partial 'a reason'
  printf 'one\n' >"$dir/lines"
  refuses assert_lines "$dir/lines" <<<$'one\ntwo'
  assert_output --partial 'the first difference: line 2'
}

@test "escape sequences of a program under test do not reach the terminal" {
  printf 'red: \033[31m\n' >"$dir/lines"
  refuses assert_nothing_in "$dir/lines"
  assert_output --partial 'red: <1b>[31m'
}

@test "an exit by SIGPIPE is explained" {
  status=141
  refuses assert_status 0
  assert_output --partial 'SIGPIPE'
}

@test "assert_one_line fails on two lines, and on none" {
  printf 'server: a\nserver: a\n' >"$dir/lines"
  refuses assert_one_line "$dir/lines" '^server: '
  : >"$dir/lines"
  refuses assert_one_line "$dir/lines" '^server: '
}

# ---- tests/setup ----

# Makes $dir/bin, a PATH with a few tools and what else is named, all of them real.
poor_path() { # TOOL...
  local tool
  mkdir -p "$dir/bin"
  for tool in sh awk mktemp dirname id rm cat env "$@"; do
    ln -sf "$(command -v "$tool")" "$dir/bin/$tool"
  done
}

# Puts a package manager into that PATH which only tells how it was called.
fake_manager() { # NAME
  printf '#!/bin/sh\necho "called: %s $*"\n' "$1" >"$dir/bin/$1"
  chmod +x "$dir/bin/$1"
}

@test "setup: where nothing is missing, it does nothing and says nothing" {
  run_outside "$BATS_TEST_DIRNAME/setup"
  assert_success
  assert_output ''
}

@test "setup: without a known package manager, it says what to install by hand and exits 1" {
  poor_path
  PATH=$dir/bin run "$BATS_TEST_DIRNAME/setup"
  assert_failure 1
  assert_output --partial 'no package manager'
  assert_output --regexp 'install by hand: cc make bats .*ps timeout'
}

@test "setup: it prints each command, and installs only what is missing" {
  [ "$(id -u)" -eq 0 ] || skip "as another user, it would use the real sudo"
  poor_path make bats ps timeout
  fake_manager apt-get
  PATH=$dir/bin run "$BATS_TEST_DIRNAME/setup"
  assert_failure 1 # this apt-get brings nothing
  assert_line '+ apt-get update'
  assert_line 'called: apt-get update'
  assert_line --partial 'called: apt-get install -y --no-install-recommends gcc libc6-dev'
  refute_output --regexp 'called: apt-get install.* (make|procps|coreutils)'
  assert_output --partial 'did not bring all'
}

@test "setup: root's rights without sudo are a failure that says so" {
  poor_path
  printf '#!/bin/sh\necho 1000\n' >"$dir/id"
  chmod +x "$dir/id"
  mv -f "$dir/id" "$dir/bin/id"
  fake_manager dnf
  PATH=$dir/bin run "$BATS_TEST_DIRNAME/setup"
  assert_failure 1
  assert_output --partial 'there is no sudo'
  refute_output --partial 'called:'
}

@test "setup: where the system's bats is too old, npm brings one, without root's rights" {
  local setup=$dir/tests/setup
  mkdir -p "$dir/tests/support"
  cp "$BATS_TEST_DIRNAME/setup" "$dir/tests/"
  cp "$SUPPORT/bats.sh" "$dir/tests/support/"
  poor_path cc ld as make ps timeout patch mkdir cp
  fake_manager apt-get
  fake_bats "$dir/bin/bats" 1.2.1
  fake_bats "$dir/new" 1.9.0
  # shellcheck disable=SC2016 # the script expands it
  printf '#!/bin/sh\nwhile [ "$1" != --prefix ]; do shift; done\nmkdir -p "$2/node_modules/bats/bin"\ncp %q "$2/node_modules/bats/bin/bats"\n' \
    "$dir/new" >"$dir/bin/npm"
  chmod +x "$dir/bin/npm"
  PATH=$dir/bin run "$setup"
  assert_success
  assert_output --regexp '^\+ npm install .*[^ ]*/tests/support bats@1$'
  rm -r "$dir/tests/support/node_modules"
  printf '#!/bin/sh\n' >"$dir/bin/npm"
  PATH=$dir/bin run "$setup"
  assert_failure 1
}

@test "setup: an unknown option is refused" {
  run "$BATS_TEST_DIRNAME/setup" --what
  assert_failure 2
}

# ---- tests/check ----

# Makes $dir/tests, which holds tests/check and what it needs. Suites come on top.
make_suites_folder() {
  mkdir -p "$dir/tests/support"
  cp "$BATS_TEST_DIRNAME/check" "$BATS_TEST_DIRNAME/suite" "$dir/tests/"
  cp "$SUPPORT/bats.sh" "$SUPPORT/cut.awk" "$dir/tests/support/"
  printf 'all:\n' >"$dir/tests/support/Makefile"
}

make_suite() { # NAME [TEST BODY]...
  local file=$dir/tests/$1.bats
  shift
  echo '#!/usr/bin/env bats' >"$file"
  printf '@test "%s" {\n%s\n}\n' "$@" >>"$file"
}

# Makes a bats that says that it is of this VERSION, and then what it is to say of the tests.
fake_bats() { # FILE VERSION WORD...
  local file=$1 version=$2
  shift 2
  # shellcheck disable=SC2016 # the script expands it
  printf '#!/bin/sh\n[ "$1" = --version ] && echo "Bats %s" && exit\n' "$version" >"$file"
  printf 'echo "%s"\n' "$@" >>"$file"
  chmod +x "$file"
}

# Expects this to be the last line.
assert_sum() { # LINE
  assert_equal "${lines[${#lines[@]} - 1]}" "$1"
}

@test "check: its last line counts what bats has counted, and a failure is its exit status" {
  make_suites_folder
  make_suite a good true bad false other true left 'skip because'
  make_suite b good true
  run_outside "$dir/tests/check" a b
  assert_failure 1
  assert_line '# a: 2 passed, 1 failed, 1 skipped'
  assert_line 'not ok a: bad'
  assert_line 'ok b: good'
  assert_sum '3 passed, 1 failed, 1 skipped'
  run_outside "$dir/tests/check" b
  assert_success
  assert_line 'ok good'
  assert_sum '1 passed, 0 failed'
}

@test "check: a suite that is not there, cannot be read, or has no tests is a failure" {
  make_suites_folder
  run_outside "$dir/tests/check" no-such-suite
  assert_failure 1
  assert_output 'tests/check: there is no suite no-such-suite'
  make_suite broken a if
  run_outside "$dir/tests/check" broken
  assert_failure 1
  assert_sum '0 passed, 1 failed'
  echo '# no tests' >"$dir/tests/empty.bats"
  run_outside "$dir/tests/check" empty
  assert_failure 1
  assert_sum '0 passed, 0 failed'
}

@test "check: tests of which nothing is heard have failed" {
  make_suites_folder
  make_suite a one true two true three true
  mkdir "$dir/bin"
  fake_bats "$dir/bin/bats" 1.8.0 1..3 'ok 1 one' 'ok 2 two'
  run_outside env PATH="$dir/bin:$PATH" JOBS=1 "$dir/tests/check" a
  assert_failure 1
  assert_line '# a: it has 3 tests, and 2 were heard of'
  assert_sum '2 passed, 1 failed'
  fake_bats "$dir/bin/bats" 1.8.0 1..3 'ok 1 one' 'ok 2 two' 'ok 3 three' 'ok 4 three'
  run_outside env PATH="$dir/bin:$PATH" JOBS=1 "$dir/tests/check" a
  assert_failure 1
  assert_sum '4 passed, 1 failed'
}

@test "check: each test is run once, however many at once, and whatever its name" {
  local jobs
  make_suites_folder
  # shellcheck disable=SC2016 # that is its name
  make_suite a 'x (y)' true "it's" true 'a.*' true 'ä' true 'a|b' true -b true 'a $b, \"c\"' true x true 'x y' true \
    '\xHH^' true
  for jobs in 1 2 3 20; do
    run_outside env JOBS="$jobs" "$dir/tests/check" a
    assert_success
    assert_sum '10 passed, 0 failed'
  done
}

@test "check: JOBS says how many tests run at once" {
  make_suites_folder
  # shellcheck disable=SC2016 # the suite expands it
  local alone='mkdir "$BATS_TEST_DIRNAME/lock" && sleep 0.3 && rmdir "$BATS_TEST_DIRNAME/lock"'
  make_suite a one "$alone" two "$alone"
  run_outside env JOBS=1 "$dir/tests/check" a
  assert_success
  # shellcheck disable=SC2016 # the suite expands it
  make_suite b one 'timeout 20 tee "$BATS_TEST_DIRNAME/in" </dev/null' \
    two 'timeout 20 cat "$BATS_TEST_DIRNAME/in"'
  mkfifo "$dir/tests/in"
  run_outside env JOBS=2 "$dir/tests/check" b
  assert_success
}

@test "check: what is said of a test that fails stays together" {
  # shellcheck disable=SC2016 # the suite expands it
  local body='for i in $(seq 1500); do echo "line $BATS_TEST_DESCRIPTION $i"; done; false' name
  make_suites_folder
  make_suite a one "$body" two "$body" three "$body"
  run_outside env JOBS=3 "$dir/tests/check" a
  assert_sum '0 passed, 3 failed'
  for name in one two three; do
    sed -n "/^not ok $name/,/^not ok/p" <<<"$output" | grep -c "^# line $name " >"$dir/count"
    assert_equal "$(cat "$dir/count")" 1500
  done
}

@test "check: a stage is what all stages have in common, and its own suite" {
  make_suites_folder
  # shellcheck disable=SC2016 # the suite expands it
  make_suite every-stage common '[ "$STAGE" = v1.0-some ]'
  # shellcheck disable=SC2016 # the suite expands it
  make_suite v1.0-some own '[ -z "${STAGE:-}" ]'
  run_outside "$dir/tests/check" v1.0-some
  assert_success
  assert_line 'ok common'
  assert_sum '2 passed, 0 failed'
}

@test "check: a bats that is too old, or none, is told in one line, and the one from tests/setup is found" {
  make_suites_folder
  make_suite a one true
  mkdir "$dir/bin"
  fake_bats "$dir/bin/bats" 1.2.1
  run_outside env PATH="$dir/bin:$PATH" "$dir/tests/check" a
  assert_failure 1
  assert_output 'check: bats 1.8 or newer is needed, and there is Bats 1.2.1: tests/setup brings it'
  mkdir -p "$dir/tests/support/node_modules/bats/bin"
  fake_bats "$dir/tests/support/node_modules/bats/bin/bats" 2.0.0 'ok 1 one'
  run_outside env PATH="$dir/bin:$PATH" "$dir/tests/check" a
  assert_success
  assert_sum '1 passed, 0 failed'
}
