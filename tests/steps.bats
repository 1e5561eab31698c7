#!/usr/bin/env bats
# The steps that lead to each stage: tests/steps/walk proves what they say, and notices where they are wrong.
#
# Each walk keeps all processors busy: one after the other.
export BATS_NO_PARALLELIZE_WITHIN_FILE=true

load support/suite

setup() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
}

teardown() {
  :
}

walk() { # ARGUMENT...
  local tool
  for tool in quilt gcc clang; do
    command -v "$tool" >/dev/null || skip "$tool is not installed: tests/setup --ci installs it"
  done
  run env -u STAGE tests/steps/walk "$@"
}

# Copies what a walk to v1.0 needs. The heads of its first two steps name one and two tests there.
copy_repository() {
  copy=$BATS_TEST_TMPDIR/copy
  mkdir "$copy"
  cp -pR Makefile common tests v1.0-single "$copy"
  cd "$copy" || return 1
  local name first="server: -h prints the usage on stdout and exits 0"
  for name in usage listens; do
    grep -v '^Green: ' "v1.0-single/steps/server-$name.patch" >changed
    sed "1a\\
Green: ${first}" changed >"v1.0-single/steps/server-$name.patch"
    first="server: an address that is not this machine's is a failure, one line and exit 1"
  done
}

# Replaces a text in the head or the body of a step.
change() { # PATCH OLD NEW
  awk -v old="$2" -v new="$3" '
    (at = index($0, old)) > 0 { $0 = substr($0, 1, at - 1) new substr($0, at + length(old)); found = 1 }
    { print }
    END { exit !found }' "v1.0-single/steps/$1.patch" >changed && mv changed "v1.0-single/steps/$1.patch"
}

@test "the steps to v1.0-single do what they say" {
  walk v1.0
  assert_output ''
  assert_success
}

@test "the steps to v3-reverse do what they say" {
  walk v3
@test "the steps to v2-threaded-broadcast do what they say" {
  walk v2
  assert_output ''
  assert_success
}

@test "a walk finds no mistake in a step that has none" {
  copy_repository
  walk v1.0 2
  refute_output --partial 'step 2 ('
}

@test "a walk notices a test that a step before has turned green, and that is red" {
  copy_repository
  change server-usage 'server: -h prints the usage on stdout and exits 0' 'server: it serves one client and exits 0'
  walk v1.0 2
  assert_failure
  assert_output --partial 'step 2 (server-listens.patch): behind it, these tests fail:
    server: it serves one client and exits 0'
}

@test "a walk notices a test that was green before" {
  copy_repository
  change server-listens "server: an address that is not this machine's is a failure, one line and exit 1" \
    'server: --help prints the usage on stdout and exits 0'
  walk v1.0 2
  assert_failure
  assert_output --partial 'step 2 (server-listens.patch): without it, these tests pass already:
    server: --help prints the usage on stdout and exits 0'
}

@test "a walk notices a step that compiles with a warning" {
  copy_repository
  change server-usage 'return EXIT_SUCCESS;' 'return EXIT_SUCCESS + 0.5;'
  walk v1.0 1
  assert_failure
  assert_output --partial 'step 1 (server-usage.patch): it does not compile: '
}

@test "a walk notices steps that lead elsewhere" {
  copy_repository
  echo '/* one more */' >>v1.0-single/client.c
  walk v1.0 1
  assert_failure
  assert_output --partial 'it does not lead to the stage: '
}

@test "make step lists the steps, and makes one of them" {
  copy_repository
  run -0 make -s step STAGE=v1.0
  assert_output --regexp '
 2\.   2 of [0-9]+ tests  +\+[0-9]+ +-[0-9]+  Nobody can reach the server: it has no socket that listens\.
'
  run -0 make -s step STAGE=v1.0 STEP=1
  assert_output --partial '+static const char USAGE[] ='
  [ "$(v1.0-single/step/server -h | head -n 1)" = 'usage: server [-q] [[HOST] PORT]' ]
  [ ! -e v1.0-single/step/client.c ]
  (cd v1.0-single/step && make -s server)
  run -2 make -s step STAGE=v1.0 STEP=21
}
