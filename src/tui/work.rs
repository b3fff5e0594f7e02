//! Work that takes longer than a drawing may, and touches nothing outside: it is done on separate threads, and
//! what these report arrives as events.

use std::sync::Arc;

use super::compare::{self, ComparisonKey, Computed};
use super::model::{Refold, Task, TaskResult};
use crate::inspect::{InspectOptions, Inspection};
use crate::journal::{Entry, ExchangeId};

/// Starts a thread for background work. Where the system knows how, it has a lower
/// priority than the thread that answers keys: a busy machine must not make those wait.
///
/// # Errors
/// The system has no thread left.
pub fn aside(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let work = move || {
        crate::priority::step_back();
        work();
    };
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

/// Number of bytes of body that take longer than a drawing to be folded, compared or freed.
pub(super) const MUCH: u64 = 4 << 20;

/// So many bytes of body are read as twenty clients do within a few milliseconds.
pub(super) const AT_ONCE: u64 = 256 << 10;

/// Work that is to be done.
#[derive(Debug)]
pub struct Work(pub(super) Job);

/// The kinds of work.
#[derive(Debug)]
pub(super) enum Job {
    /// Compare two exchanges.
    Compare(Box<compare::ComparisonJob>),
    /// Fold an exchange that is over.
    Fold(Fold),
    /// Fold a part of a recording that plays.
    Refold(Box<Refold>),
    /// Take an exchange further; which task it is.
    Exchange(u64, Task),
}

/// An exchange that is over, to be folded.
#[derive(Debug)]
pub(super) struct Fold {
    /// The request that is over.
    pub id: ExchangeId,
    /// The redirects that were followed from it.
    pub hops: Vec<ExchangeId>,
    /// The entries of the exchange that has the answer.
    pub entries: Vec<Entry>,
    pub options: Arc<InspectOptions>,
}

/// A report about work.
#[derive(Debug)]
pub struct Worked(pub(super) Report);

#[derive(Debug)]
pub(super) enum Report {
    /// So many thousandths of a comparison are computed.
    Comparing(ComparisonKey, u16),
    /// A comparison is computed; `None` when it was stopped.
    Compared(ComparisonKey, Option<Box<Computed>>),
    /// An exchange is folded; its entries are gone.
    Folded(Fold, Box<Inspection>),
    /// A part of a recording is folded.
    Refolded(Box<Refold>, Box<Inspection>),
    /// An exchange was taken further by this task.
    Exchange(u64, TaskResult),
}

impl Work {
    /// Does it, and reports how far it is and at last its result.
    pub fn run(self, report: &dyn Fn(Worked)) {
        match self.0 {
            Job::Compare(job) => {
                let of = job.of;
                let computed = job.run(&|permille| report(Worked(Report::Comparing(of, permille))));
                report(Worked(Report::Compared(of, computed.map(Box::new))));
            }
            Job::Fold(mut fold) => {
                let mut inspection = Inspection::new(Arc::clone(&fold.options));
                std::mem::take(&mut fold.entries).iter().for_each(|e| inspection.push(e));
                report(Worked(Report::Folded(fold, Box::new(inspection))));
            }
            Job::Refold(refold) => {
                if let Some(inspection) = refold.run() {
                    report(Worked(Report::Refolded(refold, Box::new(inspection))));
                }
            }
            Job::Exchange(number, task) => report(Worked(Report::Exchange(number, task.run()))),
        }
    }
}
