//! Text folded for search: texts that people consider the same have the same folded text.

mod letters;
#[cfg(test)]
mod tests;

use icu_casemap::CaseMapper;
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use unicode_normalization::UnicodeNormalization;

/// The version of [`fold`]. Search keys of another version have to be rebuilt; increment this number with any
/// change that affects the folded text of any text.
pub const FOLDING: i32 = 2;

/// A version of the folding, and its function.
pub type Folding = (i32, fn(&str) -> String);

/// The versions by which search keys in the database may have been folded: the current one, and the previous
/// one until a migration has rebuilt all of its keys.
pub const FOLDINGS: [Folding; 2] = [(FOLDING, fold), (1, fold_v1)];

/// The maximum length of a folded text, in characters: at most four bytes each, so that it fits into an entry
/// of a PostgreSQL B-tree index (2,704 bytes). NFKC can expand one character to 18.
const MAX_CHARACTERS: usize = 300;

/// Folds `text` for search, as version [`FOLDING`] of the search keys. Idempotent, and independent of the
/// text's normal form (NFC or NFD).
///
/// Treated as equal:
/// - What Unicode's `toNFKC_Casefold` maps to the same text (The Unicode Standard, section 3.13.5, and UAX
///   #15): upper and lower case by full case folding (`WEISS` = `weiß`, `Σ` = `σ` = `ς`), half and full width
///   (`ｶﾞﾗｽ` = `ガラス`), ligatures and compatibility characters (`ﬁ` = `fi`, `㌔` = `キロ`, `①` = `1`).
///   Default-ignorable characters are dropped: variation selectors (`葛` with U+E0100 = `葛`), joiners, soft
///   hyphens, directional marks. The iota subscript is folded to the letter iota.
/// - Hiragana and katakana (`ガラス` = `がらす`), including the small `ヵ` and `ヶ` and the full-size ones (`関ヶ原` =
///   `関ケ原`), and the phonetic extensions `ㇰ` to `ㇿ` likewise. Spacing voicing marks are treated as combining
///   ones (`か゛` = `が`).
/// - Letters with and without accents in Latin, Greek, Cyrillic, Hebrew (points), Arabic and Syriac (vowel marks, hamza and
///   madda above or below a letter, and the tatweel); also marks of digits and symbols (`1️⃣` = `1`, `≠` = `=`).
/// - Letters with strokes, ligatures and similar letters, and their replacements in PostgreSQL's `unaccent`
///   rules: `Ł` = `l`, `Æ` = `ae`, `Þ` = `th`. So all of `İ I ı i` are `i`. In Arabic, `ى` and `ی` are `ي`,
///   `ک` is `ك`, `ة` is `ه`, `ٱ` is `ا`.
/// - Punctuation that different systems use interchangeably: all dashes, hyphens and minus signs; all tildes
///   and wave dashes; all apostrophes, primes and single quotation marks; all double ones; `‖` and `∥`; all
///   middle dots and bullets; and the fraction slash (`½` = `1/2`).
/// - Any white space of any length; leading and trailing white space is removed.
///
/// Treated as different: voiced and plain kana (`が`, `か`), small and full-size kana (`っ`, `つ`), the prolonged
/// sound mark `ー` and dashes, iteration marks and what they repeat, kana and their romanisation, old and new
/// forms of kanji (`澤`, `沢`) and traditional and simplified Chinese, unless Unicode unifies them; umlauts and
/// their spelling with `e` (`ü` is `u`, not `ue`); all marks of Indic scripts, Thai and others not named
/// above; digits of different scripts; final and other forms of Hebrew letters.
///
/// The result has at most 300 characters; it is empty for a text of only ignorable characters and accents.
pub fn fold(text: &str) -> String {
    if text.is_ascii() { cut(replaced(&text.to_ascii_lowercase())) } else { fold_unicode(text) }
}

/// [`fold`] for any text.
fn fold_unicode(text: &str) -> String {
    let folded = replaced(&casefold_decomposed(text.chars().map(before_decomposition)));
    // Composed last, because dropping a character may bring a letter and a mark together.
    cut(if folded.is_ascii() { folded } else { folded.nfc().collect() })
}

