# Sourced by run.sh: systemctl reload tells the truth.

crowd_begin
step "a reload of an invalid configuration fails, says why, and changes nothing"
before=$(service MainPID)
sed -i 's/redis: true/redis: perhaps/' "/proc/$leader/root/etc/pinion/pinion.yml"
inside systemctl reload pinion 2>"$work/reload.log" && fail "systemctl reload says that all is well"
inside systemctl status --no-pager --full -n 0 pinion >"$work/status.log" || true
grep -q 'Status:.*redis' "$work/status.log" || fail "systemctl status does not give the reason: $(<"$work/status.log")"
note "$(grep -o 'Status: .*' "$work/status.log" | head -c 150)"
serving "$before"
crowd_goes_on "after a reload that was refused"

step "the corrected file is loaded"
configure
inside systemctl reload pinion || fail "systemctl reload fails: $(inside systemctl status --no-pager -n 5 pinion)"
serving "$before"
crowd_end "around a reload that was refused"
