# assert.bash - assertions that explain to a student what went wrong. Loaded by suite.bash.
# A test may set $means and $read_more to what a failure usually means, and where to read about it.

# Prints a title, and below it names with their values, leaving out those without one. Fails.
explain() { # TITLE [NAME VALUE]...
  printf '\n%s\n' "$1"
  shift
  while [ $# -ge 2 ]; do
    [ -z "$2" ] || printf '%s\n' "$2" | sed "1s/^/  $1: /; 2,\$s/^/    /"
    shift 2
  done
  return 1
}

# The first lines of a file, with bytes that are no printable ASCII escaped.
show_lines() { # FILE
  if [ -s "$1" ]; then
    "$SUPPORT/bin/probe" show-lines "$1" | sed -n '1,40p'
  else
    echo "(nothing)"
  fi
}

# Tells what a step of the probe expected, and what the programs under test printed.
explain_probe() { # NAME WHAT
  if grep -q 'the time is up' "$dir/$1.err"; then
    means=${means:-"fewer bytes came than were expected, and the connection stays open: some were lost (strlen() stops at a NUL, send() may take less than it is given), or the program waits for more before it answers"}
  fi
  explain "the other side did not see what it expected" "its steps" "$2" \
    "went wrong" "$(cat "$dir/$1.err")" \
    "the server printed" "$([ ! -e "$dir/server.out" ] || show_lines "$dir/server.out")" \
    "and on stderr" "$([ ! -s "$dir/server.err" ] || show_lines "$dir/server.err")" \
    "the client printed" "$([ ! -e "$dir/client.out" ] || show_lines "$dir/client.out")" \
    "the client's stderr" "$([ ! -s "$dir/client.err" ] || show_lines "$dir/client.err")" \
    "it usually means" "${means:-}" "read" "${read_more:-}"
}

size_of() { # FILE
  wc -c <"$1" | tr -d ' '
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
  local offset sent received
  ! cmp -s "$1" "$2" || return 0
  [ -e "$2" ] || : >"$2"
  sent=$(size_of "$1")
  received=$(size_of "$2")
  offset=$(($(cmp -l "$1" "$2" 2>/dev/null | awk 'NR == 1 { print $1 }') + 0))
  if [ "$offset" -gt 0 ]; then
    offset=$((offset - 1))
  else
    offset=$((sent < received ? sent : received))
  fi
  explain "what came back is not what was sent" \
    "sent" "$sent bytes: $(show_around "$1" "$offset")" \
    "came back" "$received bytes: $(show_around "$2" "$offset")" \
    "the first difference" "byte $offset (marked >>>)" \
    "it usually means" "$(guess_byte_mistake "$1" "$2" "$offset")" \
    "read" "${read_more:-man 2 send, man 2 recv: RETURN VALUE}"
}

# Fails unless FILE holds exactly the lines given on stdin.
assert_lines() { # FILE [MEANING] <EXPECTED
  cat >"$dir/expected"
  ! cmp -s "$dir/expected" "$1" || return 0
  explain "the output is not what it should be" "expected" "$(show_lines "$dir/expected")" \
    "got" "$(show_lines "$1")" \
    "the first difference" "line $(first_different_line "$dir/expected" "$1")" \
    "it usually means" "${2:-}" "read" "${read_more:-}"
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

# Fails unless FILE is exactly one line, which matches.
assert_one_line() { # FILE REGEX [MEANING]
  if [ "$(awk 'END { print NR }' "$1")" -ne 1 ] || ! has_line "$1" "$2"; then
    explain "one line was expected, and nothing else" "expected one line like" "$2" \
      "got" "$(show_lines "$1")" "it usually means" "${3:-}"
  fi
}

# Fails unless FILE is empty.
assert_nothing_in() { # FILE [MEANING]
  [ ! -s "$1" ] || explain "nothing should be printed here" "file" "${1##*/}" \
    "got" "$(show_lines "$1")" "it usually means" "${2:-}"
}

# Fails unless the last program ended with this status.
assert_status() { # EXPECTED [MEANING]
  local meaning=${2:-}
  [ "$status" -ne "$1" ] || return 0
  case $status in
    141) meaning="it died of SIGPIPE: a write to a peer or reader that is gone ends the process, unless SIGPIPE is ignored" ;;
    134) meaning="it was aborted (SIGABRT)" ;;
    139) meaning="it crashed (SIGSEGV): a pointer or an index is wrong" ;;
    99) meaning="a sanitizer has found a mistake; see below" ;;
  esac
  explain "the exit status is wrong" "expected" "$1" "got" "$status" \
    "stdout of the server" "$([ ! -e "$dir/server.out" ] || show_lines "$dir/server.out")" \
    "stderr of the server" "$([ ! -s "$dir/server.err" ] || show_lines "$dir/server.err")" \
    "stdout of the client" "$([ ! -e "$dir/client.out" ] || show_lines "$dir/client.out")" \
    "stderr of the client" "$([ ! -s "$dir/client.err" ] || show_lines "$dir/client.err")" \
    "it usually means" "$meaning" "read" "${read_more:-}"
}
