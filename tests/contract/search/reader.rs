//! A reference implementation of near hits that reads all names: the rules of `docs/search.md` without an index.

use std::collections::{HashMap, HashSet};

/// A word, or a run of characters in a script without spaces, and the text between it and the previous piece.
struct Piece {
    gap: String,
    text: String,
    is_run: bool,
}

fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '々'..='〇')
        || matches!(c, 'ぁ'..='ヿ' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() && !is_unspaced(c)
}

fn pieces(text: &str) -> Vec<Piece> {
    let characters: Vec<_> = text.chars().collect();
    let at = |place: usize, is: fn(char) -> bool| characters.get(place).is_some_and(|&c| is(c));
    let (mut pieces, mut gap, mut place) = (Vec::new(), String::new(), 0);
    while place < characters.len() {
        let start = place;
        let (is, joins): (fn(char) -> bool, &[char]) = if at(place, is_unspaced) {
            (is_unspaced, &[' '])
        } else if at(place, is_letter) {
            (is_letter, &['-', '\''])
        } else {
            gap.push(characters[place]);
            place += 1;
            continue;
        };
        while at(place, is)
            || (place < characters.len() && joins.contains(&characters[place]) && at(place + 1, is))
        {
            place += 1;
        }
        let text = characters[start..place].iter().collect();
        pieces.push(Piece { gap: std::mem::take(&mut gap), text, is_run: at(start, is_unspaced) });
    }
    pieces
}

/// The minimum number of edits, if it is at most 2. An edit inserts, removes or replaces a character, or swaps two
/// neighbours.
fn edits(from: &[char], to: &[char]) -> Option<u8> {
    if from == to {
        Some(0)
    } else if is_once(from, to) {
        Some(1)
    } else {
        edited(from).iter().any(|text| is_once(text, to)).then_some(2)
    }
}

/// All results of one edit of `text`, where `*` stands for any other character.
fn edited(text: &[char]) -> Vec<Vec<char>> {
    let mut all = Vec::new();
    for place in 0..=text.len() {
        let (before, after) = text.split_at(place);
        all.push([before, &['*'], after].concat());
        if let Some((_, rest)) = after.split_first() {
            all.push([before, rest].concat());
            all.push([before, &['*'], rest].concat());
        }
        if let [first, second, rest @ ..] = after {
            all.push([before, &[*second, *first], rest].concat());
        }
    }
    all
}

/// Whether at most one edit turns `from` into `to`.
fn is_once(from: &[char], to: &[char]) -> bool {
    let is_same = |a: &[char]| a.len() == to.len() && a.iter().zip(to).all(|(a, b)| a == b || *a == '*');
    from.len().abs_diff(to.len()) <= 1 && (is_same(from) || edited(from).iter().any(|text| is_same(text)))
}

/// An index of all names.
pub(super) struct Reader {
    words: HashSet<String>,
    /// All sequences of three characters in runs.
    triples: HashSet<Vec<char>>,
}

/// A term, with information about its words.
pub(super) struct Term<'a> {
    reader: &'a Reader,
    text: String,
    pieces: Vec<Piece>,
    most: u8,
    /// Which of the pieces are words that are in no name.
    unknown: Vec<bool>,
    /// Which of the pieces are words that may be misspelt.
    doubtful: Vec<bool>,
    /// The possible corrections of each word, with the number of edits.
    near: Vec<HashMap<&'a str, u8>>,
}

impl Reader {
    pub(super) fn of<'a>(keys: impl Iterator<Item = &'a str>) -> Self {
        let mut reader = Self { words: HashSet::new(), triples: HashSet::new() };
        for piece in keys.flat_map(pieces) {
            if piece.is_run {
                let run: Vec<_> = piece.text.chars().filter(|c| *c != ' ').collect();
                reader.triples.extend(run.windows(3).map(<[char]>::to_vec));
            } else {
                let parts = piece.text.split(['-', '\'']).map(str::to_owned);
                let all = parts.chain([piece.text.clone()]);
                reader.words.extend(all.filter(|word| word.chars().count() > 1 && !is_number(word)));
            }
        }
        reader
    }

    pub(super) fn term(&self, text: &str) -> Term<'_> {
        let pieces = pieces(text);
        let length = |piece: &Piece| piece.text.chars().count();
        let most = match text.chars().count() {
            0..4 => 0,
            4..8 => 1,
            _ => 2,
        };
        let is_word = |piece: &Piece| !piece.is_run && length(piece) > 2 && !is_number(&piece.text);
        let unknown: Vec<_> =
            pieces.iter().map(|piece| is_word(piece) && !self.words.contains(&piece.text)).collect();
        let has_unknown = unknown.contains(&true);
        let is_doubtful = |(piece, is_unknown): (&Piece, &bool)| {
            *is_unknown || (!has_unknown && is_word(piece) && length(piece) > 3 && pieces.len() <= 4)
        };
        let doubtful: Vec<_> = pieces.iter().zip(&unknown).map(is_doubtful).collect();
        let near = pieces.iter().zip(&doubtful);
        let near =
            near.map(|(piece, is)| if *is { self.near(&piece.text, most) } else { HashMap::new() }).collect();
        Term { reader: self, text: text.to_owned(), pieces, most, unknown, doubtful, near }
    }

    /// The possible corrections of `word`.
    fn near(&self, word: &str, most: u8) -> HashMap<&str, u8> {
        let from: Vec<_> = word.chars().collect();
        let to: Vec<(&str, Vec<char>)> =
            self.words.iter().map(|to| (to.as_str(), to.chars().collect())).collect();
        let mut near: HashMap<_, _> = to
            .iter()
            .filter(|(text, to)| *text != word && is_once(&from, to))
            .map(|(text, _)| (*text, 1))
            .collect();
        if near.is_empty() && most == 2 && from.len() >= 8 {
            let twice =
                to.iter().filter(|(_, to)| from.len().abs_diff(to.len()) <= 2 && edits(&from, to) == Some(2));
            near = twice.map(|(text, _)| (*text, 2)).collect();
        }
        near
    }
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