/// Version 1 of [`fold`]: NFKC, lower case, and no accents (U+0300 to U+036F). Rows written before version 2
/// have search keys of this version until they are rebuilt.
fn fold_v1(text: &str) -> String {
    let lower: String = text.nfkc().flat_map(char::to_lowercase).collect();
    lower.nfd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).nfkc().collect()
}

/// Unicode's `toNFKC_Casefold`, but decomposed (NFKD) instead of composed (NFC). The marks of a letter may be
/// in another order if ignorable characters were between them.
fn casefold_decomposed(text: impl Iterator<Item = char>) -> String {
    let decomposed: String = text.nfkd().collect();
    // Folding a decomposed text yields a decomposed text: the tests check each code point against Unicode's
    // data.
    let mut folded = CaseMapper::new().fold_string(&decomposed).into_owned();
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    folded.retain(|c| !ignorable.contains(c));
    folded
}

/// Replaces characters that NFKC would turn into a space and a mark, or into two characters.
fn before_decomposition(c: char) -> char {
    match c {
        // Spacing voicing marks, which some systems and people write after the kana.
        '\u{309b}' => '\u{3099}',
        '\u{309c}' => '\u{309a}',
        // The acute accent, also as the Greek oxia, and the Greek koronis, as apostrophes.
        '\u{b4}' | '\u{1ffd}' | '\u{1fbd}' => '\'',
        // Double primes.
        '\u{2033}' | '\u{2036}' => '"',
        // The small tilde.
        '\u{2dc}' => '~',
        c => c,
    }
}

/// Applies the replacements for search to a case-folded, decomposed text, and collapses runs of white space
/// into one space.
fn replaced(text: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'a'..='z' | '0'..='9' => replaced.push(c),
            c if c.is_whitespace() => {
                if !replaced.is_empty() && !replaced.ends_with(' ') {
                    replaced.push(' ');
                }
            }
            c if is_accent(c) || c == TATWEEL => {}
            c => match letters::spelled(c) {
                Some(letters) => replaced.push_str(letters),
                None => replaced.push(punctuation(kana(c))),
            },
        }
    }
    replaced
}

/// Truncates a folded text to [`MAX_CHARACTERS`], without a trailing space.
fn cut(mut folded: String) -> String {
    if let Some((end, _)) = folded.char_indices().nth(MAX_CHARACTERS) {
        folded.truncate(end);
    }
    folded.truncate(folded.trim_end_matches(' ').len());
    folded
}

/// The character that elongates Arabic words.
const TATWEEL: char = '\u{640}';

/// Whether `c` is a mark that is irrelevant for search: the general marks for letters and symbols, and those
/// of Cyrillic, Hebrew, Arabic, Syriac and Greek notes. In other scripts marks are vowels, tones or voicing.
/// Their order is irrelevant, because they are dropped everywhere.
fn is_accent(c: char) -> bool {
    match c {
        ..'\u{300}' => false,
        // Combining Diacritical Marks, with Extended, Supplement, for Symbols, and Half Marks
        '\u{300}'..='\u{36f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}' => true,
        // Cyrillic
        '\u{483}'..='\u{489}'
        | '\u{2de0}'..='\u{2dff}'
        | '\u{a66f}'..='\u{a672}'
        | '\u{a674}'..='\u{a67d}'
        | '\u{a69e}'..='\u{a69f}'
        | '\u{1e08f}' => true,
        // Hebrew
        '\u{591}'..='\u{5bd}'
        | '\u{5bf}'
        | '\u{5c1}'..='\u{5c2}'
        | '\u{5c4}'..='\u{5c5}'
        | '\u{5c7}'..='\u{5c9}'
        | '\u{fb1e}' => true,
        // Arabic
        '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}'
        | '\u{670}'
        | '\u{6d6}'..='\u{6dc}'
        | '\u{6df}'..='\u{6e4}'
        | '\u{6e7}'..='\u{6e8}'
        | '\u{6ea}'..='\u{6ed}'
        | '\u{897}'..='\u{89f}'
        | '\u{8ca}'..='\u{8e1}'
        | '\u{8e3}'..='\u{8ff}'
        | '\u{102e0}'
        | '\u{10ecb}'..='\u{10ecf}'
        | '\u{10ef0}'..='\u{10eff}' => true,
        // Syriac
        '\u{711}' | '\u{730}'..='\u{74a}' => true,
        // Greek
        '\u{1d242}'..='\u{1d244}' => true,
        _ => false,
    }
}

