//! The pages, the live stream, the export API and the pictures over a real application, asked without a socket.

mod house;

mod export;
mod live;
mod pages;
mod pictures;
