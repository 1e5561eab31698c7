# The lab of @STAGE@. `make help` lists the targets.

STAGE = @STAGE@

all: ## build your server and client (the default)
	@(cd $(STAGE) && $(MAKE) -s)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z].*:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

check: all ## what works, and what is next; SERVER and CLIENT name other programs to test
	@tests/lab/progress $(STAGE)

check-all: all ## the same without stopping at the first test that fails: it may take long
	@tests/lab/progress --all $(STAGE)

exercise: ## test what you have added for an exercise, NAME=...; or list the exercises
	@tests/lab/exercise '$(NAME)'

clean: ## remove everything that was built
	@(cd $(STAGE) && $(MAKE) -s clean) && (cd tests/support && $(MAKE) -s clean) && rm -f tests/lab/last.tap

.PHONY: all help check check-all exercise clean
