//! A waiter beside another descriptor, standard input, in one poll(2): without tokio and without any other crate.
#[path = "../bindings/rust/readyd.rs"]
mod readyd;

use std::os::raw::{c_int, c_ulong};
use std::os::unix::io::AsRawFd;

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: i16,
    revents: i16,
}

extern "C" {
    fn poll(fds: *mut PollFd, count: c_ulong, timeout: c_int) -> c_int;
}

const POLLIN: i16 = 1;

fn main() -> std::io::Result<()> {
    let pid: u32 = std::env::args().nth(1).and_then(|word| word.parse().ok()).expect("a pid");
    let mut waiter = readyd::Waiter::new(&readyd::Options::default())?;
    waiter.add(pid)?;
    let mut fds = [
        PollFd { fd: waiter.as_raw_fd(), events: POLLIN, revents: 0 },
        PollFd { fd: 0, events: POLLIN, revents: 0 },
    ];
    loop {
        if let Some(answer) = waiter.next()? {
            println!("{} {}", answer.verdict, answer.pid);
            std::process::exit(i32::from(!answer.is_ready()));
        }
        // SAFETY: both descriptors are open, and the array has two entries.
        unsafe { poll(fds.as_mut_ptr(), 2, -1) };
        if fds[1].revents != 0 {
            // A program would read its input here; this one has no use for it.
            fds[1].fd = -1;
        }
    }
}
