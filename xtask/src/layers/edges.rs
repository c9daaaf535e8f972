//! One crate's dependencies against its row of the table.

use super::manifests::Manifest;
use super::table::{EVERYWHERE, Layer};
use crate::Finding;
use crate::workspace::{Edge, Member};

/// Every edge of `member` that its row does not allow; a crate without a row is free.
pub(super) fn check(layers: &[Layer], member: &Member, manifest: &Manifest) -> Vec<Finding> {
    let Some(layer) = layers.iter().find(|layer| layer.name == member.name) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for edge in &member.edges {
        if EVERYWHERE.contains(&edge.to.as_str()) || layer.uses.contains(&edge.to.as_str()) {
            continue;
        }
        match layer.gated.iter().find(|(to, _)| *to == edge.to) {
            Some((_, feature)) => findings.extend(check_gated(member, edge, feature, manifest)),
            None => findings.push(forbidden(layer, member, edge, manifest)),
        }
    }
    findings
}

fn forbidden(layer: &Layer, member: &Member, edge: &Edge, manifest: &Manifest) -> Finding {
    let mut allowed: Vec<&str> = layer.uses.to_vec();
    allowed.extend(layer.gated.iter().map(|(to, _)| *to));
    allowed.extend(EVERYWHERE);
    Finding::new(
        &manifest.file,
        manifest.line_of_dependency(&edge.key),
        format!("{} uses only {}", member.name, allowed.join(", ")),
        format!("{} uses {}", member.name, edge.to),
        "take the edge out or move the code to the layer that may have it; a new edge needs an \
         RFC in docs/rfcs/ and a change of the table in xtask/src/layers/table.rs",
    )
}

/// An edge for one feature: it is optional, and no other feature turns it on.
fn check_gated(member: &Member, edge: &Edge, feature: &str, manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !edge.optional {
        findings.push(Finding::new(
            &manifest.file,
            manifest.line_of_dependency(&edge.key),
            format!("{} with `optional = true`, for the feature {feature}", edge.to),
            "a dependency that is always linked",
            format!("write `optional = true` and `{feature} = [\"dep:{}\"]`", edge.key),
        ));
    }
    for (name, enables) in &member.features {
        let turns_on = enables.iter().any(|one| one == feature || activates(one, &edge.key));
        if turns_on && name != feature {
            let line = manifest.line_of_feature(name);
            findings.push(Finding::new(
                &manifest.file,
                line.unwrap_or_else(|| manifest.line_of_dependency(&edge.key)),
                format!("{} comes in with the feature {feature} alone", edge.to),
                format!("the feature {name} = {enables:?} brings it in"),
                format!("name it `dep:{}`, and only under {feature}", edge.key),
            ));
        }
    }
    findings
}

/// Whether a feature's entry links the optional dependency `key`; `key?/x` does not.
fn activates(entry: &str, key: &str) -> bool {
    entry == key || entry.strip_prefix("dep:") == Some(key) || entry.starts_with(&format!("{key}/"))
}