/// Maps katakana to hiragana, both without voicing marks, and small kana to the full-size ones that people
/// use interchangeably.
fn kana(c: char) -> char {
    const SMALL: [char; 16] =
        ['く', 'し', 'す', 'と', 'ぬ', 'は', 'ひ', 'ふ', 'へ', 'ほ', 'む', 'ら', 'り', 'る', 'れ', 'ろ'];
    match c {
        'ゕ' | 'ヵ' => 'か',
        'ゖ' | 'ヶ' => 'け',
        'ァ'..='ヴ' | 'ヽ' => moved(c, 'ァ', 'ぁ'),
        'ㇰ'..='ㇿ' => SMALL.get(u32::from(c) as usize - 0x31f0).copied().unwrap_or(c),
        // Small Kana Extension
        '\u{1b132}' | '\u{1b155}' => 'こ',
        '\u{1b150}' | '\u{1b164}' => 'ゐ',
        '\u{1b151}' | '\u{1b165}' => 'ゑ',
        '\u{1b152}' | '\u{1b166}' => 'を',
        '\u{1b167}' => 'ん',
        c => c,
    }
}

/// The character with the same offset from `to` as `c` has from `from`.
fn moved(c: char, from: char, to: char) -> char {
    char::from_u32(u32::from(c) - u32::from(from) + u32::from(to)).unwrap_or(c)
}

/// Unifies characters that different systems use interchangeably: keyboards, conversions between encodings
/// (those of Shift JIS differ in dashes, tildes and parallel lines), and word processors.
fn punctuation(c: char) -> char {
    match c {
        // Tildes: swung dash, tilde operator, wave dash, wavy dash
        '\u{2053}' | '\u{223c}' | '\u{301c}' | '\u{3030}' => '~',
        // Dashes: all of General_Category Pd except the two above, then the modifier letter minus, the hyphen
        // bullet, the minus sign and the horizontal box-drawing line
        '\u{58a}'
        | '\u{5be}'
        | '\u{1400}'
        | '\u{1806}'
        | '\u{2010}'..='\u{2015}'
        | '\u{2e17}'
        | '\u{2e1a}'
        | '\u{2e3a}'
        | '\u{2e3b}'
        | '\u{2e40}'
        | '\u{2e5d}'
        | '\u{30a0}'
        | '\u{10d6e}'
        | '\u{10ead}'
        | '\u{2d7}'
        | '\u{2043}'
        | '\u{2212}'
        | '\u{2500}' => '-',
        // Apostrophes: grave accent, modifier letters (prime, turned comma, apostrophe, reversed comma, half rings,
        // vertical line, acute, grave), geresh, quotation marks, primes, angle quotation marks
        '`'
        | '\u{2b9}'
        | '\u{2bb}'..='\u{2bf}'
        | '\u{2c8}'
        | '\u{2ca}'
        | '\u{2cb}'
        | '\u{5f3}'
        | '\u{2018}'..='\u{201b}'
        | '\u{2032}'
        | '\u{2035}'
        | '\u{2039}'
        | '\u{203a}' => '\'',
        // Double quotation marks: angle, modifier letter double prime, gershayim, quotation marks, Japanese
        // ones
        '\u{ab}' | '\u{bb}' | '\u{2ba}' | '\u{5f4}' | '\u{201c}'..='\u{201f}' | '\u{301d}'..='\u{301f}' => {
            '"'
        }
        // Modifier letters in the rules of `unaccent`
        '\u{2c6}' => '^',
        '\u{2d0}' => ':',
        // Slashes: the one in the NFKC form of `½`, and the division slash
        '\u{2044}' | '\u{2215}' => '/',
        // Parallel lines
        '\u{2225}' => '\u{2016}',
        // Middle dots: bullet, hyphenation point, bullet and dot operators, katakana middle dot
        '\u{2022}' | '\u{2027}' | '\u{2219}' | '\u{22c5}' | '\u{30fb}' => '\u{b7}',
        c => c,
    }
}
