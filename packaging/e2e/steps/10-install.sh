# Sourced by run.sh: a fresh machine serves with what the package brings.

step "a fresh install serves within two seconds"
install_freshly() {
	install_package "$older"
	inside systemctl start pinion || fail "the service does not start"
	within $patience answers || fail "no answer on $proxy"
}
purge() { inside dpkg --purge pinion >"$work/dpkg.log" 2>&1 || fail "dpkg --purge fails: $(<"$work/dpkg.log")"; }
timely "from dpkg to the first reply" install_freshly purge
serving
[[ $(service User) == pinion ]] || fail "the service runs as $(service User)"

# From here on by a configuration with two servers, which no package may touch.
configure
inside systemctl reload pinion || fail "systemctl reload fails"
crowd_begin
crowd_end "with nothing but traffic"

step "the documents come with it, and what is for Prometheus and Grafana"
for file in alerts.yml dashboard.json deployment.yml daemonset.yml; do
	inside test -s "/usr/share/pinion/$file" || fail "/usr/share/pinion/$file is not installed"
done
for text in README.md ARCHITECTURE.md BALANCERS.md BENCHMARKS.md CLIENTS.md COMMANDS.md CONFIGURATION.md LOG.md METRICS.md MOVING.md OPERATIONS.md TLS.md USERS.md ; do
	inside test -s "/usr/share/doc/pinion/$text" || fail "/usr/share/doc/pinion/$text is not installed"
done
for page in man5/pinion.yml.5.gz man7/pinion-commands.7.gz man8/pinion.8.gz; do
	inside test -s "/usr/share/man/$page" || fail "the manual page $page is not installed"
done
