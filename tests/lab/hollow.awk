# hollow.awk - takes the bodies out of C functions, which a student is to write.
#
#   awk -v names='FUNCTION FUNCTION...' -f hollow.awk FILE.c
#
# What stays is the comment, the head, and a body that fails with ENOSYS. Exit status 1 if FILE.c
# does not have them all. It relies on the project's style: a body is what stands between `{` and
# `}` in column 1.

BEGIN { left = split(names, list, " "); for (i in list) wanted[list[i]] }

# Prints a `(void)` for each parameter of a head, so that no compiler complains about them.
function use_parameters(head,   count, parts, i) {
  sub(/.*[(]/, "", head)
  sub(/[)].*/, "", head)
  count = split(head, parts, ",")
  for (i = 1; i <= count; i++) {
    sub(/.*[ *]/, "", parts[i])
    print "    (void)" parts[i] ";"
  }
}

/^[a-z].*[(]/ {
  name = $0
  sub(/[(].*/, "", name)
  sub(/.*[ *]/, "", name)
  head = ""
}
/^[^ ]/ || head != "" { head = head $0 }
/^[{]$/ && name in wanted {
  print
  print "    /* Yours to write: what it must do stands above, or in the header. */"
  use_parameters(head)
  print "    errno = ENOSYS;\n    return -1;"
  hollow = 1
  left--
}
/^[}]/ { hollow = 0 }
!hollow
END { exit left != 0 }
