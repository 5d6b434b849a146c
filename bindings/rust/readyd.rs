//! Wait until worker processes are ready: with the daemon readyd(8) if it answers, else by the marker files.
//!
//! One file, the standard library only: it compiles as a crate, and as a module (`#[path = "readyd.rs"] mod readyd;`) of
//! any crate, from Rust 1.63 on, in editions 2021 and 2024. It uses no `extern` block, since an edition that requires
//! `unsafe extern` and a compiler that does not know it exclude each other: what std lacks (inotify, pidfds, epoll) is
//! called by number, on x86-64, aarch64 and riscv64.
//!
//! ```no_run
//! # #[path = "readyd.rs"] mod readyd;
//! use std::time::Duration;
//! let answer = readyd::wait(1234, Duration::from_secs(10), &readyd::Options::default()).unwrap();
//! assert_eq!(answer.verdict, readyd::Verdict::Ready, "{answer}");
//! ```
//!
//! Verdicts, reasons and exit statuses are those of readyctl(1). What was seen decides before what clocks say, and what
//! is not known acquits nothing: a marker that may be a leftover or another user's is never `Ready`. The daemon's death
//! loses nothing, since the files decide.
#![allow(dead_code)]
// What these lints suggest came after Rust 1.63.
#![allow(clippy::collapsible_if, clippy::manual_div_ceil, clippy::unnecessary_map_or)]

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

// --- answers

/// What is known of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    Ready,
    Pending,
    Died,
    Exited,
    Stale,
    Unreachable,
}

const VERDICTS: [(Verdict, &str, i32); 6] = [
    (Verdict::Ready, "ready", 0),
    (Verdict::Pending, "pending", 1),
    (Verdict::Died, "died", 3),
    (Verdict::Exited, "exited", 4),
    (Verdict::Stale, "stale", 5),
    (Verdict::Unreachable, "unreachable", 6),
];

const REASONS: [&str; 19] = [
    "deadline",
    "not-a-file",
    "not-started",
    "no-process",
    "pid-reused",
    "older-than-process",
    "foreign-owner",
    "no-directory",
    "directory-denied",
    "namespace-denied",
    "name-collision",
    "no-resources",
    "identity-unknown",
    "age-unknown",
    "look-failed",
    "directory-hangs",
    "came-and-went",
    "connection-lost",
    "node-offline",
];

impl Verdict {
    fn row(self) -> &'static (Verdict, &'static str, i32) {
        VERDICTS.iter().find(|row| row.0 == self).unwrap_or(&VERDICTS[1])
    }

    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    fn is_end(self) -> bool {
        matches!(self, Verdict::Died | Verdict::Exited)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where an answer comes from, or should come from. The default, `Auto`, is the daemon if it answers, else the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    #[default]
    Auto,
    Daemon,
    File,
}

/// One answer. `pid` and `start` together identify the process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    pub verdict: Verdict,
    pub pid: u32,
    /// In clock ticks since boot (field 22 of proc_pid_stat(5)); `None`: not known.
    pub start: Option<u64>,
    /// The exit status of an ended process, if the kernel reports it.
    pub status: Option<i32>,
    /// The signal that terminated it, in place of a status.
    pub signal: Option<i32>,
    pub core: bool,
    /// A word of readyctl(1).
    pub reason: Option<&'static str>,
    /// With the reason `deadline`: why the last look found no valid marker.
    pub detail: Option<&'static str>,
    pub backend: Backend,
    /// Seen ready before; the marker has been removed since.
    pub latched: bool,
    /// The marker is an empty file.
    pub empty: bool,
    /// The marker's stamp is too close to the start of the process to tell which is older.
    pub age_assumed: bool,
    /// It has ended with a status that may not be known.
    gone: bool,
}

impl Answer {
    fn new(verdict: Verdict, pid: u32, start: Option<u64>, reason: Option<&'static str>) -> Answer {
        Answer {
            verdict,
            pid,
            start,
            status: None,
            signal: None,
            core: false,
            reason,
            detail: None,
            backend: Backend::File,
            latched: false,
            empty: false,
            age_assumed: false,
            gone: false,
        }
    }

    pub fn is_ready(&self) -> bool {
        self.verdict == Verdict::Ready
    }

    /// The exit status of readyctl(1); 124 for a wait that has timed out.
    pub fn exit_code(&self) -> i32 {
        match self.reason {
            Some("deadline") => 124,
            _ => self.verdict.row().2,
        }
    }

    fn has_status(&self) -> bool {
        self.status.is_some() || self.signal.is_some()
    }

    /// The status is as from waitpid(2).
    fn ended(mut self, wait_status: Option<i32>) -> Answer {
        self.gone = self.start.is_some();
        if let Some(status) = wait_status {
            if status & 0x7f == 0 {
                self.status = Some(status >> 8 & 0xff);
            } else {
                self.signal = Some(status & 0x7f);
                self.core = status & 0x80 != 0;
            }
        }
        self
    }

    fn needs_no_daemon(&self) -> bool {
        self.is_ready() || (self.verdict == Verdict::Exited && self.has_status())
    }

    /// An answer of readyd-protocol(7). Unknown keys and reasons are ignored.
    fn parse(line: &str) -> Option<Answer> {
        let mut words = line.split(' ');
        let word = words.next()?;
        let row = VERDICTS.iter().find(|row| row.1 == word)?;
        let mut answer = Answer::new(row.0, words.next()?.parse().ok()?, None, None);
        answer.backend = Backend::Daemon;
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "start" => answer.start = value.parse().ok(),
                "status" => {
                    answer.gone = true;
                    answer.status = value.parse().ok();
                }
                "signal" => answer.signal = value.parse().ok(),
                "reason" => answer.reason = REASONS.iter().find(|reason| **reason == value).copied(),
                "core" => answer.core = value == "1",
                "latched" => answer.latched = value == "1",
                "empty" => answer.empty = value == "1",
                "age" => answer.age_assumed = value == "assumed",
                _ => (),
            }
        }
        Some(answer)
    }

    /// To a caller that takes no assumed age.
    fn strict(mut self) -> Answer {
        if self.age_assumed {
            self.verdict = if self.verdict.is_end() { Verdict::Died } else { Verdict::Pending };
            self.reason = Some("age-unknown");
            self.age_assumed = false;
            self.empty = false;
            self.latched = false;
        }
        self
    }
}

/// The line that readyctl(1) prints.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verdict, self.pid)?;
        if let Some(start) = self.start {
            write!(f, " start={start}")?;
        }
        if let Some(reason) = self.reason {
            write!(f, " reason={reason}")?;
        }
        match (self.signal, self.status) {
            (Some(signal), _) => write!(f, " signal={signal}")?,
            (None, Some(status)) => write!(f, " status={status}")?,
            (None, None) if self.gone => f.write_str(" status=unknown")?,
            _ => (),
        }
        let flags = [
            (self.core, " core=1"),
            (self.latched, " latched=1"),
            (self.empty, " empty=1"),
            (self.age_assumed, " age=assumed"),
        ];
        flags.iter().filter(|flag| flag.0).try_for_each(|flag| f.write_str(flag.1))
    }
}

// --- options

/// The default is what readyctl(1) does without options. A daemon is believed as there, `$READYD_TRUST_UID` included.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The path of the daemon's socket, or `@` and an abstract name. Default: `$READYD_SOCKET`, else
    /// `/run/readyd.sock`.
    pub socket: Option<PathBuf>,
    /// The path of a marker without the pid, as `/tmp/ktstr-worker-ready-`. Default: the directory `$READYD_DIR`, else
    /// what the daemon serves, else this path.
    pub marker_prefix: Option<PathBuf>,
    /// Default: `$READYD_BACKEND`.
    pub backend: Backend,
    /// A marker with an age that would be assumed does not count.
    pub strict_age: bool,
    /// A stale marker ends a wait. Else the wait goes on, since the process may still write its own over it.
    pub fail_stale: bool,
    /// Wait for a process to start with the pid.
    pub await_start: bool,
}

/// Names a process: a pid, which means the process that has it now, or a pid and a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    pub pid: u32,
    pub start: Option<u64>,
}

impl From<u32> for Name {
    fn from(pid: u32) -> Name {
        Name { pid, start: None }
    }
}

impl From<(u32, u64)> for Name {
    fn from(named: (u32, u64)) -> Name {
        Name { pid: named.0, start: Some(named.1) }
    }
}

impl From<&Answer> for Name {
    fn from(answer: &Answer) -> Name {
        Name { pid: answer.pid, start: answer.start }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    dir: PathBuf,
    prefix: Vec<u8>,
}

impl Place {
    fn file_name(&self, pid: u32) -> Vec<u8> {
        let mut name = self.prefix.clone();
        name.extend_from_slice(pid.to_string().as_bytes());
        name
    }

    fn identity(&self) -> Option<(u64, u64)> {
        fs::metadata(&self.dir).ok().map(|meta| (meta.dev(), meta.ino()))
    }
}

struct Settings {
    socket: Vec<u8>,
    trust_uid: Option<u32>,
    place: Place,
    place_given: bool,
    backend: Backend,
    strict_age: bool,
    fail_stale: bool,
    await_start: bool,
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// Whether AT_SECURE is set in this auxiliary vector.
fn is_secure(auxv: &[u8]) -> bool {
    const SIZE: usize = std::mem::size_of::<usize>();
    let word = |bytes: &[u8]| {
        let mut whole = [0; SIZE];
        whole.copy_from_slice(bytes);
        usize::from_ne_bytes(whole)
    };
    auxv.chunks_exact(2 * SIZE).any(|pair| word(&pair[..SIZE]) == 23 && word(&pair[SIZE..]) != 0)
}

/// As secure_getenv(3): a set-user-ID program is not told by its caller which daemon to believe.
fn from_env(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
    let ignored = match fs::read("/proc/self/auxv") {
        Ok(auxv) => is_secure(&auxv),
        Err(error) => errno(&error) != ENOENT,
    };
    Some(PathBuf::from(value)).filter(|_| !ignored)
}

impl Settings {
    fn new(options: &Options) -> io::Result<Settings> {
        let given = options.marker_prefix.clone();
        let dir = from_env("READYD_DIR");
        let place_given = given.is_some() || dir.is_some();
        let whole = match (given, dir) {
            (Some(prefix), _) => prefix,
            (None, Some(dir)) => dir.join("ktstr-worker-ready-"),
            (None, None) => PathBuf::from("/tmp/ktstr-worker-ready-"),
        };
        let bytes = whole.as_os_str().as_bytes();
        let slash = bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        if bytes.first() != Some(&b'/') || slash + 1 == bytes.len() {
            return Err(invalid("the marker prefix is not an absolute path that ends in a name"));
        }
        let dir = OsStr::from_bytes(&bytes[..slash.max(1)]);
        let socket = options.socket.clone().or_else(|| from_env("READYD_SOCKET"));
        let socket = socket.unwrap_or_else(|| PathBuf::from("/run/readyd.sock")).into_os_string().into_vec();
        if socket.starts_with(b"vsock:") {
            return Err(invalid("only libreadyd asks remote daemons (vsock:)"));
        }
        let socket = socket.strip_prefix(b"unix:").map(<[u8]>::to_vec).unwrap_or(socket);
        if socket.is_empty() || socket.len() > 107 || socket.contains(&0) {
            return Err(invalid("the path of the socket is empty or too long"));
        }
        Ok(Settings {
            socket,
            trust_uid: Settings::trust_uid()?,
            place: Place { dir: dir.into(), prefix: bytes[slash + 1..].to_vec() },
            place_given,
            backend: Settings::backend(options.backend)?,
            strict_age: options.strict_age,
            fail_stale: options.fail_stale,
            await_start: options.await_start,
        })
    }

    /// The largest number is no user.
    fn trust_uid() -> io::Result<Option<u32>> {
        let word = match from_env("READYD_TRUST_UID") {
            Some(word) => word,
            None => return Ok(None),
        };
        let digits = word.to_str().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        match digits.and_then(|word| word.parse().ok()) {
            Some(uid) if uid != u32::MAX => Ok(Some(uid)),
            _ => Err(invalid("READYD_TRUST_UID is not the number of a user")),
        }
    }

    fn backend(wanted: Backend) -> io::Result<Backend> {
        match (wanted, from_env("READYD_BACKEND")) {
            (Backend::Auto, Some(word)) => match word.to_str() {
                Some("auto") => Ok(Backend::Auto),
                Some("daemon") => Ok(Backend::Daemon),
                Some("file") => Ok(Backend::File),
                _ => Err(invalid("READYD_BACKEND is not auto, daemon or file")),
            },
            _ => Ok(wanted),
        }
    }

