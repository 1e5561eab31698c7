# stages.sh - the stages, their sources and the steps that lead to them, for scripts. $root is the repository.
# shellcheck shell=sh

# Prints the folders of all stages.
all_stages() {
  (cd "$root" && ls -d v*-*/) | tr -d /
}

# Prints the folder of a stage, which may be named in short: v1.0 is v1.0-single. Fails, after a
# message, if there is none.
stage_named() { # NAME
  for stage in $(all_stages); do
    case ${1%/} in
      "$stage" | "${stage%%-*}")
        echo "$stage"
        return
        ;;
    esac
  done
  echo "${0##*/}: there is no stage ${1:-without a name}; there are: $(all_stages | xargs)" >&2
  return 1
}

# Prints the source files of stages, server.c and client.c first, then those that only some of them have.
sources_of() { # STAGE...
  echo server.c
  echo client.c
  for stage; do (cd "$root/$stage" 2>/dev/null && ls ./*.[ch] 2>/dev/null); done | sed 's,^\./,,' | sort -u | grep -vx -e server.c -e client.c
}

# Prints the folder of the stage that a stage grew out of, as its server.c says at the top; nothing
# for the first one.
stage_before() { # STAGE
  before=$(sed -n 's/.*New since \(v[0-9.]*[0-9]\):.*/\1/p' "$root/$1/server.c" | sed 1q)
  [ -z "$before" ] || stage_named "$before"
}

# Prints the programs of which a folder has the source.
programs_in() { # FOLDER
  for program in server client; do [ ! -e "$1/$program.c" ] || echo "$program"; done
}

# Prints the patches of a stage, which lead to it from the stage before, in their order.
steps_of() { # STAGE
  [ ! -f "$root/$1/steps/series" ] || sed '/^#/d' "$root/$1/steps/series"
}

# Prints the tests that pass behind a step, and did not always before it.
turned_green() { # PATCH
  sed -n '/^--- /q; s/^Green: //p; s/^Settles: //p' "$1"
}

# Prints the tests that pass after the Nth step: the heads of the patches name them, and the series those that
# pass before the first step.
green_after() { # STAGE N
  {
    sed -n 's/^# Green: /Green: /p' "$root/$1/steps/series"
    steps_of "$1" | head -n "$2" | while read -r patch; do
      sed '/^--- /q' "$root/$1/steps/$patch"
    done
  } | awk '
    /^(Green|Settles): / { sub(/^[A-Z][a-z]*: /, ""); green[$0]; next }
    /^Lifts: / { delete green[substr($0, 8)] }
    END { for (test in green) print test }'
}

# Puts the programs as they are after the Nth step into a folder, which is made.
put_step() { # STAGE N FOLDER
  [ "$2" -le "$(steps_of "$1" | wc -l)" ] 2>/dev/null || {
    echo "${0##*/}: $1 has no step $2; make step STAGE=${1%%-*} lists them" >&2
    return 1
  }
  mkdir -p "$3"
  [ -z "$(stage_before "$1")" ] || cp -p "$root/$(stage_before "$1")"/*.[ch] "$3"
  steps_of "$1" | head -n "$2" | while read -r patch; do
    (cd "$3" && patch -p1 -s) <"$root/$1/steps/$patch" || exit
  done
}
