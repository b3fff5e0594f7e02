//! The verdict: one sentence about an exchange.

use super::{Inspection, Outcome, Severity};
use crate::dialect::Channel;
use crate::text;

impl Inspection {
    /// One sentence on what became of the exchange, the worst cause first.
    pub fn verdict(&self) -> String {
        if let Some(worst) = self.worst().filter(|s| *s > Severity::Info)
            && let Some(finding) = self.findings().iter().find(|f| f.severity == worst)
        {
            return text::visible(&finding.message, text::Newlines::Show).into_owned();
        }
        match (self.is_over(), self.outcome()) {
            (false, _) => "The stream goes on.".to_owned(),
            (true, Outcome::Ok) => self.sound(),
            (true, _) => "The stream is over.".to_owned(),
        }
    }

    fn sound(&self) -> String {
        let answer = self.answer();
        let mut parts = Vec::new();
        for (channel, noun) in [(Channel::Content, "content"), (Channel::Reasoning, "reasoning")] {
            let chars = answer.chars(channel) as u64;
            if chars > 0 {
                parts.push(format!("{} of {noun}", text::count(chars, "character")));
            }
        }
        if !answer.tools().is_empty() {
            parts.push(text::count(answer.tools().len() as u64, "tool call"));
        }
        let finish = answer.finish().next().map(|f| f.1.to_owned());
        let what = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
        match finish {
            Some(finish) => format!(
                "A sound stream: {what}; finish {:?}.",
                text::visible(&finish, text::Newlines::Show)
            ),
            None => format!("Nothing is wrong on the wire: {what}."),
        }
    }
}
