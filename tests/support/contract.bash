# contract.bash - what the suites of all stages check in the same way. Loaded after suite.bash.

# What no PORT may be, for a server and for a client (0 is good for a server alone).
wrong_ports=('' ' ' abc ' 80' '80 ' '+80' 0x50 80x 8.0 1e3 '8 0' $'80\n' 65536 70000 4294967376
  18446744073709551617 99999999999999999999999 ٣)

# Runs the server with a wrong command line, and expects it to be refused.
assert_server_refuses() { # ARGUMENT...
  run_server "$@"
  assert_refused server "$*" "$server_out" "$server_err"
}

assert_client_refuses() { # ARGUMENT...
  hang_means="the client should have refused this command line, and connects instead"
  run_client "$@"
  assert_refused client "$*" "$client_out" "$client_err"
}

assert_refused() { # PROGRAM COMMAND_LINE STDOUT STDERR
  local hint=
  case $BATS_TEST_DESCRIPTION in
    *' port '* | *NUM_CLIENTS*)
      hint=". atoi() takes everything; strtol() takes blanks, signs and what stands behind the digits" ;;
  esac
  assert_status 2 "the command line ($2) is wrong: it is refused with exit status 2$hint"
  assert_nothing_in "$3" "mistakes and the usage go to stderr"
  assert_line_in "$4" "^$1: ." "the message begins with the program's name"
  assert_line_in "$4" '[Uu]sage: ' "the usage follows the message"
}

HELP_COMES_FIRST="-h and --help print the usage on stdout and exit 0, before anything else is done"

assert_server_helps() { # ARGUMENT...
  local hang_means=$HELP_COMES_FIRST
  run_server "$@"
  assert_help "$server_out" "$server_err"
}

assert_client_helps() { # ARGUMENT...
  local hang_means=$HELP_COMES_FIRST
  run_client "$@"
  assert_help "$client_out" "$client_err"
}

assert_help() { # STDOUT STDERR
  assert_status 0 "asking for help is no mistake"
  assert_line_in "$1" '[Uu]sage: ' "help that was asked for goes to stdout"
  assert_nothing_in "$2"
}

# What it means when an operand that is not given has no default, or one that is given another use.
DEFAULTS="what is not given has a default, and what is given stands in its place. C: the first operand is argv[1] only if argc > 1, and options come before it"

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
    explain "the default address is not used" "expected a line like" "$line" "or on stderr" "$complaint" \
      "got" "$(show_lines "$out")" "on stderr" "$(show_lines "$err")" "it usually means" "$DEFAULTS"
  fi
}

