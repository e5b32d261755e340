#!/usr/bin/env bash
# Makes the packages, makes them again elsewhere and from nothing, compares, and has everything that judges packages,
# units, scripts and manual pages judge them.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() {
	echo "lint-packages: $*" >&2
	exit 1
}
. packaging/ci/need.sh
need lintian command -v lintian
need rpmlint command -v rpmlint
need rpm command -v rpm
need cpio command -v cpio
need man-db command -v man
need systemd command -v systemd-analyze
install_needed lint-packages

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
VERSION=${VERSION:-$(packaging/ci/version.sh)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1)}
export VERSION SOURCE_DATE_EPOCH
out=$PWD/bin/packages
mkdir "$work/elsewhere"
tar -c --exclude=./.git --exclude=./bin . | tar -x -C "$work/elsewhere" # as it is now, whatever is edited meanwhile
cp -a "$work/elsewhere" "$work/somewhere"
(cd "$work/somewhere" && packaging/ci/packages.sh "$out")

echo "== the same bytes from another directory, another cache, another time zone"
(
	umask 077
	cd "$work/elsewhere"
	BUILD_CACHE=$work/cache TZ=Asia/Tokyo LC_ALL=C packaging/ci/packages.sh bin/packages >/dev/null
)
for package in bin/packages/*; do
	cmp "$package" "$work/elsewhere/$package" || fail "$package depends on where it is made"
done
sha256sum bin/packages/*

echo "== lintian"
lintian --allow-root --display-info --pedantic --fail-on error,warning,info,pedantic bin/packages/*.deb

echo "== rpmlint"
# It unpacks by cpio, which would follow the absolute names of the payload out of the directory that is meant.
mkdir "$work/shims"
printf '#!/bin/sh\nexec %s --no-absolute-filenames "$@"\n' "$(command -v cpio)" >"$work/shims/cpio"
chmod 755 "$work/shims/cpio"
HOME=$work PATH=$work/shims:$PATH rpmlint -c packaging/doc/rpmlint.toml bin/packages/*.rpm | tee "$work/rpmlint"
grep -q ' 0 errors, 0 warnings' "$work/rpmlint" || fail "rpmlint has objections"
for package in bin/packages/*.rpm; do
	rpm -K "$package" | grep -q 'digests OK' || fail "$package: the digests are wrong"
	! rpm -qip "$package" | grep -i "build host.*$(uname -n)" || fail "$package names the machine that made it"
done

echo "== what is inside"
mkdir "$work/root"
dpkg-deb -x bin/packages/*_"$(dpkg --print-architecture)".deb "$work/root"
root=$work/root
"$root/usr/bin/pinion" check -c "$root/etc/pinion/pinion.yml"
sed -E 's/^#([a-z]|  )/\1/' "$root/etc/pinion/pinion.yml" >"$work/examples.yml" # every example
"$root/usr/bin/pinion" check -c "$work/examples.yml"
for page in "$root"/usr/share/man/man*/*; do
	warnings=$(LC_ALL=C.UTF-8 man -l --warnings -Tutf8 "$page" 2>&1 >/dev/null)
	[[ ! $warnings ]] || fail "$page: $warnings"
done
for script in packaging/scripts/*; do
	sh -n "$script"
done
! command -v shellcheck >/dev/null || shellcheck packaging/scripts/* packaging/ci/*.sh
# Perl is part of every Debian, and reads this file when needrestart does.
perl -e 'our %nrconf = (override_rc => {}); do $ARGV[0] // die; die $@ if $@;
	for my $unit ("pinion.service", "pinion\@a.service") { die "$unit is restarted" unless grep { $unit =~ /$_/ } keys %{$nrconf{override_rc}} }' \
	"$root/etc/needrestart/conf.d/pinion.conf"

echo "== units"
# An executable at the absolute path is one thing that verify wants.
units=$root/lib/systemd/system
sed -i "s|/usr/bin/pinion|$root&|" "$units"/pinion*.service
cp "$units/pinion@.service" "$units/pinion@example.service"
systemd-analyze verify --man=no "$units"/pinion.{service,socket} "$units/pinion@example.service" 2>&1 | tee "$work/verify"
! grep -F pinion "$work/verify" || fail "systemd has objections"
for unit in pinion.service pinion@example.service; do
	systemd-analyze security --offline=true --threshold=15 --no-pager "$units/$unit" | tail -n 1
done
echo "lint-packages: all well"
