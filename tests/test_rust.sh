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

test_cargo_builds_the_crate() {
	need cargo
	cargo test --quiet --offline --manifest-path "$CRATE/Cargo.toml" --target-dir "$T/target" --lib
}

test_the_files_use_only_std() {
	expect "what they use" "$(select_lines -hE '^ *(pub )?(use|extern)' "$CRATE"/*.rs |
		select_lines -vE '^ *use (std::|super::\*;)')" ""
	expect "paths of the crate" "$(select_lines -n 'crate::' "$CRATE"/*.rs)" ""
}

run_tests "$@"
