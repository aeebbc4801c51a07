.PHONY: help run demo build dist bench test test-browser test-template test-cdk synth screenshots casts graph e2e sam-local test-sam check
.DEFAULT_GOAL := help

GO ?= go

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

go:
	@command -v $(GO) >/dev/null || { echo "make: Go is missing: install Go 1.26 or newer from https://go.dev/dl/" >&2; exit 1; }

run: go ## run a local Cognito, the broker and a sample MCP server in one process (ARGS="--help")
	@$(GO) build -o bin/dcr-dev ./cmd/dcr-dev && exec bin/dcr-dev run $(ARGS)

demo: go ## run the same and walk through it as an MCP client
	@$(GO) build -o bin/dcr-dev ./cmd/dcr-dev && exec bin/dcr-dev demo $(ARGS)

build: go ## build the Lambda functions: dist/ARCH/FUNCTION/bootstrap for arm64 and amd64
	@GO="$(GO)" VERSION="$$(scripts/version.sh)" scripts/build.sh dist

dist: go ## build a release in dist: zips of the functions, archives of dcrctl and dcr-dev, SBOM, checksums
	@GO="$(GO)" scripts/dist.sh dist

# `sam build` makes this target for the example MCP server.
build-McpServerFunction: go
	@GO="$(GO)" scripts/compile.sh linux "$(if $(filter x86_64,$(ARCHITECTURE)),amd64,arm64)" "$(ARTIFACTS_DIR)/bootstrap" ./examples/mcpserver/lambda lambda.norpc

# `sam build` makes this target for each function of template.yaml.
build-%Function: go
	@GO="$(GO)" scripts/sam-function.sh "$*"

test: go ## run all tests with the race detector, on local DynamoDBs (needs Python 3; ARGS="-count=1")
	@GO="$(GO)" scripts/test.sh $(ARGS)

test-browser: go ## test the pages and the whole flow in headless Chromium (installs Chromium on Debian, needs Node 20)
	@scripts/browser.sh pages
	@scripts/browser.sh flow

test-template: go ## lint and test template.yaml and the templates of examples (needs Python 3)
	@scripts/sam-tools.sh lint
	@for t in examples/*/template.yaml; do scripts/sam-tools.sh lint "$$t" || exit 1; done
	@TEST_TEMPLATE=1 $(GO) test -count=1 ./infra/sam ./examples

test-cdk: go ## test the CDK construct, with cdk-nag, and compare it with template.yaml (needs npm and Python 3)
	@GO="$(GO)" scripts/cdk.sh test

synth: go ## write what the CDK app would deploy to infra/cdk/cdk.out (ARGS="-c userPoolId=...")
	@GO="$(GO)" scripts/cdk.sh synth $(ARGS)

screenshots: go ## make the pictures of pages in docs/screenshots
	@scripts/browser.sh screenshots

casts: go ## make the pictures of a terminal in docs/screenshots (needs Python 3)
	@GO="$(GO)" scripts/terminal.sh doctor
	@GO="$(GO)" scripts/terminal.sh stats

e2e: go ## run the protocol scripts against a stack that runs elsewhere: make e2e BASE_URL=https://auth.example.com
	@test -n "$(BASE_URL)" || { echo "make e2e: BASE_URL is missing, as in: make e2e BASE_URL=http://localhost:8080" >&2; exit 2; }
	@E2E_BASE_URL="$(BASE_URL)" $(GO) test -count=1 -v $(ARGS) ./test/e2e

sam-local: go ## run the broker under sam local start-api, with your Docker (needs Python 3)
	@GO="$(GO)" scripts/sam-local.sh run $(ARGS)

test-sam: go ## run the protocol scripts and events through sam local, with a Docker of its own (needs Linux and root)
	@GO="$(GO)" scripts/sam-local.sh prepare
	@GO="$(GO)" scripts/container.sh run scripts/sam-local.sh test

bench: go ## measure requests, sizes, start-up and DynamoDB units, and write docs/performance.md and docs/storage.md (units need Python 3)
	@GO="$(GO)" $(GO) run ./bench $(ARGS)

graph: go ## print the import graph of pkg/broker, by level
	@GO="$(GO)" scripts/graph.sh

check: go ## gofmt, go vet, staticcheck, and the tests of the architecture and the docs
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt would change:" $$unformatted >&2; exit 1; }
	@$(GO) vet ./...
	@$(GO) tool staticcheck ./...
	@$(GO) test .
