# stage.mk - how a stage is built. Each stage's Makefile includes it.
#
# One command a program: they are small, and whatever changes, the whole program is compiled anew.

COMMON ?= ../common
CC     ?= cc
CFLAGS ?= -O2 -g

STANDARD = -std=c11 -D_POSIX_C_SOURCE=200809L -I$(COMMON)
WARNINGS = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes
SOURCES  = $(COMMON)/cli.c $(COMMON)/clock.c $(COMMON)/connect.c $(COMMON)/endpoint.c \
           $(COMMON)/listen.c $(COMMON)/program.c $(COMMON)/stop.c $(COMMON)/stream.c \
           $(COMMON)/text.c
HEADERS  = $(SOURCES:.c=.h)
NEEDS    = $(SOURCES) $(HEADERS) $(COMMON)/stage.mk Makefile .flags

# SANITIZE=address,undefined builds with these sanitizers. A stage's further sources belong to both
# of its programs.
COMPILE  = sanitize='$(SANITIZE)'; others=$$(ls *.c | grep -vx -e server.c -e client.c); set -x; $(CC) $(STANDARD) $(WARNINGS) $(CPPFLAGS) $(CFLAGS) \
           $${sanitize:+-fsanitize=$$sanitize -fno-omit-frame-pointer} $(LDFLAGS)

all: server client

server: server.c $(NEEDS)
	@$(COMPILE) -o $@ server.c $$others $(SOURCES) $(LDLIBS)

client: client.c $(NEEDS)
	@$(COMPILE) -o $@ client.c $$others $(SOURCES) $(LDLIBS)

# Holds the compiler, its flags and a sum of each file here, and changes only when one of them does.
.flags: always
	@flags=$$(echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) $(LDFLAGS) $(LDLIBS)'; cksum *.[ch]); \
	    echo "$$flags" | cmp -s - $@ || echo "$$flags" > $@

# MUTANT=name builds broken/server and broken/client with that mistake; without it, lists them.
break:
	@STAGE="$${PWD##*/}" MUTANT='$(MUTANT)' ../tests/mutants/break

trace:
	@stage="$${PWD##*/}"; cd .. && $(MAKE) -s trace STAGE="$$stage" RENEW='$(RENEW)'

clean:
	rm -f server client .flags
	rm -rf server.dSYM client.dSYM broken

always:
.PHONY: all break trace clean always
