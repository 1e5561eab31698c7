#!/usr/bin/env bats
# The pages that `make book` makes of the lessons.

load support/suite

setup() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
  command -v pandoc >/dev/null || skip "pandoc is not installed: tests/setup --ci brings it"
  book=$BATS_TEST_TMPDIR/book
}

teardown() {
  :
}

# Expects as many lines with one text in a lesson as with another one in its page.
assert_as_many() { # STAGE IN_THE_LESSON IN_THE_PAGE
  run grep -c -- "$2" "$1/README.md"
  local expected=$output
  run grep -c -- "$3" "$book/$1/index.html"
  assert_output "$expected"
}

@test "the book has each lesson with its patches and diagrams, and its links and pictures lead somewhere" {
  local stage page target file
  run -0 tests/book/run "$book"
  for stage in v*-*/; do
    stage=${stage%/}
    grep -qF "href=\"$stage/index.html\"" "$book/index.html"
    assert_as_many "$stage" '^```diff$' 'class="sourceCode diff"'
    assert_as_many "$stage" '^```mermaid$' 'class="sequence"'
  done
  run ! grep -r '<script' "$book"
  while IFS= read -r page; do
    grep -oE '(href|src)="[^"]+"' "$page" | cut -d '"' -f 2 | grep -v '^https*:' | sort -u >"$BATS_TEST_TMPDIR/targets"
    while IFS= read -r target; do
      file=$(dirname "$page")/${target%%#*}
      [[ $target != '#'* ]] || file=$page
      [ -s "$file" ] || explain "a link of the book leads nowhere" page "$page" link "$target" read tests/book/run
      [[ $target != *'#'* ]] || grep -qF "id=\"${target#*#}\"" "$file" ||
        explain "a link of the book leads to no heading" page "$page" link "$target" read tests/book/run
    done <"$BATS_TEST_TMPDIR/targets"
  done < <(find "$book" -name '*.html')
}

@test "a lesson that links to what is not there makes no book, and is named" {
  mkdir -p "$BATS_TEST_TMPDIR/copy/tests" "$BATS_TEST_TMPDIR/copy/v1-one"
  cd "$BATS_TEST_TMPDIR/copy" || return 1
  cp -pR "$BATS_TEST_DIRNAME/book" tests
  echo '# Echo' >README.md
  printf '# One\n\n[two](../v2-two/README.md)\n' >v1-one/README.md
  run -1 tests/book/run
  assert_output 'make book: v1-one/README.md links to a file that is not there: v2-two/README.md'
}
