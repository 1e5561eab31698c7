# bats.sh - puts a bats of 1.8 or newer in front: the system's, or the one that tests/setup brings where that
# one is older, into tests/support/node_modules. Scripts source it, with their tests' folder in $tests.
# shellcheck shell=sh

# Whether bats is there, and is new enough.
has_bats() {
  bats --version 2>/dev/null |
    awk '{ split($2, part, "."); good = part[1] > 1 || part[2] >= 8 } END { exit !good }'
}

has_bats || PATH=$tests/support/node_modules/bats/bin:$PATH

need_bats() {
  ! has_bats || return 0
  echo "${0##*/}: bats 1.8 or newer is needed, and there is $(bats --version 2>/dev/null || echo none): tests/setup brings it" >&2
  exit 1
}

# The probe is no program under test: it is built without their sanitizers and flags.
build_probe() {
  (cd "$tests/support" && unset MAKEFLAGS MFLAGS SANITIZE && make -s)
}
