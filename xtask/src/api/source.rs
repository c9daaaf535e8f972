//! The modules of a crate, parsed, each with the file or block it stands in.

use std::path::Path;

use syn::{Expr, Item, ItemMod, Lit, Meta, Visibility};

use super::gates;
use crate::{Finding, Result, files};

/// One module. The crate root is the first of the list and its own parent.
#[derive(Debug)]
pub(super) struct Module {
    /// Its path in the crate; empty at the root.
    pub(super) path: Vec<String>,
    pub(super) parent: usize,
    /// The tags of the module and of those around it.
    pub(super) tags: Vec<String>,
    pub(super) items: Vec<Item>,
    /// Its child modules: name, number, whether declared `pub`.
    pub(super) children: Vec<Child>,
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: String,
    pub(super) module: usize,
    pub(super) is_public: bool,
}

/// Every module of the crate in `crate_dir` that is not for tests alone.
pub(super) fn load(root: &Path, crate_dir: &str) -> Result<Vec<Module>> {
    let mut loader = Loader { root, modules: Vec::new() };
    let source = format!("{crate_dir}/src");
    let file = parse(root, &format!("{source}/lib.rs"))?;
    loader.add(Vec::new(), 0, gates::tags(&file.attrs).unwrap_or_default(), file.items, &source)?;
    Ok(loader.modules)
}

fn parse(root: &Path, file: &str) -> Result<syn::File> {
    syn::parse_file(&files::read(root, file)?).map_err(|error| {
        let remedy = "`cargo check` says where it does not parse";
        Finding::new(file, 0, "Rust that parses", error.to_string(), remedy)
    })
}

struct Loader<'a> {
    root: &'a Path,
    modules: Vec<Module>,
}

impl Loader<'_> {
    /// Adds a module and those below it; `dir` is where its children have their files.
    fn add(
        &mut self,
        path: Vec<String>,
        parent: usize,
        tags: Vec<String>,
        items: Vec<Item>,
        dir: &str,
    ) -> Result<usize> {
        let number = self.modules.len();
        let inner: Vec<ItemMod> = items
            .iter()
            .filter_map(|item| match item {
                Item::Mod(inner) => Some(inner.clone()),
                _ => None,
            })
            .collect();
        self.modules.push(Module { path, parent, tags, items, children: Vec::new() });
        for module in inner {
            self.add_child(number, module, dir)?;
        }
        Ok(number)
    }

    fn add_child(&mut self, parent: usize, declared: ItemMod, dir: &str) -> Result<()> {
        let name = declared.ident.to_string();
        let Some(own) = gates::tags(&declared.attrs) else { return Ok(()) };
        let (mut path, mut tags) = match self.modules.get(parent) {
            Some(outer) => (outer.path.clone(), outer.tags.clone()),
            None => Default::default(),
        };
        path.push(name.clone());
        tags.extend(own);

        let items = match declared.content {
            Some((_, items)) => items,
            None => {
                let file = self.file_of(&declared.attrs, &name, dir);
                let file = parse(self.root, &file)?;
                let Some(inner) = gates::tags(&file.attrs) else { return Ok(()) };
                tags.extend(inner);
                file.items
            }
        };
        let module = self.add(path, parent, tags, items, &format!("{dir}/{name}"))?;
        let is_public = matches!(declared.vis, Visibility::Public(_));
        if let Some(outer) = self.modules.get_mut(parent) {
            outer.children.push(Child { name, module, is_public });
        }
        Ok(())
    }

    fn file_of(&self, attributes: &[syn::Attribute], name: &str, dir: &str) -> String {
        let named = attributes.iter().find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(path) => Some(path.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        });
        let nested = format!("{dir}/{name}/mod.rs");
        match named {
            Some(path) => format!("{dir}/{path}"),
            None if self.root.join(&nested).is_file() => nested,
            None => format!("{dir}/{name}.rs"),
        }
    }
}
