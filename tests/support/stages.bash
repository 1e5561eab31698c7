# stages.bash - in what the stages differ for somebody who sees them from outside, in one table: what a
# server says when, how a client asks and what comes back, how a server ends. It loads suite.bash and
# contract.bash too: all that a stage's suite needs.
# shellcheck disable=SC2034 # the suites use what is set here

load "${BASH_SOURCE[0]%/*}/suite"
load "$SUPPORT/contract"

# ---- The table ----
#
# default_host, default_client_host, default_port   where a program listens or connects by itself
# modes      the options under which what is true of every server is true as well
# welcomed   the step of the probe that takes what a server sends before it is asked
# accepted, told, closed   how a server's lines begin on a client that comes, on what one sends, on one that leaves
# stays      what it usually means that a server does not stop when it should
# spare      milliseconds behind the 2 s in which it has to, for the test and the machine
# blamed     how a client's line on a connection that has failed begins
# stdin_operand   what makes the client send what comes on its stdin, if it does not do that by itself
# answered   the client's line on an answer that `talk` gets
#
# listening HOST PORT             the ready line (all of these lines are regexes)
# connected HOST ADDRESS          what the client says of its connection; nothing in v2
# shown_messages                  prints what the server has shown of the messages
# server_lines PEER [MESSAGE...]  prints all lines of a server that one client has sent MESSAGEs
# client_lines ADDRESS QUOTED...  prints all lines of a client on one connection (v1.0 has one message)
# assert_unharmed [MEANING]       expects that the server has taken in good order what a client has done
# assert_last_line [CONNECTIONS]  expects the last line of a server that was stopped
# say MESSAGE [HOST]              runs the client with a message, on one connection
# fake_partner [OPTION...]        starts a fake server for `talk`
# talk HOST                       runs the client as people use it
# assert_talked [MEANING]         expects that it has got all answers, and has exited 0

# What most stages do stands first, then what is different in one.

default_host='127\.0\.0\.1' default_client_host=$default_host default_port=65432 modes=('') welcomed='' spare=500
stdin_operand=
blamed='client: '
connected() { :; }
say() { run_client "${2:-127.0.0.1}" "$port" <<<"$1"; }
fake_partner() { fake_server "$@" echo; }
talk() { say ahoy "$1"; }
assert_talked() { # [MEANING]
  assert_status 0 "${1:-}"
  finish fake
  assert_line_in "$client_out" "$answered"
}
assert_unharmed() { # [MEANING]
  local means=${1:-${means:-"the server is gone, or waits for the client before: no client ends its service"}}
  visit ask:hello ask:again half-close expect-eof
}

case $STAGE in
  v1*)
    accepted='^Server accepts connection from ' told='^Server echoes ' closed='^Server closes connection to '
    listening() { echo "^Server listens on $1:$2\$"; }
    shown_messages() { LC_ALL=C sed -n 's/^Server echoes \(.*\) to 127\.0\.0\.1:[0-9]*$/\1/p' "$server_out"; }
    server_lines() {
      local peer=$1 message
      shift
      printf 'Server listens on %s:%s\nServer accepts connection from %s\n' "${peer%:*}" "$port" "$peer"
      for message; do
        printf 'Server echoes "%s" (%d bytes) to %s\n' "$message" "${#message}" "$peer"
      done
      echo "Server closes connection to $peer"
      case $STAGE in v1.1*) echo "Server stops after 1 connections" ;; esac
    }
    ;;
esac

