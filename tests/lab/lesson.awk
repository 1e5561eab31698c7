# lesson.awk - prints a stage's README without the solution, for those who are to find it.
#
#   awk -f lesson.awk README.md
#
# Sections that explain or change the code of the stage are left out, and so is any block of code in
# those that stay; transcripts show what a program does, and stay. Marks for tests/prose/run and pictures go, and
# links to other stages become their text: those are not in the lab.

BEGIN {
  keep["What happens"]; keep["Run it"]; keep["What is fixed, and what is still wrong"]
  keep["What is still wrong"]; keep["Exercises"]; keep["Where to read on"]
  kept = 1 # what stands in front of the first section
}

/^## / { kept = substr($0, 4) in keep }
/^```(c|diff)$/ { inside = 1 }
{ show = kept && !inside && !/^(<!--.*-->|!\[.*\))$/ }
inside && /^```$/ { inside = 0 }
!show { next }
/^$/ && blank { next } # where something was left out
{
  blank = /^$/
  while (match($0, /\[[^]]*\]\(\.\.[^)]*\)/)) {
    link = substr($0, RSTART, RLENGTH)
    sub(/\]\(.*/, "", link)
    $0 = substr($0, 1, RSTART - 1) substr(link, 2) substr($0, RSTART + RLENGTH)
  }
  print
}
