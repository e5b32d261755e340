#!/usr/bin/env bash
# Reloads and upgrades Pinion hundreds of times while thousands of clients count what they are told, then breaks it in
# every known way, and has it run out of descriptors at every limit. PINION_STORM is the plan, see
# cmd/pinion/storm/run_test.go, PINION_SHORTAGE the limits, see cmd/pinion/storm/shortage_test.go. PINION_STORM_TLS is the plan of a
# second storm, whose servers speak TLS.
set -euo pipefail
cd "$(dirname "$0")/../.."
plan=${PINION_STORM:-connections=8000 rate=2000 slow=10 newcomers=8 reloads=200 upgrades=200 resizes=40 breaks=20 duds=20 faults=40}
encrypted=${PINION_STORM_TLS:-connections=400 sessions=40 reloads=100 upgrades=100 tls_servers=1}

# Of the descriptors that a process may have, one is for each connection and some are for everything else.
descriptors=$(ulimit -Hn)
if [[ $plan =~ connections=([0-9]+) && $descriptors != unlimited ]] && ((BASH_REMATCH[1] + 1000 > descriptors)); then
	echo "The plan has ${BASH_REMATCH[1]} connections, but a process may have only $descriptors descriptors." >&2
	exit 1
fi
ulimit -n "$descriptors"
export PINION_STORM=$plan PINION_SHORTAGE=${PINION_SHORTAGE:-40 400 9}

# In a network of its own the kernel counts nothing but what the storm does, and no reset may be among it. Nothing can be
# downloaded there, so everything is built here.
go test -c -o /dev/null ./cmd/pinion/storm
storm() { "${alone[@]}" go test -count 1 -v -timeout 3h -run "$1" ./cmd/pinion/storm; }
alone=()
if unshare --net ip link set lo up 2>/dev/null; then
	export PINION_STORM_NETWORK=own
	alone=(unshare --net sh -c 'ip link set lo up && exec "$@"' storm)
fi
storm '^(TestStorm|TestFaults|TestE2EShortage)$'
PINION_STORM=$encrypted storm '^TestStorm$'
