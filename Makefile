# What you need most: make demo, make test. Everything runs from a fresh clone.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X plumbline/internal/cli.buildVersion=$(VERSION) -X plumbline/internal/cli.buildCommit=$(COMMIT)

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@latest

.PHONY: help demo test fuzz bench check build generate assets clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: ## run Plumbline with an invented office and sample reports (needs only Go)
	@CGO_ENABLED=0 $(GO) run -trimpath -ldflags '$(LDFLAGS)' ./cmd/plumbline demo $(if $(DIR),--dir '$(DIR)') $(if $(LISTEN),--listen '$(LISTEN)')

test: ## install what the tests need where possible, then run them all
	@scripts/test.sh

fuzz: ## look for inputs that break a parser, FUZZTIME=60s for each of them
	@GO='$(GO)' scripts/fuzz.sh

bench: ## print the promised ratios as a table
	@scripts/bench.sh

check: ## format, vet, staticcheck, vulnerabilities, drift of generated files
	@GO='$(GO)' STATICCHECK='$(STATICCHECK)' GOVULNCHECK='$(GOVULNCHECK)' scripts/check.sh

build: ## a static binary in bin/plumbline
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/plumbline ./cmd/plumbline

generate: ## write the generated files again
	$(GO) generate ./...

assets: ## build styles and script again from their sources (needs node; the results are committed)
	cd internal/web/assets/src && npm ci && npm run build

clean: ## remove what was built
	rm -rf bin
