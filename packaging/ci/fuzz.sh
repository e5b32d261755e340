#!/usr/bin/env bash
# Runs every fuzz target for a bounded time (20s) or number of executions (2000000x): the go command takes one at a time.
set -euo pipefail
cd "$(dirname "$0")/../.."
bound=${1:-20s}

for package in $(go list ./...); do
	listed=$(go test -list '^Fuzz' "$package") # on its own, so that a package that does not build ends the run
	for target in $(grep '^Fuzz' <<<"$listed"); do
		echo "== ${package##*/pinion/} $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$bound" "$package"
	done
done
