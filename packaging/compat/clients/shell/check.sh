# What programs in shell share: they try one thing after the other, and say what came of each.
host=$1 port=$2
work=$(mktemp -d)
# How redis-cli and redis-benchmark speak TLS.
tls=()
[[ ${COMPAT_TLS:-} ]] && tls=(--tls --cacert "$SSL_CERT_FILE")
[[ ${COMPAT_TLS:-} == certificate ]] && tls+=(--cert "$COMPAT_CERT" --key "$COMPAT_KEY")
trap 'rm -rf "$work"' EXIT

# Has everything of Pinion replaced under the connections that are open now, where TLS is spoken.
replaced() {
	[[ ${COMPAT_TLS:-} ]] || return 0
	echo waits
	read -r _
}

check() { # NAME COMMAND…
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok $name"
	else
		echo "FAIL $name: $(tr -s '[:space:]' ' ' <<<"$output" | cut -c1-400)"
	fi
}
