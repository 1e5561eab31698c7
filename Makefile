# Echo in Stages. `make help` lists the targets.

STAGES = v1.0-single v1.1-multiconn v2-threaded-broadcast v3-reverse

# ---- Build and run ----

all: build ## build the servers and clients of all stages (the default)

build: writable
	@for stage in $(STAGES); do (cd $$stage && $(MAKE) -s) || exit 1; done

# A ZIP of the repository may have lost what makes a script run.
runnable:
	@[ -x tests/setup ] || [ ! -e tests/setup ] || { echo "make: the scripts here cannot be run, as they came in a ZIP; this mends it:" \
	    "chmod +x tests/setup \$$(grep -rlI '^#!' .ci tests)" >&2; exit 1; }

writable: runnable
	@[ -w . ] || { echo "make: this folder cannot be written, and programs are built in it: copy it first (make lab works as it is)" >&2; exit 1; }

demo: build ## run each stage's server and client against each other
	@tests/demo $(STAGES)

clean: ## remove everything that was built
	@for folder in $(STAGES) tests/support tests/bench tests/fuzz; do (cd $$folder && $(MAKE) clean) || exit 1; done
	rm -rf book v*/step v*-lab.tar.gz v*-autograder.zip tests/lab/last.tap tests/trace/new

help: ## list the targets
	@awk -F ':.*## ' '/^# ---- / { print substr($$0, 8, length($$0) - 12) } \
	    /^[a-z].*:.*## / { sub(/ .*/, "", $$1); printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# ---- Test ----

check: build ## run the suites of all stages; SERVER, CLIENT: test others
	@tests/check

check-v1.0 check-v1.1 check-v2 check-v3: writable ## run that of one stage; also check-v1.1, check-v2, check-v3
	@stage=$$(echo $@ | sed 's/check-//'); cd $$stage-* && $(MAKE) -s && cd .. && exec tests/check $$stage-*

check-all: build ## run all suites: also those of the lessons, labs and tools
	@tests/check steps explain lab grade bench book v2-threaded-broadcast v3-reverse prose v1.1-multiconn v1.0-single trace support two-hosts second break

check-steps check-explain check-lab check-grade check-bench check-book check-prose check-trace check-support check-two-hosts check-second check-break: build
	@tests/check $$(echo $@ | sed 's/check-//')

# ---- Learn ----

step: writable ## list the steps to a stage, STAGE=v1.1; or make one, STEP=3
	@tests/steps/show '$(STAGE)' $(STEP)

diff: runnable ## show how a stage grew, FROM=v1.0 TO=v1.1; a step is v1.1/2
	@tests/diff $(FROM) $(TO)

break: writable ## list mistakes; or build a stage with one, MUTANT=one-recv
	@tests/mutants/break

trace: runnable ## draw a stage's calls, STAGE=v2; RENEW=yes keeps the pictures
	@command -v python3 >/dev/null || { echo 'make trace: python3 is missing: tests/setup --ci brings it' >&2; exit 1; }
	@renew='$(RENEW)'; tests/trace/run $${renew:+--renew} $(STAGE)

record: build ## record a stage as a moving picture, STAGE=v1.0
	@tests/record/run $(STAGE)

book: writable ## turn the lessons into pages for a browser: book/index.html
	@tests/book/run

exercise: writable ## list the exercises; or test what you did for one, NAME=udp
	@tests/lab/exercise "$$NAME"

# ---- Teach ----

lab: runnable ## make a folder to write a stage in, STAGE=v1.1 DIR=~/lab
	@tests/lab/lab "$$STAGE" "$$DIR"

handout: runnable ## pack the same as a tarball, here, STAGE=v1.1
	@tests/lab/lab --pack "$$STAGE"

grade: runnable ## grade a class, STAGE=v1.1 SUBMISSIONS=dir
	@tests/grade/run

autograder: runnable ## pack what Gradescope takes, here, STAGE=v1.1
	@tests/grade/autograder "$$STAGE"

# ---- Prove ----

bench: build ## measure what each way of serving costs; BENCH=quick or long
	@command -v python3 >/dev/null || { echo "make bench: python3 is missing: tests/setup --ci brings it" >&2; exit 1; }
	@(cd tests/bench && $(MAKE) -s) && tests/bench/run $(BENCH)

mutants: runnable ## make each mistake: do the suites notice? MUTANT=one-recv
	@tests/mutants/run

faults: build ## let each call fail: does the service hold? CALL=accept
	@tests/faults/run

fuzz: runnable ## feed the parsers with made-up input; FUZZ_SECONDS=10 each
	@tests/fuzz/run

coverage: runnable ## see which lines of the stages no suite executes
	@tests/coverage/run

analyze: runnable ## look for mistakes in the C sources without running them
	@tests/analyze

portability: runnable ## run the suites on other systems and machines, BUILD=s390x
	@tests/portability/run

lint: runnable ## check the style of C, shell and bats files
	@tests/lint

.PHONY: all build runnable writable demo clean help check check-v1.0 check-v1.1 check-v2 check-v3 check-all check-steps check-explain \
        check-lab check-grade check-bench check-book check-prose check-trace check-support check-two-hosts check-second check-break step diff break \
        trace record book exercise lab handout grade autograder bench mutants faults fuzz coverage analyze portability lint
