# Linshao: one workspace, two commands matter: make run, make test.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell cat VERSION)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# Modules whose code is ours to build and test; tools only pins versions.
MODULES := protocol protocol/kit edge cloud simulators simulators/e2e
SUM     := $(CURDIR)/bin/tools/gotestsum

export CGO_ENABLED ?= 0

.PHONY: help
help: ## list what can be made
	@grep -hE '^[a-z0-9-]+:.*?## ' $(MAKEFILE_LIST) | awk -F ':.*?## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: all
all: lint build test ## lint, build, test

# ---- build ---------------------------------------------------------------

.PHONY: need
need:
	@deploy/need.sh go node npm

# Not `npm ci`: biome and buf bring one optional package for each platform, and
# ci refuses a lock file where a registry does not serve all of them. Versions
# are exact in package.json, and what they need is pinned by the lock file.
NPM_INSTALL := npm install --no-save --no-audit --no-fund --loglevel=error

cloud/web/node_modules/.stamp: cloud/web/package-lock.json
	cd cloud/web && $(NPM_INSTALL)
	@touch $@

WEB_SRC := $(shell find cloud/web/src cloud/web/public cloud/web/*.html cloud/web/*.ts -type f 2>/dev/null)
cloud/web/dist/.stamp: cloud/web/node_modules/.stamp $(WEB_SRC)
	cd cloud/web && npm run --silent build
	@touch $@

.PHONY: web
web: need cloud/web/dist/.stamp ## build the console

.PHONY: build
build: web ## build bin/linshao-edge, bin/linshao-cloud, bin/linshao-sim
	@mkdir -p bin
	cd edge && go build -trimpath -ldflags '$(LDFLAGS)' -o ../bin/linshao-edge ./cmd/linshao-edge
	cd cloud && go build -trimpath -ldflags '$(LDFLAGS)' -o ../bin/linshao-cloud ./cmd/linshao-cloud
	cd simulators && go build -trimpath -ldflags '$(LDFLAGS)' -o ../bin/linshao-sim ./cmd/linshao-sim

# The same daemons with points to die at: see protocol/kit/chaos.
.PHONY: build-chaos
build-chaos: web ## build bin/chaos/linshao-edge and bin/chaos/linshao-cloud, which die where told
	@mkdir -p bin/chaos
	cd edge && go build -tags chaos -trimpath -ldflags '$(LDFLAGS)' -o ../bin/chaos/linshao-edge ./cmd/linshao-edge
	cd cloud && go build -tags chaos -trimpath -ldflags '$(LDFLAGS)' -o ../bin/chaos/linshao-cloud ./cmd/linshao-cloud

.PHONY: run
run: build ## build, then show the whole system on simulated estates
	@exec bin/linshao-sim demo $(ARGS)

.PHONY: generate
generate: bin/tools/protoc-gen-go protocol/node_modules/.stamp ## regenerate protobuf code, OpenAPI and API types
	cd protocol && npx buf generate
	cd cloud && go test ./internal/console -run TestOpenAPI -update
	cd cloud/web && npm run --silent api

# ---- test ----------------------------------------------------------------

.PHONY: parts
parts: ## install the real servers and tools that the tests talk to
	@deploy/test-parts.sh

$(SUM):
	@mkdir -p bin/tools
	cd tools && GOWORK=off GOBIN=$(CURDIR)/bin/tools go install gotest.tools/gotestsum

bin/tools/protoc-gen-go:
	@mkdir -p bin/tools
	cd tools && GOWORK=off GOBIN=$(CURDIR)/bin/tools go install google.golang.org/protobuf/cmd/protoc-gen-go

protocol/node_modules/.stamp: protocol/package-lock.json
	cd protocol && $(NPM_INSTALL)
	@touch $@

TESTFLAGS ?=
.PHONY: test
test: parts build build-chaos $(SUM) test-web ## every test: units with the race detector, real servers, end to end
	@deploy/test-go.sh "$(SUM)" "$(MODULES)" $(TESTFLAGS)

.PHONY: test-web
test-web: web
	cd cloud/web && npm run --silent check && npm run --silent test

.PHONY: e2e
e2e: parts build build-chaos $(SUM) ## only the end-to-end tests
	cd simulators/e2e && $(SUM) --format testname -- -count=1 ./...

.PHONY: bench
bench: build ## measure against a peer or a limit in the same run
	@deploy/bench.sh

MODE ?= short
ROWS ?=
.PHONY: chaos
chaos: parts build build-chaos ## try to break each promise: MODE=short|full ROWS=R1,R3 (short is part of test)
	@deploy/chaos.sh "$(MODE)" "$(ROWS)"

.PHONY: chaos-figures
chaos-figures: ## take the reports of full runs into docs/reliability.md
	@deploy/chaos-figures.sh

# ---- lint ----------------------------------------------------------------

.PHONY: lint
lint: build lint-go lint-wire lint-deploy ## formatting, vet, linters, drift of what is generated

# The same flags as the build, so that both share compiled packages.
.PHONY: lint-go
lint-go: export GOFLAGS := $(GOFLAGS) -trimpath
lint-go:
	@mkdir -p bin/tools
	@cd tools && GOWORK=off GOBIN=$(CURDIR)/bin/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && $(CURDIR)/bin/tools/golangci-lint run --config $(CURDIR)/.golangci.yml ./...); done

.PHONY: lint-wire
lint-wire: protocol/node_modules/.stamp bin/tools/protoc-gen-go
	cd protocol && npx buf lint && npx buf generate && git diff --exit-code -- linshaopb

.PHONY: lint-deploy
lint-deploy:
	@deploy/lint.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf bin cloud/web/node_modules protocol/node_modules; find cloud/web/dist -mindepth 1 ! -name .keep -delete
