//! Asks readyd.rs, which it includes as ktstr would, what each line of standard input says, QUESTION PID:START; see
//! tests/test_vectors.sh.
#[path = "../../bindings/rust/readyd.rs"]
mod readyd;

use readyd::{Answer, Backend, Name, Options, Waiter};
use std::io;
use std::path::Path;
use std::time::Duration;

/// What is known in mid-wait, once the file exists that says so.
fn peek(name: Name, options: &Options) -> io::Result<Answer> {
    let mut waiter = Waiter::new(options)?;
    waiter.add(name)?;
    loop {
        let told = Path::new("now").exists();
        if let Some(answer) = waiter.next()? {
            return Ok(answer);
        }
        if told {
            return waiter.peek(name);
        }
        waiter.sleep(Some(Duration::from_millis(20)))?;
    }
}

fn ask(question: &str, name: Name) -> io::Result<Answer> {
    let options = Options {
        strict_age: question == "strict",
        fail_stale: question == "fail-stale",
        await_start: question == "await-start",
        ..Options::default()
    };
    let seconds = if question == "wait" || question == "fail-stale" { 600.0 } else { 0.3 };
    match question {
        "status" => readyd::status(name, &options),
        "peek" => peek(name, &options),
        _ => readyd::wait(name, Duration::from_secs_f64(seconds), &options),
    }
}

fn print(answer: &Answer) {
    print!("{}", answer.verdict);
    if let Some(reason) = answer.reason {
        print!(" {reason}");
    }
    match (answer.signal, answer.status) {
        (Some(signal), _) => print!(" signal={signal}"),
        (None, Some(status)) => print!(" status={status}"),
        _ => (),
    }
    let backend = if answer.backend == Backend::Daemon { "daemon" } else { "file" };
    println!(" {backend} {}", answer.exit_code());
}

fn main() {
    for line in io::stdin().lines() {
        let line = line.unwrap();
        let (question, process) = line.split_once(' ').unwrap();
        let (pid, start) = process.split_once(':').unwrap();
        let start = Some(start.parse().unwrap()).filter(|start| *start != 0);
        match ask(question, Name { pid: pid.parse().unwrap(), start }) {
            Ok(answer) => print(&answer),
            Err(error) => println!("error {error}"),
        }
    }
}
