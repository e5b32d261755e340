#!/usr/bin/env bash
# Runs every fuzz target for a bounded time (20s) or number of executions (2000000x): the go command takes one at a time.
set -euo pipefail
cd "$(dirname "$0")/../.."
bound=${1:-20s}

for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "== ${package##*/pinion/} $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$bound" "$package"
	done
done
