//! What the store and the runner survive: kills, signals, full disks, damage, company.
//!
//! Every test breaks a run in some way, again and again, lets it go on, and compares the outputs with those of a run that
//! nobody touched. Moments and places are random, from a seed that is printed; what is asserted does not depend on them.
//!
//! `make test` runs a short form; `MOELAB_TORTURE=long` (`make torture`) the numbers that docs/store.md states.

mod cleaning;
mod company;
mod damage;
mod disk;
mod failpoints;
mod kills;
mod lab;
mod memory;
mod processes;
