# redis-benchmark: what it asks by itself, and a load that goes on while everything of Pinion is replaced.
. "$(dirname "$0")/check.sh"

bench=(redis-benchmark -h "$host" -p "$port" "${tls[@]}" -q)
runs() { # RESULTS ARGUMENTS…: so many, and no error
	local results=$1
	shift
	timeout 60 "${bench[@]}" -n 2000 "$@" >"$work/out" 2>&1
	(($(tr '\r' '\n' <"$work/out" | grep -c 'p50=') >= results)) && ! grep -qi error "$work/out" || { tail -c 300 "$work/out" && return 1; }
}
goes_on() { # it would for minutes with the same connections, and ends sooner only at an error
	"${bench[@]}" -n 100000000 -c 20 -P 8 -t get >"$work/load" 2>&1 &
	local load=$!
	until grep -q 'GET: ' "$work/load" || ! kill -0 "$load"; do sleep 0.05; done
	replaced >&3
	local size
	size=$(stat -c %s "$work/load")
	until (($(stat -c %s "$work/load") > size + 1000)) || ! kill -0 "$load"; do sleep 0.05; done
	kill "$load" && ! grep -qi error "$work/load" || { tail -c 300 "$work/load" && return 1; }
}

exec 3>&1
echo "version $(redis-benchmark --version | cut -d' ' -f2)"
check "a load that goes on" goes_on
check "its own requests" runs 15 -t ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange,mset -c 20
check "-P 16" runs 2 -t set,get -P 16
check "-r, -d" runs 2 -t set,get -r 1000 -d 20000
check "--threads" runs 2 -t set,get --threads 2
check "-3" runs 1 -3 -t get
echo done