case $STAGE in
  v1.0*)
    answered='^Client receives "ahoy" \(4 bytes\)$' stdin_operand=-
    connected() { echo "^Client connects to $2:$port\$"; }
    client_lines() {
      printf 'Client connects to %s\nClient sends %s\nClient receives %s\n' "$1" "$2" "$2"
      echo "Client closes connection to $1"
    }
    say() { run_client "${2:-127.0.0.1}" "$port" "$1"; }
    start_saying() { start_client 127.0.0.1 "$port" "$1"; }
    # The client that did it was the only one: the server has done its work.
    assert_unharmed() { # [MEANING]
      local meaning=${1:-${means:-"the server has done its work, whatever the client did"}}
      wait_for_exit "$server" "$LIMIT" "this stage's server serves one client, and exits"
      assert_status 0 "$meaning"
      assert_line_in "$server_out" "${closed}127\.0\.0\.1:[0-9]+\$"
    }
    ;;
  v1.1*)
    blamed='client: connection 1: '
    stays="the signal only sets a flag, and the loop that waits for clients does not look at it, or waits for a client to leave"
    connected() { echo "^Client starts connection 1 to $2:$port\$"; }
    client_lines() {
      local quoted
      echo "Client starts connection 1 to $1"
      for quoted in "${@:2}"; do
        printf 'Client sends %s on connection 1\nClient receives %s on connection 1\n' "$quoted" "$quoted"
      done
      printf 'Client closes connection 1\nClient echoed on 1 of 1 connections\n'
    }
    say() { run_client "${2:-127.0.0.1}" "$port" 1 "$1"; }
    start_saying() { start_client 127.0.0.1 "$port" 1 "$1"; }
    fake_partner() { fake_crowd 2 "$@" echo; }
    talk() { run_client "$1" "$port" 2 ahoy again; }
    assert_talked() { # [MEANING]
      assert_echoed 2 2 "${1:-}"
      finish fake
    }
    # Expects the client's last line, and the exit status that goes with it.
    assert_echoed() { # N NUM_CLIENTS [MEANING]
      local line="Client echoed on $1 of $2 connections"
      assert_status $(($1 == $2 ? 0 : 1)) "${3:-"exit 0 means that all connections have echoed, and 1 that one has not"}"
      [ "$(tail -n 1 "$client_out")" = "$line" ] || explain "the last line is wrong" "expected" "$line" \
        "got" "$(show_lines "$client_out")" "on stderr" "$(show_lines "$client_err")" "it usually means" "${3:-}"
    }
    assert_last_line() { # [CONNECTIONS]
      local count
      count=${1:-$(count_lines "$server_out" "$accepted")}
      [ "$(tail -n 1 "$server_out")" = "Server stops after $count connections" ] ||
        explain "the last line is wrong" "expected" "Server stops after $count connections" \
          "got" "$(show_lines "$server_out")"
      assert_line_count "$count" "$server_out" "$closed" \
        "each connection that was accepted is closed, and has a line on it"
    }
    ;;
  v2*)
    modes=('' -b) welcome='\n\nWelcome to my server\n\n\n'
    welcomed="expect:$welcome"
    accepted='^\[\+\] Connection established \| ' told='^\[\+\] Message \| ' closed='^\[-\] Connection closed \| '
    stays="a signal wakes only one thread, and recv() and send() of the others go on waiting; or it waits for clients that do not read or leave"
    spare=1000
    listening() { echo "^\[\+\] Listening \| IP $1 Port $2\$"; }
    assert_talked() { # [MEANING]
      assert_status 0 "${1:-}"
      finish fake
      echo ahoy | assert_lines "$client_out"
    }
    shown_messages() { LC_ALL=C sed -n 's/^\[+\] Message | IP [^ ]* Port [0-9]* | //p' "$server_out"; }
    server_lines() {
      local peer="IP ${1%:*} Port ${1##*:}" message broadcast=False
      shift
      [ -z "${mode:-}" ] || broadcast=True
      printf '[+] Open port 0\n[+] Broadcast option: %s\n\n[+] Created socket\n' "$broadcast"
      printf '[+] Binding socket to port: 0\n\n[+] Listening | IP 127.0.0.1 Port %s\n\n' "$port"
      printf '[+] Connection established | %s\n\n' "$peer"
      for message; do
        printf '[+] Message | %s | "%s" (%d bytes)\n' "$peer" "$message" "${#message}"
      done
      printf '[-] Connection closed | %s\n[+] Stopped after 1 connections\n' "$peer"
    }
    assert_last_line() { # [CONNECTIONS]
      tail -n 1 "$server_out" >"$dir/last"
      assert_one_line "$dir/last" "^\[\+\] Stopped after ${1:-[0-9]+} connections\$" \
        "the last line tells how many clients were accepted"
    }
    ;;
  v3*)
    default_host='0\.0\.0\.0' default_client_host=localhost default_port=7200
    accepted='^Server connection made with client ' told='^Server (received|sent): '
    closed='^Server connection closed by client '
    stays="it waits for a client to read, or to close its end: accept(), recv() and send() are to give way to the signal"
    answered='^Client received: yoha$'
    listening() { echo "^Server can now receive from port $2\$"; }
    connected() { echo "^Client connection made with server at $1 : $port\$"; }
    fake_partner() { fake_server "$@" reverse; }
    talk() { say $'ahoy\nend' "$1"; }
    assert_last_line() { # [CONNECTIONS, which it does not tell]
      assert_terminated_by signal
    }
    assert_terminated_by() { # HOW
      local line="Server termination called by $1"
      [ "$(tail -n 1 "$server_out")" = "$line" ] || explain "the server's last line is missing" \
        "expected" "$line" "got" "$(show_lines "$server_out")"
      if [ -n "${complaint:-}" ]; then assert_one_line "$server_err" "$complaint"; else assert_nothing_in "$server_err"; fi
    }
    ;;
