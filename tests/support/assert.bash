# assert.bash - assertions, most of which explain to a student what went wrong. Loaded by suite.bash.
# A test may set $means and $read_more to what a failure usually means, and where to read about it;
# where it does not, where_to_read() knows.

# Prints a title, and below it names with their values, leaving out those without one, and last what
# it usually means and where to read. If a program has died, that comes first, and is what it means. Fails.
explain() { # TITLE [NAME VALUE]...
  local meaning=${means:-} reading=${read_more:-} death=
  explain_death server "${server:-}"
  explain_death client "${client:-}"
  [ -n "$death" ] || { explain_quiet server && explain_quiet client; }
  printf '\n%s\n' "$1"
  shift
  while [ $# -ge 2 ]; do
    case $1 in
      "it usually means") meaning=${2:-$meaning} ;;
      read) reading=${2:-$reading} ;;
      *) explain_line "$1" "$2" ;;
    esac
    shift 2
  done
  [ -z "$death" ] || meaning=$death
  case $death in
    *'it crashed'* | *'it was aborted'*) reading="man 7 signal: Standard signals; man 1 gdb" ;;
    *' -q '*) reading="POSIX, XBD 12.2: Utility Syntax Guidelines" ;;
  esac
  explain_line "it usually means" "$meaning"
  explain_line read "$(what_is_there "${reading:-$(where_to_read "${BATS_TEST_DESCRIPTION:-}")}")"
  return 1
}

# If a program under test has died, says of which signal, and after what was sent to it; or that the server has failed,
# where the client only sees that nothing comes. Sets $death to what that means.
explain_death() { # PROGRAM PID
  local status=0 tries=0 end=end_of_$1 command="command_of_$1[@]" steps how=crashed
  until [ -z "$2" ] || is_gone "$2" || [ "$((tries += 1))" -gt 10 ]; do
    wait_a_moment 0.01 # it may be about to end: its connections are closed before
  done
  status_of_end "$2" || status=${!end:-0}
  if is_death "$1" "$status"; then
    death=$(meaning_of_status "$status")
    is_crash "$status" || how=died
    how="$how (SIG$(kill -l "$status"))"
  elif has_left_its_client "$1" "$status"; then
    how="ended with exit status $status while its client was there"
    death="an error that nothing in it catches, or handles as one client's alone: its stderr should say which"
  else
    return 0
  fi
  printf '\nthe %s %s\n' "$1" "$how"
  explain_line "it was started as" "$(without_paths "$(show_command "${!command}")")"
  explain_line "its stderr" "$([ ! -s "$dir/$1.err" ] || show_lines "$dir/$1.err")"
  [ "${FUNCNAME[2]}" != explain_probe ] || return 0 # that shows the steps itself
  for steps in "$dir"/*.steps; do
    [ ! -e "$steps" ] || explain_line "it was sent${STEPS_ARE_LISTED:-}" \
      "$(without_paths "$(show_steps "$(basename "$steps" .steps)" "$(cat "${steps%.steps}.err")")")"
  done
}

# If a program has failed that was started with -q, and would not have without it, says so. Sets $death to what that
# means.
explain_quiet() { # PROGRAM
  local command="command_of_$1[@]" without
  leave_out_quiet "${!command}"
  case " ${!command} " in *' -- '*) return ;; *' -q '*) "fails_with_quiet_$1" || return 0 ;; *) return ;; esac
  printf '\nthe %s was started with -q, and does not know that option\n' "$1"
  explain_line "it was started as" "$(without_paths "$(show_command "${!command}")")"
  explain_line "its stderr" "$([ ! -s "$dir/$1.err" ] || show_lines "$dir/$1.err")"
  death="without -q it does not fail so: an option may stand before, between and behind the operands, and is none of them"
}

# Sets the array without to a command without -q.
leave_out_quiet() { # WORD...
  local word
  without=()
  for word; do [ "$word" = -q ] || without+=("$word"); done
}

# Starts the server once more, to see what it does without what the test is about. Fails if it does not get ready.
start_plain_server() { # COMMAND...
  start plain "$@"
  wait_until has_line_or_is_gone "$dir/plain.out" "$ready" "$pid" || true
  has_line "$dir/plain.out" "$ready"
}

# Whether the server has not got ready, and does without -q.
fails_with_quiet_server() {
  [ -n "${server:-}" ] && is_gone "$server" && ! has_line "$server_out" "$ready" || return 1
  start_plain_server "${without[@]}" || return 1
  [ -z "$never_ready" ] || : >"$never_ready/got-ready"
}

# Whether the client has failed, and where nobody listens, says that it is refused only without -q.
fails_with_quiet_client() {
  local status port
  status_of_end "${client:-}" || status=${end_of_client:-0}
  [ "$status" -gt 0 ] || return 1
  leave_out_quiet "${client_command[@]}"
  find_free_port
  is_refused "${without[@]}" && ! is_refused "${without[@]}" -q
}

is_refused() { # COMMAND...
  "$timeout_command" -k 2 5 "$@" 127.0.0.1 "$port" 2>&1 3>&- 4>&- | grep -qi refused
}

# Where the steps of the probe are explained, if the reader has that file.
STEPS_ARE_LISTED=
[ ! -e "${SUPPORT%/*/*}/tests/support/probe.c" ] || STEPS_ARE_LISTED=" (tests/support/probe.c lists the steps)"

