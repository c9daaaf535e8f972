//! Types, bounds and signatures as text, the same however the source spells them.
//!
//! - A name of this crate is printed as it is reached from outside, `Self` as the type it stands
//!   for; a name of the standard library from `std`, and alone if everybody knows it alone; any
//!   other name with its crate.
//! - Bounds of type parameters stand in the `where` clause, wherever they were written.
//! - `mut` of an argument is nobody's business outside.

use quote::ToTokens;
use syn::{
    AngleBracketedGenericArguments, Expr, FnArg, GenericArgument, GenericParam, Generics, ImplItem,
    Pat, Path, PathArguments, PointerMutability, ReceiverKind, ReturnType, Safety, Signature, Type,
    TypeFnPtr, TypeParamBound, WherePredicate,
};

use super::names::{Names, Public, Target};

/// Names of the standard library that are printed without their path.
const KNOWN_ALONE: &str = "\
    borrow::Cow borrow::ToOwned boxed::Box clone::Clone cmp::Eq cmp::Ord cmp::PartialEq \
    cmp::PartialOrd convert::AsMut convert::AsRef convert::From convert::Into convert::TryFrom \
    convert::TryInto default::Default fmt::Debug fmt::Display hash::Hash \
    iter::DoubleEndedIterator iter::ExactSizeIterator iter::Extend iter::FromIterator \
    iter::FusedIterator iter::IntoIterator iter::Iterator marker::Copy marker::Send \
    marker::Sized marker::Sync marker::Unpin ops::Bound ops::Drop ops::Fn ops::FnMut \
    ops::FnOnce ops::RangeBounds option::Option path::Path path::PathBuf string::String \
    string::ToString sync::Arc time::Duration vec::Vec";

/// Where a piece of source stands, for the names in it.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    pub(super) names: &'a Names,
    pub(super) public: &'a Public,
    pub(super) module: usize,
    /// What `Self` stands for.
    pub(super) self_type: Option<String>,
    /// Type parameters: names that hide all others.
    pub(super) parameters: Vec<String>,
}

/// Parameters in angle brackets and the `where` clause, both possibly empty.
pub(super) struct Generic {
    pub(super) parameters: String,
    pub(super) predicates: String,
}

