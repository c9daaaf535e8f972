//! What the tool needs of a history: beginning it, playing it on a watched disk, and looking at
//! what it left.

use lsm_testkit::SimDisk;

use crate::ledger::{Ledger, Moment};
use crate::watch::Watch;

/// A history. Each of its steps waits for the background, so that it makes the same calls
/// whenever it is played; only the order of calls by different threads may differ.
pub(crate) trait Script: Sync {
    /// What it is called in messages.
    fn name(&self) -> &'static str;

    /// Whether it takes long: it is played only for the sites that no history before it reaches.
    fn is_long(&self) -> bool {
        false
    }

    /// The disk that it finds, and how it is described in its ledger.
    fn begin(&self) -> Result<(SimDisk, Ledger), String>;

    /// Plays it. Calls may fail: what is answered wrongly is an error.
    fn play(&self, watch: &Watch, ledger: &mut Ledger) -> Result<(), String>;

    /// Opens what is on a disk, holds it to the ledger, and uses it.
    fn check(&self, disk: &SimDisk, ledger: &Ledger, moment: Moment) -> Result<(), String>;
}