# Whether an exit status is that of a program that the system, or it itself, has ended for a mistake.
is_crash() { # STATUS
  [ "$1" -gt 128 ] && case $(kill -l "$1") in SEGV | BUS | FPE | ILL | ABRT | SYS) ;; *) false ;; esac
}

# The same, or that it has died of another signal that no test sends. A client that hangs is killed by the suite.
is_death() { # PROGRAM STATUS
  is_crash "$2" || case $1-$2 in *-141 | *-153 | server-137) ;; *) false ;; esac
}

# Whether it is the server of a test of both programs, and has failed although nobody had asked it to stop.
has_left_its_client() { # PROGRAM STATUS
  [[ $1-${BATS_TEST_DESCRIPTION:-} == 'server-server and client: '* ]] && [ "$2" -gt 0 ] && [ -z "${asked_to_stop:-}" ] &&
    has_line "$server_out" "$ready"
}

explain_line() { # NAME VALUE
  [ -z "$2" ] || printf '%s\n' "$1: $2" | sed '1s/^/  /; 2,$s/^/    /'
}

# Where the lessons and the manuals speak of what a test looks at.
where_to_read() { # DESCRIPTION
  case $1 in
    *NUL* | *'every byte'*) echo 'v1.0-single/README.md, "A NUL is a byte"; man 2 recv: RETURN VALUE' ;;
    *' help '* | *help:* | *'the usage'* | *operand* | *option* | *' -- '* | *'-q may'* | *'-b may'* | *' port that is'* | *' port is'* | *' a port with'* | \
      *'leading zeros'* | *'--q is'* | *'is refused with exit 2'*)
      echo "common/cli.h; man 3 strtol: NOTES; POSIX, XBD 12.2: Utility Syntax Guidelines" ;;
    *EINTR* | *'and continued'*) echo "man 7 signal: Interruption of system calls and library functions" ;;
    *escriptors* | *'out of threads'* | *'open files'*) echo "common/listen.h; man 2 accept: ERRORS; man 2 getrlimit" ;;
    *'ready line'* | *'in the file as soon'*) echo "common/program.h; man 3 setvbuf" ;;
    *'started with'*'closed'*) echo "common/program.h; man 2 open: the lowest-numbered descriptor" ;;
    *backlog*) echo "common/listen.h; man 2 listen" ;;
    *'nobody reads its output'* | *'that nobody reads'* | *'disk'*)
      echo 'v1.0-single/README.md, "The reader of your output has left"; man 2 write: ERRORS' ;;
    *'end of input'*) echo 'v2-threaded-broadcast/README.md, "Half a farewell"; man 2 shutdown' ;;
    *SIGPIPE*) echo "common/program.h; man 2 send: EPIPE, MSG_NOSIGNAL; man 7 signal" ;;
    *SIGINT* | *SIGTERM* | *' stops within '* | *' stops when '* | *'it stops'[,:]* | *'while it stops '* | *' it stops' | \
      *'signals stop'* | *'stops it'* | *topping* | *'a signal'* | *'the signal'*)
      echo 'common/stop.h; man 2 sigaction; v2-threaded-broadcast/README.md, "A thread that waits cannot see a flag"' ;;
    *'restarted'*) echo 'v3-reverse/README.md, "The port that is still busy"; man 7 socket: SO_REUSEADDR' ;;
    *'that closes '* | *'that half-closes first'*)
      echo 'man 2 recv: RETURN VALUE, 0 is the end of the stream; v1.0-single/README.md, "One recv is not enough"' ;;
    *' is a failure'*) echo "man 3 errno, man 3 strerror, man 3 getaddrinfo: ERRORS" ;;
    *'every address'* | *localhost* | *IPv6*) echo "common/connect.h; man 3 getaddrinfo" ;;
    *terminal* | *' shown '* | *UTF-8* | *haracter*)
      echo 'common/text.h; RFC 3629; v3-reverse/README.md, "Characters are not bytes"' ;;
    *half-close* | *'before it stopped'* | *'behind end'* | *'after end'* | *'last bytes'* | *'last answers'* | *' dne'*)
      echo "common/stream.h: end_gently(); man 2 shutdown; RFC 9293, 3.6" ;;
    *reset* | *vanish* | *leave*) echo "man 2 recv and man 2 send: ECONNRESET, EPIPE; RFC 9293, 3.5.2" ;;
    *'not read'* | *'holds up'* | *'hold up'* | *spin* | *'at once'* | *'one client after another'* | *'second client'* | \
      *'several clients send'*)
      echo 'v1.1-multiconn/README.md, "One blocking socket is enough"; man 2 poll' ;;
    *thread* | *'each client'* | *'many clients'*)
      echo 'v2-threaded-broadcast/README.md, "One buffer for all threads"; man 7 pthreads' ;;
    *'with -b'* | *welcome*) echo 'v2-threaded-broadcast/README.md, "What happens"; man 3 pthread_mutex_lock' ;;
    *message* | *answer*)
      case $STAGE in
        v3*) echo 'v3-reverse/README.md, "What recv returned is a message"; man 7 tcp' ;;
        *) echo 'v1.0-single/README.md, "One recv is not enough"; man 2 recv, man 2 send: RETURN VALUE' ;;
      esac ;;
    *bytes* | *' MB '* | *pieces* | *'slow reader'* | *' echo '* | *echoes* | *echoed*)
      echo 'v1.0-single/README.md, "One recv is not enough"; man 2 recv, man 2 send: RETURN VALUE' ;;
    *) echo "$STAGE/README.md, \"Run it\"" ;;
  esac
}

