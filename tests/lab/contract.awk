# contract.awk - prints what tests/CONTRACT.md says about one stage: the sections on all stages and
# on this one, and of the table of command lines its own rows.
#
#   awk -v stage=v1.1-multiconn -f contract.awk CONTRACT.md

BEGIN { kept = 1 } # the introduction

/^## / { kept = /^## 1\. / || index($0, " " stage ":") }
/^\| v[0-9]/ { other = index($0, "| " stage " ") != 1 }
!/^\|/ { other = 0 }
kept && !other
