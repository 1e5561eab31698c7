#!/bin/sh
# Installs what the grader needs, once, when Gradescope makes the container.
set -eu

apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bubblewrap parallel python3 unzip
/autograder/source/tests/setup
make -s -C /autograder/source/tests/support
