# contract.bash - what the suites of all stages check in the same way. Loaded by stages.bash.

# What no PORT may be, for a server and for a client (0 is good for a server alone), as a shell's words.
wrong_ports=("''" "' '" abc "' 80'" "'80 '" "'+80'" 0x50 80x 8.0 1e3 "'8 0'" "\$'80\n'" 65536 70000 4294967376
  18446744073709551617 99999999999999999999999 ٣)

# Runs a program with each of these command lines, words as a shell takes them, eight at a time, and does CHECK
# for each of them when it has ended: $line, $status and $dir/PROGRAM.out and .err are then its own.
for_each_line() { # CHECK PROGRAM MEANING_OF_HANG LINE...
  local check=$1 program=$2 meaning=$3 home=$dir dir command="$2_command[@]" line pids i
  shift 3
  mkdir -p "$home"/{0..7}
  while [ $# -gt 0 ]; do
    pids=()
    for line in "${@:1:8}"; do
      dir=$home/${#pids[@]}
      eval "start $program \"\${!command}\" $line"
      pids+=("$pid")
    done
    for ((i = 0; i < ${#pids[@]}; i++)); do
      line=$1 dir=$home/$i
      shift
      LIMIT=${limit:-$LIMIT} wait_until is_gone "${pids[i]}" || explain "the $program does not end" \
        "ran" "$(show_command "${!command}") $line" "expected" "that it ends within ${limit:-$LIMIT} s" \
        "got so far" "$(show_lines "$dir/$program.out")" "on stderr" "$(show_lines "$dir/$program.err")" \
        "it usually means" "$meaning" || return 1
      status=0
      wait "${pids[i]}" 2>/dev/null || status=$?
      eval "end_of_$program=\$status command_of_$program=(\"\${!command}\" $line)" # for explain_death
      "$check" || return 1
    done
  done
}

# Expects that each of these command lines is refused.
assert_refuses() { # PROGRAM LINE...
  local serves="serves"
  [ "$1" = server ] || serves="connects"
  for_each_line assert_line_refused "$1" "the $1 should have refused this command line, and $serves instead" "${@:2}"
}

assert_line_refused() {
  local hint=
  case $BATS_TEST_DESCRIPTION in
    *' port '* | *NUM_CLIENTS*)
      hint=". atoi() takes everything; strtol() takes blanks, signs and what stands behind the digits" ;;
  esac
  assert_status 2 "the command line ($line) is wrong: it is refused with exit status 2$hint" &&
    assert_nothing_in "$dir/$program.out" "mistakes and the usage go to stderr" &&
    assert_line_in "$dir/$program.err" "^$program: ." "the message begins with the program's name" &&
    assert_line_in "$dir/$program.err" '[Uu]sage: ' "the usage follows the message"
}

# Expects that each of these command lines is answered with help.
assert_helps() { # PROGRAM LINE...
  for_each_line assert_line_helps "$1" "-h and --help print the usage on stdout and exit 0, before anything else is done" "${@:2}"
}

assert_line_helps() {
  assert_status 0 "asking for help is no mistake" &&
    assert_line_in "$dir/$program.out" '[Uu]sage: ' "help that was asked for goes to stdout" &&
    assert_nothing_in "$dir/$program.err"
}

# A client that fails: exit status 1, and one line on stderr.
assert_client_fails() { # REGEX MEANING
  assert_status 1 "$2"
  assert_one_line "$client_err" "$1" "$2"
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

# Makes a host of its own, where settings of the network are other ones. Sets the array there to what runs a
# command on it.
make_host() { # SETTING=VALUE...
  local command isolated PATH=$PATH:/usr/sbin:/sbin
  for command in unshare nsenter ip; do
    command -v "$command" >/dev/null || skip "$command is not installed: tests/setup --ci installs it"
  done
  isolated=(unshare --net) there=(nsenter --net)
  if [ "$(id -u)" -ne 0 ]; then
    isolated=(unshare --map-root-user --net) there=(nsenter --user --preserve-credentials --net)
  fi
  # shellcheck disable=SC2016 # the inner shell expands it
  start host "${isolated[@]}" sh -c 'ip link set lo up && for setting; do
      echo "${setting#*=}" >"/proc/sys/net/ipv4/${setting%%=*}" || exit
    done && echo up && exec sleep 1000' sh "$@"
  there+=(--target "$pid")
  wait_until has_line_or_is_gone "$dir/host.out" '^up$' "$pid" || true
  ! is_gone "$pid" || skip "no network namespace may be made here"
}

# Sets the array with_hosts to what runs a command for which two.test is both addresses.
name_two_addresses() { # ADDRESS ADDRESS
  printf '%s two.test\n' "$@" >"$dir/hosts"
  # shellcheck disable=SC2016 # the inner shell expands them
  with_hosts=(unshare -rm sh -c 'mount --bind "$0" "${ECHO_ROOT:-}/etc/hosts" && exec "$@"' "$dir/hosts")
  "${with_hosts[@]}" true 2>/dev/null || skip "this system lets no test have its own /etc/hosts"
}

# Expects that a program goes on.
assert_runs() { # PID
  ! is_gone "$1" || explain "the program has ended, and should go on" \
    "stdout of the server" "$(show_printed server out)" "stderr of the server" "$(show_printed server err)" \
    "it usually means" "one call that failed was taken for the end of the service; its line on stderr says which"
}

# Expects that the server has closed what it had open for its clients.
assert_descriptors_closed() { # DESCRIPTORS_BEFORE AFTER_WHAT [MEANING]
  local before=$1
  has_closed_them() { is_gone "$server" || [ "$(descriptors "$server")" -le "$before" ]; }
  wait_until has_closed_them || explain "descriptors are left open" "before" "$before" \
    "after $2" "$(descriptors "$server")" "it usually means" "$3"
  assert_runs "$server"
}

# Expects a process to use next to no CPU time. What a program does once, such as compiling itself,
# may fall into one second, not into three. On a busy machine, one that spins gets little of the
# processor, but is made to give way (a nonvoluntary switch) again and again, after some milliseconds: so
# may be one that wakes up each 100 ms, but that takes no time.
assert_no_spin() { # PID MEANING
  local tries ticks switches
  for tries in 1 2 3; do
    if { ticks=$(cpu_ticks "$1") && switches=$(proc_status "$1" nonvoluntary_ctxt_switches); } 2>/dev/null; then
      sleep 1 # measured, not waited for
    fi
    assert_runs "$1" || return 1
    ticks=$(($(cpu_ticks "$1") - ticks))
    switches=$(($(proc_status "$1" nonvoluntary_ctxt_switches) - switches))
    [ "$ticks" -gt 5 ] || { [ "$ticks" -gt 0 ] && [ "$switches" -gt 5 ]; } || return 0
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
