//! Attributes that decide whether an item is there: `cfg`, and what is said of it with a tag.
//!
//! `feature = "std"` holds for the whole crate and is not shown. What is there for tests alone is
//! not public.

use quote::ToTokens as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Lit, Meta, Token};

/// The tags of an item; nothing if no build that others link contains it.
pub(super) fn tags(attributes: &[Attribute]) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("cfg") {
            let condition = attribute.parse_args::<Meta>().ok();
            match condition.as_ref().map_or(Condition::Always, Condition::of) {
                Condition::Never => return None,
                Condition::Always => {}
                Condition::All(parts) => tags.extend(parts),
            }
        } else if attribute.path().is_ident("non_exhaustive") {
            tags.push("non_exhaustive".to_owned());
        } else if attribute.path().is_ident("doc") && is_hidden(attribute) {
            tags.push("doc(hidden)".to_owned());
        }
    }
    Some(tags)
}

fn is_hidden(attribute: &Attribute) -> bool {
    matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string() == "hidden")
}

/// The entries of a list attribute, such as the traits of a `derive`.
pub(super) fn list<T: syn::parse::Parse>(meta: &Meta) -> Vec<T> {
    let Meta::List(list) = meta else { return Vec::new() };
    let entries = list.parse_args_with(Punctuated::<T, Token![,]>::parse_terminated);
    entries.map(|entries| entries.into_iter().collect()).unwrap_or_default()
}

/// When an item is there.
#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    Always,
    Never,
    /// When all of these hold.
    All(Vec<String>),
}

impl Condition {
    pub(super) fn of(meta: &Meta) -> Condition {
        let name = meta.path().to_token_stream().to_string();
        match (name.as_str(), meta) {
            ("feature", Meta::NameValue(pair)) => match text(&pair.value) {
                Some(feature) if feature == "std" => Condition::Always,
                Some(feature) => Condition::All(vec![format!("feature {feature}")]),
                None => Condition::other(meta),
            },
            ("test", Meta::Path(_)) => Condition::Never,
            ("not", _) => match list::<Meta>(meta).first().map(Condition::of) {
                Some(Condition::Always) => Condition::Never,
                Some(Condition::Never) => Condition::Always,
                Some(Condition::All(parts)) => {
                    Condition::All(vec![format!("not {}", parts.join(" and "))])
                }
                None => Condition::other(meta),
            },
            ("all", _) => Condition::all(&list(meta)),
            ("any", _) => Condition::any(&list(meta)),
            _ => Condition::other(meta),
        }
    }

    fn all(metas: &[Meta]) -> Condition {
        let mut parts = Vec::new();
        for condition in metas.iter().map(Condition::of) {
            match condition {
                Condition::Never => return Condition::Never,
                Condition::Always => {}
                Condition::All(more) => parts.extend(more),
            }
        }
        if parts.is_empty() { Condition::Always } else { Condition::All(parts) }
    }

    fn any(metas: &[Meta]) -> Condition {
        let mut choices = Vec::new();
        for condition in metas.iter().map(Condition::of) {
            match condition {
                Condition::Never => {}
                Condition::Always => return Condition::Always,
                Condition::All(parts) => choices.push(parts.join(" and ")),
            }
        }
        match choices.is_empty() {
            true => Condition::Never,
            false => Condition::All(vec![choices.join(" or ")]),
        }
    }

    fn other(meta: &Meta) -> Condition {
        let dense: String = meta.to_token_stream().to_string().split_whitespace().collect();
        Condition::All(vec![format!("cfg {dense}")])
    }
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
