# The packages that are installed: the one to be released, and others that are made of it.
#
# Sourced. The caller sets $work and $packages, the directory of the packages.

# package_made_of copies a package under another version, with other files in the place of some of its own: pairs of a
# path in the package and a file here.
package_made_of() {
	local original=$1 version=$2 made=$3 tree=$work/package
	shift 3
	rm -rf "$tree"
	dpkg-deb --raw-extract "$original" "$tree"
	while (($#)); do
		install -m "$(stat -c %a "$tree/$1")" "$2" "$tree/$1"
		shift 2
	done
	sed -i "s/^Version: .*/Version: $version/" "$tree/DEBIAN/control"
	(cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | xargs -0 md5sum >DEBIAN/md5sums)
	dpkg-deb --root-owner-group -Zgzip -z1 --build "$tree" "$made" >/dev/null
	rm -rf "$tree"
}

# binary_of builds what a version has, as a release is built.
binary_of() {
	CGO_ENABLED=0 GOARCH=amd64 go build -trimpath -buildvcs=false -buildmode=pie -ldflags "-s -w -X main.version=$1" -o "$2" ./cmd/pinion
}

make_packages() {
	released=$(ls "$packages"/pinion_*_amd64.deb)
	released_rpm=$(ls "$packages"/pinion-*.x86_64.rpm)
	other_machine=$(ls "$packages"/pinion_*_arm64.deb)
	older=$work/older.deb newer=$work/newer.deb failing=$work/failing.deb foreign=$work/foreign.deb
	binary_of 1.0.0-e2e "$work/binary-older"
	binary_of 1.0.1-e2e "$work/binary-newer"
	package_made_of "$released" 1.0.0-e2e "$older" usr/bin/pinion "$work/binary-older"
	printf '#!/bin/sh\necho "broken on purpose" >&2\nexit 1\n' >"$work/binary-failing"
	package_made_of "$released" 1.0.2-e2e "$failing" usr/bin/pinion "$work/binary-failing"
	dpkg-deb --fsys-tarfile "$other_machine" | tar -xO ./usr/bin/pinion >"$work/binary-foreign"
	package_made_of "$released" 1.0.3-e2e "$foreign" usr/bin/pinion "$work/binary-foreign"
	dpkg-deb --fsys-tarfile "$released" | tar -xO ./etc/pinion/pinion.yml >"$work/conffile"
	echo "# A later version has more to say here." >>"$work/conffile"
	package_made_of "$released" 1.0.1-e2e "$newer" usr/bin/pinion "$work/binary-newer" etc/pinion/pinion.yml "$work/conffile"
	local pool port=22140
	for pool in beta gamma; do # a default that can take the place of the administrator's, with a pool of its own
		port=$((port + 1))
		sed "s/^alpha:/$pool:\n  listen: 127.0.0.1:$port\n  redis: true\n  servers:\n    - 127.0.0.1:6379:1 one\n\n&/" \
			"$here/pinion.yml" >"$work/conffile-$pool"
	done
	beta=$work/beta.deb at_beta=127.0.0.1:22141
	gamma=$work/gamma.deb at_gamma=127.0.0.1:22142
	package_made_of "$newer" 1.0.1-e2e "$beta" etc/pinion/pinion.yml "$work/conffile-beta"
	package_made_of "$older" 1.0.0-e2e "$gamma" etc/pinion/pinion.yml "$work/conffile-gamma"
	later=999.0.0
	VERSION=$later packaging/ci/packages.sh "$work/later" >/dev/null
	later_rpm=$(ls "$work"/later/pinion-*.x86_64.rpm)
}
