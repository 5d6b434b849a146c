#!/usr/bin/env bash
# The Rust files: their own tests, compiled as crates and as modules, in each edition and by each compiler that is here.
# shellcheck source=tests/lib.sh disable=SC1091,SC2154
. "$(dirname "$0")/lib.sh"

CRATE=$SRC/bindings/rust

# compilers: rustc of the PATH, and that of Debian, which is the oldest that is supported.
compilers() {
	local compiler
	for compiler in "$(command -v rustc)" /usr/bin/rustc; do
		[ ! -x "$compiler" ] || realpath -s "$compiler"
	done | sort -u
}

test_the_files_pass_their_own_tests() {
	local file compiler
	need rustc
	for compiler in $(compilers); do
		"$compiler" --version
		for file in readyd worker_ready; do
			"$compiler" --edition 2021 --test -D warnings -o "$file" "$CRATE/$file.rs"
			TMPDIR=$T RUST_TEST_THREADS=2 timeout 120 "./$file"
		done
	done
}

# As ktstr compiles its own: as modules of a program, which need not use all of them, in the newest edition.
test_the_files_are_modules_in_each_edition() {
	local compiler edition
	need rustc
	cat >program.rs <<RUST
#[path = "$CRATE/readyd.rs"]
mod readyd;
#[path = "$CRATE/worker_ready.rs"]
mod worker_ready;
fn main() {
    println!("{}", worker_ready::worker_ready_marker_path(7));
    println!("{}", readyd::status(4194304, &readyd::Options::default()).unwrap());
}
RUST
	for compiler in $(compilers); do
		for edition in 2021 2024; do
			if ! "$compiler" --edition "$edition" --print sysroot >/dev/null 2>&1; then continue; fi
			echo "$("$compiler" --version), edition $edition"
			"$compiler" --edition "$edition" -D warnings --emit metadata -o program.rmeta program.rs
		done
	done
	rustc --edition 2021 -o program program.rs
	expect output "$(env READYD_BACKEND=file ./program)" \
		"$(printf '%s\n' /tmp/ktstr-worker-ready-7 'died 4194304 reason=no-process')"
}

# The program in readyd-ktstr(7), which waits without readyctl.
test_the_payload_of_the_manual_waits() {
	need rustc
	sed -n '/^#\[path = "readyd.rs"\]/,/^\.Ed/{/^\.Ed/d;p}' "$SRC/man/readyd-ktstr.7" >payload.rs
	ln -s "$CRATE/readyd.rs" .
	rustc --edition 2021 -D warnings -o payload payload.rs
	mkdir m
	spawn_worker
	mark "$PID"
	expect_exit 0 env READYD_BACKEND=file READYD_DIR="$T/m" timeout 60 ./payload "$PID"
	expect_exit 3 env READYD_BACKEND=file READYD_DIR="$T/m" timeout 60 ./payload 4194304 2>err
	expect "standard error" "$(cat err)" "probe: died 4194304 reason=no-process"
}

test_cargo_builds_the_crate() {
	need cargo
	cargo test --quiet --offline --manifest-path "$CRATE/Cargo.toml" --target-dir "$T/target" --lib
}

test_the_files_use_only_std() {
	expect "what they use" "$(select_lines -hE '^ *(pub )?(use|extern)' "$CRATE"/*.rs |
		select_lines -vE '^ *use (std::|super::\*;)')" ""
	expect "paths of the crate" "$(select_lines -n 'crate::' "$CRATE"/*.rs)" ""
}

# numbers ARCHITECTURE: names and numbers of the system calls that the file uses there.
numbers() {
	sed -nE -e "/^#\\[cfg.*target_arch = \"$1\"/,/^}/s/^ *pub const ([A-Z0-9_]+): usize = ([0-9]+);/\"\\1\" \\2/p" \
		-e 's/^const (PIDFD_[A-Z_]+|OPENAT2): usize = ([0-9]+);/"\1" \2/p' "$CRATE/readyd.rs"
}

# flags ARCHITECTURE: the open flags that differ between architectures.
flags() {
	sed -nE -e "s/^const (O_NOFOLLOW): i32 = if cfg!\(target_arch = \"$1\"\) \{ 0o([0-7]+) .*/\"\\1\" 0\\2/p" \
		-e "/target_arch = \"$1\"/{n;s/^ *pub const (O_DIRECTORY): i32 = 0o([0-7]+);/\"\\1\" 0\\2/p}" \
		"$CRATE/readyd.rs"
}

# expand HEADER FLAG...: what the C preprocessor makes of standard input after this header.
expand() {
	local header=$1
	shift
	{ echo "#include <$header>" && cat; } | cc -E -P "$@" - | select_lines '^"'
}

kernel_numbers() { # HEADER FLAG...
	sed -E 's/^"(.*)" .*/\1/' used | while read -r name; do echo "\"$name\" __NR_${name,,}"; done |
		expand "$@"
}

check_numbers() { # ARCHITECTURE HEADER FLAG...
	numbers "$1" >used
	[ "$(wc -l <used)" -eq 20 ] || die "numbers of $1: $(cat used)"
	expect "numbers of $1" "$(cat used)" "$(kernel_numbers "${@:2}")"
}

test_the_numbers_of_this_architecture_are_those_of_the_kernel() {
	need cc
	case $(uname -m) in
	x86_64 | aarch64 | riscv64) check_numbers "$(uname -m)" asm/unistd.h ;;
	*) skip "the file does not support $(uname -m)" ;;
	esac
}

# Those of aarch64 and riscv64.
test_the_generic_numbers_are_those_of_the_kernel() {
	need cc
	[ -e /usr/include/asm-generic/unistd.h ] || skip "linux-libc-dev is not installed"
	check_numbers aarch64 asm-generic/unistd.h
	check_numbers riscv64 asm-generic/unistd.h
}

CROSS=/usr/aarch64-linux-gnu/include
test_the_numbers_and_flags_of_aarch64_are_those_of_the_kernel() {
	need cc
	[ -e $CROSS/asm/unistd.h ] || skip "linux-libc-dev-arm64-cross is not installed"
	check_numbers aarch64 asm/unistd.h -nostdinc -isystem $CROSS
	expect "flags of aarch64" "$(flags aarch64)" "$(printf '"%s" %s\n' O_DIRECTORY O_DIRECTORY O_NOFOLLOW O_NOFOLLOW |
		expand asm/fcntl.h -nostdinc -isystem $CROSS)"
}

run_tests "$@"
