# cut.awk - cuts a suite into parts, each a small file, that run side by side. bats takes a third of a second to
# read a whole suite, and would do so for each of them.
#
#   tests/suite --list v1.1 | awk -v tests=FOLDER -v out=FOLDER -v most=N|least=N [-v in_place=yes] -f cut.awk
#
# Writes out/KIND-NUMBER.bats for each part, and prints the file of the suite that it is from, and its name. A part
# has tests of one kind (server, client, both): where one program hangs, the other's tests go on. It has at most
# `most` tests; or a file gives at least `least` parts, if it has as many tests. They belong beside support/ and
# golden/, and load there what stands around the tests, for bats reads its own files twice and slowly; or, with
# in_place, anywhere: then the tests see their suite's folder, and bats names its lines where one fails.

BEGIN { FS = "\t" }

{
  kind = "tests"
  if ($4 ~ /^server and client: /) kind = "both"
  else if ($4 ~ /^(server|client): /) kind = substr($4, 1, 6)
  names[++n] = $4; file_of[n] = $1; kind_of[n] = kind
  in_file[$1]++
  if (!in_part[$1, kind]++) groups[++m] = $1 SUBSEP kind
}

END {
  if (!in_place)
    for (file in in_file) copy(tests "/" file ".bats", out "/" file ".bash", 1)
  for (g = 1; g <= m; g++) {
    split(groups[g], group, SUBSEP)
    size = most ? most : int(in_file[group[1]] / least)
    if (size < 1) size = 1
    parts = int((in_part[group[1], group[2]] + size - 1) / size)
    for (part = 0; part < parts; part++) cut(group[1], group[2], part, parts)
  }
}

# Writes a part of a file's tests of a kind.
function cut(file, kind, part, parts, name, i, at) {
  split("", wanted)
  for (i = 1; i <= n; i++)
    if (file_of[i] == file && kind_of[i] == kind && at++ % parts == part) wanted[names[i]]
  name = kind "-" ++number[kind] ".bats"
  if (!in_place) print "load " file > (out "/" name)
  copy(tests "/" file ".bats", out "/" name, in_place)
  print file "\t" name
}

# Copies those tests of a file that are wanted, and what stands around all of them, if that is too.
function copy(file, target, around_too, line, name, in_test, lines, folder) {
  while ((getline line < file) > 0) {
    if (line ~ /^@test ".*" [{]/) {
      in_test = 1
      name = line
      gsub(/^@test "|" [{].*/, "", name)
    }
    if (in_place && lines++ == 0) {
      folder = file
      sub(/\/[^\/]*$/, "", folder)
      line = "BATS_TEST_DIRNAME=" quoted(folder) " BATS_TEST_FILENAME=" quoted(file) "; " line
    }
    if ((in_test ? name in wanted : around_too) && line !~ /^# bats /) print line > target
    else if (in_place) print "" > target
    if (line == "}") in_test = 0
  }
  close(file)
  close(target)
}

# As a word of the shell.
function quoted(word) {
  gsub(/'/, "'\\''", word)
  return "'" word "'"
}
