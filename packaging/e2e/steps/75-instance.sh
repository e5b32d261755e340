# Sourced by run.sh: another instance beside the first one.

step "an upgrade takes instances along"
other=127.0.0.1:22131
sed "s/$proxy/$other/" "$here/pinion.yml" >"/proc/$leader/root/etc/pinion/other.yml"
echo 'PINION_OPTIONS="--stats-addr 127.0.0.1 --stats-port 22232"' >"/proc/$leader/root/etc/default/pinion-other"
inside systemctl start pinion || fail "the service does not start"
inside systemctl start pinion@other || fail "the instance does not start"
crowd_begin -address $other
before=$(service MainPID)
before_other=$(inside systemctl show --value -p MainPID pinion@other)
install_package "$newer"
replaced "$before" 1.0.1-e2e
now_other=$(inside systemctl show --value -p MainPID pinion@other)
[[ $now_other != "$before_other" && $now_other != 0 ]] || fail "the instance was not upgraded: $(<"$work/dpkg.log")"
crowd_end "of an instance"
inside systemctl stop pinion@other pinion
inside rm /etc/pinion/other.yml /etc/default/pinion-other
