//! Taking decisions off a fuzzer's input, front to back.
//!
//! Every string of bytes is an input: behind its end everything is zero. A byte that changes
//! changes one decision, and cutting an input changes none of those before the cut, so that
//! mutating and minimizing work.

/// What is left of an input.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let (head, rest) = self.rest.split_at(N.min(self.rest.len()));
        array.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
        self.rest = rest;
        array
    }

    pub(crate) fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// Whether one of the bits of `mask` is set in the next byte.
    pub(crate) fn flag(&mut self, mask: u8) -> bool {
        self.u8() & mask != 0
    }

    /// A number below `end`, which is at least one. It takes two bytes: what lies behind 64 KiB
    /// is reached in steps.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let steps = end.div_ceil(1 << 16).max(1);
        (usize::from(self.u16()) * steps) % end.max(1)
    }

    /// Bytes behind a length of one byte: at most `max`, and at most what is left.
    pub(crate) fn bytes(&mut self, max: usize) -> &'a [u8] {
        let len = usize::from(self.u8()).min(max).min(self.rest.len());
        let (head, rest) = self.rest.split_at(len);
        self.rest = rest;
        head
    }

    /// The same behind a length of two bytes.
    pub(crate) fn long_bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.u16()).min(self.rest.len());
        let (head, rest) = self.rest.split_at(len);
        self.rest = rest;
        head
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}
