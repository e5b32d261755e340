# Sourced by run.sh: units that an administrator may write, other than ours.

# master prints the pid of the master that serves, which need not be the process that systemd supervises.
master() { inside pinion status --json | sed -n 's/^ *"pid": *\([0-9]*\).*/\1/p' | head -n 1; }
another_master() { local now; now=$(master 2>/dev/null) && [[ $now && $now != "$1" ]] && answers; }

active() { [[ $(service ActiveState) == active ]]; }

# supervised fails unless systemd supervises a process that lives.
supervised() {
	within $patience active || fail "$1: the service is $(service ActiveState)"
	inside kill -0 "$(service MainPID)" || fail "$1: systemd supervises nobody"
}

# variant shows that upgrades lose nothing, that stops and restarts leave nothing, and that a killed master is followed by
# another one.
variant() { # NAME SETTING…
	local name=$1 now before round
	shift
	step "$name: upgrades lose nothing, a restart is one, a killed master is replaced"
	inside systemctl stop pinion
	override "$@"
	started "as $name"
	within $patience answers || fail "$name: no answer"
	crowd_begin
	for ((round = 1; round <= rounds; round++)); do
		upgrade_by_hand || fail "$name: upgrade $round fails: $(<"$work/upgrade.log")"
		crowd_goes_on "$name, after upgrade $round"
		supervised "$name, after upgrade $round"
		inside pinion reload >/dev/null || fail "$name: reload $round fails"
	done
	crowd_goes_on "$name, after $rounds reloads"
	crowd_end "$name"

	now=$(cursor)
	before=$(master)
	inside systemctl restart pinion || fail "$name: systemctl restart fails"
	unkilled "$now" "$name: restart"
	within $patience another_master "$before" || fail "$name: the master is still $before after a restart"
	settled

	upgrade_by_hand || fail "$name: the upgrade fails: $(<"$work/upgrade.log")"
	before=$(master)
	inside kill -9 "$before"
	within $patience another_master "$before" || fail "$name: nothing follows the master $before"
	supervised "$name, after the end of its master"

	upgrade_by_hand || fail "$name: the upgrade fails: $(<"$work/upgrade.log")"
	now=$(cursor)
	inside systemctl stop pinion || fail "$name: systemctl stop fails"
	clean "$now" "$name: stop"
}

unsupervised=(NotifyAccess=none WatchdogSec=0 FileDescriptorStoreMax=0)
variant "NotifyAccess=main" NotifyAccess=main
variant "KillMode=mixed" KillMode=mixed
variant "KillMode=control-group" KillMode=control-group
variant "Type=simple" Type=simple "${unsupervised[@]}"
variant "Type=forking" Type=forking "${unsupervised[@]}" PIDFile=/run/pinion/pinion.pid ExecStart= \
	'ExecStart=/usr/bin/pinion $PINION_OPTIONS -d -p /run/pinion/pinion.pid -o /var/log/pinion/pinion.log -c /etc/pinion/pinion.yml'
override
started "again"
