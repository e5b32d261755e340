# Sourced by run.sh: stops and restarts right after upgrades, and in the middle of them, while clients ask.

# pester_begin has clients that connect again when they are cut off: a stop ends every connection.
pester_begin() {
	inside systemd-run --quiet --unit pester --service-type exec --property LimitNOFILE=4096 --property StandardOutput=null \
		--property StandardError=null /usr/local/bin/load -address $proxy -prefix pester -again
}
pester_end() { inside systemctl stop pester; }

# upgrade_meanwhile begins an upgrade, and returns at some moment of it, if not after it.
upgrade_meanwhile() {
	upgrade_by_hand &
	upgrading=$!
	sleep "0.0$((RANDOM % 7))$((RANDOM % 10))"
}

step "$stops stops and starts right after an upgrade, and as many in the middle of one"
pester_begin
for ((i = 1; i <= 2 * stops; i++)); do
	now=$(cursor)
	if ((i % 2)); then
		upgrade_by_hand || fail "upgrade $i fails: $(<"$work/upgrade.log")"
	else
		upgrade_meanwhile
	fi
	inside systemctl stop pinion || fail "systemctl stop fails in round $i"
	clean "$now" "stop $i"
	((i % 2)) || wait $upgrading || true # it was given up, or done
	started "after stop $i"
	answers || fail "no answer after start $i"
done

step "$stops restarts right after an upgrade, and as many in the middle of one"
for ((i = 1; i <= 2 * stops; i++)); do
	now=$(cursor)
	before=$(service MainPID)
	if ((i % 2)); then
		upgrade_by_hand || fail "upgrade $i fails: $(<"$work/upgrade.log")"
	else
		upgrade_meanwhile
	fi
	inside systemctl restart pinion || fail "systemctl restart fails in round $i"
	unkilled "$now" "restart $i"
	((i % 2)) || wait $upgrading || true
	[[ $(service MainPID) != "$before" ]] || fail "after restart $i the main process is still $before"
	serving
	settled
	answers || fail "no answer after restart $i"
	! grep -q 'earlier master' < <(journal_since "$now") || fail "restart $i was none: workers were taken over"
done
note "$((2 * stops)) stops, $((2 * stops)) restarts: no SIGKILL, no process left, no failed start"
pester_end

step "a restart with a broken file right after an upgrade fails, and serves nobody"
upgrade_by_hand || fail "the upgrade fails: $(<"$work/upgrade.log")"
sed -i 's/redis: true/redis: perhaps/' "/proc/$leader/root/etc/pinion/pinion.yml"
! inside systemctl restart pinion 2>"$work/restart.log" || fail "systemctl restart says that all is well"
within $patience nobody_left || fail "processes are left: $(processes)"
configure
inside systemctl reset-failed pinion
started "with the corrected file"
