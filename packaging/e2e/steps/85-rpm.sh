# Sourced by run.sh: the rpm. Debian has no use for its dependencies, but rpm and systemd are the real ones here.

rpm_installs() { # OPTION PACKAGE
	put "$2" /root/package.rpm
	inside rpm "$1" --nodeps --force-debian --oldpackage /root/package.rpm >"$work/dpkg.log" 2>&1 </dev/null ||
		fail "rpm $1 $(basename "$2") fails: $(<"$work/dpkg.log")"
}

step "the rpm is whole"
put "$released_rpm" /root/package.rpm
inside rpm -K --nosignature /root/package.rpm >"$work/rpm.log" 2>&1 || fail "rpm -K objects: $(<"$work/rpm.log")"
note "$(sed 's/.*: //' "$work/rpm.log")"

step "an rpm serves within two seconds"
inside systemctl stop pinion
inside dpkg --purge pinion >"$work/dpkg.log" 2>&1 || fail "dpkg --purge fails: $(<"$work/dpkg.log")"
left=$(left_of_the_package)
[[ ! $left ]] || fail "a purge leaves files: $left"
inside userdel pinion # the rpm makes its own
rpm_installs_freshly() {
	rpm_installs -i "$released_rpm"
	inside systemctl start pinion || fail "the service does not start"
	within $patience answers || fail "no answer on $proxy"
}
rpm_goes() { inside rpm -e pinion >"$work/dpkg.log" 2>&1 || fail "rpm -e fails: $(<"$work/dpkg.log")"; }
timely "from rpm to the first reply" rpm_installs_freshly rpm_goes
configure
inside systemctl reload pinion || fail "systemctl reload fails"

step "an upgrade and a downgrade of the rpm lose nothing"
crowd_begin
first=$(running_version)
before=$(service MainPID)
rpm_installs -U "$later_rpm"
replaced "$before" "$later"
crowd_goes_on "after the upgrade"
cmp -s "$here/pinion.yml" "/proc/$leader/root/etc/pinion/pinion.yml" || fail "pinion.yml has changed"
before=$(service MainPID)
rpm_installs -U "$released_rpm"
replaced "$before" "$first"
crowd_end "over the rpms"

step "the removal of the rpm leaves no process"
rpm_goes
within $patience nobody_left || fail "processes are left: $(processes)"
left=$(left_of_the_package | sort | xargs)
[[ ${left% /var/log/pinion} == "/etc/pinion /etc/pinion/pinion.yml.rpmsave" ]] ||
	fail "more is left than logs and the changed configuration: $left"
inside rm -rf /etc/pinion /var/log/pinion
