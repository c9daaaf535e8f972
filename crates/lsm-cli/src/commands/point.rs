//! One key: `get`, `explain`, `put`, `delete`.

use super::{Store, argument};
use crate::args::{DeleteArgs, ExplainArgs, GetArgs, PutArgs};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn get(args: &GetArgs, output: &mut Output) -> Result<(), Failure> {
    let notation = args.notation.notation();
    let key = argument(&args.dir, "KEY", notation, &args.key)?;
    let store = Store::open(&args.dir)?;
    match store.db.get(&key).map_err(|error| store.failure(error))? {
        Some(value) => output.line(&notation.encode(&value)),
        None => Err(Failure::KeyNotFound {
            path: args.dir.display().to_string(),
            key: notation.encode(&key).into_owned(),
        }),
    }
}

pub(super) fn explain(args: &ExplainArgs, output: &mut Output) -> Result<(), Failure> {
    let key = argument(&args.dir, "KEY", args.notation.notation(), &args.key)?;
    let store = Store::open(&args.dir)?;
    let explain = store.db.explain(key).map_err(|error| store.failure(error))?;
    output.line(&explain.to_string())
}

pub(super) fn put(args: &PutArgs) -> Result<(), Failure> {
    let notation = args.notation.notation();
    let key = argument(&args.dir, "KEY", notation, &args.key)?;
    let value = argument(&args.dir, "VALUE", notation, &args.value)?;
    let store = Store::open_or_create(&args.dir)?;
    store.db.put(key, value).map_err(|error| store.failure(error))?;
    store.close()
}

pub(super) fn delete(args: &DeleteArgs) -> Result<(), Failure> {
    let key = argument(&args.dir, "KEY", args.notation.notation(), &args.key)?;
    let store = Store::open(&args.dir)?;
    store.db.delete(key).map_err(|error| store.failure(error))?;
    store.close()
}
