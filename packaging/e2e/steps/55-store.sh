# Sourced by run.sh: what systemd keeps for the next master, under which name, and what happens when it keeps too little.

config=/proc/$leader/root/etc/pinion/pinion.yml

# two_pools writes a configuration with the old address under one name, and perhaps another one.
two_pools() { # NAME-AT-22121 [NAME-AT-22141]
	sed "s/^alpha:/$1:/" "$here/pinion.yml" >"$config"
	[[ -z ${2-} ]] || sed -n '/^alpha:/,$p' "$here/pinion.yml" | sed "s/^alpha:/$2:/; s/22121/22141/" >>"$config"
	inside systemctl reload pinion || fail "systemctl reload fails: $(inside systemctl status --no-pager -n 5 pinion)"
}

kept() { service NFileDescriptorStore; }
keeps() { [[ $(kept) == "$1" ]]; }

step "a pool that leaves its name to another one keeps its listening sockets over a crash"
two_pools alpha
two_pools beta alpha # the name alpha is now that of another address
two_pools beta
crowd_begin
crash KILL
grep -q 'are missing' < <(inside pinion status) && fail "listening sockets are missing"
within $patience keeps 6 || fail "systemd keeps $(kept) descriptors, not those of two listeners, two workers and a generation"
crowd_end "around a crash after pools have changed their names"
configure
inside systemctl reload pinion || fail "systemctl reload fails"

step "with a store that is too small a crash loses nothing, and the log says what was missing"
override FileDescriptorStoreMax=3
inside systemctl restart pinion || fail "the service does not start"
within $patience keeps 3 || fail "systemd keeps $(kept) descriptors"
now=$(cursor)
crowd_begin
crash KILL
said=$(journal_since "$now")
grep -q 'listening sockets .* are missing .*FileDescriptorStoreMax=' <<<"$said" || fail "it does not say what is missing: $said"
[[ $(grep -c 'was lent by worker' <<<"$said") == 2 ]] || fail "not both listeners were lent: $said"

step "when there is room again the next takeover fills it"
override
inside systemctl reload pinion || fail "systemctl reload fails"
within $patience keeps 6 || fail "systemd keeps $(kept) descriptors"
crash KILL
crowd_end "around crashes with too small a store"
