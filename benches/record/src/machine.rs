//! The machine that figures are from, as far as the system says: no names, no paths.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;

use serde::{Deserialize, Serialize};

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The model of its processor.
    pub cpu: String,
    /// Processors that the program could use.
    pub cores: usize,
    /// Its memory.
    pub memory_bytes: u64,
    /// The release of its kernel.
    pub kernel: String,
    /// The type of the file system the databases were on.
    pub file_system: String,
}

impl Machine {
    /// Describes this machine, with the file system that holds `dir`.
    ///
    /// # Errors
    ///
    /// There is no such folder, or the system does not tell how many processors there are.
    pub fn describe(dir: &Path) -> io::Result<Self> {
        let told = |file: &str| fs::read_to_string(file).unwrap_or_default();
        Ok(Self {
            cpu: cpu_model(&told("/proc/cpuinfo")).unwrap_or("unknown").to_owned(),
            cores: thread::available_parallelism()?.get(),
            memory_bytes: proc_field(&told("/proc/meminfo"), "MemTotal:").unwrap_or(0) * 1024,
            kernel: told("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: mounted_type(&told("/proc/self/mountinfo"), &dir.canonicalize()?)
                .unwrap_or("unknown")
                .to_owned(),
        })
    }
}

/// The first number of the line that starts with `name`, as the files under `/proc` have it.
#[must_use]
pub fn proc_field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn cpu_model(cpu_info: &str) -> Option<&str> {
    let line = cpu_info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

/// The type of the last mount whose point is the longest that leads to `dir`.
fn mounted_type<'a>(mounts: &'a str, dir: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        Some((Path::new(left.split(' ').nth(4)?), right.split(' ').next()?))
    });
    let leading = mounts.filter(|(point, _)| dir.starts_with(point));
    leading.max_by_key(|(point, _)| point.components().count()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_decides() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/x rw\n\
                      2 1 0:9 / /tmp rw shared:1 - tmpfs tmpfs rw\n";
        assert_eq!(mounted_type(mounts, Path::new("/tmp/x")), Some("tmpfs"));
        assert_eq!(mounted_type(mounts, Path::new("/tmpfoo")), Some("ext4"));
    }

    #[test]
    fn a_field_is_the_number_behind_its_name() {
        assert_eq!(proc_field("a: 1\nVmHWM:\t  4711 kB\n", "VmHWM:"), Some(4711));
        assert_eq!(proc_field("a: 1\n", "b:"), None);
    }
}
