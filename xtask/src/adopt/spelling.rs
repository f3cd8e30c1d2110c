//! The three spellings of a name, and where they occur in a text as whole words.

use std::ops::Range;

use anyhow::{Result, ensure};

/// A shorter word occurs in texts by chance, for example in hashes.
const MIN_LETTERS: usize = 3;

/// The maximum length: `<name>-cdk-staging-functions` must be a user id of ElastiCache, which has up to 40 characters.
const MAX_LETTERS: usize = 16;

/// A sequence of this length is not a word.
const MIN_HASH_LENGTH: usize = 40;

/// Names that a database on AWS cannot have: PostgreSQL's reserved words, and existing databases.
const RESERVED: &str = "
    all analyse analyze and any array asc asymmetric authorization binary both case cast check collate collation column
    concurrently constraint create cross default deferrable desc distinct else end except false fetch for foreign freeze
    from full grant group having ilike initially inner intersect into isnull join lateral leading left like limit
    localtime localtimestamp natural not notnull null offset only order outer overlaps placing primary references
    returning right select similar some symmetric table tablesample then trailing true union unique user using variadic
    verbose when where window with
    postgres rdsadmin template";

/// A name in its spellings: `lower`, `Title` and `UPPER` case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    spellings: [String; 3],
}

impl Name {
    /// `text` as the name of a project.
    pub(super) fn new(text: &str) -> Result<Self> {
        ensure!(
            (MIN_LETTERS..=MAX_LETTERS).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_lowercase()),
            "{text:?} cannot be the name: stacks, hosts, databases, URNs and types are named after it, so it must be one \
            word of {MIN_LETTERS} to {MAX_LETTERS} letters from a to z"
        );
        ensure!(
            !RESERVED.split_whitespace().any(|reserved| reserved == text),
            "{text:?} cannot be the name: PostgreSQL reserves it, and the database is named after the project"
        );
        Ok(Self::spelled(text))
    }

    fn spelled(text: &str) -> Self {
        let (first, rest) = text.split_at(1);
        Self { spellings: [text.to_owned(), first.to_uppercase() + rest, text.to_uppercase()] }
    }

    /// The name in lower case.
    pub(super) fn text(&self) -> &str {
        &self.spellings[0]
    }

    /// Where `text` has the name as a whole word, in order, and in which spelling. A part of an identifier counts as a
    /// word (`store_owner`, `StoreStack`), a part of another word does not (`workshop`, `shops`).
    fn mentions(&self, text: &str) -> Vec<(Range<usize>, usize)> {
        let mut mentions: Vec<_> = self
            .spellings
            .iter()
            .enumerate()
            .flat_map(|(spelling, word)| text.match_indices(word).map(move |(start, _)| (start, spelling)))
            .map(|(start, spelling)| (start..start + self.text().len(), spelling))
            .filter(|(place, spelling)| is_word(text, place, *spelling))
            .collect();
        mentions.sort_by_key(|(place, _)| place.start);
        mentions
    }

    /// The number of mentions in `text`.
    pub(super) fn count(&self, text: &str) -> usize {
        self.mentions(text).len()
    }

    /// Whether a longer word in `text` contains the name, in any spelling: `Shops`, `workshop`. Ignores hashes and the
    /// like, which contain every short word.
    pub(super) fn is_inside(&self, text: &str) -> bool {
        let is_part = |letter: char| letter.is_alphanumeric() || "+/_".contains(letter);
        text.split(|letter| !is_part(letter))
            .filter(|word| word.len() < MIN_HASH_LENGTH)
            .any(|word| word.to_lowercase().matches(self.text()).count() > self.count(word))
    }

    /// `text` with `new` instead of this name, in the same spelling. Whether it is a mention depends only on the
    /// surrounding text, so renaming back restores the text unless it contained `new` before.
    pub(super) fn replaced(&self, text: &str, new: &Self) -> String {
        let mut result = String::with_capacity(text.len());
        let mut end = 0;
        for (place, spelling) in self.mentions(text) {
            result.push_str(&text[end..place.start]);
            result.push_str(&new.spellings[spelling]);
            end = place.end;
        }
        result.push_str(&text[end..]);
        result
    }
}

/// Whether the text at `place`, in the spelling with that index, is a whole word.
fn is_word(text: &str, place: &Range<usize>, spelling: usize) -> bool {
    let before = text[..place.start].chars().next_back();
    let after = text[place.end..].chars().next();
    let begins = match spelling {
        // `aName`, but not `XName` or `8Name`.
        1 => before.is_none_or(|it| it.is_lowercase() || !it.is_alphanumeric()),
        _ => before.is_none_or(|it| !it.is_alphanumeric()),
    };
    let ends = match spelling {
        2 => after.is_none_or(|it| !it.is_alphanumeric()),
        _ => after.is_none_or(|it| it.is_uppercase() || !it.is_alphanumeric()),
    };
    begins && ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn replaces_words_in_three_spellings_and_parts_of_identifiers() {
        let text = "quince, Quince and QUINCE: quince_owner, quinceStack, QuinceStack, theQuince, QUINCE_X, 梨quince";
        assert_eq!(
            name("quince").replaced(text, &name("medlar")),
            "medlar, Medlar and MEDLAR: medlar_owner, medlarStack, MedlarStack, theMedlar, MEDLAR_X, 梨quince"
        );
    }

    #[test]
    fn other_words_stay() {
        for text in
            ["quinces", "Quinces", "QUINCES", "aquince", "XQUINCE", "XQuince", "8quince", "quince8", "qUINCE"]
        {
            assert_eq!(name("quince").replaced(text, &name("medlar")), text);
        }
    }

    #[test]
    fn a_word_around_the_name_is_found() {
        for text in ["the quinces", "a Quinces", "xquince/read", "QUINCE8"] {
            assert!(name("quince").is_inside(text), "{text}");
        }
        let hash = "x4quinceXhd7bhsdf8gbsd+fg/sdfgsdfgdfgsd9KJ";
        for text in ["a quince, QuinceStack", "quince_owner/QUINCE", hash] {
            assert!(!name("quince").is_inside(text), "{text}");
        }
    }

    #[test]
    fn the_way_back_leads_to_the_same_text() {
        let text = "quince quinces\nQuinceQuince/quince-quince.QUINCE~";
        for new in ["kea", "medlar", "kakapokakapokaka"] {
            let new = name(new);
            assert_eq!(new.replaced(&name("quince").replaced(text, &new), &name("quince")), text);
        }
    }

    #[test]
    fn refuses_what_cannot_name_a_stack_a_host_a_urn_a_database_and_a_type() {
        for text in [
            "",
            "ab",
            "Quince",
            "quince-tree",
            "quince_tree",
            "quince tree",
            "quince2",
            "2quince",
            "木瓜",
            "quincé",
            "kakapokakapokakap",
            "-quince",
            "quince\n",
            "select",
            "postgres",
        ] {
            assert!(Name::new(text).is_err(), "{text:?}");
        }
    }
}
