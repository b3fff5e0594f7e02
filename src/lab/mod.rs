//! The lab: the embedded provider, which plays scenarios on a loopback socket.
