# Sourced by run.sh: the service stops, and the package goes.

draining() { grep -q draining < <(journal_since "$1"); }
owed() { # by either server
	grep -q cmd=incr < <(inside redis-cli -p 6379 CLIENT LIST && inside redis-cli -p 6380 CLIENT LIST)
}

step "a stop gives the clients what they are owed"
install_package "$older"
configure
inside systemctl restart pinion || fail "the service does not start"
for port in 6379 6380; do inside redis-cli -p $port CLIENT PAUSE 60000 WRITE >/dev/null; done
inside redis-cli -p "${proxy##*:}" INCR owed >"$work/owed.log" 2>&1 &
client=$!
within $patience owed || fail "the request does not reach a server"
now=$(cursor)
inside systemctl stop --no-block pinion
within $patience draining "$now" || fail "the service does not drain"
for port in 6379 6380; do inside redis-cli -p $port CLIENT UNPAUSE >/dev/null; done
wait $client || fail "the client got no reply"
[[ $(<"$work/owed.log") == 1 ]] || fail "the client was told: $(<"$work/owed.log")"

step "a stop leaves no process"
inside systemctl stop pinion || fail "systemctl stop fails"
[[ $(service ActiveState) == inactive ]] || fail "the service is $(service ActiveState)"
within $patience nobody_left || fail "processes are left: $(processes)"

step "a stop leaves no process after a crash either"
inside systemctl start pinion || fail "the service does not start"
crowd_begin
crash KILL
crowd_end "around a crash"
inside systemctl stop pinion || fail "systemctl stop fails"
within $patience nobody_left || fail "processes are left: $(processes)"

step "the removal of a package that serves leaves no process, a purge nothing but the user"
inside systemctl start pinion || fail "the service does not start"
inside dpkg --remove pinion >"$work/dpkg.log" 2>&1 || fail "dpkg --remove fails: $(<"$work/dpkg.log")"
within $patience nobody_left || fail "processes are left: $(processes)"
inside dpkg --purge pinion >"$work/dpkg.log" 2>&1 || fail "dpkg --purge fails: $(<"$work/dpkg.log")"
left=$(left_of_the_package)
[[ ! $left ]] || fail "files are left: $left"
inside getent passwd pinion >/dev/null || fail "the user is gone, whose number another one may get now"
