# stages.sh - the names of the stages, for the scripts in this folder. $root is the repository.
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
  for stage; do (cd "$root/$stage" && ls ./*.[ch]); done | sed 's,^\./,,' | sort -u | grep -vx -e server.c -e client.c
}

# Prints the folder of the stage that a stage grew out of, as its server.c says at the top; nothing
# for the first one.
stage_before() { # STAGE
  before=$(sed -n 's/.*New since \(v[0-9.]*[0-9]\):.*/\1/p' "$root/$1/server.c" | sed 1q)
  [ -z "$before" ] || stage_named "$before"
}
