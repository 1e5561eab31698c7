#!/usr/bin/env bats
# What a student is given: the changes from stage to stage, the lab, and the exercises.
#
# SERVER and CLIENT are of no use here: what is tested are the scripts in tests/lab.

# shellcheck disable=SC2016 # a shell in a test expands them

load support/suite

LAB=$BATS_TEST_DIRNAME/lab

eval "suite_$(declare -f setup)" # suite_setup is what suite.bash calls setup

setup() {
  unset SERVER CLIENT MAKEFLAGS MFLAGS SANITIZE # programs here are built as a student builds them
  suite_setup
  root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
}

# ---- diff ----

@test "diff: without names it tells how much each stage grew, and fails if it is more than it may be" {
  cd "$dir"
  cp -pR "$root"/v*-*/ .
  mkdir -p tests/lab
  cp -p "$root/tests/diff" tests
  cp -p "$root/tests/lab/stages.sh" tests/lab
  run -0 tests/diff
  [ "${#lines[@]}" -eq 8 ]
  echo '/* one more */' >>v1.1-multiconn/server.c
  run -1 tests/diff
  assert_line --regexp '^v1\.0 v1\.1 server\.c +[0-9]+ lines new, +[0-9]+ gone, [0-9]+ hunks: more than the [0-9]+ and [0-9]+ that tests/diff allows$'
  assert_line --regexp '^v1\.0 v3 client\.c .* hunks$'
}

@test "diff: with two names it shows what diff -u does; short names and long ones are the same" {
  (cd "$root" && diff -u v1.0-single/server.c v1.1-multiconn/server.c) >"$dir/expected" || true
  (cd "$root" && diff -u v1.0-single/client.c v1.1-multiconn/client.c) >>"$dir/expected" || true
  make -s -C "$root" diff FROM=v1.0 TO=v1.1 | cmp - "$dir/expected"
  "$root/tests/diff" v1.0-single/ v1.1-multiconn | cmp - "$dir/expected"
}

@test "diff: an unknown stage is refused with exit 2 and the names that there are" {
  run "$root/tests/diff" v1.0 v9
  assert_failure 2
  assert_output "diff: there is no stage v9; there are: v1.0-single v1.1-multiconn v2-threaded-broadcast v3-reverse"
  run "$root/tests/diff" v1 v1.1
  assert_failure 2
  run "$root/tests/diff" v1.0
  assert_failure 2
  assert_output --partial 'usage: make diff'
}

# ---- lab and handout ----

# Makes the lab of a stage in $dir/lab, and names its programs for the suite's helpers.
make_lab() { # STAGE
  "$LAB/lab" "$1" "$dir/lab" >"$dir/log"
  server_command=("$dir/lab/$1/server")
  client_command=("$dir/lab/$1/client")
}

build_lab() {
  make -C "$dir/lab" CFLAGS='-O1 -Werror' >"$dir/log" 2>&1 || { cat "$dir/log"; return 1; }
}

# The lines of C programs that say something, without what indents them.
lines_of() { # FILE...
  sed 's/^ *//; s/ *$//' "$@" | awk 'length($0) >= 36 && !/^#include /' | LC_ALL=C sort -u
}