impl<'a> Scope<'a> {
    pub(super) fn new(names: &'a Names, public: &'a Public, module: usize) -> Scope<'a> {
        Scope { names, public, module, self_type: None, parameters: Vec::new() }
    }

    /// The scope inside an item with these parameters.
    pub(super) fn within(&self, generics: &Generics) -> Scope<'a> {
        let mut scope = self.clone();
        scope.parameters.extend(generics.type_params().map(|one| one.ident.to_string()));
        scope.parameters.extend(generics.const_params().map(|one| one.ident.to_string()));
        scope
    }

    pub(super) fn of_type(mut self, self_type: String) -> Scope<'a> {
        self.self_type = Some(self_type);
        self
    }

    /// How an item of this crate, or a path out of it, is called.
    pub(super) fn name(&self, target: &Target) -> String {
        match target {
            Target::Item(place, tail) => {
                let reached = self.public.canonical(place).map(|reach| reach.path.clone());
                let mut path = reached.unwrap_or_else(|| {
                    let module = self.names.modules.get(place.0);
                    let inner = module.map(|module| module.path.clone()).unwrap_or_default();
                    [vec!["crate".to_owned()], inner, vec![place.1.clone()]].concat()
                });
                path.extend_from_slice(tail);
                path.join("::")
            }
            Target::Module(module) => {
                let module = self.names.modules.get(*module);
                module.map(|module| module.path.join("::")).unwrap_or_default()
            }
            Target::Outside(path) => self.outside(path),
        }
    }

    fn outside(&self, path: &[String]) -> String {
        let (first, rest) = match path.split_first() {
            Some((first, rest)) if !rest.is_empty() => (first.as_str(), rest),
            Some((only, _)) if only == "Result" => return "std::result::Result".to_owned(),
            _ => return path.join("::"),
        };
        if !["std", "core", "alloc"].contains(&first) {
            return path.join("::");
        }
        let inner = rest.join("::");
        let alone = rest.last().filter(|_| KNOWN_ALONE.split_whitespace().any(|one| one == inner));
        match alone.filter(|name| !self.is_taken(name)) {
            Some(name) => name.clone(),
            None => format!("std::{inner}"),
        }
    }

    /// Whether the crate has a public item of this name, so that the name alone means that one.
    fn is_taken(&self, name: &str) -> bool {
        self.public.items.values().flatten().any(|reach| reach.path.as_slice() == [name.to_owned()])
    }

    pub(super) fn path(&self, path: &Path) -> String {
        let names: Vec<String> = path.segments.iter().map(|one| one.ident.to_string()).collect();
        let (Some(first), Some(last)) = (names.first(), path.segments.last()) else {
            return String::new();
        };
        let head = match &self.self_type {
            _ if self.parameters.contains(first) => names.join("::"),
            Some(own) if first == "Self" && names.len() == 1 => own.clone(),
            _ if first == "Self" => names.join("::"),
            _ => {
                let absolute = path.leading_colon.is_some();
                self.name(&self.names.resolve(self.module, &names, absolute))
            }
        };
        head + &self.arguments(&last.arguments)
    }

    fn arguments(&self, arguments: &PathArguments) -> String {
        match arguments {
            PathArguments::None => String::new(),
            PathArguments::AngleBracketed(list) => self.angle_bracketed(list),
            PathArguments::Parenthesized(list) => {
                let inputs = list.inputs.iter().map(|input| self.ty(&input.ty));
                format!("({}){}", commas(inputs), self.output(&list.output))
            }
        }
    }

    fn angle_bracketed(&self, list: &AngleBracketedGenericArguments) -> String {
        let own = |generics: &Option<AngleBracketedGenericArguments>| {
            generics.as_ref().map(|list| self.angle_bracketed(list)).unwrap_or_default()
        };
        let arguments = list.args.iter().map(|argument| match argument {
            GenericArgument::Type(ty) => self.ty(ty),
            GenericArgument::Const(value) => self.value(value),
            GenericArgument::AssocType(one) => {
                format!("{}{} = {}", one.ident, own(&one.generics), self.ty(&one.ty))
            }
            GenericArgument::AssocConst(one) => {
                format!("{}{} = {}", one.ident, own(&one.generics), self.value(&one.value))
            }
            GenericArgument::Constraint(one) => {
                format!("{}{}: {}", one.ident, own(&one.generics), self.bounds(&one.bounds))
            }
            other => spaced(other),
        });
        format!("<{}>", commas(arguments))
    }

    pub(super) fn ty(&self, ty: &Type) -> String {
        match ty {
            Type::Array(array) => format!("[{}; {}]", self.ty(&array.elem), self.value(&array.len)),
            Type::FnPtr(pointer) => self.fn_pointer(pointer),
            Type::Group(group) => self.ty(&group.elem),
            Type::ImplTrait(one) => format!("impl {}", self.bounds(&one.bounds)),
            Type::Paren(paren) => format!("({})", self.ty(&paren.elem)),
            Type::Path(path) if path.qself.is_none() => self.path(&path.path),
            Type::Ptr(pointer) => {
                let kind = match pointer.mutability {
                    PointerMutability::Const(_) => "const",
                    PointerMutability::Mut(_) => "mut",
                };
                format!("*{kind} {}", self.ty(&pointer.elem))
            }
            Type::Reference(reference) => {
                let lifetime =
                    reference.lifetime.as_ref().map(|one| format!("{one} ")).unwrap_or_default();
                let mutable = if reference.mutability.is_some() { "mut " } else { "" };
                format!("&{lifetime}{mutable}{}", self.ty(&reference.elem))
            }
            Type::Slice(slice) => format!("[{}]", self.ty(&slice.elem)),
            Type::TraitObject(object) => format!("dyn {}", self.bounds(&object.bounds)),
            Type::Tuple(tuple) if tuple.elems.len() == 1 => {
                format!("({},)", commas(tuple.elems.iter().map(|elem| self.ty(elem))))
            }
            Type::Tuple(tuple) => {
                format!("({})", commas(tuple.elems.iter().map(|elem| self.ty(elem))))
            }
            other => spaced(other),
        }
    }

    fn fn_pointer(&self, pointer: &TypeFnPtr) -> String {
        let lifetimes = pointer.lifetimes.as_ref().map(|one| spaced(one) + " ");
        let unsafety = if pointer.unsafety.is_some() { "unsafe " } else { "" };
        let abi = pointer.abi.as_ref().map(|abi| spaced(abi) + " ");
        let inputs = commas(pointer.inputs.iter().map(|input| self.ty(&input.ty)));
        let output = self.output(&pointer.output);
        let (lifetimes, abi) = (lifetimes.unwrap_or_default(), abi.unwrap_or_default());
        format!("{lifetimes}{unsafety}{abi}fn({inputs}){output}")
    }

    fn output(&self, output: &ReturnType) -> String {
        match output {
            ReturnType::Default => String::new(),
            ReturnType::Type(_, ty) => match self.ty(ty).as_str() {
                "()" => String::new(),
                ty => format!(" -> {ty}"),
            },
        }
    }

    pub(super) fn bounds<'b, I>(&self, bounds: I) -> String
    where
        I: IntoIterator<Item = &'b TypeParamBound>,
    {
        let bounds = bounds.into_iter().map(|bound| match bound {
            TypeParamBound::Trait(bound) => {
                let maybe = if bound.maybe.is_some() { "?" } else { "" };
                let lifetimes = bound.lifetimes.as_ref().map(|one| spaced(one) + " ");
                let lifetimes = lifetimes.unwrap_or_default();
                format!("{maybe}{lifetimes}{}", self.path(&bound.path))
            }
            other => spaced(other),
        });
        bounds.collect::<Vec<_>>().join(" + ")
    }

    /// The parameters without bounds, and all bounds as predicates.
    pub(super) fn generics(&self, generics: &Generics) -> Generic {
        let scope = self.within(generics);
        let mut predicates = Vec::new();
        let mut parameters = Vec::new();
        for parameter in &generics.params {
            match parameter {
                GenericParam::Type(one) => {
                    if !one.bounds.is_empty() {
                        predicates.push(format!("{}: {}", one.ident, scope.bounds(&one.bounds)));
                    }
                    let default =
                        one.default.as_ref().map(|(_, ty)| format!(" = {}", scope.ty(ty)));
                    parameters.push(format!("{}{}", one.ident, default.unwrap_or_default()));
                }
                GenericParam::Const(one) => {
                    let default =
                        one.default.as_ref().map(|(_, value)| format!(" = {}", scope.value(value)));
                    let ty = scope.ty(&one.ty);
                    let default = default.unwrap_or_default();
                    parameters.push(format!("const {}: {ty}{default}", one.ident));
                }
                GenericParam::Lifetime(one) => parameters.push(spaced(one)),
            }
        }
        for predicate in generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
            predicates.push(match predicate {
                WherePredicate::Type(one) => {
                    let lifetimes = one.lifetimes.as_ref().map(|one| spaced(one) + " ");
                    let lifetimes = lifetimes.unwrap_or_default();
                    let bounds = scope.bounds(&one.bounds);
                    format!("{lifetimes}{}: {bounds}", scope.ty(&one.bounded_ty))
                }
                other => spaced(other),
            });
        }
        Generic {
            parameters: wrapped("<", &parameters.join(", "), ">"),
            predicates: wrapped(" where ", &predicates.join(", "), ""),
        }
    }

    /// `fn name<T>(&self, x: T) -> R where T: B` with what stands before `fn`; `const` is a tag.
    pub(super) fn signature(&self, name: &str, sig: &Signature) -> String {
        let scope = self.within(&sig.generics);
        let generic = self.generics(&sig.generics);
        let inputs = commas(sig.inputs.iter().map(|input| scope.input(input)));
        let output = scope.output(&sig.output);
        let asyncness = if sig.asyncness.is_some() { "async " } else { "" };
        let unsafety = if matches!(sig.safety, Safety::Unsafe(_)) { "unsafe " } else { "" };
        let abi = sig.abi.as_ref().map(|abi| spaced(abi) + " ").unwrap_or_default();
        format!(
            "{asyncness}{unsafety}{abi}fn {name}{}({inputs}){output}{}",
            generic.parameters, generic.predicates
        )
    }

    fn input(&self, input: &FnArg) -> String {
        match input {
            FnArg::Typed(typed) => {
                let name = match &*typed.pat {
                    Pat::Ident(pattern) => pattern.ident.to_string(),
                    other => spaced(other),
                };
                format!("{name}: {}", self.ty(&typed.ty))
            }
            FnArg::Receiver(receiver) => match &receiver.kind {
                ReceiverKind::Value => "self".to_owned(),
                ReceiverKind::Reference(_, lifetime, mutability) => {
                    let lifetime = lifetime.as_ref().map(|one| format!("{one} "));
                    let mutable = if mutability.is_some() { "mut " } else { "" };
                    format!("&{}{mutable}self", lifetime.unwrap_or_default())
                }
                ReceiverKind::Typed(_, ty) => format!("self: {}", self.ty(ty)),
                other => format!("self: {other:?}"),
            },
        }
    }

    /// The associated types and constants of an impl, as ` { type Item = X }`.
    pub(super) fn associated(&self, items: &[ImplItem]) -> String {
        let parts = items.iter().filter_map(|item| match item {
            ImplItem::Type(one) => Some(format!("type {} = {}", one.ident, self.ty(&one.ty))),
            ImplItem::Const(one) => {
                let value = self.value(&one.expr);
                Some(format!("const {}: {} = {value}", one.ident, self.ty(&one.ty)))
            }
            _ => None,
        });
        wrapped(" { ", &parts.collect::<Vec<_>>().join("; "), " }")
    }

    /// The value of a constant: what arithmetic needs, and the bare tokens of anything else.
    pub(super) fn value(&self, value: &Expr) -> String {
        match value {
            Expr::Binary(one) => {
                let (left, right) = (self.value(&one.left), self.value(&one.right));
                format!("{left} {} {right}", one.op.to_token_stream())
            }
            Expr::Unary(one) => format!("{}{}", one.op.to_token_stream(), self.value(&one.expr)),
            Expr::Paren(one) => format!("({})", self.value(&one.expr)),
            Expr::Group(one) => self.value(&one.expr),
            Expr::Cast(one) => format!("{} as {}", self.value(&one.expr), self.ty(&one.ty)),
            Expr::Path(one) if one.qself.is_none() => self.path(&one.path),
            other => spaced(other),
        }
    }
}

fn wrapped(before: &str, text: &str, after: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{before}{text}{after}") }
}

fn commas(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// Tokens with blanks where rustfmt has them, as far as that can be told without a tree.
pub(super) fn spaced(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    let closer = [
        (" :: ", "::"),
        (" ::", "::"),
        (":: ", "::"),
        ("& ", "&"),
        (" ,", ","),
        (" ;", ";"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("[ ", "["),
        (" ]", "]"),
        (" :", ":"),
        (" !", "!"),
        ("' ", "'"),
    ];
    for (wide, close) in closer {
        text = text.replace(wide, close);
    }
    text
}