esac

# ---- Clients of the server ----

# What a server answers to a text: the same, or in v3 its characters in reverse order.
answer_to() { # TEXT
  local i answer=
  case $STAGE in
    v3*) for ((i = ${#1} - 1; i >= 0; i--)); do answer+=${1:i:1}; done ;;
    *) answer=$1 ;;
  esac
  printf %s "$answer"
}

# The same, of a text with a newline behind it, as the probe takes it.
ended_answer_to() { # TEXT
  printf '%s\\n' "$(answer_to "$1")"
}

# Prints N bytes that clients may send: any bytes, or in v3 lines, which differ; none is `end`.
messages_of() { # N
  case $STAGE in
    v3*) awk -v n="$1" 'BEGIN { for (i = 0; size < n; i++) { line = sprintf("line %d of many: %s", i,
      substr("abcdefghijklmnopqrstuvwxyz", 1, i % 26)); print line; size += length(line) + 1 } }' ;;
    *) head -c "$1" /dev/urandom ;;
  esac
}

# Fails unless a client that has sent SENT has got back what it should.
assert_answered() { # SENT RECEIVED
  case $STAGE in
    v3*)
      "$SUPPORT/bin/probe" reverse "$1" >"$dir/expected_answers"
      assert_same_answers "$dir/expected_answers" "$2"
      ;;
    *) assert_same_bytes "$1" "$2" ;;
  esac
}

# The same where a probe has flooded the server with FILE, again and again.
assert_flood_answered() { # FILE PROBE RECEIVED
  local size
  size=$(sed -n 's/^flooded //p' "$dir/$2.out")
  while cat "$1" 2>/dev/null; do :; done | head -c "$size" >"$dir/flood"
  assert_answered "$dir/flood" "$3"
}

# Fails unless two files hold the same answers.
assert_same_answers() { # EXPECTED RECEIVED
  local offset
  ! cmp -s "$1" "$2" || return 0
  offset=$(first_different_byte "$1" "$2")
  explain "the answers are not what they should be" "expected" "$(show_difference "$1" "$2" "$1")" \
    "came back" "$(show_difference "$1" "$2" "$2")" "the first difference" "byte $offset (marked >>>)" \
    "it usually means" "${means:-"a message was torn where recv() ended, two became one, or its bytes were not put in the right order"}" \
    "read" "${read_more:-man 2 recv: RETURN VALUE}"
}

# How many bytes of answers the server has shown.
shown_size() {
  case $STAGE in
    v3*) sed -n 's/^Server sent: //p' "$server_out" | wc -c ;;
    *) shown_messages | LC_ALL=C sed 's/.*(\([0-9]*\) bytes)$/\1/' | awk '{ total += $1 } END { print total + 0 }' ;;
  esac
}

# Sets the array steps to what the probe does in this stage: it takes the welcome first, and asks as a client
# here does, ask:TEXT.
set_steps() { # [OPTION...] STEP...
  local step
  steps=()
  while case ${1:-} in retry | limit:* | silence:* | rcvbuf:* | sndbuf:*) ;; *) false ;; esac do
    steps+=("$1")
    shift
  done
  [ -z "$welcomed" ] || steps+=("$welcomed")
  for step; do
    case $STAGE-$step in
      v3*-ask:*) steps+=("send:${step#*:}\\n" "expect:$(answer_to "${step#*:}")\\n") ;;
      *) steps+=("$step") ;;
    esac
  done
}

# Connects the probe to the server, and does its steps.
visit() { # [OPTION...] STEP...
  local steps
  set_steps "limit:$((20 * SLOWNESS < PATIENCE ? 20 : PATIENCE / SLOWNESS))" "$@"
  probe connect 127.0.0.1 "$port" "${steps[@]}"
}

# The same in the background: see start_probe.
start_visit() { # NAME [OPTION...] STEP...
  local name=$1 steps
  shift
  set_steps "$@"
  start_probe "$name" connect 127.0.0.1 "$port" "${steps[@]}"
}