    fn is_forced(&self) -> bool {
        self.backend == Backend::Daemon
    }
}

// --- the kernel

const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EPERM: i32 = 1;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const EXDEV: i32 = 18;
const ENOTDIR: i32 = 20;
const EINVAL: i32 = 22;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const ENAMETOOLONG: i32 = 36;
const ENOSYS: i32 = 38;
const ELOOP: i32 = 40;
const EPROTO: i32 = 71;
const ECONNRESET: i32 = 104;
const ETIMEDOUT: i32 = 110;

fn os(error: i32) -> io::Error {
    io::Error::from_raw_os_error(error)
}

/// Descriptors or memory ran out: nothing follows from the failure.
fn is_shortage(error: i32) -> bool {
    matches!(error, EMFILE | ENFILE | ENOMEM)
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

#[cfg(target_arch = "x86_64")]
mod number {
    pub const READ: usize = 0;
    pub const IOCTL: usize = 16;
    pub const SOCKET: usize = 41;
    pub const CONNECT: usize = 42;
    pub const GETSOCKOPT: usize = 55;
    pub const KILL: usize = 62;
    pub const GETEUID: usize = 107;
    pub const STATFS: usize = 137;
    pub const CLOCK_GETTIME: usize = 228;
    pub const EPOLL_CTL: usize = 233;
    pub const INOTIFY_ADD_WATCH: usize = 254;
    pub const PPOLL: usize = 271;
    pub const EPOLL_PWAIT: usize = 281;
    pub const TIMERFD_CREATE: usize = 283;
    pub const TIMERFD_SETTIME: usize = 286;
    pub const EPOLL_CREATE1: usize = 291;
    pub const INOTIFY_INIT1: usize = 294;
    pub const O_DIRECTORY: i32 = 0o200000;
}

// asm-generic/unistd.h
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod number {
    pub const READ: usize = 63;
    pub const IOCTL: usize = 29;
    pub const SOCKET: usize = 198;
    pub const CONNECT: usize = 203;
    pub const GETSOCKOPT: usize = 209;
    pub const KILL: usize = 129;
    pub const GETEUID: usize = 175;
    pub const STATFS: usize = 43;
    pub const CLOCK_GETTIME: usize = 113;
    pub const EPOLL_CTL: usize = 21;
    pub const INOTIFY_ADD_WATCH: usize = 27;
    pub const PPOLL: usize = 73;
    pub const EPOLL_PWAIT: usize = 22;
    pub const TIMERFD_CREATE: usize = 85;
    pub const TIMERFD_SETTIME: usize = 86;
    pub const EPOLL_CREATE1: usize = 20;
    pub const INOTIFY_INIT1: usize = 26;
    #[cfg(target_arch = "aarch64")]
    pub const O_DIRECTORY: i32 = 0o40000;
    #[cfg(target_arch = "riscv64")]
    pub const O_DIRECTORY: i32 = 0o200000;
}

const PIDFD_SEND_SIGNAL: usize = 424;
const PIDFD_OPEN: usize = 434;
const OPENAT2: usize = 437;
const O_PATH: i32 = 0o10000000;
const O_TMPFILE: i32 = 0o20000000 | number::O_DIRECTORY;
const O_CLOEXEC: usize = 0o2000000;
const O_NONBLOCK: usize = 0o4000;

/// A system call that does not change memory but what its arguments point to.
fn syscall(number: usize, args: [usize; 6]) -> io::Result<usize> {
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel preserves all registers but rax, rcx and r11; each caller passes valid pointers.
    unsafe {
        std::arch::asm!("syscall", inlateout("rax") number as isize => result, in("rdi") args[0], in("rsi") args[1],
            in("rdx") args[2], in("r10") args[3], in("r8") args[4], in("r9") args[5], lateout("rcx") _,
            lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel preserves all registers but x0; each caller passes valid pointers.
    unsafe {
        std::arch::asm!("svc 0", in("x8") number, inlateout("x0") args[0] as isize => result, in("x1") args[1],
            in("x2") args[2], in("x3") args[3], in("x4") args[4], in("x5") args[5], options(nostack));
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: the kernel preserves all registers but a0; each caller passes valid pointers.
    unsafe {
        std::arch::asm!("ecall", in("a7") number, inlateout("a0") args[0] as isize => result, in("a1") args[1],
            in("a2") args[2], in("a3") args[3], in("a4") args[4], in("a5") args[5], options(nostack));
    }
    if result < 0 {
        return Err(os(-result as i32));
    }
    Ok(result as usize)
}

fn owned(fd: usize) -> OwnedFd {
    // SAFETY: the kernel has just opened it for us.
    unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
}

fn call_fd(number: usize, args: [usize; 6]) -> io::Result<OwnedFd> {
    syscall(number, args).map(owned)
}

fn address<T>(of: &T) -> usize {
    of as *const T as usize
}

fn address_mut<T>(of: &mut T) -> usize {
    of as *mut T as usize
}

fn c_string(bytes: &[u8]) -> io::Result<Vec<u8>> {
    if bytes.contains(&0) {
        return Err(os(EINVAL));
    }
    let mut string = bytes.to_vec();
    string.push(0);
    Ok(string)
}

fn close_on_exec(flags: usize) -> usize {
    flags | O_CLOEXEC
}

const EPOLLIN: u32 = 1;
const EPOLLOUT: u32 = 4;

#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
#[derive(Clone, Copy)]
struct EpollEvent {
    events: u32,
    data: u64,
}

struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Epoll> {
        call_fd(number::EPOLL_CREATE1, [close_on_exec(0), 0, 0, 0, 0, 0]).map(Epoll)
    }

    fn control(&self, operation: usize, fd: RawFd, events: u32) -> io::Result<()> {
        let event = EpollEvent { events, data: fd as u64 };
        let args = [self.0.as_raw_fd() as usize, operation, fd as usize, address(&event), 0, 0];
        syscall(number::EPOLL_CTL, args).map(drop)
    }

    fn add(&self, fd: RawFd) -> io::Result<()> {
        self.control(1, fd, EPOLLIN)
    }

    fn remove(&self, fd: RawFd) {
        let _ = self.control(2, fd, 0);
    }

    fn change(&self, fd: RawFd, events: u32) {
        let _ = self.control(3, fd, events);
    }

    /// The descriptors that are ready.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<RawFd>> {
        let mut events = [EpollEvent { events: 0, data: 0 }; 64];
        let ms = timeout.map_or(-1, |left| ((left.as_nanos() + 999_999) / 1_000_000).min(i32::MAX as u128) as isize);
        let args = [self.0.as_raw_fd() as usize, address_mut(&mut events), events.len(), ms as usize, 0, 8];
        match syscall(number::EPOLL_PWAIT, args) {
            Ok(count) => Ok(events[..count].iter().map(|event| event.data as RawFd).collect()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn timer_new() -> io::Result<OwnedFd> {
    call_fd(number::TIMERFD_CREATE, [1, close_on_exec(O_NONBLOCK), 0, 0, 0, 0])
}

/// Readable after this time; `None`: never.
fn timer_set(timer: &OwnedFd, after: Option<Duration>) {
    let after = after.map(|after| after.max(Duration::from_nanos(1))).unwrap_or(Duration::ZERO);
    let spec: [i64; 4] = [0, 0, after.as_secs().min(i64::MAX as u64) as i64, i64::from(after.subsec_nanos())];
    let _ = syscall(number::TIMERFD_SETTIME, [timer.as_raw_fd() as usize, 0, address(&spec), 0, 0, 0]);
}

const FIONREAD: usize = 0x541b;
/// Created, or renamed to.
const IN_CAME: u32 = 0x100 | 0x80;
const IN_ISDIR: u32 = 0x4000_0000;
const IN_LOST: u32 = 0x400 | 0x800 | 0x2000 | 0x4000 | 0x8000;
/// Create, rename, close after writing, removal, attributes, and what happens to the directory itself.
const IN_WATCHED: u32 = 0x100 | 0x80 | 0x40 | 0x8 | 0x200 | 0x4 | 0x400 | 0x800 | 0x0100_0000;

fn inotify_new() -> io::Result<OwnedFd> {
    call_fd(number::INOTIFY_INIT1, [close_on_exec(O_NONBLOCK), 0, 0, 0, 0, 0])
}

fn inotify_add(inotify: &OwnedFd, path: &Path) -> io::Result<i32> {
    let path = c_string(path.as_os_str().as_bytes())?;
    let args = [inotify.as_raw_fd() as usize, path.as_ptr() as usize, IN_WATCHED as usize, 0, 0, 0];
    syscall(number::INOTIFY_ADD_WATCH, args).map(|wd| wd as i32)
}

struct FileEvent {
    wd: i32,
    mask: u32,
    name: Vec<u8>,
    /// In bytes, from the beginning of this read.
    end: usize,
}

fn read_fd(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let args = [fd.as_raw_fd() as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
    syscall(number::READ, args)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(four)
}

fn inotify_read(inotify: &OwnedFd) -> io::Result<Vec<FileEvent>> {
    let mut buffer = [0u8; 16384];
    let len = match read_fd(inotify, &mut buffer) {
        Ok(len) => len,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    let (mut events, mut at) = (Vec::new(), 0);
    while at + 16 <= len {
        let end = at + 16 + word(&buffer, at + 12) as usize;
        let name = buffer[at + 16..end].split(|byte| *byte == 0).next().unwrap_or(&[]).to_vec();
        events.push(FileEvent { wd: word(&buffer, at) as i32, mask: word(&buffer, at + 4), name, end });
        at = end;
    }
    Ok(events)
}

/// The bytes of events that wait to be read; the most that there can be if that is not known.
fn inotify_queued(inotify: &OwnedFd) -> usize {
    let mut bytes = 0i32;
    let result = syscall(number::IOCTL, [inotify.as_raw_fd() as usize, FIONREAD, address_mut(&mut bytes), 0, 0, 0]);
    result.map_or(usize::MAX, |_| bytes as usize)
}

fn is_readable(fd: &OwnedFd) -> Option<bool> {
    let mut poll: [i32; 2] = [fd.as_raw_fd(), 1];
    let zero: [i64; 2] = [0, 0];
    let result = syscall(number::PPOLL, [address_mut(&mut poll), 1, address(&zero), 0, 8, 0]);
    result.ok().map(|count| count > 0)
}

const SECOND_NS: i64 = 1_000_000_000;
/// A marker is written as soon as it is created, but for a worker that is preempted in between.
const WRITING_NS: i64 = SECOND_NS;
/// USER_HZ is 100 on all architectures that are supported.
const TICK_NS: i64 = SECOND_NS / 100;
const CLOCK_REALTIME: usize = 0;
const CLOCK_BOOTTIME: usize = 7;

fn clock_ns(clock: usize) -> i64 {
    let mut time: [i64; 2] = [0, 0];
    let _ = syscall(number::CLOCK_GETTIME, [clock, address_mut(&mut time), 0, 0, 0, 0]);
    time[0].saturating_mul(SECOND_NS).saturating_add(time[1])
}

/// CLOCK_REALTIME minus CLOCK_BOOTTIME. The remaining error makes a stamp look younger, never older.
fn boot_offset() -> i64 {
    let (mut least, mut offset, mut tries) = (i64::MAX, 0, 0);
    while tries < 100 && least > 20_000 {
        let before = clock_ns(CLOCK_BOOTTIME);
        let real = clock_ns(CLOCK_REALTIME);
        let after = clock_ns(CLOCK_BOOTTIME);
        if after - before < least {
            least = after - before;
            offset = real - after;
        }
        tries += 1;
    }
    offset
}

fn ctime_ns(meta: &Metadata) -> i64 {
    meta.ctime().saturating_mul(SECOND_NS).saturating_add(meta.ctime_nsec())
}

/// When the file was created, by the clock of its file system.
fn birth_ns(meta: &Metadata) -> Option<i64> {
    let since = meta.created().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok().filter(|ns| *ns > 0)
}

fn ticks_ns(ticks: u64) -> i64 {
    (ticks.min(1 << 62) as i64).saturating_mul(TICK_NS).min(i64::MAX / 4)
}

fn effective_uid() -> u32 {
    syscall(number::GETEUID, [0; 6]).map_or(u32::MAX, |uid| uid as u32)
}

/// f_type of statfs(2); 0 if it cannot be determined.
fn fs_type(path: &Path) -> u32 {
    let mut buffer = [0u64; 64];
    let path = match c_string(path.as_os_str().as_bytes()) {
        Ok(path) => path,
        Err(_) => return 0,
    };
    match syscall(number::STATFS, [path.as_ptr() as usize, address_mut(&mut buffer), 0, 0, 0, 0]) {
        Ok(_) => buffer[0] as u32,
        Err(_) => 0,
    }
}

// --- processes

/// The fields of proc_pid_stat(5) that are used.
struct Stat {
    state: u8,
    kernel: bool,
    cpu: u64,
    threads: i64,
    start: u64,
    exit_code: i32,
}

const PF_KTHREAD: u64 = 0x0020_0000;

fn read_stat(pid: u32) -> io::Result<Stat> {
    let bytes = fs::read(format!("/proc/{pid}/stat"))?;
    let from = bytes.iter().rposition(|byte| *byte == b')').map_or(0, |at| at + 1);
    let text = String::from_utf8_lossy(&bytes[from..]).into_owned();
    let fields: Vec<&str> = text.split_whitespace().collect();
    let parse = || -> Option<Stat> {
        Some(Stat {
            state: *fields.first()?.as_bytes().first()?,
            kernel: fields.get(6)?.parse::<u64>().ok()? & PF_KTHREAD != 0,
            cpu: fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?,
            threads: fields.get(17)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
            exit_code: fields.get(49).and_then(|field| field.parse().ok()).unwrap_or(0),
        })
    };
    parse().ok_or_else(|| os(EPROTO))
}

#[derive(Default)]
struct Status {
    uids: Option<[u32; 3]>,
    ns_pids: Vec<u32>,
}

fn read_status(process: &str) -> io::Result<Status> {
    let text = String::from_utf8_lossy(&fs::read(format!("/proc/{process}/status"))?).into_owned();
    let mut status = Status::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let numbers = || value.split_whitespace().filter_map(|number| number.parse().ok()).collect::<Vec<u32>>();
        match (key, numbers) {
            ("Uid", numbers) => {
                if let [real, effective, _, fs] = numbers()[..] {
                    status.uids = Some([real, effective, fs]);
                }
            }
            ("NSpid", numbers) => status.ns_pids = numbers(),
            _ => (),
        }
    }
    Ok(status)
}

/// Whether /proc is that of our own pid namespace; nothing in another one may be believed.
fn procfs_is_ours() -> bool {
    let own = std::process::id().to_string();
    match fs::read_link("/proc/self") {
        Ok(target) if target.as_os_str().as_bytes() == own.as_bytes() => (),
        Ok(_) => return false,
        Err(error) => return is_shortage(errno(&error)),
    }
    match read_status("self") {
        Ok(status) => status.ns_pids.len() <= 1,
        Err(error) => is_shortage(errno(&error)),
    }
}

fn namespace_inode(kind: &str) -> u64 {
    fs::metadata(format!("/proc/self/ns/{kind}")).map_or(0, |meta| meta.ino())
}

#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}

const INFO_CREDS: u64 = 0x2;
const INFO_EXIT: u64 = 0x8;

/// PIDFD_GET_INFO, since Linux 6.13: credentials; of an exited process its status, since 6.15.
fn pidfd_info(fd: &OwnedFd) -> PidfdInfo {
    let mut info = PidfdInfo { mask: INFO_CREDS | INFO_EXIT, ..PidfdInfo::default() };
    match syscall(number::IOCTL, [fd.as_raw_fd() as usize, 0xC040_FF0B, address_mut(&mut info), 0, 0, 0]) {
        Ok(_) => info,
        Err(_) => PidfdInfo::default(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Lives,
    Gone,
    Unknown,
}

/// A pid and a start. Everything is read after the pidfd was opened, and before a check that the process still has the
/// pid.
struct Process {
    pid: u32,
    fd: Option<OwnedFd>,
    ns_pid: u32,
    start: Option<u64>,
    identity_unknown: bool,
    uids: Option<[u32; 3]>,
    absent: bool,
    reused: bool,
    unread: bool,
    kernel: bool,
}

impl Process {
    fn open(name: Name) -> Process {
        let pid = name.pid;
        let mut process = Process {
            pid,
            fd: None,
            ns_pid: pid,
            start: None,
            identity_unknown: false,
            uids: None,
            absent: false,
            reused: false,
            unread: false,
            kernel: false,
        };
        process.read();
        if let Some(start) = name.start {
            process.demand(start);
        }
        process
    }

    fn read(&mut self) {
        match call_fd(PIDFD_OPEN, [self.pid as usize, 0, 0, 0, 0, 0]) {
            Ok(fd) => self.fd = Some(fd),
            // EINVAL, on newer kernels ENOENT: it is a thread's, or its process is being reaped.
            Err(error) if matches!(errno(&error), ESRCH | EINVAL | ENOENT) => {
                self.absent = true;
                return;
            }
            Err(_) => (),
        }
        let zombie = match self.read_files() {
            Ok(zombie) => zombie,
            Err(error) => {
                self.unread = is_shortage(errno(&error));
                self.absent = self.fd.is_none() && !self.exists();
                false
            }
        };
        // Whatever was read may belong to the next process with this pid.
        let reaped = match &self.fd {
            Some(fd) => is_readable(fd) == Some(true) && !zombie && !self.keeps_pid(),
            None => false,
        };
        if reaped {
            self.start = None;
            self.uids = None;
        }
    }

    fn read_files(&mut self) -> io::Result<bool> {
        let line = self.read_stat()?;
        self.start = Some(line.start);
        self.kernel = line.kernel;
        let status = read_status(&self.pid.to_string())?;
        self.ns_pid = status.ns_pids.last().copied().unwrap_or(self.pid);
        self.uids = status.uids;
        Ok(line.state == b'Z')
    }

    fn demand(&mut self, start: u64) {
        if self.start.map_or(false, |its| its != start) {
            self.fd = None;
            self.absent = true;
            self.reused = true;
        }
        self.identity_unknown = !self.absent && self.start.is_none() && self.life() != Life::Gone;
        self.start = Some(start);
    }

    fn read_stat(&self) -> io::Result<Stat> {
        if procfs_is_ours() {
            read_stat(self.pid)
        } else {
            Err(os(ENOENT))
        }
    }

    fn exists(&self) -> bool {
        match syscall(number::KILL, [self.pid as usize, 0, 0, 0, 0, 0]) {
            Ok(_) => true,
            Err(error) => errno(&error) != ESRCH,
        }
    }

    fn keeps_pid(&self) -> bool {
        match &self.fd {
            None => false,
            Some(fd) => match syscall(PIDFD_SEND_SIGNAL, [fd.as_raw_fd() as usize, 0, 0, 0, 0, 0]) {
                Ok(_) => true,
                Err(error) => errno(&error) == EPERM,
            },
        }
    }

    /// Whether another process has the pid of one that has ended and is reaped.
    fn has_successor(&self) -> bool {
        if self.fd.is_some() {
            return !self.keeps_pid() && self.exists();
        }
        !self.absent && self.start.is_some() && self.read_stat().map_or(false, |line| Some(line.start) != self.start)
    }

    fn start_known(&self) -> bool {
        self.start.is_some() && !self.identity_unknown
    }

    /// Also of a process that is gone, the start that was asked for.
    fn has_start(&self) -> bool {
        self.start_known() || (self.absent && self.start.is_some())
    }

    fn in_child_ns(&self) -> bool {
        self.ns_pid != self.pid
    }

    fn name(&self) -> Name {
        Name { pid: self.pid, start: self.start }
    }

    fn life(&self) -> Life {
        if self.absent {
            return Life::Gone;
        }
        match &self.fd {
            Some(fd) => match is_readable(fd) {
                Some(true) => Life::Gone,
                Some(false) => Life::Lives,
                None => Life::Unknown,
            },
            None => self.life_by_stat(),
        }
    }

    fn life_by_stat(&self) -> Life {
        match self.read_stat() {
            Ok(line) => {
                let another = self.start.map_or(false, |start| start != line.start);
                let gone = another || (line.state == b'Z' && line.threads <= 1);
                if gone { Life::Gone } else { Life::Lives }
            }
            Err(_) if !self.exists() => Life::Gone,
            Err(error) if is_shortage(errno(&error)) => Life::Unknown,
            Err(_) => Life::Lives,
        }
    }

    /// As from waitpid(2); `None` if the kernel does not report it.
    fn wait_status(&self) -> Option<i32> {
        // It may have been reaped between the first two.
        self.reported_status().or_else(|| self.zombie_status()).or_else(|| self.reported_status())
    }

    fn reported_status(&self) -> Option<i32> {
        let info = self.fd.as_ref().map(pidfd_info)?;
        if info.mask & INFO_EXIT != 0 { Some(info.exit_code) } else { None }
    }

    fn zombie_status(&self) -> Option<i32> {
        if !self.start_known() {
            return None;
        }
        let line = self.read_stat().ok()?;
        if Some(line.start) != self.start || !matches!(line.state, b'Z' | b'X') {
            return None;
        }
        // A reader without ptrace access sees 0 too.
        if line.exit_code != 0 || effective_uid() == 0 { Some(line.exit_code) } else { None }
    }

    /// Whether a file that it has created can have this owner; `Ok(None)`: cannot be read. `Err`: a shortage.
    /// The same. Of a process that was never seen no uid is known, so any user may have created the file: our user's
    /// counts.
    fn has_user(&self, uid: u32) -> io::Result<Option<bool>> {
        if self.absent {
            return Ok(if uid == effective_uid() { Some(true) } else { None });
        }
        self.has_uid(uid)
    }

    fn has_uid(&self, uid: u32) -> io::Result<Option<bool>> {
        if let Some(fd) = &self.fd {
            let info = pidfd_info(fd);
            if info.mask & INFO_CREDS != 0 {
                return Ok(Some([info.ids[0], info.ids[2], info.ids[6]].contains(&uid)));
            }
        }
        let mut now = None;
        if procfs_is_ours() {
            match read_status(&self.pid.to_string()) {
                Ok(status) => now = status.uids,
                Err(error) if is_shortage(errno(&error)) => return Err(error),
                Err(_) => (),
            }
        }
        if let Some(uids) = now {
            if self.life() != Life::Gone || self.keeps_pid() {
                return Ok(Some(uids.contains(&uid)));
            }
        }
        Ok(match self.uids {
            Some(uids) if uids.contains(&uid) => Some(true),
            _ => None,
        })
    }
}

// --- markers

/// The same file, not written in between: device, inode, mtime.
type FileId = (u64, u64, i64, i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Absent,
    File,
    Other,
    NoDirectory,
    Denied,
    Unknown,
}

/// What has the marker's name. Of an absent marker, `meta` is the directory's.
#[derive(Clone)]
struct Marker {
    kind: Kind,
    meta: Option<Metadata>,
    error: i32,
}

fn kind_of_failure(error: i32) -> Kind {
    match error {
        ENOENT | ENOTDIR | ELOOP | ENAMETOOLONG => Kind::NoDirectory,
        EACCES | EPERM => Kind::Denied,
        _ => Kind::Unknown,
    }
}

impl Marker {
    fn nothing(kind: Kind) -> Marker {
        Marker { kind, meta: None, error: 0 }
    }

    /// Uses lstat(2) only.
    fn look(dir: &Path, name: &[u8]) -> Marker {
        let mut error = match fs::symlink_metadata(dir.join(OsStr::from_bytes(name))) {
            Ok(meta) => {
                let kind = if meta.is_file() { Kind::File } else { Kind::Other };
                return Marker { kind, meta: Some(meta), error: 0 };
            }
            Err(error) => errno(&error),
        };
        if error == ENOENT {
            match fs::metadata(dir) {
                Ok(meta) => return Marker { kind: Kind::Absent, meta: Some(meta), error: 0 },
                Err(other) => error = errno(&other),
            }
        }
        Marker { kind: kind_of_failure(error), meta: None, error }
    }

    fn id(&self) -> Option<FileId> {
        match &self.meta {
            Some(meta) if self.kind == Kind::File => Some((meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec())),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    /// In our directory, also if no other is known (`None`, `Hidden`).
    Same,
    None,
    Hidden,
    Other,
    Unknown,
    Inaccessible,
}

/// Where a process leaves its marker. The descriptor of another directory keeps its file system mounted: drop it soon.
struct View {
    place: Where,
    marker: Marker,
    dir: Option<(OwnedFd, (u64, u64))>,
}

fn root_of(process: &Process) -> Where {
    if process.absent || !process.start_known() || !procfs_is_ours() {
        return Where::None;
    }
    let link = |process: &str, name: &str| fs::read_link(format!("/proc/{process}/{name}"));
    let pid = process.pid.to_string();
    let compare = || -> io::Result<bool> {
        Ok(link(&pid, "ns/mnt")? == link("self", "ns/mnt")? && link(&pid, "root")? == Path::new("/"))
    };
    match compare() {
        Ok(true) => Where::Same,
        Ok(false) => Where::Other,
        Err(error) if is_shortage(errno(&error)) => Where::Unknown,
        Err(error) if matches!(errno(&error), EACCES | EPERM) => Where::Hidden,
        Err(_) => Where::None,
    }
}

/// The directory that the path names to a process with that root: links do not lead out of it.
fn open_in_root(pid: u32, dir: &Path) -> io::Result<OwnedFd> {
    let root = fs::OpenOptions::new()
        .read(true)
        .custom_flags(O_PATH | number::O_DIRECTORY)
        .open(format!("/proc/{pid}/root"))?;
    let dir = c_string(dir.as_os_str().as_bytes())?;
    // RESOLVE_NO_MAGICLINKS and RESOLVE_IN_ROOT
    let how: [u64; 3] = [(O_PATH | number::O_DIRECTORY) as u64 | O_CLOEXEC as u64, 0, 0x12];
    let mut tries = 0;
    loop {
        let args = [root.as_raw_fd() as usize, dir.as_ptr() as usize, address(&how), 24, 0, 0];
        match call_fd(OPENAT2, args) {
            // The kernel has no EPERM for this; seccomp filters of containers do.
            Err(error) if errno(&error) == EPERM => return Err(os(ENOSYS)),
            Err(error) if errno(&error) == EAGAIN && tries < 16 => tries += 1,
            result => return result,
        }
    }
}

fn fd_path(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn view_marker(place: &Place, process: &Process) -> View {
    let name = place.file_name(process.ns_pid);
    let ours = |place_is: Where| View { place: place_is, marker: Marker::look(&place.dir, &name), dir: None };
    let nothing = |place_is: Where, kind: Kind| View { place: place_is, marker: Marker::nothing(kind), dir: None };
    match root_of(process) {
        Where::Other => (),
        Where::Unknown => return nothing(Where::Unknown, Kind::Unknown),
        other => return ours(other),
    }
    let fd = match open_in_root(process.pid, &place.dir) {
        Ok(fd) => fd,
        Err(error) => {
            return match errno(&error) {
                ENOSYS | EACCES | EPERM => nothing(Where::Inaccessible, Kind::Unknown),
                ENOENT | ENOTDIR | ELOOP | ENAMETOOLONG | EXDEV if process.life() == Life::Gone => ours(Where::None),
                ENOENT | ENOTDIR | ELOOP | ENAMETOOLONG | EXDEV => nothing(Where::Other, Kind::NoDirectory),
                _ => nothing(Where::Unknown, Kind::Unknown),
            }
        }
    };
    let path = fd_path(&fd);
    let marker = Marker::look(&path, &name);
    match fs::metadata(&path) {
        Ok(meta) if place.identity() == Some((meta.dev(), meta.ino())) => View { place: Where::Same, marker, dir: None },
        Ok(meta) => View { place: Where::Other, marker, dir: Some((fd, (meta.dev(), meta.ino()))) },
        Err(_) => nothing(Where::Unknown, Kind::Unknown),
    }
}

/// A stamp S stands for a moment in [S, S + grain] of a clock that is ours plus skew, give or take margin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trust {
    grain: i64,
    margin: i64,
    skew: i64,
}

/// The kernel stamps files with a coarse clock that is late by a timer tick.
const GRAIN_NS: i64 = 40_000_000;
/// By how much a server's clock may differ from ours.
const MARGIN_NS: i64 = 5 * SECOND_NS;
/// tmpfs, ramfs, hugetlbfs, ext4, XFS, btrfs, F2FS, NILFS, ReiserFS, FAT, bcachefs, exFAT, HFS+, JFS, NTFS, UDF, ZFS
const KERNEL_CLOCK: [u32; 17] = [
    0x0102_1994, 0x8584_58f6, 0x9584_58f6, 0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x3434, 0x5265_4973, 0x4d44,
    0xca45_1a4e, 0x2011_bab0, 0x482b, 0x3153_464a, 0x7366_746e, 0x1501_3346, 0x2fc1_2fc1,
];
/// overlayfs, eCryptfs
const LAYER_CLOCK: [u32; 2] = [0x794c_7630, 0xf15f];
const FAT: u32 = 0x4d44;

/// Where it may decide, the clock of the file system is read from a file without a name. `Err`: a shortage.
fn read_trust(dir: &Path, stamp: i64, then: i64) -> io::Result<Trust> {
    let kind = fs_type(dir);
    let layer = LAYER_CLOCK.contains(&kind);
    let grain = match (stamp % SECOND_NS == 0, kind == FAT) {
        (false, _) => GRAIN_NS,
        (true, false) => SECOND_NS,
        (true, true) => 2 * SECOND_NS,
    };
    let margin = if KERNEL_CLOCK.contains(&kind) { 0 } else { MARGIN_NS };
    let trust = Trust { grain, margin, skew: 0 };
    let most = grain + margin + TICK_NS;
    let difference = stamp.saturating_sub(then);
    if margin == 0 || difference <= -most || difference >= most {
        return Ok(trust);
    }
    let before = clock_ns(CLOCK_REALTIME);
    match fs::OpenOptions::new().write(true).mode(0o600).custom_flags(O_TMPFILE).open(dir) {
        Ok(file) => match file.metadata() {
            Ok(meta) => Ok(narrow(trust, layer, before, ctime_ns(&meta), clock_ns(CLOCK_REALTIME))),
            Err(_) => Ok(trust),
        },
        Err(error) if is_shortage(errno(&error)) => Err(error),
        Err(_) if layer => Ok(Trust { margin: 0, ..trust }),
        Err(_) => Ok(trust),
    }
}

/// A file that was created between `before` and `after` shows this stamp.
fn narrow(trust: Trust, layer: bool, before: i64, shown: i64, after: i64) -> Trust {
    if after < before {
        return trust;
    }
    let grain = if shown % SECOND_NS == 0 { trust.grain.max(SECOND_NS) } else { trust.grain };
    let (least, most) = (shown - after, shown + grain - before);
    if layer && least <= 0 && most >= 0 {
        return Trust { grain, margin: 0, skew: 0 };
    }
    Trust { grain, margin: (most - least + 1) / 2, skew: least + (most - least) / 2 }
}

/// By how much the clock was set since the first process of our pid namespace started; 0: not, or not known.
fn clock_set_step() -> i64 {
    let mounted = fs::metadata("/proc").map(|meta| ctime_ns(&meta));
    match (mounted, procfs_is_ours(), read_stat(1)) {
        (Ok(mounted), true, Ok(first)) => {
            let step = boot_offset() - (mounted - ticks_ns(first.start));
            if step.abs() > SECOND_NS { step } else { 0 }
        }
        _ => 0,
    }
}

/// Whether a stamp that looks too old may be valid, written before the clock was set forward.
fn clock_set_excuses(stamp: i64, age: i64) -> bool {
    let step = clock_set_step();
    let late = if namespace_inode("pid") == 0xEFFF_FFFC { 30 } else { 2 } * SECOND_NS;
    step > 0 && age <= step.saturating_add(late) && stamp.saturating_add(step) <= clock_ns(CLOCK_REALTIME)
}

// --- evidence

/// What this observer has seen of a process so far.
#[derive(Default)]
struct History {
    strict: bool,
    latched: bool,
    assumed: bool,
    /// The daemon has said that the marker is its own.
    confirmed: bool,
    /// It was alive while no marker was in that directory.
    absent: Option<(u64, u64)>,
    /// CLOCK_BOOTTIME in nanoseconds; 0: not known.
    absent_since: i64,
    /// There while an earlier process, or none, had the pid.
    leftover: Option<FileId>,
    foreign: Option<FileId>,
    other_directory: bool,
    /// An event reported its marker in that directory while it was running, and no look has seen it.
    came: Option<(u64, u64)>,
    /// The last look saw something under that name, so an event may be about that.
    present: bool,
    /// Of the last look: ready, but an earlier observer may know better.
    unconfirmed: bool,
    /// It has ended, and the marker that is there is older.
    refuted: bool,
}

struct Observation {
    marker: Marker,
    gone: bool,
    succeeded: bool, // another process had its pid after the look at the marker
    foreign: bool,
    owner_unknown: bool,
    trust: Trust,
    now: i64,
    offset: i64,
    was_set: bool,
    /// Others than root and the user of the process can write to the directory.
    shared: bool,
    ambiguous: bool,
    ambiguity_unchecked: bool,
    inaccessible: bool,
    unknown: bool,
    look_failed: bool,
    /// Its marker came and is gone.
    arrived: bool,
    /// A file came and is gone, where others could have created and removed it.
    went: bool,
}

/// Whether that is our directory, and only root and the user of the process can write to it.
fn is_private(place: &Place, process: &Process, directory: (u64, u64)) -> bool {
    match fs::metadata(&place.dir) {
        Ok(meta) if (meta.dev(), meta.ino()) == directory => !is_shared(process, &meta),
        _ => false,
    }
}

/// Whether others than root and the user of the process can write to a directory.
fn is_shared(process: &Process, directory: &Metadata) -> bool {
    let its = || directory.uid() == 0 || matches!(process.has_user(directory.uid()), Ok(Some(true)));
    directory.mode() & 0o022 != 0 || !its()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    Own,
    Assumed,
    Undated,
    Nameless,
    Leftover,
    Foreign,
    Ambiguous,
}

impl Evidence {
    fn against(self) -> Option<&'static str> {
        match self {
            Evidence::Own | Evidence::Assumed => None,
            Evidence::Undated => Some("age-unknown"),
            Evidence::Nameless => Some("identity-unknown"),
            Evidence::Leftover => Some("older-than-process"),
            Evidence::Foreign => Some("foreign-owner"),
            Evidence::Ambiguous => Some("name-collision"),
        }
    }
}

fn user_map_is_complete() -> bool {
    match fs::read_to_string("/proc/self/uid_map") {
        Ok(map) => {
            let line = map.lines().next().unwrap_or("");
            line.split_whitespace().collect::<Vec<_>>() == ["0", "0", "4294967295"]
        }
        Err(error) => errno(&error) == ENOENT && Path::new("/proc/self/stat").exists(),
    }
}

/// Whether this process existed when the marker was written, has its owner's uid, and sees its directory; `None`: that
/// cannot be read.
fn could_have_left(place: &Place, other: &Process, view: &View) -> Option<bool> {
    let meta = match &view.marker.meta {
        Some(meta) if !other.kernel && other.life() != Life::Gone => meta,
        _ => return Some(false),
    };
    let came = ctime_ns(meta) - boot_offset() + TICK_NS;
    if other.start.map_or(false, |start| ticks_ns(start) > came) {
        return Some(false);
    }
    let own = other.has_uid(meta.uid()).ok().flatten();
    if own == Some(false) {
        return own;
    }
    let its = view_marker(place, other);
    if own.is_none() || other.unread || its.place == Where::Unknown {
        return None;
    }
    let identity = |view: &View| view.dir.as_ref().map(|dir| dir.1).or_else(|| place.identity());
    Some(matches!(its.place, Where::Same | Where::Other) && identity(&its) == identity(view))
}

/// Whether this process, if it is there, leaves a marker of that name; `None`: a shortage.
fn has_name(pid: u32, ns_pid: u32) -> Option<bool> {
    match read_status(&pid.to_string()) {
        Ok(status) => Some(status.ns_pids.last() == Some(&ns_pid)),
        Err(error) if is_shortage(errno(&error)) => None,
        Err(_) => Some(false),
    }
}

/// Looks through /proc for another process with this marker name, for a process in a child pid namespace. `None`: not
/// all that matters can be read.
fn is_ambiguous(place: &Place, process: &Process, view: &View) -> Option<bool> {
    let entries = match fs::read_dir("/proc") {
        Ok(entries) => entries,
        Err(error) => return if is_shortage(errno(&error)) { None } else { Some(false) },
    };
    let mut found = Some(false);
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    for pid in pids.filter(|pid| *pid != 1 && *pid != process.pid) {
        let one = match has_name(pid, process.ns_pid) {
            Some(true) => could_have_left(place, &Process::open(Name::from(pid)), view),
            one => one,
        };
        match one {
            Some(true) => return one,
            Some(false) => (),
            None => found = None,
        }
    }
    found
}

impl Observation {
    fn new(process: &Process) -> Observation {
        Observation {
            marker: Marker::nothing(Kind::Absent),
            gone: false,
            succeeded: false,
            foreign: false,
            owner_unknown: false,
            trust: Trust { grain: GRAIN_NS, margin: 0, skew: 0 },
            now: 0,
            offset: 0,
            was_set: false,
            shared: false,
            ambiguous: false,
            ambiguity_unchecked: false,
            inaccessible: false,
            unknown: process.unread && !process.absent,
            look_failed: false,
            arrived: false,
            went: false,
        }
    }

    fn stamp(&self) -> i64 {
        self.marker.meta.as_ref().map_or(0, ctime_ns) - self.trust.skew
    }

    fn tolerance(&self) -> i64 {
        self.trust.grain + self.trust.margin
    }

    /// How long before the start of the process the marker was written; negative: after it.
    fn age_at_start(&self, process: &Process) -> i64 {
        ticks_ns(process.start.unwrap_or(0)).saturating_sub(self.stamp().saturating_sub(self.offset))
    }

    fn is_in_future(&self) -> bool {
        self.stamp() > self.now + self.tolerance()
    }

    fn observe(&mut self, place: &Place, process: &Process, history: &mut History, alone: bool) {
        let view = view_marker(place, process);
        if view.place == Where::Other {
            history.other_directory = true;
        }
        if matches!(view.place, Where::Same | Where::None) && history.other_directory && process.life() == Life::Gone {
            // Its directory cannot be reached any more.
            self.marker = Marker::nothing(Kind::Absent);
            return;
        }
        self.inaccessible =
            view.place == Where::Inaccessible || (view.place == Where::Hidden && process.in_child_ns());
        self.unknown |= view.place == Where::Unknown;
        self.marker = view.marker.clone();
        if self.marker.kind == Kind::Unknown && !self.inaccessible && view.place != Where::Unknown {
            self.unknown |= is_shortage(self.marker.error);
            self.look_failed = !is_shortage(self.marker.error);
        }
        if self.marker.kind != Kind::Unknown {
            // What is seen counts by itself.
            history.present = matches!(self.marker.kind, Kind::File | Kind::Other);
            history.came = history.came.filter(|_| !history.present);
        }
        let gone = history.came.filter(|_| self.marker.kind == Kind::Absent && view.place == Where::Same);
        self.arrived = gone.map_or(false, |directory| is_private(place, process, directory));
        self.went = gone.is_some() && !self.arrived;
        if self.inaccessible || self.unknown || self.marker.kind != Kind::File {
            return;
        }
        let directory = view.dir.as_ref().map(|dir| dir.1).or_else(|| place.identity());
        if history.absent.is_some() && history.absent != directory {
            history.absent = None;
        }
        if history.needs_stamps(&self.marker) {
            let path = view.dir.as_ref().map_or_else(|| place.dir.clone(), |dir| fd_path(&dir.0));
            self.check_clocks(&path, process);
        }
        self.check_origin(place, process, history, &view);
        self.check_owner(process, history);
        self.check_ambiguity(place, process, history, alone, &view);
    }

    /// Last: where age or owner prove that the marker is not its own, it does not matter which process has left it.
    fn check_ambiguity(&mut self, place: &Place, process: &Process, history: &History, alone: bool, view: &View) {
        if history.latched || history.confirmed || !process.in_child_ns() {
            return;
        }
        self.ambiguity_unchecked = !alone;
        if !alone || matches!(self.weigh(process, history), Evidence::Foreign | Evidence::Leftover) {
            return;
        }
        match is_ambiguous(place, process, view) {
            Some(found) => self.ambiguous = found,
            None => self.unknown = true,
        }
    }

    /// Whether others can have moved the file there.
    fn check_origin(&mut self, place: &Place, process: &Process, history: &History, view: &View) {
        if history.latched || history.confirmed {
            return;
        }
        if self.now == 0 {
            self.now = clock_ns(CLOCK_REALTIME);
            self.offset = boot_offset();
        }
        if self.may_be_moved(process, history) {
            let path = view.dir.as_ref().map_or_else(|| place.dir.clone(), |dir| fd_path(&dir.0));
            self.shared = fs::metadata(path).map_or(true, |meta| is_shared(process, &meta));
        }
    }

    fn is_linked(&self) -> bool {
        self.marker.meta.as_ref().map_or(false, |meta| meta.nlink() > 1)
    }

    /// Neither a link nor a rename changes the times of birth and of writing.
    fn was_born_before(&self, process: &Process, history: &History) -> bool {
        let (meta, born) = match self.marker.meta.as_ref().and_then(|meta| Some((meta, birth_ns(meta)?))) {
            Some(known) => known,
            None => return false,
        };
        let took = ctime_ns(meta).saturating_sub(born);
        if history.never_saw(process) {
            return took > WRITING_NS;
        }
        let start = process.start.map_or(history.absent_since, ticks_ns);
        let age = start.saturating_sub(born - self.trust.skew - self.offset);
        took > self.now - self.offset - start + GRAIN_NS
            || (age > self.tolerance() && !clock_set_excuses(born, age))
    }

    fn was_written_before(&self, process: &Process, history: &History) -> bool {
        let meta = match &self.marker.meta {
            Some(meta) => meta,
            None => return false,
        };
        let written = meta.mtime().saturating_mul(SECOND_NS).saturating_add(meta.mtime_nsec());
        if history.never_saw(process) {
            return ctime_ns(meta).saturating_sub(written) > WRITING_NS;
        }
        let start = ticks_ns(process.start.unwrap_or(0));
        start.saturating_sub(written.saturating_sub(self.trust.skew + self.offset)) > self.tolerance()
    }

    fn may_be_moved(&self, process: &Process, history: &History) -> bool {
        self.is_linked()
            || self.was_born_before(process, history)
            || (history.never_saw(process) && self.was_written_before(process, history))
    }

    /// Others may have given an old file that name.
    fn is_moved(&self, process: &Process, history: &History) -> bool {
        self.shared && self.may_be_moved(process, history)
    }

    /// What was not seen to come may be a leftover that the process has written over.
    fn weigh_moved(&self, process: &Process, history: &History) -> Evidence {
        if self.is_linked() || self.was_written_before(process, history) {
            Evidence::Undated
        } else {
            Evidence::Assumed
        }
    }

    /// The file that had the name before the process.
    fn is_rewritten_leftover(&self, history: &History) -> bool {
        match (history.leftover, &self.marker.meta) {
            (Some(leftover), Some(meta)) => (leftover.0, leftover.1) == (meta.dev(), meta.ino()) && !self.is_linked(),
            _ => false,
        }
    }

    fn check_clocks(&mut self, dir: &Path, process: &Process) {
        self.now = clock_ns(CLOCK_REALTIME);
        self.offset = boot_offset();
        let written = self.marker.meta.as_ref().map_or(0, ctime_ns);
        let started = ticks_ns(process.start.unwrap_or(0)).saturating_add(self.offset);
        match read_trust(dir, written, started) {
            Ok(trust) => self.trust = trust,
            Err(_) => self.unknown = true,
        }
        let age = self.age_at_start(process);
        self.was_set = age > self.tolerance() && clock_set_excuses(written, age);
    }

    /// Root may leave a marker for any process.
    fn check_owner(&mut self, process: &Process, history: &mut History) {
        let uid = self.marker.meta.as_ref().map_or(0, |meta| meta.uid());
        let mut own = Some(true);
        if uid != 0 {
            match process.has_user(uid) {
                Ok(known) => own = known,
                Err(_) => self.unknown = true,
            }
        }
        // The kernel shows all users that our user namespace does not map by this number.
        if own == Some(true) && uid == 65534 && !user_map_is_complete() {
            own = None;
        }
        let id = self.marker.id();
        self.foreign = own == Some(false) || (history.foreign.is_some() && history.foreign == id);
        if self.foreign {
            history.foreign = id;
        }
        self.owner_unknown = own.is_none();
    }

    fn weigh_age(&self, process: &Process) -> Evidence {
        let age = self.age_at_start(process);
        if self.is_in_future() {
            Evidence::Undated
        } else if age > self.tolerance() {
            if self.was_set { Evidence::Assumed } else { Evidence::Leftover }
        } else if age < -TICK_NS - self.trust.margin {
            Evidence::Own
        } else {
            Evidence::Assumed
        }
    }

    /// The owner first: no clock makes another user's file the process's own.
    fn weigh(&self, process: &Process, history: &History) -> Evidence {
        if history.confirmed {
            return Evidence::Own;
        }
        if self.ambiguous {
            return Evidence::Ambiguous;
        }
        if self.foreign {
            return Evidence::Foreign;
        }
        if history.leftover.is_some() && history.leftover == self.marker.id() {
            return Evidence::Leftover;
        }
        if process.identity_unknown || self.owner_unknown {
            return Evidence::Nameless;
        }
        let moved = self.is_moved(process, history);
        if history.absent.is_some() {
            return if moved { Evidence::Undated } else { Evidence::Own };
        }
        if !process.has_start() && !process.absent {
            return Evidence::Nameless;
        }
        // Where none was seen, any process that had the pid is meant; one of them wrote it.
        let mut age = if process.has_start() { self.weigh_age(process) } else { Evidence::Own };
        if moved && matches!(age, Evidence::Own | Evidence::Assumed) && !self.is_rewritten_leftover(history) {
            age = self.weigh_moved(process, history);
        }
        if age == Evidence::Assumed && history.strict { Evidence::Undated } else { age }
    }

    /// Whether an observer that saw the file earlier may overrule the evidence.
    fn is_weak(&self, process: &Process, history: &History) -> bool {
        history.needs_stamps(&self.marker)
            && (!process.has_start()
                || self.is_in_future()
                || self.is_moved(process, history)
                || self.age_at_start(process) >= -TICK_NS - self.tolerance())
    }

    fn judge(&self, process: &Process, history: &History, evidence: Option<Evidence>) -> (Verdict, Option<&'static str>) {
        let against = evidence.and_then(Evidence::against);
        if self.unknown {
            return (Verdict::Pending, Some("no-resources"));
        }
        if self.look_failed {
            return (Verdict::Pending, Some("look-failed"));
        }
        let arrived = self.arrived && !process.identity_unknown;
        if history.latched || arrived || (evidence.is_some() && against.is_none()) {
            return (if self.gone { Verdict::Exited } else { Verdict::Ready }, None);
        }
        if process.absent {
            let nothing = against.filter(|reason| matches!(*reason, "identity-unknown" | "age-unknown"));
            return (Verdict::Died, Some(if process.reused { "pid-reused" } else { nothing.unwrap_or("no-process") }));
        }
        match evidence {
            _ if self.gone => (Verdict::Died, against),
            Some(Evidence::Undated | Evidence::Nameless) => (Verdict::Pending, against),
            Some(Evidence::Ambiguous) => (Verdict::Unreachable, against),
            Some(_) => (Verdict::Stale, against),
            None if self.inaccessible => (Verdict::Unreachable, Some("namespace-denied")),
            None if self.went && !process.identity_unknown => (Verdict::Pending, Some("came-and-went")),
            None => match self.marker.kind {
                Kind::File | Kind::Absent => (Verdict::Pending, None),
                Kind::Other => (Verdict::Pending, Some("not-a-file")),
                Kind::NoDirectory => (Verdict::Unreachable, Some("no-directory")),
                Kind::Denied => (Verdict::Unreachable, Some("directory-denied")),
                Kind::Unknown => (Verdict::Pending, Some("look-failed")),
            },
        }
    }
}

impl History {
    /// Then the file alone tells when it was created.
    fn never_saw(&self, process: &Process) -> bool {
        process.absent && !process.has_start() && self.absent_since == 0
    }

    /// Whether time stamps decide.
    fn needs_stamps(&self, marker: &Marker) -> bool {
        let leftover = self.leftover.is_some() && self.leftover == marker.id();
        !self.latched && !self.confirmed && self.absent.is_none() && !leftover
    }

    fn evaluate(&mut self, process: &Process, seen: &Observation) -> Answer {
        let marked = seen.marker.kind == Kind::File && !process.reused && !seen.succeeded;
        let evidence = if marked && !self.latched { Some(seen.weigh(process, self)) } else { None };
        let (verdict, reason) = seen.judge(process, self, evidence);
        let mut answer = Answer::new(verdict, process.pid, process.start, reason);
        if process.identity_unknown && verdict == Verdict::Pending && reason.is_none() {
            answer.reason = Some("identity-unknown");
        }
        let known = self.latched || self.confirmed;
        let assumed = if known { self.assumed } else { evidence == Some(Evidence::Assumed) };
        answer.age_assumed = assumed && !seen.unknown;
        answer.empty = marked && seen.marker.meta.as_ref().map_or(false, |meta| meta.len() == 0);
        answer.latched = self.latched && !marked;
        let first = answer.is_ready() && !self.latched;
        self.unconfirmed = seen.ambiguity_unchecked || (first && marked && seen.is_weak(process, self));
        self.refuted = verdict == Verdict::Died && evidence == Some(Evidence::Leftover);
        if first && !seen.ambiguity_unchecked {
            self.latched = true;
            self.assumed = answer.age_assumed;
        }
        answer
    }
}

/// Marker, then process, then marker again: a process may write its marker and exit in between. `alone`: there is no
/// daemon that can find other processes with the same marker name.
fn check(place: &Place, process: &Process, history: &mut History, alone: bool) -> Answer {
    let mut seen = Observation::new(process);
    seen.observe(place, process, history, alone);
    let life = process.life();
    seen.gone = life == Life::Gone;
    seen.unknown |= life == Life::Unknown;
    if seen.gone && seen.marker.kind != Kind::File {
        seen.observe(place, process, history, alone);
    }
    // The marker may be that of the process which has the pid now.
    seen.succeeded = seen.gone && seen.marker.kind == Kind::File && process.has_successor();
    let answer = history.evaluate(process, &seen);
    let absent = seen.marker.kind == Kind::Absent && !seen.unknown && !seen.inaccessible;
    if let (Life::Lives, true, Some(meta)) = (life, absent, &seen.marker.meta) {
        if history.absent.is_none() || history.absent_since == 0 {
            history.absent_since = clock_ns(CLOCK_BOOTTIME);
        }
        history.absent = Some((meta.dev(), meta.ino()));
        history.leftover = None;
    }
    if seen.gone && !process.absent {
        return answer.ended(process.wait_status());
    }
    answer
}

// --- the daemon

/// What a daemon serves.
struct Hello {
    pidns: u64,
    timens: u64,
    dir: (u64, u64),
    place: Place,
}

fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut plain, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let code = match bytes[at] {
            b'%' => text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        plain.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    plain
}

impl Hello {
    fn parse(line: &str) -> Hello {
        let value = |key: &str| -> &str {
            line.split(' ').filter_map(|word| word.split_once('=')).find(|pair| pair.0 == key).map_or("", |pair| pair.1)
        };
        let dir = value("dir").split_once(':').unwrap_or(("0", "0"));
        Hello {
            pidns: value("pidns").parse().unwrap_or(0),
            timens: value("timens").parse().unwrap_or(0),
            dir: (dir.0.parse().unwrap_or(0), dir.1.parse().unwrap_or(0)),
            place: Place {
                dir: std::ffi::OsString::from_vec(unescape(value("path"))).into(),
                prefix: unescape(value("prefix")),
            },
        }
    }

    /// Whether the daemon means the same pids, starts and directory. What is not known (0) is no reason to refuse it.
    fn agrees(&self, settings: &Settings) -> bool {
        let differs = |its: u64, kind: &str| {
            let own = namespace_inode(kind);
            its != 0 && own != 0 && its != own
        };
        if differs(self.pidns, "pid") || differs(self.timens, "time") {
            return false;
        }
        let place = if settings.place_given { &settings.place } else { &self.place };
        place.prefix == self.place.prefix && place.identity().unwrap_or((0, 0)) == self.dir
    }
}

struct Connection {
    stream: UnixStream,
    pid: u32,
    input: Vec<u8>,
    output: Vec<u8>,
}

const SOL_SOCKET: usize = 1;
const SO_PEERCRED: usize = 17;

/// The overflow uid may stand for any user of another user namespace.
fn is_believed(uid: u32, also: Option<u32>) -> bool {
    (uid == 0 || uid == effective_uid() || Some(uid) == also) && (uid != 65534 || user_map_is_complete())
}

/// A socket is also believed by its place: a directory that is root's and that no other user can write to. The path of
/// the socket through that directory, while it is open: what is connected to is what was checked.
fn through_directory(path: &[u8]) -> io::Result<(fs::File, Vec<u8>)> {
    let slash = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    if path.first() == Some(&b'@') {
        return Err(os(EACCES));
    }
    let parent = [&path[..slash], b"."].concat();
    let flags = O_PATH | number::O_DIRECTORY;
    let directory = fs::OpenOptions::new().read(true).custom_flags(flags).open(OsStr::from_bytes(&parent))?;
    let mut through = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    through.extend_from_slice(&path[slash..]);
    let meta = directory.metadata()?;
    let socket = fs::symlink_metadata(OsStr::from_bytes(&through)).map(|meta| meta.file_type().is_socket());
    if through.len() > 107 || meta.uid() != 0 || meta.mode() & 0o022 != 0 || !socket.unwrap_or(false) {
        return Err(os(EACCES));
    }
    Ok((directory, through))
}

impl Connection {
    fn open(settings: &Settings) -> io::Result<Connection> {
        let (connection, uid) = Connection::connect(&settings.socket)?;
        // Any user may serve this path where the directory permits it.
        if is_believed(uid, settings.trust_uid) {
            return Ok(connection);
        }
        drop(connection);
        let (_directory, through) = through_directory(&settings.socket)?;
        Connection::connect(&through).map(|(connection, _)| connection)
    }

    /// And the uid of what listens there.
    fn connect(path: &[u8]) -> io::Result<(Connection, u32)> {
        let socket = call_fd(number::SOCKET, [1, 1 | close_on_exec(O_NONBLOCK), 0, 0, 0, 0])?;
        let mut name = 1u16.to_ne_bytes().to_vec();
        name.extend_from_slice(path);
        if path.first() == Some(&b'@') {
            name[2] = 0;
        } else {
            name.push(0);
        }
        let fd = socket.as_raw_fd() as usize;
        syscall(number::CONNECT, [fd, name.as_ptr() as usize, name.len(), 0, 0, 0])?;
        let (mut peer, mut len): ([u32; 3], u32) = ([0, u32::MAX, 0], 12);
        syscall(number::GETSOCKOPT, [fd, SOL_SOCKET, SO_PEERCRED, address_mut(&mut peer), address_mut(&mut len), 0])?;
        let stream = UnixStream::from(socket);
        Ok((Connection { stream, pid: peer[0], input: Vec::new(), output: Vec::new() }, peer[1]))
    }

    fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    fn send(&mut self, text: &str) -> io::Result<()> {
        self.output.extend_from_slice(text.as_bytes());
        self.flush()
    }

    /// std sends with MSG_NOSIGNAL.
    fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => (),
                    // What the daemon sent before can still be read.
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => self.output.clear(),
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// The next line that has arrived.
    fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_string()));
            }
            if self.input.len() > 2048 {
                return Err(os(EPROTO));
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(os(ECONNRESET)),
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether the daemon's answer takes precedence over the own look: it may remember what cannot be seen any more, but
/// that it cannot see something adds nothing.
fn counts(own: &Answer, refuted: bool, said: &Answer) -> bool {
    let knows_nothing = matches!(own.verdict, Verdict::Pending | Verdict::Unreachable);
    // It may be about another process, or made without a look at it.
    if said.start.is_none() && (own.start.is_some() || !knows_nothing) {
        return false;
    }
    // There was a process, but neither side knows its start: what the daemon knows may be another's.
    let nameless = said.start.is_none() && own.start.is_none();
    if nameless && said.verdict == Verdict::Exited && own.reason != Some("no-process") {
        return false;
    }
    if matches!(own.reason, Some("no-resources" | "look-failed")) {
        return true;
    }
    if said.reason == Some("name-collision") {
        return true;
    }
    if refuted && said.verdict == Verdict::Exited {
        return false;
    }
    match (own.verdict, said.verdict) {
        (Verdict::Ready, said) => said == Verdict::Stale,
        (Verdict::Unreachable, Verdict::Pending) => true,
        (Verdict::Pending, _) if own.reason.is_none() && said.reason == Some("came-and-went") => true,
        (_, said) => !matches!(said, Verdict::Pending | Verdict::Unreachable),
    }
}

/// The daemon may not have been permitted to read the exit status.
fn complete(own: &Answer, mut said: Answer) -> Answer {
    let same = own.start.is_some() && own.start == said.start;
    if same && own.verdict.is_end() && said.verdict.is_end() && !said.has_status() {
        said.status = own.status;
        said.signal = own.signal;
        said.core = own.core;
        said.gone = true;
    }
    said
}

fn format_name(name: Name) -> String {
    match name.start {
        Some(start) => format!("{}:{start}", name.pid),
        None => name.pid.to_string(),
    }
}

/// How long an answer may take: to a wait, unless the daemon uses CPU time; at most, even then; to a single question;
/// and where there is nothing but the daemon.
const LATE: Duration = Duration::from_millis(1000);
const PATIENCE: Duration = Duration::from_secs(30);
const QUERY_LATE: Duration = Duration::from_millis(250);
const FORCED_LATE: Duration = Duration::from_secs(5);

/// One QUERY and its answer.
fn ask(settings: &Settings, name: Name, late: Duration) -> io::Result<(Answer, Hello)> {
    let mut connection = Connection::open(settings)?;
    let epoll = Epoll::new()?;
    epoll.add(connection.fd())?;
    connection.send(&format!("HELLO 1\nQUERY {}\n", format_name(name)))?;
    let until = Instant::now() + late;
    let mut hello = None;
    loop {
        while let Some(line) = connection.line()? {
            if line.starts_with("READYD 1") {
                let greeting = Hello::parse(&line);
                if !greeting.agrees(settings) {
                    return Err(os(EXDEV));
                }
                hello = Some(greeting);
                continue;
            }
            return match (Answer::parse(&line), hello) {
                (Some(answer), Some(hello)) if settings.strict_age => Ok((answer.strict(), hello)),
                (Some(answer), Some(hello)) => Ok((answer, hello)),
                _ if line.starts_with("ERR ") => Err(os(EAGAIN)),
                _ => Err(os(EPROTO)),
            };
        }
        let left = until.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return Err(os(ETIMEDOUT));
        }
        epoll.wait(Some(left))?;
    }
}

/// What is known now. The daemon is asked where it may know more.
fn query(settings: &Settings, process: &Process, history: &mut History, place: &Place) -> io::Result<Answer> {
    if settings.is_forced() {
        return ask(settings, process.name(), FORCED_LATE).map(|told| told.0);
    }
    if settings.backend == Backend::Auto {
        let mut own = check(place, process, history, false);
        if !history.unconfirmed && own.needs_no_daemon() {
            return Ok(own);
        }
        if let Ok((said, hello)) = ask(settings, process.name(), QUERY_LATE) {
            if !settings.place_given && hello.place != *place {
                // The first look was in another directory than the daemon's.
                *history = History { strict: history.strict, ..History::default() };
                own = check(&hello.place, process, history, false);
            }
            let better = counts(&own, history.refuted, &said) || said.verdict == own.verdict;
            return Ok(if better { complete(&own, said) } else { own });
        }
    }
    Ok(check(place, process, history, true))
}

// --- waiters

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    NotStarted,
    Waiting,
    /// The own look would end the wait, but the daemon may know more.
    Unconfirmed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Subscription {
    None,
    Asked,
    Wait,
}

struct Target {
    id: u64,
    asked: Name,
    process: Process,
    history: History,
    own: Option<Answer>,
    phase: Phase,
    subscription: Subscription,
    refused: bool,
    watched: bool,
    /// It was pending once: from then on, a missing directory does not end the wait.
    pending: bool,
    /// The marker when the daemon was asked.
    noted: Option<FileId>,
    extra: i32,
    /// What events before this position report may be an earlier process's.
    known_from: usize,
}

impl Target {
    fn awaits_rewrite(&self) -> bool {
        let awaits = |own: &Answer| own.verdict == Verdict::Stale || own.reason == Some("age-unknown");
        self.own.as_ref().map_or(false, awaits)
    }

    /// The own look would end a wait that the daemon has, and the daemon may be frozen.
    fn needs_word(&self) -> bool {
        self.phase == Phase::Unconfirmed && self.subscription == Subscription::Wait
    }

    fn wants_daemon(&self) -> bool {
        self.subscription == Subscription::None && !self.refused && self.phase != Phase::NotStarted
    }
}

const RETRY: Duration = Duration::from_millis(1000);
const RECONNECT: Duration = Duration::from_millis(20);
const BACKLOG: Duration = Duration::from_millis(20);
const BACKLOG_MOST: u32 = 10;
/// When to look again: in case the daemon is frozen (grows); at a marker that may be rewritten in place; after a look
/// that saw nothing; for a process to start; where there is no inotify.
const BACKSTOP: Duration = Duration::from_millis(1000);
const BACKSTOP_MOST: Duration = Duration::from_secs(60);
const STALE: Duration = Duration::from_millis(250);
const BLIND: Duration = Duration::from_millis(100);
const NOT_STARTED: Duration = Duration::from_millis(50);
const POLL: Duration = Duration::from_millis(10);
const POLL_MOST: Duration = Duration::from_millis(100);

/// At least 3/4 and less than 5/4: many waiters must not act in step.
fn jitter(time: Duration) -> Duration {
    let mut bits = clock_ns(CLOCK_REALTIME) as u64 ^ (u64::from(std::process::id()) << 32);
    bits = bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    time * 3 / 4 + time * (bits % 1024) as u32 / 2048
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A set of processes and one descriptor for any event loop: poll `as_fd()` for reading, then call `next()` until it
/// returns `None`. That may be at once, since the descriptor also reports internal events. There is no deadline.
pub struct Waiter {
    settings: Settings,
    place: Place,
    targets: Vec<Target>,
    answers: VecDeque<Answer>,
    last_id: u64,
    epoll: Epoll,
    timer: OwnedFd,
    connection: Option<Connection>,
    greeted: bool,
    pinged: bool,
    /// Without the daemon for now.
    absent: bool,
    backlog_full: u32,
    cpu: u64,
    asked_at: Instant,
    since: Instant,
    reply_by: Option<Instant>,
    retry_at: Option<Instant>,
    look_at: Option<Instant>,
    stale_at: Option<Instant>,
    inotify: Option<OwnedFd>,
    wd: i32,
    events_read: usize,
    poll_interval: Duration,
}

impl AsFd for Waiter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl AsRawFd for Waiter {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.0.as_raw_fd()
    }
}

impl Waiter {
    pub fn new(options: &Options) -> io::Result<Waiter> {
        let settings = Settings::new(options)?;
        let (epoll, timer, now) = (Epoll::new()?, timer_new()?, Instant::now());
        epoll.add(timer.as_raw_fd())?;
        Ok(Waiter {
            place: settings.place.clone(),
            absent: settings.backend == Backend::File,
            settings,
            targets: Vec::new(),
            answers: VecDeque::new(),
            last_id: 0,
            epoll,
            timer,
            connection: None,
            greeted: false,
            pinged: false,
            backlog_full: 0,
            cpu: 0,
            asked_at: now,
            since: now,
            reply_by: None,
            retry_at: None,
            look_at: None,
            stale_at: None,
            inotify: None,
            wd: -1,
            events_read: 0,
            poll_interval: POLL,
        })
    }

    /// The number of processes without an answer.
    pub fn pending(&self) -> usize {
        self.targets.len()
    }

    /// Adds the process that has this pid now, or the one with this start. Its answer comes through `next()`.
    pub fn add(&mut self, process: impl Into<Name>) -> io::Result<()> {
        let name = process.into();
        if name.pid == 0 || name.pid > i32::MAX as u32 {
            return Err(invalid("not a pid"));
        }
        if self.targets.iter().any(|target| target.asked == name) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the process is in the waiter already"));
        }
        let known_from = self.position();
        let process = Process::open(name);
        let not_started = self.settings.await_start && process.absent && name.start.is_none();
        if self.targets.is_empty() {
            self.since = Instant::now();
        }
        self.last_id += 1;
        self.targets.push(Target {
            id: self.last_id,
            asked: name,
            process,
            history: History { strict: self.settings.strict_age, ..History::default() },
            own: None,
            phase: if not_started { Phase::NotStarted } else { Phase::Waiting },
            subscription: Subscription::None,
            refused: false,
            watched: false,
            pending: false,
            noted: None,
            extra: -1,
            known_from,
        });
        let at = self.targets.len() - 1;
        self.poll_process(at);
        self.look(self.last_id, false);
        self.reconcile()
    }

    /// Stops waiting for it.
    pub fn cancel(&mut self, process: impl Into<Name>) -> io::Result<()> {
        let name = process.into();
        match self.targets.iter().position(|target| target.asked == name) {
            Some(at) => drop(self.drop_target(at)),
            None => return Err(os(ENOENT)),
        }
        self.reconcile()
    }

    /// Handles events and takes the next answer; `None` if there is none now. Never blocks.
    // Not an iterator: `None` is not the end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> io::Result<Option<Answer>> {
        if self.answers.is_empty() {
            let ready = self.epoll.wait(Some(Duration::ZERO))?;
            self.dispatch(&ready)?;
            self.reconcile()?;
        }
        let answer = self.answers.pop_front();
        self.set_timer();
        Ok(answer)
    }

    /// Sleeps until `next()` may have an answer, this time has passed, or a signal has been handled.
    pub fn sleep(&self, timeout: Option<Duration>) -> io::Result<()> {
        if self.answers.is_empty() {
            self.epoll.wait(timeout)?;
        }
        Ok(())
    }

    /// What is known of a process now, without ending the wait for it.
    pub fn peek(&mut self, process: impl Into<Name>) -> io::Result<Answer> {
        let name = process.into();
        match self.targets.iter_mut().find(|target| target.asked == name) {
            Some(target) if target.phase == Phase::NotStarted => {
                Ok(Answer::new(Verdict::Pending, name.pid, None, Some("not-started")))
            }
            Some(target) => query(&self.settings, &target.process, &mut target.history, &self.place),
            None => Err(os(ENOENT)),
        }
    }

    fn at(&self, id: u64) -> Option<usize> {
        self.targets.iter().position(|target| target.id == id)
    }

    fn ids(&self, which: impl Fn(&Target) -> bool) -> Vec<u64> {
        self.targets.iter().filter(|target| which(target)).map(|target| target.id).collect()
    }

    fn poll_process(&mut self, at: usize) {
        let target = &mut self.targets[at];
        if let Some(fd) = &target.process.fd {
            target.watched = self.epoll.add(fd.as_raw_fd()).is_ok();
        }
    }

    fn unpoll_process(&mut self, at: usize) {
        let target = &mut self.targets[at];
        if let (true, Some(fd)) = (target.watched, &target.process.fd) {
            self.epoll.remove(fd.as_raw_fd());
        }
        target.watched = false;
    }

    fn drop_target(&mut self, at: usize) -> Target {
        self.unpoll_process(at);
        self.targets.remove(at)
    }

    fn finish(&mut self, at: usize, answer: Answer) {
        self.drop_target(at);
        self.answers.push_back(answer);
    }

    fn reopen(&mut self, at: usize) {
        self.unpoll_process(at);
        let position = self.position();
        let target = &mut self.targets[at];
        let start = target.process.start.or(target.asked.start);
        target.known_from = position;
        target.process = Process::open(Name { start, ..target.asked });
        target.history.came = None;
        self.poll_process(at);
    }

    fn ends(&self, target: &Target, answer: &Answer) -> bool {
        match (answer.verdict, answer.reason) {
            (Verdict::Stale, _) => self.settings.fail_stale,
            (Verdict::Pending, _) | (_, Some("directory-hangs")) => false,
            (_, Some("no-directory" | "directory-denied")) => !target.pending,
            (_, Some("namespace-denied")) => target.subscription != Subscription::Wait,
            _ => true,
        }
    }

    /// `trust`: the daemon cannot say more than is seen here.
    fn look(&mut self, id: u64, trust: bool) {
        let at = match self.at(id) {
            Some(at) => at,
            None => return,
        };
        let not_started = self.targets[at].phase == Phase::NotStarted;
        if not_started || (self.targets[at].process.unread && !self.targets[at].process.absent) {
            self.reopen(at);
            // The start of a process raises no event.
            if not_started && self.targets[at].process.absent {
                return;
            }
        }
        let alone = trust || self.settings.backend == Backend::File;
        let target = &mut self.targets[at];
        let answer = check(&self.place, &target.process, &mut target.history, alone);
        target.own = Some(answer.clone());
        target.phase = Phase::Waiting;
        if self.ends(&self.targets[at], &answer) {
            if alone || (!self.targets[at].history.unconfirmed && answer.needs_no_daemon()) {
                self.finish(at, answer);
            } else {
                self.targets[at].phase = Phase::Unconfirmed;
            }
            return;
        }
        self.targets[at].pending = true;
        let now = Instant::now();
        if matches!(answer.reason, Some("no-resources" | "look-failed")) {
            self.look_at = earlier(self.look_at, Some(now + jitter(BLIND)));
        }
        if self.targets[at].awaits_rewrite() && self.stale_at.is_none() {
            self.stale_at = Some(now + jitter(STALE));
        }
        self.watch_other(at);
    }

    fn trust(&mut self, id: u64) {
        match self.at(id) {
            Some(at) if self.targets[at].phase == Phase::Unconfirmed && !self.settings.is_forced() => {
                self.look(id, true);
            }
            _ => (),
        }
    }

    fn look_all(&mut self) {
        for id in self.ids(|target| target.phase != Phase::Unconfirmed) {
            self.look(id, false);
        }
    }

    fn trust_all(&mut self) {
        for id in self.ids(|target| target.phase == Phase::Unconfirmed) {
            self.trust(id);
        }
    }

    fn watch(&mut self) {
        if self.inotify.is_none() {
            self.poll_interval = POLL;
            self.inotify = inotify_new().ok().filter(|inotify| self.epoll.add(inotify.as_raw_fd()).is_ok());
        }
        let result = match &self.inotify {
            Some(inotify) => inotify_add(inotify, &self.place.dir),
            None => Err(os(EMFILE)),
        };
        let full = result.as_ref().err().map(errno) == Some(ENOSPC);
        self.wd = result.unwrap_or(-1);
        // If no watch is left, another process can use the instance.
        if full {
            self.unwatch();
        }
    }

    fn unwatch(&mut self) {
        if let Some(inotify) = self.inotify.take() {
            self.epoll.remove(inotify.as_raw_fd());
        }
        self.wd = -1;
    }

    /// It leaves its marker below another root: watch that, then look again.
    fn watch_other(&mut self, at: usize) {
        let target = &self.targets[at];
        if !target.history.other_directory {
            return;
        }
        let wd = match (&self.inotify, view_marker(&self.place, &target.process).dir) {
            (Some(inotify), Some((fd, _))) => inotify_add(inotify, &fd_path(&fd)).unwrap_or(-1),
            _ => -1,
        };
        let (id, is_new) = (target.id, wd >= 0 && wd != target.extra);
        self.targets[at].extra = wd;
        if is_new {
            self.look(id, false);
        }
    }

    /// Of the next event: the bytes that were read, and those that can be.
    fn position(&self) -> usize {
        self.events_read.saturating_add(self.inotify.as_ref().map_or(0, inotify_queued))
    }

    /// The identity of the directory that is watched, unless the path leads to another one by now.
    fn watched_directory(&mut self) -> Option<(u64, u64)> {
        let (directory, before) = (self.place.identity(), self.wd);
        self.watch();
        directory.filter(|_| self.wd == before)
    }

    fn note_arrivals(&mut self, events: &[FileEvent]) {
        if self.targets.iter().any(|target| target.process.in_child_ns()) {
            return;
        }
        let (wd, read) = (self.wd, self.events_read);
        let has_come =
            |event: &&FileEvent| event.wd == wd && event.mask & IN_CAME != 0 && event.mask & IN_ISDIR == 0;
        let came: Vec<&FileEvent> = events.iter().filter(has_come).collect();
        let directory = if came.is_empty() { None } else { self.watched_directory() };
        let place = &self.place;
        for target in &mut self.targets {
            let name = place.file_name(target.process.ns_pid);
            let is_its = |event: &&FileEvent| read + event.end > target.known_from && event.name == name;
            if !target.history.present && came.iter().any(is_its) {
                target.history.came = directory;
            }
        }
    }

    fn read_directory(&mut self) {
        let events = match self.inotify.as_ref().map(inotify_read) {
            Some(Ok(events)) => events,
            Some(Err(_)) => return self.unwatch(),
            None => return,
        };
        self.note_arrivals(&events);
        self.events_read += events.last().map_or(0, |event| event.end);
        if events.iter().any(|event| event.mask & IN_LOST != 0 || event.wd != self.wd) {
            self.watch();
            return self.look_all();
        }
        let mut names: Vec<Vec<u8>> = events.into_iter().map(|event| event.name).collect();
        names.sort();
        let place = self.place.clone();
        let named = |target: &Target| names.binary_search(&place.file_name(target.process.ns_pid)).is_ok();
        for id in self.ids(|target| target.phase != Phase::Unconfirmed && named(target)) {
            self.look(id, false);
        }
    }

    fn leave(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.epoll.remove(connection.fd());
        }
        self.greeted = false;
        self.pinged = false;
        self.reply_by = None;
        for target in &mut self.targets {
            target.subscription = Subscription::None;
        }
    }

    /// A daemon that had answered everything may only be restarting; one that goes away without an answer may do so
    /// each time.
    fn lose(&mut self, error: io::Error) -> io::Result<()> {
        let answered = self.greeted && !self.pinged;
        self.leave();
        if self.settings.is_forced() {
            return Err(error);
        }
        self.retry_at = Some(Instant::now() + jitter(if answered { RECONNECT } else { RETRY }));
        self.absent |= !answered;
        self.look_all();
        Ok(())
    }

    /// False: there is no connection, and what follows from that is done.
    fn connect(&mut self) -> io::Result<bool> {
        let opened = Connection::open(&self.settings)
            .and_then(|connection| self.epoll.add(connection.fd()).map(|_| connection));
        match opened {
            Ok(connection) => {
                self.backlog_full = 0;
                self.cpu = 0;
                self.connection = Some(connection);
                Ok(true)
            }
            Err(error) if errno(&error) == EAGAIN && self.backlog_full < BACKLOG_MOST => {
                self.backlog_full += 1;
                self.retry_at = Some(Instant::now() + jitter(BACKLOG));
                Ok(false)
            }
            Err(error) => {
                self.backlog_full = 0;
                self.lose(error).map(|_| false)
            }
        }
    }

    /// WAIT does not say that the marker is stale, which overrules what was concluded here; so QUERY, too.
    fn requests(&mut self) -> String {
        let mut text = String::new();
        if !self.greeted {
            text.push_str("HELLO 1\n");
        }
        for target in self.targets.iter_mut().filter(|target| target.wants_daemon()) {
            target.noted = view_marker(&self.place, &target.process).marker.id();
            target.subscription = Subscription::Asked;
            let name = format_name(target.process.name());
            text.push_str(&format!("QUERY {name}\nWAIT {name}\n"));
        }
        for target in self.targets.iter().filter(|target| target.needs_word()) {
            text.push_str(&format!("QUERY {}\n", format_name(target.process.name())));
        }
        text.push_str("PING\n");
        text
    }

    fn ask(&mut self) -> io::Result<()> {
        if self.connection.is_none() && !self.connect()? {
            return Ok(());
        }
        let text = self.requests();
        self.asked_at = Instant::now();
        self.reply_by = Some(self.asked_at + if self.settings.is_forced() { FORCED_LATE } else { LATE });
        self.pinged = true;
        match self.connection.as_mut().map(|connection| connection.send(&text)) {
            Some(Err(error)) => self.lose(error),
            _ => Ok(()),
        }
    }

    fn read_daemon(&mut self) -> io::Result<()> {
        if let Some(Err(error)) = self.connection.as_mut().map(Connection::flush) {
            return self.lose(error);
        }
        loop {
            let line = match self.connection.as_mut().map(Connection::line) {
                Some(Ok(Some(line))) => line,
                Some(Err(error)) => return self.lose(error),
                Some(Ok(None)) | None => return Ok(()),
            };
            if let Err(error) = self.take_line(&line) {
                self.greeted = false;
                return self.lose(error);
            }
        }
    }

    fn take_line(&mut self, line: &str) -> io::Result<()> {
        if line.starts_with("READYD 1") {
            return self.take_hello(&Hello::parse(line));
        }
        if line == "PONG" {
            self.take_pong();
        } else if line.starts_with("ERR ") {
            return self.take_error(line);
        } else if let Some(answer) = Answer::parse(line) {
            for id in self.ids(|target| target.asked.pid == answer.pid && target.phase != Phase::NotStarted) {
                if answer.verdict != Verdict::Pending {
                    self.hear(id, &answer);
                }
            }
        }
        Ok(())
    }

    fn take_hello(&mut self, hello: &Hello) -> io::Result<()> {
        if !hello.agrees(&self.settings) {
            return Err(os(EXDEV));
        }
        self.greeted = true;
        if !self.settings.place_given && self.place != hello.place {
            self.place = hello.place.clone();
            self.unwatch();
            self.look_all();
        }
        Ok(())
    }

    /// Everything requested so far has been answered; a WAIT without an answer is waiting.
    fn take_pong(&mut self) {
        self.pinged = false;
        self.reply_by = None;
        self.absent = false;
        for id in self.ids(|target| target.subscription == Subscription::Asked) {
            if let Some(at) = self.at(id) {
                self.targets[at].subscription = Subscription::Wait;
                if self.targets[at].phase == Phase::Waiting {
                    self.look(id, false);
                }
            }
        }
        self.trust_all();
    }

    fn take_error(&mut self, line: &str) -> io::Result<()> {
        let pid = line.split(' ').find_map(|word| word.strip_prefix("pid=")).and_then(|pid| pid.parse::<u32>().ok());
        if pid.is_none() || self.settings.is_forced() {
            return Err(os(EAGAIN));
        }
        for id in self.ids(|target| Some(target.asked.pid) == pid) {
            if let Some(at) = self.at(id) {
                self.targets[at].refused = true;
                self.targets[at].subscription = Subscription::None;
                self.trust(id);
            }
        }
        Ok(())
    }

    fn hear(&mut self, id: u64, said: &Answer) {
        let at = match self.at(id) {
            Some(at) => at,
            None => return,
        };
        let start = self.targets[at].process.start;
        if start.is_some() && said.start.is_some() && start != said.start {
            return self.look(id, false);
        }
        let own = match self.targets[at].own.clone() {
            Some(own) if !(self.settings.strict_age && said.age_assumed) => own,
            _ => return self.look(id, true),
        };
        let history = &mut self.targets[at].history;
        if said.verdict == Verdict::Stale && !self.settings.fail_stale {
            if let Some(noted) = self.targets[at].noted {
                // What the daemon saw earlier overrules what was concluded here from stamps alone.
                let history = &mut self.targets[at].history;
                history.leftover = Some(noted);
                history.latched = false;
                history.confirmed = false;
            }
            return self.look(id, false);
        }
        if said.is_ready() && said.start == start {
            history.confirmed = true;
            history.assumed |= said.age_assumed;
        }
        let refuted = history.refuted;
        if self.ends(&self.targets[at], said) && counts(&own, refuted, said) {
            self.finish(at, complete(&own, said.clone()));
        } else {
            self.look(id, true);
        }
    }

    fn is_daemon_active(&mut self) -> bool {
        let pid = match &self.connection {
            Some(connection) if self.asked_at.elapsed() < PATIENCE => connection.pid,
            _ => return false,
        };
        match read_stat(pid) {
            Ok(line) => {
                let previous = std::mem::replace(&mut self.cpu, line.cpu + 1);
                !b"TtZXx".contains(&line.state) && previous != self.cpu
            }
            Err(_) => false,
        }
    }

    fn expire(&mut self, now: Instant) -> io::Result<()> {
        match self.reply_by {
            Some(at) if at <= now => (),
            _ => return Ok(()),
        }
        if self.is_daemon_active() {
            self.reply_by = Some(now + jitter(LATE));
            return Ok(());
        }
        self.reply_by = None;
        if self.settings.is_forced() {
            return Err(os(ETIMEDOUT));
        }
        // A later answer still counts.
        self.absent = true;
        Ok(())
    }

    fn dispatch(&mut self, ready: &[RawFd]) -> io::Result<()> {
        if ready.contains(&self.timer.as_raw_fd()) {
            let _ = read_fd(&self.timer, &mut [0; 8]);
        }
        if self.inotify.as_ref().map_or(false, |inotify| ready.contains(&inotify.as_raw_fd())) {
            self.read_directory();
        }
        let is_dead = |target: &Target| match &target.process.fd {
            Some(fd) => target.watched && ready.contains(&fd.as_raw_fd()),
            None => false,
        };
        let dead = self.ids(is_dead);
        // The daemon's word first: it may say that the process was ready before it ended.
        if self.connection.as_ref().map_or(false, |connection| ready.contains(&connection.fd())) {
            self.read_daemon()?;
        }
        for id in dead {
            if let Some(at) = self.at(id) {
                self.unpoll_process(at);
                if self.targets[at].phase != Phase::Unconfirmed {
                    self.look(id, false);
                }
            }
        }
        Ok(())
    }

    fn look_when_due(&mut self, now: Instant) {
        if self.stale_at.map_or(false, |at| at <= now) {
            self.stale_at = None;
            for id in self.ids(Target::awaits_rewrite) {
                self.look(id, false);
            }
        }
        if self.look_at.map_or(false, |at| at <= now) {
            self.look_at = None;
            if self.inotify.is_some() {
                self.watch();
            }
            self.look_all();
        }
    }

    fn interval(&mut self, now: Instant) -> Duration {
        let all = |which: &dyn Fn(&Target) -> bool| self.targets.iter().all(which);
        if !all(&|target| target.phase != Phase::NotStarted) {
            return jitter(NOT_STARTED);
        }
        if all(&|target| target.subscription == Subscription::Wait) {
            return jitter(((now - self.since) / 2).max(BACKSTOP).min(BACKSTOP_MOST));
        }
        if self.wd >= 0 && all(&|target| target.watched) {
            return jitter(BACKSTOP);
        }
        self.poll_interval = (self.poll_interval * 11 / 10).min(POLL_MOST);
        jitter(self.poll_interval)
    }

    fn may_ask(&self) -> bool {
        let has_daemon = self.settings.backend != Backend::File && !self.pinged;
        let confirms = self.greeted && !self.settings.is_forced();
        has_daemon && self.targets.iter().any(|target| target.wants_daemon() || (confirms && target.needs_word()))
    }

    fn reconcile(&mut self) -> io::Result<()> {
        let now = Instant::now();
        self.expire(now)?;
        self.look_when_due(now);
        if self.may_ask() && self.retry_at.map_or(true, |at| at <= now) {
            self.retry_at = None;
            self.ask()?;
        }
        if self.absent {
            self.trust_all();
        }
        let uncovered = |target: &Target| target.subscription != Subscription::Wait;
        let refused = self.targets.iter().any(|target| target.refused);
        let needed = self.targets.iter().any(uncovered) && (self.absent || refused);
        if !needed || self.settings.is_forced() {
            self.unwatch();
        } else if self.inotify.is_none() {
            self.watch();
            // Subscribe, then look.
            self.look_all();
        }
        if self.targets.is_empty() {
            self.leave();
            self.look_at = None;
            self.stale_at = None;
        } else if self.look_at.is_none() {
            self.look_at = Some(now + self.interval(now));
        }
        self.set_timer();
        Ok(())
    }

    fn set_timer(&mut self) {
        let now = Instant::now();
        let mut due = earlier(earlier(self.look_at, self.stale_at), self.reply_by);
        if self.may_ask() {
            due = earlier(due, Some(self.retry_at.unwrap_or(now)));
        }
        if !self.answers.is_empty() {
            due = Some(now);
        }
        timer_set(&self.timer, due.map(|at| at.saturating_duration_since(now)));
        if let Some(connection) = &self.connection {
            let write = if connection.output.is_empty() { 0 } else { EPOLLOUT };
            self.epoll.change(connection.fd(), EPOLLIN | write);
        }
    }

    /// A last look after the deadline. The reason of one that does not end the wait becomes the detail.
    fn timed_out(&mut self, name: Name) -> io::Result<Answer> {
        let mut answer = self.peek(name)?;
        let back = matches!(answer.reason, Some("no-directory" | "directory-denied" | "directory-hangs"));
        let ends = match answer.verdict {
            Verdict::Pending => false,
            Verdict::Stale => self.settings.fail_stale,
            _ => !back,
        };
        if !ends {
            answer.verdict = Verdict::Pending;
            answer.detail = answer.reason;
            answer.reason = Some("deadline");
        }
        Ok(answer)
    }
}

// --- monitors

/// What a monitor tells; see readyctl-monitor(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// The present state follows; what was known before counts no more.
    Snapshot,
    /// One process of it.
    State,
    /// It is complete.
    Live,
    /// The token was known: the transitions after it follow.
    Resumed,
    /// Transitions were lost, and a snapshot follows.
    Gap,
    /// There is no connection to the daemon; the monitor goes on trying.
    Lost,
    Ready,
    Exited,
    Died,
    Stale,
    Removed,
    Rewritten,
    Waited,
    Forgotten,
}

const CHANGES: [(Change, &str); 14] = [
    (Change::Snapshot, "snapshot"),
    (Change::State, "state"),
    (Change::Live, "live"),
    (Change::Resumed, "resumed"),
    (Change::Gap, "gap"),
    (Change::Lost, "lost"),
    (Change::Ready, "ready"),
    (Change::Exited, "exited"),
    (Change::Died, "died"),
    (Change::Stale, "stale"),
    (Change::Removed, "removed"),
    (Change::Rewritten, "rewritten"),
    (Change::Waited, "waited"),
    (Change::Forgotten, "forgotten"),
];

/// From here on, they are transitions.
const FIRST_TRANSITION: usize = 6;

impl Change {
    pub fn as_str(self) -> &'static str {
        CHANGES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One event of a monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    pub change: Change,
    /// Another number for each start of the daemon; 0: none was reached yet.
    pub epoch: u64,
    /// Of the transition, or of the one before.
    pub seq: u64,
    /// What the process is now; `None`: the event is not about one.
    pub answer: Option<Answer>,
    /// When the daemon saw it, in milliseconds since the Epoch; in a state, since when.
    pub time_ms: u64,
    /// How many waits there were for it.
    pub waiters: u32,
    pub name: String,
    /// Of `Lost`: `daemon-untrusted` or `no-resources`.
    pub reason: Option<&'static str>,
}

impl Event {
    fn new(change: Change, position: (u64, u64)) -> Event {
        Event {
            change,
            epoch: position.0,
            seq: position.1,
            answer: None,
            time_ms: 0,
            waiters: 0,
            name: String::new(),
            reason: None,
        }
    }

    /// That of `Live`, `Resumed` or a transition after one of these is a position to continue from.
    pub fn token(&self) -> String {
        format!("{}:{}", self.epoch, self.seq)
    }

    /// A line of readyd-protocol(7). A transition that is not known says what the process is now.
    fn parse(line: &str) -> Option<Event> {
        let (word, rest) = line.split_once(' ')?;
        let (token, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let position = parse_token(token)?;
        let (change, rest) = match word {
            "SNAPSHOT" => (Change::Snapshot, rest),
            "LIVE" => (Change::Live, rest),
            "RESUMED" => (Change::Resumed, rest),
            "GAP" => (Change::Gap, rest),
            "STATE" => (Change::State, rest),
            "EVENT" => {
                let (name, rest) = rest.split_once(' ')?;
                let known = CHANGES[FIRST_TRANSITION..].iter().find(|row| row.1 == name);
                (known.map_or(Change::State, |row| row.0), rest)
            }
            _ => return None,
        };
        let mut event = Event::new(change, position);
        if matches!(word, "STATE" | "EVENT") {
            event.answer = Some(Answer::parse(rest)?);
            for (key, value) in rest.split(' ').filter_map(|word| word.split_once('=')) {
                match key {
                    "time" => event.time_ms = value.parse().ok()?,
                    "waiters" => event.waiters = value.parse().ok()?,
                    "name" => event.name = String::from_utf8_lossy(&unescape(value)).into_owned(),
                    _ => (),
                }
            }
        }
        Some(event)
    }
}

fn parse_token(token: &str) -> Option<(u64, u64)> {
    let digits = |text: &str| if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
    let (epoch, seq) = token.split_once(':')?;
    Some((digits(epoch)?, digits(seq)?))
}

const RETRY_LEAST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(5);
const EOPNOTSUPP: i32 = 95;

/// Follows all processes of the daemon, and is not ended by its end: poll `as_fd()` for reading, then call `next()` until
/// it returns `None`.
pub struct Monitor {
    settings: Settings,
    epoll: Epoll,
    timer: OwnedFd,
    connection: Option<Connection>,
    /// To resume from; `None`: from the present state.
    position: Option<(u64, u64)>,
    last: (u64, u64),
    live: bool,
    told: bool,
    /// What was told is not a position, and the connection that told it is lost.
    gap: bool,
    lost: bool,
    held: Option<Event>,
    retry: Duration,
    retry_at: Option<Instant>,
    reply_by: Option<Instant>,
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.0.as_raw_fd()
    }
}

impl Monitor {
    /// `token`: as `Event::token()` gives it; `None`: begin with the present state.
    pub fn new(options: &Options, token: Option<&str>) -> io::Result<Monitor> {
        let settings = Settings::new(options)?;
        if settings.backend == Backend::File {
            return Err(invalid("a monitor requires the daemon"));
        }
        let position = match token {
            Some(token) => Some(parse_token(token).ok_or_else(|| invalid("not EPOCH:SEQ"))?),
            None => None,
        };
        let (epoll, timer) = (Epoll::new()?, timer_new()?);
        epoll.add(timer.as_raw_fd())?;
        let monitor = Monitor {
            settings,
            epoll,
            timer,
            connection: None,
            position,
            last: position.unwrap_or((0, 0)),
            live: false,
            told: false,
            gap: false,
            lost: false,
            held: None,
            retry: RETRY_LEAST,
            retry_at: None,
            reply_by: None,
        };
        monitor.set_timer();
        Ok(monitor)
    }

    /// The next event; `None` if there is none now. Never blocks. An error if the daemon serves another directory
    /// (EXDEV), or has no monitors (EOPNOTSUPP).
    // Not an iterator: `None` is not the end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> io::Result<Option<Event>> {
        let event = match self.held.take() {
            Some(event) => Ok(Some(event)),
            None => self.hear(),
        };
        self.set_timer();
        event
    }

    /// Sleeps until `next()` may have an event, this time has passed, or a signal has been handled.
    pub fn sleep(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.epoll.wait(timeout).map(drop)
    }

    fn hear(&mut self) -> io::Result<Option<Event>> {
        match self.try_hear() {
            Ok(event) => Ok(event),
            Err(error) => self.lose(error),
        }
    }

    fn try_hear(&mut self) -> io::Result<Option<Event>> {
        if self.connection.is_none() {
            if self.retry_at.map_or(false, |at| Instant::now() < at) {
                return Ok(None);
            }
            self.connect()?;
        }
        while let Some(connection) = &mut self.connection {
            connection.flush()?;
            match connection.line()? {
                Some(line) => {
                    if let Some(event) = self.take(&line)? {
                        return Ok(Some(event));
                    }
                }
                None => break,
            }
        }
        // The daemon may be frozen: its answer still counts when it comes.
        if self.reply_by.map_or(false, |at| Instant::now() >= at) {
            self.reply_by = None;
            return Ok(self.tell_loss(None));
        }
        Ok(None)
    }

    fn connect(&mut self) -> io::Result<()> {
        let mut connection = Connection::open(&self.settings)?;
        self.epoll.add(connection.fd())?;
        let position = self.position.map_or(String::new(), |at| format!(" {}:{}", at.0, at.1));
        let sent = connection.send(&format!("HELLO 1\nMONITOR{position}\n"));
        self.reply_by = Some(Instant::now() + LATE);
        self.connection = Some(connection);
        sent
    }

    fn lose(&mut self, error: io::Error) -> io::Result<Option<Event>> {
        let code = errno(&error);
        self.connection = None;
        self.reply_by = None;
        self.gap |= self.told && self.position.is_none();
        self.retry_at = Some(Instant::now() + jitter(self.retry));
        self.retry = (self.retry * 2).min(RETRY_MOST);
        match code {
            EXDEV | EOPNOTSUPP => Err(error),
            EACCES => Ok(self.tell_loss(Some("daemon-untrusted"))),
            EAGAIN => Ok(self.tell_loss(Some("no-resources"))),
            _ => Ok(self.tell_loss(None)),
        }
    }

    fn tell_loss(&mut self, reason: Option<&'static str>) -> Option<Event> {
        if std::mem::replace(&mut self.lost, true) {
            return None;
        }
        Some(Event { reason, ..Event::new(Change::Lost, self.last) })
    }

    fn take(&mut self, line: &str) -> io::Result<Option<Event>> {
        if line.starts_with("READYD 1") {
            let agrees = Hello::parse(line).agrees(&self.settings);
            return if agrees { Ok(None) } else { Err(os(EXDEV)) };
        }
        match Event::parse(line) {
            Some(event) => Ok(Some(self.note(event))),
            None if line.starts_with("ERR bad-verb") => Err(os(EOPNOTSUPP)),
            None if line.starts_with("ERR ") => Err(os(EAGAIN)),
            None => Err(os(EPROTO)),
        }
    }

    /// While the present state is told, a transition is not a position: the rest of the state is missing.
    fn note(&mut self, event: Event) -> Event {
        self.lost = false;
        self.told = true;
        self.reply_by = None;
        self.last = (event.epoch, event.seq);
        match event.change {
            Change::Live | Change::Resumed => {
                self.live = true;
                self.retry = RETRY_LEAST;
            }
            Change::Gap | Change::Snapshot => self.live = false,
            _ => (),
        }
        self.position = if self.live { Some(self.last) } else { None };
        if std::mem::take(&mut self.gap) && event.change == Change::Snapshot {
            let gap = Event::new(Change::Gap, self.last);
            self.held = Some(event);
            return gap;
        }
        event
    }

    fn set_timer(&self) {
        let now = Instant::now();
        let after = match &self.connection {
            _ if self.held.is_some() => Some(Duration::ZERO),
            Some(_) => self.reply_by.map(|at| at.saturating_duration_since(now)),
            None => Some(self.retry_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))),
        };
        timer_set(&self.timer, after);
        if let Some(connection) = &self.connection {
            let events = if connection.output.is_empty() { EPOLLIN } else { EPOLLIN | EPOLLOUT };
            self.epoll.change(connection.fd(), events);
        }
    }
}

// --- functions

/// What is known of a process now. Waits for the daemon's answer at most 250 ms.
pub fn status(process: impl Into<Name>, options: &Options) -> io::Result<Answer> {
    let (name, settings) = (process.into(), Settings::new(options)?);
    if name.pid == 0 || name.pid > i32::MAX as u32 {
        return Err(invalid("not a pid"));
    }
    let mut history = History { strict: settings.strict_age, ..History::default() };
    query(&settings, &Process::open(name), &mut history, &settings.place)
}

fn deadline(timeout: impl Into<Option<Duration>>) -> Option<Instant> {
    timeout.into().and_then(|timeout| Instant::now().checked_add(timeout))
}

/// Waits until the process is ready or cannot become ready any more; after `timeout` (`None`: never) the answer is
/// `Pending` with the reason `deadline`. A daemon that has not answered by then may delay the return by 250 ms.
pub fn wait(
    process: impl Into<Name>,
    timeout: impl Into<Option<Duration>>,
    options: &Options,
) -> io::Result<Answer> {
    let (name, until) = (process.into(), deadline(timeout));
    let mut waiter = Waiter::new(options)?;
    waiter.add(name)?;
    loop {
        if let Some(answer) = waiter.next()? {
            return Ok(answer);
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return waiter.timed_out(name);
        }
        waiter.sleep(left)?;
    }
}

/// Waits until all are ready, or one cannot become ready any more; then the others are looked at once. The answers are
/// in the order of the arguments.
pub fn wait_all<N: Into<Name> + Copy>(
    processes: &[N],
    timeout: impl Into<Option<Duration>>,
    options: &Options,
) -> io::Result<Vec<Answer>> {
    let until = deadline(timeout);
    let names: Vec<Name> = processes.iter().map(|process| (*process).into()).collect();
    let mut waiter = Waiter::new(options)?;
    let mut known: Vec<Option<Answer>> = vec![None; names.len()];
    for (at, name) in names.iter().enumerate() {
        if !names[..at].contains(name) {
            waiter.add(*name)?;
        }
    }
    let mut failed = false;
    while waiter.pending() > 0 || !waiter.answers.is_empty() {
        let answer = match waiter.next()? {
            Some(answer) => answer,
            None => {
                let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                if failed || left == Some(Duration::ZERO) {
                    break;
                }
                waiter.sleep(left)?;
                continue;
            }
        };
        failed |= !answer.is_ready();
        let is_it = |name: &Name| name.pid == answer.pid && (name.start.is_none() || name.start == answer.start);
        for (at, _) in names.iter().enumerate().filter(|pair| is_it(pair.1)) {
            known[at].get_or_insert_with(|| answer.clone());
        }
    }
    let mut answers = Vec::new();
    for (at, answer) in known.into_iter().enumerate() {
        answers.push(match answer {
            Some(answer) => answer,
            None if failed => waiter.peek(names[at])?,
            None => waiter.timed_out(names[at])?,
        });
    }
    Ok(answers)
}

const O_NOFOLLOW: i32 = if cfg!(target_arch = "aarch64") { 0o100000 } else { 0o400000 };

/// The worker's side: writes a marker. Fails, instead of following it, where a symbolic link has the name, and instead
/// of blocking where a FIFO has it.
pub fn write_marker<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let flags = O_NOFOLLOW | O_NONBLOCK as i32;
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o644).custom_flags(flags).open(path)?;
    match file.write(b"ready\n")? {
        6 => Ok(()),
        _ => Err(os(ENOSPC)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(verdict: &str, start: Option<u64>, reason: Option<&'static str>) -> Answer {
        let row = VERDICTS.iter().find(|row| row.1 == verdict).unwrap();
        Answer::new(row.0, 7, start, reason)
    }

    struct World(PathBuf);

    impl World {
        fn new(name: &str) -> World {
            let dir = std::env::temp_dir().join(format!("readyd-rust-{name}-{}", std::process::id()));
            fs::create_dir(&dir).unwrap();
            World(dir)
        }

        fn options(&self) -> Options {
            Options {
                socket: Some(self.0.join("socket")),
                marker_prefix: Some(self.0.join("ready-")),
                ..Options::default()
            }
        }

        fn mark(&self, pid: u32) {
            write_marker(self.0.join(format!("ready-{pid}"))).unwrap();
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    struct Worker(std::process::Child);

    impl Worker {
        fn new() -> Worker {
            Worker(std::process::Command::new("sleep").arg("1000").spawn().unwrap())
        }
    }

    impl Drop for Worker {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Serves each connection a script, and gives back what was requested.
    fn serve_monitors(world: &World, scripts: &'static [&'static str]) -> std::thread::JoinHandle<Vec<String>> {
        let listener = std::os::unix::net::UnixListener::bind(world.0.join("socket")).unwrap();
        let st = fs::metadata(&world.0).unwrap();
        let hello = format!(
            "READYD 1 epoch=1 pidns=0 timens=0 dir={}:{} prefix=ready- path={}\n",
            st.dev(),
            st.ino(),
            world.0.display()
        );
        std::thread::spawn(move || {
            let mut requests = Vec::new();
            for script in scripts {
                let (mut stream, _) = listener.accept().unwrap();
                let mut text = String::new();
                while text.matches('\n').count() < 2 {
                    let mut buffer = [0; 256];
                    let count = stream.read(&mut buffer).unwrap();
                    text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
                }
                requests.push(text.lines().nth(1).unwrap().to_string());
                stream.write_all(hello.as_bytes()).unwrap();
                stream.write_all(script.as_bytes()).unwrap();
            }
            requests
        })
    }

    fn take_events(monitor: &mut Monitor, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < count {
            match monitor.next().unwrap() {
                Some(event) => events.push(event),
                None => monitor.sleep(None).unwrap(),
            }
        }
        events
    }

    fn changes(events: &[Event]) -> String {
        events.iter().map(|event| event.change.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Whether these are root's alone is not for others to test.
    #[test]
    fn a_socket_is_believed_by_its_directory() {
        let world = World::new("trust");
        let path = world.0.join("socket").into_os_string().into_vec();
        let _listener = std::os::unix::net::UnixListener::bind(world.0.join("socket")).unwrap();
        std::os::unix::fs::symlink("socket", world.0.join("link")).unwrap();
        let mode = |mode| {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(&world.0, permissions).unwrap();
        };
        mode(0o755);
        assert_eq!(through_directory(&path).is_ok(), effective_uid() == 0);
        if let Ok((_directory, through)) = through_directory(&path) {
            assert_eq!(Connection::connect(&through).unwrap().1, 0);
        }
        assert!(through_directory(world.0.join("link").as_os_str().as_bytes()).is_err());
        assert!(through_directory(world.0.join("none").as_os_str().as_bytes()).is_err());
        assert!(through_directory(b"@name").is_err());
        mode(0o775);
        assert!(through_directory(&path).is_err());
    }

    #[test]
    fn a_set_user_id_program_is_known() {
        let vector = |pairs: &[[usize; 2]]| -> Vec<u8> {
            pairs.iter().flatten().flat_map(|word| word.to_ne_bytes()).collect()
        };
        assert!(!is_secure(&fs::read("/proc/self/auxv").unwrap()));
        assert!(!is_secure(&vector(&[[11, 23], [23, 0], [0, 0]])));
        assert!(is_secure(&vector(&[[11, 0], [23, 1], [0, 0]])));
    }

    #[test]
    fn a_listener_is_believed_by_its_user() {
        let other = effective_uid().wrapping_add(4242);
        assert!(is_believed(0, None) && is_believed(effective_uid(), None));
        assert!(!is_believed(other, None) && !is_believed(other, Some(other + 1)));
        assert!(is_believed(other, Some(other)));
    }

    #[test]
    fn a_lost_monitor_is_resumed() {
        let world = World::new("monitor");
        let served = serve_monitors(
            &world,
            &[
                "SNAPSHOT 5:7\nSTATE 5:7 ready 12 start=34 time=9 waiters=0 name=a%20b\nLIVE 5:7\n",
                "RESUMED 5:7\nEVENT 5:8 exited exited 12 start=34 signal=9 time=10 waiters=2\n",
            ],
        );
        let mut monitor = Monitor::new(&world.options(), None).unwrap();
        let events = take_events(&mut monitor, 6);
        assert_eq!(changes(&events), "snapshot state live lost resumed exited");
        assert_eq!((events[1].name.as_str(), events[1].time_ms), ("a b", 9));
        assert_eq!(events[1].answer.as_ref().unwrap().start, Some(34));
        assert_eq!((events[5].token().as_str(), events[5].waiters), ("5:8", 2));
        assert_eq!(events[5].answer.as_ref().unwrap().signal, Some(9));
        assert_eq!(served.join().unwrap(), ["MONITOR", "MONITOR 5:7"]);
    }

    #[test]
    fn a_state_that_was_cut_off_begins_again_with_a_gap() {
        let world = World::new("monitor-gap");
        let served =
            serve_monitors(&world, &["GAP 5:7\nSNAPSHOT 5:7\nEVENT 5:8 ready ready 12\n", "SNAPSHOT 5:9\n"]);
        let mut monitor = Monitor::new(&world.options(), Some("5:3")).unwrap();
        let events = take_events(&mut monitor, 6);
        assert_eq!(changes(&events), "gap snapshot ready lost gap snapshot");
        assert_eq!(served.join().unwrap(), ["MONITOR 5:3", "MONITOR"]);
    }

    #[test]
    fn an_older_daemon_has_no_monitors() {
        let world = World::new("monitor-old");
        let served = serve_monitors(&world, &["ERR bad-verb use HELLO\n"]);
        let mut monitor = Monitor::new(&world.options(), None).unwrap();
        let error = loop {
            match monitor.next() {
                Ok(None) => monitor.sleep(None).unwrap(),
                Ok(Some(event)) => panic!("{event:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(errno(&error), EOPNOTSUPP);
        served.join().unwrap();
        assert!(Monitor::new(&world.options(), Some("5")).is_err());
        assert!(Monitor::new(&Options { backend: Backend::File, ..world.options() }, None).is_err());
    }

    #[test]
    fn events_are_parsed() {
        let event = Event::parse("EVENT 5:7 stopped ready 12 colour=blue").unwrap();
        assert_eq!((event.change, event.seq), (Change::State, 7));
        for line in ["", "PONG", "EVENT 5:7 ready", "STATE 5 ready 12", "LIVE", "STATE 5:7 ready 12 time=x", "LIVE +5:7"] {
            assert_eq!(Event::parse(line), None, "{line}");
        }
    }

    #[test]
    fn answers_are_parsed_and_printed() {
        let told = Answer::parse("died 7 start=9 signal=11 core=1 new=key reason=none-that-is-known").unwrap();
        assert_eq!((told.signal, told.core, told.reason, told.start), (Some(11), true, None, Some(9)));
        assert_eq!(told.to_string(), "died 7 start=9 signal=11 core=1");
        assert_eq!(Answer::parse("exited 7 start=9 status=hidden").unwrap().to_string(), "exited 7 start=9 status=unknown");
        for line in ["", "READY 7", "gone 7", "ready", "ready x", "ready -1"] {
            assert_eq!(Answer::parse(line), None, "{line}");
        }
    }

    #[test]
    fn the_own_look_and_the_daemons_word_are_merged() {
        let rows = [
            ("ready", Some(1), "stale", Some(1), true),
            ("ready", Some(1), "died", Some(1), false),
            ("pending", Some(1), "ready", Some(1), true),
            ("pending", Some(1), "ready", None, false),
            ("pending", None, "ready", None, true),
            ("pending", Some(1), "unreachable", Some(1), false),
            ("unreachable", Some(1), "pending", Some(1), true),
            ("died", Some(1), "exited", Some(1), true),
            ("died", None, "ready", None, false),
            ("pending", None, "exited", None, false),
        ];
        for (own, start, said, its, want) in rows {
            let counted = counts(&answer(own, start, None), false, &answer(said, its, None));
            assert_eq!(counted, want, "{own} {said} {its:?}");
        }
        assert!(!counts(&answer("died", Some(1), None), true, &answer("exited", Some(1), None)));
        let blind = answer("pending", Some(1), Some("no-resources"));
        assert!(counts(&blind, false, &answer("ready", Some(1), None)));
        assert!(!counts(&blind, false, &answer("ready", None, None)));
    }

    #[test]
    fn a_kernel_thread_leaves_no_marker() {
        let thread = Process::open(Name::from(2));
        if !thread.kernel {
            return;
        }
        let world = World::new("kernel");
        world.mark(2);
        let place = Place { dir: world.0.clone(), prefix: b"ready-".to_vec() };
        let view = view_marker(&place, &thread);
        assert_eq!((view.marker.kind, could_have_left(&place, &thread, &view)), (Kind::File, Some(false)));
    }

    #[test]
    fn a_measured_clock_narrows_the_margin() {
        let wide = Trust { grain: GRAIN_NS, margin: MARGIN_NS, skew: 0 };
        assert_eq!(narrow(wide, true, 100, 100, 200).margin, 0);
        let behind = narrow(wide, false, 10 * SECOND_NS, 7 * SECOND_NS + 1, 10 * SECOND_NS);
        assert!(behind.margin <= SECOND_NS && behind.skew >= -3 * SECOND_NS && behind.skew <= -2 * SECOND_NS);
        assert_eq!(narrow(wide, false, 200, 100, 100), wide);
    }

    #[test]
    fn text_is_unescaped() {
        let hello = Hello::parse("READYD 1 dir=1:2 prefix=a%25 path=/tmp/a%20b%");
        assert_eq!(hello.place, Place { dir: "/tmp/a b%".into(), prefix: b"a%".to_vec() });
        assert_eq!(hello.dir, (1, 2));
    }

    #[test]
    fn options_that_mean_nothing_are_errors() {
        for prefix in ["relative", "/ends/in/", ""] {
            let options = Options { marker_prefix: Some(prefix.into()), ..Options::default() };
            assert!(Waiter::new(&options).is_err(), "{prefix}");
        }
        assert!(Waiter::new(&Options { socket: Some("".into()), ..Options::default() }).is_err());
        assert!(status(0, &Options::default()).is_err());
    }

    #[test]
    fn all_are_waited_for_in_their_order() {
        let world = World::new("all");
        let (one, two) = (Worker::new(), Worker::new());
        world.mark(two.0.id());
        world.mark(one.0.id());
        let pids = [one.0.id(), two.0.id()];
        let answers = wait_all(&pids, Duration::from_secs(60), &world.options()).unwrap();
        assert_eq!(answers.iter().map(|answer| answer.pid).collect::<Vec<_>>(), pids);
        assert!(answers.iter().all(Answer::is_ready), "{answers:?}");
    }

    #[test]
    fn one_that_dies_ends_the_wait_for_all() {
        let world = World::new("one");
        let (living, mut dead) = (Worker::new(), Worker::new());
        dead.0.kill().unwrap();
        let pids = [living.0.id(), dead.0.id()];
        let answers = wait_all(&pids, None, &world.options()).unwrap();
        assert_eq!((answers[0].verdict, answers[1].verdict), (Verdict::Pending, Verdict::Died));
        assert_eq!(answers[1].signal, Some(9));
    }

    #[test]
    fn a_waiter_says_when_to_call_it() {
        let world = World::new("waiter");
        let worker = Worker::new();
        let mut waiter = Waiter::new(&world.options()).unwrap();
        waiter.add(worker.0.id()).unwrap();
        assert!(waiter.add(worker.0.id()).is_err());
        assert_eq!(waiter.next().unwrap(), None);
        world.mark(worker.0.id());
        let told = loop {
            waiter.sleep(None).unwrap();
            if let Some(told) = waiter.next().unwrap() {
                break told;
            }
        };
        assert_eq!((told.verdict, told.backend, waiter.pending()), (Verdict::Ready, Backend::File, 0));
        assert_eq!(waiter.next().unwrap(), None);
        assert!(waiter.cancel(worker.0.id()).is_err());
    }

    /// What a peer sends that is not readyd, or does not name the process, decides nothing.
    #[test]
    fn only_the_file_decides() {
        let world = World::new("peer");
        let worker = Worker::new();
        let pid = worker.0.id();
        let listener = std::os::unix::net::UnixListener::bind(world.0.join("socket")).unwrap();
        let meta = fs::metadata(&world.0).unwrap();
        let hello = format!("READYD 1 dir={}:{} prefix=ready- path={}", meta.dev(), meta.ino(), world.0.display());
        std::thread::spawn(move || {
            let scripts = [
                format!("{hello}\nready {pid}\nready {pid}\nPONG\n"),
                format!("{hello}\nready {pid} start=1\nPONG\n"),
                "READYD 2\n".to_string(),
                "x".repeat(5000),
                "ERR no-resources\n".to_string(),
            ];
            for (peer, script) in listener.incoming().zip(scripts.iter().cycle()) {
                let mut peer = peer.unwrap();
                let _ = peer.read(&mut [0; 4096]);
                let _ = peer.write_all(script.as_bytes());
                let _ = peer.read(&mut [0; 4096]);
            }
        });
        for _ in 0..5 {
            let told = wait(pid, Duration::from_millis(50), &world.options()).unwrap();
            assert_eq!((told.verdict, told.exit_code()), (Verdict::Pending, 124), "{told}");
        }
        world.mark(pid);
        assert!(wait(pid, Duration::from_secs(60), &world.options()).unwrap().is_ready());
    }

    #[test]
    fn nothing_but_the_daemon_was_asked_for() {
        let world = World::new("forced");
        let worker = Worker::new();
        let options = Options { backend: Backend::Daemon, ..world.options() };
        assert_eq!(status(worker.0.id(), &options).unwrap_err().raw_os_error(), Some(ENOENT));
        assert_eq!(wait(worker.0.id(), None, &options).unwrap_err().raw_os_error(), Some(ENOENT));
    }
}
