//! One line for each public item: kind, name, what a caller can see of it, tags.
//!
//! Fields and variants have lines of their own; methods go under the type they belong to; an impl
//! shows its associated types. A derive and an impl by hand give the same line.

use std::collections::BTreeSet;

use syn::{Attribute, Field, Fields, Generics, Item, ItemEnum, ItemTrait, TraitItem, Visibility};

use super::gates;
use super::names::{Names, Place, Public, Target, name_of};
use super::render::{Generic, Scope, spaced};

/// Every line of the crate, sorted.
pub(super) fn lines(names: &Names) -> Vec<String> {
    let public = names.public();
    let mut writer = Writer { names, public: &public, lines: BTreeSet::new() };
    writer.reachable();
    for (number, module) in names.modules.iter().enumerate() {
        for item in &module.items {
            match item {
                Item::Impl(one) => writer.implementation(number, one),
                Item::Macro(one) => writer.macro_item(number, one),
                _ => {}
            }
        }
    }
    writer.lines.into_iter().collect()
}

pub(super) struct Writer<'a> {
    pub(super) names: &'a Names,
    pub(super) public: &'a Public,
    lines: BTreeSet<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn line(&mut self, body: impl AsRef<str>, tags: &[String]) {
        let tags: BTreeSet<&String> = tags.iter().collect();
        let tags: Vec<String> = tags.into_iter().map(|tag| format!("[{tag}]")).collect();
        let gap = if tags.is_empty() { "" } else { "  " };
        self.lines.insert(format!("{}{gap}{}", body.as_ref(), tags.join(" ")));
    }

    pub(super) fn scope(&self, module: usize) -> Scope<'a> {
        Scope::new(self.names, self.public, module)
    }

    /// What `pub` and `pub use` lead to: items, modules, second names, names of other crates.
    fn reachable(&mut self) {
        for reach in &self.public.modules {
            self.line(format!("mod {}", reach.path.join("::")), &reach.tags);
        }
        for (reach, target) in &self.public.foreign {
            let target = self.scope(0).name(&Target::Outside(target.clone()));
            self.line(format!("reexport {} = {target}", reach.path.join("::")), &reach.tags);
        }
        for (place, reaches) in &self.public.items {
            let Some(canonical) = self.public.canonical(place) else { continue };
            let name = canonical.path.join("::");
            self.items(place, &name, &canonical.tags);
            for reach in reaches.iter().filter(|reach| reach.path != canonical.path) {
                self.line(format!("reexport {} = {name}", reach.path.join("::")), &reach.tags);
            }
        }
    }

    /// All items that bear one name: a type and a function may share it, and `cfg` may choose.
    fn items(&mut self, place: &Place, name: &str, tags: &[String]) {
        let items = self.names.modules.get(place.0).map_or(&[][..], |module| &module.items);
        let named: Vec<&Item> =
            items.iter().filter(|item| name_of(item).as_deref() == Some(&place.1)).collect();
        if named.is_empty() {
            self.line(format!("unseen {name}"), tags);
        }
        let scope = self.scope(place.0);
        for item in named {
            self.item(item, name, tags, &scope);
        }
    }

    fn item(&mut self, item: &Item, name: &str, tags: &[String], scope: &Scope<'a>) {
        let Some(own) = gates::tags(attributes(item)) else { return };
        let tags = [tags, own.as_slice()].concat();
        let inside = |generics: &Generics| {
            let own = name.to_owned() + &arguments(generics);
            (scope.generics(generics), scope.within(generics).of_type(own))
        };
        match item {
            Item::Const(one) => {
                let (ty, value) = (scope.ty(&one.ty), scope.value(&one.expr));
                self.line(format!("const {name}: {ty} = {value}"), &tags);
            }
            Item::Static(one) => self.line(format!("static {name}: {}", scope.ty(&one.ty)), &tags),
            Item::Fn(one) => {
                let tags = with_const(tags, one.sig.constness.is_some());
                self.line(scope.signature(name, &one.sig), &tags);
            }
            Item::Type(one) => {
                let (generic, inner) = inside(&one.generics);
                let Generic { parameters, predicates } = generic;
                self.line(
                    format!("type {name}{parameters} = {}{predicates}", inner.ty(&one.ty)),
                    &tags,
                );
            }
            Item::Struct(one) => {
                let (generic, inner) = inside(&one.generics);
                self.data("struct", name, &generic, &tags);
                self.fields(name, &one.fields, &tags, &inner);
                self.derives(name, item, &one.generics, &[&one.fields], &inner);
            }
            Item::Union(one) => {
                let (generic, inner) = inside(&one.generics);
                self.data("union", name, &generic, &tags);
                self.fields(name, &Fields::Named(one.fields.clone()), &tags, &inner);
            }
            Item::Enum(one) => {
                let (generic, inner) = inside(&one.generics);
                self.data("enum", name, &generic, &tags);
                self.variants(name, one, &tags, &inner);
                let fields: Vec<&Fields> = one.variants.iter().map(|one| &one.fields).collect();
                self.derives(name, item, &one.generics, &fields, &inner);
            }
            Item::Trait(one) => {
                let (generic, mut inner) = inside(&one.generics);
                inner.self_type = None;
                self.trait_item(name, one, &generic, &tags, &inner);
            }
            other => self.line(format!("unseen {name} {}", spaced(other)), &tags),
        }
    }

    fn data(&mut self, kind: &str, name: &str, generic: &Generic, tags: &[String]) {
        self.line(format!("{kind} {name}{}{}", generic.parameters, generic.predicates), tags);
    }

    /// Public fields; private ones are nobody's business.
    fn fields(&mut self, name: &str, fields: &Fields, tags: &[String], scope: &Scope<'a>) {
        let tags = without_non_exhaustive(tags);
        for (index, field) in fields.iter().enumerate() {
            let Some(own) = gates::tags(&field.attrs) else { continue };
            if matches!(field.vis, Visibility::Public(_)) {
                let field_name =
                    field.ident.as_ref().map_or(index.to_string(), ToString::to_string);
                let line = format!("field {name}::{field_name}: {}", scope.ty(&field.ty));
                self.line(line, &[tags.as_slice(), &own].concat());
            }
        }
    }

    fn variants(&mut self, name: &str, one: &ItemEnum, tags: &[String], scope: &Scope<'a>) {
        let tags = without_non_exhaustive(tags);
        for variant in &one.variants {
            let Some(own) = gates::tags(&variant.attrs) else { continue };
            let typed = |field: &Field| scope.ty(&field.ty);
            let fields = match &variant.fields {
                Fields::Unit => String::new(),
                Fields::Unnamed(list) => {
                    let list: Vec<String> = list.unnamed.iter().map(typed).collect();
                    format!("({})", list.join(", "))
                }
                Fields::Named(list) => {
                    let named = list.named.iter().map(|field| {
                        let name = field.ident.as_ref().map(ToString::to_string);
                        format!("{}: {}", name.unwrap_or_default(), typed(field))
                    });
                    format!(" {{ {} }}", named.collect::<Vec<_>>().join(", "))
                }
            };
            let number = variant.discriminant.as_ref();
            let number = number.map(|(_, value)| format!(" = {}", scope.value(value)));
            let number = number.unwrap_or_default();
            let line = format!("variant {name}::{}{fields}{number}", variant.ident);
            self.line(line, &[tags.as_slice(), &own].concat());
        }
    }

    fn trait_item(
        &mut self,
        name: &str,
        one: &ItemTrait,
        generic: &Generic,
        tags: &[String],
        scope: &Scope<'a>,
    ) {
        let above = scope.bounds(&one.supertraits);
        let above = if above.is_empty() { above } else { format!(": {above}") };
        let unsafety = if one.unsafety.is_some() { "unsafe " } else { "" };
        let Generic { parameters, predicates } = generic;
        self.line(format!("{unsafety}trait {name}{parameters}{above}{predicates}"), tags);
        let owner = format!("{name}::");
        for item in &one.items {
            let (attributes, body, provided) = match item {
                TraitItem::Fn(one) => {
                    let name = format!("{owner}{}", one.sig.ident);
                    (&one.attrs, scope.signature(&name, &one.sig), one.default.is_some())
                }
                TraitItem::Const(one) => {
                    let body = format!("const {owner}{}: {}", one.ident, scope.ty(&one.ty));
                    (&one.attrs, body, one.default.is_some())
                }
                TraitItem::Type(one) => {
                    let bounds = scope.bounds(&one.bounds);
                    let bounds = if bounds.is_empty() { bounds } else { format!(": {bounds}") };
                    (
                        &one.attrs,
                        format!("type {owner}{}{bounds}", one.ident),
                        one.default.is_some(),
                    )
                }
                other => {
                    self.line(format!("unseen {owner}: {}", spaced(other)), tags);
                    continue;
                }
            };
            let Some(own) = gates::tags(attributes) else { continue };
            let provided = provided.then(|| "provided".to_owned());
            self.line(body, &[tags, own.as_slice(), provided.as_slice()].concat());
        }
    }

    /// Exported macros by name; any other call may write items that we cannot see.
    fn macro_item(&mut self, module: usize, one: &syn::ItemMacro) {
        let Some(own) = gates::tags(&one.attrs) else { return };
        let outer = self.names.modules.get(module).map_or(&[][..], |module| &module.tags);
        let tags = [outer, own.as_slice()].concat();
        let exported = one.attrs.iter().any(|one| one.path().is_ident("macro_export"));
        match &one.ident {
            Some(name) if exported => self.line(format!("macro {name}!"), &tags),
            Some(_) => {}
            None if one.mac.path.is_ident("compile_error") => {}
            None => self.line(format!("unseen items of {}!", spaced(&one.mac.path)), &tags),
        }
    }
}

/// `<'a, T>` as a type that is defined with these parameters is named.
pub(super) fn arguments(generics: &Generics) -> String {
    let lifetimes = generics.lifetimes().map(|one| one.lifetime.to_string());
    let types = generics.type_params().map(|one| one.ident.to_string());
    let consts = generics.const_params().map(|one| one.ident.to_string());
    let all: Vec<String> = lifetimes.chain(types).chain(consts).collect();
    if all.is_empty() { String::new() } else { format!("<{}>", all.join(", ")) }
}

pub(super) fn with_const(mut tags: Vec<String>, is_const: bool) -> Vec<String> {
    if is_const {
        tags.push("const".to_owned());
    }
    tags
}

/// An enum's `non_exhaustive` says nothing of its variants, a struct's nothing of its fields, and
/// neither says anything of an impl.
pub(super) fn without_non_exhaustive(tags: &[String]) -> Vec<String> {
    tags.iter().filter(|tag| *tag != "non_exhaustive").cloned().collect()
}

pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        _ => &[],
    }
}