# Of what there is to read, what the reader has: a lab has the lesson of its own stage, and a submission that was
# graded may have neither that nor common/. Manuals are everywhere.
what_is_there() { # READING
  local root=${SUPPORT%/*/*} place file there='' first=''
  while IFS= read -r place; do
    file=${place%%[,: ]*}
    case $file in
      "$STAGE/README.md") # also where it is under another name, or nobody knows where
        if [ ! -e "$root/$file" ]; then
          if [ -e "$root/LESSON.md" ]; then file=LESSON.md; else file="the lesson of $STAGE"; fi
          place=$file${place#"$STAGE/README.md"}
        fi
        ;;
      v*/README.md | common/*) [ -e "$root/$file" ] || file= ;;
    esac
    first=${first:-$place}
    [ -z "$file" ] || there+=${there:+'; '}$place
  done < <(printf '%s\n' "$1" | awk '{ gsub(/; /, "\n"); print }')
  printf '%s\n' "${there:-"the lesson of ${first/\/README.md/}"}"
}

# The first lines of a file, with bytes that are no printable ASCII as <HH>.
show_lines() { # FILE
  if [ -s "$1" ]; then
    "$SUPPORT/bin/probe" show-lines "$1" | head -c 20000 | sed -n '1,40p'
  else
    echo "(nothing)"
  fi
}

# What was seen of a connection when a step of the probe went wrong: nothing came (silence), the connection was
# over (closed, reset) or never there (refused, unreachable), too much came (more), or other bytes (differs).
seen_in_step() { # MESSAGE
  case $1 in
    *'the time is up in step start'*) echo unreachable ;; # it tries again where it is refused
    *'expected the end of the stream, got 0 bytes '*'nothing for '*) echo open ;;
    *'the time is up in step '*flood* | *'it waits still'*' flood'*) echo swallows ;;
    *'expected the end of the stream, got '[1-9]*' bytes ("'* | *'expected nothing, got "'*) echo more ;;
    *'cannot connect'*refused*) echo refused ;;
    *'the peer took'*': '* | *'a reset'* | *'reset by peer'* | *'roken pipe'*) echo reset ;;
    *'nothing for '* | *'the time is up'* | *'it waits still'*) echo silence ;;
    *'the end of the stream'* | *'ended the stream'*) echo closed ;;
    *'the first difference is'* | *': sent '*', got '*) echo differs ;;
  esac
}

# Whether bytes came that cannot be an answer: NULs where none was sent.
has_foreign_nuls() { # MESSAGE
  local expected=${1#*expected } got
  got=${expected#*, got }
  [ "$got" != "$expected" ] && [[ ${got%%; *} == *'\x00'* ]] && [[ ${expected%%, got *} != *'\x00'* ]]
}

# Whether the server under test has ended.
has_server_ended() {
  [ -n "${server:-}" ] && is_gone "$server"
}

# Whether it has ended well, and nobody has asked it to.
has_served_one_client() {
  case $STAGE in v1.1* | v2*) has_server_ended && wait "$server" 2>/dev/null ;; *) false ;; esac
}

SERVES_ONE_CLIENT="it serves one client and ends: accept() belongs in a loop that only a request to stop ends"

# What it usually means that a step of the probe went wrong so. Nothing is said that was not seen.
guess_step_mistake() { # MESSAGE
  local more="more came back than was sent: send() was given the size of the buffer, not what recv() returned; or a greeting, or the NUL behind a string, was sent with it" seen
  seen=$(seen_in_step "$1")
  case $seen in
    open) echo "the connection stays open: nobody closes it when recv() has returned 0, or before that something is waited for that never comes" ;;
    swallows) echo "the program reads on and on from a peer that reads nothing, and keeps all of it in memory: it stops reading while something waits to be sent" ;;
    more) echo "$more" ;;
    refused | unreachable)
      if has_served_one_client; then
        echo "$SERVES_ONE_CLIENT"
      elif has_server_ended; then
        echo "nobody listens there any more: the server has ended; its stderr may say why"
      elif [ "$seen" = unreachable ] && has_line "${server_out:-/dev/null}" "${accepted:-.}"; then
        echo "the server has accepted clients, and takes in no more: one after the other is served up to its end, and the backlog is full; or it has closed its listener"
      else
        echo "the server runs, and does not listen there: it listens on another address than HOST, or on another port than the ready line says; or its ready line comes before listen(); or it has closed its listener"
      fi
      ;;
    reset)
      case $1 in
        *'the peer took'*)
          echo "the program has closed its connection, or ended, before it had read all that was on its way: one recv() gives what has come so far, and 0 at the end of the stream" ;;
        *)
          echo "close() resets a connection on which something has come that was not read, and what the peer has not read yet is lost; a program that is killed or crashes does the same" ;;
      esac
      ;;
    silence)
      case $1 in
        *'got "" (0 bytes) and then nothing'* | *' and 0 received: nothing'*)
          echo "nothing came at all: the program does not send it yet, or to others only; or is busy with another client, and has not accepted this one; or waits for more before it answers; or has failed, and says so on stderr" ;;
        *)
          echo "fewer bytes came than were expected, and the connection stays open: some were lost (strlen() stops at a NUL, send() may take less than it is given), or the program waits for more before it answers" ;;
      esac
      ;;
    closed) echo "the connection was closed before all that was owed had been sent, or the program has ended: recv() belongs in a loop, which ends when it returns 0" ;;
    differs)
      if has_foreign_nuls "$1"; then
        echo "$more"
      else
        echo "bytes were changed, lost or repeated, or came once more than they were sent, or those of another message or client came"
      fi
      ;;
  esac
}

# Where to read about what was seen, if that tells more than the name of the test.
read_on_step() { # MESSAGE
  case $(seen_in_step "$1") in
    more) echo 'man 2 recv and man 2 send: RETURN VALUE; v1.0-single/README.md, "A NUL is a byte"' ;;
    differs) ! has_foreign_nuls "$1" || echo 'man 2 recv and man 2 send: RETURN VALUE; v1.0-single/README.md, "A NUL is a byte"' ;;
    swallows) echo 'v1.1-multiconn/README.md, "One blocking socket is enough"; man 2 poll' ;;
    refused | unreachable) has_server_ended || echo "man 2 bind; man 2 listen; common/listen.h" ;;
  esac
}

# The same as guess_step_mistake, with what the test itself says of its failure, where that fits to what was seen: most tests
# speak of bytes that do not come or are wrong, and a connection that has ended may have another cause.
meaning_of_step() { # MESSAGE
  local guess seen
  if [[ $(seen_in_step "$1") == silence ]] && { never_answers || meaning_of_turns; }; then
    return
  elif could_start_no_thread; then
    echo "it could not start one more thread: a thread for each client takes as many threads as there are clients, and memory for their stacks; or threads that are done are not joined, or detached"
    return
  fi
  guess=$(guess_step_mistake "$1")
  seen=$(seen_in_step "$1")
  case $seen-${means:-} in
    *-) echo "$guess" ;;
    refused-*'refused'* | refused-*listen* | refused-*' ends the '* | refused-*' dies'* | refused-*'no failure'* | \
      reset-*reset* | closed-*reset* | reset-*'close()'* | closed-*'close()'* | reset-*SIG* | closed-*SIG* | \
      reset-*' ends the '* | closed-*' ends the '* | closed-*' gives up '*)
      echo "$guess; or, in this test: $means" ;;
    silence-*' gives up '* | refused-* | unreachable-* | reset-* | closed-* | swallows-* | open-* | more-*' wait'* | differs-*' wait'* | more-*collect* | differs-*collect* | \
      more-*' gives up '* | differs-*' gives up '* | more-*'close()'* | differs-*'close()'* | more-*' reset'* | differs-*' reset'*)
      echo "$guess" ;;
    more-* | differs-*) if has_foreign_nuls "$1"; then echo "$guess; or, in this test: $means"; else echo "$means"; fi ;;
    *) echo "$means" ;;
  esac
}

# If a probe was in the middle of an exchange or a roundtrip: the names of what it sent and got.
exchanged_files() { # NAME
  sed -nE 's/^probe: step [0-9]+, ([0-9]+\/)?(exchange|roundtrip):([^:]*):([^:]+)(:[0-9]+)?: .*/\3 \4/p' "$dir/$1.err"
}

# The steps of a probe up to the one that went wrong, the last ones only if there are many.
show_steps() { # NAME MESSAGE
  local number
  number=$(printf '%s\n' "$2" | sed -nE 's/^probe: step ([0-9]+), .*/\1/p')
  export LATE_STEP
  LATE_STEP=$(printf '%s\n' "$2" | sed -n 's/^probe: the time is up in step //p')
  # Behind the role, HOST, PORT and the options stand the steps.
  awk -v number="${number:-0}" '
    NR == 1 { head = $0; roles = $0 == "connect" ? 3 : $0 == "crowd" ? 4 : $0 == "listen-crowd" ? 2 : 1; next }
    NR <= roles || (!count && /^((rcvbuf|sndbuf|limit|silence|on):|retry$)/) { head = head " " $0; next }
    { step[++count] = $0 }
    !number && $0 == ENVIRON["LATE_STEP"] { number = count }
    END {
      print head
      last = number ? number : count
      if (last > 6) print "..."
      for (i = last > 6 ? last - 5 : 1; i <= last; i++) print (i == number ? ">>> " : "") step[i]
    }' "$dir/$1.steps"
}

# Tells what a step of the probe expected, and what the programs under test printed.
explain_probe() { # NAME
  local message sent="" received="" what="a client of your server" server_end client_end probe_pid=probe_$1
  if [ ! -s "$dir/$1.err" ] && [ -n "${!probe_pid:-}" ] && kill -ALRM "${!probe_pid}" 2>/dev/null; then
    LIMIT=2 wait_until is_gone "${!probe_pid}" || true # its time is up: it says in which step
  fi
  message=$(cat "$dir/$1.err")
  message=${message:-"it waits still, and has not got as far as it should"}
  ! head -n 1 "$dir/$1.steps" | grep -q '^listen' || what="the server that your client talked to"
  read -r sent received <<<"$(exchanged_files "$1")" || true
  status_of_end "${server:-}" && server_end=$status
  status_of_end "${client:-}" && client_end=$status
  explain "$what did not see what it expected" \
    "what it did${STEPS_ARE_LISTED:-}" \
    "$(without_paths "$(show_steps "$1" "$message")")" \
    "went wrong" "$(without_paths "$message")" \
    "sent" "$([ -z "$received" ] || show_difference "$sent" "$received" "$sent")" \
    "came back" "$([ -z "$received" ] || show_difference "$sent" "$received" "$received")" \
    "the server printed" "$(show_printed server out)" "and on stderr" "$(show_printed server err)" \
    "the client printed" "$(show_printed client out)" "the client's stderr" "$(show_printed client err)" \
    "the server's exit status" "${server_end:-}" "the client's exit status" "${client_end:-}" \
    "it usually means" "$(meaning_of_status "${server_end:-${client_end:-0}}" || meaning_of_step "$message")" \
    "read" "$(read_on_step "$message")"
}

# What a program under test has printed, if it runs in this test; a probe of that name is none. Of many lines the
# last ones say most.
show_printed() { # PROGRAM STREAM
  if [ ! -e "$dir/$1.steps" ] && [ -s "$dir/$1.$2" ]; then
    "$SUPPORT/bin/probe" show-lines "$dir/$1.$2" | cut -c 1-200 | awk '
      { line[NR] = $0 }
      END { for (i = 1; i <= NR; i++) if (i <= 2 || i > NR - 8) print line[i]; else if (i == 3) print "..." }'
  elif [ ! -e "$dir/$1.steps" ] && [ -e "$dir/$1.$2" ] && [ "$2" = out ]; then
    echo "(nothing)"
  fi
}

# A text without the names of this test's files' directory.
without_paths() { # TEXT
  printf '%s\n' "${1//"$dir/"/}"
}

size_of() { # FILE
  echo $(($(wc -c <"$1")))
}

# Some bytes of a file around an offset, escaped, with a mark in front of that byte.
show_around() { # FILE OFFSET
  local from=$(($2 > 20 ? $2 - 20 : 0))
  printf '%s%s>>>%s' "$([ "$from" -eq 0 ] || echo ...)" \
    "$("$SUPPORT/bin/probe" show "$1" "$from" "$(($2 - from))")" \
    "$("$SUPPORT/bin/probe" show "$1" "$2" 20)"
}

# What it usually means in C when RECEIVED differs from SENT first at OFFSET.
guess_byte_mistake() { # SENT RECEIVED OFFSET
  local sent received missing
  sent=$(size_of "$1")
  received=$(size_of "$2")
  missing=$("$SUPPORT/bin/probe" show "$1" "$3" 1)
  if [ "$received" -eq 0 ]; then
    echo "the connection was closed, or the program ended, before anything was sent back"
  elif [ "$received" -eq "$3" ] && [ "$missing" = '\x00' ]; then
    echo "only the first $received of $sent bytes came back: strlen() stops at a NUL; the size is what recv() returned"
  elif [ "$received" -eq "$3" ]; then
    echo "only the first $received of $sent bytes came back: send() may take less than it is given and wants a loop; or the connection was closed before all that was owed was sent"
  elif [ "$sent" -eq "$3" ]; then
    echo "more came back than was sent: send() was given the size of the buffer, not what recv() returned"
  else
    echo "bytes were lost, repeated or changed: after a short send() the next one starts behind what was taken; and bytes are no text"
  fi
}

# Fails unless two files hold the same bytes.
assert_same_bytes() { # SENT RECEIVED
  local offset
  ! cmp -s "$1" "$2" || return 0
  [ -e "$2" ] || : >"$2"
  offset=$(first_different_byte "$1" "$2")
  explain "what came back is not what was sent" \
    "sent" "$(show_difference "$1" "$2" "$1")" "came back" "$(show_difference "$1" "$2" "$2")" \
    "the first difference" "byte $offset (marked >>>)" \
    "it usually means" "$(guess_byte_mistake "$1" "$2" "$offset")"
}

# The offset of the first byte that differs, or is missing in one of two files.
first_different_byte() { # SENT RECEIVED
  local offset sent received
  offset=$(cmp -l "$1" "$2" 2>/dev/null | awk 'NR == 1 { print $1 - 1; exit }')
  sent=$(size_of "$1")
  received=$(size_of "$2")
  echo "${offset:-$((sent < received ? sent : received))}"
}

# The size of one of two files, and what stands in it where they differ.
show_difference() { # SENT RECEIVED WHICH
  local offset
  offset=$(first_different_byte "$1" "$2")
  echo "$(size_of "$3") bytes: $(show_around "$3" "$offset")"
}

# Fails unless FILE holds exactly the lines given on stdin.
assert_lines() { # FILE [MEANING] <EXPECTED
  local line
  cat >"$dir/expected"
  ! cmp -s "$dir/expected" "$1" || return 0
  line=$(first_different_line "$dir/expected" "$1")
  explain "the output is not what it should be" \
    "the first difference" "line $line (marked >>>; a byte that is no printable ASCII is shown as <HH>)" \
    "expected" "$(show_lines_around "$dir/expected" "$line")" \
    "got" "$(show_lines_around "$1" "$line")" \
    "it usually means" "${2:-${means:-"a line is missing, comes twice, or in another place, or has other words than the lesson shows"}}"
}

# The lines of a file around one, which is marked.
show_lines_around() { # FILE NUMBER
  if [ -s "$1" ]; then
    "$SUPPORT/bin/probe" show-lines "$1" | head -c 1000000 | awk -v at="$2" 'NR == at - 9 { print "..." }
      NR > at - 9 && NR < at + 9 { print (NR == at ? ">>> " : "") $0 }
      NR == at + 9 { print "..." }
      END { if (NR < at) print ">>> (no more lines)" }'
  else
    echo "(nothing)"
  fi
}

first_different_line() { # EXPECTED GOT
  LC_ALL=C awk 'NR == FNR { expected[NR] = $0; lines = NR; next }
    $0 != expected[FNR] && !found { print FNR; found = 1 }
    { got = FNR }
    END { if (!found) print (got < lines ? got : lines) + 1 }' "$1" "$2"
}

# Fails unless a line of FILE matches.
assert_line_in() { # FILE REGEX [MEANING]
  has_line "$1" "$2" || explain "a line is missing" "expected a line like" "$2" \
    "got" "$(show_lines "$1")" "it usually means" "${3:-}"
}

# Fails if a line of FILE matches.
assert_no_line_in() { # FILE REGEX [MEANING]
  ! has_line "$1" "$2" || explain "a line should not be there" "not expected" "$2" \
    "got" "$(show_lines "$1")" "it usually means" "${3:-}"
}

# Whether FILE is one line, ended or not.
is_one_line() { # FILE
  local LC_ALL=C text
  if IFS= read -r -d '' -n 4096 text <"$1"; then # there is a NUL, or much
    [ "$(awk 'END { print NR }' "$1")" -eq 1 ]
    return
  fi
  text=${text%$'\n'}$'\n'
  [ -s "$1" ] && [ "${text#*$'\n'}" = "" ]
}

# Fails unless FILE is exactly one line, which matches.
assert_one_line() { # FILE REGEX [MEANING]
  if ! is_one_line "$1" || ! has_line "$1" "$2"; then
    explain "one line was expected, and nothing else" "expected one line like" "$2" \
      "got" "$(show_lines "$1")" "it usually means" "${3:-}"
    return 1
  fi
  ! has_line "$1" ': (Success|No error.*|Undefined error: 0)$' ||
    explain "a failure is not explained" "expected" "why it failed" "got" "$(show_lines "$1")" \
      "it usually means" "errno was read too late, and another call had changed it: it is read at once. getaddrinfo() does not set it, but returns its own error"
}

# Fails unless FILE is empty.
assert_nothing_in() { # FILE [MEANING]
  [ ! -s "$1" ] || explain "nothing should be printed here" "file" "${1##*/}" \
    "got" "$(show_lines "$1")" "it usually means" "${2:-}"
}

# Fails unless the last program ended with this status.
assert_status() { # EXPECTED [MEANING]
  local meaning
  [ "$status" -ne "$1" ] || return 0
  meaning=$(meaning_of_status "$status") || meaning=${2:-}
  explain "the exit status is wrong" "expected" "$1" "got" "$status" \
    "stdout of the server" "$(show_printed server out)" "stderr of the server" "$(show_printed server err)" \
    "stdout of the client" "$(show_printed client out)" "stderr of the client" "$(show_printed client err)" \
    "it usually means" "$meaning"
}

# What an exit status says by itself. Fails if it says nothing.
meaning_of_status() { # STATUS
  local memory=
  [ "$1" -gt 0 ] || return 1
  memory=$(limit_on_memory)
  if ran_out_of_memory; then
    echo "it ran out of memory${memory:+, and may have $memory here}: what it keeps grows with what comes"
    return
  fi
  case $1 in
    126 | 127) echo "it could not be run: is it built, and is the path right?" ;;
    130 | 143) echo "it was ended by a signal that it should have handled: man 2 sigaction" ;;
    134) echo "it was aborted (SIGABRT): an assertion, or the C library has found damaged memory" ;;
    137) echo "it was killed (SIGKILL), which the system does where it takes too much memory${memory:+; it may have $memory here}" ;;
    141) echo "it died of SIGPIPE: a write to a peer or reader that is gone ends the process, unless SIGPIPE is ignored" ;;
    153) echo "it died of SIGXFSZ: a write beyond the limit on the size of files ends the process, unless SIGXFSZ is ignored" ;;
    99) echo "a sanitizer has found a mistake; see below" ;;
    *)
      is_crash "$1" && echo "it crashed (SIGSEGV or the like): a pointer or an index is wrong; a debugger shows where${memory:+. Or it has run into the limit on memory, which is $memory here, and uses what malloc() returned without a look}"
      ;;
  esac
}

