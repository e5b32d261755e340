# What programs in shell share: they try one thing after the other, and say what came of each.
host=$1 port=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() { # NAME COMMAND…
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok $name"
	else
		echo "FAIL $name: $(tr -s '[:space:]' ' ' <<<"$output" | cut -c1-400)"
	fi
}
