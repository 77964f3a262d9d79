//! The whole crate on a real log and a real store in a temporary folder, with a clock that tests move.

mod closing;
mod damage;
mod faults;
mod fit;
mod house;
mod intake;
mod life;
mod simulation;
