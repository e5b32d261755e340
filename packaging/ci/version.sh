#!/bin/sh
# Prints the version of a build: by the last tag, or else by the change log. Without tags nobody knows whether the release
# at its head is out: what is unreleased above it is on the way to the next one.
cd "$(dirname "$0")/../.." || exit 1
if described=$(git describe --tags --match 'v*' --dirty 2>/dev/null); then
	echo "${described#v}"
	exit
fi
awk '
	/^## / { heading = $2; gsub(/[][v]/, "", heading) }
	/^## / && heading ~ /^[0-9]/ { version = heading; exit }
	/^\* / { unreleased = 1 }
	END {
		if (!split(version, part, "."))
			split("0.0.0", part, ".")
		printf "%d.%d.%d-dev\n", part[1], part[2], part[3] + (version && unreleased)
	}' CHANGELOG.md
