#!/usr/bin/env bats
# The pictures of what the programs do (tests/trace) are those of the programs as they are, and are
# found to be stale where they are not.
# shellcheck disable=SC2016 # backquotes here are Markdown's

load support/suite

setup() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
  [ -z "${SERVER:-}${CLIENT:-}" ] || skip "SERVER or CLIENT names other programs"
  command -v python3 >/dev/null || skip "python3 is not installed: tests/setup --ci brings it"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || skip "python3 is older than 3.9"
  [ -d /proc/self/task ] || skip "the pictures are of Linux, where it can be seen what a thread does"
}

teardown() {
  :
}

# Compares the pictures of a stage with what its programs do.
check_pictures() { # STAGE [OPTION]
  run tests/trace/run --check ${2:+"$2"} "$1"
  assert_output '' # shows what it found
  assert_success
}

# Copies a stage and what draws it.
copy_stage() { # STAGE
  copy=$BATS_TEST_TMPDIR/copy
  mkdir -p "$copy/tests"
  cp -pR common "$1" "$copy"
  cp -pR tests/trace "$copy/tests"
  cd "$copy" || return 1
}

# Replaces a text in a file of the copy.
change() { # FILE OLD NEW
  grep -qF "$2" "$1"
  awk -v old="$2" -v new="$3" '
    (at = index($0, old)) > 0 { $0 = substr($0, 1, at - 1) new substr($0, at + length(old)) }
    { print }' "$1" >"$1.new"
  mv "$1.new" "$1"
}

# Prints the number of the line in which a file has a text for the first time.
line_of() { # FILE TEXT
  grep -nF "$2" "$1" | sed -n '1s/:.*//p'
}

@test "the pictures of v1.0-single are what its programs do" {
  check_pictures v1.0-single
}

@test "the pictures of v1.1-multiconn are what its programs do" {
  check_pictures v1.1-multiconn
}

@test "the pictures of v2-threaded-broadcast are what its programs do" {
  check_pictures v2-threaded-broadcast
}

@test "the pictures of v3-reverse are what its programs do" {
  check_pictures v3-reverse
}

@test "programs that record their own calls, without strace, give the same pictures: v1.0 and v1.1" {
  check_pictures v1.0-single --calls
  check_pictures v1.1-multiconn --calls
}

@test "programs that record their own calls, without strace, give the same pictures: v2 and v3" {
  check_pictures v2-threaded-broadcast --calls
  check_pictures v3-reverse --calls
}

@test "the Mermaid of the pictures is what Mermaid understands" {
  copy_stage v1.0-single
  mkdir tests/lab
  cp -p "$BATS_TEST_DIRNAME/lab/stages.sh" tests/lab
  cp -pR "$BATS_TEST_DIRNAME/prose" "$BATS_TEST_DIRNAME/check" "$BATS_TEST_DIRNAME/setup" tests
  touch Makefile
  rm -rf v1.0-single/steps # the lesson below quotes none
  local picture
  for picture in tests/trace/*.mmd; do
    printf '```mermaid\n%s\n```\n' "$(cat "$picture")" >v1.0-single/README.md
    run tests/prose/run --static v1.0-single/README.md
    assert_output ''
    assert_success
  done
}

@test "where a call has changed, the check names the line of the README and of each picture" {
  copy_stage v1.0-single
  change v1.0-single/server.c 'send_all(client->connection, piece, size) == -1' \
    'send_all(client->connection, piece, 1) == -1 || send_all(client->connection, piece + 1, size - 1) == -1'
  run tests/trace/run --check v1.0-single
  assert_failure
  local line
  line=$(grep -nF 'send(c1, "Hello, world")' v1.0-single/README.md | sed -n '2s/:.*//p')
  assert_line --partial "v1.0-single/README.md:$line: this picture is not what the programs do"
  assert_line --partial 'send(c1, "H")'
  assert_line --partial 'tests/trace/v1.0-single.svg:'
  assert_line --partial 'tests/trace/v1.0-single.mmd:'
  assert_line 'If the programs are right: make trace STAGE=v1.0-single RENEW=yes'
}

@test "a renewed picture stands in the README, and is found to be right" {
  copy_stage v3-reverse
  change common/listen.c 'listen(listener, SOMAXCONN) == 0' \
    'listen(listener, 5) == 0 && listen(listener, SOMAXCONN) == 0'
  run tests/trace/run --renew v3-reverse
  assert_success
  run grep -c 'listen(listener)' v3-reverse/README.md
  assert_output 2
  check_pictures v3-reverse
}

@test "a program that does not do its part is named, with what it has printed" {
  copy_stage v1.0-single
  change v1.0-single/server.c 'while (serve_client(&client, line.quiet))' 'while (false)'
  run tests/trace/run --check v1.0-single
  assert_failure
  assert_line --partial 'v1.0-single: server does nothing about what comes from client: it has ended'
  assert_line --partial 'server: Server closes connection to '
}

@test "the recordings say what the lessons show, and are small" {
  local stage words said
  for stage in v*-*/; do
    stage=${stage%/}
    run -0 python3 -c 'import sys, xml.etree.ElementTree as tree; print(*tree.parse(sys.argv[1]).getroot().itertext(), sep="\n")' \
      "tests/record/$stage.svg"
    said=$output
    [ "$(wc -c <"tests/record/$stage.svg")" -lt 300000 ]
    # Ports, and what is said, may be others: a line counts up to there.
    run -0 sed -nE '/^## Run it/,/^## [^R]/s/^(\^C)?((Server|Client|client:|\[[-+]\]) [^0-9"(]+).*/\2/p' "$stage/README.md"
    [ "${#lines[@]}" -ge 8 ]
    for words in "${lines[@]}"; do
      grep -qF -- "$words" <<<"$said" ||
        explain "tests/record/$stage.svg does not say what the programs of $stage say" "they say" "$words" \
          "if they are right" "make record STAGE=$stage" read tests/record/run
    done
  done
}