# Whether a program under test says that it has no more memory.
ran_out_of_memory() {
  cat "$dir/server.err" "$dir/client.err" 2>/dev/null |
    grep -qiE 'out of memory|cannot allocate memory|bad_alloc|MemoryError|OutOfMemory'
}

# What it means that a server that is started anew gives its first and only client no answer either. Fails if it does.
never_answers() {
  local port steps stdout_file='' server_command client_command probe_command
  [[ ${BATS_TEST_DESCRIPTION:-} == 'server: '* ]] && [ -n "${ready:-}" ] || return 1
  find_programs # without what the test puts in front of them
  start_plain_server "${server_command[@]}" 127.0.0.1 0 || return 1
  port=${found##*[!0-9]}
  set_steps "silence:$((2 * SLOWNESS))" ask:hello
  ! "${probe_command[@]}" connect 127.0.0.1 "$port" "${steps[@]}" >/dev/null 2>&1 </dev/null 3>&- 4>&- || return 1
  echo "nothing comes back, also to a first and only client: the server does not send what it has received, or waits for more (the end of the stream, a newline, a full buffer) before it answers; or it has failed, and says so on stderr"
}

# What it means that v1.1's client has opened its connections, and waits on the first of them. Fails if it does not.
meaning_of_turns() {
  [[ $STAGE == v1.1* ]] && has_line "$dir/client.out" '^Client starts connection 2 ' &&
    has_line "$dir/client.out" '^Client sends .* on connection 1$' &&
    ! has_line "$dir/client.out" '^Client sends .* on connection [2-9]' && [ ! -s "$dir/client.err" ] || return 1
  echo "the client waits for the echo on one connection, and looks at no other meanwhile"
}

# Whether the server under test says that it could not start a thread, and the test is not about that.
could_start_no_thread() {
  [[ ${BATS_TEST_DESCRIPTION:-} != *thread* ]] &&
    grep -qiE '(start|create)[a-z ]* thread|pthread_create' "$dir/server.err" 2>/dev/null
}

# How much memory a process may have here, as the grader's sandbox limits it; nothing if that is not limited.
limit_on_memory() {
  local kilobytes
  for kilobytes in "$(ulimit -d)" "$(ulimit -v)"; do
    case $kilobytes in unlimited | '') ;; *) echo "$((kilobytes / 1024)) MiB" && return ;; esac
  done
}

