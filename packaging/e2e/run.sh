#!/usr/bin/env bash
# Proves on a real systemd, with real packages, what Pinion promises an operator: installs, upgrades, downgrades, broken
# packages, reloads, crashes and the end, each while clients count what they are told. It takes a few minutes; the first
# time it unpacks a Debian, which is kept. Given the numbers of some files in steps/, it takes no others: 10 and what one
# wants. In the environment:
#   E2E_UPGRADES   how many upgrades are done in a row (5)
#   E2E_CRASHES    how often a master is killed at a random moment of a reload, and of an upgrade (3)
#   E2E_STOPS      how often the service is stopped, and restarted, right after an upgrade and in the middle of one (3)
#   E2E_ROUNDS     how many reloads and upgrades there are under each other kind of unit, and under socket activation (2)
#   E2E_PACKAGES   where the packages are (bin/packages)
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/../.."
here=$PWD/packaging/e2e
work=$PWD/bin/e2e
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pinion-e2e
upgrades=${E2E_UPGRADES:-5}
crashes=${E2E_CRASHES:-3}
stops=${E2E_STOPS:-3}
rounds=${E2E_ROUNDS:-2}
packages=${E2E_PACKAGES:-bin/packages}

if ((EUID != 0)); then
	echo "A machine with its own process 1 needs root. Please run: sudo make e2e" >&2
	exit 1
fi
. packaging/ci/need.sh
need debootstrap command -v debootstrap
need util-linux command -v unshare
need util-linux command -v nsenter
need util-linux command -v setpriv
need iproute2 command -v ip
need dpkg command -v dpkg-deb
need debian-archive-keyring test -e /usr/share/keyrings/debian-archive-keyring.gpg
install_needed "make e2e"

mkdir -p "$work" "$cache"
exec 9>"$work/lock"
flock --nonblock 9 || { echo "another run is under way in $work" >&2 && exit 1; }
find "$work" -mindepth 1 ! -name lock -delete

. "$here/machine.sh"
. "$here/packages.sh"
. "$here/proof.sh"

# The journal is the first thing that one wants to read after a failure.
end() {
	[[ $leader ]] && { inside journalctl --no-pager -o short-precise >"$work/journal.log" 2>/dev/null || true; }
	machine_end
	rm -rf "$work"/*.deb "$work"/binary-* "$work/later"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

began=$SECONDS
machine_possible
CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$work/load" ./packaging/e2e/load
make_packages
machine_build
machine_boot
put "$work/load" /usr/local/bin/
for port in 6379 6380; do
	inside systemd-run --quiet --unit redis-$port --service-type exec \
		redis-server --port $port --save '' --appendonly no --bind 127.0.0.1
done
for file in "$here"/steps/*.sh; do
	[[ $# == 0 || " $* " == *" $(basename "$file" | cut -d- -f1) "* ]] && . "$file"
done
echo "proven in $((SECONDS - began)) seconds"
