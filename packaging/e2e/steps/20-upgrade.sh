# Sourced by run.sh: packages replace each other while clients count.

upgrade() { # PACKAGE VERSION
	local before
	before=$(service MainPID)
	install_package "$1"
	replaced "$before" "$2"
	crowd_goes_on "after the installation of $(basename "$1")"
}

step "an upgrade of the package loses nothing, and leaves the configuration alone"
crowd_begin
upgrade "$newer" 1.0.1-e2e
cmp -s "$here/pinion.yml" "/proc/$leader/root/etc/pinion/pinion.yml" || fail "pinion.yml has changed"

step "a downgrade loses nothing"
upgrade "$older" 1.0.0-e2e

step "$upgrades upgrades and downgrades in a row lose nothing"
for ((i = 1; i <= upgrades; i++)); do
	if ((i % 2)); then upgrade "$newer" 1.0.1-e2e; else upgrade "$older" 1.0.0-e2e; fi
done
crowd_end "over all upgrades"
note "the slowest of them: $(inside journalctl --no-pager -o cat -u pinion | grep -o 'upgrade to generation .* done in [^:]*' |
	sed 's/.* in //' | sort -h | tail -n 1)"
