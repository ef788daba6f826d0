//! Models from a Hugging Face style hub: how they are named (`names`), what a hub is asked (`client`), what of its
//! files makes a model (`contents`), how one arrives whole (`download`, `hash`, `transfer`), and where all of it lies
//! afterwards (`cache`, `shelf`).

pub mod cache;
pub mod client;
pub mod contents;
pub mod download;
pub mod hash;
pub mod names;
pub mod shelf;
pub mod transfer;
