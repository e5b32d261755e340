#!/bin/sh
# Prints the version of a build: by the last tag, or else by the head of the change log.
cd "$(dirname "$0")/../.." || exit 1
if described=$(git describe --tags --match 'v*' --dirty 2>/dev/null); then
	echo "${described#v}"
	exit
fi
top=$(sed -n 's/^## *\[\{0,1\}v\{0,1\}\([0-9][0-9.]*\).*/\1/p' CHANGELOG.md 2>/dev/null | head -n 1)
echo "${top:-0.0.0}-dev"
