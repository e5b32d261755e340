# Sourced by run.sh: what the unit denies to the service.

step "systemd-analyze is content with the unit"
inside systemd-analyze verify --man=no pinion.service || fail "systemd-analyze verify objects"
inside systemd-analyze security --offline=true --threshold=15 --no-pager /lib/systemd/system/pinion.service \
	>"$work/security.log" || fail "the exposure is above 1.5, see $work/security.log"
note "$(tail -n 1 "$work/security.log")"
