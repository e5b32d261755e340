#!/usr/bin/env bash
# Makes the deb and the rpm for each architecture: bytes that depend on nothing but the commit, not on where, when and
# by whom. SOURCE_DATE_EPOCH and VERSION overrule what git knows; BUILD_CACHE is another cache for the binaries.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-bin/packages} # emptied
version=${VERSION:-$(packaging/ci/version.sh)}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1)}
umask 022

# To the package managers a tilde is before the version, and a plus behind it: 1.2.3-4-gabcdef is four commits later.
PACKAGE_VERSION=$(sed -E 's/-dirty$/+dirty/; s/-([0-9]+)-(g[0-9a-f]+)/+\1.\2/; s/-/~/g' <<<"$version")
STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT
export PACKAGE_VERSION STAGE SOURCE_DATE_EPOCH=$epoch CGO_ENABLED=0

build() { # GOARCH FILE
	GOCACHE=${BUILD_CACHE:-$(go env GOCACHE)} GOARCH=$1 GOOS=linux GOAMD64=v1 go build -trimpath -buildvcs=false -buildmode=pie \
		-ldflags "-s -w -buildid= -X main.version=$version" -o "$2" ./cmd/pinion
}
for arch in amd64 arm64; do
	build "$arch" "$STAGE/bin/$arch/pinion"
done
build "$(go env GOHOSTARCH)" "$STAGE/pinion" # tells its options itself

mkdir -p "$STAGE"/{man/man5,man/man7,man/man8,completion,units,doc/deb,doc/texts}
for page in pinion.8 pinion.yml.5 pinion-commands.7; do
	"$STAGE/pinion" manual "$page" | gzip -9n >"$STAGE/man/man${page##*.}/$page.gz"
done
for shell in bash zsh fish; do
	"$STAGE/pinion" completion "$shell" >"$STAGE/completion/$shell"
done

cp packaging/systemd/pinion.{service,socket} "$STAGE/units/"
sed -e '/^# pinion@.service is made/d' -e '/^Description=/s/$/ (%i)/' \
	-e 's|/etc/pinion/pinion.yml|/etc/pinion/%i.yml|; s|/etc/default/pinion|/etc/default/pinion-%i|' \
	-e 's|^RuntimeDirectory=pinion$|RuntimeDirectory=pinion-%i|' packaging/systemd/pinion.service >"$STAGE/units/pinion@.service"

licenses() {
	printf 'Go %s\n\n' "$(go env GOVERSION)"
	cat "$(go env GOROOT)/LICENSE"
	go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/pinion | LC_ALL=C sort -u |
		while read -r module release dir; do
			printf '\n\n%s %s\n\n' "$module" "$release"
			texts=$(find "$dir" -maxdepth 1 -type f -iregex '.*/\(license\|licence\|notice\|copying\)[^/]*' | LC_ALL=C sort)
			if [[ ! $texts ]]; then
				echo "module $module has no license" >&2
				exit 1
			fi
			xargs cat <<<"$texts"
		done
}
licenses >"$STAGE/doc/third-party-licenses"
gzip -9nc "$STAGE/doc/third-party-licenses" >"$STAGE/doc/deb/third-party-licenses.gz"
cp packaging/doc/copyright "$STAGE/doc/deb/copyright"
packaging/ci/changelog.sh "$PACKAGE_VERSION" "$epoch" | gzip -9n >"$STAGE/doc/deb/changelog.gz"

# What the documents link to lies beside them, or else in the repository.
for text in README.md packaging/doc/*.md; do
	sed -E -e 's!\]\((\.\./\.\./)?packaging/doc/!](!g; s!\]\(\.\./\.\./README\.md!](README.md!g' \
		-e 's!\]\((CHANGELOG\.md|\.github/)!](https://github.com/pinion-proxy/pinion/blob/main/\1!g' \
		"$text" >"$STAGE/doc/texts/${text##*/}"
done
cp "$STAGE"/doc/texts/* "$STAGE/doc/deb/"
find "$STAGE" -exec touch -h -d "@$epoch" {} +

go -C packaging/tools build -o "$STAGE/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm
rm -rf "$out"
mkdir -p "$out"
for arch in amd64 arm64; do
	for packager in deb rpm; do
		ARCH=$arch "$STAGE/nfpm" package -f packaging/nfpm.yaml -p "$packager" -t "$out" >/dev/null
	done
done
for package in "$out"/*.{deb,rpm}; do
	size=$(stat -c %s "$package")
	printf '%9d %s\n' "$size" "$package"
	if ((size > 12 << 20)); then
		echo "$package is larger than 12 MB" >&2
		exit 1
	fi
done
