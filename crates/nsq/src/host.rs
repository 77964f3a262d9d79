//! What this machine is called.

/// The name the system gives itself; NSQ's daemons are known by it unless told otherwise.
pub fn name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    if name.is_empty() { "localhost".to_owned() } else { name.into_owned() }
}
