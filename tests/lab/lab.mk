# The lab of @STAGE@. `make help` lists the targets.

STAGE = @STAGE@

all: ## build your server and client (the default)
	@(cd $(STAGE) && $(MAKE) -s)

# Where SERVER or CLIENT names another program, nothing else is tested, and nothing has to be built.
build:
	@[ -n "$$SERVER$$CLIENT" ] || (cd $(STAGE) && $(MAKE) -s)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z].*:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

check: build ## what works, and what is next; SERVER or CLIENT name another program to test
	@tests/lab/progress $(STAGE)

check-all: build ## the same without stopping at the first test that fails: it may take long
	@tests/lab/progress --all $(STAGE)

exercise: ## test what you have added for an exercise, NAME=...; or list the exercises
	@tests/lab/exercise '$(NAME)'

clean: ## remove everything that was built
	@(cd $(STAGE) && $(MAKE) -s clean) && (cd tests/support && $(MAKE) -s clean) && rm -f tests/lab/last.tap

.PHONY: all build help check check-all exercise clean
