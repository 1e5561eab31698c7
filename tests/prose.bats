#!/usr/bin/env bats
# The READMEs: what they say is so, and tests/prose/run notices where it is not.
#
# The tests of tests/prose/run itself work on a copy of the repository, in which something has changed.
# shellcheck disable=SC2016 # backquotes here are Markdown's

load support/suite

setup() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
}

teardown() {
  :
}

# Checks one README, as it stands.
check_readme() { # OPTION README
  run tests/prose/run "$1" "$2"
  assert_output '' # shows what it found
  assert_success
}

# Copies what the check reads, with a lesson in a few lines.
copy_repository() {
  copy=$BATS_TEST_TMPDIR/copy
  mkdir -p "$copy/tests/lab"
  cp -pR Makefile README.md common v* "$copy"
  cp -p tests/lab/stages.sh "$copy/tests/lab"
  cp -pR tests/prose tests/check tests/setup tests/support tests/mutants \
    "$copy/tests"
  cd "$copy" || return 1
  readme=v1.1-multiconn/README.md
  rm -rf v1.1-multiconn/steps # a lesson in a few lines quotes none
  printf '%s\n' \
    '# A lesson' \
    'Run `make check` and `./server -q`, read `accept_clients()` and [v1.0](../v1.0-single/README.md).' \
    '```c' \
    'size_t waiting_size;' \
    '```' \
    '```diff' \
    '-    struct client client;' \
    '+    static struct server server;' \
    '```' \
    '```mermaid' \
    'sequenceDiagram' \
    'participant C as client' \
    'C->>C: hello' \
    '```' \
    '<!-- terminal 1 -->' \
    '```console' \
    '$ ./server 80x 2>&1 | head -n 1' \
    'server: PORT is not a number from 0 to 65535: "80x" (3 bytes)' \
    '```' \
    >"$readme"
}

# Replaces a text in a file of the copy.
change() { # FILE OLD NEW
  awk -v old="$2" -v new="$3" '
    (at = index($0, old)) > 0 {
      $0 = substr($0, 1, at - 1) new substr($0, at + length(old)); found = 1
    }
    { print }
    END { exit !found }' "$1" >"$1.new" && mv "$1.new" "$1"
}

# Expects the check to find a mistake at a line of the copy's README.
assert_bites() { # LINE TEXT [OPTION]
  run tests/prose/run "${3:---static}" "$readme"
  assert_failure
  assert_line --partial "$readme:$1: "
  assert_output --partial "$2"
}

@test "what the README at the top says is so" {
  check_readme --static README.md
}

@test "what the grader's handbook says is so" {
  check_readme --static tests/grade/README.md
}

@test "what the README of v1.0-single says is so" {
  check_readme --static v1.0-single/README.md
}

@test "what the README of v1.1-multiconn says is so" {
  check_readme --static v1.1-multiconn/README.md
}

@test "what the README of v2-threaded-broadcast says is so" {
  check_readme --static v2-threaded-broadcast/README.md
}

@test "what the README of v3-reverse says is so" {
  check_readme --static v3-reverse/README.md
}

@test "the transcripts of v1.0-single are what its programs print" {
  check_readme --run v1.0-single/README.md
}

@test "the transcripts of v1.1-multiconn are what its programs print" {
  check_readme --run v1.1-multiconn/README.md
}

@test "the transcripts of v2-threaded-broadcast are what its programs print" {
  check_readme --run v2-threaded-broadcast/README.md
}

@test "the transcripts of v3-reverse are what its programs print" {
  check_readme --run v3-reverse/README.md
}

@test "the check finds no mistake where there is none" {
  copy_repository
  check_readme --all "$readme"
}

@test "the check names the line of a quote that the code no longer has" {
  copy_repository
  change v1.1-multiconn/server.c 'size_t waiting_size;' 'size_t waiting_bytes;'
  assert_bites 4 'not in the source'
}

@test "the check names the line of a change that is none any more" {
  copy_repository
  change v1.0-single/server.c 'struct client client;' 'struct client one;'
  assert_bites 7 'before the change'
}

@test "the check names the line of a change that the stage before has, too" {
  copy_repository
  echo 'static struct server server;' >>v1.0-single/server.c
  assert_bites 8 'has this already'
}

# Changes v1.0's lesson, which quotes its steps.
change_lesson() { # SED
  copy_repository
  readme=v1.0-single/README.md
  sed "$1" "$readme" >lesson && mv lesson "$readme"
  # The line where the block with the sixth step begins.
  line=$(awk '/^### Step 6:/ { inside = 1 } inside && /^```diff/ { print NR; exit }' "$readme")
}

@test "the check names the line of a step that is not quoted as it is" {
  change_lesson 's/^+        continue; .. one piece a turn ../+        continue; \/* again *\//'
  assert_bites "$line" 'this is not v1.0-single/steps/server-goes-on.patch'
}

@test "the check names the line of a step before which one is missing" {
  change_lesson '/^### Step 5:/,/^```$/d'
  assert_bites "$line" 'step 5 is missing here'
}

@test "the check names steps that are not quoted at the end" {
  last=$(grep -vc '^#' v1.0-single/steps/series)
  change_lesson "/^### Step $last:/,/^\`\`\`\$/d"
  assert_bites "$(wc -l <"$readme" | tr -d ' ')" "the steps from $last on are not quoted"
}

@test "the check names the line of a link that leads nowhere" {
  copy_repository
  rm v1.0-single/README.md
  assert_bites 2 'leads nowhere: ../v1.0-single/README.md'
}

@test "the check names the line of a target that make does not have" {
  copy_repository
  change Makefile 'check: build' 'verify: build'
  assert_bites 2 'no target check'
}

@test "the check names the line of a mutant that is gone" {
  copy_repository
  change "$readme" 'read `accept_clients()`' 'try `make break MUTANT=pollout-always`'
  check_readme --static "$readme"
  rm tests/mutants/v1.1-multiconn/pollout-always.patch
  assert_bites 2 'no mutant pollout-always'
}

@test "the check names the line of a function that is gone" {
  copy_repository
  change v1.1-multiconn/server.c 'accept_clients(' 'accept_some('
  assert_bites 2 '`accept_clients()`'
}

@test "the check names the line of a program that is gone" {
  copy_repository
  change "$readme" './server -q' './servant -q'
  assert_bites 2 './servant'
}

@test "the check names the line of an option that does not exist" {
  copy_repository
  change "$readme" 'read `accept_clients()`' 'then `-z`'
  assert_bites 2 '`-z`'
}

@test "the check names the line where a diagram is wrong" {
  copy_repository
  change "$readme" 'C->>C' 'C->>D'
  assert_bites 13 'not declared: D'
  change "$readme" 'C->>D' 'C>>C'
  assert_bites 13 'Mermaid would not understand'
  change "$readme" 'C>>C: hello' 'C->>C: the end'
  assert_bites 13 'keyword'
}

@test "the check names the line where a transcript is not what the program prints" {
  copy_repository
  change common/cli.c 'is not a number from' 'is no number from'
  assert_bites 18 'is no number from' --run
}

@test "the check names the line of a transcript that nobody runs" {
  copy_repository
  change "$readme" '<!-- terminal 1 -->' ''
  assert_bites 16 'needs a mark'
}
