//! The request being edited, kept in a file so that it survives the end of the program, whatever the cause. The
//! file holds no credential.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::Variables;
use crate::journal::{Request, credential, is_secret_name};
use crate::transport::request::mask_recorded;

/// At least so long passes between two writes.
const REST: Duration = Duration::from_millis(300);
/// The longest body that is kept: a longer one is from a file.
const MAX_BODY: usize = 4 << 20;

/// A request as it was left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptDraft {
    /// Name of the provider.
    pub provider: String,
    /// The model, which some dialects have in the address and not in the body.
    pub model: String,
    /// The exact address, where one was set.
    pub url: Option<String>,
    /// The dialect, where one was set.
    pub dialect: Option<String>,
    /// The method; empty for the default.
    pub method: String,
    /// Headers beside the provider's, without those that are credentials.
    pub headers: Vec<(String, String)>,
    /// The body, text.
    pub body: String,
    /// Its variables, without the values that were typed.
    pub variables: Option<Box<Variables>>,
}

impl KeptDraft {
    /// The same without credentials: headers that are some are left out, those in the address and in
    /// the body are starred.
    fn masked(mut self) -> Self {
        // A header that only names a variable is not a credential.
        let is_template = self.variables.is_some();
        self.headers.retain(|(name, value)| {
            !is_secret_name(name) || (is_template && credential(value).starts_with("${"))
        });
        let mut request = Request {
            url: self.url.clone().unwrap_or_default(),
            headers: self.headers,
            body: self.body.into_bytes().into(),
            ..Request::default()
        };
        mask_recorded(&mut request);
        self.headers = request.headers;
        self.url = self.url.map(|_| request.url);
        self.body = String::from_utf8_lossy(&request.body).into_owned();
        if let Some(variables) = &mut self.variables {
            let public = |name: &String, _: &mut String| !is_secret_name(name);
            variables.defaults.retain(public);
            variables.environments.values_mut().for_each(|values| values.retain(public));
        }
        self
    }
}

/// Reads what was kept; `None` where nothing was, or it cannot be read.
pub fn load(path: &Path) -> Option<KeptDraft> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Keeps drafts in a file, on a separate thread.
#[derive(Debug)]
pub struct DraftKeeper {
    drafts: Sender<KeptDraft>,
    thread: JoinHandle<()>,
}

impl DraftKeeper {
    /// Keeps drafts at `path`.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(path: PathBuf) -> std::io::Result<Self> {
        let (drafts, kept) = channel();
        let thread =
            std::thread::Builder::new().name("draft".into()).spawn(move || keep(&path, &kept))?;
        Ok(Self { drafts, thread })
    }

    /// Keeps a draft in place of the one before.
    pub fn keep(&self, draft: KeptDraft) {
        let _ = self.drafts.send(draft);
    }

    /// Writes what is left.
    pub fn close(self) {
        drop(self.drafts);
        let _ = self.thread.join();
    }
}

/// Writes the newest draft, until no more can arrive. A failure costs the draft and nothing else.
fn keep(path: &Path, drafts: &Receiver<KeptDraft>) {
    while let Ok(mut draft) = drafts.recv() {
        while let Ok(newer) = drafts.try_recv() {
            draft = newer;
        }
        if draft.body.len() <= MAX_BODY {
            let _ = write(path, &draft.masked());
        }
        // More key presses follow; the latest draft is written when they pause, or at the end.
        match drafts.recv_timeout(REST) {
            Ok(newer) => {
                let newest = drafts.try_iter().last().unwrap_or(newer);
                let _ = write(path, &newest.masked());
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Writes a file beside, and puts it in place in one step.
fn write(path: &Path, draft: &KeptDraft) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Another instance may be writing its own.
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    serde_json::to_writer_pretty(&mut file, draft)?;
    file.write_all(b"\n")?;
    drop(file);
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_draft_is_kept_without_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/draft.json");
        let keeper = DraftKeeper::start(path.clone()).unwrap();
        let key = "sk-proj-0123456789abcdefghij";
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for n in 0..50 {
            keeper.keep(KeptDraft {
                provider: "openai".into(),
                url: Some(format!("https://u:secretpassword@h/v1?api_key={key}")),
                headers: vec![
                    header("Authorization", &format!("Bearer {key}")),
                    header("x-a", "1"),
                ],
                body: format!("{{\"n\":{n},\"api_key\":\"{key}\",\"text\":\"my key is {key}\"}}"),
                ..KeptDraft::default()
            });
        }
        keeper.close();
        let kept = load(&path).unwrap();
        assert_eq!(kept.headers, [header("x-a", "1")]);
        assert!(kept.body.starts_with("{\"n\":49,"), "{}", kept.body);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("sk-proj-") && !text.contains("secretpassword"), "{text}");
        assert_eq!(load(&folder.path().join("nothing.json")), None);
    }
}
