#!/usr/bin/env bats
# make break: builds a stage with one mistake in it, and touches nothing else. The tests work on a copy.

load support/suite

setup() {
  command -v patch >/dev/null || skip "patch is not installed: tests/setup brings it"
  unset MAKEFLAGS MFLAGS SANITIZE
  dir=$BATS_TEST_TMPDIR
  mkdir -p "$dir/copy/tests"
  cd "$BATS_TEST_DIRNAME/.." || return 1
  cp -pR Makefile common v1.0-single v3-reverse "$dir/copy"
  cp -pR tests/mutants "$dir/copy/tests"
  cd "$dir/copy" || return 1
  rm -rf v*/broken
}

teardown() {
  :
}

@test "make break builds programs with the mistake, says what it is, and leaves the sources alone" {
  echo '/* what a student has written */' >>v3-reverse/server.c
  cp -pR v3-reverse "$dir/before"
  run make -s break MUTANT=half-close-loses-tail
  assert_success
  assert_line "Mistake: $(sed -n '1s/Mistake: //p' tests/mutants/v3-reverse/half-close-loses-tail.patch)"
  assert_line --partial 'Seen: '
  assert_line --regexp '^\+ .*received <= 0'
  run diff -r "$dir/before" v3-reverse
  assert_output 'Only in v3-reverse: broken'
  run v3-reverse/broken/server -h
  assert_success
  run make -s -C v3-reverse clean
  assert_success
  [ ! -e v3-reverse/broken ]
}

@test "make break in a stage's directory takes the mistakes of that stage" {
  run make -s -C v1.0-single break MUTANT=one-recv # other stages share it
  assert_success
  assert_line '+++ b/v1.0-single/client.c'
  [ -x v1.0-single/broken/client ]
  run make -s -C v1.0-single break MUTANT=half-close-loses-tail
  assert_failure
  assert_line --partial 'there is no mistake half-close-loses-tail in v1.0-single'
}

@test "make break asks which stage, if several have such a mistake" {
  run make -s break MUTANT=one-recv
  assert_failure
  assert_line 'make break MUTANT=one-recv STAGE=v1.0-single'
  assert_line 'make break MUTANT=one-recv STAGE=v3-reverse'
  run make -s break MUTANT=one-recv STAGE=v3
  assert_success
  [ -x v3-reverse/broken/client ]
}

@test "make break without a name lists the mistakes, with what they are" {
  run make -s break STAGE=v1.0
  assert_success
  assert_line 'v1.0-single'
  assert_line --regexp '^  strlen-on-binary +strlen\(\) tells how many bytes came'
  refute_line 'v3-reverse'
}

@test "make break says so, if a student has changed the lines in question" {
  sed 's/received == -1)/received < 0)/' v3-reverse/server.c >"$dir/changed"
  cp "$dir/changed" v3-reverse/server.c
  run make -s break MUTANT=half-close-loses-tail
  assert_failure
  assert_line --partial 'this mistake cannot be made in v3-reverse as it stands: the lines have changed'
  run cmp v3-reverse/server.c "$dir/changed"
  assert_success
}
