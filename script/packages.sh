# Sourced by the scripts that need Debian packages.
# shellcheck shell=bash

installed() {
	dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q '^install ok installed$'
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# install_packages NAME...: install those that are missing. Scripts that do so at the same time take turns, since apt-get
# gives up where another one runs.
install_packages() {
	local package missing=()

	for package; do
		installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "installing ${missing[*]}"
	{
		flock 9
		as_root apt-get update -qq 9>&- &&
			as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
				"${missing[@]}" >/dev/null 9>&-
	} 9<"${BASH_SOURCE[0]}"
}
