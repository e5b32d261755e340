# Sourced by run.sh: the administrator has changed the configuration, and so has the package.

config=/proc/$leader/root/etc/pinion/pinion.yml

# upgraded_with fails unless that version serves everybody by that configuration.
upgraded_with() { # BEFORE VERSION FILE
	replaced "$1" "$2"
	cmp -s "$3" "$config" || fail "pinion.yml is not $(basename "$3"); dpkg said: $(<"$work/dpkg.log")"
	crowd_goes_on "after an upgrade to $2 with $(basename "$3")"
}

install_package "$older"
configure
inside systemctl reload pinion || fail "systemctl reload fails"
crowd_begin

step "--force-confold keeps the administrator's configuration, and the package's is beside it"
before=$(service MainPID)
install_package "$beta" --force-confold
upgraded_with "$before" 1.0.1-e2e "$here/pinion.yml"
cmp -s "$work/conffile-beta" "$config.dpkg-dist" || fail "pinion.yml.dpkg-dist is not what the package has"
! answers "$at_beta" || fail "a configuration is in force that was not chosen"

step "dpkg that has nobody to ask fails, and what runs serves on until it is told"
before=$(service MainPID)
put "$gamma" /root/package.deb
! inside dpkg -i /root/package.deb >"$work/dpkg.log" 2>&1 </dev/null || fail "dpkg has not asked: $(<"$work/dpkg.log")"
serving "$before"
crowd_goes_on "after dpkg had nobody to ask"
inside dpkg --force-confold --configure pinion >"$work/dpkg.log" 2>&1 || fail "dpkg --configure fails: $(<"$work/dpkg.log")"
upgraded_with "$before" 1.0.0-e2e "$here/pinion.yml"

step "dpkg asks, and N keeps the administrator's configuration"
before=$(service MainPID)
install_answering "$beta" N
upgraded_with "$before" 1.0.1-e2e "$here/pinion.yml"
! answers "$at_beta" || fail "a configuration is in force that was not chosen"

step "dpkg asks, and Y takes the package's configuration"
before=$(service MainPID)
install_answering "$gamma" Y
upgraded_with "$before" 1.0.0-e2e "$work/conffile-gamma"
cmp -s "$here/pinion.yml" "$config.dpkg-old" || fail "pinion.yml.dpkg-old is not what the administrator had"
answers "$at_gamma" || fail "the package's configuration is not in force"

step "--force-confnew takes it without asking"
configure
inside systemctl reload pinion || fail "systemctl reload fails"
before=$(service MainPID)
install_package "$beta" --force-confnew
upgraded_with "$before" 1.0.1-e2e "$work/conffile-beta"
answers "$at_beta" || fail "the package's configuration is not in force"
! answers "$at_gamma" || fail "the configuration of before is still in force"

configure
inside systemctl reload pinion || fail "systemctl reload fails"
crowd_end "over all choices of a configuration"