# ---- Of the tools: what `run` has got from one ----

fail() { # WORD...
  printf '%s\n' "$*" >&2
  return 1
}

# Runs a program outside of bats, whose variables and PATH another bats must not see; one test at a time.
run_outside() { # COMMAND...
  local path
  path=$(printf '%s\n' "$PATH" | tr : '\n' | grep -vxF -e "${BATS_LIBEXEC:-none}" | paste -s -d : -)
  run env -i PATH="$path" HOME="$HOME" JOBS=1 ECHO_SLOWNESS="${ECHO_SLOWNESS:-1}" "$@"
}

assert_equal() { # GOT EXPECTED
  [ "$1" = "$2" ] || fail_between "values differ" "$2" "$1"
}

assert_success() {
  [ "$status" -eq 0 ] || fail_between "the exit status is wrong" 0 "$status, with this output:" "$output"
}

assert_failure() { # [STATUS]
  if [ "$status" -eq 0 ] || [ "$status" -ne "${1:-$status}" ]; then
    fail_between "the exit status is wrong" "${1:-not 0}" "$status, with this output:" "$output"
  fi
}

assert_output() { # [--partial|--regexp] TEXT
  is_said "$output" "$@" || fail_between "the output is wrong" "$*" "$output"
}

refute_output() { # [--partial|--regexp] TEXT
  ! is_said "$output" "$@" || fail_between "the output is wrong" "not $*" "$output"
}

assert_line() { # [--partial|--regexp] TEXT
  is_line_said "$@" || fail_between "a line is missing" "$*" "$output"
}

refute_line() { # [--partial|--regexp] TEXT
  ! is_line_said "$@" || fail_between "a line should not be there" "not $*" "$output"
}

is_line_said() { # [--partial|--regexp] TEXT
  local line
  for line in ${lines[@]+"${lines[@]}"}; do
    ! is_said "$line" "$@" || return 0
  done
  return 1
}

is_said() { # GOT [--partial|--regexp] EXPECTED
  case $2 in
    --partial) [[ $1 == *"$3"* ]] ;;
    --regexp) [[ $1 =~ $3 ]] ;;
    *) [ "$1" = "$2" ] ;;
  esac
}

fail_between() { # TITLE EXPECTED GOT...
  local title=$1 expected=$2
  shift 2
  printf '\n%s\n  expected: %s\n  got: ' "$title" "$expected"
  printf '%s\n' "$@"
  return 1
}
