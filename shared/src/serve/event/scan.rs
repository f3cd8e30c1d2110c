//! Splits a JSON text (RFC 8259) into values in one pass: their types and where they start and end. It
//! accepts what `serde_json` accepts as a `RawValue`, at any depth, with a fraction of the instructions: a
//! request uses only a small part of an API Gateway event.

/// A value in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    start: u32,
    end: u32,
    /// The number of nodes of the value and its contents. For an open container: the index of the enclosing
    /// container.
    size: u32,
    pub(super) kind: Kind,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string without escape sequences.
    Plain,
    /// A string with escape sequences.
    Escaped,
    Number,
    /// `null`, `true` or `false`.
    Literal,
    List,
    /// Names and values alternate.
    Object,
}

/// More nodes than any API Gateway event has; they take 16 MB.
const MAX_NODES: usize = 1 << 20;

/// No open container.
const NONE: u32 = u32::MAX;

/// The value 1 in each of eight bytes.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
/// The highest bit in each of eight bytes.
const HIGH: u64 = ONES << 7;

impl Node {
    /// The value as written in `json`, the text that was scanned.
    pub(super) fn of<'a>(&self, json: &'a str) -> &'a str {
        json.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The length of the value as written, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// The number of nodes of the value and its contents.
    pub(super) fn len(&self) -> usize {
        self.size as usize
    }
}

/// The values in `json`, each container before its contents. `None` unless `json` is a single value with
/// optional white space around it.
pub(super) fn nodes(json: &str) -> Option<Vec<Node>> {
    // Positions are stored in 32 bits.
    u32::try_from(json.len()).ok()?;
    let mut scanner = Scanner { bytes: json.as_bytes(), at: 0, nodes: Vec::with_capacity(160), open: NONE };
    scanner.document()?;
    Some(scanner.nodes)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The index of the innermost open container.
    open: u32,
}

