# progress.awk - sums up what bats --tap has printed, in any order, by the groups of a suite; see tests/lab/progress.
#
#   awk -v suite=COMMAND -f progress.awk TESTS last.tap
#   awk -v left=1 [-v all=yes] -f progress.awk TESTS last.tap
#
# TESTS has the number of its group, the name and the title of each test, with tabs between. COMMAND runs them.
# The second one prints the names of those that are left to run: in front of the first that failed, or all.

BEGIN { FS = "\t" }

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

FNR == NR {
  written[++tests] = $2
  gsub(/\\"/, "\"", $2) # as the shell reads it
  named[tests] = $2
  place[$2] = tests
  groups = group_of[$2] = $1
  title[groups] = $3
  size[groups]++
  next
}

# What bats has printed: a line for each test, then its explanation.
/^(ok|not ok) / {
  explains = 0
  name = $0
  sub(/^(not )?ok [0-9]+ /, "", name)
  sub(/ # skip .*/, "", name)
  group = group_of[name]
}
/^(ok|not ok) / && !/# skip a test before it has failed$/ { known[name] = $0 }
/^ok / && name in known {
  passed[group]++
  all_passed++
  if (/ # skip /) skipped++
}
/^not ok / {
  failed[group]++
  explains = next_test == "" || place[name] < place[next_test]
  if (explains) { next_test = name; explanation = "" }
}
# The first lines say where the suite is; the rest is for who wrote the program.
explains && /^#/ && !/^# *[(]?(in test file|from function) |^#   `/ {
  sub(/^# ?/, "")
  if ($0 != "" || explanation != "") explanation = explanation "  " $0 "\n"
}

END {
  if (left) {
    for (i = 1; i <= tests && (all || known[named[i]] !~ /^not/); i++)
      if (!known[named[i]]) print written[i]
    exit
  }
  for (i = 1; i <= groups; i++)
    printf "%s %3d of %3d  %s\n", failed[i] ? "to do " : passed[i] == size[i] ? "  ok  " : "      ",
      passed[i], size[i], title[i] ? title[i] : "Tests"
  if (next_test != "") {
    programs = assignment("SERVER") assignment("CLIENT")
    printf "\nnext: %s\n%s\nThis test alone: %s%s --filter '%s'\nAll of them, also behind this one: %smake check-all\n",
      next_test, explanation, programs ? programs : "make && ", suite, as_regex(next_test), programs
  }
  printf "%d of %d tests pass", all_passed, tests
  if (skipped) printf ", %d of them skipped on this machine", skipped
  print ""
  exit all_passed < tests
}
