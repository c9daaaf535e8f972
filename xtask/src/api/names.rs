//! What a path means where it stands, and under which names an item can be reached from outside.
//!
//! Bound are items, modules and `use` declarations, globs included, in one name space: that is
//! enough for a facade. A path that leads out of the crate is kept as it leads there; a name that
//! nothing binds is the standard prelude's, or another crate's.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Item, UseTree, Visibility};

use super::gates;
use super::source::Module;

/// How many imports may lead from one to the next.
const MAX_STEPS: usize = 16;

/// An item by the module that holds it and its name there.
pub(super) type Place = (usize, String);

/// What a path leads to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// An item of this crate, and what follows it in the path.
    Item(Place, Vec<String>),
    Module(usize),
    /// A path that begins with the name of another crate, or with a name bound nowhere.
    Outside(Vec<String>),
}

/// A name under which an item can be reached.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) path: Vec<String>,
    pub(super) tags: Vec<String>,
}

/// The modules of a crate with their names bound.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) modules: Vec<Module>,
    imports: Vec<Vec<Import>>,
}

/// One name of a `use` declaration; a glob has none.
#[derive(Clone, Debug)]
struct Import {
    name: Option<String>,
    path: Vec<String>,
    is_absolute: bool,
    is_public: bool,
    tags: Vec<String>,
}

/// Everything that can be reached from outside.
#[derive(Debug, Default)]
pub(super) struct Public {
    pub(super) items: BTreeMap<Place, Vec<Reach>>,
    pub(super) modules: Vec<Reach>,
    /// Names for things of other crates.
    pub(super) foreign: Vec<(Reach, Vec<String>)>,
    seen: BTreeSet<(usize, Vec<String>)>,
}

impl Public {
    /// The name an item goes by: the shortest, and of those the first.
    pub(super) fn canonical(&self, place: &Place) -> Option<&Reach> {
        let reaches = self.items.get(place)?;
        reaches.iter().min_by(|a, b| (a.path.len(), &a.path).cmp(&(b.path.len(), &b.path)))
    }
}

impl Names {
    pub(super) fn new(modules: Vec<Module>) -> Names {
        let imports = modules.iter().map(|module| imports_of(&module.items)).collect();
        Names { modules, imports }
    }

    /// What `path` means in `module`.
    pub(super) fn resolve(&self, module: usize, path: &[String], is_absolute: bool) -> Target {
        self.resolve_within(module, path, is_absolute, MAX_STEPS)
    }

    fn resolve_within(&self, at: usize, path: &[String], absolute: bool, steps: usize) -> Target {
        let outside = Target::Outside(path.to_vec());
        let Some((first, rest)) = path.split_first() else { return Target::Module(at) };
        if absolute || steps == 0 {
            return outside;
        }
        let start = match first.as_str() {
            "crate" => Target::Module(0),
            "self" => Target::Module(at),
            "super" => Target::Module(self.parent(at)),
            name => match self.lookup(at, name, steps - 1) {
                Some(target) => target,
                None => return outside,
            },
        };
        self.descend(start, rest, steps - 1)
    }

    fn descend(&self, start: Target, rest: &[String], steps: usize) -> Target {
        let Some((next, behind)) = rest.split_first() else { return start };
        match start {
            Target::Item(place, mut tail) => {
                tail.extend_from_slice(rest);
                Target::Item(place, tail)
            }
            Target::Outside(mut path) => {
                path.extend_from_slice(rest);
                Target::Outside(path)
            }
            Target::Module(module) if next == "super" => {
                self.descend(Target::Module(self.parent(module)), behind, steps)
            }
            Target::Module(module) => match self.lookup(module, next, steps) {
                Some(target) => self.descend(target, behind, steps),
                // A name that only a macro binds: an item, as far as can be seen.
                None => Target::Item((module, next.clone()), behind.to_vec()),
            },
        }
    }

    fn parent(&self, module: usize) -> usize {
        self.modules.get(module).map_or(0, |module| module.parent)
    }

    fn lookup(&self, at: usize, name: &str, steps: usize) -> Option<Target> {
        let module = self.modules.get(at)?;
        if let Some(child) = module.children.iter().find(|child| child.name == name) {
            return Some(Target::Module(child.module));
        }
        if module.items.iter().any(|item| name_of(item).as_deref() == Some(name)) {
            return Some(Target::Item((at, name.to_owned()), Vec::new()));
        }
        if steps == 0 {
            return None;
        }
        let imports = self.imports.get(at)?;
        if let Some(import) = imports.iter().find(|import| import.name.as_deref() == Some(name)) {
            // `use serde::serde`: the first name is the other crate's, not this import again.
            let absolute =
                import.is_absolute || import.path.first().is_some_and(|first| first == name);
            return Some(self.resolve_within(at, &import.path, absolute, steps - 1));
        }
        imports.iter().filter(|import| import.name.is_none()).find_map(|glob| {
            match self.resolve_within(at, &glob.path, glob.is_absolute, steps - 1) {
                Target::Module(module) if module != at => self.lookup(module, name, steps - 1),
                _ => None,
            }
        })
    }

