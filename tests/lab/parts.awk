# parts.awk - writes each part of a C file into a file of its own, DIRECTORY/NAME, and prints NAME.
#
#   awk -v directory=DIRECTORY -f parts.awk FILE.c
#
# A part is a function, a struct or a constant with the comment above it; `top` is what stands in
# front of the first. It relies on the project's style: parts begin in column 1 behind a blank line,
# and nothing inside of one does.

function end_part() {
  if (text == "") return
  if (name == "") name = "top"
  printf "%s", text > (directory "/" name)
  close(directory "/" name)
  print name
  text = name = ""
}

# Returns what a line declares: a function, what is set to a value, a struct, the first of an enum.
function declared(line) {
  if (line ~ /^enum [{]/) sub(/^enum [{] */, "", line)
  else if (line ~ /[(]/) sub(/[(].*/, "", line)
  else sub(/(\[\])? *[={].*/, "", line)
  if (line ~ /^(struct|enum|static|int)/) sub(/.*[ *]/, "", line)
  sub(/[^A-Za-z_0-9].*/, "", line)
  return line
}

blank && /^[^ \t}#]/ { end_part() }
name == "" && /^(static|struct|enum|int) / { name = declared($0) }
{ text = text $0 "\n"; blank = $0 == "" }
END { end_part() }
