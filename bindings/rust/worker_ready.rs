//! The contract between a worker and the programs that wait for it: the marker file that says that the worker's set-up
//! is done. One file, the standard library only; it compiles as a module (`#[path]`) in any crate, in editions 2021 and
//! 2024. Constants and functions have the names that ktstr's `worker_ready.rs` uses, so either file can replace the
//! other; `worker_ready_marker` and `write_marker` are additions.
#![allow(dead_code)]

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A marker's path without the pid that ends it: decimal, no sign, no leading zero.
pub const WORKER_READY_MARKER_PREFIX: &str = "/tmp/ktstr-worker-ready-";

/// If this environment variable is set and not empty, the worker writes its marker to the path that it holds.
pub const WORKER_READY_MARKER_OVERRIDE_ENV: &str = "KTSTR_WORKER_READY_MARKER_OVERRIDE";

/// Each line that the reference worker writes to standard error begins with this and a space.
pub const WORKER_STDERR_PREFIX: &str = "jemalloc-alloc-worker:";

/// How the line begins that the reference worker writes to standard output once it is ready.
pub const WORKER_STDOUT_READY_PREFIX: &str = "jemalloc-alloc-worker ready";

/// The content of a marker. It is informative only.
pub const WORKER_READY_MARKER_CONTENT: &[u8] = b"ready\n";

/// The path of the marker of process `pid`.
pub fn worker_ready_marker_path(pid: u32) -> String {
    format!("{WORKER_READY_MARKER_PREFIX}{pid}")
}

/// Where this process writes its marker: the override if it is set, else the path for its own pid.
pub fn worker_ready_marker() -> PathBuf {
    match std::env::var_os(WORKER_READY_MARKER_OVERRIDE_ENV) {
        Some(path) if !path.is_empty() => path.into(),
        _ => worker_ready_marker_path(std::process::id()).into(),
    }
}

// asm/fcntl.h of each architecture
#[cfg(any(target_arch = "aarch64", target_arch = "arm"))]
const O_NOFOLLOW: i32 = 0o100000;
#[cfg(not(any(target_arch = "aarch64", target_arch = "arm")))]
const O_NOFOLLOW: i32 = 0o400000;
const O_NONBLOCK: i32 = 0o4000;

/// Writes the marker with three system calls. Fails, instead of following it, where a symbolic link has the name, and
/// instead of blocking where a FIFO has it.
pub fn write_marker<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .custom_flags(O_NOFOLLOW | O_NONBLOCK)
        .open(path)?;
    match file.write(WORKER_READY_MARKER_CONTENT)? {
        n if n == WORKER_READY_MARKER_CONTENT.len() => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::WriteZero, "the marker was written in part")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_ends_with_the_pid() {
        assert_eq!(worker_ready_marker_path(1), "/tmp/ktstr-worker-ready-1");
        assert_eq!(worker_ready_marker_path(u32::MAX), "/tmp/ktstr-worker-ready-4294967295");
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = std::env::temp_dir().join(format!("readyd-rust-marker-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        std::os::unix::fs::symlink(dir.join("target"), dir.join("link")).unwrap();
        let link = write_marker(dir.join("link"));
        write_marker(dir.join("file")).unwrap();
        let content = std::fs::read(dir.join("file")).unwrap();
        let followed = dir.join("target").exists();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(link.unwrap_err().raw_os_error(), Some(40));
        assert!(!followed);
        assert_eq!(content, b"ready\n");
    }
}
