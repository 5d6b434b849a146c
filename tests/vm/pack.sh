#!/usr/bin/env bash
# pack.sh OUT INIT [PATH=FILE]...: creates an initramfs with busybox, the static programs, INIT as /init, and each FILE at its
# PATH.
set -euo pipefail
: "${BUILD:?where the static programs are}"
out=$(realpath "$1")
init=$2
shift 2

root=$(mktemp -d "${TMPDIR:-/tmp}/readyd-guest.XXXXXX")
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir -p "$root"/{usr/{bin,sbin,lib,lib64,libexec},proc,sys,dev,mnt,tmp,run}
ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root"
busybox=$(realpath "$(command -v busybox)")
install -D "$busybox" "$root$busybox"
busybox --install -s "$root/bin"
install "$BUILD/daemon/readyd" "$root/usr/sbin/"
install "$BUILD/client/readyctl" "$root/usr/bin/"
install "$BUILD/worker/ktstr-jemalloc-alloc-worker" "$root/usr/libexec/"
install "$init" "$root/init"
for file; do install -D -m "$(stat -L -c %a "${file#*=}")" "${file#*=}" "$root/${file%%=*}"; done
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$out"
