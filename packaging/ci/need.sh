# For scripts to read: what they need of Debian's packages is installed if we may, and named if we may not.
missing=()
need() { # PACKAGE COMMAND…
	local package=$1
	shift
	"$@" >/dev/null 2>&1 || missing+=("$package")
}
install_needed() { # WHO
	((${#missing[@]})) || return 0
	if ! command -v apt-get >/dev/null; then
		echo "$1: programs are missing. These packages of Debian have them: ${missing[*]}" >&2
		exit 1
	fi
	local install="apt-get install -y --no-install-recommends ${missing[*]}"
	if ((EUID != 0)); then
		echo "$1: programs are missing. Please run: sudo $install" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q || true # what is known of packages may do
	# A machine that has just begun installs updates of its own accord.
	$install -o DPkg::Lock::Timeout=300 || {
		echo "$1: packages cannot be installed, see above; they are: ${missing[*]}" >&2
		exit 1
	}
	missing=()
}
