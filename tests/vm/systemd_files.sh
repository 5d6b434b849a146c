#!/usr/bin/env bash
# systemd_files.sh: prints, as arguments PATH=FILE for pack.sh, the systemd of this host: programs, their libraries and the
# units that a boot requires. Fails if there is no systemd here.
set -euo pipefail
lib=/usr/lib/systemd
programs=("$lib/systemd" /usr/bin/systemctl /usr/bin/systemd-analyze /usr/bin/systemd-sysusers)
units=("$lib"/system/*.target)

for file in "${programs[@]}" "${units[@]}"; do
	[ -e "$file" ] || { echo "no $file" >&2; exit 1; }
done

# Newer versions start services by another program, and load some libraries only when they need them.
[ ! -e "$lib/systemd-executor" ] || programs+=("$lib/systemd-executor")
mapfile -t late < <(ldconfig -p | awk '/x86-64/ && $1 ~ /^lib(seccomp|mount|blkid)\.so\.[0-9]+$/ { print $NF }')

# A library may be named by its path, as the loader is.
libraries() { ldd "$@" | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\/.*[^:]$/) print $i }'; }

# The file systems that a guest mounts for services are in units that no package need have enabled.
tmp=$lib/system/tmp.mount
[ -e "$tmp" ] || tmp=/usr/share/systemd/tmp.mount
echo "etc/systemd/system/tmp.mount=$tmp"

{
	printf '%s\n' "${programs[@]}" "${units[@]}" "${late[@]}"
	libraries "${programs[@]}" "${late[@]}" "$@"
} | sort -u | sed 's|^/\(.*\)|\1=/\1|'
