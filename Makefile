# Everything that is made stays in this folder: bin, .venv*, .cache. The only
# other places touched are Go's and pip's own caches.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
MAKEFLAGS += --no-builtin-rules

# One set of tags for tests and programs, so that what is tested is what is
# shipped. Without them the launcher doubles in size (grpc's tracing pulls in
# html/template, after which the linker can drop no method).
TAGS := grpcnotrace,disable_grpc_modules
# A checkout that git refuses to read (another owner, no git) is built without
# its revision.
VCS := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)
export GOFLAGS := -tags=$(TAGS) -buildvcs=$(VCS)
export CGO_ENABLED := 0

CACHE := $(CURDIR)/.cache
TOOLS := .cache/bin
# Object stores to test against.
SERVERS := $(TOOLS)/versitygw $(TOOLS)/fake-gcs-server $(TOOLS)/azurite-blob
export BUF_CACHE_DIR := $(CACHE)/buf
export STATICCHECK_CACHE := $(CACHE)/staticcheck
export RUFF_CACHE_DIR := $(CACHE)/ruff
export PYTHONDONTWRITEBYTECODE := 1
# Metaflow's client keeps its cache below /tmp otherwise.
export METAFLOW_CLIENT_CACHE_PATH := $(CACHE)/metaflow_client
export PATH := $(CURDIR)/$(TOOLS):$(PATH)

PYTHON ?= python3
RELEASE := -trimpath -ldflags "-s -w"
GO_SOURCES := go.mod go.sum internal/compile/fetch.py $(shell find cmd internal python proto -name '*.go' -o -path python/metaflow_extensions -prune -o -name '*.proto') \
              $(shell find python/metaflow_extensions -name '*.py')
