//! The exec alerter keeps the promises of every alerter, with a script as its receiver.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gitbarge_alert_exec::{ExecAlerter, ExecConfig};
use gitbarge_core::Alerter;
use gitbarge_testkit::alerter::{Mood, Receiver};
use gitbarge_testkit::{alerter, plugin};

/// Notes down what it sees, fails, or hangs, as a file says.
const SCRIPT: &str = r#"
case $(cat mood) in
    refuses) exit 7 ;;
    hangs) : > hanging; exec sleep 1000 ;;
esac
printf '%s\n' "$GITBARGE_EVENT" "$GITBARGE_PIPELINE" "$GITBARGE_REPOSITORY" "$GITBARGE_KIND" "$GITBARGE_MESSAGE" "$GITBARGE_HINT" > one
mv one "taken/$(ls taken | wc -l | tr -d ' ')"
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Receiver for Folder {
    fn taken(&self) -> Vec<String> {
        let count = fs::read_dir(self.path("taken")).unwrap().count();
        let texts = (0..count).map(|n| fs::read_to_string(self.path("taken").join(n.to_string())));
        texts.map(Result::unwrap).collect()
    }

    fn set_mood(&self, mood: Mood) {
        let mood = match mood {
            Mood::Takes => "takes",
            Mood::Refuses => "refuses",
            Mood::Hangs => "hangs",
        };
        fs::write(self.path("mood"), mood).unwrap();
    }

    async fn hanging(&self) {
        while !self.path("hanging").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn the_exec_alerter_keeps_the_contract() {
    let folder = Folder(tempfile::tempdir().unwrap());
    fs::create_dir(folder.path("taken")).unwrap();
    folder.set_mood(Mood::Takes);
    let mut config = ExecConfig::new(["sh", "-c", SCRIPT]);
    config.directory = Some(folder.0.path().to_owned());
    let exec = ExecAlerter::new(config).unwrap();
    alerter::conformance(Arc::new(exec), &folder).await;
}

#[test]
fn the_configuration_keeps_the_contract() {
    plugin::conformance::<dyn Alerter, ExecConfig>();
}
