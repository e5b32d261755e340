# Sourced by run.sh: the watchdog bites who hangs, and nobody else.

interval=3
step "after an upgrade the watchdog is content for three intervals of $interval seconds"
override "WatchdogSec=$interval"
inside systemctl restart pinion || fail "the service does not start with WatchdogSec=$interval"
crowd_begin
before=$(service MainPID)
install_package "$newer"
replaced "$before" 1.0.1-e2e
before=$(service MainPID)
sleep $((3 * interval))
serving "$before"
crowd_goes_on "under the eyes of the watchdog"

step "a master that hangs is replaced, and the clients do not notice"
crash STOP
grep -q "Watchdog timeout" < <(inside journalctl --no-pager -u pinion) || fail "it was not the watchdog"
crowd_end "while the master hung"
override