PY_SOURCES := $(wildcard python/pyproject.toml) $(shell find python -name '*.py' -not -path '*/tests/*' -not -path 'python/build/*')
PACKAGES ?= ./...
# The revision against which a change of the protocol may not break the wire.
BASE ?= $(shell git rev-parse -q --verify origin/main 2>/dev/null || git rev-parse -q --verify HEAD~1 2>/dev/null)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z][a-z0-9-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

##### programs

.PHONY: build
build: bin/launcher bin/driver ## Build bin/launcher and bin/driver

bin/launcher: $(GO_SOURCES)
	go build $(RELEASE) -o $@ ./cmd/launcher

bin/driver: $(GO_SOURCES)
	go build $(RELEASE) -o $@ ./cmd/driver

# Programs with failpoints compiled in, for the kill tests alone.
.PHONY: build-failpoints
build-failpoints:
	go build -tags=$(TAGS),failpoints -trimpath -o .cache/failpoints/ ./cmd/launcher ./cmd/driver

.PHONY: demo
demo: build .venv/.ready .venv-client/.ready ## Deploy and run an example on a laptop stack, losing a launcher on the way
	.venv/bin/python examples/demo.py

##### checks

.PHONY: check
check: check-go check-proto check-generated check-python ## Everything that reads the code without running a flow

.PHONY: check-go
check-go: $(TOOLS)/gofumpt $(TOOLS)/staticcheck
	@echo '== format'; out=$$(gofumpt -l bench cmd internal python test); test -z "$$out" || { echo "not gofumpt'ed (make fmt):"; echo "$$out"; exit 1; }
	@echo '== vet'; go vet ./...
	go vet -tags=$(TAGS),failpoints ./...
	GOOS=darwin GOARCH=arm64 go vet ./cmd/...
	@echo '== staticcheck'; staticcheck ./...
	@echo '== layering, sizes'; go test ./test/layering
	go mod tidy -diff

.PHONY: check-proto
check-proto: $(TOOLS)/buf
	@echo '== buf lint'; buf lint
	@echo '== buf breaking'; if [ -n "$(BASE)" ] && git cat-file -e $(BASE):buf.yaml 2>/dev/null; then buf breaking --against '.git#ref=$(BASE)'; \
	else echo 'no earlier revision to compare with'; fi

.PHONY: check-generated
check-generated: $(TOOLS)/buf build
	@echo '== generated files'; rm -rf .cache/generated; mkdir -p .cache/generated
	buf generate -o .cache/generated
	diff -r .cache/generated/internal/gen internal/gen || { echo 'stale: make generate'; exit 1; }
	tools/reference.sh > .cache/generated/reference.md
	diff .cache/generated/reference.md docs/reference.md || { echo 'stale: make generate'; exit 1; }

.PHONY: check-python
check-python: .venv/.ready
	@echo '== ruff'; .venv/bin/ruff check -q --output-format=concise python examples test bench

.PHONY: generate
generate: $(TOOLS)/buf build ## Regenerate the protocol's code and docs/reference.md
	buf generate
	tools/reference.sh > docs/reference.md

.PHONY: fmt
fmt: $(TOOLS)/gofumpt $(TOOLS)/buf ## Format the sources
	gofumpt -w bench cmd internal python test
	buf format -w

##### tests

.PHONY: test
test: test-go test-python test-python-oldest test-e2e test-oracle test-chaos ## Run all tests: Go, Python, flows end to end, random flows, kills

# Each task has a folder with all that its flow needs, and most of what a short
# task costs is making those files: memory is the place for them where there is
# enough of it and programs can be started there.
SCRATCH ?= $(shell test $$(df --output=avail -m /dev/shm 2>/dev/null | tail -1) -gt 4000 2>/dev/null && \
  ! grep -q ' /dev/shm .*noexec' /proc/mounts && echo /dev/shm || echo $${TMPDIR:-/tmp})
# The command with a folder there, $$made, that is gone with it.
WITH_SCRATCH = made=$$(mktemp -d -p $(SCRATCH) millrace-XXXX); trap 'rm -rf "$$made"' EXIT; $(CLEAN_ENV)

.PHONY: test-go
test-go: venvs $(SERVERS)
	GOTMPDIR=$${TMPDIR:-/tmp} TMPDIR=$(SCRATCH) go test $(PACKAGES)
	go test -tags=$(TAGS),failpoints ./internal/failpoint

.PHONY: test-python
test-python: build .venv/.ready
	$(WITH_SCRATCH) .venv/bin/python -m pytest -q -n 2 -p no:cacheprovider --basetemp="$$made/pytest" python/tests

# The extension with the oldest Metaflow it supports, which leaves a flow's own
# files out of the package when a hidden folder is above them: not in .cache.
.PHONY: test-python-oldest
test-python-oldest: build .venv-oldest/.ready
	$(WITH_SCRATCH) .venv-oldest/bin/python -m pytest -q -n 2 -p no:cacheprovider --basetemp="$$made/pytest" python/tests

.PHONY: test-e2e
test-e2e: build venvs .venv-oldest/.ready .cache/checkpoint/.ready $(SERVERS)
	$(WITH_SCRATCH) .venv/bin/python -m pytest -q -n 2 --dist loadfile --durations=5 -p no:cacheprovider --basetemp="$$made/pytest" test/e2e $(ARGS)

.PHONY: test-chaos
test-chaos: build-failpoints venvs .cache/flowgen
	$(WITH_SCRATCH) .venv/bin/python -m pytest -q -p no:cacheprovider --durations=0 --basetemp="$$made/pytest" -s test/chaos $(ARGS)

# Random flows on the stack and by Metaflow's own run.
.PHONY: test-oracle
test-oracle: build venvs .cache/flowgen
	$(WITH_SCRATCH) .venv/bin/python -m pytest -q -p no:cacheprovider --durations=3 --basetemp="$$made/pytest" -s test/oracle $(ARGS)

.PHONY: oracle
oracle: .venv/.ready .venv-client/.ready .cache/flowgen ## Make test/oracle/results anew: Metaflow's own runs of the random flows of test-oracle
	$(CLEAN_ENV) .venv/bin/python test/oracle/remake.py

.PHONY: proof
proof: build venvs .cache/flowgen ## Play many random flows on both runtimes and write what came of it into docs/proof.md
	$(CLEAN_ENV) .venv/bin/python test/oracle/proof.py --scratch $(SCRATCH) $(ARGS)

.cache/flowgen: go.mod $(shell find test/flowgen internal/flowdef -name '*.go')
	go build -o $@ ./test/flowgen/cmd/flowgen

# Not part of `test`: others wrote it, and some of what it wants is not there
# (docs/users.md).
.PHONY: test-kit
test-kit: build .venv-kit/.ready ## Run metaflow-orchestrator-kit's checks and compliance tests on a laptop stack
	$(CLEAN_ENV) .venv-kit/bin/python test/orchestrator_kit/run.py $(ARGS)

# Where goroutines of ours meet. The rest starts programs or draws files.
CONCURRENT := artifact dispatch driver/serve driverclient launcher lease logcapture metadata objstore/... rpc runstore/... schedule supervise tasksocket

.PHONY: race
race: venvs $(SERVERS) ## Run the Go tests of what is concurrent under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -short $(CONCURRENT:%=./internal/%)

.PHONY: bench
bench: ## Measure the core and the saving of artifacts: ratios and events, comparable on one machine only
	go test -run '^$$' -bench . -benchtime 5x ./internal/artifact
	go test -run '^$$' -bench . -benchtime 1x ./internal/schedule

.PHONY: bench-data
bench-data: build venvs .venv-bench/.ready $(TOOLS)/versitygw ## Compare the data plane with today's tools on this machine (BENCH=, BENCH_ARTIFACTS=, BENCH_HUGE=, BENCH_TASK= pass flags on)
	go build -o .cache/bench/ ./bench/...
	.cache/bench/transfer $(BENCH)
	.cache/bench/artifacts $(BENCH_ARTIFACTS)
	.cache/bench/artifacts -cases huge -inputs 1 $(BENCH_HUGE)
	.venv/bin/python bench/task.py $(BENCH_TASK)

.PHONY: fuzz-smoke
fuzz-smoke: ## Fuzz every target for a few seconds
	tools/fuzz-smoke.sh $(FUZZTIME)

# The caller's settings of Metaflow are not the tests' business; which cases they draw is the caller's.
CLEAN_ENV = env $(foreach v,$(filter-out MILLRACE_ORACLE_% MILLRACE_CHAOS_%,\
  $(filter METAFLOW_% MILLRACE_% KFP_% KF_PIPELINES_% USERNAME,$(shell env | cut -d= -f1))),-u $(v))

##### what the above stand on

.PHONY: venvs
venvs: .venv/.ready .venv-client/.ready .venv-kfp/.ready

.venv/.packages: python/requirements.txt
	$(PYTHON) -m venv --clear .venv
	.venv/bin/pip install -q -r $<
	touch $@

# Installed, not linked: what the tests use is what a user gets.
.venv/.ready: .venv/.packages $(PY_SOURCES)
	.venv/bin/pip install -q --no-deps --no-build-isolation --force-reinstall ./python
	rm -rf python/build python/*.egg-info
	touch $@

# An extension that one test puts on its path.
.cache/checkpoint/.ready: python/requirements-checkpoint.txt | .venv/.packages
	rm -rf .cache/checkpoint
	.venv/bin/pip install -q --no-deps --no-compile --target .cache/checkpoint -r $<
	touch $@

.venv-oldest/.packages: python/requirements-oldest.txt
	$(PYTHON) -m venv --clear .venv-oldest
	.venv-oldest/bin/pip install -q -r $<
	touch $@

# After .venv's: pip builds the extension in python/build both times.
.venv-oldest/.ready: .venv-oldest/.packages $(PY_SOURCES) | .venv/.ready
	.venv-oldest/bin/pip install -q --no-deps --no-build-isolation --force-reinstall ./python
	rm -rf python/build python/*.egg-info
	touch $@

.venv-kit/.ready: test/orchestrator_kit/requirements.txt $(PY_SOURCES) | .venv/.ready
	$(PYTHON) -m venv --clear .venv-kit
	.venv-kit/bin/pip install -q -r $<
	.venv-kit/bin/pip install -q --no-deps --no-build-isolation --force-reinstall ./python
	rm -rf python/build python/*.egg-info
	touch $@

.venv-client/.ready: python/requirements-client.txt
	$(PYTHON) -m venv --clear .venv-client
	.venv-client/bin/pip install -q -r $<
	touch $@

.venv-kfp/.ready: $(wildcard python/requirements-kfp.txt)
	$(PYTHON) -m venv --clear .venv-kfp
	.venv-kfp/bin/pip install -q --no-deps -r python/requirements-kfp.txt
	touch $@

.venv-bench/.ready: bench/requirements.txt
	$(PYTHON) -m venv --clear .venv-bench
	.venv-bench/bin/pip install -q -r $<
	touch $@

TOOL = GOFLAGS= go build -modfile=tools/go.mod -trimpath -ldflags "-s -w" -o $@
$(TOOLS)/buf: tools/go.mod tools/go.sum
	$(TOOL) github.com/bufbuild/buf/cmd/buf
$(TOOLS)/versitygw: tools/go.mod tools/go.sum
	$(TOOL) github.com/versity/versitygw/cmd/versitygw
$(TOOLS)/fake-gcs-server: tools/go.mod tools/go.sum
	$(TOOL) github.com/fsouza/fake-gcs-server
$(TOOLS)/azurite-blob: tools/azurite/package.json
	rm -rf .cache/npm && cp -r tools/azurite .cache/npm
	npm install --prefix .cache/npm --no-save --no-fund --no-audit --ignore-scripts --loglevel=error
	ln -sf ../npm/node_modules/.bin/azurite-blob $@
	touch -h $@
$(TOOLS)/staticcheck: tools/go.mod tools/go.sum
	$(TOOL) honnef.co/go/tools/cmd/staticcheck
$(TOOLS)/gofumpt: tools/go.mod tools/go.sum
	$(TOOL) mvdan.cc/gofumpt

.PHONY: clean
clean: ## Remove all that was made here
	rm -rf bin .cache .venv .venv-oldest .venv-client .venv-kfp .venv-bench .dev
