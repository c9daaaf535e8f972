//! What each engine promises about an acknowledged write, in the durable workloads and in the others,
//! and which version of it is linked. Figures without this compare what is not the same.

use crate::engines::EngineName;

/// The lock file of this workspace knows the exact versions.
const LOCK_FILE: &str = include_str!("../Cargo.lock");

impl EngineName {
    /// In all workloads but the durable ones.
    pub(crate) fn plain_promise(self) -> &'static str {
        match self {
            Self::Ours | Self::Published => {
                "no log: what is in the write buffer is lost with the process; files are synced"
            }
            Self::Fjall => {
                "logged to the operating system, not synced: survives the process, not the machine"
            }
            Self::Rocksdb => {
                "log off: what is in the write buffer is lost with the process; files are synced"
            }
            Self::Redb => "Durability::None: lost with the process unless a durable commit follows",
            Self::Sled => {
                "buffered log, flushed and synced every 500 ms: what came after is lost with the process"
            }
            Self::Surrealkv => {
                "Durability::Eventual: logged to the operating system, not synced: \
                 survives the process, not the machine"
            }
        }
    }

    /// Whether it has a write that is on the disk before its call returns.
    pub(crate) fn has_durable_writes(self) -> bool {
        self != Self::Sled
    }

    /// In the durable workloads.
    pub(crate) fn durable_promise(self) -> &'static str {
        match self {
            Self::Ours => "feature `durability`: logged and synced before the call returns",
            Self::Published => {
                "feature `durability`: logged and synced under the lock before the call returns"
            }
            Self::Fjall => "insert, then persist(SyncData) before the put returns",
            Self::Rocksdb => "WriteOptions::sync: logged and synced, writers in groups",
            Self::Redb => "Durability::Immediate: one synced commit per put",
            Self::Sled => {
                "none, and left out: its flush is sync_file_range, which leaves the disk's cache alone"
            }
            Self::Surrealkv => "Durability::Immediate: logged and synced, writers in groups",
        }
    }

    /// The version that is linked.
    pub(crate) fn version(self) -> String {
        let version = |name: &str, local: bool| {
            locked_version(LOCK_FILE, name, local).unwrap_or_else(|| "unknown".to_owned())
        };
        match self {
            Self::Ours => format!("{} (this repository)", version("lsm-db", true)),
            Self::Published => version("lsm-db", false),
            Self::Rocksdb => {
                let library = version("librocksdb-sys", false);
                let library = library.split_once('+').map_or(&library[..], |(_, behind)| behind);
                format!("{} (RocksDB {library})", version("rocksdb", false))
            }
            _ => version(self.name(), false),
        }
    }
}

/// The version of package `name` in a lock file; `local` packages have no source there.
fn locked_version(lock_file: &str, name: &str, local: bool) -> Option<String> {
    let is_wanted = |package: &&str| {
        package.contains(&format!("\nname = \"{name}\"\n")) && package.contains("\nsource") != local
    };
    let package = lock_file.split("[[package]]").find(is_wanted)?;
    let version = package.lines().find_map(|line| line.strip_prefix("version = \""))?;
    Some(version.trim_end_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two packages of the same name, one of them ours.
    #[test]
    fn a_local_package_is_told_from_a_published_one() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n\
                    [[package]]\nname = \"a\"\nversion = \"2.0.0\"\nsource = \"registry\"\n";
        assert_eq!(locked_version(lock, "a", true).as_deref(), Some("1.0.0"));
        assert_eq!(locked_version(lock, "a", false).as_deref(), Some("2.0.0"));
        assert_eq!(locked_version(lock, "b", false), None);
    }
}
