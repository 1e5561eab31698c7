# Echo in Stages. `make help` lists the targets.

STAGES = v1.0-single v1.1-multiconn v2-threaded-broadcast v3-reverse

all: build ## build the servers and clients of all stages (the default)

build:
	@for stage in $(STAGES); do (cd $$stage && $(MAKE) -s) || exit 1; done

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z].*:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

diff: ## show how a stage grew, FROM=v1.0 TO=v1.1; or how much all of them did
	@tests/diff $(FROM) $(TO)

lab: ## make a folder in which a student writes a stage; STAGE=v1.1 DIR=~/lab
	@tests/lab/lab '$(STAGE)' '$(DIR)'
handout: ## pack the same as a tarball, here; STAGE=v1.1
	@tests/lab/lab --pack '$(STAGE)'
exercise: ## test what you have added to a stage for an exercise, NAME=...; or list the exercises
	@tests/lab/exercise '$(NAME)'

demo: build ## run each stage's server and client against each other
	@tests/demo $(STAGES)

check: build ## run the suites of the four stages; SERVER and CLIENT name other programs to test
	@tests/check

check-v1.0: ## run those of one stage; also check-v1.1, check-v2, check-v3
	@(cd v1.0-single && $(MAKE) -s) && tests/check v1.0-single
check-v1.1:
	@(cd v1.1-multiconn && $(MAKE) -s) && tests/check v1.1-multiconn
check-v2:
	@(cd v2-threaded-broadcast && $(MAKE) -s) && tests/check v2-threaded-broadcast
check-v3:
	@(cd v3-reverse && $(MAKE) -s) && tests/check v3-reverse

check-all: build ## run all suites: also those of the lessons, the labs and the tools, and those below
	@tests/check explain lab grade bench book v2-threaded-broadcast v3-reverse prose v1.1-multiconn v1.0-single trace support two-hosts second break

check-support: ## run the tests of the suites' own helpers
	@tests/check support

check-explain: ## compare what failing tests say to students with what is kept; RENEW=1 keeps it anew
	@tests/check explain

check-second: ## let the C programs and a second implementation, in Python, talk to each other
	@tests/check second
check-lab: ## run the tests of diff, lab and the exercises
	@tests/check lab

check-hosts: build ## let server and client talk on two hosts, over a line that loses packets
	@tests/check two-hosts

check-prose: ## compare the READMEs with the code and with what it prints
	@tests/check prose
check-trace: ## compare the pictures of tests/trace with what the programs do
	@tests/check trace

mutants: ## break the programs, one mistake at a time, and see whether the suites notice; MUTANT=one-recv
	@tests/mutants/run

portability: ## build for other compilers, C libraries and machines, and run the suites; BUILD=s390x
	@BUILD='$(BUILD)' STAGE='$(STAGE)' tests/portability

break: ## build a stage with one mistake in it, and say what it does; MUTANT=half-close-loses-tail
	@MUTANT='$(MUTANT)' STAGE='$(STAGE)' tests/break

trace: ## draw what a stage's programs do, call by call; STAGE=v2, RENEW=yes keeps the pictures
	@command -v python3 >/dev/null || { echo 'make trace: python3 is missing: tests/setup --ci brings it' >&2; exit 1; }
	@renew='$(RENEW)'; tests/trace/run $${renew:+--renew} $(STAGE)

record: build ## record a stage's programs in two terminals, as a moving picture; STAGE=v1.0
	@tests/record/run $(STAGE)

book: ## turn the lessons into pages to read in a browser: book/index.html
	@tests/book/run

bench: build ## measure what each way of serving clients costs; BENCH=quick or long, and a folder
	@command -v python3 >/dev/null || \
	    { echo "make bench: python3 is missing: tests/setup --ci brings it" >&2; exit 1; }
	@(cd tests/bench && $(MAKE) -s) && tests/bench/run $(BENCH)
check-book: ## make the book, and follow its links
	@tests/check book
check-bench: ## run the tests of the benchmark's load generator
	@tests/check bench

grade: ## grade a class: STAGE=v1.1 SUBMISSIONS=dir [JOBS=n] [SSHLOGINFILE=file] [RESULTS=dir]
	@tests/grade/run
check-grade: ## grade wrong, right and hostile submissions, and see what they get
	@tests/check grade

coverage: ## see which lines of the stages the suites execute, and which they do not
	@tests/coverage/run

fuzz: ## feed the parsers with inputs that a fuzzer makes up; FUZZ_SECONDS=10 for each
	@tests/fuzz/run

analyze: ## look for mistakes in the C sources without running them
	@tests/analyze

faults: build ## let each system call of the programs fail, and see what becomes of the service; CALL=accept
	@tests/faults/run

lint: ## check the style of C, shell and bats files
	@tests/lint

clean: ## remove everything that was built
	@for stage in $(STAGES) tests/support tests/bench tests/fuzz; do (cd $$stage && $(MAKE) clean) || exit 1; done
	rm -rf book v*-lab.tar.gz tests/lab/last.tap tests/trace/new

.PHONY: all build help diff lab handout exercise demo check check-v1.0 check-v1.1 check-v2 check-v3 check-all check-support check-explain \
        check-second check-lab check-hosts check-prose check-trace check-bench check-book check-grade mutants portability break trace record book bench grade \
        coverage fuzz analyze faults lint clean
