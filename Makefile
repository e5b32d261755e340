# `make` builds, `make demo` shows, `make test` is what CI runs.
# VERSION=1.2.3 names a build; N=2000000x or FUZZ=20s bounds each fuzz target.
VERSION ?= $(shell packaging/ci/version.sh)
FUZZ ?= 20s
N ?= $(FUZZ)

.PHONY: all demo test lint fuzz storm failover page packages lint-packages container e2e compat bench microbench clean
all: ; CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/ ./cmd/...
demo: all ; bin/pinion demo
test: ; packaging/ci/test.sh
lint: ; packaging/ci/lint.sh
fuzz: ; packaging/ci/fuzz.sh $(N)
storm: ; packaging/ci/storm.sh
failover: ; go test -p 1 -count 1 -v -tags failover -timeout 40m -run Measure ./cmd/pinion/e2e ./cmd/pinion/storm
page: ; go test -count 1 -v -tags page -timeout 10m -run Page ./cmd/pinion/e2e # needs Debian's package chromium; PAGE_SHOTS=DIR: pictures
packages: ; VERSION=$(VERSION) packaging/ci/packages.sh
lint-packages: ; VERSION=$(VERSION) packaging/ci/lint-packages.sh
container: ; packaging/ci/container.sh
e2e: packages ; packaging/e2e/run.sh
compat: all ; packaging/compat/run.sh
bench: all ; bin/pinion-bench compare --json bin/bench.json
microbench: ; go test -run '^$$' -bench . -benchmem ./codec/... ./shard/... ./worker/... ./master/...
clean: ; rm -rf bin
