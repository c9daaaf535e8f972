//! Impls: those that stand in the source, and those that a `derive` writes.
//!
//! Only what can be named from outside has lines: an impl of a private trait, or for a private
//! type, is skipped.

use syn::{Field, Fields, Generics, ImplItem, Item, ItemImpl, Meta, Path, Type, Visibility};

use super::gates;
use super::items::{Writer, arguments, attributes, with_const, without_non_exhaustive};
use super::names::Target;
use super::render::{Generic, Scope};

impl<'a> Writer<'a> {
    /// The impls that `derive` writes, behind `cfg_attr` or not.
    pub(super) fn derives(
        &mut self,
        name: &str,
        item: &Item,
        generics: &Generics,
        fields: &[&Fields],
        scope: &Scope<'a>,
    ) {
        let outer = self.names.modules.get(scope.module).map_or(&[][..], |module| &module.tags);
        let own = without_non_exhaustive(&gates::tags(attributes(item)).unwrap_or_default());
        for attribute in attributes(item) {
            let (paths, tags) = derived(&attribute.meta);
            let tags = [outer, own.as_slice(), tags.as_slice()].concat();
            for path in paths {
                for one in derived_traits(&path, fields, scope) {
                    self.line(derived_line(&one, name, generics, scope), &tags);
                }
            }
        }
    }

    pub(super) fn implementation(&mut self, module: usize, one: &ItemImpl) {
        let Some(own) = gates::tags(&one.attrs) else { return };
        let outer = self.names.modules.get(module).map_or(&[][..], |module| &module.tags);
        let tags = [outer, own.as_slice()].concat();
        let scope = self.scope(module).within(&one.generics);
        if self.is_private(&one.self_ty, &scope) {
            return;
        }
        let own_type = scope.ty(&one.self_ty);
        let scope = scope.of_type(own_type.clone());
        let Some((path, _)) = &one.trait_ else {
            return self.inherent(one, &own_type, &tags, &scope);
        };
        let target = self.names.resolve(module, &segments(path), path.leading_colon.is_some());
        if self.is_unreachable(&target) {
            return;
        }
        let Generic { parameters, predicates } = scope.generics(&one.generics);
        let not = if one.modifiers.polarity.is_some() { "!" } else { "" };
        let unsafety = if one.unsafety.is_some() { "unsafe " } else { "" };
        let (name, associated) = (scope.path(path), scope.associated(&one.items));
        let line = format!(
            "{unsafety}impl{parameters} {not}{name} for {own_type}{predicates}{associated}"
        );
        self.line(line, &tags);
    }

    fn inherent(&mut self, one: &ItemImpl, own_type: &str, tags: &[String], scope: &Scope<'a>) {
        let owner = format!("{own_type}::");
        // Bounds of the impl bind the method too.
        let Generic { predicates, .. } = scope.generics(&one.generics);
        for item in &one.items {
            let (attributes, visibility, body, is_const) = match item {
                ImplItem::Fn(method) => {
                    let name = format!("{owner}{}", method.sig.ident);
                    let body = scope.signature(&name, &method.sig);
                    (&method.attrs, &method.vis, body, method.sig.constness.is_some())
                }
                ImplItem::Const(one) => {
                    let (ty, value) = (scope.ty(&one.ty), scope.value(&one.expr));
                    let body = format!("const {owner}{}: {ty} = {value}", one.ident);
                    (&one.attrs, &one.vis, body, false)
                }
                _ => continue,
            };
            let Some(own) = gates::tags(attributes) else { continue };
            if matches!(visibility, Visibility::Public(_)) {
                let tags = with_const([tags, own.as_slice()].concat(), is_const);
                let bounds = predicates.replacen(" where ", " if ", 1);
                self.line(body + &bounds, &tags);
            }
        }
    }

    /// Whether a type, below its references, is one that cannot be named from outside.
    fn is_private(&self, ty: &Type, scope: &Scope<'a>) -> bool {
        match ty {
            Type::Reference(reference) => self.is_private(&reference.elem, scope),
            Type::Paren(paren) => self.is_private(&paren.elem, scope),
            Type::Path(path) => {
                let path = &path.path;
                let absolute = path.leading_colon.is_some();
                let target = self.names.resolve(scope.module, &segments(path), absolute);
                self.is_unreachable(&target)
            }
            _ => false,
        }
    }

    fn is_unreachable(&self, target: &Target) -> bool {
        matches!(target, Target::Item(place, _) if self.public.canonical(place).is_none())
    }
}

/// What one entry of a `derive` implements.
fn derived_traits(path: &Path, fields: &[&Fields], scope: &Scope<'_>) -> Vec<String> {
    let target = scope.names.resolve(scope.module, &segments(path), path.leading_colon.is_some());
    // A derive is never an item of the crate it is used in: a type `Error` does not hide it.
    let is_thiserror = match &target {
        Target::Item(..) => path.is_ident("Error"),
        Target::Outside(path) => path.iter().eq(["thiserror", "Error"]),
        Target::Module(_) => false,
    };
    if !is_thiserror {
        return vec![scope.name(&target)];
    }
    let is_source = |field: &&Field| field.attrs.iter().any(|one| one.path().is_ident("from"));
    let sources = fields.iter().flat_map(|fields| fields.iter()).filter(is_source);
    let conversions = sources.map(|field| format!("From<{}>", scope.ty(&field.ty)));
    conversions.chain(["Display".to_owned(), "std::error::Error".to_owned()]).collect()
}

fn derived_line(derived: &str, name: &str, generics: &Generics, scope: &Scope<'_>) -> String {
    let bare = scope.generics(generics);
    let arguments = arguments(generics);
    let own = generics.type_params().map(|one| format!("{}: {derived}", one.ident));
    let written = bare.predicates.trim_start_matches(" where ").to_owned();
    let all: Vec<String> = own.chain([written]).filter(|one| !one.is_empty()).collect();
    let predicates =
        if all.is_empty() { String::new() } else { format!(" where {}", all.join(", ")) };
    format!("impl{arguments} {derived} for {name}{arguments}{predicates}")
}

/// The paths of a `derive`, and the tags of the `cfg_attr` around it.
fn derived(meta: &Meta) -> (Vec<Path>, Vec<String>) {
    if meta.path().is_ident("derive") {
        return (gates::list(meta), Vec::new());
    }
    if !meta.path().is_ident("cfg_attr") {
        return (Vec::new(), Vec::new());
    }
    let entries: Vec<Meta> = gates::list(meta);
    let Some((condition, attributes)) = entries.split_first() else {
        return (Vec::new(), Vec::new());
    };
    let paths = attributes.iter().filter(|one| one.path().is_ident("derive"));
    let paths: Vec<Path> = paths.flat_map(gates::list).collect();
    match gates::Condition::of(condition) {
        gates::Condition::Never => (Vec::new(), Vec::new()),
        gates::Condition::Always => (paths, Vec::new()),
        gates::Condition::All(tags) => (paths, tags),
    }
}

fn segments(path: &Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}
