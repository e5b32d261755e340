# Sourced by run.sh: Pinion takes over from nutcracker, whose package is installed, too, by the commands in MOVING.md.

# documented prints the commands in a block of the section on taking over, as they are installed.
documented() { # BLOCK
	inside sed -n '/^### Under systemd/,/^### In a container/p' /usr/share/doc/pinion/MOVING.md |
		awk -v want="$1" '/^```/ { n++; next } n == 2 * want - 1'
}

step "Pinion takes over from nutcracker, and nobody is refused"
inside systemctl disable --now pinion 2>/dev/null
inside cp -a /etc/default/pinion /root/default
sed '/^global:/,/^$/d' "$here/pinion.yml" >"/proc/$leader/root/etc/nutcracker/nutcracker.yml"
inside systemctl start nutcracker
within $patience answers || fail "nutcracker does not answer"
crowd_begin
inside sh -ec "$(documented 1)" || fail "the documented commands fail"
serving
crowd_goes_on "with Pinion beside nutcracker"
inside systemctl reload pinion || fail "systemctl reload fails with a socket of nutcracker's"
inside pinion upgrade >/dev/null || fail "an upgrade fails with a socket of nutcracker's"
crowd_goes_on "after a reload and an upgrade with a socket of nutcracker's"
inside pinion status | grep -Eq '^ +[01] .*serving .* [1-9][0-9]*$' || fail "Pinion serves none of the new connections"
crowd_end "while Pinion took over from nutcracker"

step "nutcracker ends, and Pinion serves on"
inside sh -ec "$(documented 2)" 2>/dev/null || fail "the documented commands fail"
answers || fail "no answer after the end of nutcracker"
serving
inside cp -a /root/default /etc/default/pinion
configure
inside systemctl restart pinion || fail "it does not start again with a socket of nutcracker's"
inside systemctl stop pinion
inside systemctl start pinion || fail "it does not start again with sockets of its own"
within $patience answers || fail "no answer from sockets of its own"
