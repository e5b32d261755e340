# A machine to install packages on: a real systemd as process 1 of namespaces of its own, above a Debian that is unpacked
# once and never written to. Everything in it, mounts included, ends with its process 1.
#
# Sourced. The caller sets $cache (where the Debian is kept) and $work (logs and state of this run).

debian=bookworm
fixtures=systemd,systemd-sysv,dbus,iproute2,procps,redis-server,redis-tools,logrotate,rpm,nutcracker,python3
masked=(redis-server.service logrotate.timer apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
	fstrim.timer man-db.timer)
machine_root=$cache/root-$debian-$(sha256sum <<<"$fixtures ${masked[*]}" | head -c 12)

leader=     # process 1 of the machine, as it is numbered here
supervisor= # the process that waits for it
hierarchy=  # the cgroups of version 2, which may be beside hierarchies of version 1
cgroup=     # where all processes of the machine are accounted
namespaces=(--pid --mount --net --uts --ipc --cgroup --propagation private)
patience=60 # seconds: how long a busy machine may take for what a quiet one does within one

# machine_possible says what is missing for a machine, before work is put into anything.
machine_possible() {
	local said container="In a container this takes all privileges, like those of docker run --privileged."
	if ! said=$(unshare --fork "${namespaces[@]}" mount -t tmpfs tmpfs /mnt 2>&1); then
		echo "A machine needs namespaces and mounts of its own, but: $said. $container" >&2
		return 1
	fi
	for hierarchy in /sys/fs/cgroup/unified /sys/fs/cgroup; do
		[[ ! -e $hierarchy/cgroup.procs ]] || break
	done
	if [[ ! -e $hierarchy/cgroup.procs ]]; then
		echo "A machine needs a cgroup of version 2, but $hierarchy has none." >&2
		return 1
	fi
	local killed
	for killed in $(find "$hierarchy" -maxdepth 1 -name 'pinion-e2e.*' -mmin +10); do # by runs that could not clean up
		! cgroup_is_empty "$killed" || cgroup_remove "$killed"
	done
	if ! said=$(mktemp -d "$hierarchy/pinion-e2e.XXXXXX" 2>&1); then
		echo "A machine needs a cgroup of version 2, but: $said. $container" >&2
		return 1
	fi
	cgroup=$said
}

# machine_build unpacks the Debian, unless that was done before.
machine_build() {
	exec 8>"$cache/lock" # another checkout may be doing the same
	flock 8
	[[ -e $machine_root ]] || machine_unpack
	exec 8>&-
}

machine_unpack() {
	echo "unpacking Debian $debian, which is kept in $machine_root"
	local new=$machine_root.new
	rm -rf "$new"
	# What debootstrap mounts goes with it, even if it is killed.
	unshare --mount --propagation private \
		debootstrap --variant=minbase --include=$fixtures $debian "$new" >"$work/debootstrap.log" 2>&1 || {
		tail -n 20 "$work/debootstrap.log" >&2
		echo "Debian cannot be unpacked, see above; it comes over the network. All of it: $work/debootstrap.log" >&2
		return 1
	}
	chroot "$new" systemctl mask "${masked[@]}" >/dev/null 2>&1
	chroot "$new" apt-get clean
	mkdir -p "$new/var/log/journal" # or the journal would be lost with /run
	mv "$new" "$machine_root"
}

# machine_boot starts the machine and returns when it has started everything. What it writes is in memory.
machine_boot() {
	(
		echo $BASHPID >"$cgroup/cgroup.procs"
		# Who kills this script kills the machine, and does not leave a lock to it.
		exec setpriv --pdeathsig KILL setsid unshare --fork --kill-child=KILL "${namespaces[@]}" \
			bash -e "$here/init.sh" "$machine_root" "$work" <>/dev/null >"$work/console.log" 2>&1 9>&-
	) &
	supervisor=$!
	within $patience machine_has_begun && leader=$(cat "$work/leader" 2>/dev/null) || {
		echo "no machine: $(<"$work/console.log")" >&2
		return 1
	}
	within $patience machine_is_up || {
		echo "the machine does not boot: $(inside systemctl --failed 2>&1) $(<"$work/console.log")" >&2
		return 1
	}
	inside ip link set lo up
}

# machine_has_begun is true as well when nothing will begin any more.
machine_has_begun() { [[ -s $work/leader ]] || ! kill -0 "$supervisor" 2>/dev/null; }

machine_is_up() { [[ $(inside systemctl is-system-running 2>/dev/null) == running ]]; }

# machine_end ends all processes of the machine at once, and with them its mounts.
machine_end() {
	if [[ $leader ]]; then
		kill -KILL "$leader" 2>/dev/null || true
	elif [[ $supervisor ]]; then
		kill -KILL "$supervisor" 2>/dev/null || true
	fi
	[[ $supervisor ]] && { wait "$supervisor" 2>/dev/null || true; }
	if [[ -d $cgroup ]]; then
		within $patience cgroup_is_empty "$cgroup" || echo "processes are left in $cgroup" >&2
		cgroup_remove "$cgroup"
	fi
	leader= supervisor= cgroup=
}

# cgroup_is_empty is true once no process is left, not even a dead one.
cgroup_is_empty() { ! grep -q populated.1 "$1/cgroup.events"; }

cgroup_remove() { find "$1" -depth -type d -exec rmdir {} \;; }

# inside runs a command on the machine. Its root has to be named: if this is a chroot, the namespace has another one.
inside() {
	nsenter --target "$leader" --all --root --wd -- \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive SYSTEMD_PAGER= "$@"
}

# put copies files of ours to a directory of the machine.
put() { cp "${@:1:$#-1}" "/proc/$leader/root/${*: -1}"; }

# within waits until a command succeeds, for so many seconds at most.
within() {
	local until=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		((SECONDS < until)) || return 1
		sleep 0.02
	done
}
