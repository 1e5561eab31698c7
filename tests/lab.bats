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

# Runs a program outside of bats, whose variables and PATH another bats must not see.
run_outside() { # COMMAND...
  local path
  path=$(printf '%s\n' "$PATH" | tr : '\n' | grep -vxF -e "${BATS_LIBEXEC:-none}" | paste -s -d : -)
  run env -i PATH="$path" HOME="$HOME" JOBS=1 "$@"
}

# ---- diff ----

need_git() {
  command -v git >/dev/null || skip "git is not installed: it compares the stages"
  export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null HOME=$dir # no habits of a user
  unset GIT_PAGER PAGER
}

# What is not the same in two stages, as tests/lab/diff shows it: `new NAME`, `gone NAME`.
differences() { # FROM TO
  "$LAB/diff" "$1" "$2" | sed -n '/^ .*file.* changed/q
    s/^ *\(.*\) (\([a-z]*\)) .*/\2 \1/p'
}

# The names of a stage's functions, found in another way: what `{` alone on a line begins.
functions() { # STAGE
  local program
  for program in client.c server.c; do
    awk -v program="$program" '
      /^[a-z].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
      /^[{]$/ { print program "/" name }' "$root/$1/$program"
  done
}

@test "diff: without names it lists the pairs that belong together, and their sizes" {
  need_git
  run "$LAB/diff"
  assert_success
  assert_line --regexp '^make diff FROM=v1\.0 TO=v1\.1 +[0-9]+ parts changed, +[1-9][0-9]* new, +[1-9][0-9]* gone; +[1-9][0-9]+ lines new, +[1-9][0-9]+ gone$'
  assert_line --regexp '^make diff FROM=v1\.1 TO=v2 '
  assert_line --regexp '^make diff FROM=v1\.0 TO=v3 '
  [ "${#lines[@]}" -eq 3 ]
}

@test "diff: the summary names the functions that are new, and those that are gone" {
  local pair
  need_git
  for pair in 'v1.0-single v1.1-multiconn' 'v1.1-multiconn v2-threaded-broadcast' \
    'v1.0-single v3-reverse'; do
    # shellcheck disable=SC2086 # two words
    set -- $pair
    functions "$1" | LC_ALL=C sort >"$dir/old"
    functions "$2" | LC_ALL=C sort >"$dir/new"
    { comm -23 "$dir/old" "$dir/new" | sed 's/^/gone /' &&
      comm -13 "$dir/old" "$dir/new" | sed 's/^/new /'; } | LC_ALL=C sort >"$dir/expected"
    differences "$1" "$2" | grep -E ' [a-z]*\.c/[a-z_]*$' | LC_ALL=C sort >"$dir/got"
    # structs are no functions, and are in lower case too
    grep -vE '/(server|client|connection|traffic|room|input|outcome|line|result)$' "$dir/got" |
      cmp "$dir/expected" - || { diff "$dir/expected" "$dir/got"; false; }
  done
}

@test "diff: nothing of a program is left out: the parts together are the file" {
  local program
  for program in "$root"/v*/*.c; do
    rm -rf "$dir/parts"
    mkdir "$dir/parts"
    awk -v directory="$dir/parts" -f "$LAB/parts.awk" "$program" |
      while read -r name; do cat "$dir/parts/$name"; done | cmp - "$program"
  done
}

@test "diff: each change stands below the name of its function" {
  need_git
  run "$LAB/diff" v1.0 v1.1
  assert_success
  assert_line 'diff --git a/server.c/receive b/server.c/receive'
  assert_line '-static ssize_t receive(int connection, void *piece, size_t size)'
  assert_line '+static int serve(struct server *server)'
}

@test "diff: short names and long ones are the same, also as the shell completes them" {
  need_git
  "$LAB/diff" v1.1 v2 >"$dir/short"
  (cd "$root" && tests/lab/diff v1.1-multiconn/ v2-threaded-broadcast) | cmp - "$dir/short"
  make -s -C "$root" diff FROM=v1.1 TO=v2 | cmp - "$dir/short"
}

@test "diff: an unknown stage is refused with exit 2 and the names that there are" {
  need_git
  run "$LAB/diff" v1.0 v9
  assert_failure 2
  assert_output "diff: there is no stage v9; there are: v1.0-single v1.1-multiconn v2-threaded-broadcast v3-reverse"
  run "$LAB/diff" v1 v1.1
  assert_failure 2
  run "$LAB/diff" v1.0
  assert_failure 2
  assert_output --partial 'usage: make diff'
}

@test "diff: a pipe gets it plain, and may be closed early" {
  need_git
  export PAGER='echo the pager'
  run -0 bash -c '"$1" v1.0 v1.1 | cat' bash "$LAB/diff"
  refute_output --partial $'\033'
  refute_output --partial 'the pager'
  run -0 bash -c 'set -o pipefail; "$1" v1.0 v1.1 | head -n 1' bash "$LAB/diff"
}

@test "diff: a terminal gets it in colour, through the pager of the user" {
  need_git
  export TERM=xterm
  PAGER='sed s/^/paged:/' run "$SUPPORT/bin/probe" terminal "$LAB/diff" v1.0 v1.1
  assert_success
  assert_line --partial 'paged:'$'\033'
  assert_line --regexp '^paged: server\.c/serve \(new\) '
}

@test "diff: it leaves nothing behind, and touches no repository of the user" {
  need_git
  mkdir "$dir/tmp"
  (cd "$dir" && git init -q mine && cd mine && TMPDIR=$dir/tmp GIT_DIR=$dir/mine/.git "$LAB/diff" v1.0 v3 >/dev/null)
  [ -z "$(ls "$dir/tmp")" ]
  [ -z "$(git -C "$dir/mine" status --porcelain)" ]
  run -0 git -C "$dir/mine" count-objects
  assert_output '0 objects, 0 kilobytes'
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
  lines_of "$root/$1"/*.c >"$dir/solution"
  lines_of "$root/$2"/*.c "$root"/common/*.[ch] >"$dir/known"
  LC_ALL=C comm -23 "$dir/solution" "$dir/known" >"$dir/secret"
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

@test "lab: v1.1 starts from v1.0, v2 from v1.1, v3 from v1.0" {
  local stage
  for stage in v1.1-multiconn:v1.0-single v2-threaded-broadcast:v1.1-multiconn v3-reverse:v1.0-single; do
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
    v2-threaded-broadcast:v1.1-multiconn v3-reverse:v1.0-single; do
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
  make_lab v1.1-multiconn
  grep -rq 'README' "$root"/tests/support/*.bash
  run grep -r 'README' "$dir/lab/tests/support"
  assert_output ''
  grep -rqF 'LESSON.md, \"Run it\"' "$dir/lab/tests/support"
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
  assert_line --regexp '^to do +0 of +[0-9]+  The command line of the server$'
  assert_line 'next: server: -h prints the usage on stdout and exits 0'
  assert_line --partial 'it usually means: help that was asked for goes to stdout'
  assert_line --regexp '^0 of [0-9]+ tests pass$'
  cp "$root"/v1.0-single/*.c v1.0-single
  cp "$root"/common/*.c common
  make -s 2>/dev/null
  run_outside bats --filter 'both exit 0$' tests/v1.0-single.bats
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
  run_outside "$dir/lab/tests/lab/progress" v1.1-multiconn
  assert_failure
  assert_output "..!-

  ok     2 of   2  One
to do    0 of   2  Two
         0 of   1  Three

next: it is [fast]
  it is slow
    got: 1 s
    read: LESSON.md, \"Run it\"

This test alone: bats --filter '^it is .fast.\$' tests/v1.1-multiconn.bats
All of them, also behind this one: make check-all
2 of 5 tests pass"
  run_outside env SERVER="python3 'my server.py'" "$dir/lab/tests/lab/progress" v1.1-multiconn
  assert_line "This test alone: SERVER='python3 '\\''my server.py'\\''' bats --filter '^it is .fast.\$' tests/v1.1-multiconn.bats"
  run_outside "$dir/lab/tests/lab/progress" --all v1.1-multiconn
  assert_failure
  assert_line '..!.!'
  assert_line '3 of 5 tests pass'
  sed -i.old '/fast\|red/d' "$dir/lab/tests/v1.1-multiconn.bats"
  run_outside "$dir/lab/tests/lab/progress" v1.1-multiconn
  assert_success
  assert_line '3 of 3 tests pass'
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

# ---- Exercises ----

# What of a stage's suite is run with a solution of an exercise: a bit of everything.
SAMPLE='^server: (an unknown option is|too many operands|its transcript is|it tells what it does|every byte value comes|a slow reader|a client that half-closes|a client that resets the conn|SIGTERM (stops|ends)|out of desc|it can be restarted)'

# Builds a copy of an exercise's stage in $dir/copy, with its solution or as it is. Sets $stage and
# $SERVER.
build_copy() { # EXERCISE [PATCH]
  stage=$(sed -n 's/^STAGE=//p' "$LAB/exercises/$1.bats")
  mkdir "$dir/copy"
  cp -pR "$root/common" "$root/$stage" "$dir/copy"
  [ -z "${2:-}" ] || (cd "$dir/copy" && patch -p1 -s -N --fuzz=0 <"$2") 2>&1
  (cd "$dir/copy/$stage" && make -s CFLAGS='-O2 -g -Werror') >"$dir/log" 2>&1 || { cat "$dir/log"; return 1; }
  SERVER="'$dir/copy/$stage/server'"
}

# The stage as it is fails the tests of an exercise, and does not hang in them.
assert_exercise_open() { # EXERCISE
  build_copy "$1"
  run_outside SERVER="$SERVER" "$LAB/exercise" "$1"
  assert_failure 1
  assert_line --regexp '^next: server: '
}

# The solution passes the tests of the exercise, and a sample of the stage's suite.
assert_exercise_solved() { # EXERCISE
  build_copy "$1" "$LAB/solutions/$1.patch"
  run_outside SERVER="$SERVER" "$LAB/exercise" "$1"
  assert_success
  refute_line --partial 'to do '
  run_outside SERVER="$SERVER" bats --filter "$SAMPLE" "$BATS_TEST_DIRNAME/$stage.bats"
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
    build_copy "$(basename "$solution" .patch)" "$solution"
    cp "$root/.clang-format" "$dir/copy"
    run -0 clang-format --dry-run -Werror "$dir/copy/$stage/server.c" "$dir/copy"/common/*.[ch]
  done
}

@test "exercise udp: the stage as it is does not pass" {
  assert_exercise_open udp
}

@test "exercise udp: its solution passes, and is still the stage" {
  assert_exercise_solved udp
}

@test "exercise idle-timeout: the stage as it is does not pass" {
  assert_exercise_open idle-timeout
}

@test "exercise idle-timeout: its solution passes, and is still the stage" {
  assert_exercise_solved idle-timeout
}

@test "exercise busy-first: the stage as it is does not pass" {
  assert_exercise_open busy-first
}

@test "exercise busy-first: its solution passes, and is still the stage" {
  assert_exercise_solved busy-first
}

@test "exercise client-limit: the stage as it is does not pass" {
  assert_exercise_open client-limit
}

@test "exercise client-limit: its solution passes, and is still the stage" {
  assert_exercise_solved client-limit
}

@test "exercise others-only: the stage as it is does not pass" {
  assert_exercise_open others-only
}

@test "exercise others-only: its solution passes, and is still the stage" {
  assert_exercise_solved others-only
}

@test "exercise names: the stage as it is does not pass" {
  assert_exercise_open names
}

@test "exercise names: its solution passes, and is still the stage" {
  assert_exercise_solved names
}

@test "exercise threads: the stage as it is does not pass" {
  assert_exercise_open threads
}

@test "exercise threads: its solution passes, and is still the stage" {
  assert_exercise_solved threads
}

@test "exercise accents: the stage as it is does not pass" {
  assert_exercise_open accents
}

@test "exercise accents: its solution passes, and is still the stage" {
  assert_exercise_solved accents
}
