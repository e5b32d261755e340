# Sourced by run.sh: Pinion takes over from nutcracker, whose package is installed, too, by the commands in MOVING.md.

# documented prints the commands in a block of a section, as they are installed.
documented() { # SECTION BLOCK
	inside cat /usr/share/doc/pinion/MOVING.md |
		awk -v section="$1" -v want="$2" '/^#+ / { in_it = $0 == section } !in_it { next } /^```/ { n++; next } n == 2 * want - 1'
}

step "Pinion takes over from nutcracker, and nobody is refused"
inside systemctl disable --now pinion 2>/dev/null
inside cp -a /etc/default/pinion /root/default
sed '/^global:/,/^$/d' "$here/pinion.yml" >"/proc/$leader/root/etc/nutcracker/nutcracker.yml"
inside systemctl start nutcracker
within $patience answers || fail "nutcracker does not answer"
crowd_begin
inside sh -ec "$(documented "### Under systemd" 1)" || fail "the documented commands fail"
serving
crowd_goes_on "with Pinion beside nutcracker"
inside systemctl reload pinion || fail "systemctl reload fails with a socket of nutcracker's"
inside pinion upgrade >/dev/null || fail "an upgrade fails with a socket of nutcracker's"
crowd_goes_on "after a reload and an upgrade with a socket of nutcracker's"
has_clients() { inside pinion status | grep -Eq '^ +[01] .*serving {3,}[^ ]+( [^ ]+)* {3,}[1-9]'; } # those that connect anew, who come and go
within $patience has_clients || fail "Pinion serves none of the new connections"
crowd_end "while Pinion took over from nutcracker"

step "a restart and a crash leave nutcracker what it has"
statistics_of_nutcracker() { # four in a row, or Pinion answers in turns with it
	for _ in 1 2 3 4; do inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/22222; cat <&3' | grep -q '"0\.5\.0"' || return 1; done
}
statistics_of_nutcracker || fail "Pinion answers on nutcracker's statistics port"
inside systemctl restart pinion || fail "it does not start again while nutcracker has the sockets, too"
serving
statistics_of_nutcracker || fail "after a restart Pinion answers on nutcracker's statistics port"
before=$(service MainPID)
inside kill -KILL "$before"
within $patience restarted "$before" || fail "nothing was started in place of the main process $before"
statistics_of_nutcracker || fail "after a crash Pinion answers on nutcracker's statistics port"
answers || fail "no answer after a crash"

step "nutcracker ends, and Pinion serves on"
inside sh -ec "$(documented "### Under systemd" 2)" 2>/dev/null || fail "the documented commands fail"
answers || fail "no answer after the end of nutcracker"
serving "$(service MainPID)" 1
inside systemctl restart pinion || fail "it does not start again with a socket of nutcracker's"
within $patience answers || fail "no answer after a restart with a socket of nutcracker's"

step "Pinion gives the sockets back to nutcracker, and nobody is refused"
inside systemd-run --quiet --unit passing sh -c \
	"while :; do redis-cli -h ${proxy%:*} -p ${proxy##*:} INCR fresh | grep -qx '[0-9]*' || echo refused >>/root/refused; done"
inside sh -ec "$(documented "## Back" 2)" 2>/dev/null || fail "the documented commands fail"
within $patience inside sh -c '! systemctl is-active --quiet pinion' || fail "Pinion has not ended"
inside systemctl is-active --quiet nutcracker || fail "nutcracker is not active"
answers || fail "nutcracker does not answer"
inside systemctl stop passing
inside test ! -e /root/refused || fail "somebody was refused"
inside sh -ec "$(documented "### Under systemd" 1)" || fail "the sockets cannot be taken once more"
serving
inside systemctl stop pinion
answers || fail "nutcracker does not answer after Pinion has come and gone once more"
inside systemctl restart nutcracker || fail "nutcracker does not start again by its own unit"
inside systemctl disable --now nutcracker 2>/dev/null
inside cp -a /root/default /etc/default/pinion
configure
inside systemctl start pinion || fail "it does not start again with sockets of its own"
within $patience answers || fail "no answer from sockets of its own"
