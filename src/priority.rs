//! The priority of a thread.

/// Lowers this thread's priority, where the system knows how: on a busy machine, work that answers a key or
/// forwards a byte is done first. A program that this thread starts inherits it.
pub(crate) fn step_back() {
    // On Linux 0 means this thread only; elsewhere it is the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}
