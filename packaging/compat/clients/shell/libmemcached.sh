# libmemcached's tools in the text or the binary protocol: memcapable has tests of its own, the others do their work.
. "$(dirname "$0")/check.sh"

servers=--servers=$host:$port
binary=()
capable=-a
[[ $COMPAT_VARIANT == binary ]] && binary=(--binary) capable=-b

tool() { # NAME ARGUMENTS…
	local name=$1
	shift
	timeout 20 "$name" "$servers" "${binary[@]}" "$@"
}
echo "a value" >"$work/file"
copies() { (cd "$work" && tool memccp file); }
reads() { [[ $(tool memccat file) == "a value" ]]; }
removes() { tool memcrm file && ! tool memcexist file; }
statistics() { tool memcstat | grep -q pid; }
slaps() { tool memcslap --concurrency=4 --execute-number=100 --test=set; }

echo "version $(memcstat --version 2>&1 | grep -oE '[0-9]+\.[0-9.]+[0-9]' | head -1)"
# Each line of memcapable is a check.
timeout 100 memccapable -h "$host" -p "$port" $capable -t 5 >"$work/capable" 2>&1
status=$?
while read -r line; do
	if [[ $line =~ ^(ascii|binary)\ (.*[^ ])\ +\[(pass|FAIL)\] ]]; then
		name="memcapable ${BASH_REMATCH[2]}"
		[[ ${BASH_REMATCH[3]} == pass ]] && echo "ok $name" || echo "FAIL $name: $line"
	fi
done <"$work/capable"
sed 's/^/# /' "$work/capable"
((status < 124)) || echo "FAIL memcapable: ended with $status"
check "memccp" copies
check "memccat" reads
check "memcexist" tool memcexist file
check "memctouch" tool memctouch --expire=100 file
check "memcrm" removes
check "memcstat" statistics
[[ ${binary[*]} ]] || { # these two have no binary protocol
	check "memcping" tool memcping
	check "memcdump" tool memcdump
}
check "memcslap" slaps
check "memcflush" tool memcflush
echo done
