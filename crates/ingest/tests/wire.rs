//! The wire, byte by byte, over real sockets: what clients send, what they are told, what counts.

mod wire {
    mod house;

    mod app;
    mod clients;
    mod faults;
    mod limits;
    mod script;
    mod server;
    mod shapes;
}