# Fails if a line of the stage's programs that was not in the ones before stands in the lab.
assert_no_solution() { # STAGE START_FOLDER
  local line
  lines_of "$root/$1"/*.[ch] >"$dir/solution"
  lines_of "$root/$2"/*.[ch] "$root"/common/*.[ch] "$root"/tests/support/*.c >"$dir/known"
  while IFS= read -r line; do # what is part of a line before says nothing
    grep -qF -e "$line" "$dir/known" || printf '%s\n' "$line"
  done <"$dir/solution" >"$dir/secret"
  [ "$(wc -l <"$dir/secret")" -gt 30 ]
  run grep -rF -f "$dir/secret" "$dir/lab"
  assert_output ''
}

@test "lab: v1.0 starts from a skeleton that compiles and does nothing" {
  make_lab v1.0-single
  build_lab
  run_server 127.0.0.1 0
  assert_status 0
  assert_nothing_in "$server_out"
  run_client
  assert_status 0
  assert_nothing_in "$client_out"
}

@test "lab: v1.1, v2 and v3 start from v1.0" {
  local stage
  for stage in v1.1-multiconn:v1.0-single v2-threaded-broadcast:v1.0-single v3-reverse:v1.0-single; do
    rm -rf "$dir/lab"
    make_lab "${stage%:*}"
    build_lab
    cmp "$dir/lab/${stage%:*}/server.c" "$root/${stage#*:}/server.c"
    cmp "$dir/lab/${stage%:*}/client.c" "$root/${stage#*:}/client.c"
  done
}

@test "lab: nothing of the solution is in it" {
  local stage before
  for stage in v1.0-single:tests/lab/skeleton v1.1-multiconn:v1.0-single \
    v2-threaded-broadcast:v1.0-single v3-reverse:v1.0-single; do
    rm -rf "$dir/lab"
    make_lab "${stage%:*}"
    assert_no_solution "${stage%:*}" "${stage#*:}"
  done
}

@test "lab: for v1.0, what common/ does of the lesson is the student's to write" {
  local call
  make_lab v1.0-single
  for call in 'socket(address->' 'bind(' 'listen(listener' '(connect(connection'; do
    grep -qF "$call" "$root"/common/*.c
    run grep -F "$call" "$dir/lab"/common/*.c
    assert_output ''
  done
  run -0 grep -rc 'Yours to write' "$dir/lab/common"
  [ "$(grep -rh 'Yours to write' "$dir/lab/common" | wc -l)" -eq 4 ]
}

@test "lab: the lesson has no code of the solution, and no link that leads nowhere" {
  local stage
  for stage in v1.0-single v1.1-multiconn v2-threaded-broadcast v3-reverse; do
    rm -rf "$dir/lab"
    make_lab "$stage"
    run -0 grep -c '^## ' "$dir/lab/LESSON.md"
    [ "$output" -ge 5 ] # the sections that are kept are called what lesson.awk calls them
    run -0 sed -n '1p' "$dir/lab/LESSON.md"
    assert_output --regexp "^# $stage: "
    run ! grep -E '^```(c|diff)$|^<!--|^## (Read it|Break it|What has changed)|\]\(\.\.' "$dir/lab/LESSON.md"
  done
}

@test "lab: a failing test advises to read what is there" {
  local name reading file
  make_lab v1.1-multiconn
  cd "$dir/lab"
  "$root/tests/suite" --list v1.1 | cut -f 4 >"$dir/names"
  # shellcheck disable=SC2034 # where_to_read looks at STAGE
  STAGE=v1.1-multiconn SUPPORT=$dir/lab/tests/support
  while IFS= read -r name; do
    what_is_there "$(where_to_read "$name")"
  done <"$dir/names" | sort -u >"$dir/readings"
  grep -qx 'LESSON.md, "Run it"' "$dir/readings"
  grep -q '^LESSON.md, "One blocking socket is enough"; man 2 poll$' "$dir/readings"
  run ! grep README "$dir/readings"
  grep -oE '[a-zA-Z0-9./-]+\.(md|h)' "$dir/readings" | sort -u >"$dir/files"
  while IFS= read -r file; do
    [ -e "$file" ] || fail "there is no $file"
  done <"$dir/files"
  rm -rf common LESSON.md # what a program in another language has, when it was graded
  [ "$(what_is_there "common/stop.h; man 2 sigaction")" = "man 2 sigaction" ]
  [ "$(what_is_there 'v1.1-multiconn/README.md, "Run it"')" = 'the lesson of v1.1-multiconn, "Run it"' ]
  [ "$(what_is_there 'v3-reverse/README.md, "Run it"')" = 'the lesson of v3-reverse, "Run it"' ]
}

@test "lab: the contract has the sections on all stages and on this one, and no other" {
  make_lab v1.1-multiconn
  run -0 grep '^## ' "$dir/lab/CONTRACT.md"
  assert_output '## 1. All stages
## 3. v1.1-multiconn: many clients, one thread'
  grep -qF '`server [-q] [[HOST] PORT]`' "$dir/lab/CONTRACT.md"
  run ! grep -F '| v3-reverse' "$dir/lab/CONTRACT.md"
  grep -qF 'Server stops after N connections' "$dir/lab/CONTRACT.md"
}

@test "lab: it works elsewhere, also where a folder's name has a blank" {
  make_lab v1.0
  mv "$dir/lab" "$dir/my lab"
  cd "$dir/my lab"
  run_outside make check
  assert_failure
  assert_line --regexp '^to do +0 of +[0-9]+  Step 1: a command line$'
  assert_line 'next: server: -h prints the usage on stdout and exits 0'
  assert_line --partial 'it usually means: help that was asked for goes to stdout'
  assert_line --regexp '^0 of [0-9]+ tests pass$'
  cp "$root"/v1.0-single/*.c v1.0-single
  cp "$root"/common/*.c common
  make -s 2>/dev/null
  run_outside tests/suite v1.0 --filter 'both exit 0$'
  assert_line --partial "ok 1 server and client: "
}

@test "lab: what is next is the first test that fails; those behind it are left out" {
  make_lab v1.1
  {
    printf '%s\n' 'STAGE=v1.1-multiconn' 'load support/suite' '# ---- One ----' \
      '@test "it does (this)" { touch "$BATS_FILE_TMPDIR/../one"; }' \
      '@test "it does \"that\"" { :; }' '# ---- Two ----' \
      '@test "it is [fast]" { explain "it is slow" "got" "1 s"; }' '@test "it is small" { :; }' \
      '# ---- Three ----' '@test "it is red" { false; }'
  } >"$dir/lab/tests/v1.1-multiconn.bats"
  printf '%s\n' 'load support/suite' '# ---- First ----' '@test "it is there" { :; }' \
    '# ==== Here ====' '# ---- Last ----' '# bats test_tags=single' '@test "it is alone" { false; }' \
    '# bats test_tags=points:10,multiconn' '@test "it is good" { :; }' >"$dir/lab/tests/every-stage.bats"
  run_outside "$dir/lab/tests/lab/progress" v1.1-multiconn
  assert_failure
  assert_output "....!--

  ok     1 of   1  First
  ok     2 of   2  One
to do    0 of   2  Two
         0 of   1  Three
  ok     1 of   1  Last

next: it is [fast]
  it is slow
    got: 1 s
    read: LESSON.md, \"Run it\"

This test alone: make && tests/suite v1.1-multiconn --filter '^it is .fast.\$'
All of them, also behind this one: make check-all
4 of 7 tests pass"
  run_outside env SERVER="python3 'my server.py'" CLIENT=./client "$dir/lab/tests/lab/progress" v1.1-multiconn
  assert_line "This test alone: SERVER='python3 '\\''my server.py'\\''' CLIENT='./client' tests/suite v1.1-multiconn --filter '^it is .fast.\$'"
  assert_line "All of them, also behind this one: SERVER='python3 '\\''my server.py'\\''' CLIENT='./client' make check-all"
  run_outside "$dir/lab/tests/lab/progress" --all v1.1-multiconn
  assert_failure
  assert_line '....!.!'
  assert_line '5 of 7 tests pass'
  # A later one that fails first makes those in front of it skip, and they are run again.
  sed -i.old 's/"it is good" { :/"it is good" { false/' "$dir/lab/tests/every-stage.bats"
  run_outside "$dir/lab/tests/lab/progress" v1.1-multiconn
  assert_line '.!-----..!--'
  assert_line 'next: it is [fast]'
  assert_line 'to do    0 of   1  Last'
  assert_line '3 of 7 tests pass'
  sed -i.old 's/false/:/' "$dir/lab/tests/every-stage.bats"
  sed -i.old '/fast\|red/d' "$dir/lab/tests/v1.1-multiconn.bats"
  run_outside "$dir/lab/tests/lab/progress" v1.1-multiconn
  assert_success
  assert_line '5 of 5 tests pass'
  echo '@test "it cannot be read" { ' >>"$dir/lab/tests/v1.1-multiconn.bats"
  run_outside "$dir/lab/tests/lab/progress" v1.1-multiconn
  assert_failure
  assert_line '2 of 6 tests pass'
}

@test "lab: it asks in the order of the lesson's steps, for what the stage before does first, and for command lines last" {
  make_lab v1.1
  printf '%s\n' 'STAGE=v1.1-multiconn' 'load support/suite' '# ---- The command line of the server ----' \
    '@test "server: it helps" { :; }' '# ---- Talk ----' '@test "server: it talks" { :; }' \
    '@test "server: it stops" { :; }' '@test "client: it talks" { :; }' >"$dir/lab/tests/v1.1-multiconn.bats"
  printf '%s\n' 'load support/suite' '# ==== Here ====' '# bats test_tags=single' '@test "it is alone" { :; }' \
    >"$dir/lab/tests/every-stage.bats"
  printf '%s\t%s\t%s\n' 1 'Step 1: a stop' 'server: it stops' 2 'Step 2: more' 'client: it talks' >"$dir/lab/tests/lab/order"
  run_outside "$dir/lab/tests/lab/progress" v1.1-multiconn
  assert_success
  assert_output "....

  ok     1 of   1  Talk
  ok     1 of   1  Step 1: a stop
  ok     1 of   1  Step 2: more
  ok     1 of   1  The command line of the server
4 of 4 tests pass"
}

@test "lab: every step of the lesson that turns tests green is in its order, by its heading, with tests of the suite" {
  local stage
  for stage in v1.0 v1.1 v2 v3; do
    "$LAB/lab" "$stage" "$dir/$stage"
    assert_equal "$(sed -n 's/^### \(Step [0-9]*: .*\)/\1/p' "$root/$stage"-*/README.md |
      grep -Fxf <(cut -f 2 "$dir/$stage/tests/lab/order"))" "$(cut -f 2 "$dir/$stage/tests/lab/order" | uniq)"
    assert_equal "$(cut -f 3 "$dir/$stage/tests/lab/order" | sort -u)" \
      "$("$root/tests/suite" --list "$stage" | cut -f 4 | grep -Fxf <(cut -f 3 "$dir/$stage/tests/lab/order") | sort)"
  done
}

