# progress.awk - sums up what bats --tap has printed, by the groups of a suite; see tests/lab/progress.
#
#   awk -v suite=SUITE -f progress.awk SUITE last.tap

# A regular expression that matches a name; what has a meaning in one is matched by any character.
function as_regex(name) {
  gsub(/[^A-Za-z0-9 ,:_-]/, ".", name)
  return "^" name "$"
}

# A variable of the environment as the shell takes it in front of a command, or nothing.
function assignment(name, value) {
  value = ENVIRON[name]
  gsub(/'/, "'\\''", value)
  return value == "" ? "" : name "='" value "' "
}

# The suite: its groups and their tests. Group 0 is what stands in front of the first title.
FNR == NR && /^# ---- .* ----$/ { title[++groups] = substr($0, 8, length($0) - 12) }
FNR == NR && /^@test "/ { size[groups + 0]++; tests++ }
FNR == NR { next }

# What bats has printed: a line for each test, then its explanation.
/^group / { group = $2 }
/^(ok|not ok) / { explains = 0 }
/^ok / && !/# skip a test before it has failed$/ {
  passed[group]++
  all_passed++
  if (/ # skip /) skipped++
}
/^not ok / {
  failed[group]++
  explains = next_test == ""
  if (explains) next_test = $0
}
# The first lines say where the suite is; the rest is for who wrote the program.
explains && /^#/ && !/^# *[(]?(in test file|from function) |^#   `/ {
  sub(/^# ?/, "")
  if ($0 != "" || explanation != "") explanation = explanation "  " $0 "\n"
}

END {
  for (i = 0; i <= groups; i++)
    if (size[i] > 0)
      printf "%s %3d of %3d  %s\n", failed[i] ? "to do " : passed[i] == size[i] ? "  ok  " : "      ",
        passed[i], size[i], i ? title[i] : "Tests"
  if (next_test != "") {
    sub(/^not ok [0-9]+ /, "", next_test)
    printf "\nnext: %s\n%s\nThis test alone: %sbats --filter '%s' %s\nAll of them, also behind this one: make check-all\n", next_test, explanation,
      assignment("SERVER") assignment("CLIENT"), as_regex(next_test), suite
  }
  printf "%d of %d tests pass", all_passed, tests
  if (skipped) printf ", %d of them skipped on this machine", skipped
  print ""
  exit all_passed < tests
}
