#!/usr/bin/env bash
# Prints CHANGELOG.md as a Debian change log: changelog.sh VERSION SECONDS. The version is that of the package, and of
# what is unreleased; a release without a date, "## 1.2.3 - 2026-01-31", has that of the package.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$1
today=$(date -u -R -d "@$2")

date= text=
entry() { # of a bullet and the lines that follow it
	[[ ! $text ]] || fold -s -w 74 <<<"$text" | sed 's/ *$//; 1s/^/  /; 2,$s/^/    /'
	text=
}
trailer() {
	entry
	[[ ! $date ]] || printf '\n -- Pinion maintainers <maintainers@pinion-proxy.org>  %s\n' "$date"
}
while IFS= read -r line; do
	case $line in
	'## '*)
		trailer
		[[ ! $date ]] || echo
		read -r title _ day <<<"${line#'## '}"
		title=${title#[}
		title=${title%]}
		if [[ $title == Unreleased ]]; then
			title=$version
		fi
		date=$today
		[[ ! $day ]] || date=$(date -u -R -d "$day")
		printf 'pinion (%s) unstable; urgency=medium\n\n' "${title#v}"
		;;
	'* '*)
		entry
		[[ ! $date ]] || text=$line
		;;
	'  '*) [[ ! $text ]] || text+=" ${line#  }" ;;
	esac
done <CHANGELOG.md
trailer