@test "lab: with SERVER or CLIENT alone, only its tests are run, and nothing is built; command lines come last" {
  make_lab v1.1
  printf '%s\n' 'STAGE=v1.1-multiconn' 'load support/suite' '# ---- The command line of the server ----' \
    '@test "server: it helps" { :; }' '# ---- Talk ----' '@test "server: it talks" { :; }' \
    '@test "client: it talks" { false; }' '@test "server and client: they talk" { false; }' >"$dir/lab/tests/v1.1-multiconn.bats"
  printf '%s\n' 'load support/suite' '# ==== Here ====' '# bats test_tags=single' '@test "it is alone" { false; }' \
    >"$dir/lab/tests/every-stage.bats"
  rm "$dir/lab/v1.1-multiconn/client.c"
  run_outside make -s -C "$dir/lab" check SERVER='python3 server.py'
  assert_success
  assert_output "..

  ok     1 of   1  Talk
  ok     1 of   1  The command line of the server
2 of 2 tests pass"
  run_outside make -s -C "$dir/lab" check CLIENT='python3 client.py'
  assert_failure
  assert_line '0 of 1 tests pass'
}

@test "lab: a folder that is not empty is left as it is" {
  mkdir "$dir/full"
  echo mine >"$dir/full/server.c"
  run "$LAB/lab" v1.1 "$dir/full"
  assert_failure 1
  assert_output "lab: $dir/full is there, and not empty: it is left as it is; name another DIR"
  [ "$(ls "$dir/full")" = server.c ]
  run "$LAB/lab" v1.1 "$dir/full/server.c"
  assert_failure 1
  mkdir "$dir/empty"
  run -0 make -s -C "$root" lab STAGE=v1.1 DIR="$dir/empty"
  [ -f "$dir/empty/README.md" ]
}