impl Scanner<'_> {
    fn document(&mut self) -> Option<()> {
        loop {
            // The start of a value.
            let first = self.next_visible()?;
            let start = self.at - 1;
            match first {
                b'"' => self.string(start)?,
                b'{' => {
                    self.begin(start, Kind::Object)?;
                    if self.next_visible()? != b'}' {
                        self.at -= 1;
                        self.name()?;
                        continue;
                    }
                    self.end();
                }
                b'[' => {
                    self.begin(start, Kind::List)?;
                    if self.next_visible()? != b']' {
                        self.at -= 1;
                        continue;
                    }
                    self.end();
                }
                b'n' => self.literal(start, b"null")?,
                b't' => self.literal(start, b"true")?,
                b'f' => self.literal(start, b"false")?,
                b'-' | b'0'..=b'9' => self.number(start, first)?,
                _ => return None,
            }
            // The end of a value: close containers or continue with the next value.
            loop {
                let Some(container) = self.nodes.get(self.open as usize) else {
                    return self.next_visible().is_none().then_some(());
                };
                let kind = container.kind;
                match (self.next_visible()?, kind) {
                    (b',', Kind::Object) => {
                        self.name()?;
                        break;
                    }
                    (b',', _) => break,
                    (b'}', Kind::Object) | (b']', Kind::List) => self.end(),
                    _ => return None,
                }
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// The next byte that is not white space.
    fn next_visible(&mut self) -> Option<u8> {
        loop {
            let byte = self.next()?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
        }
    }

    fn push(&mut self, start: usize, end: usize, size: u32, kind: Kind) -> Option<()> {
        if self.nodes.len() >= MAX_NODES {
            return None;
        }
        self.nodes.push(Node { start: start as u32, end: end as u32, size, kind });
        Some(())
    }

    fn begin(&mut self, start: usize, kind: Kind) -> Option<()> {
        let index = self.nodes.len() as u32;
        self.push(start, start, self.open, kind)?;
        self.open = index;
        Some(())
    }

    /// Closes the innermost container.
    fn end(&mut self) {
        let (length, end) = (self.nodes.len() as u32, self.at as u32);
        if let Some(container) = self.nodes.get_mut(self.open as usize) {
            let outer = container.size;
            container.size = length - self.open;
            container.end = end;
            self.open = outer;
        }
    }

    /// The name of a member with its colon.
    fn name(&mut self) -> Option<()> {
        if self.next_visible()? != b'"' {
            return None;
        }
        self.string(self.at - 1)?;
        (self.next_visible()? == b':').then_some(())
    }

    /// The rest of the string that starts at `start`.
    fn string(&mut self, start: usize) -> Option<()> {
        let mut kind = Kind::Plain;
        loop {
            // Eight bytes at a time, while none of them is a quote, a backslash or a control character.
            while let Some(eight) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
                let eight = u64::from_le_bytes(*eight);
                let is_zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
                let special = (is_zero(eight ^ (ONES * u64::from(b'"')))
                    | is_zero(eight ^ (ONES * u64::from(b'\\')))
                    | (eight.wrapping_sub(ONES * 0x20) & !eight))
                    & HIGH;
                if special != 0 {
                    // The lowest match is always right: a borrow only affects the bytes above it.
                    self.at += special.trailing_zeros() as usize / 8;
                    break;
                }
                self.at += 8;
            }
            match self.next()? {
                b'"' => return self.push(start, self.at, 1, kind),
                b'\\' => {
                    kind = Kind::Escaped;
                    self.escape()?;
                }
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
            b'u' => {
                for _ in 0..4 {
                    self.next().filter(u8::is_ascii_hexdigit)?;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn literal(&mut self, start: usize, literal: &[u8]) -> Option<()> {
        let end = start + literal.len();
        if self.bytes.get(start..end)? != literal {
            return None;
        }
        self.at = end;
        self.push(start, end, 1, Kind::Literal)
    }

    fn number(&mut self, start: usize, first: u8) -> Option<()> {
        let first = if first == b'-' { self.next()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.any_digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        self.push(start, self.at, 1, Kind::Number)
    }

    fn any_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    /// One or more digits.
    fn digits(&mut self) -> Option<()> {
        self.next().filter(u8::is_ascii_digit)?;
        self.any_digits();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn accepts(json: &str) -> bool {
        nodes(json).is_some()
    }

    /// Valid or nearly valid JSON texts.
    fn nearly_json() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\"a\"",
            "\"abcdefghijk\"",
            "\\",
            "\\u00e9",
            "\\ud800",
            "null",
            "true",
            "false",
            "0",
            "-",
            "1",
            "01",
            ".5",
            "e9",
            "E+1",
            " ",
            "\n",
            "湯",
            "\u{1}",
            "\u{7f}",
            "nul",
        ]);
        prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".{0,20}".prop_map(Into::into),
        ];
        let value = leaf.prop_recursive(6, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::vec((".{0,10}", inner), 0..6)
                    .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        });
        (value, any::<bool>()).prop_map(|(value, is_pretty)| {
            if is_pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn accepts_what_serde_json_accepts(json in prop_oneof![json(), nearly_json(), "\\PC{0,20}"]) {
            prop_assert_eq!(accepts(&json), serde_json::from_str::<&RawValue>(&json).is_ok(), "{}", json);
        }

        #[test]
        fn refuses_a_text_with_a_byte_too_few(json in json(), at in any::<prop::sample::Index>()) {
            let mut characters: Vec<_> = json.chars().collect();
            characters.remove(at.index(characters.len()));
            let json: String = characters.into_iter().collect();
            prop_assert_eq!(accepts(&json), serde_json::from_str::<&RawValue>(&json).is_ok(), "{}", json);
        }

        #[test]
        fn finds_every_element(list in prop::collection::vec(json(), 0..6)) {
            let json = format!("[ {} ]", list.join(" ,\n"));
            let mut rest = &nodes(&json).unwrap()[1..];
            let mut elements = Vec::new();
            while let Some(element) = rest.first() {
                elements.push(element.of(&json));
                rest = &rest[element.len()..];
            }
            prop_assert_eq!(elements, list);
        }
    }

    #[test]
    fn depth_has_no_limit() {
        for depth in [1, 64, 100_000] {
            let (open, close) = ("[{\"a\":".repeat(depth), "}]".repeat(depth));
            assert!(accepts(&format!("{open}0{close}")), "{depth}");
            assert!(!accepts(&format!("{open}0]{close}")), "{depth}");
        }
        assert!(!accepts(&format!("[{}0]", "0,".repeat(MAX_NODES))));
    }
}
