//! A Rust file split into its code and its comments, byte for byte in place.
//!
//! Both halves are as long as the file and keep its line breaks; what does not belong to a half is
//! blank there. Literals keep their delimiters in the code and lose their content, so a brace, a
//! quote or a word inside a string misleads nobody. It is a lexer, not a parser: text that does
//! not compile is split as well as can be.

/// The two halves of a file.
#[derive(Debug)]
pub(crate) struct RustText {
    /// The code, with blank comments and empty literals.
    pub(crate) code: String,
    /// The comments, documentation included.
    pub(crate) comments: String,
}

impl RustText {
    pub(crate) fn new(source: &str) -> RustText {
        let mut splitter = Splitter::new(source);
        splitter.run();
        RustText {
            code: String::from_utf8_lossy(&splitter.code).into_owned(),
            comments: String::from_utf8_lossy(&splitter.comments).into_owned(),
        }
    }
}

/// The line, counted from 1, that holds the byte at `offset`.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}

/// Where `word` stands in `text` as a word of its own.
pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = text.as_bytes();
    let part_of_word = move |at: usize| bytes.get(at).is_some_and(|byte| is_word(*byte));
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let starts = at.checked_sub(1).is_none_or(|before| !part_of_word(before));
        starts && !part_of_word(at + word.len())
    })
}

/// The offset behind the brace that closes the one at `open`, or the end of the text.
pub(crate) fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[derive(Clone, Copy, PartialEq)]
enum Half {
    Code,
    Comments,
    Neither,
}

struct Splitter<'a> {
    source: &'a [u8],
    at: usize,
    code: Vec<u8>,
    comments: Vec<u8>,
}

impl<'a> Splitter<'a> {
    fn new(source: &'a str) -> Splitter<'a> {
        let room = source.len();
        Splitter {
            source: source.as_bytes(),
            at: 0,
            code: Vec::with_capacity(room),
            comments: Vec::with_capacity(room),
        }
    }

    fn run(&mut self) {
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'/', Some(b'/')) => self.line_comment(),
                (b'/', Some(b'*')) => self.block_comment(),
                (b'"', _) => self.string(),
                (b'\'', _) => self.quote(),
                _ if is_word(byte) => self.word(),
                _ => self.take(1, Half::Code),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.at + ahead).copied()
    }

    /// Moves `count` bytes into one half and blanks them in the other.
    fn take(&mut self, count: usize, half: Half) {
        for _ in 0..count {
            let Some(byte) = self.peek(0) else { return };
            let blank = if byte == b'\n' { b'\n' } else { b' ' };
            self.code.push(if half == Half::Code { byte } else { blank });
            self.comments.push(if half == Half::Comments { byte } else { blank });
            self.at += 1;
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.take(1, Half::Comments);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.peek(0).is_some() {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => depth += 1,
                (Some(b'*'), Some(b'/')) => depth -= 1,
                _ => {
                    self.take(1, Half::Comments);
                    continue;
                }
            }
            self.take(2, Half::Comments);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.take(1, Half::Code);
        self.literal_until(b'"');
    }

    /// The rest of a literal with escapes, its closing delimiter included.
    fn literal_until(&mut self, delimiter: u8) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => self.take(2, Half::Neither),
                _ if byte == delimiter => return self.take(1, Half::Code),
                _ => self.take(1, Half::Neither),
            }
        }
    }

    /// A character literal or a lifetime.
    fn quote(&mut self) {
        self.take(1, Half::Code);
        let width = match self.peek(0) {
            Some(0xF0..) => 4,
            Some(0xE0..) => 3,
            Some(0xC0..) => 2,
            _ => 1,
        };
        if self.peek(0) == Some(b'\\') || self.peek(width) == Some(b'\'') {
            self.take(if self.peek(0) == Some(b'\\') { 2 } else { width }, Half::Neither);
            self.literal_until(b'\'');
        }
    }

    /// A word, or the literal that it is the prefix of.
    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_some_and(is_word) {
            self.take(1, Half::Code);
        }
        match self.source.get(start..self.at) {
            Some(b"r" | b"br" | b"cr") => self.raw_string(),
            Some(b"b") if self.peek(0) == Some(b'\'') => self.quote(),
            _ => {}
        }
    }

    /// `#*"..."#*` behind an `r`; a raw identifier is left alone.
    fn raw_string(&mut self) {
        let hashes = self.source.iter().skip(self.at).take_while(|byte| **byte == b'#').count();
        if self.peek(hashes) != Some(b'"') {
            return;
        }
        self.take(hashes + 1, Half::Code);
        let closes = |splitter: &Self| {
            splitter.peek(0) == Some(b'"')
                && (1..=hashes).all(|ahead| splitter.peek(ahead) == Some(b'#'))
        };
        while self.peek(0).is_some() && !closes(self) {
            self.take(1, Half::Neither);
        }
        self.take(hashes + 1, Half::Code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_comments_are_told_apart() {
        let text = RustText::new("let a = 1; // one\n/* two /* three */ */ let b;\n");
        assert_eq!(text.code, "let a = 1;       \n                      let b;\n");
        assert!(text.comments.contains("// one") && text.comments.contains("/* three */ */"));
    }

    #[test]
    fn literals_lose_their_content() {
        let code = |source: &str| RustText::new(source).code;
        assert_eq!(code(r#"f("a \" // {", 'x')"#), r#"f("         ", ' ')"#);
        assert_eq!(code("r#\"un\"safe\"# + b'{'"), "r#\"       \"# + b' '");
        assert_eq!(code(r"'\'' '\u{7b}' 'ä' 'a: loop {}"), r"'  ' '      ' '  ' 'a: loop {}");
        assert_eq!(code("r#fn b\"{\" c\"}\""), "r#fn b\" \" c\" \"");
    }

    #[test]
    fn words_have_borders() {
        assert_eq!(
            words("unsafe unsafely an_unsafe (unsafe)", "unsafe").collect::<Vec<_>>(),
            [0, 27]
        );
        assert_eq!(line_of("a\nb\nc", 4), 3);
        assert_eq!(closing_brace("x {{}{}} y", 2), 8);
    }
}
