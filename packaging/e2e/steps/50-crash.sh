# Sourced by run.sh: the master dies, the clients do not notice.

# crash_during kills the main process with SIGKILL at any moment of a command that replaces what runs.
crash_during() { # COMMAND…
	local before
	before=$(service MainPID)
	inside sh -c "$* >/run/crowd/command 2>&1 & sleep 0.0$((RANDOM % 7))$((RANDOM % 10)); kill -9 $before 2>/dev/null || true"
	within $patience restarted "$before" || fail "nothing follows the main process $before that was killed during $*"
	crowd_goes_on "after the end of the main process by SIGKILL during $*"
	settled
	inside systemctl reload pinion || fail "after a crash during $* the service cannot be reloaded"
}

crowd_begin
step "kill -9 of the master loses nothing, and once more"
crash KILL
crash KILL

step "kill -9 of the master more often than systemd restarts a service by itself"
for ((i = 1; i <= 6; i++)); do
	before=$(service MainPID)
	inside kill -9 "$before"
	within $patience restarted "$before" || fail "nothing was started in place of the main process $before, crash $i"
done
crowd_goes_on "after six crashes in a row"
settled

step "kill -9 of a master that has only just begun loses nothing"
before=$(service MainPID)
inside kill -9 "$before"
within $patience restarted "$before" || fail "nothing was started in place of the main process $before"
before=$(service MainPID)
inside kill -9 "$before"
within $patience restarted "$before" || fail "nothing was started in place of the main process $before, which had just begun"
crowd_goes_on "after two crashes at once"
settled

step "kill -9 of the master in the middle of a reload, $crashes times"
for ((i = 1; i <= crashes; i++)); do crash_during pinion reload; done

step "kill -9 of the old master in the middle of an upgrade, $crashes times"
for ((i = 1; i <= crashes; i++)); do crash_during pinion upgrade; done

step "kill -9 of the master when its configuration has become invalid loses nothing"
sed -i 's/redis: true/redis: perhaps/' "/proc/$leader/root/etc/pinion/pinion.yml"
before=$(service MainPID)
inside kill -9 "$before"
within $patience restarted "$before" || fail "nothing was started in place of the main process $before"
crowd_goes_on "after a crash with an invalid configuration"
configure
inside systemctl reload pinion || fail "the corrected configuration is not loaded"
settled

step "an upgrade follows a crash as if nothing had been"
before=$(service MainPID)
restarts=$(service NRestarts)
install_package "$older"
replaced "$before" 1.0.0-e2e "$restarts"
crowd_end "around crashes"