@test "lab: DIR may begin with a tilde; an unknown stage or no DIR is refused with exit 2" {
  HOME=$dir run -0 "$LAB/lab" v3 \~/lab
  [ -f "$dir/lab/v3-reverse/server.c" ]
  run "$LAB/lab" v9 "$dir/other"
  assert_failure 2
  assert_output --partial 'lab: there is no stage v9; there are: v1.0-single'
  run "$LAB/lab" v1.1 ''
  assert_failure 2
  run "$LAB/lab" v1.1
  assert_failure 2
  run make -s -C "$root" handout
  assert_failure 2
  assert_line --partial 'usage: make lab STAGE=v1.1'
}

@test "handout: it is the lab, packed" {
  make_lab v2
  (cd "$dir" && "$LAB/lab" --pack v2 && gzip -dc v2-lab.tar.gz | tar -xf -) >"$dir/log"
  grep -qx 'The lab of v2-threaded-broadcast is packed in v2-lab.tar.gz' "$dir/log"
  diff -r "$dir/lab" "$dir/v2-lab"
}

# ---- First contact ----

copy_repository() {
  mkdir "$dir/repository"
  cp -pR "$root/Makefile" "$root/LICENSE" "$root/.gitignore" "$root/common" "$root"/v*-*[a-z] "$root/tests" "$dir/repository"
}

