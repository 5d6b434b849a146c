//! ask QUESTION PID[:START]: asks readyd.rs, which it includes as ktstr would, as tests/test_vectors.sh says.
#[path = "../../bindings/rust/readyd.rs"]
mod readyd;

use readyd::{Backend, Name, Options};
use std::time::Duration;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut process = words[1].split(':').map(|number| number.parse::<u64>().unwrap());
    let name = Name { pid: process.next().unwrap() as u32, start: process.next() };
    let options = Options {
        strict_age: words[0] == "strict",
        fail_stale: words[0] == "fail-stale",
        await_start: words[0] == "await-start",
        ..Options::default()
    };
    let seconds = if words[0] == "wait" || words[0] == "fail-stale" { 600.0 } else { 0.3 };
    let answer = match &words[0][..] {
        "status" => readyd::status(name, &options),
        _ => readyd::wait(name, Duration::from_secs_f64(seconds), &options),
    };
    let answer = answer.unwrap();
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
