# What the steps are made of: saying what is shown, failing with everything that explains it, packages, the service, and
# the crowd of clients whose oracle decides.
#
# Sourced. The caller sets $work and $here; see machine.sh for the machine.

proxy=127.0.0.1:22121 # where the crowd finds the proxy
loads=0               # how many crowds there were

step() { echo "== $*"; }
note() { echo "   $*"; }

# fail ends the run. What the machine knows is kept by the trap of run.sh.
fail() {
	{
		[[ -s $(crowd_file complaints) ]] && echo "--- what the clients say" && head -n 20 "$(crowd_file complaints)"
		echo "--- the end of the journal (all of it: $work/journal.log)"
		inside journalctl --no-pager -n 40
		echo "--- the service"
		inside systemctl status --no-pager -n 0 --full pinion
		echo "FAILED: $*"
	} >&2 || true
	exit 1
}

# service prints a property of the service.
service() { inside systemctl show --value -p "$1" pinion.service; }

answers() { # [ADDRESS]
	local address=${1:-$proxy}
	[[ $(inside redis-cli -h "${address%:*}" -p "${address##*:}" INCR fresh 2>/dev/null) == [0-9]* ]]
}

# timely does something until it takes no more than two seconds, three times at most, and undoes it in between: other work
# of this computer makes it late, nothing makes it early.
timely() { # WHAT DO UNDO
	local attempt began_ms took_ms
	for attempt in 1 2 3; do
		((attempt == 1)) || "$3"
		began_ms=$(date +%s%3N)
		"$2"
		took_ms=$(($(date +%s%3N) - began_ms))
		note "$1: $took_ms ms"
		((took_ms > 2000)) || return 0
	done
	fail "$1: more than two seconds each time"
}

ends_reloading() { [[ $(service ActiveState) != reloading ]]; }

# serving fails unless the service is as it should be: active, with this main process if one is given, without restarts. A start on
# another program's sockets is followed by a reload.
serving() {
	within $patience ends_reloading || fail "the service does not end reloading"
	[[ $(service ActiveState) == active ]] || fail "the service is $(service ActiveState)"
	[[ -z ${1-} || $(service MainPID) == "$1" ]] || fail "the main process is $(service MainPID), not $1"
	[[ $(service NRestarts) == "${2:-0}" ]] || fail "the service was restarted $(service NRestarts) times, not ${2:-0} times"
}

# install_package has dpkg install a package as an administrator does, whose changes to the configuration are kept unless
# something else is said.
install_package() { # PACKAGE [OPTION]
	put "$1" /root/package.deb
	if ! inside dpkg "${2:---force-confold}" -i /root/package.deb >"$work/dpkg.log" 2>&1 </dev/null; then
		cat "$work/dpkg.log" >&2
		fail "dpkg -i $(basename "$1") does not exit 0"
	fi
}

# install_answering has dpkg install a package on a terminal, where it asks what is to be done with the configuration.
install_answering() { # PACKAGE ANSWER
	local installing
	put "$1" /root/package.deb
	rm -f "$work/answers"
	mkfifo "$work/answers"
	: >"$work/dpkg.log"
	inside script --quiet --return --command "dpkg -i /root/package.deb" /dev/null <>"$work/answers" >"$work/dpkg.log" 2>&1 &
	installing=$!
	within $patience dpkg_asks || fail "dpkg does not ask: $(<"$work/dpkg.log")"
	echo "$2" >"$work/answers"
	wait $installing || fail "dpkg -i $(basename "$1"), answered $2, does not exit 0: $(<"$work/dpkg.log")"
}

dpkg_asks() { grep -q "pinion.yml.*default=N" "$work/dpkg.log"; }

# replaced fails unless another main process, of the given version, serves in place of the one with the given pid.
replaced() { # PID VERSION [RESTARTS]
	local before=$1 version=$2 restarts=${3:-0} now
	now=$(service MainPID)
	[[ $now != "$before" && $now != 0 ]] || fail "the main process is still $before; dpkg said: $(<"$work/dpkg.log")"
	[[ $(running_version) == "$version" ]] || fail "$(running_version) runs, not $version; dpkg said: $(<"$work/dpkg.log")"
	inside test ! -e "/proc/$before" || within $patience inside test ! -e "/proc/$before" || fail "the old main process $before is still there"
	serving "$now" "$restarts"
}

running_version() { inside pinion status --json | sed -n 's/^ *"build": *"\([^"]*\)".*/\1/p' | head -n 1; }

# crowd_file is where the crowd writes something.
crowd_file() { echo "/proc/$leader/root/run/crowd/$1"; }