# Runs the server on a port that may be in use on this machine: the message names it just as well.
assert_server_takes_port() { # PORT
  local wanted=$1
  start server "${server_command[@]}" 127.0.0.1 "$wanted"
  has_taken_port() {
    has_line "$dir/server.out" "[^0-9]$wanted\$" ||
      has_line "$dir/server.err" "^server: cannot listen on 127\.0\.0\.1:$wanted: "
  }
  wait_until has_taken_port || explain "a good port is not taken" "ran" "server 127.0.0.1 $1" \
    "got" "$(show_lines "$dir/server.out")" "on stderr" "$(show_lines "$dir/server.err")"
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

# A client that fails: exit status 1, and one line on stderr.
assert_client_fails() { # REGEX MEANING
  assert_status 1 "$2"
  assert_one_line "$client_err" "$1" "$2"
}

# Expects that neither program hides that its help could not be written.
assert_lost_help_is_a_failure() {
  [ -c /dev/full ] || skip "this system has no /dev/full"
  means="the help is lost, and nobody says so: what printf() and fputs() return tells, or ferror()"
  stdout_file=/dev/full run_server --help
  assert_status 1 "$means"
  assert_one_line "$server_err" '^server: .'
  stdout_file=/dev/full run_client --help
  assert_status 1 "$means"
  assert_one_line "$client_err" '^client: .'
}

# Starts the server with a listen() that takes a second, and expects the ready line behind it.
assert_ready_line_behind_listen() {
  local delay=(-f -qq -o /dev/null -e trace=listen -e inject=listen:delay_enter=1000000)
  command -v strace >/dev/null || skip "strace is not installed: it delays listen()"
  strace "${delay[@]}" true 2>/dev/null || skip "strace is not allowed here"
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # it cannot look for leaks under strace
  server_command=(strace "${delay[@]}" "${server_command[@]}")
  start_server
  means="the ready line is printed before listen(): a client that reads it and connects is refused" \
    probe connect 127.0.0.1 "$port" say:connected
}

# Fails unless a probe that did flood-file:FILE has got back in RECEIVED what it has sent.
assert_flood_echoed() { # FILE NAME RECEIVED
  local size
  size=$(sed -n 's/^flooded //p' "$dir/$2.out")
  while cat "$1" 2>/dev/null; do :; done | head -c "$size" >"$dir/flood"
  assert_same_bytes "$dir/flood" "$3"
}

repeat() { # N TEXT
  local n=$1 text=$2
  while [ "$n" -gt 0 ]; do
    [ $((n % 2)) -eq 0 ] || printf %s "$text"
    n=$((n / 2))
    [ "$n" -eq 0 ] || text+=$text
  done
}

every_byte() {
  local bytes
  printf -v bytes '\\x%02x' {0..255}
  # shellcheck disable=SC2059
  printf "$bytes"
}

# Expects a process to use next to no CPU time. What a program does once, such as compiling itself,
# may fall into one second, not into three. On a busy machine, one that spins gets little of the
# processor, but is made to give way (a nonvoluntary switch) again and again: one that waits is not.
assert_no_spin() { # PID MEANING
  local tries ticks switches
  for tries in 1 2 3; do
    ! is_gone "$1" || explain "the program has ended, and should go on" \
      "stdout of the server" "$(show_printed server out)" "stderr of the server" "$(show_printed server err)" \
      "it usually means" "one call that failed was taken for the end of the service; its line on stderr says which" || return 1
    ticks=$(cpu_ticks "$1")
    switches=$(proc_status "$1" nonvoluntary_ctxt_switches)
    sleep 1 # measured, not waited for
    ticks=$(($(cpu_ticks "$1") - ticks))
    switches=$(($(proc_status "$1" nonvoluntary_ctxt_switches) - switches))
    [ "$ticks" -gt 5 ] || [ "$switches" -gt 5 ] || return 0
  done
  explain "the program spins" "CPU time in 1 s" "$ticks ticks of 10 ms" \
    "it was made to give way to others" "$switches times" "it usually means" "$2" "read" "man 2 poll"
}

# Makes a program start with other limits: `-n 60` on open files, `-S -n 60` on the soft one alone, `-f 64` on
# the size of files, which is 64 KiB or less.
with_ulimit() { # OPTIONS COMMAND...
  local options=$1
  shift
  limited=(sh -c "ulimit $options && exec \"\$@\"" sh "$@")
}

# Fails unless the server's log has become as long as `ulimit -f 64` lets it. If it has not, the test
# that calls this has tested nothing.
assert_log_is_full() {
  [ "$(size_of "$server_out")" -ge 32768 ] || explain "the server's log does not hold what it should" \
    "expected" "that it has reached its limit" "got" "$(size_of "$server_out") bytes"
}

# Makes the client start on a host of its own where nobody listens, and where the system has few ports for
# clients: who connects to the first, 50000, is given the same one, and is connected to itself.
isolate_client() {
  local command isolated=(unshare --net) PATH=$PATH:/usr/sbin:/sbin
  for command in unshare ip; do
    command -v "$command" >/dev/null || skip "$command is not installed: tests/setup --ci installs it"
  done
  [ "$(id -u)" -eq 0 ] || isolated=(unshare --map-root-user --net)
  # shellcheck disable=SC2016 # the inner shell expands it
  isolated+=(sh -c 'PATH=$PATH:/usr/sbin:/sbin ip link set lo up &&
    echo 50000 50001 >/proc/sys/net/ipv4/ip_local_port_range && exec "$@"' sh)
  "${isolated[@]}" true 2>/dev/null || skip "no network namespace may be made here"
  client_command=("${isolated[@]}" "${client_command[@]}")
  means="the client has connected to itself: the system gave it the very port that it asked for, and what it sent came back. getsockname() and getpeername() tell"
}
