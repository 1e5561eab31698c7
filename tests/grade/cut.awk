# cut.awk - cuts a suite into parts that run side by side, each a small file: bats reads the whole file for
# each of its tests, line by line, and most of the time of a suite would go into that.
#
#   tests/suite --list v1.1 | awk -v tests=FOLDER -v out=FOLDER -f cut.awk
#
# A part has tests of one kind (server, client, both): where one program hangs, the other's tests go on. It is
# named KIND-NUMBER.bats, and loads what stands around the tests in its file of the suite.

BEGIN { FS = "\t"; most = 30 }

{
  kind = $4
  sub(/:.*/, "", kind)
  if (kind ~ / and /) kind = "both"
  tests_of[kind, $1]++
  names[++n] = $4; file_of[n] = $1; kind_of[n] = kind
  kinds[kind]; files[$1]
}

END {
  for (file in files) {
    copy(file, out "/" file ".bash")
    for (kind in kinds) {
      size = tests_of[kind, file]
      parts = int((size + most - 1) / most)
      for (part = 0; part < parts; part++) cut(file, kind, part, parts)
    }
  }
}

# Writes a part of a file's tests of a kind.
function cut(file, kind, part, parts, target, i, at) {
  split("", wanted)
  for (i = 1; i <= n; i++)
    if (file_of[i] == file && kind_of[i] == kind && at++ % parts == part) wanted[names[i]]
  target = out "/" kind "-" ++number[kind] ".bats"
  print "load " file > target
  copy(file, target, 1)
}

# Writes those tests of a file that are wanted; or what stands around all of its tests.
function copy(file, target, tests_too, line, name, in_test) {
  while ((getline line < (tests "/" file ".bats")) > 0) {
    if (line ~ /^@test ".*" [{]/) {
      in_test = 1
      name = line
      gsub(/^@test "|" [{].*/, "", name)
    }
    if (in_test ? tests_too && name in wanted : !tests_too) print line > target
    if (line == "}") in_test = 0
  }
  close(tests "/" file ".bats")
  close(target)
}
