//! Repositories of any size, the same at every run: text files that grow in number and are edited, in one line of history.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;

use gitbarge_testkit::repository::git;

use crate::Outcome;

/// A commit brings itself, three trees, a new file and up to two that it edits.
const COMMITS_PER_THOUSAND_OBJECTS: usize = 147;
/// When the first commit is made; each later one is a minute younger.
const FIRST_COMMIT: usize = 1_767_225_600;

/// How large a repository is.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) name: &'static str,
    pub(super) objects: usize,
    /// How many lines a file has on average.
    lines: usize,
    /// How many commits there are to each tag.
    tagged: usize,
}

pub(super) const SMALL: Size = Size {
    name: "small",
    objects: 500,
    lines: 60,
    tagged: 10,
};
pub(super) const MEDIUM: Size = Size {
    name: "medium",
    objects: 10_000,
    lines: 60,
    tagged: 10,
};
/// Some 190 MB and 8,000 refs.
pub(super) const LARGE: Size = Size {
    name: "large",
    objects: 170_000,
    lines: 330,
    tagged: 3,
};

impl Size {
    fn commits(self) -> usize {
        self.objects * COMMITS_PER_THOUSAND_OBJECTS / 1000
    }
}

/// Which files there are, and how often each was edited.
pub(super) struct History {
    size: Size,
    commits: usize,
    /// The edits of each file, by folder.
    folders: Vec<Vec<usize>>,
}

/// One version of a file.
struct Change {
    folder: usize,
    file: usize,
    edits: usize,
}

impl History {
    /// Writes a whole repository of that size into a new folder.
    pub(super) fn generate(size: Size, folder: &Path) -> Outcome {
        let mut history = Self::new(size);
        run(git(Path::new("/"))
            .args(["init", "-q", "--bare", "-b", "main"])
            .arg(folder))?;
        history.import(folder, size.commits())?;
        run(git(folder).args(["repack", "-adfq"]))?;
        run(git(folder).args(["pack-refs", "--all"]))
    }

    /// What [`History::generate`] leaves.
    pub(super) fn generated(size: Size) -> Self {
        let mut history = Self::new(size);
        for _ in 0..size.commits() {
            history.next();
        }
        history
    }

    fn new(size: Size) -> Self {
        let folders = (size.commits() / 60).max(8);
        Self {
            size,
            commits: 0,
            folders: vec![Vec::new(); folders],
        }
    }

    /// Adds commits to the branch `main`.
    pub(super) fn import(&mut self, repository: &Path, commits: usize) -> Outcome {
        let mut command = git(repository);
        command.args(["fast-import", "--quiet", "--date-format=raw"]);
        let child = command.stdin(Stdio::piped()).spawn();
        let mut child = child.map_err(|e| format!("cannot run git fast-import: {e}"))?;
        let mut input = BufWriter::new(child.stdin.take().expect("it is piped"));
        let written = (0..commits).try_for_each(|round| self.commit(&mut input, round == 0));
        let written = written.and_then(|()| input.flush());
        drop(input);
        let status = child.wait().map_err(|e| e.to_string())?;
        match written {
            Ok(()) if status.success() => Ok(()),
            Ok(()) => Err(format!("git fast-import failed: {status}")),
            Err(e) => Err(format!("git fast-import reads no more: {e}")),
        }
    }

    fn commit(&mut self, out: &mut impl Write, is_first: bool) -> std::io::Result<()> {
        let number = self.commits;
        let changes = self.next();
        let time = FIRST_COMMIT + 60 * number;
        let message = format!("Commit {number}\n");
        writeln!(out, "commit refs/heads/main")?;
        writeln!(
            out,
            "committer C O Mitter <committer@example.org> {time} +0000"
        )?;
        write!(out, "data {}\n{message}", message.len())?;
        if is_first && number > 0 {
            writeln!(out, "from refs/heads/main^0")?;
        }
        for change in changes {
            let Change { folder, file, .. } = change;
            let (area, part) = (folder / 20, folder % 20);
            let text = self.text(&change);
            writeln!(out, "M 100644 inline area{area}/part{part}/file{file}.txt")?;
            write!(out, "data {}\n{text}", text.len())?;
        }
        if number.is_multiple_of(self.size.tagged) {
            writeln!(out, "reset refs/tags/v{number}\nfrom refs/heads/main")?;
        }
        Ok(())
    }

    /// What the next commit changes.
    fn next(&mut self) -> Vec<Change> {
        let mut random = Random::new(self.commits);
        self.commits += 1;
        let folder = random.below(self.folders.len());
        let files = &mut self.folders[folder];
        files.push(0);
        let last = files.len() - 1;
        let mut changed = vec![last];
        for _ in 0..2 {
            let file = random.below(files.len());
            if !changed.contains(&file) {
                files[file] += 1;
                changed.push(file);
            }
        }
        let change = |file| Change {
            folder,
            file,
            edits: files[file],
        };
        changed.into_iter().map(change).collect()
    }

    /// A file's text after so many edits, each of which replaces a few lines in a row.
    fn text(&self, change: &Change) -> String {
        let seed = change.folder * 1_000_003 + change.file;
        let lines = self.size.lines / 2 + Random::new(seed).below(self.size.lines);
        let mut written = vec![0; lines];
        for edit in 1..=change.edits {
            let at = Random::new(seed * 31 + edit).below(lines);
            written[at..]
                .iter_mut()
                .take(5)
                .for_each(|line| *line = edit);
        }
        let mut text = String::new();
        for (number, edit) in written.into_iter().enumerate() {
            line(&mut text, Random::new((seed * 1009 + number) * 101 + edit));
        }
        text
    }
}

/// A line of words that compresses about as well as source code.
fn line(text: &mut String, mut random: Random) {
    text.extend(std::iter::repeat_n(' ', 4 * random.below(4)));
    for _ in 0..3 + random.below(8) {
        // A few words are frequent, as names are.
        let word = random.below(60) * random.below(60);
        let mut letters = Random::new(word);
        for _ in 0..2 + word % 7 {
            text.push(char::from(b'a' + letters.below(26) as u8));
        }
        text.push([' ', ' ', '_', '('][random.below(4)]);
    }
    text.push('\n');
}

/// Numbers that are the same at every run. Source: splitmix64, <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    fn new(seed: usize) -> Self {
        Self(seed as u64)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

pub(super) fn run(command: &mut std::process::Command) -> Outcome {
    super::super::measure::time(command).map(drop)
}
