//! Waits for a signal, which it sends to itself: `cargo run -p gitbarge-trigger-signal --example wait`.

use gitbarge_core::{Requests, Result, Run, Trigger as _};
use gitbarge_trigger_signal::{SignalTrigger, UserSignal};
use rustix::process::{Signal, getpid, kill_process};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows its result")]
async fn main() -> Result<()> {
    let trigger = SignalTrigger::new(UserSignal::usual());
    let run = Run::standalone("example");
    let (requests, mut asked) = Requests::channel();
    let due = async {
        // By now the trigger is watching: it was polled first.
        kill_process(getpid(), Signal::USR1).expect("it is this process");
        asked.next().await;
        println!("a run is due");
        run.cancel_token().cancel();
    };
    tokio::join!(trigger.watch(requests, &run), due).0
}
