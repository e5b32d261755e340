# redis-cli's own modes. It judges nothing: what it prints is looked at.
. "$(dirname "$0")/check.sh"

cli() { timeout 20 redis-cli -h "$host" -p "$port" "${tls[@]}" "$@" 2>&1; }
prints() { # PATTERN ARGUMENTS…
	local pattern=$1 output
	shift
	output=$(cli "$@" </dev/null)
	grep -qE -- "$pattern" <<<"$output" || { echo "$output" && return 1; }
}
interactive() { # the prompt asks the server for help texts first
	local output
	output=$(printf 'SET i 1\nMULTI\nINCR i\nEXEC\nSELECT 0\nGET i\n' | cli)
	[[ $output == $'OK\nOK\nQUEUED\n2\nOK\n2' ]] || { echo "$output" && return 1; }
}
pipe() {
	for i in {1..1000}; do printf 'SET pipe:%d %d\r\n' "$i" "$i"; done | cli --pipe >"$work/pipe"
	grep -q 'errors: 0, replies: 1000' "$work/pipe" || { cat "$work/pipe" && return 1; }
}
scan() { (($(cli --scan --pattern 'pipe:*' | sort -u | wc -l) == 1000)) || { cli --scan | head -3 && return 1; }; }
stat() {
	timeout 3 stdbuf -oL redis-cli -h "$host" -p "$port" "${tls[@]}" --stat -i 0.2 >"$work/stat" 2>&1
	grep -qE '^[0-9]+ +[0-9.]+[KMG]? ' "$work/stat" || { cat "$work/stat" && return 1; }
}
subscribe() {
	(sleep 0.4 && cli PUBLISH news hello >/dev/null) &
	timeout 2 redis-cli -h "$host" -p "$port" "${tls[@]}" SUBSCRIBE news >"$work/news" 2>&1
	grep -q hello "$work/news" || { cat "$work/news" && return 1; }
}
monitor() {
	(sleep 0.4 && cli GET monitored >/dev/null) &
	timeout 2 redis-cli -h "$host" -p "$port" "${tls[@]}" MONITOR >"$work/monitor" 2>&1
	grep -q '"GET" "monitored"' "$work/monitor" || { cat "$work/monitor" && return 1; }
}
stays() { # one connection, which is the same after everything of Pinion was replaced, and in good order
	local before after
	coproc { stdbuf -oL redis-cli -h "$host" -p "$port" "${tls[@]}" 2>&1; }
	echo 'CLIENT ID' >&"${COPROC[1]}" && read -rt 10 before <&"${COPROC[0]}"
	replaced >&3 2>&3
	echo 'CLIENT ID' >&"${COPROC[1]}" && read -rt 10 after <&"${COPROC[0]}"
	kill "$COPROC_PID"
	[[ $before =~ ^[0-9]+$ && $before == "$after" ]] || { echo "before: $before, after: $after" && return 1; }
}
rdb() { cli --rdb "$work/dump" && [[ -s $work/dump ]]; }

echo "version $(redis-cli --version | cut -d' ' -f2)"
exec 3>&1
check "CLIENT ID" stays
check "PING" prints '^PONG$' PING
check "interactive" interactive
check "-3" prints '^1# "a" => "1"$' -3 --no-raw EVAL 'redis.setresp(3); redis.call("HSET", KEYS[1], "a", 1); return redis.call("HGETALL", KEYS[1])' 1 h
check "-n 0" prints '^PONG$' -n 0 PING
check "-n 1" prints '^OK$' -n 1 SET in 1
check "--pipe" pipe
check "--scan" scan
check "--bigkeys" prints 'Sampled [0-9]{4} keys' --bigkeys
check "--memkeys" prints 'Sampled [0-9]{4} keys' --memkeys
cli CONFIG SET maxmemory-policy allkeys-lfu >/dev/null
check "--hotkeys" prints 'Sampled [0-9]{4} keys' --hotkeys
cli CONFIG SET maxmemory-policy noeviction >/dev/null
check "--stat" stat
check "--latency" prints '^[0-9]+ [0-9]+ [0-9.]+ [0-9]+' --latency --raw -i 1
check "--eval" prints '^k,a$|^1\) "k"|^k$' --eval <(echo 'return {KEYS[1], ARGV[1]}') k , a
check "SUBSCRIBE" subscribe
check "MONITOR" monitor
check "INFO" prints '^redis_version:' INFO server
check "COMMAND DOCS" prints 'summary' COMMAND DOCS get
check "CLIENT LIST" prints 'cmd=client' CLIENT LIST
check "MEMORY DOCTOR" prints '[a-zA-Z]{3}' MEMORY DOCTOR
check "LATENCY DOCTOR" prints '[a-zA-Z]{3}' LATENCY DOCTOR
check "DBSIZE" prints '^100[0-9]$' DBSIZE
check "FLUSHALL" prints '^OK$' FLUSHALL
wait
echo done
