# Sourced by run.sh: what cannot serve does not get to serve.

# harmless installs a package that cannot run, under load.
harmless() { # PACKAGE
	local before
	before=$(service MainPID)
	install_package "$1"
	grep -qi warning "$work/dpkg.log" || fail "no warning: $(<"$work/dpkg.log")"
	note "$(grep -i -m 1 warning "$work/dpkg.log")"
	serving "$before"
	crowd_goes_on "after the installation of $(basename "$1")"
}

crowd_begin
step "a package whose binary fails at once leaves the service alone"
harmless "$failing"

step "a package for another processor leaves the service alone"
harmless "$foreign"

step "the next good package is an upgrade again"
before=$(service MainPID)
install_package "$newer"
replaced "$before" 1.0.1-e2e
crowd_end "around broken packages"
