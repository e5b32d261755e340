#!/usr/bin/env bash
# Prints CHANGELOG.md as a Debian change log: changelog.sh VERSION SECONDS. The version is that of the package, and of
# the first section that says anything: what is unreleased, or the release that the package is of. A heading is
# "## 1.2.3 - 2026-01-31"; without a date it has that of the package.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$1
today=$(date -u -R -d "@$2")

first=yes date= text=
entry() { # of a bullet and the lines that follow it
	[[ ! $text ]] || fold -s -w 74 <<<"$text" | sed 's/ *$//; 1s/^/  /; 2,$s/^/    /'
	text=
}
trailer() {
	entry
	[[ ! $date ]] || printf '\n -- Pinion maintainers <maintainers@pinion-proxy.org>  %s\n' "$date"
}
begin() { # of a section, with its first bullet
	[[ ! $date ]] || return 0
	[[ $first ]] || echo
	date=$today
	[[ ! $day ]] || date=$(date -u -R -d "$day")
	title=${title#[}
	title=${title%]}
	[[ ! $first ]] || title=$version
	first=
	printf 'pinion (%s) unstable; urgency=medium\n\n' "${title#v}"
}
while IFS= read -r line; do
	case $line in
	'## '*)
		trailer
		date=
		read -r title _ day <<<"${line#'## '}"
		;;
	'* '*)
		entry
		begin
		text=$line
		;;
	'  '*) [[ ! $text ]] || text+=" ${line#  }" ;;
	esac
done <CHANGELOG.md
trailer