# Runs a command as somebody who may not write what can only be read: root may, with a capability.
run_without_rights() { # COMMAND...
  local command=(env "TMPDIR=$dir")
  [ "$(id -u)" -ne 0 ] || command+=(setpriv --bounding-set=-dac_override)
  "${command[@]}" true || skip "setpriv is not here, or not allowed: it takes root's rights away"
  run "${command[@]}" "$@"
}

@test "a checkout that can only be read: make lab works, make says what does not, and nothing is left behind" {
  local target
  copy_repository
  chmod -R a-w "$dir/repository"
  run_without_rights make -s -C "$dir/repository" lab STAGE=v1.1 DIR="$dir/my lab's"
  assert_success
  run find "$dir/my lab's" ! -perm -u+w
  assert_output ''
  for target in all check-v1.0 break step; do
    run_without_rights make -s -C "$dir/repository" "$target" STAGE=v1.0 MUTANT=one-recv STEP=1
    assert_failure
    assert_line 'make: this folder cannot be written, and programs are built in it: copy it first (make lab works as it is)'
  done
  run_without_rights make -s -C "$dir/repository/v1.0-single" break MUTANT=one-recv
  assert_failure
  chmod -R u+w "$dir/repository"
  run find "$dir" -name 'tmp.*'
  assert_output ''
}

@test "a ZIP without the bits that let scripts run: make says how to mend it" {
  copy_repository
  find "$dir/repository" -type f -exec chmod a-x {} +
  cd "$dir/repository"
  run make -s lab STAGE=v1.1 DIR="$dir/lab"
  assert_failure
  [ ! -e "$dir/lab" ]
  sh -c "${lines[0]#*mends it: }" 2>"$dir/log" # there is no .ci
  run -0 make -s lab STAGE=v1.1 DIR="$dir/lab"
}

@test "a checkout with core.autocrlf has the bytes of the repository" {
  cd "$dir"
  cp -p "$root/.gitattributes" "$root/tests/diff" .
  git init -q . && git config core.autocrlf true
  git add .gitattributes diff && git checkout-index --prefix=out/ diff
  cmp diff out/diff
}

# ---- Exercises ----

# What of a stage's suite is run with a solution of an exercise: a bit of everything.
SAMPLE='^server: (an unknown option is|too many operands|its transcript is|it tells what it does|every byte value comes|a slow reader|a client that half-closes|a client that resets the conn|SIGTERM (stops|ends)|out of desc|it can be restarted)'

# Makes a copy of an exercise's stage in $dir/copy, with its solution or as it is. Sets $stage.
make_copy() { # EXERCISE [PATCH]
  stage=$(sed -n 's/^STAGE=//p' "$LAB/exercises/$1.bats")
  mkdir "$dir/copy"
  cp -pR "$root/common" "$root/$stage" "$dir/copy"
  [ -z "${2:-}" ] || (cd "$dir/copy" && patch -p1 -s -N --fuzz=0 <"$2") 2>&1
}

# Builds the server of such a copy. Sets $SERVER.
build_copy() { # EXERCISE [PATCH]
  make_copy "$@"
  (cd "$dir/copy/$stage" && make -s server CFLAGS='-O2 -g -Werror') >"$dir/log" 2>&1 || { cat "$dir/log"; return 1; }
  SERVER="'$dir/copy/$stage/server'"
}

# The stage as it is fails the tests of an exercise, and does not hang in them. The solution passes them, and a
# sample of the stage's suite.
assert_exercise() { # EXERCISE
  build_copy "$1"
  run_outside SERVER="$SERVER" "$LAB/exercise" "$1"
  assert_failure 1
  assert_line --regexp '^next: server: '
  rm -rf "$dir/copy"
  build_copy "$1" "$LAB/solutions/$1.patch"
  run_outside SERVER="$SERVER" "$LAB/exercise" "$1"
  assert_success
  refute_line --partial 'to do '
  run_outside SERVER="$SERVER" "$BATS_TEST_DIRNAME/suite" "$stage" --filter "$SAMPLE"
  assert_success
}