# crowd_begin starts clients, and returns when each of them counts.
crowd_begin() {
	loads=$((loads + 1))
	mkdir -p "$(crowd_file .)"
	rm -f "$(crowd_file figures)" "$(crowd_file complaints)"
	inside systemd-run --quiet --unit crowd --service-type exec --property LimitNOFILE=4096 \
		--property StandardError=file:/run/crowd/complaints --property StandardOutput=null --property RemainAfterExit=yes \
		/usr/local/bin/load -address $proxy -prefix "crowd$loads" -status /run/crowd/figures "$@"
	crowd_goes_on "no traffic"
}

# figure prints one of the crowd's figures.
figure() { sed -n "s/.*\b$1=\([0-9]*\).*/\1/p" "$(crowd_file figures)" 2>/dev/null; }

crowd_has() { [[ -s $(crowd_file complaints) ]] || (($(figure least || true) + 0 >= $1)); }

# crowd_goes_on fails unless every client is served twice more from now on.
crowd_goes_on() {
	local goal
	goal=$(($(figure least || true) + 2))
	within $patience crowd_has $goal || fail "$1: after $patience seconds there are clients without an answer: $(<"$(crowd_file figures)")"
	[[ ! -s $(crowd_file complaints) ]] || fail "$1"
}

# crowd_end has the clients compare what they were told with what is stored, and leave.
crowd_end() {
	inside systemctl kill crowd
	within $((2 * patience)) crowd_has_left || fail "the clients do not leave"
	cat "$(crowd_file complaints)" >"$work/crowd$loads.log"
	[[ $(figure failures) == 0 && ! -s $(crowd_file complaints) ]] || fail "$1: $(figure failures) clients have lost something"
	note "$(figure replies) replies, $(figure connects) new connections, 0 lost; longest wait $(figure longest_ms) ms"
	inside systemctl stop crowd
}

crowd_has_left() { [[ $(inside systemctl show --value -p SubState crowd) == @(exited|failed|dead) ]]; }

# configure writes the configuration by which all steps are run.
configure() { cp "$here/pinion.yml" "/proc/$leader/root/etc/pinion/pinion.yml"; }

# override changes the unit of the service until the machine ends.
override() {
	inside mkdir -p /etc/systemd/system/pinion.service.d
	printf '%s\n' "[Service]" "$@" >"/proc/$leader/root/etc/systemd/system/pinion.service.d/e2e.conf"
	inside systemctl daemon-reload
}

# cursor says how far the journal is, and journal_since prints what came later.
cursor() { inside journalctl --no-pager -n 1 --show-cursor | sed -n 's/^-- cursor: //p'; }
journal_since() { inside journalctl --no-pager -o cat --after-cursor "$1"; }

# clean fails if a service that was stopped has left something, or systemd had to kill something.
clean() { # CURSOR WHAT
	[[ $(service ActiveState) == inactive ]] || fail "after $2 the service is $(service ActiveState)"
	nobody_left || fail "after $2 there are processes in a service that is inactive: $(processes | xargs)"
	unkilled "$@"
}
unkilled() { # CURSOR WHAT
	! grep -E 'SIGKILL|timed out|Failed' < <(journal_since "$1") || fail "$2: see above"
}

# upgrade_by_hand upgrades to the binary that is there, and says when it is done.
upgrade_by_hand() { inside pinion upgrade >"$work/upgrade.log" 2>&1; }

started() { inside systemctl start pinion || fail "the service does not start $1"; }

restarted() { [[ $(service MainPID) != "$1" && $(service SubState) == running ]]; }

# crash ends the main process by a signal, and fails unless the next one takes over.
crash() { # SIGNAL
	local before restarts
	before=$(service MainPID)
	restarts=$(service NRestarts)
	crowd_goes_on "before the crash"
	inside kill -s "$1" "$before"
	within $patience restarted "$before" || fail "nothing was started in place of the main process $before"
	crowd_goes_on "after the end of the main process by SIG$1"
	serving "$(service MainPID)" $((restarts + 1))
	settled
	crowd_goes_on "when the workers of the dead master had handed over"
	inside systemctl reload pinion || fail "after a crash the service cannot be reloaded"
}

# settled fails if more is left than a master and its two workers.
settled() { within $patience three_processes || fail "there are the processes $(processes | xargs), but: $(inside pinion status)"; }

three_processes() { (($(processes | wc -l) == 3)); }

nobody_left() { [[ ! $(processes) ]]; }

# processes prints the pids of all proxies, of whatever version; not those of a command. One with mounts of its own has a
# longer name where all of this is in a chroot.
processes() {
	inside sh -c 'for p in /proc/[0-9]*; do
		case $(readlink $p/exe) in */usr/bin/pinion*) ;; *) continue ;; esac
		case $(tr "\0" " " <$p/cmdline) in *" worker "* | *" -c "*) echo ${p#/proc/} ;; esac
	done' 2>/dev/null
}

# left_of_the_package prints the files that nobody else can have made.
left_of_the_package() {
	inside find /etc /usr /var /run -iname '*pinion*' -not -name 'pinion.s*.d' -not -path /etc/hostname
}