    /// Walks everything that is `pub` from the root down.
    pub(super) fn public(&self) -> Public {
        let mut public = Public::default();
        self.walk(0, &[], &[], &mut public);
        public
    }

    fn walk(&self, at: usize, path: &[String], tags: &[String], public: &mut Public) {
        let Some(module) = self.modules.get(at) else { return };
        if !public.seen.insert((at, path.to_vec())) {
            return;
        }
        for item in module.items.iter().filter(|item| is_public(item)) {
            let Some(name) = name_of(item) else { continue };
            self.reach_item((at, name.clone()), joined(path, &name), tags, public);
        }
        for child in module.children.iter().filter(|child| child.is_public) {
            self.reach_module(child.module, joined(path, &child.name), tags, public);
        }
        for import in self.imports.get(at).into_iter().flatten().filter(|one| one.is_public) {
            let tags = [tags, import.tags.as_slice()].concat();
            let target = self.resolve(at, &import.path, import.is_absolute);
            match (target, &import.name) {
                (Target::Item(place, _), Some(name)) => {
                    self.reach_item(place, joined(path, name), &tags, public);
                }
                (Target::Module(module), Some(name)) => {
                    self.reach_module(module, joined(path, name), &tags, public);
                }
                (Target::Module(module), None) => self.walk(module, path, &tags, public),
                (Target::Outside(mut target), name) => {
                    if name.is_none() {
                        target.push("*".to_owned());
                    }
                    let path = joined(path, name.as_deref().unwrap_or("*"));
                    public.foreign.push((Reach { path, tags }, target));
                }
                (Target::Item(..), None) => {}
            }
        }
    }

    fn reach_item(&self, place: Place, path: Vec<String>, tags: &[String], public: &mut Public) {
        let own = self.modules.get(place.0).map(|module| module.tags.clone()).unwrap_or_default();
        let reaches = public.items.entry(place).or_default();
        if reaches.iter().all(|reach| reach.path != path) {
            reaches.push(Reach { path, tags: [tags, own.as_slice()].concat() });
        }
    }

    fn reach_module(&self, at: usize, path: Vec<String>, tags: &[String], public: &mut Public) {
        let own = self.modules.get(at).map(|module| module.tags.clone()).unwrap_or_default();
        let tags = [tags, own.as_slice()].concat();
        if !public.seen.contains(&(at, path.clone())) {
            public.modules.push(Reach { path: path.clone(), tags: tags.clone() });
        }
        self.walk(at, &path, &tags, public);
    }
}

fn joined(path: &[String], name: &str) -> Vec<String> {
    let mut path = path.to_vec();
    path.push(name.to_owned());
    path
}

fn imports_of(items: &[Item]) -> Vec<Import> {
    let mut imports = Vec::new();
    for item in items {
        let Item::Use(declared) = item else { continue };
        let Some(tags) = gates::tags(&declared.attrs) else { continue };
        let import = Import {
            name: None,
            path: Vec::new(),
            is_absolute: declared.leading_colon.is_some(),
            is_public: matches!(declared.vis, Visibility::Public(_)),
            tags,
        };
        flatten(&declared.tree, import, &mut imports);
    }
    imports
}

/// One import for each name of a `use` tree.
fn flatten(tree: &UseTree, mut import: Import, imports: &mut Vec<Import>) {
    match tree {
        UseTree::Path(path) => {
            import.path.push(path.ident.to_string());
            flatten(&path.tree, import, imports);
        }
        UseTree::Name(name) if name.ident == "self" => {
            import.name = import.path.last().cloned();
            imports.push(import);
        }
        UseTree::Name(name) => {
            import.path.push(name.ident.to_string());
            import.name = Some(name.ident.to_string());
            imports.push(import);
        }
        UseTree::Rename(rename) => {
            if rename.ident != "self" {
                import.path.push(rename.ident.to_string());
            }
            // `as _` binds a trait's methods and no name.
            if rename.rename != "_" {
                import.name = Some(rename.rename.to_string());
                imports.push(import);
            }
        }
        UseTree::Glob(_) => imports.push(import),
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| flatten(tree, import.clone(), imports));
        }
    }
}

/// The name that an item binds; modules and imports are bound apart.
pub(super) fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn is_public(item: &Item) -> bool {
    let visibility = match item {
        Item::Const(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Struct(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::TraitAlias(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Union(item) => &item.vis,
        _ => return false,
    };
    matches!(visibility, Visibility::Public(_))
}
