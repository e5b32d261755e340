#!/usr/bin/env bash
# Makes the image without a program for containers, by the lines of the Containerfile, and runs it as pid 1 as an engine
# does: another root, read only, another user, and a configuration that is mounted as a ConfigMap is. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ((EUID != 0)); then
	echo "Another root and a process 1 need root. Please run: sudo make container" >&2
	exit 1
fi
. packaging/ci/need.sh
need util-linux command -v unshare
need util-linux command -v nsenter
need redis-server command -v redis-server
need curl command -v curl
need procps command -v pgrep
install_needed "make container"

file=packaging/container/Containerfile
work=$(mktemp -d)
image=$work/image
children=()
end() {
	for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
	rm -rf "$work"
}
trap end EXIT
fail() {
	echo "$*" >&2
	cat "$work"/log* >&2
	exit 1
}
within() { # SECONDS COMMAND…
	local until=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < until)) || return 1
		sleep 0.05
	done
}

# What RUN says from the build on, for a root of our own.
export VERSION=${VERSION:-$(packaging/ci/version.sh)}
sed -n 's/^RUN //p' "$file" | grep root-of-image | sed "s|/root-of-image|$image|" >"$work/build.sh"
bash -eu "$work/build.sh"
words() { sed -n "s/^$1 \[\(.*\)\]$/\1/p" "$file" | tr -d '",'; }
read -r -a command <<<"$(words ENTRYPOINT) $(words CMD)"
owner=$(sed -n 's/^USER //p' "$file")

# The volume of a ConfigMap: a link to a link, of which the latter is replaced.
redis-server --port 26379 --bind 127.0.0.1 --save '' >/dev/null &
children+=($!)
volume=$image/etc/pinion
configure() { # NUMBER TIMEOUT
	mkdir "$volume/..$1"
	sed -e 's/redis-[01]:6379/127.0.0.1:26379/; /redis-1/d' -e "s/timeout: .*/timeout: $2/" \
		-e 's/^global:/global:\n  drain_delay: 1000/' packaging/container/pinion.yml >"$volume/..$1/pinion.yml"
	ln -s "..$1" "$volume/..new"
	mv -T "$volume/..new" "$volume/..data"
}
rm "$volume/pinion.yml"
ln -s ..data/pinion.yml "$volume/pinion.yml"
configure 1 400

mkdir "$image/proc" "$image/dev"
start() { # LOG OPTION…
	unshare --pid --fork --kill-child --mount bash -c '
		mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && mount -t proc proc "$0/proc" && cd "$0"
		mount -t tmpfs tmpfs dev && touch dev/null && mount --bind /dev/null dev/null && ln -s /proc/self/fd/1 dev/stdout
		exec chroot --userspec="$1" . "${@:2}"' "$image" "$owner" "${command[@]}" "${@:2}" >"$work/$1" 2>"$work/$1.err" &
	engine=$!
	children+=("$engine")
	within 10 ready || fail "the container does not become ready"
	first=$(pgrep -P "$engine")
}
inside() { nsenter -t "$first" --pid --root --setuid "${owner%:*}" --setgid "${owner#*:}" "$@"; }
ready() { [[ $(curl -s http://127.0.0.1:22223/readyz) == ready ]]; }
leaving() { [[ $(curl -s http://127.0.0.1:22223/readyz) == "about to drain"* ]]; }
pong() { [[ $(redis-cli -p 22121 PING) == PONG ]]; }
serves() { inside pinion status | grep -q "generation $1,"; }
zombies() { ps -o stat= --ppid "$first" | grep -c ^Z || true; }

start log
pong || fail "it does not answer"
[[ $(cat "$work/log") == "" && -s $work/log.err ]] || fail "the log is not on stderr"
serves 1 || fail "its status is not found"
configure 2 500
within 20 serves 2 || fail "a change of the ConfigMap is no reload"
inside pinion upgrade || fail "no upgrade"
nsenter -t "$first" --pid sh -c 'sleep 0.1 & sleep 0.1 &' # who is left to process 1
within 10 eval '(($(zombies) == 0))' || fail "zombies are left"
inside pinion drain --after 1h
within 5 leaving || fail "a drain is not told to load balancers"
inside pinion drain --undo
within 5 ready || fail "it is not ready again"
kill -TERM "$first"
within 5 leaving || fail "SIGTERM is not told to load balancers"
pong || fail "nobody is served after SIGTERM"
wait "$engine" || fail "after SIGTERM it ends with status $?"

start log2 -o /dev/stdout
within 5 test -s "$work/log2" || fail "the log is not on stdout"
kill -INT "$first"
wait "$engine" || fail "after SIGINT it ends with status $?"
echo "the image runs as process 1"
