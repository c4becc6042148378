//! Links the plugins: a dependency alone would leave their registrations out of the binary.

use gitbarge_alert_exec as _;
use gitbarge_alert_slack as _;
use gitbarge_alert_webhook as _;
use gitbarge_sink_checkout as _;
use gitbarge_sink_s3 as _;
use gitbarge_state_file as _;
use gitbarge_transport_http as _;
use gitbarge_transport_local as _;
use gitbarge_transport_ssh as _;
use gitbarge_trigger_poll as _;
use gitbarge_trigger_signal as _;
use gitbarge_trigger_webhook as _;

#[cfg(test)]
mod tests {
    #[test]
    fn every_plugin_of_this_binary_is_known() {
        let docs = gitbarge_core::config::catalogue();
        let names: Vec<&str> = docs.iter().map(|doc| doc.name.as_str()).collect();
        insta::assert_snapshot!(names.join(" "), @"source.http source.local source.ssh sink.checkout sink.s3 trigger.poll trigger.signal trigger.webhook alert.exec alert.slack alert.webhook state.file");
    }
}
