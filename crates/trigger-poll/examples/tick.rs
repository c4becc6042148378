//! Says when three runs are due: `cargo run -p gitbarge-trigger-poll --example tick`.

use std::time::Duration;

use gitbarge_core::{Requests, Result, Run, Trigger as _};
use gitbarge_trigger_poll::PollTrigger;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows its result")]
async fn main() -> Result<()> {
    let trigger = PollTrigger::new(Duration::from_secs(1), Duration::from_millis(200));
    let run = Run::standalone("example");
    let (requests, mut asked) = Requests::channel();
    let due = async {
        for n in 1..=3 {
            asked.next().await;
            println!("run {n} is due");
        }
        run.cancel_token().cancel();
    };
    tokio::join!(trigger.watch(requests, &run), due).0
}