@test "exercise: without NAME it lists them: two or three a stage" {
  run -0 "$LAB/exercise"
  assert_equal "$(awk '{ print $2 }' <<<"$output")" "$(awk '{ print $2 }' <<<"$output" | LC_ALL=C sort)"
  assert_line --regexp '^busy-first +v1\.1 +look at the busy connections first$'
  for stage in v1.0 v1.1 v2 v3; do
    run -0 bash -c '"$1" | grep -c " $2 "' bash "$LAB/exercise" "$stage"
    [ "$output" -ge 2 ] && [ "$output" -le 3 ]
  done
  run -0 make -s -C "$root" exercise
  assert_line --partial 'udp'
}

@test "exercise: an unknown one is refused with exit 2 and the names that there are" {
  run "$LAB/exercise" nothing
  assert_failure 2
  assert_line 'exercise: there is no exercise nothing; there are:'
  assert_line --partial 'idle-timeout'
}

@test "exercise: each has a text, tests and a solution, and is named in its stage's README" {
  local text name stage
  for text in "$LAB"/exercises/*.md; do
    name=$(basename "$text" .md)
    [ -s "$LAB/exercises/$name.bats" ]
    [ -s "$LAB/solutions/$name.patch" ]
    head -n 1 "$text" | grep -q "^# $name: "
    stage=$(sed -n 's/^STAGE=//p' "$LAB/exercises/$name.bats")
    grep -qF "[$name](../tests/lab/exercises/$name.md)" "$root/$stage/README.md"
  done
  diff <(cd "$LAB/exercises" && printf '%s\n' *.bats | sed 's/\.bats$//') \
    <(cd "$LAB/solutions" && printf '%s\n' *.patch | sed 's/\.patch$//')
}

@test "exercise: the lab of a stage has its exercises, and no solution" {
  make_lab v1.1-multiconn
  [ "$(cd "$dir/lab/tests/lab/exercises" && echo *.md)" = 'busy-first.md client-limit.md' ]
  [ ! -e "$dir/lab/tests/lab/solutions" ]
  run -0 make -s -C "$dir/lab" exercise
  assert_line --regexp '^client-limit +v1\.1 '
  cat "$LAB/solutions/busy-first.patch" "$LAB/solutions/client-limit.patch" | sed -n 's/^+ *//p' |
    LC_ALL=C sort -u >"$dir/solution"
  lines_of "$root"/v1*/*.c "$root"/common/*.[ch] >"$dir/known"
  LC_ALL=C comm -23 "$dir/solution" "$dir/known" | awk 'length($0) >= 36' >"$dir/secret"
  [ "$(wc -l <"$dir/secret")" -gt 30 ]
  run grep -rF -f "$dir/secret" "$dir/lab"
  assert_output ''
}

@test "exercise: the solutions are formatted as the stages are" {
  command -v clang-format >/dev/null || skip "clang-format is not installed"
  local solution
  for solution in "$LAB"/solutions/*.patch; do
    rm -rf "$dir/copy"
    make_copy "$(basename "$solution" .patch)" "$solution"
    cp "$root/.clang-format" "$dir/copy"
    run -0 clang-format --dry-run -Werror "$dir/copy/$stage/server.c" "$dir/copy"/common/*.[ch]
  done
}

@test "exercise udp: the stage as it is fails its tests; its solution passes, and is still the stage" {
  assert_exercise udp
}

@test "exercise idle-timeout: the stage as it is fails its tests; its solution passes, and is still the stage" {
  assert_exercise idle-timeout
}

@test "exercise busy-first: the stage as it is fails its tests; its solution passes, and is still the stage" {
  assert_exercise busy-first
}

@test "exercise client-limit: the stage as it is fails its tests; its solution passes, and is still the stage" {
  assert_exercise client-limit
}

@test "exercise others-only: the stage as it is fails its tests; its solution passes, and is still the stage" {
  assert_exercise others-only
}

@test "exercise names: the stage as it is fails its tests; its solution passes, and is still the stage" {
  assert_exercise names
}

@test "exercise threads: the stage as it is fails its tests; its solution passes, and is still the stage" {
  assert_exercise threads
}

@test "exercise accents: the stage as it is fails its tests; its solution passes, and is still the stage" {
  assert_exercise accents
}
