#!/usr/bin/env bats
# The C programs and a second implementation of the contract (tests/second, in Python) talk to each
# other, both ways: whoever serves and whoever asks, the transcripts and the bytes are the same.

load support/suite

SECOND=$BATS_TEST_DIRNAME/second

eval "suite_$(declare -f setup)" # suite_setup is what suite.bash calls setup

setup() {
  [ -z "${SERVER:-}${CLIENT:-}" ] || skip "SERVER or CLIENT names other programs"
  command -v python3 >/dev/null || skip "python3 is not installed: the second implementation needs it"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
    skip "python3 is older than 3.9: the second implementation needs that"
  suite_setup
  PYTHON=$(python3 -c 'import sys; print(sys.executable)') # python3 itself may be a slow wrapper
}

# Chooses who serves and who asks: sets server_command and client_command.
pair() { # SERVER_LANGUAGE CLIENT_LANGUAGE
  program server "$1"
  server_command=("${program[@]}")
  program client "$2"
  client_command=("${program[@]}")
}

program() { # NAME LANGUAGE
  case $2 in
    c) program=("$BATS_TEST_DIRNAME/../$STAGE/$1") ;;
    python) program=("$PYTHON" "$SECOND/$STAGE/$1.py") ;;
  esac
}

# Runs a session with each pair, and compares what it leaves in $dir/transcript.
compare_pairs() { # SESSION [ARGUMENT...]
  local pair
  means="the C programs and those in Python read the contract differently"
  for pair in 'c c' 'c python' 'python c' 'python python'; do
    # shellcheck disable=SC2086 # two words
    pair $pair
    : >"$dir/transcript"
    "$@" || explain "the pair fails" "server and client" "$pair" || return 1
    [ "$pair" != 'c c' ] || cp "$dir/transcript" "$dir/by_c"
    assert_lines "$dir/transcript" "server and client are $pair; expected is what both in C print" \
      <"$dir/by_c" || return 1
  done
}

# Adds a file to the transcript, without the port numbers, which differ from run to run.
note() { # TITLE FILE
  {
    echo "--- $1"
    LC_ALL=C sed -E "s/(127\.0\.0\.1( : |:|', )|Port |port |port: )[0-9]+/\1N/; s/x{1000,}/MANY/" "$2"
  } >>"$dir/transcript"
}

note_sorted() { # TITLE FILE
  LC_ALL=C sort "$2" >"$dir/sorted"
  note "$1" "$dir/sorted"
}

# Waits for the end of the server, and notes its status.
note_end() { # [SIGNAL]
  [ $# -eq 0 ] || kill "-$1" "$server"
  wait_for_exit "$server"
  echo "server: $status" >>"$dir/transcript"
}

talk_v1_0() { # MESSAGE
  start_server
  run_client 127.0.0.1 "$port" "$1"
  echo "client: $status" >>"$dir/transcript"
  note_end
  note client "$client_out"
  note "client's stderr" "$client_err"
  note server "$server_out"
}

pipe_v1_0() {
  start_server -q
  run_client 127.0.0.1 "$port" - <"$dir/in"
  note_end
  assert_same_bytes "$dir/in" "$client_out" || return 1
  note "client's stderr" "$client_err"
  note server "$server_out"
}

talk_v1_1() { # MESSAGE...
  start_server
  run_client 127.0.0.1 "$port" 3 "$@"
  echo "client: $status" >>"$dir/transcript"
  note_end TERM
  note_sorted client "$client_out"
  note_sorted server "$server_out"
}

talk_v2() { # [OPTION...]
  start_server "$@"
  run_client 127.0.0.1 "$port" <"$dir/in"
  echo "client: $status" >>"$dir/transcript"
  note_end TERM
  note client "$client_out"
  note server "$server_out"
}

# Two clients, one of each language, of which one speaks.
broadcast_v2() {
  start_server -b
  mkfifo "$dir/speaker.in" "$dir/hearer.in" 2>/dev/null || true # they are there from the first pair
  start_listener hearer "${client_command[@]}"
  program client python
  [ "${client_command[0]}" != "$PYTHON" ] || program client c
  start_listener speaker "${program[@]}"
  printf 'a word\n' 1<>"$dir/speaker.in"
  wait_for_line "$dir/hearer.out" '^a word$'
  wait_for_line "$dir/speaker.out" '^a word$'
  note_end TERM
  note hearer "$dir/hearer.out"
  note speaker "$dir/speaker.out"
  note server "$server_out"
}

start_listener() { # NAME COMMAND...
  stdin_file=$dir/$1.in start "$@" 127.0.0.1 "$port"
  wait_for_line "$dir/$1.out" '^Welcome to my server$'
}

talk_v3() { # [end]
  start_server
  run_client 127.0.0.1 "$port" <"$dir/in"
  echo "client: $status" >>"$dir/transcript"
  if [ "${1:-}" = end ]; then note_end; else note_end TERM; fi
  note client "$client_out"
  note "client's stderr" "$client_err"
  note server "$server_out"
}

refused() { # HOST
  [ -n "${probe_reserve:-}" ] || reserve_port
  run_client "$1" "$port" </dev/null
  echo "client: $status" >>"$dir/transcript"
  note "client's stderr" "$client_err"
}

@test "v1.0: C and Python print the same whoever serves" {
  STAGE=v1.0-single
  compare_pairs talk_v1_0 'Hello, world'
  compare_pairs talk_v1_0 ''
  compare_pairs talk_v1_0 $'"quotes"\\ \t\r\n\e[31m \xc2\x85 \xc3\xa9 \xe2\x82 \xff \x7f'
  compare_pairs talk_v1_0 "$(printf '%0100d' 0)"
}

@test "v1.0: 2 MB pass through C and Python whoever serves" {
  STAGE=v1.0-single
  head -c 2000000 /dev/urandom >"$dir/in"
  compare_pairs pipe_v1_0
}

@test "v1.1: C and Python print the same whoever serves" {
  STAGE=v1.1-multiconn
  compare_pairs talk_v1_1
  compare_pairs talk_v1_1 '' $'\x80\xe2\x82\xac' "$(printf '%064d' 0)" "$(printf '%065d' 0)"
}

@test "v2: C and Python print the same whoever serves" {
  STAGE=v2-threaded-broadcast
  printf 'one \xff\x00 line\n' >"$dir/in"
  compare_pairs talk_v2
  compare_pairs talk_v2 -b
}

@test "v2: C and Python clients hear each other through either server" {
  STAGE=v2-threaded-broadcast
  compare_pairs broadcast_v2
}

@test "v3: C and Python print the same whoever serves" {
  STAGE=v3-reverse
  printf 'Josue\n\n"\\" \t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\nbad \xe2\x82\xff\xc0\xaf\n\x00\e[0m\nDOS\r\nunended' >"$dir/in"
  compare_pairs talk_v3
  { cat "$dir/in" && printf '\nend\nbehind\n'; } >"$dir/in2" && mv "$dir/in2" "$dir/in"
  compare_pairs talk_v3 end
}

@test "v3: C and Python agree on the longest message, and on one byte more" {
  STAGE=v3-reverse
  { head -c 65536 /dev/zero | tr '\0' x && printf '\n' && head -c 65537 /dev/zero | tr '\0' x &&
    printf '\nafter\n'; } >"$dir/in"
  compare_pairs talk_v3
}

@test "a client that cannot connect says the same in C and in Python" {
  for STAGE in v1.0-single v1.1-multiconn v2-threaded-broadcast v3-reverse; do
    compare_pairs refused 127.0.0.1
    compare_pairs refused ''
  done
}
