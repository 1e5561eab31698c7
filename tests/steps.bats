#!/usr/bin/env bats
# The steps that lead to each stage: tests/steps/walk shows that they compile, turn green the tests that their heads
# name, and lead there. That none turns another test red, its option --all shows: it takes minutes for a stage.

load support/suite

# A walk runs tests side by side, which have their time limits.
setup_file() {
  export BATS_NO_PARALLELIZE_WITHIN_FILE=true
}

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
  run_outside tests/steps/walk "$@"
}

# Copies what a walk to v1.0 needs.
copy_repository() {
  copy=$BATS_TEST_TMPDIR/copy
  mkdir "$copy"
  cp -pR Makefile common tests v1.0-single "$copy"
  cd "$copy" || return 1
}

assert_walk() { # [OPTION] STAGE
  walk "$@"
  assert_output ''
  assert_success
}

@test "the steps to v1.0-single compile without a warning, turn their tests green, and lead there" {
  assert_walk v1.0
}

@test "the steps to v1.1-multiconn compile without a warning, turn their tests green, and lead there" {
  assert_walk v1.1
}

@test "the steps to v2-threaded-broadcast compile without a warning, turn their tests green, and lead there" {
  assert_walk v2
}

@test "the steps to v3-reverse compile without a warning, turn their tests green, and lead there" {
  assert_walk v3
}

@test "a walk notices a step that compiles with a warning" {
  copy_repository
  sed 's/^+    return EXIT_SUCCESS;$/+    return EXIT_SUCCESS + 0.5;/' \
    v1.0-single/steps/server-usage.patch >changed && mv changed v1.0-single/steps/server-usage.patch
  echo server-usage.patch >v1.0-single/steps/series
  walk --static v1.0
  assert_failure
  assert_output --partial 'step 1 (server-usage.patch): it does not compile: '
}

@test "a walk notices steps that lead elsewhere" {
  copy_repository
  echo '/* one more */' >>v1.0-single/client.c
  walk --static v1.0
  assert_failure
  assert_output --partial 'it does not lead to the stage: '
}

@test "a walk notices a test that is named too late, one that is named too early, and those that are not" {
  copy_repository
  awk '/^Green: / { next }
    /^--- / { print "Green: server: -h prints the usage on stdout and exits 0"
              print "Green: server: it tells what it does, line by line" }
    { print }' v1.0-single/steps/server-listens.patch >changed && mv changed v1.0-single/steps/server-listens.patch
  walk v1.0 2
  assert_failure
  assert_output --partial 'step 2 (server-listens.patch): without it, these tests pass already:
    server: -h prints the usage on stdout and exits 0'
  assert_output --partial 'step 2 (server-listens.patch): behind it, these tests fail:
    server: it tells what it does, line by line'
  assert_output --partial 'not all tests are said to pass behind it, or others than there are:
server: '
}

@test "make step lists the steps, and makes one of them" {
  copy_repository
  run -0 make -s step STAGE=v1.0
  assert_line --regexp '^ 2\.  17 of 131 tests .* Nobody can reach the server: it has no socket that listens\.$'
  run -0 make -s step STAGE=v1.0 STEP=1
  assert_output --partial '+static const char USAGE[] ='
  [ "$(v1.0-single/step/server -h | head -n 1)" = 'usage: server [-q] [[HOST] PORT]' ]
  [ ! -e v1.0-single/step/client.c ]
  (cd v1.0-single/step && make -s server)
  run -2 make -s step STAGE=v1.0 STEP=20
}
