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
