//! The machine that the figures are from, as far as the system says: no names, no paths.

use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result};

use crate::measure::field;
use crate::record::Machine;

/// Describes the machine, with the file system that holds `dir`.
pub(crate) fn describe(dir: &Path) -> Result<Machine> {
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory_info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    Ok(Machine {
        cpu: cpu_model(&cpu_info).unwrap_or("unknown").to_owned(),
        cores: thread::available_parallelism()?.get(),
        memory_bytes: field(&memory_info, "MemTotal:").unwrap_or(0) * 1024,
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        file_system: file_system(dir)?,
    })
}

fn cpu_model(cpu_info: &str) -> Option<&str> {
    let line = cpu_info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

fn file_system(dir: &Path) -> Result<String> {
    let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Ok(mounted_type(&mounts, &dir).unwrap_or("unknown").to_owned())
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
}
