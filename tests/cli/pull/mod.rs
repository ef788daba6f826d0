//! `fathom pull`, `list` and `rm` against a hub on this machine.

mod hub;
mod kills;
mod lies;
mod life;
mod places;