# The same, up to its first pause.
visit_until_pause() { # NAME [OPTION...] STEP...
  start_visit "$@"
  wait_for_pause "$1"
}

# The same with N connections, on each of which a step is done before the next one.
crowd() { # N [OPTION...] STEP...
  local count=$1 steps
  shift
  set_steps "$@"
  probe crowd "$count" 127.0.0.1 "$port" "${steps[@]}"
}

start_crowd() { # NAME N [OPTION...] STEP...
  local name=$1 count=$2 steps
  shift 2
  set_steps "$@"
  start_probe "$name" crowd "$count" 127.0.0.1 "$port" "${steps[@]}"
}

# Lets a program's system calls fail with EINTR, every other time.
make_calls_fail() { # PROGRAM CALLS [OPTION_OF_STRACE...]
  command -v strace >/dev/null || skip "strace is not installed: it makes calls fail with EINTR"
  strace -qq -o /dev/null -e trace=accept true 2>/dev/null || skip "strace is not allowed here"
  export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # it cannot look for leaks under strace
  local program=$1 command=(strace -f -qq -o /dev/null -e "inject=$2:error=EINTR:when=1+2" "${@:3}")
  eval "${program}_command=(\"\${command[@]}\" \"\${${program}_command[@]}\")"
}

# Starts a fake server that takes N connections before it does its steps. Sets $port.
fake_crowd() { # N [OPTION...] STEP...
  hang_means="the client has sent less or more than its message (the NUL behind it, a newline); or it ends one connection before it sends on the next, and this server answers when all have sent"
  start_probe fake listen-crowd "$@"
  wait_for_line "$dir/fake.out" '^listening [0-9]+$'
  port=$(sed -n 's/^listening //p' "$dir/fake.out")
}

# Runs the client, and expects that the fake server has got what it wanted, and that the client exits 0.
assert_client_succeeds() { # ARGUMENT_BEHIND_PORT...
  run_client 127.0.0.1 "$port" "$@"
  assert_status 0
  finish fake
}

# ---- The end ----

# Asks the server to stop, and expects it to do so in good order within 2 s.
assert_stops() { # [SIGNAL [CONNECTIONS [MEANING]]]
  local asked
  asked=$(now_ms)
  signal_server "${1:-TERM}"
  kill -CONT -- "-$server" 2>/dev/null || true # for one that the test has stopped
  assert_stopped "$asked" "${2:-}" "${3:-}"
}

# The same after the signal was sent, at a time that now_ms gave.
assert_stopped() { # WHEN [CONNECTIONS [MEANING]]
  local took meaning=${3:-$stays}
  wait_for_exit "$server" "$LIMIT" "$meaning"
  took=$(($(now_ms) - $1))
  assert_status 0 "${3:-"SIGINT and SIGTERM are caught: the server closes its connections, prints its last line, and exits 0"}"
  [ "$took" -le $((2000 * SLOWNESS + spare)) ] || explain "the server takes too long to stop" \
    "expected" "2000 ms at most" "got" "$took ms" "it usually means" "$meaning"
  assert_last_line "${2:-}"
}

# Expects that a server whose only client has left ends as it should: by itself, or when it is told to.
assert_ends() { # [CONNECTIONS]
  case $STAGE in
    v1.0*) assert_unharmed "" ;;
    *)
      wait_for_line "$server_out" "$closed"
      assert_stops TERM "${1:-}"
      ;;
  esac
}

# ---- Lines ----

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

has_lines() { # N FILE REGEX
  [ "$(count_lines "$2" "$3")" -ge "$1" ]
}

# Waits until so many lines of FILE match. Fails if they do not come, or more come.
wait_for_lines() { # N FILE REGEX [MEANING]
  wait_until has_lines "$@" || true
  assert_line_count "$@"
}

# ---- Descriptors ----

# Lets the server have no other descriptor than those that it has now.
take_descriptors() {
  need_proc
  command -v prlimit >/dev/null || skip "prlimit is not installed: it changes the server's limits"
  LIMIT=2 wait_until sleeps "$server" || true # it has not seen yet that nobody waits: the episode before goes on
  prlimit --pid "$server" --nofile="$(lowest_free_descriptor "$server"):" || skip "prlimit is not allowed here"
  halt "$server" # one that waits in accept() has its descriptor already: it begins anew
  signal_server CONT
}

give_descriptors() {
  prlimit --pid "$server" --nofile=200:
}
