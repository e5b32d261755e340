# A machine to install packages on: a real systemd as process 1 of namespaces of its own, above a Debian that is unpacked
# once and never written to. Everything in it, mounts included, ends with its process 1.
#
# Sourced. The caller sets $cache (where the Debian is kept) and $work (logs and state of this run).

debian=bookworm
fixtures=systemd,systemd-sysv,dbus,iproute2,procps,redis-server,redis-tools,logrotate,rpm
masked=(redis-server.service logrotate.timer apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
	fstrim.timer man-db.timer)
machine_root=$cache/root-$debian-$(sha256sum <<<"$fixtures ${masked[*]}" | head -c 12)

leader=     # process 1 of the machine, as it is numbered here
supervisor= # the process that waits for it
cgroup=     # where all of them are accounted

# machine_build unpacks the Debian, unless that was done before.
machine_build() {
	[[ -e $machine_root ]] && return
	echo "unpacking Debian $debian, which is kept in $machine_root"
	local new=$machine_root.new
	rm -rf "$new"
	debootstrap --variant=minbase --include=$fixtures $debian "$new" >"$work/debootstrap.log" 2>&1 || {
		tail -n 20 "$work/debootstrap.log" >&2
		return 1
	}
	chroot "$new" systemctl mask "${masked[@]}" >/dev/null 2>&1
	chroot "$new" apt-get clean
	mkdir -p "$new/var/log/journal" # or the journal would be lost with /run
	mv "$new" "$machine_root"
}

# machine_boot starts the machine and returns when it has started everything. What it writes is in memory.
machine_boot() {
	local hierarchy=/sys/fs/cgroup
	[[ -d $hierarchy/unified ]] && hierarchy=$hierarchy/unified # beside hierarchies of version 1
	cgroup=$hierarchy/pinion-e2e.$$
	mkdir "$cgroup"
	mkfifo "$work/leader"
	(
		echo $BASHPID >"$cgroup/cgroup.procs"
		exec setsid unshare --fork --kill-child=KILL --pid --mount --net --uts --ipc --cgroup --propagation private \
			bash -e "$here/init.sh" "$machine_root" "$work" <>/dev/null >"$work/console.log" 2>&1
	) &
	supervisor=$!
	read -r -t 10 leader <"$work/leader" || { echo "no machine: $(<"$work/console.log")" >&2 && return 1; }
	within 30 machine_is_up || { echo "the machine does not boot: $(inside systemctl --failed 2>&1)" >&2 && return 1; }
	inside ip link set lo up
}

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
		within 5 cgroup_is_empty || echo "processes are left in $cgroup" >&2
		find "$cgroup" -depth -type d -exec rmdir {} \;
	fi
	leader= supervisor= cgroup=
}

# cgroup_is_empty is true once no process is left, not even a dead one.
cgroup_is_empty() { ! grep -q populated.1 "$cgroup/cgroup.events"; }

# inside runs a command on the machine.
inside() {
	nsenter --target "$leader" --all -- \
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
