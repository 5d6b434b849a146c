# Sourced by the scripts that build the smallest client, for guests: what README.md has under Install.
# shellcheck shell=bash disable=SC2034
small=(--disable-hardening --disable-daemon --disable-worker --disable-probe --enable-static-programs
	LDFLAGS="-Wl,--gc-sections -Wl,-z,noseparate-code -Wl,-z,norelro -Wl,--build-id=none")
small_CFLAGS="-Os -flto=auto -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables"
