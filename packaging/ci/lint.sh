#!/usr/bin/env bash
# Has programs look for mistakes and for what is written twice. What they find fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
go -C packaging/lint build -o "$tools/" honnef.co/go/tools/cmd/staticcheck github.com/mibk/dupl

go vet ./...
go vet -tags fault ./...
go vet -tags failover ./cmd/...
go vet -tags page ./cmd/...
"$tools/staticcheck" ./...
"$tools/staticcheck" -tags fault ./worker/fault

# Six lines of the same shape are often two things that look alike. A stretch of this many symbols is one thing twice.
# Programs that try client libraries are as alike as the libraries are.
twice=$(git ls-files '*.go' ':!packaging/compat/clients' | "$tools/dupl" -files -threshold 90 -plumbing)
if [[ $twice ]]; then
	echo "written twice:"$'\n'"$twice" >&2
	exit 1
fi