impl Term<'_> {
    /// Whether the folded name `key` has a near hit for the term, but not the term itself.
    pub(super) fn is_near(&self, key: &str) -> bool {
        if self.most == 0 || key.contains(&self.text) {
            return false;
        }
        let (Some(first), Some(last)) = (self.pieces.first(), self.pieces.last()) else { return false };
        let characters: Vec<_> = key.chars().collect();
        let is = |place: usize, is: fn(char) -> bool| characters.get(place).is_some_and(|&c| is(c));
        let of = |piece: &Piece| if piece.is_run { is_unspaced } else { is_letter };
        let begins =
            |place: usize| is(place, of(first)) && (first.is_run || place == 0 || !is(place - 1, is_letter));
        let ends = |place: usize| is(place, of(last)) && (last.is_run || !is(place + 1, is_letter));
        let length = |characters: &mut dyn Iterator<Item = char>| characters.filter(|c| *c != ' ').count();
        let divided = self.pieces.iter().skip(1).flat_map(|piece| piece.gap.chars());
        let size = length(&mut self.pieces.iter().flat_map(|piece| piece.text.chars()).chain(divided));
        (0..characters.len()).filter(|&start| begins(start)).any(|start| {
            (start..characters.len()).filter(|&end| ends(end)).any(|end| {
                let part = &characters[start..=end];
                length(&mut part.iter().copied()).abs_diff(size) <= 2
                    && self.becomes(&part.iter().collect::<String>())
            })
        })
    }

    /// Whether the term turns into `text` with the permitted edits.
    fn becomes(&self, text: &str) -> bool {
        self.is_joined(text) || self.matches(0, &pieces(text), 0)
    }

    /// Whether `text` is the term with two of its words joined.
    fn is_joined(&self, text: &str) -> bool {
        let pairs = self.pieces.windows(2).enumerate();
        pairs.filter(|(_, pair)| pair[1].gap == " " && !pair[0].is_run && !pair[1].is_run).any(
            |(place, pair)| {
                ["", "-"].iter().any(|joint| {
                    let joined = self.pieces.iter().enumerate().map(|(other, piece)| {
                        let gap = match other {
                            0 => "",
                            _ if other == place + 1 => joint,
                            _ => &piece.gap,
                        };
                        format!("{gap}{}", piece.text)
                    });
                    let word = format!("{}{joint}{}", pair[0].text, pair[1].text);
                    self.reader.words.contains(&word) && joined.collect::<String>() == text
                })
            },
        )
    }

    /// Whether the pieces from `place` on turn into `found`, after `edits` in earlier pieces.
    fn matches(&self, place: usize, found: &[Piece], edits: u8) -> bool {
        let (Some(piece), Some(first)) = (self.pieces.get(place), found.first()) else {
            return place == self.pieces.len() && found.is_empty() && edits <= self.most;
        };
        let is_change = place > 0 && piece.is_run != self.pieces[place - 1].is_run;
        let is_divided = if is_change && ["", " "].contains(&&*piece.gap) {
            ["", " "].contains(&&*first.gap)
        } else {
            place == 0 || piece.gap == first.gap
        };
        is_divided
            && self.costs(place, found).into_iter().any(|(taken, cost)| {
                edits + cost <= self.most && self.matches(place + 1, &found[taken..], edits + cost)
            })
    }

    /// How many leading pieces of `found` the piece at `place` may turn into, each with the number of edits.
    fn costs(&self, place: usize, found: &[Piece]) -> Vec<(usize, u8)> {
        let (piece, first) = (&self.pieces[place], &found[0]);
        if piece.is_run != first.is_run {
            return Vec::new();
        }
        if piece.is_run {
            return self.run_cost(&piece.text, &first.text).map(|cost| (1, cost)).into_iter().collect();
        }
        let mut costs = Vec::new();
        if piece.text == first.text && !self.unknown[place] {
            costs.push((1, 0));
        }
        costs.extend(self.near[place].get(&*first.text).map(|edits| (1, *edits)));
        if let [first, second, ..] = found
            && self.doubtful[place]
            && !second.is_run
            && second.gap == " "
            && [first, second].iter().all(|piece| self.reader.words.contains(&piece.text))
            && ["", "-"].iter().any(|joint| piece.text == format!("{}{joint}{}", first.text, second.text))
        {
            costs.push((2, 1));
        }
        costs
    }

    fn run_cost(&self, run: &str, found: &str) -> Option<u8> {
        let characters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<Vec<_>>();
        let (from, to) = (characters(run), characters(found));
        if from.len() < 4 {
            return (run == found).then_some(0);
        }
        if from == to {
            return Some(0);
        }
        let is_known = from.windows(3).all(|triple| self.reader.triples.contains(triple));
        if to == from[1..] || to == from[..from.len() - 1] {
            return (!is_known).then_some(1);
        }
        let has_same_ends = from.first() == to.first() && from.last() == to.last();
        // At an end only a swap counts; a different or additional character there is outside of the match.
        let is_swap = from.len() == to.len() && {
            let (mut a, mut b) = (from.clone(), to.clone());
            a.sort_unstable();
            b.sort_unstable();
            a == b
        };
        ((has_same_ends || is_swap) && is_once(&from, &to)).then_some(1)
    }
}
