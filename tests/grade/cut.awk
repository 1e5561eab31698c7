# cut.awk - cuts a suite into parts that run side by side, each a small file: bats reads the whole file for
# each of its tests, and most of the time of a suite would go into that.
#
#   tests/suite --list v1.1 | awk -v tests=FOLDER -v out=FOLDER -f cut.awk
#
# A part has tests of one kind (server, client, both): where one program hangs, the other's tests go on. It is
# named KIND-NUMBER.bats.

BEGIN { FS = "\t"; most = 20 }

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
    for (kind in kinds) {
      size = tests_of[kind, file]
      parts = int((size + most - 1) / most)
      for (part = 0; part < parts; part++) cut(file, kind, part, parts)
    }
  }
}

# Writes a file with those of a suite's tests that belong to a part, and all that stands around them.
function cut(file, kind, part, parts, wanted, i, at, line, name, keep, target) {
  split("", wanted)
  for (i = 1; i <= n; i++)
    if (file_of[i] == file && kind_of[i] == kind && at++ % parts == part) wanted[names[i]]
  target = out "/" kind "-" ++number[kind] ".bats"
  keep = 1
  while ((getline line < (tests "/" file ".bats")) > 0) {
    if (line ~ /^@test ".*" [{]/) {
      name = line
      gsub(/^@test "|" [{].*/, "", name)
      keep = name in wanted
    }
    if (keep && line !~ /^# bats test_tags=/) print line > target
    if (line == "}") keep = 1
  }
  close(tests "/" file ".bats")
  close(target)
}
