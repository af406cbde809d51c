# Every way to build, run and check the broker. `make help` lists the targets.

CARGO ?= cargo
CONFIG ?=
TOOLS = $(or $(CARGO_TARGET_DIR),target)/tools/bin

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start a simulated WeChat and the broker, ready for curl; CONFIG=my.toml runs the broker alone
ifeq ($(CONFIG),)
	@$(CARGO) build --quiet --workspace --bins
	@deploy/demo/run.sh
else
	@$(CARGO) run --quiet --bin token-broker -- serve --config '$(CONFIG)'
endif

.PHONY: build
build: ## Build the release binaries
	$(CARGO) build --release --workspace --bins

.PHONY: test
test: tools format lint deny ## Check everything: format, lints, licences, all tests; installs Redis where it is missing
	$(CARGO) test --workspace --no-fail-fast

.PHONY: bench
bench: ## Measure the broker beside its peers, 10 minutes on a quiet machine; QUICK=1 takes 2; WRITE=1 writes docs/performance.md
	@benches/install-tools.sh
	$(CARGO) build --release --workspace --bins
	$(CARGO) bench --no-run --bench peers
	@PYTHONDONTWRITEBYTECODE=1 python3 benches/run.py $(if $(QUICK),--quick) $(if $(WRITE),--write)

.PHONY: instructions
instructions: ## Count the instructions of a request and whose they are, beside actix-web alone, by valgrind; FUNCTIONS=30 names the most expensive
	@benches/install-tools.sh valgrind:valgrind
	$(CARGO) build --release --bin wechat-simulator
	$(CARGO) bench --no-run --bench peers
	@PYTHONDONTWRITEBYTECODE=1 FUNCTIONS=$(FUNCTIONS) python3 benches/instructions.py

.PHONY: simulate
simulate: ## Simulate YEARS=10 years of fleets under faults, from the seed FIRST=1000000 on
	SIMULATION_YEARS=$(or $(YEARS),10) SIMULATION_FIRST=$(or $(FIRST),1000000) \
		$(CARGO) test --release --test simulation -- --nocapture years::as_many

.PHONY: compare
compare: ## Simulate HISTORIES=40 times three days with the broker and with four other ways to keep a token
	SIMULATION_COMPARE=$(or $(HISTORIES),40) $(CARGO) test --release --test simulation -- --nocapture comparison::the_broker

.PHONY: model
model: ## Check the protocol's model for hours, in up to 4 GiB: FAULTS=1 faults and DEMANDS=0 requests of people, exhaustively
	MODEL_FAULTS=$(or $(FAULTS),1) MODEL_DEMANDS=$(or $(DEMANDS),0) MODEL_LIMIT=$(or $(LIMIT),400000000) \
		$(CARGO) test --release --test model -- --nocapture as_many_faults

.PHONY: chaos
chaos: ## Inflict faults at random on real processes: MINUTES=60 from SEED=1 on; STORE=standalone keeps to one kind
	CHAOS_MINUTES=$(or $(MINUTES),60) CHAOS_SEED=$(or $(SEED),1) CHAOS_STORE=$(STORE) \
		$(CARGO) test --test chaos -- --nocapture

.PHONY: ablate
ablate: ## Take safeguards out of the product, one at a time, and see a named history of the simulation fail
	@PYTHONDONTWRITEBYTECODE=1 tests/ablation/run.py

.PHONY: mutants
mutants: ## Change the Lua scripts in every small way and see each change found out; FROM=100 TO=200 tries some of them
	LUA_MUTANTS=$(or $(FROM),0)..$(TO) $(CARGO) test --test it -- --nocapture every_mutant

.PHONY: mutate
mutate: ## Change the Rust code in every small way and see each change found out; PART=domain (or flow, stores), FILES="src/domain/budget.rs" tries some of it
	@tests/mutation/run.sh $(or $(PART),domain) $(FILES)

.PHONY: fuzz
fuzz: ## Fuzz all that outsiders send and WeChat answers: MINUTES=60 a target, or TARGET=one alone; KEEP=1 keeps what was found
	@PYTHONDONTWRITEBYTECODE=1 tests/fuzz/run.py --minutes $(or $(MINUTES),60) $(if $(TARGET),--target $(TARGET)) $(if $(KEEP),--keep)

.PHONY: version
version: ## Print the version, as Cargo.toml has it
	@sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' Cargo.toml

.PHONY: dist
dist: ## Make a release in target/dist: tarball, Debian package, bill of materials, checksums
	@deploy/release/dist.sh

.PHONY: streams
streams: ## Pass a file of MIB=100 MiB up and down through the gateway and see its memory
	STREAM_MIB=$(or $(MIB),100) $(CARGO) test --test it calls::gateway::streams -- --nocapture

.PHONY: scale
scale: ## Measure APPS=10000 apps in one replica of a release build, each phase for SECONDS=60
	$(CARGO) build --release --bin token-broker
	BROKER_UNDER_TEST=target/release/token-broker SCALE_APPS=$(or $(APPS),10000) SCALE_SECONDS=$(or $(SECONDS),60) \
		$(CARGO) test --test scale -- --nocapture

.PHONY: test-stores
test-stores: tools ## Run the core's scenarios on every kind of Redis, and let each fail over under load
	@for store in standalone tls sentinel cluster; do \
		echo "TEST_STORE=$$store"; \
		TEST_STORE=$$store $(CARGO) test --test it -- scenarios:: || exit 1; \
	done
	$(CARGO) test --test it -- scenarios::failovers --ignored --nocapture --test-threads 1

.PHONY: tools
tools: ## Install what the tests need beside Rust
	@tests/install-tools.sh

.PHONY: format
format: ## Check the formatting
	$(CARGO) fmt --all --check

.PHONY: lint
lint: ## Check the lints, warnings denied
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings

.PHONY: deny
deny: tools ## Check the dependencies' licences and sources, and that none is banned
	@$(TOOLS)/cargo-deny --log-level error --offline check --hide-inclusion-graph bans licenses sources

.PHONY: audit
audit: tools ## Ask for advisories about the dependencies; needs the RustSec database, that is, a way out
	$(TOOLS)/cargo-deny check advisories

.PHONY: doc
doc: ## Build the crate's documentation, warnings denied
	RUSTDOCFLAGS='-D warnings -A rustdoc::private-intra-doc-links' $(CARGO) doc --no-deps --workspace --document-private-items

.PHONY: openapi
openapi: ## Write docs/openapi.json, the contract, anew from the code
	@$(CARGO) build --quiet --bin token-broker
	$(CARGO) run --quiet --bin token-broker -- openapi >docs/openapi.json

.PHONY: test-contract
test-contract: ## Play the contract against a running broker with schemathesis, SECONDS_OF_FUZZING=300; needs python3
	@$(CARGO) build --quiet --workspace --bins
	@tests/contract/run.sh

.PHONY: test-clients
test-clients: ## Run the published SDKs, and the callers of docs/clients.md, against the broker; needs node, python3, and java and go for all
	@$(CARGO) build --quiet --workspace --bins
	@mkdir -p target/clients && cp tests/clients/package.json target/clients/
	@npm --prefix target/clients install --no-audit --no-fund --silent
	@python3 -m venv target/clients/venv && target/clients/venv/bin/pip install --quiet -r tests/clients/requirements.txt
	@tests/clients/run.py

.PHONY: check-deploy
check-deploy: ## Check all that deploys and watches it; CHECKS="rules chart" runs some. Needs the binaries (make build)
	@deploy/checks/run.sh $(CHECKS)
