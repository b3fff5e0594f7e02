//! The priority of a thread.

/// Gives this thread a lower priority, where the system knows how: on a busy machine what answers a key or forwards
/// a byte comes first. A program that this thread starts inherits it.
pub(crate) fn step_back() {
    // To Linux 0 is this very thread; elsewhere it is the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}
